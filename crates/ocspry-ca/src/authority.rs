//! A CA: its certificate, its key, and what the one says the other may do.  From: `key.rs`, files.  To: `issue.rs`, `crl.rs`.

use crate::{CaError, CaKey, CertificateRequest, RevocationList, Subject, crl, issue};
use der::Decode;
use ocspry_core::{OwnedCertificate, crypto};
use ocspry_wire::Time;
use ocspry_wire::ocsp::HashAlgorithm;
use ocspry_wire::x509::display_name;
use std::time::Duration;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::pkix::{BasicConstraints, SubjectKeyIdentifier};

/// A CA that can issue certificates and CRLs.
#[derive(Debug)]
pub struct CertificateAuthority {
    certificate: OwnedCertificate,
    key: CaKey,
    key_identifier: Vec<u8>,
    path_len: Option<u8>,
}

impl CertificateAuthority {
    /// Makes a root: a CA that signs its own certificate, valid from ten minutes before `now` until `now + lifetime`.
    ///
    /// # Errors
    /// When the subject cannot be written or the key does not sign.
    pub fn self_signed(
        key: CaKey,
        subject: &Subject,
        lifetime: Duration,
        now: Time,
    ) -> Result<CertificateAuthority, CaError> {
        let certificate = issue::self_signed(&key, subject, lifetime, now)?;
        CertificateAuthority::new(certificate, key)
    }

    /// Takes a CA that has its certificate already: an intermediate, or one that was made earlier.
    ///
    /// # Errors
    /// When the certificate is not a CA's, may not sign certificates, or belongs to another key.
    pub fn new(certificate: OwnedCertificate, key: CaKey) -> Result<CertificateAuthority, CaError> {
        let view = certificate.view();
        let issuer = || display_name(view.subject);
        if view.public_key.der != key.public_key_info() {
            return Err(CaError::KeyMismatch { issuer: issuer() });
        }
        if !view.is_ca {
            return Err(CaError::NotACa { issuer: issuer() });
        }
        if view.key_usage.is_some_and(|usage| !usage.key_cert_sign) {
            return Err(CaError::KeyUsage {
                issuer: issuer(),
                missing: "keyCertSign",
            });
        }

        let unreadable = |what| {
            move |source| CaError::IssuerExtension {
                issuer: issuer(),
                what,
                source,
            }
        };
        let parsed =
            CertificateInner::<Raw>::from_der(view.der).map_err(unreadable("an extension"))?;
        let path_len = parsed
            .tbs_certificate()
            .get_extension::<BasicConstraints>()
            .map_err(unreadable("basicConstraints"))?
            .and_then(|(_, constraints)| constraints.path_len_constraint);
        let key_identifier = match parsed
            .tbs_certificate()
            .get_extension::<SubjectKeyIdentifier>()
            .map_err(unreadable("subjectKeyIdentifier"))?
        {
            Some((_, identifier)) => identifier.0.as_bytes().to_vec(),
            None => key_identifier(view.public_key.key_bits),
        };
        Ok(CertificateAuthority {
            key_identifier,
            path_len,
            certificate,
            key,
        })
    }

    /// Issues a certificate with a new random serial number.
    ///
    /// It is valid from ten minutes before `now` until `now + lifetime`, but never outside the CA's own validity.
    ///
    /// # Errors
    /// When the CA is not valid now, may not issue such a certificate, or the request is not sound.
    pub fn issue(
        &self,
        request: &CertificateRequest<'_>,
        now: Time,
    ) -> Result<OwnedCertificate, CaError> {
        self.check_valid(now)?;
        issue::issue(self, request, now)
    }

    /// Signs a CRL, dated ten minutes before `now`; returns its DER.
    ///
    /// # Errors
    /// When the CA is not valid now or may not sign CRLs, a serial number comes twice, or the list is due already.
    pub fn crl(&self, list: &RevocationList, now: Time) -> Result<Vec<u8>, CaError> {
        self.check_valid(now)?;
        if self
            .certificate
            .view()
            .key_usage
            .is_some_and(|usage| !usage.crl_sign)
        {
            return Err(CaError::KeyUsage {
                issuer: self.name(),
                missing: "cRLSign",
            });
        }
        crl::sign(self, list, now)
    }

    /// Its certificate.
    pub fn certificate(&self) -> &OwnedCertificate {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> &CaKey {
        &self.key
    }

    /// Its subjectKeyIdentifier: what authorityKeyIdentifier says in all it issues (RFC 5280 §4.2.1.1).
    pub(crate) fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// Its pathLenConstraint.
    pub(crate) fn path_len(&self) -> Option<u8> {
        self.path_len
    }

    /// Its subject, for messages.
    pub(crate) fn name(&self) -> String {
        display_name(self.certificate.view().subject)
    }

    fn check_valid(&self, now: Time) -> Result<(), CaError> {
        let view = self.certificate.view();
        if now < view.not_before || now >= view.not_after {
            return Err(CaError::IssuerNotValid {
                issuer: self.name(),
                not_before: view.not_before,
                not_after: view.not_after,
                now,
            });
        }
        Ok(())
    }
}

/// SHA-1 of the key's bits (RFC 5280 §4.2.1.2 method 1): an identifier that tools expect, no protection.
pub(crate) fn key_identifier(key_bits: &[u8]) -> Vec<u8> {
    crypto::digest(HashAlgorithm::Sha1, key_bits)
        .as_ref()
        .to_vec()
}
