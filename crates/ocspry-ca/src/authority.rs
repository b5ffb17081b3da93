//! A CA: its certificate, its key, and what the one says the other may do.  From: `key.rs`, files.  To: `issue.rs`, `crl.rs`.

use crate::{
    CaConstraints, CaError, CaKey, CertificateRequest, DeltaEntry, DeltaList, KeyAlgorithm,
    NameConstraints, PreparedCertificate, RevocationList, RevokedCertificate, RootRequest, crl,
    issue,
};
use der::Decode;
use ocspry_core::{OwnedCertificate, crypto};
use ocspry_wire::Time;
use ocspry_wire::ocsp::HashAlgorithm;
use ocspry_wire::x509::{SerialNumber, display_name};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

/// A CA that can issue certificates and CRLs.
#[derive(Debug)]
pub struct CertificateAuthority {
    certificate: OwnedCertificate,
    key: CaKey,
    key_identifier: Vec<u8>,
    constraints: CaConstraints,
}

impl CertificateAuthority {
    /// Checks what the certificate of a root shall say; it is valid from ten minutes before `now`.
    ///
    /// The same serves to renew a root: [`RootRequest::renewing`].
    ///
    /// # Errors
    /// When the subject is empty, the end is not after `now`, or an extension comes twice.
    pub fn prepare_root<'a>(
        key: &'a CaKey,
        request: &RootRequest,
        now: Time,
    ) -> Result<PreparedCertificate<'a>, CaError> {
        issue::prepare_root(key, request, now)
    }

    /// Makes a root under a serial number that its caller has chosen: see [`CertificateAuthority::prepare_root`].
    ///
    /// # Errors
    /// As [`CertificateAuthority::prepare_root`] and [`PreparedCertificate::sign`].
    pub fn self_signed(
        key: CaKey,
        request: &RootRequest,
        serial_number: SerialNumber,
        now: Time,
    ) -> Result<CertificateAuthority, CaError> {
        let certificate = issue::prepare_root(&key, request, now)?.sign(serial_number)?;
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
        let key_identifier = match parsed
            .tbs_certificate()
            .get_extension::<SubjectKeyIdentifier>()
            .map_err(unreadable("subjectKeyIdentifier"))?
        {
            Some((_, identifier)) => identifier.0.as_bytes().to_vec(),
            None => key_identifier(view.public_key.key_bits),
        };
        Ok(CertificateAuthority {
            constraints: CaConstraints::of(&certificate)?,
            key_identifier,
            certificate,
            key,
        })
    }

    /// Checks what a certificate shall say; nothing is signed yet.
    ///
    /// It is valid from ten minutes before `now`, but never outside the CA's own validity.
    ///
    /// # Errors
    /// When the CA is not valid now, may not issue such a certificate, or the request is not sound.
    pub fn prepare(
        &self,
        request: &CertificateRequest,
        now: Time,
    ) -> Result<PreparedCertificate<'_>, CaError> {
        self.check_valid(now)?;
        issue::prepare(self, request, now)
    }

    /// Issues a certificate under a serial number that its caller has chosen: see [`CertificateAuthority::prepare`].
    ///
    /// # Errors
    /// As [`CertificateAuthority::prepare`] and [`PreparedCertificate::sign`].
    pub fn issue(
        &self,
        request: &CertificateRequest,
        serial_number: SerialNumber,
        now: Time,
    ) -> Result<OwnedCertificate, CaError> {
        self.prepare(request, now)?.sign(serial_number)
    }

    /// Signs a complete CRL of what `revoked` gives, in any order; returns its DER.
    ///
    /// # Errors
    /// When the CA is not valid now or may not sign CRLs, a serial number comes twice, or the list is due already.
    pub fn crl(
        &self,
        list: &RevocationList,
        revoked: impl IntoIterator<Item = RevokedCertificate>,
        now: Time,
    ) -> Result<Vec<u8>, CaError> {
        self.check_may_sign_crls(now)?;
        crl::sign_complete(self, list, revoked, now)
    }

    /// Signs a delta CRL: what changed since the complete list that it names; returns its DER.
    ///
    /// # Errors
    /// As [`CertificateAuthority::crl`], and when its number is not above that of its base.
    pub fn delta_crl(
        &self,
        list: &DeltaList,
        changes: impl IntoIterator<Item = DeltaEntry>,
        now: Time,
    ) -> Result<Vec<u8>, CaError> {
        self.check_may_sign_crls(now)?;
        crl::sign_delta(self, list, changes, now)
    }

    /// What key a delegated responder of this CA has: see [`KeyAlgorithm::of_responder`].
    pub fn responder_algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::of_responder(self.key.public_key())
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
        self.constraints.path_len
    }

    /// Its nameConstraints.
    pub(crate) fn names(&self) -> &NameConstraints {
        &self.constraints.names
    }

    /// Its subject, for messages.
    pub(crate) fn name(&self) -> String {
        display_name(self.certificate.view().subject)
    }

    fn check_may_sign_crls(&self, now: Time) -> Result<(), CaError> {
        self.check_valid(now)?;
        let key_usage = self.certificate.view().key_usage;
        if key_usage.is_some_and(|usage| !usage.crl_sign) {
            return Err(CaError::KeyUsage {
                issuer: self.name(),
                missing: "cRLSign",
            });
        }
        Ok(())
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
