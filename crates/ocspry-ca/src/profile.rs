//! Profiles: what a certificate is for decides what it may do.  From: command lines.  To: `issue.rs`.
//!
//! | Profile | keyUsage | extKeyUsage | must have |
//! |---|---|---|---|
//! | server | digitalSignature; RSA also keyEncipherment | serverAuth | a DNS name or an IP address |
//! | client | digitalSignature | clientAuth | |
//! | code | digitalSignature | codeSigning | a subject |
//! | email | digitalSignature; RSA also keyEncipherment, EC also keyAgreement | emailProtection | an email address |
//! | ocsp | digitalSignature | OCSPSigning, with ocsp-nocheck | a subject |
//! | intermediate | keyCertSign, cRLSign, digitalSignature | none | a subject |
//! | custom | as told | as told | |

use crate::{AltName, CaConstraints, CaError, KeyUse, PublicKey, Purpose, Subject};
use ocspry_signer::KeyKind;
use std::time::Duration;
use x509_cert::ext::pkix::name::GeneralName;

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A TLS server.
    Server,
    /// A TLS client.
    Client,
    /// Who signs programs.
    Code,
    /// Who signs and reads email (S/MIME).
    Email,
    /// A delegated responder (RFC 6960 §4.2.2.2), with ocsp-nocheck: clients do not ask for its own status.
    OcspResponder,
    /// A CA below this one.
    Intermediate(CaConstraints),
    /// What none of the others fits.
    Custom(CustomProfile),
}

/// A profile of the caller's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomProfile {
    /// keyUsage, critical; left out when there is none.
    pub key_usage: Vec<KeyUse>,
    /// extKeyUsage; left out when there is none.
    pub purposes: Vec<Purpose>,
}

impl Profile {
    /// The names of all profiles.
    pub const NAMES: [&str; 7] = [
        "server",
        "client",
        "code",
        "email",
        "ocsp",
        "intermediate",
        "custom",
    ];

    /// By name; an intermediate without constraints, a custom profile without any use.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str) -> Result<Profile, CaError> {
        Ok(match name {
            "server" => Profile::Server,
            "client" => Profile::Client,
            "code" => Profile::Code,
            "email" => Profile::Email,
            "ocsp" => Profile::OcspResponder,
            "intermediate" => Profile::Intermediate(CaConstraints::default()),
            "custom" => Profile::Custom(CustomProfile::default()),
            _ => {
                return Err(CaError::UnknownProfile {
                    name: name.to_owned(),
                });
            }
        })
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Profile::Server => "server",
            Profile::Client => "client",
            Profile::Code => "code",
            Profile::Email => "email",
            Profile::OcspResponder => "ocsp",
            Profile::Intermediate(_) => "intermediate",
            Profile::Custom(_) => "custom",
        }
    }

    /// The usual lifetime: 5 years for an intermediate, 30 days for a responder, 365 days for all others.
    pub const fn usual_lifetime(&self) -> Duration {
        const DAY: u64 = 86_400;
        Duration::from_secs(match self {
            Profile::Intermediate(_) => 5 * 365 * DAY,
            Profile::OcspResponder => 30 * DAY,
            Profile::Server
            | Profile::Client
            | Profile::Code
            | Profile::Email
            | Profile::Custom(_) => 365 * DAY,
        })
    }

    /// keyUsage and extKeyUsage of a certificate that is no CA's.
    pub(crate) fn uses(&self, key: &PublicKey) -> (Vec<KeyUse>, Vec<Purpose>) {
        let mut key_usage = vec![KeyUse::DigitalSignature];
        let purpose = match self {
            Profile::Custom(custom) => return (custom.key_usage.clone(), custom.purposes.clone()),
            Profile::Intermediate(_) => return (key_usage, Vec::new()),
            Profile::Server => Purpose::SERVER_AUTH,
            Profile::Client => Purpose::CLIENT_AUTH,
            Profile::Code => Purpose::CODE_SIGNING,
            Profile::Email => Purpose::EMAIL_PROTECTION,
            Profile::OcspResponder => Purpose::OCSP_SIGNING,
        };
        let receives_keys = matches!(self, Profile::Server | Profile::Email);
        match key.kind() {
            // TLS 1.2 without forward secrecy, and S/MIME: a key is encrypted to this one.
            KeyKind::Rsa { .. } if receives_keys => key_usage.push(KeyUse::KeyEncipherment),
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 if *self == Profile::Email => {
                key_usage.push(KeyUse::KeyAgreement);
            }
            KeyKind::Rsa { .. }
            | KeyKind::P256
            | KeyKind::P384
            | KeyKind::P521
            | KeyKind::Ed25519 => {}
        }
        (key_usage, vec![purpose])
    }

    /// Does the certificate have the names that its readers look at?
    pub(crate) fn check_names(
        &self,
        subject: &Subject,
        alt_names: &[AltName],
    ) -> Result<(), CaError> {
        let has = |is_kind: fn(&GeneralName) -> bool| alt_names.iter().any(|name| is_kind(&name.0));
        let (is_there, missing) = match self {
            Profile::Server => (
                has(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_))),
                "a DNS name or an IP address",
            ),
            Profile::Email => (
                has(|name| matches!(name, GeneralName::Rfc822Name(_))),
                "an email address",
            ),
            Profile::Code | Profile::OcspResponder | Profile::Intermediate(_) => {
                (!subject.is_empty(), "a subject")
            }
            Profile::Client | Profile::Custom(_) => (
                !subject.is_empty() || !alt_names.is_empty(),
                "a subject or an alternative name",
            ),
        };
        if is_there {
            return Ok(());
        }
        Err(CaError::MissingName {
            profile: self.name(),
            missing,
        })
    }
}
