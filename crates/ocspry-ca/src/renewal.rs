//! A certificate once more: what an old one says, as a request for the next.  From: a certificate.  To: `issue.rs`.
//!
//! Subject and names, constraints, uses and foreign extensions are kept; key identifiers of the issuer and pointers are
//! made new, and what belongs to one signature only (certificate transparency) is left out.

use crate::extension::{OCSP_NOCHECK, WRITTEN_HERE};
use crate::{
    AltName, CaConstraints, CaError, CertificateRequest, CustomProfile, Expiry, KeyUse,
    NameConstraints, Pointers, Profile, PublicKey, Purpose, RawExtension, RootRequest, Subject,
};
use der::asn1::ObjectIdentifier;
use der::oid::AssociatedOid;
use der::{Decode, Encode};
use ocspry_core::OwnedCertificate;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, pkix};

impl CertificateRequest {
    /// Asks for what `certificate` says once more, for its own key or another.
    ///
    /// With its own key it keeps its subjectKeyIdentifier: what it has signed names that (RFC 5280 §4.2.1.1).
    ///
    /// # Errors
    /// When its extensions cannot be read, or say what is not issued here.
    pub fn renewing(
        certificate: &OwnedCertificate,
        public_key: PublicKey,
        expiry: Expiry,
        pointers: Pointers,
    ) -> Result<CertificateRequest, CaError> {
        let old = Old::read(certificate)?;
        let is_responder = old.extensions.iter().any(|old| old.extn_id == OCSP_NOCHECK);
        let profile = if certificate.view().is_ca {
            Profile::Intermediate(old.constraints()?)
        } else if is_responder {
            Profile::OcspResponder
        } else {
            Profile::Custom(CustomProfile {
                key_usage: old.key_usage()?,
                purposes: old.purposes()?,
            })
        };
        Ok(CertificateRequest {
            subject: Subject::from_der(certificate.view().subject)?,
            alt_names: old.alt_names()?,
            key_identifier: old.key_identifier(&public_key)?,
            extensions: old.others(),
            public_key,
            profile,
            expiry,
            pointers,
        })
    }
}

impl RootRequest {
    /// Asks for what the certificate of a root says once more, for its own key or another.
    ///
    /// # Errors
    /// As [`CertificateRequest::renewing`].
    pub fn renewing(
        certificate: &OwnedCertificate,
        public_key: &PublicKey,
        expiry: Expiry,
    ) -> Result<RootRequest, CaError> {
        let old = Old::read(certificate)?;
        Ok(RootRequest {
            subject: Subject::from_der(certificate.view().subject)?,
            constraints: old.constraints()?,
            expiry,
            extensions: old.others(),
            key_identifier: old.key_identifier(public_key)?,
        })
    }
}

impl CaConstraints {
    /// The constraints in the certificate of a CA.
    ///
    /// # Errors
    /// When its extensions cannot be read.
    pub fn of(certificate: &OwnedCertificate) -> Result<CaConstraints, CaError> {
        Old::read(certificate)?.constraints()
    }
}

/// The extensions of a certificate that is there already.
struct Old<'a> {
    certificate: &'a OwnedCertificate,
    extensions: Vec<Extension>,
}

impl<'a> Old<'a> {
    fn read(certificate: &'a OwnedCertificate) -> Result<Old<'a>, CaError> {
        let parsed = CertificateInner::<Raw>::from_der(certificate.der());
        let parsed = parsed.map_err(|source| unreadable(certificate, source))?;
        let extensions = parsed.tbs_certificate().extensions();
        Ok(Old {
            certificate,
            extensions: extensions.cloned().unwrap_or_default(),
        })
    }

    fn get<T: AssociatedOid + for<'b> Decode<'b, Error = der::Error>>(
        &self,
    ) -> Result<Option<T>, CaError> {
        let found = self.extensions.iter().find(|old| old.extn_id == T::OID);
        found
            .map(|old| T::from_der(old.extn_value.as_bytes()))
            .transpose()
            .map_err(|source| unreadable(self.certificate, source))
    }

    fn constraints(&self) -> Result<CaConstraints, CaError> {
        let basic = self.get::<BasicConstraints>()?;
        let names = match self.get::<pkix::NameConstraints>()? {
            None => NameConstraints::default(),
            Some(names) => NameConstraints::from_extension(names)
                .ok_or_else(|| self.not_issued("a name constraint with a minimum or maximum"))?,
        };
        Ok(CaConstraints {
            path_len: basic.and_then(|basic| basic.path_len_constraint),
            names,
        })
    }

    fn key_usage(&self) -> Result<Vec<KeyUse>, CaError> {
        let Some(usage) = self.get::<KeyUsage>()? else {
            return Ok(Vec::new());
        };
        if usage.key_cert_sign() {
            return Err(self.not_issued("keyCertSign without being a CA"));
        }
        let has = |kept: &KeyUse| usage.0.contains(kept.bit());
        Ok(KeyUse::ALL.into_iter().filter(has).collect())
    }

    fn purposes(&self) -> Result<Vec<Purpose>, CaError> {
        let purposes = self.get::<ExtendedKeyUsage>()?;
        let purposes = purposes.map(|purposes| purposes.0).unwrap_or_default();
        Ok(purposes.into_iter().map(Purpose).collect())
    }

    fn alt_names(&self) -> Result<Vec<AltName>, CaError> {
        match self.get::<SubjectAltName>()? {
            None => Ok(Vec::new()),
            Some(names) => {
                let der = names
                    .to_der()
                    .map_err(|source| unreadable(self.certificate, source))?;
                AltName::from_general_names(&der)
            }
        }
    }

    fn key_identifier(&self, key: &PublicKey) -> Result<Option<Vec<u8>>, CaError> {
        if self.certificate.view().public_key.der != key.der() {
            return Ok(None);
        }
        let identifier = self.get::<SubjectKeyIdentifier>()?;
        Ok(identifier.map(|identifier| identifier.0.as_bytes().to_vec()))
    }

    /// A CA's extKeyUsage is among them: it bounds what those below it are for.
    fn others(&self) -> Vec<RawExtension> {
        let is_ca = self.certificate.view().is_ca;
        self.extensions
            .iter()
            .filter(|old| {
                let is_kept_purpose = is_ca && old.extn_id == ExtendedKeyUsage::OID;
                is_kept_purpose
                    || !(WRITTEN_HERE.contains(&old.extn_id)
                        || OF_ONE_SIGNATURE.contains(&old.extn_id))
            })
            .cloned()
            .map(RawExtension::kept)
            .collect()
    }

    fn not_issued(&self, what: &'static str) -> CaError {
        CaError::NotIssued {
            subject: ocspry_wire::x509::display_name(self.certificate.view().subject),
            what,
        }
    }
}

fn unreadable(certificate: &OwnedCertificate, source: der::Error) -> CaError {
    CaError::IssuerExtension {
        issuer: ocspry_wire::x509::display_name(certificate.view().subject),
        what: "an extension",
        source,
    }
}

/// The SCT list and the poison of a precertificate (RFC 6962 §3.1, §3.3).
const OF_ONE_SIGNATURE: &[ObjectIdentifier] = &[
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.3"),
];
