//! The headers of an answer: what it is, and how long a cache may keep it.  From: `core::Answer`.  To: `ocsp`.
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

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, EXPIRES, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED,
};
use ocspry_core::SignedResponse;
use ocspry_wire::Time;

/// How an answer may be kept, and the name of its body.
#[derive(Clone, Debug)]
pub(crate) struct Cacheable {
    cache_control: HeaderValue,
    etag: HeaderValue,
    last_modified: HeaderValue,
    expires: HeaderValue,
    /// The time that Last-Modified says, where it names this body and no other.
    named_by: Option<Time>,
}

impl Cacheable {
    /// The caching headers of `response`; None if it carries a nonce.
    pub(crate) fn of(response: &SignedResponse, now: Time) -> Option<Cacheable> {
        let digest = response.digest?;
        let mut text = Text::default();
        let cache_control = text.push_cache_control(max_age_seconds(response, now));
        let etag = text.push_etag(&digest);
        let last_modified = text.push_http_date(response.produced_at.min(now));
        let expires = text.push_http_date(response.window.next_update);
        let shared = Bytes::copy_from_slice(&text.octets[..text.length]);
        Some(Cacheable {
            cache_control: header_value(shared.slice(cache_control)),
            etag: header_value(shared.slice(etag)),
            last_modified: header_value(shared.slice(last_modified)),
            expires: header_value(shared.slice(expires)),
            named_by: (response.produced_at_is_unique && response.produced_at <= now)
                .then_some(response.produced_at),
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
        let mut text = Text::default();
        let cache_control = text.push_cache_control(until.seconds_since(now).max(0));
        let etag = text.push_etag(digest);
        let last_modified = text.push_http_date(published.min(now));
        let expires = text.push_http_date(until);
        let shared = Bytes::copy_from_slice(&text.octets[..text.length]);
        Cacheable {
            cache_control: header_value(shared.slice(cache_control)),
            etag: header_value(shared.slice(etag)),
            last_modified: header_value(shared.slice(last_modified)),
            expires: header_value(shared.slice(expires)),
            named_by: None,
        }
    }

    /// Whether the client has this very body already: by tag (RFC 9110 §13.1.2: weak comparison, `*` matches), or, if it
    /// names none, by date.
    pub(crate) fn is_held_by(&self, request_headers: &HeaderMap) -> bool {
        if !request_headers.contains_key(IF_NONE_MATCH) {
            return self.is_dated_by(request_headers);
        }
        request_headers.get_all(IF_NONE_MATCH).iter().any(|line| {
            line.as_bytes().split(|&octet| octet == b',').any(|tag| {
                let tag = tag.trim_ascii();
                tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes()
            })
        })
    }

    /// Whether If-Modified-Since is our Last-Modified, in any of the three forms (RFC 9110 §5.6.7), and names this body.
    fn is_dated_by(&self, request_headers: &HeaderMap) -> bool {
        let mut dates = request_headers.get_all(IF_MODIFIED_SINCE).iter();
        let (Some(date), None, Some(time)) = (dates.next(), dates.next(), self.named_by) else {
            return false;
        };
        // Written, not read: only one date counts.
        date == self.last_modified
            || [Text::push_rfc850_date, Text::push_asctime_date]
                .iter()
                .any(|push| {
                    let mut text = Text::default();
                    let range = push(&mut text, time);
                    date.as_bytes() == &text.octets[range]
                })
    }

    /// Writes them.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, self.cache_control);
        headers.insert(ETAG, self.etag);
        headers.insert(LAST_MODIFIED, self.last_modified);
        headers.insert(EXPIRES, self.expires);
    }
}

/// Seconds until it must not be sent any more, at most what the answer allows, never below 0: nobody is handed an answer
/// that dies on the way.
fn max_age_seconds(response: &SignedResponse, now: Time) -> i64 {
    let left = response.send_before.seconds_since(now);
    let most = i64::try_from(response.max_age_max.as_secs()).unwrap_or(i64::MAX);
    left.clamp(0, most)
}

/// `application/ocsp-response`, in front of a body (RFC 6960 §A.2).
pub(crate) fn write_ocsp_response(headers: &mut HeaderMap) {
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/ocsp-response"),
    );
}

/// What the body is, by the name of its media type.
pub(crate) fn write_content_type(headers: &mut HeaderMap, media_type: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
}

/// Plain text for people, never kept.
pub(crate) fn write_plain_text(headers: &mut HeaderMap) {
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    write_no_store(headers);
}

/// No cache may keep this.
pub(crate) fn write_no_store(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The methods there are, beside 405 (RFC 9110 §15.5.6).
pub(crate) fn write_allow(headers: &mut HeaderMap) {
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
}

/// The Date header, made once a second.
#[derive(Clone, Debug)]
pub(crate) struct DateHeader {
    second: Time,
    value: HeaderValue,
}

impl DateHeader {
    /// For this second.
    pub(crate) fn new(now: Time) -> DateHeader {
        let mut text = Text::default();
        let range = text.push_http_date(now);
        DateHeader {
            second: now,
            value: header_value(Bytes::copy_from_slice(&text.octets[range])),
        }
    }

    /// Writes it; makes it anew in another second.
    pub(crate) fn write(&mut self, headers: &mut HeaderMap, now: Time) {
        if self.second != now {
            *self = DateHeader::new(now);
        }
        headers.insert(DATE, self.value.clone());
    }
}

/// A header value of characters that this module has chosen.
fn header_value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text)
        .expect("letters, digits and punctuation of ours are visible ASCII")
}

/// Text of several header values, on the stack until it is whole.
struct Text {
    octets: [u8; 256],
    length: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            octets: [0; 256],
            length: 0,
        }
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

impl Text {
    fn push_cache_control(&mut self, max_age_seconds: i64) -> std::ops::Range<usize> {
        let start = self.length;
        self.push(b"max-age=");
        self.push_decimal(max_age_seconds.unsigned_abs(), 1);
        self.push(b", public, no-transform, must-revalidate");
        start..self.length
    }

    /// A strong tag: hex SHA-256 of the body, in quotes.
    fn push_etag(&mut self, digest: &[u8; 32]) -> std::ops::Range<usize> {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let start = self.length;
        self.push(b"\"");
        for octet in digest {
            self.push(&[HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 0x0f)]]);
        }
        self.push(b"\"");
        start..self.length
    }

    /// IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
    fn push_http_date(&mut self, time: Time) -> std::ops::Range<usize> {
        let start = self.length;
        let names = Names::of(time);
        let (year, _, day, ..) = time.civil();
        self.push(names.day.as_bytes());
        self.push(b", ");
        self.push_decimal(u64::from(day), 2);
        self.push(b" ");
        self.push(names.month.as_bytes());
        self.push(b" ");
        self.push_decimal(u64::from(year), 4);
        self.push(b" ");
        self.push_clock(time);
        self.push(b" GMT");
        start..self.length
    }

    /// `Sunday, 06-Nov-94 08:49:37 GMT`, as HTTP/1.0 had it before.
    fn push_rfc850_date(&mut self, time: Time) -> std::ops::Range<usize> {
        let start = self.length;
        let names = Names::of(time);
        let (year, _, day, ..) = time.civil();
        self.push(names.day.as_bytes());
        self.push(names.rest_of_day.as_bytes());
        self.push(b", ");
        self.push_decimal(u64::from(day), 2);
        self.push(b"-");
        self.push(names.month.as_bytes());
        self.push(b"-");
        self.push_decimal(u64::from(year) % 100, 2);
        self.push(b" ");
        self.push_clock(time);
        self.push(b" GMT");
        start..self.length
    }

    /// `Sun Nov  6 08:49:37 1994`, as C's asctime writes it.
    fn push_asctime_date(&mut self, time: Time) -> std::ops::Range<usize> {
        let start = self.length;
        let names = Names::of(time);
        let (year, _, day, ..) = time.civil();
        self.push(names.day.as_bytes());
        self.push(b" ");
        self.push(names.month.as_bytes());
        self.push(if day < 10 { b"  " } else { b" " });
        self.push_decimal(u64::from(day), 1);
        self.push(b" ");
        self.push_clock(time);
        self.push(b" ");
        self.push_decimal(u64::from(year), 4);
        start..self.length
    }

    /// `08:49:37`.
    fn push_clock(&mut self, time: Time) {
        let (_, _, _, hour, minute, second) = time.civil();
        self.push_decimal(u64::from(hour), 2);
        self.push(b":");
        self.push_decimal(u64::from(minute), 2);
        self.push(b":");
        self.push_decimal(u64::from(second), 2);
    }

    /// At least `width` digits, with zeros in front.
    fn push_decimal(&mut self, value: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        let mut rest = value;
        while rest > 0 || digits.len() - first < width {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.push(&digits[first..]);
    }

    fn push(&mut self, text: &[u8]) {
        self.octets[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn written(response: &SignedResponse, now: Time) -> HeaderMap {
        let mut headers = HeaderMap::new();
        Cacheable::of(response, now).unwrap().write(&mut headers);
        headers
    }

    #[test]
    fn cac_02_cac_03_cac_04_cac_05_an_answer_names_its_end_its_making_and_its_body() {
        let headers = written(&response(0, 7 * 86_400), NOON);
        assert_eq!(
            headers[CACHE_CONTROL],
            "max-age=3600, public, no-transform, must-revalidate"
        );
        assert_eq!(
            headers[ETAG],
            "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""
        );
        assert_eq!(headers[LAST_MODIFIED], "Sat, 21 Nov 2026 12:00:00 GMT");
        assert_eq!(headers[EXPIRES], "Sat, 28 Nov 2026 12:00:00 GMT");
        assert_eq!(headers.len(), 4);
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
        let tag = cacheable.etag.to_str().unwrap().to_owned();
        let held = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(line).unwrap());
            }
            cacheable.is_held_by(&headers)
        };
        assert!(held(&[&tag]));
        assert!(held(&[&format!("W/{tag}")]));
        assert!(held(&[&format!("\"other\", {tag} ,\"third\"")]));
        assert!(held(&["\"other\"", &tag]));
        assert!(held(&["*"]));
        assert!(!held(&[]));
        assert!(!held(&["\"other\""]));
        assert!(!held(&["garbage", ",,", ""]));
        assert!(!held(&[tag.trim_matches('"')]));
    }

    #[test]
    fn cac_06_cac_07_only_the_exact_date_of_this_body_matches_and_only_without_a_tag() {
        let held = |response: &SignedResponse, now: Time, lines: &[(_, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            Cacheable::of(response, now).unwrap().is_held_by(&headers)
        };
        let day = 86_400;
        let ours = SignedResponse {
            produced_at: NOON.plus_seconds(-14 * day),
            ..response(-15 * day, 7 * day)
        };
        const SINCE: hyper::header::HeaderName = IF_MODIFIED_SINCE;
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
            &[(SINCE, date), (IF_NONE_MATCH, "\"another\"")]
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
                Text::push_http_date as fn(&mut Text, Time) -> std::ops::Range<usize>,
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (Text::push_rfc850_date, "Sunday, 06-Nov-94 08:49:37 GMT"),
            (Text::push_asctime_date, "Sun Nov  6 08:49:37 1994"),
        ] {
            let mut text = Text::default();
            let range = push(&mut text, time);
            assert_eq!(&text.octets[range], expected.as_bytes());
        }
    }

    #[test]
    fn http_dates_have_the_right_weekday_and_leading_zeros() {
        let date = |unix_seconds| {
            let mut text = Text::default();
            let range = text.push_http_date(Time::from_unix(unix_seconds));
            String::from_utf8(text.octets[range].to_vec()).unwrap()
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
        let mut headers = HeaderMap::new();
        date.write(&mut headers, NOON);
        assert_eq!(headers[DATE], "Sat, 21 Nov 2026 12:00:00 GMT");
        date.write(&mut headers, NOON.plus_seconds(1));
        assert_eq!(headers[DATE], "Sat, 21 Nov 2026 12:00:01 GMT");
    }
}
