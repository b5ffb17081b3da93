//! What a key may be used for: keyUsage and extKeyUsage (RFC 5280 §4.2.1.3, §4.2.1.12), by name.  From: command lines,
//! certificates to renew.  To: `profile.rs`.

use crate::CaError;
use der::asn1::ObjectIdentifier;
use std::fmt;
use x509_cert::ext::pkix::KeyUsages;

/// A bit of keyUsage that a certificate which is no CA's may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// digitalSignature.
    DigitalSignature,
    /// nonRepudiation, also called contentCommitment.
    NonRepudiation,
    /// keyEncipherment.
    KeyEncipherment,
    /// dataEncipherment.
    DataEncipherment,
    /// keyAgreement.
    KeyAgreement,
    /// cRLSign: a CRL issuer that is no CA (RFC 5280 §6.3.3).
    CrlSign,
    /// encipherOnly.
    EncipherOnly,
    /// decipherOnly.
    DecipherOnly,
}

impl KeyUse {
    /// All of them.
    pub const ALL: [KeyUse; 8] = [
        KeyUse::DigitalSignature,
        KeyUse::NonRepudiation,
        KeyUse::KeyEncipherment,
        KeyUse::DataEncipherment,
        KeyUse::KeyAgreement,
        KeyUse::CrlSign,
        KeyUse::EncipherOnly,
        KeyUse::DecipherOnly,
    ];

    /// By the standard's name, in any case.
    ///
    /// # Errors
    /// When there is none of this name; keyCertSign is a CA's alone.
    pub fn named(name: &str) -> Result<KeyUse, CaError> {
        let name_now = match name {
            "contentCommitment" => "nonRepudiation",
            other => other,
        };
        KeyUse::ALL
            .into_iter()
            .find(|usage| usage.name().eq_ignore_ascii_case(name_now))
            .ok_or_else(|| CaError::UnknownKeyUse {
                name: name.to_owned(),
            })
    }

    /// The standard's name.
    pub const fn name(self) -> &'static str {
        match self {
            KeyUse::DigitalSignature => "digitalSignature",
            KeyUse::NonRepudiation => "nonRepudiation",
            KeyUse::KeyEncipherment => "keyEncipherment",
            KeyUse::DataEncipherment => "dataEncipherment",
            KeyUse::KeyAgreement => "keyAgreement",
            KeyUse::CrlSign => "cRLSign",
            KeyUse::EncipherOnly => "encipherOnly",
            KeyUse::DecipherOnly => "decipherOnly",
        }
    }

    /// The bit.
    pub(crate) const fn bit(self) -> KeyUsages {
        match self {
            KeyUse::DigitalSignature => KeyUsages::DigitalSignature,
            KeyUse::NonRepudiation => KeyUsages::NonRepudiation,
            KeyUse::KeyEncipherment => KeyUsages::KeyEncipherment,
            KeyUse::DataEncipherment => KeyUsages::DataEncipherment,
            KeyUse::KeyAgreement => KeyUsages::KeyAgreement,
            KeyUse::CrlSign => KeyUsages::CRLSign,
            KeyUse::EncipherOnly => KeyUsages::EncipherOnly,
            KeyUse::DecipherOnly => KeyUsages::DecipherOnly,
        }
    }
}

/// A purpose in extKeyUsage; prints by its name if it has one, else dotted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(pub(crate) ObjectIdentifier);

impl Purpose {
    /// id-kp-serverAuth.
    pub const SERVER_AUTH: Purpose = kp("1.3.6.1.5.5.7.3.1");
    /// id-kp-clientAuth.
    pub const CLIENT_AUTH: Purpose = kp("1.3.6.1.5.5.7.3.2");
    /// id-kp-codeSigning.
    pub const CODE_SIGNING: Purpose = kp("1.3.6.1.5.5.7.3.3");
    /// id-kp-emailProtection.
    pub const EMAIL_PROTECTION: Purpose = kp("1.3.6.1.5.5.7.3.4");
    /// id-kp-OCSPSigning.
    pub const OCSP_SIGNING: Purpose = kp("1.3.6.1.5.5.7.3.9");

    /// By name, in any case, or by OID.
    ///
    /// # Errors
    /// When it is neither.
    pub fn named(name: &str) -> Result<Purpose, CaError> {
        let known = PURPOSES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name));
        match known {
            Some((purpose, _)) => Ok(*purpose),
            None => match ObjectIdentifier::new(name) {
                Ok(oid) => Ok(Purpose(oid)),
                Err(_) => Err(CaError::UnknownPurpose {
                    name: name.to_owned(),
                }),
            },
        }
    }

    /// From the content octets of its OID.
    pub(crate) fn from_content(content: &[u8]) -> Option<Purpose> {
        ObjectIdentifier::from_bytes(content).ok().map(Purpose)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PURPOSES.iter().find(|(purpose, _)| purpose == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

const fn kp(oid: &'static str) -> Purpose {
    Purpose(ObjectIdentifier::new_unwrap(oid))
}

/// RFC 5280 §4.2.1.12, RFC 4334, RFC 4945, RFC 4556, RFC 9336, Microsoft.
const PURPOSES: &[(Purpose, &str)] = &[
    (Purpose::SERVER_AUTH, "serverAuth"),
    (Purpose::CLIENT_AUTH, "clientAuth"),
    (Purpose::CODE_SIGNING, "codeSigning"),
    (Purpose::EMAIL_PROTECTION, "emailProtection"),
    (kp("1.3.6.1.5.5.7.3.8"), "timeStamping"),
    (Purpose::OCSP_SIGNING, "OCSPSigning"),
    (kp("1.3.6.1.5.5.7.3.14"), "eapOverLAN"),
    (kp("1.3.6.1.5.5.7.3.17"), "ipsecIKE"),
    (kp("1.3.6.1.5.5.7.3.36"), "documentSigning"),
    (kp("1.3.6.1.5.2.3.4"), "pkInitClientAuth"),
    (kp("1.3.6.1.5.2.3.5"), "pkInitKDC"),
    (kp("1.3.6.1.4.1.311.20.2.2"), "msSmartcardLogin"),
    (kp("1.3.6.1.4.1.311.10.3.4"), "msEFS"),
    (kp("2.5.29.37.0"), "anyExtendedKeyUsage"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_and_purposes_are_found_by_name_in_any_case_or_by_number() {
        for usage in KeyUse::ALL {
            let name = usage.name().to_ascii_uppercase();
            assert_eq!(KeyUse::named(&name).unwrap(), usage);
        }
        assert_eq!(
            KeyUse::named("contentCommitment").unwrap(),
            KeyUse::NonRepudiation
        );
        assert!(KeyUse::named("keyCertSign").is_err());
        for (purpose, name) in PURPOSES {
            assert_eq!(
                Purpose::named(&name.to_ascii_lowercase()).unwrap(),
                *purpose
            );
            assert_eq!(Purpose::named(&purpose.0.to_string()).unwrap(), *purpose);
            assert_eq!(purpose.to_string(), *name);
        }
        assert_eq!(Purpose::named("1.2.3.4").unwrap().to_string(), "1.2.3.4");
        assert!(Purpose::named("serverauthority").is_err());
    }
}
