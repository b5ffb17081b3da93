//! DER writing into a caller's buffer (X.690 §10.1).
//!
//! From: `core::response` and whoever builds certificates' parts.  To: bytes.  Lengths are measured first and written
//! in their shortest form; `write_header_before` fills a buffer from its end, where lengths are known last.

/// Octets that identifier (1) and length take in front of `content_length` octets.
pub const fn header_length(content_length: usize) -> usize {
    match content_length {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        0x100..=0xffff => 4,
        0x1_0000..=0xff_ffff => 5,
        _ => 6,
    }
}

/// Appends a whole element.
///
/// # Panics
/// When `content` is longer than 4 GiB - 1, which no reader here takes.
pub fn push(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    push_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// Appends identifier and length octets.
///
/// # Panics
/// When `content_length` is above 4 GiB - 1, which no reader here takes.
pub fn push_header(out: &mut Vec<u8>, tag: u8, content_length: usize) {
    let mut header = [0; HEADER_LENGTH_MAX];
    let start = write_header_before(&mut header, HEADER_LENGTH_MAX, tag, content_length);
    out.extend_from_slice(&header[start..]);
}

/// Appends identifier and length octets, then what `content` appends; for cold paths (moves the content if the length
/// needs it).
///
/// # Panics
/// When `content` appends more than 4 GiB - 1, which no reader here takes.
pub fn push_nested(out: &mut Vec<u8>, tag: u8, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[tag, 0]);
    content(out);
    let content_length = out.len() - start - 2;
    if let Ok(short @ 0..=0x7f) = u8::try_from(content_length) {
        out[start + 1] = short;
        return;
    }
    let mut header = [0; HEADER_LENGTH_MAX];
    let header_start = write_header_before(&mut header, HEADER_LENGTH_MAX, tag, content_length);
    out.splice(start..start + 2, header[header_start..].iter().copied());
}

/// Writes identifier and length octets so that they end at `end`; returns where they start.
///
/// # Panics
/// When the buffer has less than [`header_length`] octets before `end`, or `content_length` is above 4 GiB - 1.
pub fn write_header_before(buffer: &mut [u8], end: usize, tag: u8, content_length: usize) -> usize {
    let start = end - header_length(content_length);
    let header = &mut buffer[start..end];
    header[0] = tag;
    if content_length <= 0x7f {
        header[1] = content_length as u8;
    } else {
        let octets = u32::try_from(content_length)
            .expect("no element is longer than 4 GiB")
            .to_be_bytes();
        let octets_count = header.len() - 2;
        header[1] = 0x80 | octets_count as u8;
        header[2..].copy_from_slice(&octets[octets.len() - octets_count..]);
    }
    start
}

const HEADER_LENGTH_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::super::{read, tag};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        let header = |length| {
            let mut out = Vec::new();
            push_header(&mut out, tag::SEQUENCE, length);
            assert_eq!(out.len(), header_length(length));
            out
        };
        assert_eq!(header(0), [0x30, 0x00]);
        assert_eq!(header(0x7f), [0x30, 0x7f]);
        assert_eq!(header(0x80), [0x30, 0x81, 0x80]);
        assert_eq!(header(0xff), [0x30, 0x81, 0xff]);
        assert_eq!(header(0x100), [0x30, 0x82, 0x01, 0x00]);
        assert_eq!(header(0xffff), [0x30, 0x82, 0xff, 0xff]);
        assert_eq!(header(0x1_0000), [0x30, 0x83, 0x01, 0x00, 0x00]);
        assert_eq!(header(0x100_0000), [0x30, 0x84, 0x01, 0x00, 0x00, 0x00]);
    }

    #[test]
    fn a_header_written_backwards_ends_where_it_was_told() {
        let mut buffer = [0xee; 8];
        assert_eq!(
            write_header_before(&mut buffer, 7, tag::OCTET_STRING, 0x1234),
            3
        );
        assert_eq!(buffer, [0xee, 0xee, 0xee, 0x04, 0x82, 0x12, 0x34, 0xee]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            before in proptest::collection::vec(any::<u8>(), 0..4),
            content in proptest::collection::vec(any::<u8>(), 0..70_000),
        ) {
            let mut flat = before.clone();
            push(&mut flat, tag::OCTET_STRING, &content);
            let mut nested = before.clone();
            push_nested(&mut nested, tag::OCTET_STRING, |out| out.extend_from_slice(&content));
            prop_assert_eq!(&flat, &nested);
            prop_assert_eq!(&flat[..before.len()], &before[..]);
            prop_assert_eq!(read::whole(&flat[before.len()..], tag::OCTET_STRING).unwrap().value, &content[..]);
        }
    }
}
