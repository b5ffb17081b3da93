//! CRLs made to measure, the odd ones too (RFC 5280 §5).  From: `Authority::crl`.  To: files on disk.

use crate::authority::now;
use crate::encode::{
    bit_string, element, extension, generalized_time, integer, sequence, unsigned_content,
    x509_time,
};
use crate::key::TestKey;
use ocspry_wire::Time;
use ocspry_wire::der::{oid as known, tag};
use ocspry_wire::ocsp::CrlReason;

/// An extension nobody knows (1.3.6.1.4.1.99999.1).
pub(crate) const UNKNOWN_EXTENSION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];

/// What a CRL says; start from [`CrlSpec::new`] and change what the test is about.
#[derive(Clone, Debug)]
pub struct CrlSpec {
    /// thisUpdate.
    pub this_update: Time,
    /// nextUpdate; None = absent.
    pub next_update: Option<Time>,
    /// cRLNumber; None = absent.
    pub number: Option<u64>,
    /// Revoked certificates, in this order.
    pub entries: Vec<CrlEntrySpec>,
    /// A critical extension of the list that nobody knows.
    pub unknown_critical_extension: bool,
}

/// One revoked certificate.
#[derive(Clone, Debug)]
pub struct CrlEntrySpec {
    /// Content octets of the serial number, taken as they are.
    pub serial: Vec<u8>,
    /// revocationDate.
    pub revocation_time: Time,
    /// reasonCode; None = absent.
    pub reason: Option<CrlReason>,
    /// Where there is no reason: reasonCode unspecified(0), which should be absent, is written out.
    pub says_unspecified: bool,
    /// invalidityDate; None = absent.
    pub invalidity_date: Option<Time>,
    /// A critical extension of the entry that nobody knows.
    pub unknown_critical_extension: bool,
}

impl CrlSpec {
    /// An empty list, a minute old, good for a day.
    pub fn new(number: u64) -> CrlSpec {
        CrlSpec {
            this_update: now().plus_seconds(-60),
            next_update: Some(now().plus_seconds(86_400)),
            number: Some(number),
            entries: Vec::new(),
            unknown_critical_extension: false,
        }
    }

    /// The same list with one more revoked certificate (an hour ago).
    #[must_use]
    pub fn revoke(mut self, serial: &[u8], reason: Option<CrlReason>) -> CrlSpec {
        self.entries.push(CrlEntrySpec {
            serial: serial.to_vec(),
            revocation_time: now().plus_seconds(-3600),
            reason,
            says_unspecified: false,
            invalidity_date: None,
            unknown_critical_extension: false,
        });
        self
    }

    /// The same list with another thisUpdate.
    #[must_use]
    pub fn made_at(mut self, this_update: Time) -> CrlSpec {
        self.this_update = this_update;
        self
    }

    /// The same list with another nextUpdate.
    #[must_use]
    pub fn until(mut self, next_update: Time) -> CrlSpec {
        self.next_update = Some(next_update);
        self
    }

    pub(crate) fn signed_by(&self, issuer: &[u8], key: &TestKey) -> Vec<u8> {
        let algorithm = key.kind().signature_algorithm().der();
        let next_update = self.next_update.map(x509_time).unwrap_or_default();
        let entries: Vec<u8> = self.entries.iter().flat_map(CrlEntrySpec::der).collect();
        let entries = if entries.is_empty() {
            Vec::new()
        } else {
            element(tag::SEQUENCE, &entries)
        };
        let mut extensions = Vec::new();
        if let Some(number) = self.number {
            let value = integer(&unsigned_content(number));
            extensions.extend(extension(known::CRL_NUMBER, false, &value));
        }
        if self.unknown_critical_extension {
            extensions.extend(extension(UNKNOWN_EXTENSION, true, &element(tag::NULL, &[])));
        }
        let extensions = if extensions.is_empty() {
            Vec::new()
        } else {
            element(tag::context(0), &element(tag::SEQUENCE, &extensions))
        };
        let tbs = sequence(&[
            &integer(&[1]),
            algorithm,
            issuer,
            &x509_time(self.this_update),
            &next_update,
            &entries,
            &extensions,
        ]);
        sequence(&[&tbs, algorithm, &bit_string(&key.sign(&tbs))])
    }
}

impl CrlEntrySpec {
    fn der(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        let unspecified = self.says_unspecified.then_some(0);
        if let Some(code) = self.reason.map(CrlReason::code).or(unspecified) {
            let value = element(tag::ENUMERATED, &[code]);
            extensions.extend(extension(known::REASON_CODE, false, &value));
        }
        if let Some(date) = self.invalidity_date {
            extensions.extend(extension(
                known::INVALIDITY_DATE,
                false,
                &generalized_time(date),
            ));
        }
        if self.unknown_critical_extension {
            extensions.extend(extension(UNKNOWN_EXTENSION, true, &element(tag::NULL, &[])));
        }
        let extensions = if extensions.is_empty() {
            Vec::new()
        } else {
            element(tag::SEQUENCE, &extensions)
        };
        sequence(&[
            &integer(&self.serial),
            &x509_time(self.revocation_time),
            &extensions,
        ])
    }
}

/// The same certificate or CRL with one bit of its signature turned: well-formed, and forged.
pub fn forge(der: &[u8]) -> Vec<u8> {
    let mut forged = der.to_vec();
    let last = forged.last_mut().expect("a signature at the end");
    *last ^= 0x01;
    forged
}
