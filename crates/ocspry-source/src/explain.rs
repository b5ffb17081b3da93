//! The CRL reader's errors as errors for people: what, where, and what to do.
//!
//! From: `load`, with the octets that the reader was looking at.  To: `SourceError`.

use std::path::Path;

use ocspry_wire::DerError;
use ocspry_wire::der::{DerErrorKind, Reader, tag};
use ocspry_wire::x509::{Certificate, CrlError, display_name, dotted};

use crate::SourceError;

/// `window` begins with octet `first` of the DER.
pub(crate) fn explained(path: &Path, window: &[u8], first: u64, error: CrlError) -> SourceError {
    let is_at_start = first == 0;
    let path = path.to_owned();
    let oid_at = |offset: usize| {
        let offset_in_window = (offset as u64).checked_sub(first);
        let extension = offset_in_window
            .and_then(|offset| window.get(usize::try_from(offset).ok()?..))
            .unwrap_or_default();
        oid_of(extension).unwrap_or_else(|| format!("at octet {offset}"))
    };
    match error {
        CrlError::Der(DerError { offset, kind }) => {
            if is_at_start && let Ok(certificate) = Certificate::from_der(window) {
                let subject = display_name(certificate.subject);
                return SourceError::Certificate { path, subject };
            }
            if kind == DerErrorKind::Truncated {
                return SourceError::Truncated { path, offset };
            }
            SourceError::Malformed { path, offset, kind }
        }
        CrlError::AlgorithmMismatch => SourceError::AlgorithmMismatch { path },
        CrlError::UnknownCriticalExtension { offset } => SourceError::UnknownCriticalExtension {
            path,
            oid: oid_at(offset),
        },
        CrlError::UnknownCriticalEntryExtension { offset } => {
            SourceError::UnknownCriticalEntryExtension {
                path,
                oid: oid_at(offset),
                offset,
            }
        }
        CrlError::SerialTooLong { offset } => SourceError::SerialTooLong { path, offset },
        CrlError::PieceTooBig { offset } => SourceError::PieceTooBig { path, offset },
        CrlError::UnknownScope { offset } => SourceError::Scope {
            path,
            offset,
            problem: "has a field that is not understood",
        },
        CrlError::ContradictoryScope { offset } => SourceError::Scope {
            path,
            offset,
            problem: "limits the list to two kinds of certificates at once",
        },
        CrlError::CertificateIssuerUnclear { offset } => SourceError::CertificateIssuer {
            path,
            offset,
            problem: "does not name one issuer",
        },
        CrlError::NotIndirect { offset } => SourceError::CertificateIssuer {
            path,
            offset,
            problem: "names another issuer, but the list does not say indirectCRL",
        },
    }
}

/// The identifier of the Extension that stands first, dotted.
fn oid_of(extension: &[u8]) -> Option<String> {
    let element = Reader::new(extension).read_any().ok()?;
    if element.tag == tag::OID {
        return dotted(element).ok();
    }
    dotted(Reader::inside(element).read(tag::OID).ok()?).ok()
}
