//! Why a CRL cannot be used, and at which octet.  From: the readers of a list's parts.  To: `ocspry-source`, which tells
//! people.  RFC 5280 §5 and §6.3.3.

use core::fmt;

use crate::DerError;

/// Why a CRL cannot be used.  Offsets count from the list's first octet, whatever slices it came in; one that does not
/// fit stands still at `usize::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlError {
    /// Not a CertificateList; `Truncated` also when the list ends too early.
    Der(DerError),
    /// Inner and outer AlgorithmIdentifier differ (RFC 5280 §5.1.1.2).
    AlgorithmMismatch,
    /// A critical extension of the list that is not understood (RFC 5280 §5.2).
    UnknownCriticalExtension {
        /// Where the extension starts.
        offset: usize,
    },
    /// A critical extension of an entry that is not understood (RFC 5280 §5.3).
    UnknownCriticalEntryExtension {
        /// Where the extension starts.
        offset: usize,
    },
    /// A serial of more octets than are carried.
    SerialTooLong {
        /// Where the INTEGER starts.
        offset: usize,
    },
    /// What stands before the entries, one entry, or what stands behind them is bigger than any that is read
    /// ([`CrlParser::PIECE_MAX`](super::CrlParser::PIECE_MAX)).
    PieceTooBig {
        /// Where the element starts that goes beyond.
        offset: usize,
    },
    /// An issuingDistributionPoint with a field that is not known, or twice, or out of order: whom the list covers is not
    /// understood (RFC 5280 §5.2.5).
    UnknownScope {
        /// Where the field starts.
        offset: usize,
    },
    /// An issuingDistributionPoint that says more than one of onlyContainsUserCerts, onlyContainsCACerts and
    /// onlyContainsAttributeCerts (RFC 5280 §5.2.5).
    ContradictoryScope {
        /// Where the extension's value starts.
        offset: usize,
    },
    /// A certificateIssuer that does not give one directoryName: whose certificate is revoked is not understood
    /// (RFC 5280 §5.3.3).
    CertificateIssuerUnclear {
        /// Where the extension starts.
        offset: usize,
    },
    /// An entry names a certificateIssuer, but the list does not say indirectCRL (RFC 5280 §5.2.5, §5.3.3).
    NotIndirect {
        /// Where the first such extension starts.
        offset: usize,
    },
}

impl CrlError {
    /// The octet that it is about, from the list's first; None where it is about the whole list.
    pub fn offset(mut self) -> Option<usize> {
        self.offset_mut().copied()
    }

    /// The same, where `start` octets of the list stand before what was read.
    pub(super) fn behind(mut self, start: u64) -> CrlError {
        if let Some(offset) = self.offset_mut() {
            *offset = octet(start, *offset);
        }
        self
    }

    fn offset_mut(&mut self) -> Option<&mut usize> {
        match self {
            CrlError::AlgorithmMismatch => None,
            CrlError::Der(DerError { offset, .. })
            | CrlError::UnknownCriticalExtension { offset }
            | CrlError::UnknownCriticalEntryExtension { offset }
            | CrlError::SerialTooLong { offset }
            | CrlError::PieceTooBig { offset }
            | CrlError::UnknownScope { offset }
            | CrlError::ContradictoryScope { offset }
            | CrlError::CertificateIssuerUnclear { offset }
            | CrlError::NotIndirect { offset } => Some(offset),
        }
    }
}

/// `start + offset`, as far as it fits.
pub(super) fn octet(start: u64, offset: usize) -> usize {
    usize::try_from(start).map_or(usize::MAX, |start| start.saturating_add(offset))
}

impl From<DerError> for CrlError {
    fn from(error: DerError) -> Self {
        CrlError::Der(error)
    }
}

impl fmt::Display for CrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let CrlError::Der(error) = self {
            return write!(f, "not a CRL: {error}");
        }
        if let Some(offset) = self.offset() {
            write!(f, "at octet {offset}: ")?;
        }
        f.write_str(match self {
            CrlError::Der(_) => "not a CRL",
            CrlError::AlgorithmMismatch => {
                "the signature algorithm inside the signed part differs from the one outside"
            }
            CrlError::UnknownCriticalExtension { .. } => {
                "a critical CRL extension is not understood"
            }
            CrlError::UnknownCriticalEntryExtension { .. } => {
                "a critical extension of an entry is not understood"
            }
            CrlError::SerialTooLong { .. } => "a serial number has more octets than are carried",
            CrlError::PieceTooBig { .. } => {
                "an entry, or what stands before or behind the entries, is bigger than any that is read"
            }
            CrlError::UnknownScope { .. } => {
                "the issuingDistributionPoint has a field that is not understood"
            }
            CrlError::ContradictoryScope { .. } => {
                "the issuingDistributionPoint limits the list to two kinds of certificates at once"
            }
            CrlError::CertificateIssuerUnclear { .. } => {
                "the certificateIssuer of an entry is not one directoryName"
            }
            CrlError::NotIndirect { .. } => {
                "an entry names another certificate issuer, but the list is no indirect CRL"
            }
        })
    }
}

impl core::error::Error for CrlError {}
