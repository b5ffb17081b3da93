//! A directory of certificates, as `openssl ca` fills one (`newcerts/`), easy-rsa (`issued/`) or a script of one's own.
//!
//! Every file is asked, whatever it is called; what is in it counts only when this CA's key signed it.  What is passed over is
//! counted by its reason, since a certificate that is passed over is one that was never issued.  From: `issued`.  To: an
//! [`IssuedEntry`] for each certificate (RFC 5280 §4.1).

use std::io::{self, Read};
use std::path::Path;

use ocspry_core::OwnedCertificate;
use ocspry_core::crypto::{self, VerifyError};
use ocspry_wire::Time;
use ocspry_wire::der::{DerErrorKind, tag};
use ocspry_wire::x509::{Certificate, display_name, pem};

use super::stamp::{self, Seen};
use super::{IssuedEntry, IssuedFacts, IssuedKind, IssuedLimits, IssuedStamp};
use crate::SourceError;
use crate::fingerprint::{Fingerprint, open_at_once};
use crate::load::Onlooker;
use crate::noted::{Notes, Oddity};
use crate::text_file::{self, StatusFile};

/// Gives every certificate of this CA in the directory to `each`; one level, no subdirectories.
pub(super) fn read(
    path: &Path,
    issuer: &OwnedCertificate,
    limits: &IssuedLimits,
    onlooker: Onlooker<'_>,
    mut each: impl FnMut(IssuedEntry),
) -> Result<IssuedFacts, SourceError> {
    let ca = issuer.view();
    let mut notes = Notes::default();
    let mut issued = 0;
    let mut newest: Option<Time> = None;
    let mut content = Vec::new();
    let stamp = stamp::walk(path, limits.files_max, |path, name, seen| {
        if !(onlooker.goes_on)() {
            return Err(text_file::ended(StatusFile::Issued, path));
        }
        let metadata = match seen {
            Seen::File(metadata) => metadata,
            Seen::PassedOver(oddity) => {
                notes.add_file(oddity, name);
                return Ok(());
            }
        };
        let bytes_max = limits.certificate_file_bytes_max;
        match read_small(path, bytes_max, &mut content) {
            Ok(true) => {}
            Ok(false) => {
                notes.add_file(Oddity::LargeFile, name);
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                notes.add_file(Oddity::VanishedFile, name);
                return Ok(());
            }
            Err(error) => return Err(text_file::unreadable(StatusFile::Issued, path, error)),
        }
        let issued_before = issued;
        let found = for_each_certificate(&content, |certificate| match judge(&certificate, &ca) {
            Ok(()) => {
                issued += 1;
                each(IssuedEntry::issued(
                    certificate.serial_number,
                    Some(certificate.not_after),
                ));
            }
            Err(oddity) => notes.add_file(oddity, name),
        });
        if let Err(oddity) = found {
            notes.add_file(oddity, name);
        }
        if issued > issued_before {
            newest = newest.max(Some(Fingerprint::from(metadata).written()));
        }
        Ok(())
    })?;
    let Some(written) = newest else {
        return Err(SourceError::NoIssuedCertificate {
            path: path.to_owned(),
            issuer: display_name(ca.subject),
            passed_over: notes,
        });
    };
    Ok(IssuedFacts {
        kind: IssuedKind::Certificates,
        written,
        digest: *stamp.digest(),
        stamp: IssuedStamp::Directory(stamp),
        issued,
        revoked: 0,
        expired: 0,
        notes,
    })
}

/// Is it this CA's?  Its name, octet by octet, and its signature; an authorityKeyIdentifier is not asked, as for CRLs.
fn judge(certificate: &Certificate<'_>, ca: &Certificate<'_>) -> Result<(), Oddity> {
    if certificate.issuer != ca.subject {
        return Err(Oddity::OtherIssuer);
    }
    crypto::verify(
        certificate.signature_algorithm,
        &ca.public_key,
        certificate.tbs,
        certificate.signature,
    )
    .map_err(|error| match error {
        VerifyError::Unsupported => Oddity::UnsupportedSignature,
        VerifyError::BadSignature => Oddity::BadSignature,
    })
}

/// The certificates in one file: DER, or PEM blocks with anything around them.  An error names what is odd about the file;
/// certificates before it have been given.
fn for_each_certificate(
    content: &[u8],
    mut each: impl FnMut(Certificate<'_>),
) -> Result<(), Oddity> {
    if matches!(content, [tag::SEQUENCE, 0x80..=0xff, ..]) {
        // No text begins so.
        let certificate = Certificate::from_der(content).map_err(|error| match error.kind {
            DerErrorKind::Truncated => Oddity::DamagedCertificate,
            _ => Oddity::NoCertificate,
        })?;
        each(certificate);
        return Ok(());
    }
    let mut has_certificate = false;
    for block in pem::Blocks::new(content) {
        let block = block.map_err(|_| Oddity::DamagedCertificate)?;
        if PEM_LABELS.contains(&block.label.as_str()) {
            let certificate =
                Certificate::from_der(&block.der).map_err(|_| Oddity::DamagedCertificate)?;
            has_certificate = true;
            each(certificate);
        }
    }
    if has_certificate {
        Ok(())
    } else {
        Err(Oddity::NoCertificate)
    }
}

/// False when there is more than is read.
fn read_small(path: &Path, bytes_max: u64, content: &mut Vec<u8>) -> io::Result<bool> {
    content.clear();
    let file = open_at_once(path)?;
    let count = file.take(bytes_max + 1).read_to_end(content)?;
    Ok(count as u64 <= bytes_max)
}

/// RFC 7468 §5, and a spelling that is met beside it.
const PEM_LABELS: [&str; 2] = ["CERTIFICATE", "X509 CERTIFICATE"];
