//! The story of one list, octet after octet (RFC 5280 §5.1): header, entries, extensions, signature.  From: slices of
//! any size.  To: the callback, entry by entry, and [`CertificateList`].
//!
//! What is read at once is a piece: everything before the entries, one entry, everything between them and the end of the
//! signed part, everything behind it.  A piece that is not whole is left where it is, and read again when there is more
//! of it; so what comes out, errors and their octets included, does not depend on how the list was cut into slices.
//! Lengths that are announced are compared with those of the elements around them, and size nothing.

use core::ops::Range;

use super::entry::EntryReader;
use super::{CertificateList, CrlEntry, CrlError, CrlExtensions, CrlHeader, read_time};
use crate::DerError;
use crate::der::read::announced;
use crate::der::{DerErrorKind, Reader, Tlv, tag};
use crate::x509::SignatureAlgorithm;

/// Reads one DER CertificateList that is handed in in slices of any size.
///
/// Entries go out before the number, the scope, the critical extensions and the signature are known: nothing that came of
/// them may be used before [`CrlParser::finish`] has given the list and its signature has been checked.
#[derive(Clone, Debug)]
pub struct CrlParser {
    step: Step,
    /// Octets taken so far.
    taken: u64,
    entries: EntryReader,
    entry_count: u64,
    /// Where the entries end, the tbsCertList ends, and the list ends.
    ends: Ends,
    header: Option<CrlHeader>,
    /// AlgorithmIdentifier inside the tbsCertList, whole.
    inner_algorithm: Vec<u8>,
    extensions: CrlExtensions,
    signature: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Header,
    Entries,
    Extensions,
    Signature,
    /// Nothing: the list was taken.
    End,
    /// Nothing: it cannot be used.
    Failed(CrlError),
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    entries: u64,
    tbs: u64,
    list: u64,
}

/// Why a step was not taken.
enum Stop {
    /// The piece is not whole.
    More,
    /// It cannot be used; offsets count from the start of the piece.
    Error(CrlError),
}

impl CrlParser {
    /// Most octets that may have to be handed in in one piece.  Real headers and extensions have a few hundred octets,
    /// entries some fifty; the biggest standardized signature has 50 KB.
    pub const PIECE_MAX: usize = 64 * 1024;

    /// Before the first octet.
    pub fn new() -> CrlParser {
        CrlParser {
            step: Step::Header,
            taken: 0,
            entries: EntryReader::default(),
            entry_count: 0,
            ends: Ends::default(),
            header: None,
            inner_algorithm: Vec::new(),
            extensions: CrlExtensions::default(),
            signature: Vec::new(),
        }
    }

    /// Takes as many whole pieces from the front of `input` as there are, and says how many octets it took.  The rest,
    /// less than [`CrlParser::PIECE_MAX`] octets, is to be handed in again with more behind it.  Calls `each` with every
    /// entry.
    ///
    /// # Errors
    /// The first thing that makes the list unusable; it stays so.  Entries before it have been handed out.
    pub fn push(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(CrlEntry<'_>),
    ) -> Result<usize, CrlError> {
        let mut rest = input;
        loop {
            let step = match self.step {
                Step::Header => self.take_header(rest),
                Step::Entries => self.take_entries(rest, &mut each),
                Step::Extensions => self.take_extensions(rest),
                Step::Signature => self.take_signature(rest),
                Step::End if rest.is_empty() => Err(Stop::More),
                Step::End => Err(Stop::Error(CrlError::Der(DerError {
                    offset: 0,
                    kind: DerErrorKind::TrailingData,
                }))),
                Step::Failed(error) => return Err(error),
            };
            match step {
                Ok(count) => {
                    self.taken += count as u64;
                    rest = &rest[count..];
                }
                Err(Stop::More) => return Ok(input.len() - rest.len()),
                Err(Stop::Error(error)) => {
                    let error = error.behind(self.taken);
                    self.step = Step::Failed(error);
                    return Err(error);
                }
            }
        }
    }

    /// What stands before the entries, once it was taken.
    pub fn header(&self) -> Option<&CrlHeader> {
        self.header.as_ref()
    }

    /// The list, after its last octet.
    ///
    /// # Errors
    /// `Truncated` at the piece that is not whole, what `push` said if it failed, and `NotIndirect`, which is known only
    /// of a whole list.
    pub fn finish(self) -> Result<CertificateList, CrlError> {
        let truncated = CrlError::from(DerError {
            offset: 0,
            kind: DerErrorKind::Truncated,
        });
        let header = match (self.step, self.header) {
            (Step::End, Some(header)) => header,
            (Step::Failed(error), _) => return Err(error),
            _ => return Err(truncated.behind(self.taken)),
        };
        let extensions = self.extensions;
        let is_indirect = extensions
            .issuing_distribution_point
            .as_ref()
            .is_some_and(|scope| scope.indirect_crl);
        if let Some(offset) = self.entries.first_certificate_issuer
            && !is_indirect
        {
            return Err(CrlError::NotIndirect { offset });
        }
        let mut defects = self.entries.defects;
        if extensions.base_crl_number.is_some() {
            defects.remove_from_crl = 0;
        }
        defects.missing_crl_number += u64::from(extensions.crl_number.is_none());
        defects.missing_authority_key_id += u64::from(extensions.authority_key_id_der.is_none());
        Ok(CertificateList {
            header,
            extensions,
            signature: self.signature,
            entry_count: self.entry_count,
            defects,
        })
    }

    /// CertificateList and TBSCertList as far as the first entry.
    fn take_header(&mut self, input: &[u8]) -> Result<usize, Stop> {
        let mut defects = self.entries.defects;
        let mut piece = Piece::new(input, u64::MAX);
        let list = piece.open(tag::SEQUENCE)?;
        let tbs = piece.open(tag::SEQUENCE)?;
        match piece.peek()? {
            Some(tag::INTEGER) => {
                let version = piece.read_any()?;
                if version.value != V2 {
                    return Err(version.error(DerErrorKind::Value).into());
                }
            }
            _ => defects.missing_version += 1,
        }
        let algorithm = piece.read(tag::SEQUENCE)?;
        algorithm.algorithm_identifier()?;
        let issuer = piece.read(tag::SEQUENCE)?;
        let this_update = read_time(piece.read_any()?, &mut defects)?;
        let next_update = match piece.peek()? {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => {
                Some(read_time(piece.read_any()?, &mut defects)?)
            }
            _ => None,
        };
        let entries_end = match piece.peek()? {
            Some(tag::SEQUENCE) => {
                let entries = piece.open(tag::SEQUENCE)?;
                defects.empty_revoked_certificates += u64::from(entries.end == piece.at as u64);
                entries.end
            }
            _ => piece.at as u64,
        };

        self.step = Step::Entries;
        self.entries.defects = defects;
        self.ends = Ends {
            entries: entries_end,
            tbs: tbs.end,
            list: list.end,
        };
        self.inner_algorithm = algorithm.der.to_vec();
        self.header = Some(CrlHeader {
            der_bytes: list.end,
            tbs,
            signature_algorithm: SignatureAlgorithm::from_der(algorithm.der),
            issuer: issuer.der.to_vec(),
            this_update,
            next_update,
        });
        Ok(piece.at)
    }

    /// As many entries as are whole.
    fn take_entries(
        &mut self,
        input: &[u8],
        each: &mut impl FnMut(CrlEntry<'_>),
    ) -> Result<usize, Stop> {
        let left = self.ends.entries - self.taken;
        if left == 0 {
            self.step = Step::Extensions;
            return Ok(0);
        }
        let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let mut entries = Reader::new(&input[..here]);
        self.entries.start = self.taken;
        let mut count = 0;
        while !entries.is_empty() {
            let entry = match entries.read(tag::SEQUENCE) {
                Ok(entry) => entry,
                Err(error) if error.kind == DerErrorKind::Truncated => break,
                Err(error) => return Err(error.into()),
            };
            if entry.der.len() > CrlParser::PIECE_MAX {
                return Err(too_big(entry.offset()));
            }
            each(self.entries.read(entry)?);
            count += 1;
        }
        self.entry_count += count;
        if entries.offset() == 0 {
            // Not whole: because there is more to come, or because it cannot be?
            return Err(match Piece::new(input, left).read(tag::SEQUENCE) {
                Ok(_) => Stop::More,
                Err(stop) => stop,
            });
        }
        Ok(entries.offset())
    }

    /// crlExtensions, and nothing behind them.
    fn take_extensions(&mut self, input: &[u8]) -> Result<usize, Stop> {
        let mut piece = Piece::new(input, self.ends.tbs - self.taken);
        let extensions = match piece.peek()? {
            Some(EXTENSIONS) => Some(piece.read_any()?),
            _ => None,
        };
        piece.finish()?;
        if let Some(extensions) = extensions {
            let list = extensions.only(tag::SEQUENCE)?;
            self.extensions = CrlExtensions::read(list, &mut self.entries.defects)?;
        }
        self.step = Step::Signature;
        Ok(piece.at)
    }

    /// signatureAlgorithm and signatureValue.
    fn take_signature(&mut self, input: &[u8]) -> Result<usize, Stop> {
        let mut piece = Piece::new(input, self.ends.list - self.taken);
        let algorithm = piece.read(tag::SEQUENCE)?;
        algorithm.algorithm_identifier()?;
        let signature = piece.read(tag::BIT_STRING)?.bit_string_octets()?;
        piece.finish()?;
        if algorithm.der != self.inner_algorithm {
            return Err(CrlError::AlgorithmMismatch.into());
        }
        self.signature = signature.to_vec();
        self.step = Step::End;
        Ok(piece.at)
    }
}

impl Default for CrlParser {
    fn default() -> Self {
        CrlParser::new()
    }
}

/// Reads the elements of one piece, as far as it has come.  Offsets count from its start.
struct Piece<'a> {
    /// What has come, at most [`CrlParser::PIECE_MAX`] octets.
    input: &'a [u8],
    at: usize,
    /// Where the element around ends.
    end: u64,
}

impl<'a> Piece<'a> {
    fn new(input: &'a [u8], end: u64) -> Self {
        Piece {
            input: &input[..input.len().min(CrlParser::PIECE_MAX)],
            at: 0,
            end,
        }
    }

    /// The tag of the next element; None at the end of the one around.
    fn peek(&self) -> Result<Option<u8>, Stop> {
        if self.is_at_end() {
            return Ok(None);
        }
        match self.input.get(self.at) {
            Some(&tag) => Ok(Some(tag)),
            None => Err(self.more()),
        }
    }

    /// The next element, which must carry `tag`.
    fn read(&mut self, tag: u8) -> Result<Tlv<'a>, Stop> {
        self.expect(tag)?;
        self.read_any()
    }

    /// The next element, whole.
    fn read_any(&mut self) -> Result<Tlv<'a>, Stop> {
        let end = self.header()?.end;
        // What does not fit a `usize` does not fit a piece.
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        if end > CrlParser::PIECE_MAX {
            return Err(too_big(self.at));
        }
        let Some(element) = self.input.get(self.at..end) else {
            return Err(Stop::More);
        };
        let element = Reader::at(element, self.at).read_any()?;
        self.at = end;
        Ok(element)
    }

    /// Goes into the next element, which must carry `tag` and need not be whole; says from where to where it reaches.
    fn open(&mut self, tag: u8) -> Result<Range<u64>, Stop> {
        self.expect(tag)?;
        let Header { content, end } = self.header()?;
        let start = self.at as u64;
        self.at = content;
        self.end = end;
        Ok(start..end)
    }

    /// Nothing may be left in the element around.
    fn finish(&self) -> Result<(), Stop> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(self.error(DerErrorKind::TrailingData))
        }
    }

    fn expect(&self, tag: u8) -> Result<(), Stop> {
        match self.peek()? {
            Some(found) if found == tag => Ok(()),
            Some(found) if found & 0x1f == 0x1f => Err(self.error(DerErrorKind::MultiOctetTag)),
            Some(_) => Err(self.error(DerErrorKind::UnexpectedTag)),
            None => Err(self.error(DerErrorKind::Truncated)),
        }
    }

    /// Where the content and the end of the next element are, the latter not beyond the element around.
    fn header(&self) -> Result<Header, Stop> {
        let room = self.end - self.at as u64;
        let come = &self.input[self.at..];
        let confined = usize::try_from(room).map_or(come, |room| &come[..room.min(come.len())]);
        let (header_length, length) = match announced(confined, self.at) {
            Ok(found) => found,
            Err(error)
                if error.kind == DerErrorKind::Truncated && confined.len() as u64 != room =>
            {
                return Err(self.more());
            }
            Err(error) => return Err(error.into()),
        };
        let fits = length
            .checked_add(header_length as u64)
            .is_some_and(|length| length <= room);
        if !fits {
            return Err(self.error(DerErrorKind::Truncated));
        }
        let content = self.at + header_length;
        Ok(Header {
            content,
            end: content as u64 + length,
        })
    }

    fn is_at_end(&self) -> bool {
        self.at as u64 == self.end
    }

    /// The next octet has not come, and is not to be waited for where the piece is at its limit.
    fn more(&self) -> Stop {
        if self.input.len() < CrlParser::PIECE_MAX {
            Stop::More
        } else {
            too_big(self.at)
        }
    }

    fn error(&self, kind: DerErrorKind) -> Stop {
        Stop::Error(CrlError::Der(DerError {
            offset: self.at,
            kind,
        }))
    }
}

/// Of an element that need not be whole.
struct Header {
    content: usize,
    end: u64,
}

fn too_big(offset: usize) -> Stop {
    Stop::Error(CrlError::PieceTooBig { offset })
}

impl From<DerError> for Stop {
    fn from(error: DerError) -> Self {
        Stop::Error(error.into())
    }
}

impl From<CrlError> for Stop {
    fn from(error: CrlError) -> Self {
        Stop::Error(error)
    }
}

/// Version ::= INTEGER { v1(0), v2(1) }; if present it is v2 (RFC 5280 §5.1.2.1).
const V2: &[u8] = &[1];

/// crlExtensions: `[0] EXPLICIT`.
const EXTENSIONS: u8 = tag::context(0);
