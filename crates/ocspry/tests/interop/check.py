"""Asks an OCSP responder with pyca/cryptography and prints what a careful user of it makes of the answer.

check.py URL ISSUER CERTIFICATE nonce|no-nonce

One line: `good: ...`, `revoked: ...`, `unknown: ...`, or `refused: ...` with the reason.  The library builds the
request and parses the answer; every check is made here (RFC 6960 section 3.2), because the library makes none.
"""

import datetime
import os
import sys
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID


class Refused(Exception):
    """The answer is not one to rely on."""


def require(condition, reason):
    if not condition:
        raise Refused(reason)


def read_certificate(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def fetch(url, body):
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/ocsp-request"})
    # Whatever proxy the environment names, this is about the responder.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as response:
            return response.read()
    except urllib.error.URLError as error:
        raise Refused(f"urllib: {error.reason}") from error


def names(answer, certificate):
    """Does the answer's responderID name this certificate?"""
    if answer.responder_name is not None:
        return answer.responder_name == certificate.subject
    own = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    return answer.responder_key_hash == own


def signer_of(answer, issuer, now):
    """The issuer, or an enclosed delegate that the issuer itself has authorised (section 4.2.2.2)."""
    for certificate in [issuer, *answer.certificates]:
        if not names(answer, certificate):
            continue
        if certificate == issuer:
            return issuer
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise Refused("the delegate is not of the issuer") from error
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        require(ExtendedKeyUsageOID.OCSP_SIGNING in usage, "the delegate may not sign answers")
        require(
            certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc,
            "the delegate is out of date",
        )
        return certificate
    raise Refused("no certificate of the signer")


def verify_signature(answer, key):
    signature, data, algorithm = answer.signature, answer.tbs_response_bytes, answer.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        else:
            raise Refused("a kind of key that this script does not know")
    except InvalidSignature as error:
        raise Refused("the signature is wrong") from error


def check(url, issuer, certificate, nonce):
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    request = builder.build()
    answer = ocsp.load_der_ocsp_response(
        fetch(url, request.public_bytes(serialization.Encoding.DER))
    )
    status = answer.response_status
    require(status == ocsp.OCSPResponseStatus.SUCCESSFUL, f"response_status is {status.name}")

    now = datetime.datetime.now(datetime.timezone.utc)
    verify_signature(answer, signer_of(answer, issuer, now).public_key())
    require(
        answer.serial_number == request.serial_number
        and answer.issuer_name_hash == request.issuer_name_hash
        and answer.issuer_key_hash == request.issuer_key_hash,
        "the answer is for another certificate",
    )
    require(answer.this_update_utc <= now, "the answer is from the future")
    require(answer.next_update_utc is not None and now <= answer.next_update_utc, "the answer has expired")
    if nonce is not None:
        try:
            echoed = answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        except x509.ExtensionNotFound as error:
            raise Refused("no nonce in the answer") from error
        require(echoed == nonce, "another nonce")

    status = answer.certificate_status
    return status.name.lower(), f"certificate_status is {status.name}"


def main(url, issuer, certificate, with_nonce):
    nonce = os.urandom(16) if with_nonce == "nonce" else None
    try:
        verdict, words = check(url, read_certificate(issuer), read_certificate(certificate), nonce)
    except Refused as reason:
        verdict, words = "refused", str(reason)
    print(f"{verdict}: {words}")


main(*sys.argv[1:])
