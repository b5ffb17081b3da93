//! One CRL, version 2 (RFC 5280 §5), from revoked certificates to its signed DER.  From: `authority.rs`.  To: its caller.
//!
//! Written with the DER writer of `ocspry-wire`, entry by entry into one buffer as they come: a list may have millions,
//! and takes as much memory as it has octets, twice over while it is signed.  The entries are sorted by serial number, so
//! that the same facts give the same octets.

use crate::Criticality::{self, Critical, NotCritical};
use crate::{BACKDATED_SECONDS, CaError, CertificateAuthority, HttpUrl, signed};
use ocspry_core::Signer as _;
use ocspry_wire::Time;
use ocspry_wire::der::{Reader, oid, tag, write};
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;
use std::ops::Range;

/// What a complete CRL shall say, but for its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// cRLNumber (RFC 5280 §5.2.3); the caller sees to it that it grows.
    pub number: u64,
    /// thisUpdate of the list before, if there was one: this one is not dated before it, unless it is ahead of now.
    pub previous_this_update: Option<Time>,
    /// When the next list is due.
    pub next_update: Time,
    /// Where its deltas are (freshestCRL, RFC 5280 §5.2.6); none: it has no deltas.
    pub freshest: Vec<HttpUrl>,
    /// issuingDistributionPoint; None: it covers all that the CA has issued.
    pub scope: Option<CrlScope>,
}

/// What a delta CRL shall say, but for its entries (RFC 5280 §5.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaList {
    /// cRLNumber, from the same sequence as that of complete lists.
    pub number: u64,
    /// The number of the complete list that it builds upon.
    pub base: u64,
    /// thisUpdate of the list before, if there was one: this one is not dated before it, unless it is ahead of now.
    pub previous_this_update: Option<Time>,
    /// When the next list is due.
    pub next_update: Time,
    /// That of its base.
    pub scope: Option<CrlScope>,
}

/// Which certificates a list covers (issuingDistributionPoint, RFC 5280 §5.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlScope {
    /// Where the list is, as the certificates that it covers have it in their cRLDistributionPoints.
    pub distribution_point: Vec<HttpUrl>,
    /// Whose certificates.
    pub certificates: ScopeOfCertificates,
}

impl CrlScope {
    fn is_everything(&self) -> bool {
        self.distribution_point.is_empty() && self.certificates == ScopeOfCertificates::All
    }
}

/// Whose certificates a list covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeOfCertificates {
    /// All.
    All,
    /// onlyContainsUserCerts.
    Users,
    /// onlyContainsCACerts.
    Cas,
}

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Which.
    pub serial_number: SerialNumber,
    /// When and why.
    pub revoked: RevokedInfo,
}

/// One change since the base of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaEntry {
    /// It is revoked now.
    Revoked(RevokedCertificate),
    /// It was on hold in the base, or in a delta since, and is not any more (removeFromCRL).
    Removed {
        /// Which.
        serial_number: SerialNumber,
        /// When it was released.
        removal_time: Time,
    },
}

/// Signs a complete list; the CA is valid at `now` and may sign CRLs.
pub(crate) fn sign_complete(
    ca: &CertificateAuthority,
    list: &RevocationList,
    revoked: impl IntoIterator<Item = RevokedCertificate>,
    now: Time,
) -> Result<Vec<u8>, CaError> {
    let mut entries = Entries::new();
    for certificate in revoked {
        entries.push_revoked(&certificate, now);
    }
    let tail = Tail {
        number: list.number,
        base: None,
        scope: list.scope.as_ref(),
        freshest: &list.freshest,
    };
    let dates = Dates {
        previous: list.previous_this_update,
        next_update: list.next_update,
        now,
    };
    sign(ca, entries, &dates, &tail)
}

/// Signs a delta; the CA is valid at `now` and may sign CRLs.
pub(crate) fn sign_delta(
    ca: &CertificateAuthority,
    list: &DeltaList,
    changes: impl IntoIterator<Item = DeltaEntry>,
    now: Time,
) -> Result<Vec<u8>, CaError> {
    if list.number <= list.base {
        return Err(CaError::DeltaNumber {
            number: list.number,
            base: list.base,
        });
    }
    let mut entries = Entries::new();
    for change in changes {
        match change {
            DeltaEntry::Revoked(certificate) => entries.push_revoked(&certificate, now),
            DeltaEntry::Removed {
                serial_number,
                removal_time,
            } => entries.push(
                &serial_number,
                removal_time,
                Some(REMOVE_FROM_CRL),
                None,
                now,
            ),
        }
    }
    let tail = Tail {
        number: list.number,
        base: Some(list.base),
        scope: list.scope.as_ref(),
        freshest: &[],
    };
    let dates = Dates {
        previous: list.previous_this_update,
        next_update: list.next_update,
        now,
    };
    sign(ca, entries, &dates, &tail)
}

/// What the dates of a list come from.
struct Dates {
    previous: Option<Time>,
    next_update: Time,
    now: Time,
}

impl Dates {
    /// thisUpdate: ten minutes ago, for clients whose clocks are slow, but not before the newest entry and not before the
    /// list before; what is ahead of `now` does not count.
    fn this_update(&self, newest_entry: Option<Time>) -> Time {
        let backdated = self.now.plus_seconds(-BACKDATED_SECONDS);
        let floor = newest_entry.max(self.previous).unwrap_or(backdated);
        backdated.max(floor.min(self.now))
    }
}

/// What stands behind the entries.
struct Tail<'a> {
    number: u64,
    base: Option<u64>,
    scope: Option<&'a CrlScope>,
    freshest: &'a [HttpUrl],
}

fn sign(
    ca: &CertificateAuthority,
    entries: Entries,
    dates: &Dates,
    tail: &Tail<'_>,
) -> Result<Vec<u8>, CaError> {
    if dates.next_update <= dates.now {
        return Err(CaError::NextUpdatePast {
            next_update: dates.next_update,
            now: dates.now,
        });
    }
    if entries.octets.len() > OCTETS_MAX {
        return Err(CaError::CrlTooLong {
            octets_max: OCTETS_MAX,
        });
    }
    let this_update = dates.this_update(entries.newest);
    let entries = entries.sorted()?;
    let issuer = ca.certificate().view();

    let mut tbs = Vec::with_capacity(entries.len() + HEAD_AND_TAIL_OCTETS);
    write::push_nested(&mut tbs, tag::SEQUENCE, |tbs| {
        write::push(tbs, tag::INTEGER, &[1]); // v2
        tbs.extend_from_slice(ca.key().signer().algorithm().der());
        tbs.extend_from_slice(issuer.subject);
        push_time(tbs, this_update);
        push_time(tbs, dates.next_update);
        // An empty list is left out: RFC 5280 §5.1.2.6.
        if !entries.is_empty() {
            write::push(tbs, tag::SEQUENCE, &entries);
        }
        drop(entries);
        write::push_nested(tbs, tag::context(0), |out| {
            write::push_nested(out, tag::SEQUENCE, |extensions| {
                push_extensions(extensions, ca.key_identifier(), tail);
            });
        });
    });
    signed::sign(&tbs, ca.key())
}

/// The entries in the order in which they came, as DER.
struct Entries {
    octets: Vec<u8>,
    /// Where each one ends.
    ends: Vec<usize>,
    /// The newest revocation, of those that are not ahead.
    newest: Option<Time>,
}

impl Entries {
    fn new() -> Entries {
        Entries {
            octets: Vec::new(),
            ends: Vec::new(),
            newest: None,
        }
    }

    fn push_revoked(&mut self, certificate: &RevokedCertificate, now: Time) {
        let RevokedInfo {
            revocation_time,
            reason,
            invalidity_date,
        } = certificate.revoked;
        let reason = reason.map(|reason| reason.code());
        let serial_number = &certificate.serial_number;
        self.push(serial_number, revocation_time, reason, invalidity_date, now);
    }

    fn push(
        &mut self,
        serial_number: &SerialNumber,
        time: Time,
        reason: Option<u8>,
        invalidity_date: Option<Time>,
        now: Time,
    ) {
        if time <= now {
            self.newest = self.newest.max(Some(time));
        }
        write::push_nested(&mut self.octets, tag::SEQUENCE, |out| {
            write::push(out, tag::INTEGER, serial_number.content());
            push_time(out, time);
            if reason.is_none() && invalidity_date.is_none() {
                return;
            }
            write::push_nested(out, tag::SEQUENCE, |extensions| {
                if let Some(reason) = reason {
                    push_extension(extensions, oid::REASON_CODE, NotCritical, |value| {
                        write::push(value, tag::ENUMERATED, &[reason]);
                    });
                }
                if let Some(date) = invalidity_date {
                    // Always GeneralizedTime: RFC 5280 §5.3.2.
                    push_extension(extensions, oid::INVALIDITY_DATE, NotCritical, |value| {
                        write::push(value, tag::GENERALIZED_TIME, &date.to_generalized());
                    });
                }
            });
        });
        self.ends.push(self.octets.len());
    }

    /// By serial number, each once.
    fn sorted(self) -> Result<Vec<u8>, CaError> {
        let entry = |index: usize| -> Range<usize> {
            let start = match index.checked_sub(1) {
                Some(before) => self.ends[before],
                None => 0,
            };
            start..self.ends[index]
        };
        let serial = |index: usize| serial_content(&self.octets[entry(index)]);
        let order = |a: usize, b: usize| {
            let (a, b) = (serial(a), serial(b));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        };
        let duplicate = |index: usize| CaError::DuplicateSerial {
            serial: to_hex(serial(index)),
        };
        // As a book that is kept by serial number gives them: nothing is to be moved.
        let count = self.ends.len();
        if (1..count).all(|index| order(index - 1, index).is_lt()) {
            return Ok(self.octets);
        }
        let mut indices: Vec<usize> = (0..count).collect();
        indices.sort_unstable_by(|a, b| order(*a, *b));
        for pair in indices.windows(2) {
            if let [first, second] = pair
                && order(*first, *second).is_eq()
            {
                return Err(duplicate(*first));
            }
        }
        let mut octets = Vec::with_capacity(self.octets.len());
        for index in indices {
            octets.extend_from_slice(&self.octets[entry(index)]);
        }
        Ok(octets)
    }
}

/// The serial number of an entry that was written here.
fn serial_content(entry: &[u8]) -> &[u8] {
    let serial = Reader::new(entry)
        .read(tag::SEQUENCE)
        .and_then(|entry| Reader::inside(entry).read(tag::INTEGER));
    serial.map_or(&[], |serial| serial.value)
}

fn push_extensions(out: &mut Vec<u8>, key_identifier: &[u8], tail: &Tail<'_>) {
    push_extension(out, oid::AUTHORITY_KEY_IDENTIFIER, NotCritical, |value| {
        write::push_nested(value, tag::SEQUENCE, |identifier| {
            write::push(identifier, tag::context_primitive(0), key_identifier);
        });
    });
    push_extension(out, oid::CRL_NUMBER, NotCritical, |value| {
        push_unsigned(value, tail.number);
    });
    if let Some(base) = tail.base {
        push_extension(out, oid::DELTA_CRL_INDICATOR, Critical, |value| {
            push_unsigned(value, base);
        });
    }
    // One that says nothing is left out: RFC 5280 §5.2.5.
    if let Some(scope) = tail.scope.filter(|scope| !scope.is_everything()) {
        push_extension(out, oid::ISSUING_DISTRIBUTION_POINT, Critical, |value| {
            write::push_nested(value, tag::SEQUENCE, |fields| push_scope(fields, scope));
        });
    }
    if !tail.freshest.is_empty() {
        push_extension(out, oid::FRESHEST_CRL, NotCritical, |value| {
            write::push_nested(value, tag::SEQUENCE, |points| {
                write::push_nested(points, tag::SEQUENCE, |point| {
                    push_distribution_point(point, tail.freshest);
                });
            });
        });
    }
}

/// The fields of IssuingDistributionPoint.
fn push_scope(out: &mut Vec<u8>, scope: &CrlScope) {
    const TRUE: &[u8] = &[0xff];
    if !scope.distribution_point.is_empty() {
        push_distribution_point(out, &scope.distribution_point);
    }
    match scope.certificates {
        ScopeOfCertificates::All => {}
        ScopeOfCertificates::Users => write::push(out, tag::context_primitive(1), TRUE),
        ScopeOfCertificates::Cas => write::push(out, tag::context_primitive(2), TRUE),
    }
}

/// distributionPoint `[0]`, with a fullName `[0]` of URLs (RFC 5280 §4.2.1.13).
fn push_distribution_point(out: &mut Vec<u8>, urls: &[HttpUrl]) {
    write::push_nested(out, tag::context(0), |name| {
        write::push_nested(name, tag::context(0), |names| {
            for url in urls {
                write::push(names, tag::context_primitive(6), url.as_str().as_bytes());
            }
        });
    });
}

fn push_extension(
    out: &mut Vec<u8>,
    oid: &[u8],
    criticality: Criticality,
    value: impl FnOnce(&mut Vec<u8>),
) {
    write::push_nested(out, tag::SEQUENCE, |extension| {
        write::push(extension, tag::OID, oid);
        if criticality == Critical {
            write::push(extension, tag::BOOLEAN, &[0xff]);
        }
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

/// removeFromCRL (RFC 5280 §5.3.1).
const REMOVE_FROM_CRL: u8 = 8;

/// Room for what stands around the entries: names, times, extensions.
const HEAD_AND_TAIL_OCTETS: usize = 4096;

/// Most octets of all entries: a DER length here ends below 4 GiB, and the rest of the list takes some of it.
const OCTETS_MAX: usize = u32::MAX as usize - (1 << 20);
