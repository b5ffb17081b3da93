//! A borrowed reader of tag, length and value (X.690 §8.1, §10.1).
//!
//! From: a slice of octets.  To: every decoder in this crate.  Lengths are definite and minimal, tags are one octet,
//! and nothing recurses: a decoder opens the elements it knows and leaves the others closed, so nesting costs nothing.

use super::{DerError, DerErrorKind, tag};

/// One element: its tag, its content and its whole encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The content octets.
    pub value: &'a [u8],
    /// Identifier, length and content octets, exactly as received.
    pub der: &'a [u8],
    /// Where `value` starts in the outermost input.
    pub value_offset: usize,
}

/// Reads elements one after the other from a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

/// The single element that is the whole of `input`.
///
/// # Errors
/// Those of [`Reader::read`], and `TrailingData` when octets follow the element.
pub fn whole(input: &[u8], tag: u8) -> Result<Tlv<'_>, DerError> {
    let mut reader = Reader::new(input);
    let tlv = reader.read(tag)?;
    reader.finish()?;
    Ok(tlv)
}

impl<'a> Reader<'a> {
    /// Reads from the start of `input`.
    #[inline]
    pub fn new(input: &'a [u8]) -> Self {
        Self {
            rest: input,
            offset: 0,
        }
    }

    /// Reads inside `tlv`, keeping offsets of the outermost input.
    #[inline]
    pub fn inside(tlv: Tlv<'a>) -> Self {
        Self {
            rest: tlv.value,
            offset: tlv.value_offset,
        }
    }

    /// Reads `input`, which starts at `offset` of the outermost input.
    #[inline]
    pub fn at(input: &'a [u8], offset: usize) -> Self {
        Self {
            rest: input,
            offset,
        }
    }

    /// Nothing left?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Octets from the start of the outermost input.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The octets not read yet.
    #[inline]
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// The next identifier octet, if any.
    #[inline]
    pub fn peek_tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever its tag.
    ///
    /// # Errors
    /// `Truncated`, `Length` or `MultiOctetTag`; then nothing has been read.
    #[inline(always)]
    pub fn read_any(&mut self) -> Result<Tlv<'a>, DerError> {
        let (header_length, length) = match *self.rest {
            [tag, length, ..] if length < 0x80 && tag & 0x1f != 0x1f => (2, usize::from(length)),
            _ => long_header(self.rest, self.offset)?,
        };
        let element = header_length
            .checked_add(length)
            .and_then(|end| self.rest.split_at_checked(end));
        let Some((der, rest)) = element else {
            return Err(self.error(DerErrorKind::Truncated));
        };
        let value_offset = self.offset + header_length;
        self.rest = rest;
        self.offset = value_offset + length;
        Ok(Tlv {
            tag: der[0],
            value: &der[header_length..],
            der,
            value_offset,
        })
    }

    /// The next element, which must carry `tag`.
    ///
    /// # Errors
    /// `UnexpectedTag` when another comes, else those of [`Reader::read_any`].
    #[inline(always)]
    pub fn read(&mut self, tag: u8) -> Result<Tlv<'a>, DerError> {
        match self.rest.first() {
            Some(&found) if found == tag => self.read_any(),
            Some(found) if found & 0x1f == 0x1f => Err(self.error(DerErrorKind::MultiOctetTag)),
            Some(_) => Err(self.error(DerErrorKind::UnexpectedTag)),
            None => Err(self.error(DerErrorKind::Truncated)),
        }
    }

    /// The next element if it carries `tag`; None (and nothing read) if another comes or none is left.
    ///
    /// # Errors
    /// Those of [`Reader::read_any`], once the tag is the one asked for.
    #[inline(always)]
    pub fn read_optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, DerError> {
        if self.peek_tag() == Some(tag) {
            self.read_any().map(Some)
        } else {
            Ok(None)
        }
    }

    /// The element must be the last.
    ///
    /// # Errors
    /// `TrailingData` when octets are left.
    #[inline(always)]
    pub fn finish(&self) -> Result<(), DerError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error(DerErrorKind::TrailingData))
        }
    }

    #[inline]
    fn error(&self, kind: DerErrorKind) -> DerError {
        DerError {
            offset: self.offset,
            kind,
        }
    }
}

/// Header and content length of the element at the start of `rest` where the short form does not apply.  Out of line
/// and by value, so that readers of short elements stay in registers.
#[inline(never)]
fn long_header(rest: &[u8], offset: usize) -> Result<(usize, usize), DerError> {
    let (header_length, length) = any_header(rest, offset, 4)?;
    match usize::try_from(length) {
        Ok(length) => Ok((header_length, length)),
        Err(_) => Err(length_error(offset)),
    }
}

/// Header and content length of the element at the start of `input` (which starts at `offset` of the outermost input),
/// of which no more than the header need be there: for elements that are longer than any slice, up to what a `u64`
/// counts.
///
/// # Errors
/// `Truncated` while the header is not whole, `Length` or `MultiOctetTag`.
pub fn announced(input: &[u8], offset: usize) -> Result<(usize, u64), DerError> {
    match *input {
        [tag, length, ..] if length < 0x80 && tag & 0x1f != 0x1f => Ok((2, u64::from(length))),
        _ => any_header(input, offset, 8),
    }
}

/// The long form of a length (X.690 §8.1.3.5), in so many octets at most.
fn any_header(rest: &[u8], offset: usize, octets_max: u8) -> Result<(usize, u64), DerError> {
    let error = |kind| Err(DerError { offset, kind });
    let octets_count = match *rest {
        [identifier, ..] if identifier & 0x1f == 0x1f => return error(DerErrorKind::MultiOctetTag),
        [_, first @ 0x81..=0xff, ..] if first & 0x7f <= octets_max => usize::from(first & 0x7f),
        [_, _, ..] => return Err(length_error(offset)),
        [] | [_] => return error(DerErrorKind::Truncated),
    };
    let Some(octets) = rest.get(2..2 + octets_count) else {
        return error(DerErrorKind::Truncated);
    };
    let length = octets
        .iter()
        .fold(0_u64, |length, &octet| length << 8 | u64::from(octet));
    if octets[0] == 0 || length < 0x80 {
        return Err(length_error(offset));
    }
    Ok((2 + octets_count, length))
}

fn length_error(offset: usize) -> DerError {
    DerError {
        offset: offset + 1,
        kind: DerErrorKind::Length,
    }
}

impl<'a> Tlv<'a> {
    /// Where the element starts in the outermost input.
    #[inline]
    pub fn offset(&self) -> usize {
        self.value_offset + self.value.len() - self.der.len()
    }

    /// An error of this kind, at this element.
    #[inline]
    pub fn error(&self, kind: DerErrorKind) -> DerError {
        DerError {
            offset: self.offset(),
            kind,
        }
    }

    /// The single element that is the whole content: what `[n] EXPLICIT` and OCTET STRING wrappers hold.
    ///
    /// # Errors
    /// Those of [`Reader::read`], and `TrailingData`.
    #[inline(always)]
    pub fn only(self, tag: u8) -> Result<Tlv<'a>, DerError> {
        let mut reader = Reader::inside(self);
        let inner = reader.read(tag)?;
        reader.finish()?;
        Ok(inner)
    }

    /// The octets of a BIT STRING whose bits fill whole octets: signatures and keys (RFC 5280 §4.1.1.3).
    ///
    /// # Errors
    /// `Value` when the unused-bits octet is missing or not zero.
    pub fn bit_string_octets(self) -> Result<&'a [u8], DerError> {
        match self.value {
            [0, octets @ ..] => Ok(octets),
            _ => Err(self.error(DerErrorKind::Value)),
        }
    }

    /// Checks that this INTEGER is not empty and has no needless leading octet (X.690 §8.3.2).
    ///
    /// # Errors
    /// `Value` when it is.
    #[inline]
    pub fn check_integer(self) -> Result<(), DerError> {
        if is_minimal_integer(self.value) {
            Ok(())
        } else {
            Err(self.error(DerErrorKind::Value))
        }
    }

    /// Checks that this OBJECT IDENTIFIER is one (X.690 §8.19).
    ///
    /// # Errors
    /// `Value` when it is not.
    #[inline]
    pub fn check_oid(self) -> Result<(), DerError> {
        if is_oid(self.value) {
            Ok(())
        } else {
            Err(self.error(DerErrorKind::Value))
        }
    }
}

/// Is this the content of an OBJECT IDENTIFIER: whole, minimal sub-identifiers (X.690 §8.19)?
pub(crate) fn is_oid(content: &[u8]) -> bool {
    let mut starts = true;
    for &octet in content {
        if starts && octet == 0x80 {
            return false;
        }
        starts = octet < 0x80;
    }
    starts && !content.is_empty()
}

/// Is this the content of an INTEGER in its shortest form?
#[inline]
pub(crate) fn is_minimal_integer(content: &[u8]) -> bool {
    match content {
        [] => false,
        [0x00, next, ..] => *next >= 0x80,
        [0xff, next, ..] => *next < 0x80,
        _ => true,
    }
}

/// The parameters of an AlgorithmIdentifier as far as they are told apart here (RFC 5280 §4.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgorithmParameters<'a> {
    /// None at all.
    Absent,
    /// NULL.
    Null,
    /// An OBJECT IDENTIFIER, such as a named curve: its content octets.
    Oid(&'a [u8]),
    /// Something else.
    Other,
}

impl<'a> Tlv<'a> {
    /// Reads this SEQUENCE as an AlgorithmIdentifier: the OID and its parameters.
    ///
    /// # Errors
    /// When it is not a SEQUENCE of an OID and at most one more element, its NULL is not empty, or its parameters are the
    /// mark of an indefinite length's end, which DER does not have (X.690 §8.1.5, §10.1).
    #[inline(always)]
    pub fn algorithm_identifier(self) -> Result<(Tlv<'a>, AlgorithmParameters<'a>), DerError> {
        let mut reader = Reader::inside(self);
        let oid = reader.read(tag::OID)?;
        if reader.is_empty() {
            return Ok((oid, AlgorithmParameters::Absent));
        }
        let parameters = reader.read_any()?;
        reader.finish()?;
        match (parameters.tag, parameters.value) {
            (tag::NULL, []) => Ok((oid, AlgorithmParameters::Null)),
            (tag::NULL, _) => Err(parameters.error(DerErrorKind::Value)),
            (tag::OID, curve) => Ok((oid, AlgorithmParameters::Oid(curve))),
            (identifier, _) if identifier & !tag::CONSTRUCTED == tag::END_OF_CONTENTS => {
                Err(parameters.error(DerErrorKind::UnexpectedTag))
            }
            _ => Ok((oid, AlgorithmParameters::Other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(input: &[u8]) -> DerErrorKind {
        Reader::new(input).read_any().unwrap_err().kind
    }

    #[test]
    fn short_and_long_lengths_are_read() {
        for length in [0_usize, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let mut der = Vec::new();
            super::super::write::push(&mut der, tag::OCTET_STRING, &vec![7; length]);
            let tlv = whole(&der, tag::OCTET_STRING).unwrap();
            assert_eq!(tlv.value.len(), length);
            assert_eq!(tlv.der, der);
            assert_eq!(tlv.value_offset, der.len() - length);
            assert_eq!(tlv.offset(), 0);
        }
    }

    #[test]
    fn lengths_that_are_not_der_are_refused() {
        assert_eq!(
            kind(&[0x30, 0x80, 0, 0]),
            DerErrorKind::Length,
            "indefinite"
        );
        assert_eq!(
            kind(&[0x04, 0x81, 0x01, 9]),
            DerErrorKind::Length,
            "0x81 for less than 128"
        );
        assert_eq!(
            kind(&[0x04, 0x82, 0x00, 0x80]),
            DerErrorKind::Length,
            "leading zero octet"
        );
        assert_eq!(
            kind(&[0x04, 0x85, 1, 0, 0, 0, 0]),
            DerErrorKind::Length,
            "five length octets"
        );
        assert_eq!(kind(&[0x04, 0xff]), DerErrorKind::Length, "reserved");
    }

    #[test]
    fn a_length_beyond_the_input_is_refused_before_it_is_used() {
        assert_eq!(kind(&[]), DerErrorKind::Truncated);
        assert_eq!(kind(&[0x04]), DerErrorKind::Truncated);
        assert_eq!(kind(&[0x04, 2, 1]), DerErrorKind::Truncated);
        assert_eq!(kind(&[0x04, 0x82, 1]), DerErrorKind::Truncated);
        assert_eq!(
            kind(&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 1]),
            DerErrorKind::Truncated
        );
    }

    #[test]
    fn a_child_may_not_reach_beyond_its_parent() {
        let parent = whole(&[0x30, 0x03, 0x04, 0x02, 0xaa], tag::SEQUENCE).unwrap();
        let error = Reader::inside(parent).read(tag::OCTET_STRING).unwrap_err();
        assert_eq!(
            error,
            DerError {
                offset: 2,
                kind: DerErrorKind::Truncated
            }
        );
    }

    #[test]
    fn multi_octet_tags_are_refused() {
        assert_eq!(kind(&[0x1f, 0x81, 0x01, 0]), DerErrorKind::MultiOctetTag);
        let error = Reader::new(&[0xbf, 0x1f, 0])
            .read(tag::SEQUENCE)
            .unwrap_err();
        assert_eq!(error.kind, DerErrorKind::MultiOctetTag);
    }

    #[test]
    fn offsets_count_from_the_outermost_input() {
        // SEQUENCE { INTEGER 1, SEQUENCE { BOOLEAN TRUE, then one octet too many } }
        let input = [
            0x30, 0x09, 0x02, 0x01, 0x01, 0x30, 0x04, 0x01, 0x01, 0xff, 0x05,
        ];
        let mut outer = Reader::inside(whole(&input, tag::SEQUENCE).unwrap());
        outer.read(tag::INTEGER).unwrap();
        let mut inner = Reader::inside(outer.read(tag::SEQUENCE).unwrap());
        let boolean = inner.read(tag::BOOLEAN).unwrap();
        assert_eq!((boolean.offset(), boolean.value_offset), (7, 9));
        assert_eq!(
            inner.finish(),
            Err(DerError {
                offset: 10,
                kind: DerErrorKind::TrailingData
            })
        );
        assert_eq!(inner.read(tag::SEQUENCE).unwrap_err().offset, 10);
    }

    #[test]
    fn a_failed_read_takes_nothing() {
        let mut reader = Reader::new(&[0x02, 0x01, 0x05]);
        assert!(reader.read(tag::SEQUENCE).is_err());
        assert_eq!(reader.read_optional(tag::OCTET_STRING), Ok(None));
        assert_eq!(reader.read(tag::INTEGER).unwrap().value, [5]);
        assert_eq!(reader.read_optional(tag::INTEGER), Ok(None));
    }

    #[test]
    fn integers_must_be_minimal_and_not_empty() {
        for good in [
            &[0x00][..],
            &[0x7f],
            &[0x80],
            &[0x00, 0x80],
            &[0xff, 0x7f],
            &[0xff],
        ] {
            assert!(is_minimal_integer(good), "{good:02x?}");
        }
        for bad in [
            &[][..],
            &[0x00, 0x00],
            &[0x00, 0x7f],
            &[0xff, 0x80],
            &[0xff, 0xff],
        ] {
            assert!(!is_minimal_integer(bad), "{bad:02x?}");
        }
    }

    #[test]
    fn object_identifiers_must_be_whole_and_minimal() {
        let check = |content: &[u8]| {
            let mut der = Vec::new();
            super::super::write::push(&mut der, tag::OID, content);
            whole(&der, tag::OID).unwrap().check_oid().is_ok()
        };
        assert!(check(&[0x2b, 0x81, 0x04, 0x00, 0x22]));
        assert!(!check(&[]));
        assert!(!check(&[0x2b, 0x81]));
        assert!(!check(&[0x2b, 0x80, 0x01]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_and_never_panic(input in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::new(&input);
            let mut end = 0;
            while let Ok(tlv) = reader.read_any() {
                prop_assert_eq!(&input[end..end + tlv.der.len()], tlv.der);
                end += tlv.der.len();
                prop_assert_eq!(reader.offset(), end);
            }
        }
    }
}
