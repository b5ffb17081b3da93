//! CertStatus to ResponseData to OCSPResponse: what is signed, and for how long it holds (RFC 6960 §4.2.1).
//!
//! From: `responder`, one call per certificate.  To: the listener, as one run of octets.  The answers are written
//! forward behind some headroom; what stands in front of them (and, after signing, around them) is written back to front
//! into that headroom, so that no length is guessed and nothing is moved.  thisUpdate and nextUpdate are decided here.

use std::fmt;

use bytes::{Bytes, BytesMut};
use ocspry_wire::Time;
use ocspry_wire::der::{oid, tag, write};
use ocspry_wire::ocsp::{CertStatus, CrlReason, Nonce, RevokedInfo};
use ocspry_wire::x509::SignatureAlgorithm;

use crate::outcome::Refusal;
use crate::policy::{RevokedDefinition, STALE_SECONDS_MAX, Verdict};
use crate::{Issuer, ResponderCredential, ValidityWindow};

/// What ends an answer's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The policy's upper bound, counted from producedAt.
    Validity,
    /// The policy's upper bound, counted from thisUpdate.
    Window,
    /// What may change back is not promised for long.
    Provisional,
    /// The source's nextUpdate.
    Source,
    /// The source is over, and the operator wants answers for a while all the same: an hour each, until a given time.
    StaleUntil,
    /// The signer certificate's notAfter.
    Signer,
    /// The issuer certificate's notAfter.
    Issuer,
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Limit::Validity => "the policy's validity",
            Limit::Window => "the policy's window-max",
            Limit::Provisional => "what may change back",
            Limit::Source => "the list",
            Limit::StaleUntil => "the policy's stale-until",
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
    /// What set nextUpdate.
    pub(crate) limit: Limit,
    /// From then on it is not sent any more: nextUpdate less the margin.
    pub(crate) send_before: Time,
    /// From then on the next client gets a newer one: the half of its own life, or its end where something else
    /// sets that (a newer answer would not live longer).
    pub(crate) renew_at: Time,
}

/// How long an answer made at `now` holds: the one lifetime rule (DESIGN rule 2).
///
/// nextUpdate = min(producedAt + validity, thisUpdate + window_max - 1 s, source nextUpdate, signer notAfter, issuer
/// notAfter).  Source, signer and issuer have begun once, or they would not be in use: a clock that is behind them, or
/// behind answers that were made, was set back.  Up to [`CLOCK_BEHIND_SECONDS_MAX`] the
/// answer is made at the latest time known to have passed; beyond that nothing is signed (DESIGN rule 14).
///
/// Once the source is over, [`Policy::stale_until`](crate::Policy::stale_until) and one hour may stand in for what it and
/// window_max allow.
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
    let time_passed = issuer.time_passed();
    if now < time_passed.plus_seconds(-CLOCK_BEHIND_SECONDS_MAX) {
        return Err(Refusal::ProducedLater { at: time_passed });
    }
    produced_at = produced_at.max(time_passed);

    let policy = issuer.policy();
    let validity = (
        policy.validity_seconds().unwrap_or(i64::MAX),
        Limit::Validity,
    );
    let (source_end, window_end, (life, life_limit)) = match policy.stale_until(source, produced_at)
    {
        None => {
            let window_end = policy.window_end(source).unwrap_or(Time::MAX);
            ((source.next_update, Limit::Source), window_end, validity)
        }
        Some(until) => {
            let hour = (STALE_SECONDS_MAX, Limit::StaleUntil);
            let life = if validity.0 < hour.0 { validity } else { hour };
            ((until, Limit::StaleUntil), Time::MAX, life)
        }
    };
    let mut end = source_end;
    let own_end = produced_at.plus_seconds(life);
    let mut ends_itself = false;
    if own_end < end.0 {
        end = (own_end, life_limit);
        ends_itself = true;
    }
    for other in [
        (window_end, Limit::Window),
        (signer.not_after(), Limit::Signer),
        (issuer.not_after(), Limit::Issuer),
    ] {
        if other.0 < end.0 {
            end = other;
            ends_itself = false;
        }
    }
    let (next_update, limit) = end;
    let window = ValidityWindow {
        this_update: source.this_update,
        next_update,
    };
    // An answer that ends with its own validity is as fresh as it will ever be: its margin is a share of that.
    let margin = window.margin_seconds().min(life / 100);
    let send_before = next_update.plus_seconds(-margin);
    if produced_at >= send_before {
        return Err(Refusal::WindowOver {
            limit,
            at: next_update,
        });
    }
    let renew_at = if ends_itself {
        produced_at.plus_seconds(life / 2).min(send_before)
    } else {
        send_before
    };
    Ok(Lifetime {
        produced_at,
        window,
        limit,
        send_before,
        renew_at,
    })
}

impl Lifetime {
    /// The same of something that was known later; a clock that was set back does not make it later than producedAt.
    pub(crate) fn known_since(self, this_update: Time) -> Lifetime {
        Lifetime {
            window: ValidityWindow {
                this_update: this_update.min(self.produced_at),
                ..self.window
            },
            ..self
        }
    }

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
            limit: Limit::Provisional,
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

    /// From then on it is nearly over, and the operator is told: a fifth of it is left (DESIGN §7, the staleness ladder).
    pub fn last_fifth(self) -> Time {
        let seconds = self.next_update.seconds_since(self.this_update);
        self.next_update.plus_seconds(-(seconds / 5))
    }
}

/// Octets kept free in front of the answers, beside those of the responder id: the headers of OCSPResponse,
/// responseBytes, BasicOCSPResponse and ResponseData, the type's identifier and producedAt take at most 80.
const HEADROOM: usize = 96;

/// A ResponseData in the making, in the caller's buffer.
pub(crate) struct Draft<'a> {
    buffer: &'a mut BytesMut,
    responses_start: usize,
    /// One of the certificates is called revoked although it was never issued.
    says_extended: bool,
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
            says_extended: false,
        }
    }

    /// Appends one SingleResponse; `cert_id` goes back octet for octet (DESIGN rule 4).
    pub(crate) fn single(
        &mut self,
        cert_id: &[u8],
        verdict: Verdict,
        window: ValidityWindow,
        archive_cutoff: Option<Time>,
    ) {
        let status = verdict.cert_status;
        self.says_extended |= verdict.definition == RevokedDefinition::Extended;
        let status_length = match status {
            CertStatus::Good | CertStatus::Unknown => 2,
            CertStatus::Revoked(info) => 2 + revoked_length(info),
        };
        let invalidity_date = match status {
            CertStatus::Revoked(info) => info.invalidity_date,
            CertStatus::Good | CertStatus::Unknown => None,
        };
        let dates = [
            (INVALIDITY_DATE_PREFIX, invalidity_date),
            (ARCHIVE_CUTOFF_PREFIX, archive_cutoff),
        ];
        let extensions: usize = dates
            .iter()
            .map(|(prefix, date)| date.map_or(0, |_| prefix.len() + TIME_TEXT_LENGTH))
            .sum();
        let extensions_length = match extensions {
            0 => 0,
            // The headers of `[1]` and of Extensions: two dates at the most, so both lengths are short.
            length => 4 + length,
        };
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
        if extensions > 0 {
            self.header(tag::context(1), 2 + extensions);
            self.header(tag::SEQUENCE, extensions);
            for (prefix, date) in dates {
                if let Some(date) = date {
                    self.put(prefix);
                    self.put(&date.to_generalized());
                }
            }
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
        self.response_extensions(nonce);
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

    /// responseExtensions `[1]`, if there are any: the nonce, an OCTET STRING inside extnValue (RFC 9654 §2.1), and what
    /// `revoked` means where a certificate was never issued (RFC 6960 §4.4.8).
    fn response_extensions(&mut self, nonce: Option<Nonce<'_>>) {
        let nonce_lengths = nonce.map(|nonce| {
            let value = write::header_length(nonce.octets().len()) + nonce.octets().len();
            let extension = 2 + oid::OCSP_NONCE.len() + write::header_length(value) + value;
            (value, extension)
        });
        let nonce_length = nonce_lengths.map_or(0, |(_, extension)| {
            write::header_length(extension) + extension
        });
        let extended_length = match self.says_extended {
            true => EXTENDED_REVOKE.len(),
            false => 0,
        };
        let extensions = nonce_length + extended_length;
        if extensions == 0 {
            return;
        }
        self.header(
            tag::context(1),
            write::header_length(extensions) + extensions,
        );
        self.header(tag::SEQUENCE, extensions);
        if let (Some(nonce), Some((value, extension))) = (nonce, nonce_lengths) {
            self.header(tag::SEQUENCE, extension);
            self.header(tag::OID, oid::OCSP_NONCE.len());
            self.put(oid::OCSP_NONCE);
            self.header(tag::OCTET_STRING, value);
            self.header(tag::OCTET_STRING, nonce.octets().len());
            self.put(nonce.octets());
        }
        if self.says_extended {
            self.put(EXTENDED_REVOKE);
        }
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

/// How large an answer about one certificate comes out: revoked, with all that may stand in its line, under the longest
/// CertID there is (SHA-512 and a serial number of 20 octets), without a nonce.
pub(crate) fn single_answer_octets(
    credential: &ResponderCredential,
    signature_octets: usize,
) -> usize {
    const CERT_ID_OCTETS: usize = 2 + 1 + 15 + 2 * (2 + 64) + 2 + 20;
    let time = Time::from_unix(0);
    let revoked = Verdict {
        cert_status: CertStatus::Revoked(RevokedInfo {
            revocation_time: time,
            reason: Some(CrlReason::KeyCompromise),
            invalidity_date: Some(time),
        }),
        definition: RevokedDefinition::Plain,
    };
    let window = ValidityWindow {
        this_update: time,
        next_update: time,
    };
    let mut buffer = BytesMut::new();
    let mut draft = Draft::begin(&mut buffer, credential);
    draft.single(&[0; CERT_ID_OCTETS], revoked, window, Some(time));
    let response_data = draft.response_data(credential, time, None);
    let signature = vec![0; signature_octets];
    let algorithm = credential.algorithm();
    response_data
        .into_response(
            &mut buffer,
            algorithm,
            &signature,
            credential.certificates(),
        )
        .len()
}

/// The text of a GeneralizedTime.
const TIME_TEXT_LENGTH: usize = 15;
/// A GeneralizedTime with its header.
const TIME_LENGTH: usize = 2 + TIME_TEXT_LENGTH;

/// The extension invalidityDate (RFC 5280 §5.3.2, RFC 6960 §4.4.5), up to the date's text.
const INVALIDITY_DATE_PREFIX: &[u8] = &[
    0x30, 0x18, 0x06, 0x03, 0x55, 0x1d, 0x18, 0x04, 0x11, 0x18, 0x0f,
];
/// The extension archiveCutoff (RFC 6960 §4.4.4), up to the date's text.
const ARCHIVE_CUTOFF_PREFIX: &[u8] = &[
    0x30, 0x1e, 0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x06, 0x04, 0x11, 0x18,
    0x0f,
];
/// The whole extension extended-revoke, whose value is NULL (RFC 6960 §4.4.8).
const EXTENDED_REVOKE: &[u8] = &[
    0x30, 0x0f, 0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x09, 0x04, 0x02, 0x05,
    0x00,
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
