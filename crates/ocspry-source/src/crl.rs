//! One list, judged: frame, issuer, signature, entries (RFC 5280 §5, §6.3.3).
//!
//! From: the octets that `crl_file` read.  To: `refresh`, as a
//! `StatusTable` with facts for people.  Everything is checked in here but one thing: whether the list is newer than
//! what was used before; that is `refresh`'s part.

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ocspry_core::crypto::{self, VerifyError};
use ocspry_core::{OwnedCertificate, SourceInfo, StatusTable, StatusTableBuilder, ValidityWindow};
use ocspry_wire::der::{DerErrorKind, Reader, tag};
use ocspry_wire::x509::{
    Certificate, CertificateList, CrlDefects, CrlError, SignatureAlgorithm, display_name, dotted,
};
use ocspry_wire::{DerError, Time};

use crate::SourceError;
use crate::crl_file::{self, Fingerprint, SourceLimits};

/// How long a list without nextUpdate counts, from the time its file was written.
pub const NO_NEXT_UPDATE_SECONDS: i64 = 24 * 60 * 60;

/// One reading of a CRL file: one complete list that is understood, not yet tied to an issuer.
#[derive(Debug)]
pub struct CrlFile {
    path: PathBuf,
    der: Vec<u8>,
    list: CertificateList,
    fingerprint: Fingerprint,
    digest: OnceLock<[u8; 32]>,
}

impl CrlFile {
    /// Reads the file (PEM or DER, detected; text around the PEM block is skipped) and checks that the list is one.
    ///
    /// # Errors
    /// Every way in which the file is not one complete CRL that is understood here.
    pub fn read(path: &Path, limits: &SourceLimits) -> Result<CrlFile, SourceError> {
        let (der, fingerprint) = crl_file::read(path, limits)?;
        let list = CertificateList::from_der(&der, |_| {})
            .map_err(|error| explained(path, &der, error))?;
        let path = path.to_owned();
        if list.extensions.base_crl_number.is_some() {
            return Err(SourceError::Delta { path });
        }
        if list.extensions.issuing_distribution_point.is_some() {
            return Err(SourceError::Partitioned { path });
        }
        Ok(CrlFile {
            path,
            der,
            list,
            fingerprint,
            digest: OnceLock::new(),
        })
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The list as DER, to keep.
    pub fn into_der(self) -> Vec<u8> {
        self.der
    }

    /// When the file was written; a time that was set ahead does not count.
    pub fn written(&self) -> Time {
        self.fingerprint.modified().min(self.fingerprint.changed())
    }

    /// The time of the file was set ahead, or the clock is behind.
    pub(crate) fn is_post_dated(&self, now: Time) -> bool {
        self.fingerprint.modified() > now || self.fingerprint.is_post_dated()
    }

    /// SHA-256 of the DER, computed once.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| crypto::sha256(&self.der))
    }

    /// The issuer's Name, whole SEQUENCE.
    pub fn issuer_name(&self) -> &[u8] {
        &self.list.header.issuer
    }

    /// Issued by this CA: its subject is the list's issuer, and its key verifies the signature.
    pub fn is_signed_by(&self, ca: &OwnedCertificate) -> bool {
        self.verify_under(ca).is_ok()
    }

    /// Checks that the list is this CA's word: its name, its right to sign CRLs, its signature (RFC 5280 §6.3.3 (f)).
    ///
    /// Names are compared octet by octet.  An authorityKeyIdentifier is not asked: the signature decides.
    ///
    /// # Errors
    /// `WrongIssuer`, `MayNotSignCrls`, `UnsupportedSignature` or `BadSignature`, in this order.
    pub fn verify_under(&self, ca: &OwnedCertificate) -> Result<(), SourceError> {
        let (list, ca) = (&self.list, ca.view());
        let path = || self.path.clone();
        let issuer = || display_name(ca.subject);
        if list.header.issuer != ca.subject {
            return Err(SourceError::WrongIssuer {
                path: path(),
                crl_issuer: display_name(&list.header.issuer),
                issuer: issuer(),
            });
        }
        if ca.key_usage.is_some_and(|usage| !usage.crl_sign) {
            return Err(SourceError::MayNotSignCrls {
                path: path(),
                issuer: issuer(),
            });
        }
        crypto::verify(
            list.header.signature_algorithm,
            &ca.public_key,
            self.tbs(),
            &list.signature,
        )
        .map_err(|error| match error {
            VerifyError::Unsupported => SourceError::UnsupportedSignature {
                path: path(),
                issuer: issuer(),
                algorithm: list
                    .header
                    .signature_algorithm
                    .map_or("unknown", SignatureAlgorithm::name),
            },
            VerifyError::BadSignature => SourceError::BadSignature {
                path: path(),
                issuer: issuer(),
            },
        })
    }

    /// Checks the list whole and makes a table of it.
    ///
    /// A list without nextUpdate counts for 24 hours from `written`, which is no later than `now` (design.md §4).
    ///
    /// # Errors
    /// Those of [`CrlFile::verify_under`], and an entry that cannot be used.
    pub fn load(
        &self,
        ca: &OwnedCertificate,
        written: Time,
        now: Time,
    ) -> Result<LoadedTable, SourceError> {
        self.verify_under(ca)?;
        let mut builder = StatusTableBuilder::revoked_only();
        let list = CertificateList::from_der(&self.der, |entry| {
            if !entry.remove_from_crl {
                builder.revoked(&entry.serial_number, entry.revoked);
            }
        })
        .map_err(|error| explained(&self.path, &self.der, error))?;
        let window = self.window(written, now)?;
        let crl_number = list.extensions.crl_number.as_deref();
        let crl_number = crl_number.map(CrlNumber::from_content);
        let mut warnings = Vec::new();
        if list.header.signature_algorithm == Some(SignatureAlgorithm::RsaSha1) {
            warnings.push(CrlWarning::Sha1Signature);
        }
        if list.header.next_update.is_none() {
            warnings.push(CrlWarning::NoNextUpdate {
                counts_until: window.next_update,
            });
        }
        let source = SourceInfo {
            origin: self.path.display().to_string(),
            crl_number: crl_number.as_ref().map(|number| number.0.clone()),
            digest: self.digest(),
            signature_algorithm: list.header.signature_algorithm,
        };
        let digest = source.digest;
        let table = builder.build(window, source);
        let facts = CrlFacts {
            window,
            crl_number,
            digest,
            entry_count: table.entry_count(),
            size_bytes: table.size_bytes(),
            der_bytes: self.der.len(),
            defects: list.defects,
            warnings,
        };
        Ok(LoadedTable { table, facts })
    }

    fn window(&self, written: Time, now: Time) -> Result<ValidityWindow, SourceError> {
        let this_update = self.list.header.this_update;
        let next_update = self.next_update(written, now);
        if next_update < this_update {
            return Err(SourceError::WindowReversed {
                path: self.path.clone(),
                this_update,
                next_update,
            });
        }
        Ok(ValidityWindow {
            this_update,
            next_update,
        })
    }

    /// nextUpdate as it counts: see [`CrlFile::load`].
    pub(crate) fn next_update(&self, written: Time, now: Time) -> Time {
        let header = &self.list.header;
        header.next_update.unwrap_or_else(|| {
            written
                .min(now)
                .max(header.this_update)
                .plus_seconds(NO_NEXT_UPDATE_SECONDS)
        })
    }

    /// What the signature covers.
    fn tbs(&self) -> &[u8] {
        let tbs = &self.list.header.tbs;
        // The list was read out of these octets, so both ends are inside.
        &self.der[tbs.start as usize..tbs.end as usize]
    }
}

/// A checked list as a table.
#[derive(Debug)]
pub struct LoadedTable {
    /// The table.
    pub table: StatusTable,
    /// Facts for people.
    pub facts: CrlFacts,
}

/// What is worth telling people about a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFacts {
    /// thisUpdate and nextUpdate as used.
    pub window: ValidityWindow,
    /// cRLNumber, if there is one.
    pub crl_number: Option<CrlNumber>,
    /// SHA-256 of the DER.
    pub digest: [u8; 32],
    /// Revoked serials.
    pub entry_count: usize,
    /// Octets of the table in memory.
    pub size_bytes: usize,
    /// Octets of the list as DER.
    pub der_bytes: usize,
    /// What was tolerated in the entries.
    pub defects: CrlDefects,
    /// What else was tolerated.
    pub warnings: Vec<CrlWarning>,
}

/// Accepted, but worth a line in the log.  Displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlWarning {
    /// Signed with SHA-1.
    Sha1Signature,
    /// Without nextUpdate (RFC 5280 §5.1.2.5 demands one).
    NoNextUpdate {
        /// 24 hours after the file was written.
        counts_until: Time,
    },
}

impl fmt::Display for CrlWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CrlWarning::Sha1Signature => {
                f.write_str("the CRL is signed with SHA-1; ask the CA for SHA-256")
            }
            CrlWarning::NoNextUpdate { counts_until } => {
                write!(
                    f,
                    "the CRL has no nextUpdate; it counts until {counts_until}"
                )
            }
        }
    }
}

/// cRLNumber (RFC 5280 §5.2.3): big-endian, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlNumber(Vec<u8>);

impl CrlNumber {
    /// From big-endian octets.
    pub fn from_content(octets: &[u8]) -> CrlNumber {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        CrlNumber(octets[zeros..].to_vec())
    }

    /// From hex digits as [`CrlNumber::to_hex`] writes them.
    pub fn from_hex(digits: &str) -> Option<CrlNumber> {
        let octets = unhex(digits)?;
        Some(CrlNumber::from_content(&octets))
    }

    /// As hex digits, two for each octet.
    pub fn to_hex(&self) -> String {
        if self.0.is_empty() {
            "00".to_owned()
        } else {
            hex(&self.0)
        }
    }
}

impl Ord for CrlNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for CrlNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In decimal as people count, in hex when it is longer than a counter gets.
impl fmt::Display for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= 8 {
            let value = self
                .0
                .iter()
                .fold(0, |value: u64, octet| value << 8 | u64::from(*octet));
            return write!(f, "{value}");
        }
        write!(f, "0x{}", hex(&self.0))
    }
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |digit: u8| (digit as char).to_digit(16);
                u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
            }
            _ => None,
        })
        .collect()
}

/// The reader's error as one for people.
fn explained(path: &Path, der: &[u8], error: CrlError) -> SourceError {
    let path = path.to_owned();
    match error {
        CrlError::Der(DerError { offset, kind }) => {
            if let Ok(certificate) = Certificate::from_der(der) {
                let subject = display_name(certificate.subject);
                return SourceError::Certificate { path, subject };
            }
            if kind == DerErrorKind::Truncated && is_cut_off(der) {
                return SourceError::Truncated {
                    path,
                    offset,
                    der_bytes: der.len(),
                };
            }
            SourceError::Malformed { path, offset, kind }
        }
        CrlError::AlgorithmMismatch => SourceError::AlgorithmMismatch { path },
        CrlError::UnknownCriticalExtension { offset } => SourceError::UnknownCriticalExtension {
            path,
            oid: oid_at(der, offset),
        },
        CrlError::UnknownCriticalEntryExtension { offset } => {
            SourceError::UnknownCriticalEntryExtension {
                path,
                oid: oid_at(der, offset),
                offset,
            }
        }
        CrlError::NotIndirect { .. } | CrlError::CertificateIssuerUnclear { .. } => {
            SourceError::Indirect { path }
        }
        CrlError::UnknownScope { .. } | CrlError::ContradictoryScope { .. } => {
            SourceError::Partitioned { path }
        }
        CrlError::PieceTooBig { offset } => SourceError::Malformed {
            path,
            offset,
            kind: DerErrorKind::Length,
        },
        CrlError::SerialTooLong { offset } => SourceError::SerialTooLong { path, offset },
    }
}

/// Whether the outermost element announces more octets than there are.
fn is_cut_off(der: &[u8]) -> bool {
    matches!(
        Reader::new(der).read_any(),
        Err(DerError {
            kind: DerErrorKind::Truncated,
            ..
        })
    )
}

/// The identifier of the Extension at `offset`, dotted.
fn oid_at(der: &[u8], offset: usize) -> String {
    let extension = der.get(offset..).unwrap_or_default();
    let read = |mut reader: Reader<'_>| {
        let element = reader.read_any().ok()?;
        if element.tag == tag::OID {
            return dotted(element).ok();
        }
        dotted(Reader::inside(element).read(tag::OID).ok()?).ok()
    };
    read(Reader::new(extension)).unwrap_or_else(|| format!("at octet {offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let number = |octets: &[u8]| CrlNumber::from_content(octets);
        let ascending = [
            &[][..],
            &[1],
            &[0x7f],
            &[0x80],
            &[0xff],
            &[1, 0],
            &[1, 0xff],
            &[2, 0],
            &[1, 0, 0],
        ];
        for (index, lower) in ascending.iter().enumerate() {
            for higher in &ascending[index + 1..] {
                assert!(number(lower) < number(higher), "{lower:?} {higher:?}");
            }
        }
        assert_eq!(number(&[0, 0, 1]), number(&[1]));
    }

    #[test]
    fn numbers_are_shown_in_decimal_and_kept_in_hex() {
        for (octets, shown, kept) in [
            (vec![], "0".to_owned(), "00".to_owned()),
            (vec![0x10, 0x00], "4096".to_owned(), "1000".to_owned()),
            (
                vec![0xff; 20],
                format!("0x{}", "ff".repeat(20)),
                "ff".repeat(20),
            ),
        ] {
            let number = CrlNumber::from_content(&octets);
            assert_eq!((number.to_string(), number.to_hex()), (shown, kept.clone()));
            assert_eq!(CrlNumber::from_hex(&kept), Some(number));
        }
        for bad in ["1", "0x10", "zz", "+1"] {
            assert_eq!(CrlNumber::from_hex(bad), None, "{bad}");
        }
    }
}
