//! Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension (RFC 5280 §4.1, §4.2).
//!
//! From: the extension lists of requests, responses, certificates, CRLs and their entries.  To: the reader of each,
//! which knows the identifiers that count there.  One reader, so that criticality and duplicates are seen to once.

use crate::der::read::is_oid;
use crate::der::{DerError, DerErrorKind, Reader, Tlv, tag};

/// Most extensions read from one list.
pub const EXTENSIONS_MAX: usize = 32;

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Content octets of extnID; known to be a whole OID once it equals a known one, or after [`Extension::pass_over`].
    pub oid: &'a [u8],
    /// Must a reader who does not know it refuse the whole?
    pub critical: bool,
    /// extnValue: the OCTET STRING, whose content is the extension's own DER.
    pub value: Tlv<'a>,
    /// Where the extension starts in the outermost input.
    pub offset: usize,
}

impl Extension<'_> {
    /// For an extension that the reader does not know: no more is to be done about it.
    ///
    /// # Errors
    /// `UnknownCriticalExtension` when it may not be passed over (RFC 5280 §4.2, RFC 6960 §4.1.2), `Value` when its OID
    /// is none.
    pub fn pass_over(self) -> Result<(), DerError> {
        if self.critical {
            return Err(DerError {
                offset: self.offset,
                kind: DerErrorKind::UnknownCriticalExtension,
            });
        }
        if !is_oid(self.oid) {
            return Err(DerError {
                offset: self.offset,
                kind: DerErrorKind::Value,
            });
        }
        Ok(())
    }
}

/// What to do with `critical FALSE` written out, although X.690 §11.5 leaves a DEFAULT value away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplicitFalse {
    /// Refuse it.
    Refused,
    /// Take it: certificates and CRLs have been signed that way.
    Tolerated,
}

/// Walks a list, each element checked: OID, BOOLEAN 00 or FF, OCTET STRING, no OID twice.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    reader: Reader<'a>,
    list: &'a [u8],
    count: usize,
    explicit_false: ExplicitFalse,
    explicit_false_count: u64,
}

impl<'a> Extensions<'a> {
    /// Opens the SEQUENCE OF.
    ///
    /// # Errors
    /// `Value` when it is empty.
    #[inline]
    pub fn inside(list: Tlv<'a>, explicit_false: ExplicitFalse) -> Result<Self, DerError> {
        if list.value.is_empty() {
            return Err(list.error(DerErrorKind::Value));
        }
        Ok(Self {
            reader: Reader::inside(list),
            list: list.value,
            count: 0,
            explicit_false,
            explicit_false_count: 0,
        })
    }

    /// The next extension; None after the last.
    ///
    /// # Errors
    /// Those of the reader, `Value`, `DuplicateExtension`, and `TooMany` beyond [`EXTENSIONS_MAX`].
    #[inline(always)]
    #[expect(
        clippy::should_implement_trait,
        reason = "a failing iterator reads worse at every caller than `while let Some(…) = ….next()?`"
    )]
    pub fn next(&mut self) -> Result<Option<Extension<'a>>, DerError> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let before = &self.list[..self.list.len() - self.reader.remaining().len()];
        let element = self.reader.read(tag::SEQUENCE)?;
        if self.count == EXTENSIONS_MAX {
            return Err(element.error(DerErrorKind::TooMany));
        }
        self.count += 1;

        let mut fields = Reader::inside(element);
        let oid = fields.read(tag::OID)?;
        let critical = match fields.read_optional(tag::BOOLEAN)? {
            None => false,
            Some(boolean) => match boolean.value {
                [0xff] => true,
                [0x00] if self.explicit_false == ExplicitFalse::Tolerated => {
                    self.explicit_false_count += 1;
                    false
                }
                _ => return Err(boolean.error(DerErrorKind::Value)),
            },
        };
        let value = fields.read(tag::OCTET_STRING)?;
        fields.finish()?;
        if !before.is_empty() && holds_oid(before, oid.value)? {
            return Err(element.error(DerErrorKind::DuplicateExtension));
        }
        Ok(Some(Extension {
            oid: oid.value,
            critical,
            value,
            offset: element.offset(),
        }))
    }
}

impl Extensions<'_> {
    /// How many of those read so far have `critical FALSE` written out.
    pub fn explicit_false_count(&self) -> u64 {
        self.explicit_false_count
    }
}

/// Does one of these extensions, all read before, carry this OID?  The list is short: see [`EXTENSIONS_MAX`].
fn holds_oid(extensions: &[u8], oid: &[u8]) -> Result<bool, DerError> {
    let mut reader = Reader::new(extensions);
    while !reader.is_empty() {
        let element = reader.read(tag::SEQUENCE)?;
        if Reader::inside(element).read(tag::OID)?.value == oid {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::read::whole;
    use crate::der::write::{push, push_nested};

    fn list(extensions: &[(&[u8], Option<u8>)]) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            for (oid, critical) in extensions {
                push_nested(out, tag::SEQUENCE, |out| {
                    push(out, tag::OID, oid);
                    if let Some(critical) = critical {
                        push(out, tag::BOOLEAN, &[*critical]);
                    }
                    push(out, tag::OCTET_STRING, b"value");
                });
            }
        });
        der
    }

    fn read(
        der: &[u8],
        explicit_false: ExplicitFalse,
    ) -> Result<Vec<(Vec<u8>, bool)>, DerErrorKind> {
        let read = || {
            let mut extensions = Extensions::inside(whole(der, tag::SEQUENCE)?, explicit_false)?;
            let mut found = Vec::new();
            while let Some(extension) = extensions.next()? {
                assert_eq!(extension.value.value, b"value");
                found.push((extension.oid.to_vec(), extension.critical));
            }
            Ok(found)
        };
        read().map_err(|error: DerError| error.kind)
    }

    #[test]
    fn criticality_is_read_as_der_writes_it() {
        let der = list(&[(&[0x55, 1], None), (&[0x55, 2], Some(0xff))]);
        let found = read(&der, ExplicitFalse::Refused).unwrap();
        assert_eq!(found, [(vec![0x55, 1], false), (vec![0x55, 2], true)]);
        let der = list(&[(&[0x55, 1], Some(0x01))]);
        assert_eq!(
            read(&der, ExplicitFalse::Tolerated),
            Err(DerErrorKind::Value)
        );
    }

    #[test]
    fn a_written_out_false_is_refused_or_tolerated_as_told() {
        let der = list(&[(&[0x55, 1], Some(0x00))]);
        assert_eq!(read(&der, ExplicitFalse::Refused), Err(DerErrorKind::Value));
        assert_eq!(
            read(&der, ExplicitFalse::Tolerated),
            Ok(vec![(vec![0x55, 1], false)])
        );
    }

    #[test]
    fn one_extension_twice_is_refused() {
        let der = list(&[
            (&[0x55, 1], None),
            (&[0x55, 2], None),
            (&[0x55, 1], Some(0xff)),
        ]);
        assert_eq!(
            read(&der, ExplicitFalse::Refused),
            Err(DerErrorKind::DuplicateExtension)
        );
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert_eq!(
            read(&[0x30, 0x00], ExplicitFalse::Refused),
            Err(DerErrorKind::Value)
        );
    }

    #[test]
    fn more_extensions_than_the_bound_are_refused() {
        let oids: Vec<[u8; 2]> = (0..=EXTENSIONS_MAX as u8)
            .map(|number| [0x55, number])
            .collect();
        let all: Vec<(&[u8], Option<u8>)> = oids.iter().map(|oid| (&oid[..], None)).collect();
        assert_eq!(
            read(&list(&all[1..]), ExplicitFalse::Refused)
                .unwrap()
                .len(),
            EXTENSIONS_MAX
        );
        assert_eq!(
            read(&list(&all), ExplicitFalse::Refused),
            Err(DerErrorKind::TooMany)
        );
    }
}
