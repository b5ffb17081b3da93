//! CertStatus to ResponseData to OCSPResponse: what is signed, and for how long it holds (RFC 6960 §4.2.1).
//!
//! From: `responder`, one call per certificate.  To: the listener, as one run of octets.  The answers are written
//! forward behind some headroom; what stands in front of them (and, after signing, around them) is written back to front
//! into that headroom, so that no length is guessed and nothing is moved.  thisUpdate and nextUpdate are decided here.

use std::fmt;

use bytes::{Bytes, BytesMut};
use ocspry_wire::Time;
use ocspry_wire::der::{oid, tag, write};
use ocspry_wire::ocsp::{CertStatus, Nonce, RevokedInfo};
use ocspry_wire::x509::SignatureAlgorithm;

use crate::outcome::Refusal;
use crate::{Issuer, ResponderCredential, ValidityWindow};

/// What ends an answer's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The policy's upper bound, counted from producedAt.
    Validity,
    /// The source's nextUpdate.
    Source,
    /// The signer certificate's notAfter.
    Signer,
    /// The issuer certificate's notAfter.
    Issuer,
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Limit::Validity => "the policy's validity",
            Limit::Source => "the list",
            Limit::Signer => "the signer's certificate",
            Limit::Issuer => "the issuer's certificate",
        })
    }
}

/// When an answer was made and how long it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// producedAt.
    pub(crate) produced_at: Time,
    /// thisUpdate to nextUpdate.
    pub(crate) window: ValidityWindow,
    /// From then on it is not sent any more: nextUpdate less the margin.
    pub(crate) send_before: Time,
    /// From then on the next client gets a newer one: the half of its own validity, or its end where something else
    /// sets that (a newer answer would not live longer).
    pub(crate) renew_at: Time,
}

/// How long an answer made at `now` holds: the one lifetime rule (DESIGN rule 2).
///
/// nextUpdate = min(producedAt + validity, source nextUpdate, signer notAfter, issuer notAfter).  All four have begun
/// once, or they would not be in use: a clock that is behind them was set back.  Up to [`CLOCK_BEHIND_SECONDS_MAX`] the
/// answer is made at the latest time known to have passed; beyond that nothing is signed (DESIGN rule 14).
///
/// # Errors
/// Nothing may be promised: the clock is too far behind, or the end is nearer than the margin.
pub(crate) fn lifetime(
    source: ValidityWindow,
    issuer: &Issuer,
    signer: &ResponderCredential,
    now: Time,
) -> Result<Lifetime, Refusal> {
    let mut produced_at = now;
    for (begin, limit) in [
        (source.this_update, Limit::Source),
        (signer.not_before(), Limit::Signer),
        (issuer.not_before(), Limit::Issuer),
    ] {
        if now < begin.plus_seconds(-CLOCK_BEHIND_SECONDS_MAX) {
            return Err(Refusal::WindowNotBegun { limit, at: begin });
        }
        produced_at = produced_at.max(begin);
    }
    let validity = issuer.policy().validity.map_or(i64::MAX, |validity| {
        i64::try_from(validity.as_secs()).unwrap_or(i64::MAX)
    });
    let mut end = (source.next_update, Limit::Source);
    for other in [
        (produced_at.plus_seconds(validity), Limit::Validity),
        (signer.not_after(), Limit::Signer),
        (issuer.not_after(), Limit::Issuer),
    ] {
        if other.0 < end.0 {
            end = other;
        }
    }
    let (next_update, limit) = end;
    let window = ValidityWindow {
        this_update: source.this_update,
        next_update,
    };
    // An answer that ends with its own validity is as fresh as it will ever be: its margin is a share of that.
    let margin = window.margin_seconds().min(validity / 100);
    let send_before = next_update.plus_seconds(-margin);
    if produced_at >= send_before {
        return Err(Refusal::WindowOver {
            limit,
            at: next_update,
        });
    }
    let renew_at = match limit {
        Limit::Validity => produced_at.plus_seconds(validity / 2).min(send_before),
        Limit::Source | Limit::Signer | Limit::Issuer => send_before,
    };
    Ok(Lifetime {
        produced_at,
        window,
        send_before,
        renew_at,
    })
}

impl Lifetime {
    /// The same, but over after `seconds` at the latest.
    pub(crate) fn at_most(self, seconds: i64) -> Lifetime {
        let next_update = self.produced_at.plus_seconds(seconds);
        if self.window.next_update <= next_update {
            return self;
        }
        Lifetime {
            produced_at: self.produced_at,
            window: ValidityWindow {
                this_update: self.window.this_update,
                next_update,
            },
            send_before: self
                .send_before
                .min(next_update.plus_seconds(-(seconds / 100))),
            renew_at: self
                .renew_at
                .min(self.produced_at.plus_seconds(seconds / 2)),
        }
    }
}

/// How far a clock may be behind what is known before signing stops (DESIGN rule 14).
pub const CLOCK_BEHIND_SECONDS_MAX: i64 = 300;

impl ValidityWindow {
    /// How long before nextUpdate an answer is no longer sent: 60 s, or 1 % of a short window (DESIGN rule 2).
    pub fn margin_seconds(self) -> i64 {
        (self.next_update.seconds_since(self.this_update) / 100).clamp(0, 60)
    }
}

/// Octets kept free in front of the answers, beside those of the responder id: the headers of OCSPResponse,
/// responseBytes, BasicOCSPResponse and ResponseData, the type's identifier and producedAt take at most 80.
const HEADROOM: usize = 96;

/// A ResponseData in the making, in the caller's buffer.
pub(crate) struct Draft<'a> {
    buffer: &'a mut BytesMut,
    responses_start: usize,
}

impl<'a> Draft<'a> {
    /// Empties the buffer and leaves the headroom that `credential` needs.
    pub(crate) fn begin(buffer: &'a mut BytesMut, credential: &ResponderCredential) -> Self {
        let responses_start = HEADROOM + credential.responder_id().len();
        buffer.clear();
        buffer.resize(responses_start, 0);
        Self {
            buffer,
            responses_start,
        }
    }

    /// Appends one SingleResponse; `cert_id` goes back octet for octet (DESIGN rule 4).
    pub(crate) fn single(&mut self, cert_id: &[u8], status: CertStatus, window: ValidityWindow) {
        let status_length = match status {
            CertStatus::Good | CertStatus::Unknown => 2,
            CertStatus::Revoked(info) => 2 + revoked_length(info),
        };
        let invalidity_date = match status {
            CertStatus::Revoked(info) => info.invalidity_date,
            CertStatus::Good | CertStatus::Unknown => None,
        };
        let extensions_length = invalidity_date.map_or(0, |_| INVALIDITY_DATE_PREFIX.len() + 15);
        let length =
            cert_id.len() + status_length + TIME_LENGTH + 2 + TIME_LENGTH + extensions_length;
        self.header(tag::SEQUENCE, length);
        self.put(cert_id);
        match status {
            CertStatus::Good => self.put(&[tag::context_primitive(0), 0]),
            CertStatus::Unknown => self.put(&[tag::context_primitive(2), 0]),
            CertStatus::Revoked(info) => {
                self.header(tag::context(1), revoked_length(info));
                self.time(info.revocation_time);
                if let Some(reason) = info.reason {
                    self.put(&[tag::context(0), 3, tag::ENUMERATED, 1, reason.code()]);
                }
            }
        }
        self.time(window.this_update);
        self.header(tag::context(0), TIME_LENGTH);
        self.time(window.next_update);
        if let Some(date) = invalidity_date {
            self.put(INVALIDITY_DATE_PREFIX);
            self.put(&date.to_generalized());
        }
    }

    /// Completes the ResponseData: nonce behind the answers, responder id and producedAt in front of them.
    pub(crate) fn response_data(
        mut self,
        credential: &ResponderCredential,
        produced_at: Time,
        nonce: Option<Nonce<'_>>,
    ) -> ResponseData {
        let responses_end = self.buffer.len();
        if let Some(nonce) = nonce {
            self.nonce_extension(nonce.octets());
        }
        let end = self.buffer.len();
        let responses_length = responses_end - self.responses_start;
        let mut start = write::write_header_before(
            self.buffer,
            self.responses_start,
            tag::SEQUENCE,
            responses_length,
        );
        start = self.put_before(start, &produced_at.to_generalized());
        start = write::write_header_before(self.buffer, start, tag::GENERALIZED_TIME, 15);
        start = self.put_before(start, credential.responder_id());
        start = write::write_header_before(self.buffer, start, tag::SEQUENCE, end - start);
        ResponseData { start, end }
    }

    /// responseExtensions `[1]` with the nonce in it, an OCTET STRING inside extnValue (RFC 9654 §2.1).
    fn nonce_extension(&mut self, nonce: &[u8]) {
        let value = write::header_length(nonce.len()) + nonce.len();
        let extension = 2 + oid::OCSP_NONCE.len() + write::header_length(value) + value;
        let extensions = write::header_length(extension) + extension;
        self.header(
            tag::context(1),
            write::header_length(extensions) + extensions,
        );
        self.header(tag::SEQUENCE, extensions);
        self.header(tag::SEQUENCE, extension);
        self.header(tag::OID, oid::OCSP_NONCE.len());
        self.put(oid::OCSP_NONCE);
        self.header(tag::OCTET_STRING, value);
        self.header(tag::OCTET_STRING, nonce.len());
        self.put(nonce);
    }

    fn put(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    fn header(&mut self, tag: u8, content_length: usize) {
        put_header(self.buffer, tag, content_length);
    }

    fn time(&mut self, time: Time) {
        self.put(&[tag::GENERALIZED_TIME, 15]);
        self.put(&time.to_generalized());
    }

    fn put_before(&mut self, end: usize, octets: &[u8]) -> usize {
        let start = end - octets.len();
        self.buffer[start..end].copy_from_slice(octets);
        start
    }
}

/// A GeneralizedTime with its header.
const TIME_LENGTH: usize = 17;

/// singleExtensions `[1]` with invalidityDate (RFC 5280 §5.3.2, RFC 6960 §4.4.5), up to the date's 15 octets.
const INVALIDITY_DATE_PREFIX: &[u8] = &[
    0xa1, 0x1c, 0x30, 0x1a, 0x30, 0x18, 0x06, 0x03, 0x55, 0x1d, 0x18, 0x04, 0x11, 0x18, 0x0f,
];

/// The content of RevokedInfo.
fn revoked_length(info: RevokedInfo) -> usize {
    TIME_LENGTH + info.reason.map_or(0, |_| 5)
}

fn put_header(buffer: &mut BytesMut, tag: u8, content_length: usize) {
    let mut octets = [0; 6];
    let start = write::write_header_before(&mut octets, 6, tag, content_length);
    buffer.extend_from_slice(&octets[start..]);
}

/// Where a complete ResponseData lies in the buffer.
pub(crate) struct ResponseData {
    start: usize,
    end: usize,
}

impl ResponseData {
    /// What the signature covers.
    pub(crate) fn octets<'a>(&self, buffer: &'a BytesMut) -> &'a [u8] {
        &buffer[self.start..self.end]
    }

    /// Puts algorithm, signature and certificates behind it and the outer layers around it.
    pub(crate) fn into_response(
        self,
        buffer: &mut BytesMut,
        algorithm: SignatureAlgorithm,
        signature: &[u8],
        certificates: &[u8],
    ) -> Bytes {
        buffer.truncate(self.end);
        buffer.extend_from_slice(algorithm.der());
        put_header(buffer, tag::BIT_STRING, 1 + signature.len());
        buffer.extend_from_slice(&[0]);
        buffer.extend_from_slice(signature);
        buffer.extend_from_slice(certificates);
        let end = buffer.len();
        let before = |buffer: &mut BytesMut, start: usize, tag: u8| {
            write::write_header_before(buffer, start, tag, end - start)
        };
        let mut start = before(buffer, self.start, tag::SEQUENCE);
        start = before(buffer, start, tag::OCTET_STRING);
        let type_start = start - oid::OCSP_BASIC.len();
        buffer[type_start..start].copy_from_slice(oid::OCSP_BASIC);
        start = write::write_header_before(buffer, type_start, tag::OID, oid::OCSP_BASIC.len());
        start = before(buffer, start, tag::SEQUENCE);
        start = before(buffer, start, tag::context(0));
        // responseStatus successful.
        buffer[start - 3..start].copy_from_slice(&[tag::ENUMERATED, 1, 0]);
        start = before(buffer, start - 3, tag::SEQUENCE);
        buffer.split().freeze().slice(start..)
    }
}
