//! A small PKI, and OpenSSL to judge it.

use ocspry_ca::{
    AltName, CaConstraints, CaError, CaKey, CertificateAuthority, CertificateRequest, Expiry,
    FileAccess, KeyAlgorithm, NameConstraints, Profile, RevocationList, RevokedCertificate,
    RootRequest, Subject, certificate_to_pem, crl_to_pem, new_serial_number, write_file,
};
use ocspry_core::OwnedCertificate;
use ocspry_testkit::Openssl;
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use std::time::Duration;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// 2026-11-21T06:00:00Z.
pub(crate) const NOW: Time = Time::from_unix(1_795_240_800);

/// What the CA made, as files of the OpenSSL command line.
pub(crate) trait IssuedFiles {
    fn write_certificate(&self, name: &str, certificate: &OwnedCertificate);
    fn write_crl(&self, name: &str, der: &[u8]);
    /// How openssl prints a certificate.
    fn text(&self, certificate: &OwnedCertificate) -> String;
}

impl IssuedFiles for Openssl {
    fn write_certificate(&self, name: &str, certificate: &OwnedCertificate) {
        let pem = certificate_to_pem(certificate.der()).unwrap();
        write_file(&self.path(name), pem.as_bytes(), FileAccess::Public).unwrap();
    }

    fn write_crl(&self, name: &str, der: &[u8]) {
        write_file(
            &self.path(name),
            crl_to_pem(der).unwrap().as_bytes(),
            FileAccess::Public,
        )
        .unwrap();
    }

    fn text(&self, certificate: &OwnedCertificate) -> String {
        self.write_certificate("printed.pem", certificate);
        self.run("x509 -in printed.pem -noout -text")
    }
}

pub(crate) fn subject(common_name: &str) -> Subject {
    Subject::new(common_name, Some("Example")).unwrap()
}

pub(crate) fn new_serial() -> SerialNumber {
    new_serial_number().unwrap()
}

pub(crate) fn root(algorithm: KeyAlgorithm) -> CertificateAuthority {
    root_until(algorithm, subject("Test Root"), 3650 * DAY, NOW)
}

pub(crate) fn root_until(
    algorithm: KeyAlgorithm,
    subject: Subject,
    lifetime: Duration,
    now: Time,
) -> CertificateAuthority {
    let key = CaKey::generate(algorithm).unwrap();
    let request = RootRequest {
        expiry: Expiry::After(lifetime),
        ..RootRequest::usual(subject)
    };
    CertificateAuthority::self_signed(key, &request, new_serial(), now).unwrap()
}

/// A profile, and the names that go with it.
pub(crate) type Wanted = (Profile, Vec<AltName>);

pub(crate) fn issue(
    ca: &CertificateAuthority,
    name: &str,
    key: &CaKey,
    wanted: Wanted,
) -> OwnedCertificate {
    try_issue(ca, name, key, wanted).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn try_issue(
    ca: &CertificateAuthority,
    name: &str,
    key: &CaKey,
    wanted: Wanted,
) -> Result<OwnedCertificate, CaError> {
    ca.issue(&request(name, key, wanted), new_serial(), NOW)
}

pub(crate) fn request(name: &str, key: &CaKey, (profile, alt_names): Wanted) -> CertificateRequest {
    CertificateRequest {
        alt_names,
        ..CertificateRequest::usual(subject(name), key.public_key().clone(), profile)
    }
}

pub(crate) fn intermediate(path_len: Option<u8>) -> Wanted {
    let constraints = CaConstraints {
        path_len,
        names: NameConstraints::default(),
    };
    (Profile::Intermediate(constraints), Vec::new())
}

pub(crate) const RESPONDER: Wanted = (Profile::OcspResponder, Vec::new());

pub(crate) fn intermediate_of(
    ca: &CertificateAuthority,
    path_len: Option<u8>,
) -> CertificateAuthority {
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let certificate = issue(ca, "Test Intermediate", &key, intermediate(path_len));
    CertificateAuthority::new(certificate, key).unwrap()
}

pub(crate) fn server(names: &[&str]) -> Wanted {
    let names = names.iter().map(|name| AltName::parse(name).unwrap());
    (Profile::Server, names.collect())
}

/// A list without entries of its own, due at this time.
pub(crate) fn list(number: u64, next_update: Time) -> RevocationList {
    RevocationList {
        number,
        previous_this_update: None,
        next_update,
        freshest: Vec::new(),
        scope: None,
    }
}

pub(crate) fn serial(content: &[u8]) -> SerialNumber {
    SerialNumber::from_content(content).unwrap()
}

pub(crate) fn revoked(content: &[u8], reason: Option<CrlReason>) -> RevokedCertificate {
    RevokedCertificate {
        serial_number: serial(content),
        revoked: RevokedInfo {
            revocation_time: NOW.plus_seconds(-3600),
            reason,
            invalidity_date: None,
        },
    }
}

/// The lines of openssl's print that describe extensions, without indentation.
pub(crate) fn extensions(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim)
        .skip_while(|line| *line != "X509v3 extensions:")
        .skip(1)
        .take_while(|line| !line.starts_with("Signature Algorithm"))
        .collect()
}

/// Replaces the key identifiers, which differ from run to run.
pub(crate) fn masked<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let is_identifier = |line: &str| {
        line.len() == 59
            && line
                .bytes()
                .all(|octet| octet == b':' || octet.is_ascii_hexdigit())
    };
    lines
        .iter()
        .map(|line| if is_identifier(line) { "(key)" } else { line })
        .collect()
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
