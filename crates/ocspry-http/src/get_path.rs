//! The OCSP request inside a GET target.  From: `ocsp`, the raw path of the request line.  To: `core::responder`, as DER.
//!
//! RFC 6960 Appendix A.1 puts `url-encoding(base64(DER))` after the responder's URL and a slash.  Base64 has slashes of its
//! own, clients escape none, some or all of it, and a proxy or a URL that ends in a slash adds more; so nothing may normalise
//! the path before it comes here, and the request is *the longest suffix, starting behind a slash, that decodes to exactly
//! one DER SEQUENCE*.  The length octets of the SEQUENCE say how many characters must follow, which makes the search linear:
//! at most one suffix is ever decoded.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use ocspry_wire::der::tag::SEQUENCE;

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetPath<'a> {
    /// The octets of one DER SEQUENCE, not looked into.
    Request(&'a [u8]),
    /// It begins like a request, but is none: the client gets `malformedRequest`.
    Malformed,
    /// Nothing that even begins like a request.
    NotOcsp,
}

/// Room for the decoding, reused from request to request.
#[derive(Clone, Debug, Default)]
pub struct GetBuffers {
    text: Vec<u8>,
    der: Vec<u8>,
}

/// Finds and decodes the request in `path`: the path part of the target as it stood on the request line, without the query.
///
/// Accepted: base64 or base64url, with or without padding, any octet percent-encoded; `+` is never a space.
pub fn decode<'a>(path: &[u8], buffers: &'a mut GetBuffers) -> GetPath<'a> {
    decode_behind(path, buffers).1
}

/// The path without percent-encoding, for a request that is not in it.
pub(crate) fn plain<'a>(path: &'a [u8], buffers: &'a mut GetBuffers) -> &'a [u8] {
    if !path.contains(&b'%') {
        return path;
    }
    percent_decode(path, &mut buffers.text);
    &buffers.text
}

/// As [`decode`], with what stands in front of the request, percent-decoded; nothing, where there is none.
pub(crate) fn decode_behind<'a>(
    path: &[u8],
    buffers: &'a mut GetBuffers,
) -> (&'a [u8], GetPath<'a>) {
    percent_decode(path, &mut buffers.text);
    let text = buffers.text.as_mut_slice();
    let end = text.len() - padding_length(text);
    // No suffix that holds a character from outside the alphabet can decode.
    let clean_from = text[..end]
        .iter()
        .rposition(|&octet| sextet(octet).is_none())
        .map_or(0, |last| last + 1);

    let mut begins_like_a_request = false;
    let mut start = usize::from(text.first() == Some(&b'/'));
    loop {
        let suffix = &text[start..end.max(start)];
        begins_like_a_request |= begins_like_a_sequence(suffix);
        if start >= clean_from && is_one_sequence(suffix) {
            let (prefix, rest) = text.split_at_mut(start);
            let decoded = decode_base64(&mut rest[..end - start], &mut buffers.der);
            return (prefix, decoded);
        }
        match text[start..].iter().position(|&octet| octet == b'/') {
            Some(slash) => start += slash + 1,
            None if begins_like_a_request => return (&[], GetPath::Malformed),
            None => return (&[], GetPath::NotOcsp),
        }
    }
}

/// Replaces each `%XX` by its octet; a `%` without two hex digits stays, and no suffix over it will decode.
fn percent_decode(path: &[u8], text: &mut Vec<u8>) {
    text.clear();
    let mut rest = path;
    while let [octet, after @ ..] = rest {
        match (octet, after) {
            (b'%', [high, low, behind @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                text.push((hex_digit(*high) << 4) | hex_digit(*low));
                rest = behind;
            }
            _ => {
                text.push(*octet);
                rest = after;
            }
        }
    }
}

/// The value of an ASCII hex digit.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// How many of the last characters are padding (at most two can be).
fn padding_length(text: &[u8]) -> usize {
    text.iter()
        .rev()
        .take(2)
        .take_while(|&&octet| octet == b'=')
        .count()
}

/// The six bits of a character of either alphabet.
const fn sextet(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Whether the first octet behind this base64 is the tag of a SEQUENCE.
fn begins_like_a_sequence(text: &[u8]) -> bool {
    let [first, second, ..] = text else {
        return false;
    };
    match (sextet(*first), sextet(*second)) {
        (Some(high), Some(low)) => (high << 2) | (low >> 4) == SEQUENCE,
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// Whether `text` (of the alphabet only, without padding) is as long as the SEQUENCE that begins in it says.
fn is_one_sequence(text: &[u8]) -> bool {
    if !begins_like_a_sequence(text) {
        return false;
    }
    let mut head = [0_u8; 6];
    for (index, octet) in text.iter().take(8).enumerate() {
        let bits = u32::from(sextet(*octet).unwrap_or(0)) << (18 - 6 * (index % 4));
        for (octet, shift) in head[index / 4 * 3..].iter_mut().zip([16, 8, 0]) {
            *octet |= (bits >> shift) as u8;
        }
    }
    let [_, first, second, third, ..] = head;
    let der_length = match first {
        0..=0x7f => 2 + usize::from(first),
        0x81 => 3 + usize::from(second),
        0x82 => 4 + usize::from(u16::from_be_bytes([second, third])),
        // Indefinite, or longer than any target may be.
        0x80 | 0x83..=0xff => return false,
    };
    text.len() == (der_length * 8).div_ceil(6)
}

/// Decodes `text`, in either alphabet, into the front of `der`.
fn decode_base64<'a>(text: &mut [u8], der: &'a mut Vec<u8>) -> GetPath<'a> {
    for octet in text.iter_mut() {
        match octet {
            b'-' => *octet = b'+',
            b'_' => *octet = b'/',
            _ => {}
        }
    }
    let room = text.len().div_ceil(4) * 3;
    if der.len() < room {
        der.resize(room, 0);
    }
    match BASE64.decode_slice(text, der) {
        Ok(length) => GetPath::Request(&der[..length]),
        Err(_) => GetPath::Malformed,
    }
}

/// Padding is taken off before; the unused bits of the last character are ignored, as most decoders do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    fn check(path: &str, expected: GetPath<'_>) {
        assert_eq!(
            decode(path.as_bytes(), &mut GetBuffers::default()),
            expected,
            "{path}"
        );
    }

    fn base64(engine: &GeneralPurpose, der: &[u8]) -> String {
        let mut text = vec![0; der.len() * 2 + 8];
        let length = engine.encode_slice(der, &mut text).unwrap();
        text.truncate(length);
        String::from_utf8(text).unwrap()
    }

    fn sequence(content: &[u8]) -> Vec<u8> {
        let mut der = match content.len() {
            length @ 0..=0x7f => vec![0x30, length as u8],
            length @ 0x80..=0xff => vec![0x30, 0x81, length as u8],
            length => vec![0x30, 0x82, (length >> 8) as u8, length as u8],
        };
        der.extend_from_slice(content);
        der
    }

    fn escape(text: &str, pick: impl Fn(char) -> bool, upper: bool) -> String {
        text.chars()
            .map(|character| match (pick(character), upper) {
                (true, true) => format!("%{:02X}", character as u32),
                (true, false) => format!("%{:02x}", character as u32),
                (false, _) => character.to_string(),
            })
            .collect()
    }

    /// Content whose base64 holds `+`, `/` and, whatever its length, reaches padding of each kind.
    fn contents() -> impl Iterator<Item = Vec<u8>> {
        [
            0, 1, 2, 3, 40, 41, 42, 124, 125, 126, 127, 128, 129, 252, 253, 254, 255, 256, 257,
            1000,
        ]
        .into_iter()
        .map(|length| {
            (0..length)
                .map(|index| [0xfb, 0xef, 0xbe, 0xff, 0xff, 0x3f, 0x00][index % 7])
                .collect()
        })
    }

    #[test]
    fn get_01_a_percent_encoded_request_is_found() {
        for content in contents() {
            let der = sequence(&content);
            let text = escape(&base64(&STANDARD, &der), |c| "+/=".contains(c), true);
            check(&format!("/{text}"), GetPath::Request(&der));
            check(&format!("/ocsp/root/{text}"), GetPath::Request(&der));
        }
    }

    #[test]
    fn get_02_get_14_unescaped_characters_are_taken_as_they_are() {
        for content in contents() {
            let der = sequence(&content);
            check(
                &format!("/ocsp/{}", base64(&STANDARD, &der)),
                GetPath::Request(&der),
            );
        }
    }

    #[test]
    fn get_03_lower_case_escapes_are_decoded() {
        for content in contents() {
            let der = sequence(&content);
            let text = escape(&base64(&STANDARD, &der), |c| "+/=".contains(c), false);
            check(&format!("/ocsp/{text}"), GetPath::Request(&der));
        }
    }

    #[test]
    fn get_04_needless_escapes_are_decoded() {
        for content in contents() {
            let der = sequence(&content);
            check(
                &format!("/{}", escape(&base64(&STANDARD, &der), |_| true, true)),
                GetPath::Request(&der),
            );
        }
    }

    #[test]
    fn get_05_a_double_slash_in_front_does_no_harm() {
        for content in contents() {
            let der = sequence(&content);
            check(
                &format!("//{}", base64(&STANDARD, &der)),
                GetPath::Request(&der),
            );
            check(
                &format!("/ocsp///{}", base64(&STANDARD, &der)),
                GetPath::Request(&der),
            );
        }
    }

    #[test]
    fn get_06_a_double_slash_inside_the_base64_is_kept() {
        let der = sequence(&[0xff; 60]);
        let text = base64(&STANDARD, &der);
        assert!(text.contains("//"));
        check(&format!("/{text}"), GetPath::Request(&der));
    }

    #[test]
    fn get_07_a_collapsed_double_slash_is_malformed() {
        let text = base64(&STANDARD, &sequence(&[0xff; 60])).replace("//", "/");
        check(&format!("/{text}"), GetPath::Malformed);
    }

    #[test]
    fn get_08_padding_may_be_missing() {
        for content in contents() {
            let der = sequence(&content);
            check(
                &format!("/{}", base64(&STANDARD, &der).trim_end_matches('=')),
                GetPath::Request(&der),
            );
        }
    }

    #[test]
    fn get_09_garbage_is_malformed_when_it_begins_like_a_request_and_not_ocsp_otherwise() {
        for path in [
            "/",
            "*",
            "",
            "/ocsp",
            "/ocsp/",
            "/favicon.ico",
            "/Makefile",
            "/M",
            "/%",
            "/%4",
            "/=",
            "/==",
            "//",
            "/%00%ff",
        ] {
            check(path, GetPath::NotOcsp);
        }
        for path in [
            "/ME",
            "/MEow",
            "/MEow!",
            "/MAA!",
            "/x/MAMCAQ",
            "/MAQCAQA",
            "/MIAAAA",
            "/MP////8",
            "/MAA===",
            "/MA%",
            "/MAMKAQEA/",
        ] {
            check(path, GetPath::Malformed);
        }
    }

    #[test]
    fn get_10_a_bare_url_is_not_ocsp() {
        check("/", GetPath::NotOcsp);
    }

    #[test]
    fn get_13_the_url_safe_alphabet_is_accepted() {
        for content in contents() {
            let der = sequence(&content);
            check(
                &format!("/ocsp/{}", base64(&URL_SAFE_NO_PAD, &der)),
                GetPath::Request(&der),
            );
        }
    }

    #[test]
    fn a_prefix_that_is_base64_itself_is_not_part_of_the_request() {
        let der = sequence(&[0xff; 30]);
        check(
            &format!("/MAAA/MEow/ocsp/{}", base64(&STANDARD, &der)),
            GetPath::Request(&der),
        );
    }

    #[test]
    fn the_longest_suffix_wins() {
        // The outer request contains, behind a slash of its base64, a whole shorter SEQUENCE.
        let outer = [
            &[0x30, 0x0a, 0x0c, 0x08, 0x00, 0xff][..],
            &[0x30, 0x04, 0x05, 0x00, 0x05, 0x00],
        ]
        .concat();
        let text = base64(&STANDARD, &outer);
        let (_, inner) = text.split_once('/').unwrap();
        check(
            &format!("/{inner}"),
            GetPath::Request(&[0x30, 0x04, 0x05, 0x00, 0x05, 0x00]),
        );
        check(&format!("/{text}"), GetPath::Request(&outer));
    }

    #[test]
    fn every_truncation_of_a_request_is_refused() {
        let text = base64(&STANDARD, &sequence(&[0xfb; 70]));
        let text = text.trim_end_matches('=');
        for length in 2..text.len() {
            check(&format!("/{}", &text[..length]), GetPath::Malformed);
        }
    }

    #[test]
    fn a_path_full_of_false_starts_is_malformed() {
        // Each segment claims the length of all that follows it; one bad character makes every claim false.
        let mut path = String::new();
        for left in (1..=700).rev() {
            let characters = left * 8 - 1;
            let octets = characters * 6 / 8;
            let length = u16::try_from(octets - 4).unwrap_or(0).to_be_bytes();
            let head = base64(&STANDARD, &[0x30, 0x82, length[0], length[1], 0, 0]);
            path.push('/');
            path.push_str(&head[..7]);
        }
        path.push('!');
        check(&path, GetPath::Malformed);
    }

    #[test]
    fn buffers_carry_nothing_over_to_the_next_request() {
        let mut buffers = GetBuffers::default();
        let long = sequence(&[0xaa; 300]);
        let short = sequence(&[0x55; 3]);
        for der in [&long, &short, &long] {
            let path = format!("/{}", base64(&STANDARD, der));
            assert_eq!(decode(path.as_bytes(), &mut buffers), GetPath::Request(der));
        }
        assert_eq!(decode(b"/", &mut buffers), GetPath::NotOcsp);
    }

    #[test]
    fn decoding_allocates_nothing_once_the_buffers_have_grown() {
        let mut buffers = GetBuffers::default();
        let path = format!("/ocsp/{}", base64(&STANDARD, &sequence(&[0xfb; 200])));
        assert!(matches!(
            decode(path.as_bytes(), &mut buffers),
            GetPath::Request(_)
        ));
        let again = allocation_counter::measure(|| {
            decode(path.as_bytes(), &mut buffers);
        });
        assert_eq!(again.count_total, 0);
    }
}
