//! A test CA: its certificate and key, and every certificate and CRL it is told to sign, the wrong ones too.
//!
//! Certificates are built element by element, because most tests want one that a well-behaved library refuses to
//! make.  To: files on disk, requests, and the check of answers.

use crate::crl::CrlSpec;
use crate::encode::{
    bit_string, boolean_true, common_name, element, extension, integer, oid, pem, sequence,
    x509_time,
};
use crate::key::{KeyKind, TestKey};
use aws_lc_rs::digest;
use ocspry_wire::Time;
use ocspry_wire::der::{oid as known, tag};
use ocspry_wire::x509::Certificate;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The wall clock, whole seconds.
pub fn now() -> Time {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    Time::from_unix(i64::try_from(elapsed.as_secs()).expect("a sane clock"))
}

/// A CA.
#[derive(Debug)]
pub struct Authority {
    /// Its key.
    pub key: TestKey,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Its Name, DER.
    pub name: Vec<u8>,
    next_serial: AtomicU64,
}

/// A certificate and the private key that belongs to it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The key.
    pub key: TestKey,
}

impl Credential {
    /// The certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }
}

/// What a certificate says; start from a constructor and change what the test is about.
#[derive(Clone, Debug)]
pub struct CertificateSpec {
    /// The subject's commonName.
    pub subject: String,
    /// Content octets of the serial number; None = the next free one.
    pub serial: Option<Vec<u8>>,
    /// First second of validity; a month ago, unless a test says otherwise.
    pub not_before: Time,
    /// Last second of validity.
    pub not_after: Time,
    /// basicConstraints with cA TRUE.
    pub is_ca: bool,
    /// keyUsage as its first octet of bits (0x80 digitalSignature, 0x04 keyCertSign, 0x02 cRLSign); None = absent.
    pub key_usage: Option<u8>,
    /// Purposes in extKeyUsage; empty = absent.
    pub ext_key_usage: Vec<&'static [u8]>,
    /// id-pkix-ocsp-nocheck.
    pub ocsp_nocheck: bool,
    /// A dNSName in subjectAltName.
    pub dns_name: Option<String>,
    /// authorityKeyIdentifier with the issuer's key identifier.
    pub authority_key_id: bool,
    /// More extensions, each whole, taken as they are.
    pub more_extensions: Vec<Vec<u8>>,
    /// Where to ask, in authorityInfoAccess; None = absent.
    pub ocsp_url: Option<String>,
}

/// Age of a certificate that nothing else is said of: older than any answer that a test makes ([`crate::Lie::Expired`]), so
/// that whoever signed was entitled to.
const AGE_SECONDS: i64 = 30 * 86_400;
/// keyUsage bits.
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_CERT_SIGN: u8 = 0x04;
const CRL_SIGN: u8 = 0x02;
/// id-kp-serverAuth.
const KP_SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// id-pe-authorityInfoAccess.
const AUTHORITY_INFO_ACCESS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
/// id-ad-ocsp.
const AD_OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
/// id-ce-subjectKeyIdentifier.
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];

impl CertificateSpec {
    /// A CA certificate.
    pub fn authority(subject: &str) -> CertificateSpec {
        CertificateSpec {
            subject: subject.to_owned(),
            serial: None,
            not_before: now().plus_seconds(-AGE_SECONDS),
            not_after: now().plus_seconds(3650 * 86_400),
            is_ca: true,
            key_usage: Some(DIGITAL_SIGNATURE | KEY_CERT_SIGN | CRL_SIGN),
            ext_key_usage: Vec::new(),
            ocsp_nocheck: false,
            dns_name: None,
            authority_key_id: true,
            more_extensions: Vec::new(),
            ocsp_url: None,
        }
    }

    /// A delegated responder's certificate as it should be (RFC 6960 §4.2.2.2).
    pub fn responder(subject: &str) -> CertificateSpec {
        CertificateSpec {
            subject: subject.to_owned(),
            serial: None,
            not_before: now().plus_seconds(-AGE_SECONDS),
            not_after: now().plus_seconds(30 * 86_400),
            is_ca: false,
            key_usage: Some(DIGITAL_SIGNATURE),
            ext_key_usage: vec![known::KP_OCSP_SIGNING],
            ocsp_nocheck: true,
            dns_name: None,
            authority_key_id: true,
            more_extensions: Vec::new(),
            ocsp_url: None,
        }
    }

    /// A TLS server's certificate.
    pub fn server(name: &str) -> CertificateSpec {
        CertificateSpec {
            subject: name.to_owned(),
            serial: None,
            not_before: now().plus_seconds(-AGE_SECONDS),
            not_after: now().plus_seconds(365 * 86_400),
            is_ca: false,
            key_usage: Some(DIGITAL_SIGNATURE),
            ext_key_usage: vec![KP_SERVER_AUTH],
            ocsp_nocheck: false,
            dns_name: Some(name.to_owned()),
            authority_key_id: true,
            more_extensions: Vec::new(),
            ocsp_url: None,
        }
    }
}

impl Authority {
    /// A self-signed CA.
    pub fn root(subject: &str, kind: KeyKind) -> Authority {
        Self::root_from(
            &CertificateSpec::authority(subject),
            TestKey::generate(kind),
        )
    }

    /// A self-signed CA with a given certificate and key.
    pub fn root_from(spec: &CertificateSpec, key: TestKey) -> Authority {
        let name = common_name(&spec.subject);
        let info = key.public_key_info();
        let certificate = certificate_der(spec, &name, &[0x01], &info, &key, &info);
        Authority {
            key,
            certificate,
            name,
            next_serial: AtomicU64::new(0x1000),
        }
    }

    /// A CA that somebody else made, by its certificate (DER) and key.
    pub fn existing(certificate: Vec<u8>, key: TestKey) -> Authority {
        let name = Certificate::from_der(&certificate)
            .expect("a certificate")
            .subject
            .to_vec();
        Authority {
            key,
            certificate,
            name,
            next_serial: AtomicU64::new(0x3000),
        }
    }

    /// A CA below this one.
    pub fn intermediate(&self, subject: &str, kind: KeyKind) -> Authority {
        let key = TestKey::generate(kind);
        let certificate = self.issue(&CertificateSpec::authority(subject), &key.public_key_info());
        Authority {
            key,
            certificate,
            name: common_name(subject),
            next_serial: AtomicU64::new(0x2000),
        }
    }

    /// Signs a certificate for a public key.
    pub fn issue(&self, spec: &CertificateSpec, public_key_info: &[u8]) -> Vec<u8> {
        let own = self.key.public_key_info();
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let serial = crate::encode::unsigned_content(serial);
        certificate_der(spec, &self.name, &serial, public_key_info, &self.key, &own)
    }

    /// Signs a certificate for a new key.
    pub fn issue_with_key(&self, spec: &CertificateSpec, kind: KeyKind) -> Credential {
        let key = TestKey::generate(kind);
        Credential {
            certificate: self.issue(spec, &key.public_key_info()),
            key,
        }
    }

    /// A delegated responder as it should be.
    pub fn responder(&self, kind: KeyKind) -> Credential {
        self.issue_with_key(&CertificateSpec::responder("OCSP responder"), kind)
    }

    /// The CA itself, for answers that it signs with its own key.
    pub fn credential(&self) -> Credential {
        Credential {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }

    /// A server certificate with a given serial number (content octets); its key is thrown away.
    pub fn server(&self, name: &str, serial: &[u8]) -> Vec<u8> {
        let mut spec = CertificateSpec::server(name);
        spec.serial = Some(serial.to_vec());
        self.issue_with_key(&spec, KeyKind::P256).certificate
    }

    /// Signs a CRL.
    pub fn crl(&self, spec: &CrlSpec) -> Vec<u8> {
        spec.signed_by(&self.name, &self.key)
    }

    /// The CA certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }
}

fn certificate_der(
    spec: &CertificateSpec,
    issuer: &[u8],
    default_serial: &[u8],
    public_key_info: &[u8],
    issuer_key: &TestKey,
    issuer_public_key_info: &[u8],
) -> Vec<u8> {
    let algorithm = issuer_key.kind().signature_algorithm().der();
    let version_3 = element(tag::context(0), &integer(&[2]));
    let serial = integer(spec.serial.as_deref().unwrap_or(default_serial));
    let validity = sequence(&[&x509_time(spec.not_before), &x509_time(spec.not_after)]);
    let extensions = element(
        tag::context(3),
        &extensions(spec, public_key_info, issuer_public_key_info),
    );
    let tbs = sequence(&[
        &version_3,
        &serial,
        algorithm,
        issuer,
        &validity,
        &common_name(&spec.subject),
        public_key_info,
        &extensions,
    ]);
    sequence(&[&tbs, algorithm, &bit_string(&issuer_key.sign(&tbs))])
}

fn extensions(
    spec: &CertificateSpec,
    public_key_info: &[u8],
    issuer_public_key_info: &[u8],
) -> Vec<u8> {
    let mut all = Vec::new();
    if spec.is_ca {
        let value = sequence(&[&boolean_true()]);
        all.push(extension(known::BASIC_CONSTRAINTS, true, &value));
    }
    if let Some(bits) = spec.key_usage {
        let value = element(tag::BIT_STRING, &[bits.trailing_zeros() as u8, bits]);
        all.push(extension(known::KEY_USAGE, true, &value));
    }
    if !spec.ext_key_usage.is_empty() {
        let purposes: Vec<u8> = spec
            .ext_key_usage
            .iter()
            .flat_map(|purpose| oid(purpose))
            .collect();
        all.push(extension(
            known::EXT_KEY_USAGE,
            false,
            &sequence(&[&purposes]),
        ));
    }
    if spec.ocsp_nocheck {
        all.push(extension(
            known::OCSP_NOCHECK,
            false,
            &element(tag::NULL, &[]),
        ));
    }
    if let Some(name) = &spec.dns_name {
        let value = sequence(&[&element(tag::context_primitive(2), name.as_bytes())]);
        all.push(extension(known::SUBJECT_ALT_NAME, false, &value));
    }
    if let Some(url) = &spec.ocsp_url {
        const URI: u8 = tag::context_primitive(6);
        let description = sequence(&[&oid(AD_OCSP), &element(URI, url.as_bytes())]);
        let value = sequence(&[&description]);
        all.push(extension(AUTHORITY_INFO_ACCESS, false, &value));
    }
    let subject_key = element(tag::OCTET_STRING, &key_identifier(public_key_info));
    all.push(extension(SUBJECT_KEY_IDENTIFIER, false, &subject_key));
    if spec.authority_key_id {
        let issuer_key = element(
            tag::context_primitive(0),
            &key_identifier(issuer_public_key_info),
        );
        all.push(extension(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            &sequence(&[&issuer_key]),
        ));
    }
    all.extend(spec.more_extensions.iter().cloned());
    element(tag::SEQUENCE, &all.concat())
}

/// RFC 5280 §4.2.1.2 (1): SHA-1 of the key bits.
fn key_identifier(public_key_info: &[u8]) -> Vec<u8> {
    let info = ocspry_wire::x509::SubjectPublicKeyInfo::from_der(public_key_info)
        .expect("rcgen writes a SubjectPublicKeyInfo");
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, info.key_bits)
        .as_ref()
        .to_vec()
}
