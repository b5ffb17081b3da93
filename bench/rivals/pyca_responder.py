"""A small OCSP responder as one writes it with pyca/cryptography: one thread for each connection, kept alive.

It reads what it needs once (CA, delegate, key, the CRL), and signs every answer anew.  Its first line on standard output
names the port.

    pyca_responder.py DIRECTORY    with ca.pem, ocsp.pem, ocsp.key and crl.pem
"""

import base64
import datetime
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509 import ocsp

VALIDITY = datetime.timedelta(hours=1)


class Responder:
    """One CA, its delegate and its list."""

    def __init__(self, directory):
        def read(name):
            return (directory / name).read_bytes()

        self.issuer = x509.load_pem_x509_certificate(read("ca.pem"))
        self.delegate = x509.load_pem_x509_certificate(read("ocsp.pem"))
        self.key = serialization.load_pem_private_key(read("ocsp.key"), None)
        self.hash = None if isinstance(self.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        self.revoked = {}
        for entry in x509.load_pem_x509_crl(read("crl.pem")):
            try:
                reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
            except x509.ExtensionNotFound:
                reason = None
            self.revoked[entry.serial_number] = (entry.revocation_date_utc, reason)
        # The hashes of the issuer under each algorithm that was asked with.
        self.known = {}

    def hashes_of_issuer(self, algorithm):
        if algorithm.name not in self.known:
            name = hashes.Hash(algorithm)
            name.update(self.issuer.subject.public_bytes())
            key = hashes.Hash(algorithm)
            public = self.issuer.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
            key.update(public)
            self.known[algorithm.name] = (name.finalize(), key.finalize())
        return self.known[algorithm.name]

    def answer(self, der):
        try:
            request = ocsp.load_der_ocsp_request(der)
        except ValueError:
            return unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        algorithm = request.hash_algorithm
        name_hash, key_hash = self.hashes_of_issuer(algorithm)
        if (request.issuer_name_hash, request.issuer_key_hash) != (name_hash, key_hash):
            return unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        when, reason = self.revoked.get(request.serial_number, (None, None))
        status = ocsp.OCSPCertStatus.REVOKED if when else ocsp.OCSPCertStatus.GOOD
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                name_hash,
                key_hash,
                request.serial_number,
                algorithm,
                status,
                now,
                now + VALIDITY,
                when,
                reason,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.delegate)
            .certificates([self.delegate])
        )
        try:
            nonce = request.extensions.get_extension_for_class(x509.OCSPNonce)
            builder = builder.add_extension(nonce.value, nonce.critical)
        except x509.ExtensionNotFound:
            pass
        return builder.sign(self.key, self.hash).public_bytes(serialization.Encoding.DER)


def unsuccessful(status):
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(
        serialization.Encoding.DER
    )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one write.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        path = urllib.parse.unquote(self.path.lstrip("/"))
        try:
            der = base64.b64decode(path, validate=True)
        except ValueError:
            der = b""
        self.reply(self.server.responder.answer(der))

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.reply(self.server.responder.answer(self.rfile.read(length)))

    def reply(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", f"max-age={int(VALIDITY.total_seconds()) // 2}, public")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Handler)
    server.responder = Responder(Path(sys.argv[1]))
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
