//! The head of a response: what it is, and how long a cache may keep it.  From: `core::Answer`.  To: `ocsp`, as octets in front of the body.
//!
//! Nearly all of the head of a cached answer is the same each time: it is written once, and kept beside the answer.  What changes
//! is how long it may be kept, which counts down at its end, and the time.
//!
//! A cache between us and the client may keep an answer until a little before its nextUpdate, never longer; an answer with
//! a nonce is for one client only, and errors are not kept at all.  RFC 9919 §7.2 (which replaced RFC 5019 §6.2); Last-Modified is
//! producedAt, since RFC 9919 §6 and §7.2 contradict each other and producedAt changes whenever the body does.
//!
//! **304 by date.**  A date has whole seconds, and a wrong 304 would confirm `good` for a certificate that was just revoked.  So
//! If-Modified-Since counts only (RFC 9110 §13.1.3 lets us send the whole answer in every other case)
//! - where If-None-Match, which names the very body, is not there;
//! - where it is exactly our Last-Modified, as a cache repeats it: a date made up from another clock, or from the time at which
//!   some proxy handed the answer on, may be later than the answer that replaced it.  This also drops dates that are not valid,
//!   that lie in the future, or that another of several responders gave;
//! - where that second names one answer: the responder knows whether it made another one in it from a table or by a signer that has
//!   been replaced since (`produced_at_is_unique`), which is the case of a revocation right behind a signature;
//! - where producedAt is not ahead of our clock, so that Last-Modified is producedAt.
//!
//! What is left: two responders behind one name, or one that is stopped and started again, that sign for one certificate in one second by
//! different lists, and a client that keeps no tag.  It would keep its answer for one max-age more, and never past its nextUpdate.

use ocspry_core::SignedResponse;
use ocspry_wire::Time;

use crate::head;

/// What a response says of itself first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 200.
    Ok,
    /// 304: the client has it.
    NotModified,
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 408: a request takes too long to arrive (RFC 9110 §15.5.9).
    RequestTimeout,
    /// 413.
    ContentTooLarge,
    /// 414.
    UriTooLong,
    /// 431.
    HeadTooLarge,
    /// 503.
    Unavailable,
}

impl Status {
    /// Its number.
    pub(crate) fn code(self) -> u16 {
        match self {
            Status::Ok => 200,
            Status::NotModified => 304,
            Status::BadRequest => 400,
            Status::NotFound => 404,
            Status::MethodNotAllowed => 405,
            Status::RequestTimeout => 408,
            Status::ContentTooLarge => 413,
            Status::UriTooLong => 414,
            Status::HeadTooLarge => 431,
            Status::Unavailable => 503,
        }
    }

    fn line(self) -> &'static [u8] {
        match self {
            Status::Ok => b"HTTP/1.1 200 OK\r\n",
            Status::NotModified => b"HTTP/1.1 304 Not Modified\r\n",
            Status::BadRequest => b"HTTP/1.1 400 Bad Request\r\n",
            Status::NotFound => b"HTTP/1.1 404 Not Found\r\n",
            Status::MethodNotAllowed => b"HTTP/1.1 405 Method Not Allowed\r\n",
            Status::RequestTimeout => b"HTTP/1.1 408 Request Timeout\r\n",
            Status::ContentTooLarge => b"HTTP/1.1 413 Content Too Large\r\n",
            Status::UriTooLong => b"HTTP/1.1 414 URI Too Long\r\n",
            Status::HeadTooLarge => b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
            Status::Unavailable => b"HTTP/1.1 503 Service Unavailable\r\n",
        }
    }
}

/// How something may be kept, and the name of its body.
#[derive(Clone, Debug)]
pub(crate) struct Cacheable {
    max_age_seconds: u64,
    digest: [u8; 32],
    last_modified: Time,
    expires: Time,
    /// Last-Modified names this body and no other.
    is_named_by_date: bool,
}

impl Cacheable {
    /// How `response` may be kept; None if it carries a nonce.
    pub(crate) fn of(response: &SignedResponse, now: Time) -> Option<Cacheable> {
        Some(Cacheable {
            max_age_seconds: max_age_seconds(response, now),
            digest: response.digest?,
            last_modified: response.produced_at.min(now),
            expires: response.window.next_update,
            is_named_by_date: response.produced_at_is_unique && response.produced_at <= now,
        })
    }

    /// Of bytes that somebody has published, and that `digest` names: to be kept until `until`.  No date names them: another list
    /// may be published in the same second.
    pub(crate) fn of_published(
        digest: &[u8; 32],
        published: Time,
        until: Time,
        now: Time,
    ) -> Cacheable {
        Cacheable {
            max_age_seconds: until.seconds_since(now).max(0).unsigned_abs(),
            digest: *digest,
            last_modified: published.min(now),
            expires: until,
            is_named_by_date: false,
        }
    }

    /// Whether the client, whose request has this head, has this very body already: by tag (RFC 9110 §13.1.2: weak comparison, `*`
    /// matches), or, if it names none, by date.
    pub(crate) fn is_held_by(&self, request_head: &[u8]) -> bool {
        let tags = head::values(request_head, "if-none-match");
        if tags.is_empty() {
            return self.is_dated_by(&head::values(request_head, "if-modified-since"));
        }
        let mut ours = Vec::new();
        push_etag(&mut ours, &self.digest);
        tags.iter().any(|line| {
            line.split(|&octet| octet == b',').any(|tag| {
                let tag = tag.trim_ascii();
                tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == ours
            })
        })
    }

    /// Whether If-Modified-Since is our Last-Modified, in any of the three forms (RFC 9110 §5.6.7), and names this body.
    fn is_dated_by(&self, dates: &[&[u8]]) -> bool {
        let [date] = dates else {
            return false;
        };
        // Written, not read: only one date counts.
        self.is_named_by_date
            && [push_http_date, push_rfc850_date, push_asctime_date]
                .iter()
                .any(|push| {
                    let mut ours = Vec::new();
                    push(&mut ours, self.last_modified);
                    *date == ours
                })
    }

    /// Writes what names the body, and when it was made and ends.
    pub(crate) fn write_names(&self, head: &mut Vec<u8>) {
        head.extend_from_slice(b"etag: ");
        push_etag(head, &self.digest);
        head.extend_from_slice(b"\r\nlast-modified: ");
        push_http_date(head, self.last_modified);
        head.extend_from_slice(b"\r\nexpires: ");
        push_http_date(head, self.expires);
        head.extend_from_slice(b"\r\n");
    }

    /// Writes how long it may be kept.
    pub(crate) fn write_cache_control(&self, head: &mut Vec<u8>) {
        write_cache_control(head, self.max_age_seconds);
    }
}

/// Writes the head of an answer that may be kept, as far as it does not change.  None of it does while the clock is not behind
/// producedAt.
pub(crate) fn write_lasting(head: &mut Vec<u8>, cacheable: &Cacheable, body_length: usize) {
    write_status(head, Status::Ok);
    write_ocsp_response(head);
    write_content_length(head, body_length);
    cacheable.write_names(head);
}

/// Writes how long a cache may keep an answer.
pub(crate) fn write_cache_control(head: &mut Vec<u8>, max_age_seconds: u64) {
    head.extend_from_slice(b"cache-control: max-age=");
    push_decimal(head, max_age_seconds, 1);
    head.extend_from_slice(b", public, no-transform, must-revalidate\r\n");
}

/// Seconds until it must not be sent any more, at most what the answer allows, never below 0: nobody is handed an answer
/// that dies on the way.
pub(crate) fn max_age_seconds(response: &SignedResponse, now: Time) -> u64 {
    let left = response.send_before.seconds_since(now).max(0);
    left.unsigned_abs().min(response.max_age_max.as_secs())
}

/// The first line.
pub(crate) fn write_status(head: &mut Vec<u8>, status: Status) {
    head.extend_from_slice(status.line());
}

/// How many octets the body has.
pub(crate) fn write_content_length(head: &mut Vec<u8>, length: usize) {
    head.extend_from_slice(b"content-length: ");
    push_decimal(head, length as u64, 1);
    head.extend_from_slice(b"\r\n");
}

/// `application/ocsp-response`, in front of a body (RFC 6960 §A.2).
pub(crate) fn write_ocsp_response(head: &mut Vec<u8>) {
    write_content_type(head, "application/ocsp-response");
}

/// What the body is, by the name of its media type.
pub(crate) fn write_content_type(head: &mut Vec<u8>, media_type: &'static str) {
    head.extend_from_slice(b"content-type: ");
    head.extend_from_slice(media_type.as_bytes());
    head.extend_from_slice(b"\r\n");
}

/// No cache may keep this.
pub(crate) fn write_no_store(head: &mut Vec<u8>) {
    head.extend_from_slice(b"cache-control: no-store\r\n");
}

/// The methods there are, beside 405 (RFC 9110 §15.5.6).
pub(crate) fn write_allow(head: &mut Vec<u8>) {
    head.extend_from_slice(b"allow: GET, HEAD, POST\r\n");
}

/// The last line, and the end: whether the connection stays, where the version of the request does not say it.
pub(crate) fn write_end(head: &mut Vec<u8>, keep_alive: bool, is_http_10: bool) {
    head.extend_from_slice(match (keep_alive, is_http_10) {
        (true, false) => b"\r\n".as_slice(),
        (true, true) => b"connection: keep-alive\r\n\r\n",
        (false, _) => b"connection: close\r\n\r\n",
    });
}

/// The whole head of a response without body and time, to what is no HTTP that could be answered otherwise.
pub(crate) fn write_refusal(head: &mut Vec<u8>, status: Status) {
    write_status(head, status);
    write_content_length(head, 0);
    write_end(head, false, false);
}

/// The Date header, made once a second.
#[derive(Clone, Debug)]
pub(crate) struct DateHeader {
    second: Time,
    line: Vec<u8>,
}

impl DateHeader {
    /// For this second.
    pub(crate) fn new(now: Time) -> DateHeader {
        let mut line = b"date: ".to_vec();
        push_http_date(&mut line, now);
        line.extend_from_slice(b"\r\n");
        DateHeader { second: now, line }
    }

    /// Writes it; makes it anew in another second.
    pub(crate) fn write(&mut self, head: &mut Vec<u8>, now: Time) {
        if self.second != now {
            *self = DateHeader::new(now);
        }
        head.extend_from_slice(&self.line);
    }
}

/// A day and a month as dates name them: `Sun`, `day`, and `Nov`.
struct Names {
    day: &'static str,
    rest_of_day: &'static str,
    month: &'static str,
}

impl Names {
    fn of(time: Time) -> Names {
        const DAYS: [(&str, &str); 7] = [
            ("Thu", "rsday"),
            ("Fri", "day"),
            ("Sat", "urday"),
            ("Sun", "day"),
            ("Mon", "day"),
            ("Tue", "sday"),
            ("Wed", "nesday"),
        ];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        // 1970-01-01 was a Thursday.
        let weekday = time
            .unix_seconds()
            .div_euclid(86_400)
            .rem_euclid(7)
            .unsigned_abs();
        let (_, month, ..) = time.civil();
        let (day, rest_of_day) = DAYS[weekday as usize];
        Names {
            day,
            rest_of_day,
            month: MONTHS[usize::from(month.clamp(1, 12) - 1)],
        }
    }
}

/// A strong tag: hex SHA-256 of the body, in quotes.
fn push_etag(text: &mut Vec<u8>, digest: &[u8; 32]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    text.push(b'"');
    for octet in digest {
        text.extend_from_slice(&[HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 0x0f)]]);
    }
    text.push(b'"');
}

/// IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn push_http_date(text: &mut Vec<u8>, time: Time) {
    let names = Names::of(time);
    let (year, _, day, ..) = time.civil();
    text.extend_from_slice(names.day.as_bytes());
    text.extend_from_slice(b", ");
    push_decimal(text, u64::from(day), 2);
    text.push(b' ');
    text.extend_from_slice(names.month.as_bytes());
    text.push(b' ');
    push_decimal(text, u64::from(year), 4);
    text.push(b' ');
    push_clock(text, time);
    text.extend_from_slice(b" GMT");
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`, as HTTP/1.0 had it before.
fn push_rfc850_date(text: &mut Vec<u8>, time: Time) {
    let names = Names::of(time);
    let (year, _, day, ..) = time.civil();
    text.extend_from_slice(names.day.as_bytes());
    text.extend_from_slice(names.rest_of_day.as_bytes());
    text.extend_from_slice(b", ");
    push_decimal(text, u64::from(day), 2);
    text.push(b'-');
    text.extend_from_slice(names.month.as_bytes());
    text.push(b'-');
    push_decimal(text, u64::from(year) % 100, 2);
    text.push(b' ');
    push_clock(text, time);
    text.extend_from_slice(b" GMT");
}

/// `Sun Nov  6 08:49:37 1994`, as C's asctime writes it.
fn push_asctime_date(text: &mut Vec<u8>, time: Time) {
    let names = Names::of(time);
    let (year, _, day, ..) = time.civil();
    text.extend_from_slice(names.day.as_bytes());
    text.push(b' ');
    text.extend_from_slice(names.month.as_bytes());
    text.extend_from_slice(if day < 10 { b"  " } else { b" " });
    push_decimal(text, u64::from(day), 1);
    text.push(b' ');
    push_clock(text, time);
    text.push(b' ');
    push_decimal(text, u64::from(year), 4);
}

/// `08:49:37`.
fn push_clock(text: &mut Vec<u8>, time: Time) {
    let (_, _, _, hour, minute, second) = time.civil();
    push_decimal(text, u64::from(hour), 2);
    text.push(b':');
    push_decimal(text, u64::from(minute), 2);
    text.push(b':');
    push_decimal(text, u64::from(second), 2);
}

/// At least `width` digits, with zeros in front.
fn push_decimal(text: &mut Vec<u8>, value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    let mut rest = value;
    while rest > 0 || digits.len() - first < width {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ocspry_core::{Limit, UnablePolicy, ValidityWindow};
    use std::time::Duration;

    const NOON: Time = Time::from_unix(1_795_262_400); // Sat, 21 Nov 2026 12:00:00 GMT

    fn response(this_update: i64, next_update: i64) -> SignedResponse {
        let window = ValidityWindow {
            this_update: NOON.plus_seconds(this_update),
            next_update: NOON.plus_seconds(next_update),
        };
        SignedResponse {
            der: Bytes::from_static(b"abc"),
            produced_at: NOON,
            produced_at_is_unique: true,
            window,
            limit: Limit::Source,
            unable: UnablePolicy::TryLater,
            send_before: window.next_update.plus_seconds(-window.margin_seconds()),
            digest: Some(ocspry_core::crypto::sha256(b"abc")),
            max_age_max: Duration::from_secs(3_600),
        }
    }

    fn written(response: &SignedResponse, now: Time) -> String {
        let mut head = Vec::new();
        let cacheable = Cacheable::of(response, now).unwrap();
        write_lasting(&mut head, &cacheable, response.der.len());
        cacheable.write_cache_control(&mut head);
        String::from_utf8(head).unwrap()
    }

    fn request_head<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
        let lines = lines.map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("GET / HTTP/1.1\r\n{}\r\n", lines.collect::<String>()).into_bytes()
    }

    #[test]
    fn cac_02_cac_03_cac_04_cac_05_an_answer_names_its_end_its_making_and_its_body() {
        assert_eq!(
            written(&response(0, 7 * 86_400), NOON),
            "HTTP/1.1 200 OK\r\n\
             content-type: application/ocsp-response\r\n\
             content-length: 3\r\n\
             etag: \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\r\n\
             last-modified: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
             expires: Sat, 28 Nov 2026 12:00:00 GMT\r\n\
             cache-control: max-age=3600, public, no-transform, must-revalidate\r\n"
        );
    }

    #[test]
    fn cac_01_max_age_ends_before_next_update() {
        let ends = |this_update, next_update, after| {
            max_age_seconds(
                &response(this_update, next_update),
                NOON.plus_seconds(after),
            )
        };
        assert_eq!(ends(-86_400, 1_000, 0), 940); // margin 60 s
        assert_eq!(ends(0, 1_000, 0), 990); // margin a hundredth of the window
        assert_eq!(ends(0, 50, 0), 50);
        assert_eq!(ends(0, 1_000, 989), 1);
        assert_eq!(ends(0, 1_000, 991), 0);
        assert_eq!(ends(0, 1_000, 5_000), 0);
        assert_eq!(ends(0, -10, 0), 0);
        let provisional = SignedResponse {
            max_age_max: Duration::from_secs(60),
            ..response(0, 300)
        };
        assert_eq!(max_age_seconds(&provisional, NOON), 60);
    }

    #[test]
    fn cac_11_an_answer_with_a_nonce_has_no_caching_headers() {
        let with_nonce = SignedResponse {
            digest: None,
            ..response(0, 1_000)
        };
        assert!(Cacheable::of(&with_nonce, NOON).is_none());
    }

    #[test]
    fn cac_06_cac_07_only_the_tag_of_this_body_matches() {
        let cacheable = Cacheable::of(&response(0, 1_000), NOON).unwrap();
        let tag = "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"";
        let held = |tags: &[&str]| {
            let lines = tags.iter().map(|tag| ("If-None-Match", *tag));
            cacheable.is_held_by(&request_head(lines))
        };
        assert!(held(&[tag]));
        assert!(held(&[&format!("W/{tag}")]));
        assert!(held(&[&format!("\"other\", {tag} ,\"third\"")]));
        assert!(held(&["\"other\"", tag]));
        assert!(held(&["*"]));
        assert!(!held(&[]));
        assert!(!held(&["\"other\""]));
        assert!(!held(&["garbage", ",,", ""]));
        assert!(!held(&[tag.trim_matches('"')]));
    }

    #[test]
    fn cac_06_cac_07_only_the_exact_date_of_this_body_matches_and_only_without_a_tag() {
        let held = |response: &SignedResponse, now: Time, lines: &[(&str, &str)]| {
            let head = request_head(lines.iter().copied());
            Cacheable::of(response, now).unwrap().is_held_by(&head)
        };
        let day = 86_400;
        let ours = SignedResponse {
            produced_at: NOON.plus_seconds(-14 * day),
            ..response(-15 * day, 7 * day)
        };
        const SINCE: &str = "If-Modified-Since";
        let date = "Sat, 07 Nov 2026 12:00:00 GMT";
        // The three forms of RFC 9110 section 5.6.7.
        for form in [
            date,
            "Saturday, 07-Nov-26 12:00:00 GMT",
            "Sat Nov  7 12:00:00 2026",
        ] {
            assert!(held(&ours, NOON, &[(SINCE, form)]), "{form}");
        }
        // A second before and behind it, our now, the future, other zones and garbage.
        for other in [
            "Sat, 07 Nov 2026 11:59:59 GMT",
            "Sat, 07 Nov 2026 12:00:01 GMT",
            "Sat, 21 Nov 2026 12:00:00 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "Sat, 07 Nov 2026 12:00:00 CET",
            "Sat, 7 Nov 2026 12:00:00 GMT",
            "sat, 07 nov 2026 12:00:00 gmt",
            "Saturday, 07-Nov-2026 12:00:00 GMT",
            "Sat Nov 7 12:00:00 2026",
            "yesterday",
            "",
        ] {
            assert!(!held(&ours, NOON, &[(SINCE, other)]), "{other}");
        }
        assert!(!held(&ours, NOON, &[(SINCE, date), (SINCE, date)]));
        assert!(!held(
            &ours,
            NOON,
            &[(SINCE, date), ("If-None-Match", "\"another\"")]
        ));
        // Another answer was made in that second.
        let ambiguous = SignedResponse {
            produced_at_is_unique: false,
            ..ours.clone()
        };
        assert!(!held(&ambiguous, NOON, &[(SINCE, date)]));
        // Our clock is behind producedAt: Last-Modified is the time of the request.
        let early = ours.produced_at.plus_seconds(-1);
        assert!(!held(&ours, early, &[(SINCE, date)]));
        assert!(!held(
            &ours,
            early,
            &[(SINCE, "Sat, 07 Nov 2026 11:59:59 GMT")]
        ));
    }

    #[test]
    fn cac_06_each_form_of_a_date_is_the_one_of_the_standard() {
        let time = Time::from_unix(784_111_777);
        for (push, expected) in [
            (
                push_http_date as fn(&mut Vec<u8>, Time),
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (push_rfc850_date, "Sunday, 06-Nov-94 08:49:37 GMT"),
            (push_asctime_date, "Sun Nov  6 08:49:37 1994"),
        ] {
            let mut text = Vec::new();
            push(&mut text, time);
            assert_eq!(text, expected.as_bytes());
        }
    }

    #[test]
    fn http_dates_have_the_right_weekday_and_leading_zeros() {
        let date = |unix_seconds| {
            let mut text = Vec::new();
            push_http_date(&mut text, Time::from_unix(unix_seconds));
            String::from_utf8(text).unwrap()
        };
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn cac_09_the_date_header_follows_the_second() {
        let mut date = DateHeader::new(NOON);
        let mut head = Vec::new();
        date.write(&mut head, NOON);
        assert_eq!(head, b"date: Sat, 21 Nov 2026 12:00:00 GMT\r\n");
        head.clear();
        date.write(&mut head, NOON.plus_seconds(1));
        assert_eq!(head, b"date: Sat, 21 Nov 2026 12:00:01 GMT\r\n");
    }
}
