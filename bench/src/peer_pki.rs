//! The PKI that all servers answer for: a CA, delegates with keys of three kinds, a CRL, and the one certificate that is asked
//! about.  To: the servers' files, the requests of the loads, and the check of every kind of answer as a client does.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use ocspry_testkit::{
    Authority, Credential, CrlSpec, HttpClient, KeyKind, Reply, RequestSpec, base64_path, cert_id,
    nonce_extension, now, pem,
};
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::{CertStatus, CrlReason, HashAlgorithm};

use crate::question::NONCE;

/// Certificates in the CRL.
const REVOKED: u16 = 1000;
/// The CA's commonName.
pub const CA_NAME: &str = "Bench CA";
/// The certificate that is asked about; it is good.
const SERIAL: [u8; 16] = [
    0x4a, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x08, 0x19, 0x2a, 0x3b, 0x4c, 0x5d, 0x6e, 0x7f,
];

/// The kinds of delegate key that are measured.
pub const KEY_KINDS: [KeyKind; 3] = [KeyKind::P256, KeyKind::Rsa2048, KeyKind::Ed25519];

/// What tables call a kind of key.
pub fn key_name(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::P256 => "P-256",
        KeyKind::Rsa2048 => "RSA-2048",
        KeyKind::Ed25519 => "Ed25519",
        KeyKind::P384 => "P-384",
        KeyKind::P521 => "P-521",
    }
}

/// A CA with one delegate, as files.
pub struct PeerPki {
    /// The P-256 CA.
    pub ca: Authority,
    /// Who signs the answers.
    pub delegate: Credential,
    /// What kind of key it has.
    pub kind: KeyKind,
    directory: PathBuf,
}

impl PeerPki {
    /// Makes it, and writes its files: `ca.pem`, `ca.key`, `crl.pem`, `ocsp.pem`, `ocsp.key`, `asked.pem`, and `index.txt` as
    /// `openssl ca` keeps it.
    pub fn make(directory: &Path, kind: KeyKind) -> Result<PeerPki> {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let ca = Authority::root(CA_NAME, KeyKind::P256);
        let delegate = ca.responder(kind);
        let mut crl = CrlSpec::new(1);
        let mut index = String::new();
        for number in 0..REVOKED {
            let serial = revoked_serial(number);
            crl = crl.revoke(&serial, Some(CrlReason::Superseded));
            index += &format!(
                "R\t391231235959Z\t260101000000Z,superseded\t{}\tunknown\t/CN=revoked-{number}\n",
                to_hex(&serial).to_uppercase()
            );
        }
        index += &format!(
            "V\t391231235959Z\t\t{}\tunknown\t/CN=asked.test\n",
            to_hex(&SERIAL).to_uppercase()
        );
        let files = [
            ("ca.pem", ca.certificate_pem()),
            ("ca.key", ca.key.pkcs8_pem()),
            ("crl.pem", pem("X509 CRL", &ca.crl(&crl))),
            ("ocsp.pem", delegate.certificate_pem()),
            ("ocsp.key", key_pem(&delegate)),
            (
                "asked.pem",
                pem("CERTIFICATE", &ca.server("asked.test", &SERIAL)),
            ),
            ("index.txt", index),
        ];
        for (name, text) in files {
            std::fs::write(directory.join(name), text)?;
        }
        Ok(PeerPki {
            ca,
            delegate,
            kind,
            directory: directory.to_owned(),
        })
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// One of its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The CertID that is asked about.
    pub fn cert_id(&self) -> Vec<u8> {
        cert_id(HashAlgorithm::Sha1, &self.ca, &SERIAL)
    }

    fn request(&self) -> RequestSpec {
        RequestSpec::one(self.cert_id())
    }

    /// The target of a GET.
    pub fn path_of_get(&self) -> String {
        base64_path(&self.request().der())
    }

    /// A GET over HTTP.
    pub fn get(&self) -> Vec<u8> {
        let path = self.path_of_get();
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
    }

    /// A POST over HTTP without a nonce.
    pub fn post(&self) -> Vec<u8> {
        post(self.request().der(), "")
    }

    /// A POST over HTTP whose last [`NONCE`] octets are the nonce.
    pub fn post_with_nonce(&self) -> Vec<u8> {
        let nonce = nonce_extension(&[0; NONCE]);
        post(self.request().with_extension(nonce).der(), "")
    }

    /// The same, and the connection ends with the answer.
    pub fn post_with_nonce_and_close(&self) -> Vec<u8> {
        let nonce = nonce_extension(&[0; NONCE]);
        post(
            self.request().with_extension(nonce).der(),
            "Connection: close\r\n",
        )
    }

    /// One answer by POST, checked as a client does.
    pub fn checked_answer(&self, port: u16) -> Result<Vec<u8>> {
        let mut client = HttpClient::connect(port)?;
        let response = client.post(&self.request().der())?;
        ensure!(response.status == 200, "HTTP {}", response.status);
        self.check(&response.body, None)
            .map_err(|why| anyhow!("a client refuses the answer: {why}"))?;
        Ok(response.body)
    }

    /// The same with a nonce, which must come back.
    pub fn checked_answer_with_nonce(&self, port: u16) -> Result<()> {
        let nonce = [0x5a; NONCE];
        let request = self.request().with_extension(nonce_extension(&nonce));
        let response = HttpClient::connect(port)?.post(&request.der())?;
        self.check(&response.body, Some(&nonce))
            .map_err(|why| anyhow!("a client refuses the answer: {why}"))
    }

    /// The same by GET.
    pub fn checked_get(&self, port: u16) -> Result<Vec<u8>> {
        let mut client = HttpClient::connect(port)?;
        let response = client.get(&self.path_of_get())?;
        ensure!(response.status == 200, "HTTP {}", response.status);
        self.check(&response.body, None)
            .map_err(|why| anyhow!("a client refuses the answer: {why}"))?;
        Ok(response.body)
    }

    /// The check of a client: who signed, the signature, which certificate, its status, the time, the nonce if it must be there.
    ///
    /// # Errors
    /// Why the answer is refused.
    pub fn check(&self, body: &[u8], nonce: Option<&[u8]>) -> Result<(), String> {
        let Reply::Signed(reply) = Reply::try_check(body, &self.ca)? else {
            return Err("not a signed answer".to_owned());
        };
        let [single] = reply.singles.as_slice() else {
            return Err(format!("{} lines", reply.singles.len()));
        };
        let now = now();
        if single.cert_id != self.cert_id() {
            Err("another certificate's answer".to_owned())
        } else if single.status != CertStatus::Good {
            Err(format!("{:?}", single.status))
        } else if single.next_update <= now {
            Err(format!("over since {}", single.next_update))
        } else if nonce.is_some() && reply.nonce.as_deref() != nonce {
            Err("another request's nonce".to_owned())
        } else {
            Ok(())
        }
    }
}

/// As everybody reads it: of an Ed25519 key without the public half, which OpenSSL does not take in PKCS#8.
fn key_pem(delegate: &Credential) -> String {
    let der = delegate.key.pkcs8_der();
    /// RFC 8410 §7: version 0, id-Ed25519, and the head of the private key's octets.
    const HEAD: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let private = der
        .windows(4)
        .position(|window| window == &HEAD[12..])
        .and_then(|at| der.get(at + 4..at + 36));
    match (delegate.key.kind(), private) {
        (KeyKind::Ed25519, Some(private)) => pem("PRIVATE KEY", &[&HEAD, private].concat()),
        _ => delegate.key.pkcs8_pem(),
    }
}

fn revoked_serial(number: u16) -> [u8; 16] {
    let mut serial = SERIAL;
    [serial[14], serial[15]] = number.to_be_bytes();
    serial
}

fn post(body: Vec<u8>, more: &str) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\n{more}Content-Type: application/ocsp-request\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocspry_testkit::{Lie, crafted_response};

    #[test]
    fn an_ed25519_key_is_one_that_openssl_reads() {
        let directory = tempfile::tempdir().unwrap();
        let pki = PeerPki::make(directory.path(), KeyKind::Ed25519).unwrap();
        let output = std::process::Command::new("openssl")
            .args(["pkey", "-pubout", "-outform", "DER", "-in"])
            .arg(pki.path("ocsp.key"))
            .output()
            .unwrap();
        assert_eq!(output.stdout, pki.delegate.key.public_key_info());
    }

    #[test]
    fn the_check_refuses_what_a_client_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let pki = PeerPki::make(directory.path(), KeyKind::P256).unwrap();
        let answer = |lie: &Lie, cert_id: Vec<u8>| {
            crafted_response(&pki.ca, &pki.delegate, &[cert_id], Some(&[7; NONCE]), lie)
        };
        let good = Lie::Status(CertStatus::Good);
        let right = answer(&good, pki.cert_id());
        assert_eq!(pki.check(&right, Some(&[7; NONCE])), Ok(()));
        assert_eq!(pki.check(&right, None), Ok(()));
        assert!(pki.check(&right, Some(&[8; NONCE])).is_err());
        let mut spoiled = right.clone();
        // The last octets are those of the delegate's certificate; the signature is before it.
        let middle = right.len() - pki.delegate.certificate.len() - 20;
        spoiled[middle] ^= 1;
        assert!(pki.check(&spoiled, None).is_err());
        let other = cert_id(HashAlgorithm::Sha1, &pki.ca, &revoked_serial(3));
        assert!(pki.check(&answer(&good, other), None).is_err());
        let unknown = answer(&Lie::Status(CertStatus::Unknown), pki.cert_id());
        assert!(pki.check(&unknown, None).is_err());
    }
}
