//! The head of an HTTP/1.1 request (RFC 9112 §3 to §6): what of it matters here, and whether it is one at all.  From:
//! `connection`, the octets that have come.  To: `connection`, which needs the length of the body, and `ocsp`.
//!
//! `httparse` reads the lines; what they mean together is decided here.  Strict where two readers could understand two
//! things: a body whose length is said twice, in whatever way, is how one request is hidden in another, and is refused
//! (RFC 9112 §6.3 and §11.2, ADR-0011), as is a transfer coding that is not `chunked` alone, or a Content-Length that is not
//! all digits.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::counts::MethodKind;

/// What of a head is needed once it is read; where it stands, as places in the octets that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// GET, POST, HEAD, or none of them.
    pub method: MethodKind,
    /// The request target, as sent.
    pub target: Range<usize>,
    /// How the body ends.
    pub body: BodyLength,
    /// HTTP/1.0: no Host is needed, nothing is kept alive unless the client asks for it.
    pub is_http_10: bool,
    /// Host lines: there must be one (RFC 9112 §3.2).
    pub hosts: usize,
    /// The client may send another request.
    pub keep_alive: bool,
    /// The client waits for 100 before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// There is a condition: its lines are looked at again.
    pub has_condition: bool,
    /// Octets of the head, empty line included.
    pub length: usize,
}

impl Head {
    /// RFC 9112 §3.2: HTTP/1.1 has exactly one Host; HTTP/1.0, which `openssl ocsp` speaks, may have none.
    pub fn has_valid_host(&self) -> bool {
        self.hosts == 1 || (self.hosts == 0 && self.is_http_10)
    }
}

/// How a body ends (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    None,
    /// After so many octets.
    Octets(u64),
    /// After the last chunk.
    Chunked,
}

/// What has come so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A part of a head.
    Partial,
    /// A whole one.
    Whole(Head),
    /// None, and nothing that follows will make it one.
    Broken(Broken),
}

/// Why a head is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Not HTTP/1, or not to be understood in one way only.
    Malformed,
    /// Too long, or too many lines.
    TooLarge,
    /// The preface of HTTP/2: whoever sends it does not read HTTP/1.
    Http2,
}

/// Reads the head at the front of `octets`.
pub(crate) fn read(octets: &[u8]) -> Reading {
    let mut lines = [const { MaybeUninit::uninit() }; LINES_MAX];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(octets, &mut lines) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(httparse::Status::Partial) if octets.len() < HEAD_BYTES_MAX => return Reading::Partial,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Reading::Broken(Broken::TooLarge),
        Err(_) if octets.starts_with(HTTP_2_PREFACE) => return Reading::Broken(Broken::Http2),
        Err(_) => return Reading::Broken(Broken::Malformed),
    };
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Reading::Broken(Broken::Malformed);
    };
    let is_http_10 = version == 0;
    let mut head = Head {
        method: MethodKind::of(method),
        target: place(octets, target.as_bytes()),
        body: BodyLength::None,
        is_http_10,
        hosts: 0,
        keep_alive: !is_http_10,
        expects_continue: false,
        has_condition: false,
        length,
    };
    match understand(request.headers, &mut head) {
        Ok(()) => Reading::Whole(head),
        Err(broken) => Reading::Broken(broken),
    }
}

/// What the lines of a head say that matters.
fn understand(lines: &[httparse::Header<'_>], head: &mut Head) -> Result<(), Broken> {
    let mut says_close = false;
    let mut is_length_said = false;
    for line in lines {
        // By length first: most lines are none of these.
        match line.name.len() {
            4 if is(line, "host") => head.hosts += 1,
            6 if is(line, "expect") => {
                head.expects_continue |=
                    !head.is_http_10 && line.value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if is(line, "connection") => {
                for option in line.value.split(|&octet| octet == b',') {
                    let option = option.trim_ascii();
                    says_close |= option.eq_ignore_ascii_case(b"close");
                    head.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            13 if is(line, "if-none-match") => head.has_condition = true,
            17 if is(line, "if-modified-since") => head.has_condition = true,
            14 if is(line, "content-length") => {
                if std::mem::replace(&mut is_length_said, true) {
                    return Err(Broken::Malformed);
                }
                let length = decimal(line.value).ok_or(Broken::Malformed)?;
                head.body = match length {
                    0 => BodyLength::None,
                    length => BodyLength::Octets(length),
                };
            }
            17 if is(line, "transfer-encoding") => {
                let is_chunked = line.value.eq_ignore_ascii_case(b"chunked");
                if std::mem::replace(&mut is_length_said, true) || !is_chunked || head.is_http_10 {
                    return Err(Broken::Malformed);
                }
                head.body = BodyLength::Chunked;
            }
            _ => {}
        }
    }
    head.keep_alive &= !says_close;
    Ok(())
}

/// The lines of that name in a head that [`read`] has read, in order.
pub(crate) fn values<'a>(head: &'a [u8], name: &'static str) -> Vec<&'a [u8]> {
    let mut lines = [const { MaybeUninit::uninit() }; LINES_MAX];
    let mut request = httparse::Request::new(&mut []);
    if request.parse_with_uninit_headers(head, &mut lines).is_err() {
        return Vec::new();
    }
    let named = request.headers.iter().filter(|line| is(line, name));
    named.map(|line| line.value).collect()
}

/// The path of a request target, without query and fragment; of an absolute URL as well (RFC 9112 §3.2.2).  None: it has
/// none, as `*` or `host:port`.
pub fn path_of(target: &[u8]) -> Option<&[u8]> {
    let path = match target {
        [b'/', ..] => target,
        _ => {
            let scheme = target.windows(3).position(|octets| octets == b"://")?;
            let behind = &target[scheme + 3..];
            let authority = behind.iter().position(|octet| b"/?#".contains(octet));
            match authority.map(|end| &behind[end..]) {
                Some(path @ [b'/', ..]) => path,
                Some(_) | None => b"/",
            }
        }
    };
    let end = path.iter().position(|octet| b"?#".contains(octet));
    Some(&path[..end.unwrap_or(path.len())])
}

fn is(line: &httparse::Header<'_>, name: &'static str) -> bool {
    line.name.eq_ignore_ascii_case(name)
}

/// Digits, and nothing else; None also for what no u64 holds.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, octet| match octet {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(octet - b'0')),
        _ => None,
    })
}

/// Where `part`, which lies in `whole`, stands in it.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// Octets of a request line and its headers; more is refused with 431.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Lines of headers; more is refused with 431.
const LINES_MAX: usize = 100;
const HTTP_2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Head {
        match read(text.as_bytes()) {
            Reading::Whole(head) => head,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn broken(text: &str) -> Broken {
        match read(text.as_bytes()) {
            Reading::Broken(broken) => broken,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_matters_of_a_head_is_found() {
        let text = "POST /ocsp?x HTTP/1.1\r\nhost: a\r\nContent-Length: 12\r\nX: y\r\nExpect: 100-Continue\r\nIf-None-Match: \"a\"\r\n\r\n123";
        let head = whole(text);
        assert_eq!(&text[head.target.clone()], "/ocsp?x");
        assert_eq!(
            head,
            Head {
                method: MethodKind::Post,
                target: 5..12,
                body: BodyLength::Octets(12),
                is_http_10: false,
                hosts: 1,
                keep_alive: true,
                expects_continue: true,
                has_condition: true,
                length: text.len() - 3,
            }
        );
        assert_eq!(values(text.as_bytes(), "if-none-match"), [b"\"a\""]);
    }

    #[test]
    fn every_part_of_a_head_is_a_part_of_one() {
        let text = b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        for length in 0..text.len() {
            assert_eq!(read(&text[..length]), Reading::Partial, "{length}");
        }
        assert_eq!(whole("GET / HTTP/1.0\n\n").length, 16);
    }

    #[test]
    fn htp_21_a_body_whose_length_is_said_twice_is_refused() {
        for (first, second) in [
            ("Content-Length: 5", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", "Content-Length: 5"),
            ("Content-Length: 5", "Content-Length: 5"),
            ("content-length:5", "CONTENT-LENGTH:6"),
            ("Content-Length: 0", "Content-Length: 0"),
            ("Transfer-Encoding: chunked", "transfer-encoding: chunked"),
            ("Transfer-Encoding: gzip, chunked", "X: y"),
            ("Transfer-Encoding: chunked, identity", "X: y"),
            ("Content-Length: 5, 5", "X: y"),
            ("Content-Length: +5", "X: y"),
            ("Content-Length: 0x5", "X: y"),
            ("Content-Length:", "X: y"),
            ("Content-Length: 99999999999999999999999", "X: y"),
        ] {
            for end in ["\r\n", "\n"] {
                let text = ["POST / HTTP/1.1", first, "Host: a", second, "", ""].join(end);
                assert_eq!(broken(&text), Broken::Malformed, "{text}");
            }
        }
        let in_http_10 = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(broken(in_http_10), Broken::Malformed);
    }

    #[test]
    fn names_that_only_begin_like_these_are_others() {
        let head = whole(
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length-Of-Mine: 4\r\nTransfer-Encodings: x\r\nX-Content-Length: 5\r\nHosts: a\r\n\r\n",
        );
        assert_eq!((head.body, head.hosts), (BodyLength::Octets(3), 0));
    }

    #[test]
    fn htp_09_the_connection_stays_as_both_versions_have_it() {
        for (version, line, keep_alive) in [
            ("1.1", "X: y", true),
            ("1.1", "Connection: close", false),
            ("1.1", "Connection: keep-alive, Close", false),
            ("1.0", "X: y", false),
            ("1.0", "Connection: Keep-Alive", true),
            ("1.0", "Connection: close, keep-alive", false),
        ] {
            let head = whole(&format!("GET / HTTP/{version}\r\n{line}\r\n\r\n"));
            assert_eq!(head.keep_alive, keep_alive, "{version} {line}");
        }
    }

    #[test]
    fn htp_18_htp_20_what_is_no_head_or_too_large_is_told_at_once() {
        for text in [
            "GET\r\n\r\n",
            "\x16\x03\x01\x02\x00",
            "GET / HTTP/3.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        ] {
            assert_eq!(broken(text), Broken::Malformed, "{text:?}");
        }
        assert_eq!(broken("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Broken::Http2);
        let lines = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
        whole(&lines(LINES_MAX));
        assert_eq!(broken(&lines(LINES_MAX + 1)), Broken::TooLarge);
        let long = |length| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(length));
        whole(&long(HEAD_BYTES_MAX - 23));
        assert_eq!(broken(&long(HEAD_BYTES_MAX - 22)), Broken::TooLarge);
        let endless = long(HEAD_BYTES_MAX);
        assert_eq!(
            broken(&endless[..HEAD_BYTES_MAX]),
            Broken::TooLarge,
            "without end"
        );
    }

    #[test]
    fn htp_15_the_path_of_every_form_of_a_target() {
        for (target, path) in [
            ("/", Some("/")),
            ("//a+b/c=?x#y", Some("//a+b/c=")),
            ("http://ocsp.test/ocsp/MEow", Some("/ocsp/MEow")),
            ("HTTP://ocsp.test:80//a#b", Some("//a")),
            ("http://ocsp.test", Some("/")),
            ("http://ocsp.test?x=/y", Some("/")),
            ("*", None),
            ("ocsp.test:80", None),
            ("MEow", None),
        ] {
            assert_eq!(
                path_of(target.as_bytes()),
                path.map(str::as_bytes),
                "{target}"
            );
        }
    }

    #[test]
    fn reading_allocates_nothing() {
        let text =
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc";
        let allocations = allocation_counter::measure(|| {
            assert!(matches!(read(text), Reading::Whole(_)));
        });
        assert_eq!(allocations.count_total, 0);
    }
}
