//! One CRL, version 2 (RFC 5280 §5), from a list of revoked certificates to its signed DER.  From: `authority.rs`.
//! To: its caller.
//!
//! Written with the DER writer of `ocspry-wire`, entry by entry into one buffer: a list may have millions.  The entries
//! are sorted by serial number, so that the same facts give the same octets.

use crate::{BACKDATED_SECONDS, CaError, CertificateAuthority, signed};
use ocspry_core::Signer as _;
use ocspry_wire::Time;
use ocspry_wire::der::{oid, tag, write};
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;

/// What a CRL shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// cRLNumber (RFC 5280 §5.2.3); the caller sees to it that it grows.
    pub number: u64,
    /// When the next list is due.
    pub next_update: Time,
    /// The revoked certificates, in any order.
    pub revoked: Vec<RevokedCertificate>,
}

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Which.
    pub serial_number: SerialNumber,
    /// When and why.
    pub revoked: RevokedInfo,
}

/// Signs one list; the CA is valid at `now` and may sign CRLs.
pub(crate) fn sign(
    ca: &CertificateAuthority,
    list: &RevocationList,
    now: Time,
) -> Result<Vec<u8>, CaError> {
    if list.next_update <= now {
        return Err(CaError::NextUpdatePast {
            next_update: list.next_update,
            now,
        });
    }
    let entries = sorted(&list.revoked)?;
    let issuer = ca.certificate().view();

    let mut tbs = Vec::new();
    write::push_nested(&mut tbs, tag::SEQUENCE, |tbs| {
        write::push(tbs, tag::INTEGER, &[1]); // v2
        tbs.extend_from_slice(ca.key().signer().algorithm().der());
        tbs.extend_from_slice(issuer.subject);
        push_time(tbs, now.plus_seconds(-BACKDATED_SECONDS));
        push_time(tbs, list.next_update);
        // An empty list is left out: RFC 5280 §5.1.2.6.
        if !entries.is_empty() {
            write::push_nested(tbs, tag::SEQUENCE, |out| {
                for entry in entries {
                    push_entry(out, entry);
                }
            });
        }
        write::push_nested(tbs, tag::context(0), |out| {
            write::push_nested(out, tag::SEQUENCE, |extensions| {
                push_extension(extensions, oid::AUTHORITY_KEY_IDENTIFIER, |value| {
                    write::push_nested(value, tag::SEQUENCE, |identifier| {
                        write::push(identifier, tag::context_primitive(0), ca.key_identifier());
                    });
                });
                push_extension(extensions, oid::CRL_NUMBER, |value| {
                    push_unsigned(value, list.number);
                });
            });
        });
    });
    signed::sign(&tbs, ca.key())
}

/// By serial number, each once.
fn sorted(revoked: &[RevokedCertificate]) -> Result<Vec<&RevokedCertificate>, CaError> {
    let mut entries: Vec<_> = revoked.iter().collect();
    entries.sort_unstable_by(|a, b| {
        let (a, b) = (a.serial_number.content(), b.serial_number.content());
        a.len().cmp(&b.len()).then_with(|| a.cmp(b))
    });
    for pair in entries.windows(2) {
        let [first, second] = pair else { continue };
        if first.serial_number == second.serial_number {
            let serial = to_hex(first.serial_number.content());
            return Err(CaError::DuplicateSerial { serial });
        }
    }
    Ok(entries)
}

fn push_entry(out: &mut Vec<u8>, entry: &RevokedCertificate) {
    let RevokedInfo {
        revocation_time,
        reason,
        invalidity_date,
    } = entry.revoked;
    write::push_nested(out, tag::SEQUENCE, |out| {
        write::push(out, tag::INTEGER, entry.serial_number.content());
        push_time(out, revocation_time);
        if reason.is_none() && invalidity_date.is_none() {
            return;
        }
        write::push_nested(out, tag::SEQUENCE, |extensions| {
            if let Some(reason) = reason {
                push_extension(extensions, oid::REASON_CODE, |value| {
                    write::push(value, tag::ENUMERATED, &[reason.code()]);
                });
            }
            if let Some(date) = invalidity_date {
                // Always GeneralizedTime: RFC 5280 §5.3.2.
                push_extension(extensions, oid::INVALIDITY_DATE, |value| {
                    write::push(value, tag::GENERALIZED_TIME, &date.to_generalized());
                });
            }
        });
    });
}

/// An extension that is not critical: those written here never are.
fn push_extension(out: &mut Vec<u8>, oid: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
    write::push_nested(out, tag::SEQUENCE, |extension| {
        write::push(extension, tag::OID, oid);
        write::push_nested(extension, tag::OCTET_STRING, value);
    });
}

/// INTEGER without needless leading zeros, and one where the top bit would make it negative.
fn push_unsigned(out: &mut Vec<u8>, number: u64) {
    let mut content = [0; 9];
    content[1..].copy_from_slice(&number.to_be_bytes());
    let needless = |start: &usize| content[*start] == 0 && content[start + 1] < 0x80;
    let start = (0..8).take_while(needless).count();
    write::push(out, tag::INTEGER, &content[start..]);
}

/// UTCTime from 1950 to 2049, GeneralizedTime otherwise (RFC 5280 §5.1.2.4).
fn push_time(out: &mut Vec<u8>, time: Time) {
    let generalized = time.to_generalized();
    let (year, ..) = time.civil();
    if (1950..=2049).contains(&year) {
        write::push(out, tag::UTC_TIME, &generalized[2..]);
    } else {
        write::push(out, tag::GENERALIZED_TIME, &generalized);
    }
}
