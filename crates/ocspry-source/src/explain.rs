//! The CRL reader's errors as errors for people: what, where, and what to do.
//!
//! From: `reading`, with the octets that the reader was looking at.  To: `SourceError`.

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
            if is_at_start && let Some(found) = other_der(window) {
                return SourceError::SomethingElse { path, found };
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

/// What people mistake for a CRL, by its first octets, where these are neither a long DER element nor PEM.
pub(crate) fn something_else(start: &[u8]) -> Option<&'static str> {
    let text = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start);
    match text.trim_ascii_start() {
        [b'<', ..] => Some("a web page (perhaps a log-in or error page that came in its place)"),
        _ if start.starts_with(GZIP) => Some("compressed by gzip"),
        _ => other_der(start),
    }
}

/// What people mistake for a CRL, by the first fields of its DER.
fn other_der(der: &[u8]) -> Option<&'static str> {
    let mut fields = Reader::inside(Reader::new(der).read(tag::SEQUENCE).ok()?);
    let first = fields.read_any().ok()?;
    match (first.tag, fields.peek_tag()) {
        (tag::ENUMERATED, _) => Some("an OCSP response"),
        (tag::OID, _) => Some("a CMS (PKCS#7) message"),
        (tag::INTEGER, Some(tag::SEQUENCE)) if first.value == [3] => Some("a PKCS#12 key store"),
        (tag::INTEGER, Some(tag::SEQUENCE | tag::INTEGER | tag::OCTET_STRING)) => {
            Some("a private key")
        }
        (tag::SEQUENCE, Some(tag::OCTET_STRING)) => Some("an encrypted private key"),
        (tag::SEQUENCE, Some(tag::BIT_STRING)) => Some("a public key"),
        (tag::SEQUENCE, Some(tag::SEQUENCE)) => {
            is_certification_request_info(Reader::inside(first)).then_some("a certificate request")
        }
        (tag::SEQUENCE, None) => Some("an OCSP request"),
        _ => None,
    }
}

/// CertificationRequestInfo (RFC 2986 §4.1): version 0, and the subject's Name.
fn is_certification_request_info(mut fields: Reader<'_>) -> bool {
    let is_version_0 = fields
        .read(tag::INTEGER)
        .is_ok_and(|version| version.value == [0]);
    let is_name = fields.read(tag::SEQUENCE).is_ok_and(|subject| {
        let first = Reader::inside(subject).peek_tag();
        matches!(first, None | Some(tag::SET))
    });
    is_version_0 && is_name
}

/// What is wrong in what has come: an element that goes on past the one around it, and not past the end of the file.
pub(crate) fn explained_inside(
    path: &Path,
    window: &[u8],
    first: u64,
    error: CrlError,
) -> SourceError {
    match explained(path, window, first, error) {
        SourceError::Truncated { path, offset } => SourceError::Malformed {
            path,
            offset,
            kind: DerErrorKind::Truncated,
        },
        other => other,
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

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// RFC 1952 §2.3.1.
const GZIP: &[u8] = b"\x1f\x8b";
