//! The words of the ledger: what is recorded, by whom, and what is read back.  From: the commands of the CA.  To: the
//! database and back (RFC 5280 for what they mean).

use std::collections::BTreeMap;
use std::fmt;

use ocspry_core::crypto::sha256;
use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::{Certificate, SerialNumber};

use crate::{CrlNumber, Refusal};

/// Who does something, why, and when: goes with every fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// A person, or a program such as `ca tick`: 1 to 256 characters.
    pub actor: String,
    /// Whose wish it was, as the operator counts such things: 1 to 256 characters.
    pub ticket: Option<String>,
    /// When it was asked for.
    pub requested: Time,
    /// Now.
    pub recorded: Time,
}

impl Act {
    /// Asked for and done at once, without a ticket.
    pub fn by(actor: &str, now: Time) -> Act {
        Act {
            actor: actor.to_owned(),
            ticket: None,
            requested: now,
            recorded: now,
        }
    }

    /// Whether its texts can be kept.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        check_text("the actor", &self.actor, TEXT_CHARACTERS_MAX)?;
        match &self.ticket {
            Some(ticket) => check_text("the ticket", ticket, TEXT_CHARACTERS_MAX),
            None => Ok(()),
        }
    }
}

/// Whether a text can be kept.
pub(crate) fn check_text(
    what: &'static str,
    text: &str,
    characters_max: usize,
) -> Result<(), Refusal> {
    let characters = text.chars().count();
    match (1..=characters_max).contains(&characters) {
        true => Ok(()),
        false => Err(Refusal::TextLength {
            what,
            characters,
            characters_max,
        }),
    }
}

const TEXT_CHARACTERS_MAX: usize = 256;

/// A CA of the ledger: the sequence of the fact that added it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerNumber(pub(crate) u64);

/// The name of a CA, which is also part of its URLs: 1 to 64 letters, digits, `-`, `_` and `.`, not a `.` first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerName(String);

impl IssuerName {
    /// From text.
    ///
    /// # Errors
    /// `IssuerName` when it cannot be one.
    pub fn new(name: &str) -> Result<IssuerName, Refusal> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match (1..=64).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_plain)
        {
            true => Ok(IssuerName(name.to_owned())),
            false => Err(Refusal::IssuerName {
                name: name.to_owned(),
            }),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes two certificates those of one issuer: SHA-256 of subject and public key, as `core::Issuer` has it.
pub fn issuer_identity(certificate: &Certificate<'_>) -> [u8; 32] {
    sha256(&[certificate.subject, certificate.public_key.key_bits].concat())
}

/// What a CA can be set to; each is a text, and what is not set has the program's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// `yes` or `no`: whether it issues.
    Enabled,
    /// Where its private key is.
    Key,
    /// The name of the CA above it in this ledger.
    Parent,
    /// authorityInfoAccess, id-ad-ocsp, of what it issues.
    OcspUrl,
    /// authorityInfoAccess, id-ad-caIssuers, of what it issues.
    IssuerUrl,
    /// cRLDistributionPoints of what it issues.
    CrlUrl,
    /// The profile of what it issues, where none is asked for.
    Profile,
    /// How long what it issues is valid, where nothing is asked for.
    Validity,
    /// The kind of key it makes for others, where none is asked for.
    KeyAlgorithm,
}

impl Setting {
    /// All of them.
    pub const ALL: [Setting; 9] = [
        Setting::Enabled,
        Setting::Key,
        Setting::Parent,
        Setting::OcspUrl,
        Setting::IssuerUrl,
        Setting::CrlUrl,
        Setting::Profile,
        Setting::Validity,
        Setting::KeyAlgorithm,
    ];

    /// As it is recorded.
    pub const fn name(self) -> &'static str {
        match self {
            Setting::Enabled => "enabled",
            Setting::Key => "key",
            Setting::Parent => "parent",
            Setting::OcspUrl => "ocsp-url",
            Setting::IssuerUrl => "issuer-url",
            Setting::CrlUrl => "crl-url",
            Setting::Profile => "profile",
            Setting::Validity => "validity",
            Setting::KeyAlgorithm => "key-algorithm",
        }
    }

    /// From its name; None for one that a newer version has.
    pub fn from_name(name: &str) -> Option<Setting> {
        Setting::ALL
            .into_iter()
            .find(|setting| setting.name() == name)
    }
}

/// A CA, as it is now.
#[derive(Clone, Debug)]
pub struct IssuerFacts {
    /// Its number here.
    pub number: IssuerNumber,
    /// Its name here.
    pub name: IssuerName,
    /// What its certificates have in common, as in [`issuer_identity`].
    pub identity: [u8; 32],
    /// Its certificates, in the order in which they were added; never empty.
    pub certificates: Vec<OwnedCertificate>,
    /// What it is set to.
    pub settings: BTreeMap<Setting, String>,
}

/// A certificate that was brought along from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportEntry {
    /// Its serial number.
    pub serial_number: SerialNumber,
    /// Its subject, for people.
    pub subject: String,
    /// The first second of its validity, where that is known.
    pub not_before: Option<Time>,
    /// The last second of its validity.
    pub not_after: Time,
    /// The certificate, where it is at hand.
    pub der: Option<Vec<u8>>,
    /// What it was issued for.
    pub profile: Option<String>,
    /// When and why it was revoked.
    pub revoked: Option<RevokedInfo>,
}

impl ImportEntry {
    /// Of the certificate itself.
    pub fn of(certificate: &OwnedCertificate, profile: Option<&str>) -> ImportEntry {
        let view = certificate.view();
        ImportEntry {
            serial_number: view.serial_number,
            subject: ocspry_wire::x509::display_name(view.subject),
            not_before: Some(view.not_before),
            not_after: view.not_after,
            der: Some(certificate.der().to_owned()),
            profile: profile.map(str::to_owned),
            revoked: None,
        }
    }
}

/// Where a certificate came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Signed here, after its serial was reserved.
    Issued,
    /// Brought along from elsewhere.
    Imported,
    /// A list named its serial; no more is known.
    Named,
}

/// A certificate and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The fact that it was issued.
    pub sequence: u64,
    /// By whom.
    pub issuer: IssuerNumber,
    /// Its serial number.
    pub serial_number: SerialNumber,
    /// Where it came from.
    pub origin: Origin,
    /// Its subject, for people; empty when only its serial is known.
    pub subject: String,
    /// The first second of its validity, where that is known.
    pub not_before: Option<Time>,
    /// The last second of its validity; None when only its serial is known.
    pub not_after: Option<Time>,
    /// What it was issued for.
    pub profile: Option<String>,
    /// The certificate, where it is at hand.
    pub der: Option<Vec<u8>>,
}

/// The last word on whether a certificate is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Of which.
    pub serial_number: SerialNumber,
    /// The fact that says so.
    pub sequence: u64,
    /// Revoked or on hold, or released from a hold.
    pub revocation: Revocation,
    /// From when on it counts.
    pub effective: Time,
    /// The last second of the certificate's validity, where that is known.
    pub not_after: Option<Time>,
}

/// What a CRL number is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlUse {
    /// A complete list.
    Full,
    /// A delta.
    Delta,
    /// None: it may have been used elsewhere, and the next one is after it.
    PassedOver,
}

/// A CRL that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedCrl {
    /// Its cRLNumber.
    pub number: CrlNumber,
    /// Of a delta, the number of the list that it builds on.
    pub base_number: Option<CrlNumber>,
    /// Its thisUpdate.
    pub this_update: Time,
    /// Its nextUpdate.
    pub next_update: Time,
    /// When it was there for everyone.
    pub published: Time,
    /// The last fact that it takes into account.
    pub covers: u64,
    /// How many entries it has.
    pub entry_count: u64,
    /// Of its DER.
    pub sha256: [u8; 32],
}

/// What a fact says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// A CA was added.
    IssuerAdded,
    /// A certificate of a CA.
    IssuerCertificate,
    /// Something was set.
    SettingChanged,
    /// A serial number is about to be signed.
    SerialReserved,
    /// A certificate was signed.
    Issued,
    /// A certificate was brought along.
    Imported,
    /// A serial was named by a list.
    Named,
    /// A certificate was revoked or put on hold.
    Revoked,
    /// A hold was released.
    Released,
    /// A CRL number was reserved or passed over.
    CrlNumber,
    /// A CRL was published.
    CrlPublished,
    /// Lost facts were put back.
    Reconciled,
}

impl FactKind {
    /// By the numbers of the view `fact`.
    pub(crate) fn from_code(code: i64) -> Option<FactKind> {
        Some(match code {
            1 => FactKind::IssuerAdded,
            2 => FactKind::IssuerCertificate,
            3 => FactKind::SettingChanged,
            4 => FactKind::SerialReserved,
            5 => FactKind::Issued,
            6 => FactKind::Imported,
            7 => FactKind::Named,
            8 => FactKind::Revoked,
            9 => FactKind::Released,
            10 => FactKind::CrlNumber,
            11 => FactKind::CrlPublished,
            12 => FactKind::Reconciled,
            _ => return None,
        })
    }
}

/// One fact with all that is known about how it came to be, for auditors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its place in the one sequence.
    pub sequence: u64,
    /// What it says.
    pub kind: FactKind,
    /// Of which CA; None for a reconciliation.
    pub issuer: Option<IssuerNumber>,
    /// Of which certificate.
    pub serial_number: Option<SerialNumber>,
    /// From when on it counts, where that is another time than its recording.
    pub effective: Option<Time>,
    /// Of a revocation: CRLReason's code.
    pub reason: Option<u8>,
    /// Of a revocation: invalidityDate.
    pub invalid_since: Option<Time>,
    /// Name, setting, profile or number.
    pub detail: Option<String>,
    /// Who, why, and when.
    pub act: Act,
    /// Of a revocation or release: when the first CRL with it was published.
    pub first_published: Option<Time>,
    /// Of a CRL that was published: the last fact that it takes into account.
    pub covers: Option<u64>,
    /// Of the last fact of its act: the mark of the act, as in a [`Position`](crate::Position).
    pub ends_act: Option<[u8; 16]>,
}
