//! A list, window by window: hashed and parsed as its octets come (RFC 5280 §5).
//!
//! From: `der_file`.  To: `load`, which makes a table of the entries and asks whose word they are; and
//! to whoever only looks at a list ([`ListReader::step`] and [`ListReader::finish`]).  One pass, and nothing of the file
//! is kept but two windows of it: while one is parsed, a second thread hashes it and reads the next, which takes as long.
//! That thread has the priority of the one that asks.

use std::fs::Metadata;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ocspry_core::crypto::{HashedMessage, MessageHash};
use ocspry_core::side_by_side;
use ocspry_wire::x509::{CertificateList, CrlEntry, CrlHeader, CrlParser};

use crate::SourceError;
use crate::der_file::DerFile;
use crate::explain::{explained, explained_inside};
use crate::load::{Progress, SourceLimits};

/// Reads one CRL file from its first octet to its last.
///
/// Who signed it is not asked here: what comes out is what a file says, not what may be believed.
pub struct ListReader {
    path: PathBuf,
    hashing: Hashing,
    ed25519_bytes_max: usize,
    window: Window,
    /// What goes on beside the parsing.
    aside: Aside,
    parser: CrlParser,
    /// What stands before the entries, known before the first of them is taken.
    header: Option<CrlHeader>,
    /// Nothing more comes into the window.
    is_at_end: bool,
}

/// The octets of the DER that are held: some that the parser has not taken yet, behind some that it has.
struct Window {
    octets: Vec<u8>,
    /// How many of them are taken, or were never there.
    taken: usize,
    /// Where in the DER the first one lies that is not taken.
    first: u64,
}

/// Hashing of the window at hand, and reading of the next.
struct Aside {
    file: DerFile,
    /// The next window: [`HEADROOM`] octets for what is left of the one at hand, and what was read.
    ahead: Vec<u8>,
    /// Whether more was read ahead, once that was tried.
    goes_on: Option<Result<bool, SourceError>>,
    /// Nothing was left to read when the window at hand was.
    is_at_end: bool,
    /// None until the header says how the list is signed.
    hash: Option<MessageHash>,
    /// Octets of the DER that have gone through the hash, or need not.
    hashed: u64,
}

/// What the tbsCertList is hashed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashing {
    /// Its signature is going to be verified.
    Signature,
    /// Its SHA-256 is to be told, no more.
    Digest,
}

/// A list that was read to its end; its signature was not looked at.
pub struct UnverifiedList {
    /// Everything but its entries.
    pub list: CertificateList,
    /// SHA-256 of the tbsCertList, the part that is signed.
    pub digest: [u8; 32],
    /// Octets of the file.
    pub file_bytes: u64,
    /// It was wrapped in PEM.
    pub is_pem: bool,
}

impl ListReader {
    /// Opens a file to look at the list in it; nothing is read yet.
    ///
    /// # Errors
    /// It cannot be opened, is something else than a file, or is too large.
    pub fn open(path: &Path, limits: &SourceLimits) -> Result<ListReader, SourceError> {
        ListReader::open_for(Hashing::Digest, path, limits).map(|(reader, _)| reader)
    }

    /// The same, and what the system says of the file.
    ///
    /// # Errors
    /// Those of [`ListReader::open`].
    pub(crate) fn open_for(
        hashing: Hashing,
        path: &Path,
        limits: &SourceLimits,
    ) -> Result<(ListReader, Metadata), SourceError> {
        let (file, metadata) = DerFile::open(path, limits)?;
        let reader = ListReader {
            path: path.to_owned(),
            hashing,
            ed25519_bytes_max: limits.ed25519_bytes_max,
            window: Window {
                octets: Vec::new(),
                taken: 0,
                first: 0,
            },
            aside: Aside {
                file,
                ahead: vec![0; HEADROOM],
                goes_on: None,
                is_at_end: false,
                hash: None,
                hashed: 0,
            },
            parser: CrlParser::new(),
            header: None,
            is_at_end: false,
        };
        Ok((reader, metadata))
    }

    /// Some milliseconds of work; None at the end of the file.  Calls `each` with every entry that came.
    ///
    /// # Errors
    /// Every way in which the file is not one list, as far as that shows already.
    pub fn step(
        &mut self,
        each: impl FnMut(CrlEntry<'_>),
    ) -> Result<Option<Progress>, SourceError> {
        let goes_on = self.fill()?;
        self.take(each)?;
        Ok(goes_on.then(|| self.progress()))
    }

    /// The rest, once [`ListReader::step`] has come to the end of the file.
    ///
    /// # Errors
    /// Every way in which the file is not one list.
    pub fn finish(mut self, each: impl FnMut(CrlEntry<'_>)) -> Result<UnverifiedList, SourceError> {
        let is_pem = self.aside.file.is_pem();
        let file_bytes = self.aside.file.read_bytes();
        self.end()?;
        self.take(each)?;
        let (list, message) = self.into_list()?;
        Ok(UnverifiedList {
            list,
            digest: message.sha256(),
            file_bytes,
            is_pem,
        })
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        self.aside.file.progress()
    }

    /// What stands before the entries, once so much has come; [`ListReader::take`] has taken none of them by then.
    pub(crate) fn header(&self) -> Option<&CrlHeader> {
        self.header.as_ref()
    }

    /// Goes on to the next window; false at the end of the file.
    pub(crate) fn fill(&mut self) -> Result<bool, SourceError> {
        let goes_on = self.aside.next(&mut self.window)?;
        self.look_ahead();
        Ok(goes_on)
    }

    /// Nothing more comes: what PEM has not given yet goes into the window.
    pub(crate) fn end(&mut self) -> Result<(), SourceError> {
        self.aside.file.end_into(&mut self.window.octets)?;
        self.is_at_end = true;
        self.look_ahead();
        Ok(())
    }

    /// Reads the header before anything is taken: who issued the list, and how it is to be hashed.
    fn look_ahead(&mut self) {
        if self.header.is_some() {
            return;
        }
        let mut ahead = CrlParser::new();
        let here = self.window.here();
        let prefix = &here[..here.len().min(CrlParser::PIECE_MAX)];
        // What is wrong is said when it is taken.
        let _ = ahead.push(prefix, |_| {});
        if let Some(header) = ahead.header() {
            self.aside.hash = Some(MessageHash::new(match self.hashing {
                Hashing::Signature => header.signature_algorithm,
                Hashing::Digest => None,
            }));
            self.header = Some(header.clone());
        }
    }

    /// Takes from the window all that is there whole.
    pub(crate) fn take(&mut self, each: impl FnMut(CrlEntry<'_>)) -> Result<(), SourceError> {
        let (window, aside) = (&mut self.window, &mut self.aside);
        let here = window.here();
        // What is taken must go through the hash, and how that is made the header says.
        let may_come = here.len() < CrlParser::PIECE_MAX && !self.is_at_end;
        if self.header.is_none() && may_come {
            return Ok(());
        }
        let tbs = self.header.as_ref().map(|header| header.tbs.clone());
        let parser = &mut self.parser;
        let taken = side_by_side(
            here.len() >= WORTH_A_THREAD,
            || aside.work(here, window.first, tbs.clone()),
            || parser.push(here, each),
        );
        let taken =
            taken.map_err(|error| explained_inside(&self.path, here, window.first, error))?;
        let kept_bytes = aside.hash.as_ref().map_or(0, MessageHash::kept_bytes);
        if kept_bytes > self.ed25519_bytes_max {
            return Err(SourceError::TooLargeForEd25519 {
                path: self.path.clone(),
                bytes_max: self.ed25519_bytes_max,
            });
        }
        window.taken += taken;
        window.first += taken as u64;
        Ok(())
    }

    /// The list, after [`ListReader::end`] and the last [`ListReader::take`], and what its signature is over.
    pub(crate) fn into_list(self) -> Result<(CertificateList, HashedMessage), SourceError> {
        let list = self
            .parser
            .finish()
            .map_err(|error| explained(&self.path, self.window.here(), self.window.first, error))?;
        let hash = self.aside.hash.unwrap_or_else(|| MessageHash::new(None));
        Ok((list, hash.finish()))
    }
}

impl Window {
    fn here(&self) -> &[u8] {
        &self.octets[self.taken..]
    }
}

impl Aside {
    /// The next window, behind what is left of the one at hand; false at the end of the file.
    fn next(&mut self, window: &mut Window) -> Result<bool, SourceError> {
        let goes_on = match self.goes_on.take() {
            Some(goes_on) => goes_on?,
            None => self.file.read_into(&mut self.ahead, WINDOW_BYTES)?,
        };
        self.is_at_end = !goes_on;
        // The parser leaves less than a piece, unless it has refused the list: then nothing of it matters any more.
        let left = window.here();
        let left = &left[..left.len().min(HEADROOM)];
        let taken = HEADROOM - left.len();
        self.ahead[taken..HEADROOM].copy_from_slice(left);
        std::mem::swap(&mut window.octets, &mut self.ahead);
        window.taken = taken;
        self.ahead.resize(HEADROOM, 0);
        Ok(goes_on)
    }

    /// Hashes what has come of the part that is signed, and reads on.
    fn work(&mut self, here: &[u8], first: u64, tbs: Option<Range<u64>>) {
        if let (Some(hash), Some(tbs)) = (&mut self.hash, tbs) {
            let begin = tbs.start.max(self.hashed);
            hash.update(part_within(here, first, &(begin..tbs.end.max(begin))));
            self.hashed = first + here.len() as u64;
        }
        if !self.is_at_end && self.goes_on.is_none() {
            self.goes_on = Some(self.file.read_into(&mut self.ahead, WINDOW_BYTES));
        }
    }
}

/// The Name (DER) of who issued the list in a file; what stands behind it is not read.
///
/// # Errors
/// The file does not begin as a list does.
pub fn crl_issuer(path: &Path) -> Result<Vec<u8>, SourceError> {
    let (mut reader, _) = ListReader::open_for(Hashing::Digest, path, &SourceLimits::DEFAULT)?;
    while reader.header.is_none() && reader.fill()? {
        // One that does not begin as a list does is refused here; what is wrong behind its name does not matter.
        if reader.header.is_none() {
            reader.take(|_| {})?;
        }
    }
    if reader.header.is_none() {
        reader.end()?;
        reader.take(|_| {})?;
    }
    match reader.header {
        Some(header) => Ok(header.issuer),
        None => Err(reader.into_list().err().unwrap_or(SourceError::NotACrl {
            path: path.to_owned(),
        })),
    }
}

/// The part of `octets`, the first of which is the DER's octet `first`, that lies in the range.
fn part_within<'a>(octets: &'a [u8], first: u64, range: &Range<u64>) -> &'a [u8] {
    let at = |offset: u64| {
        let offset = usize::try_from(offset.saturating_sub(first)).unwrap_or(usize::MAX);
        offset.min(octets.len())
    };
    &octets[at(range.start)..at(range.end)]
}

/// Octets of the DER that are read at a time.
const WINDOW_BYTES: usize = 1 << 20;
/// As much as the parser may leave of a window.
const HEADROOM: usize = CrlParser::PIECE_MAX;
/// A thread is begun and ended in the time that a tenth of this takes.
const WORTH_A_THREAD: usize = 256 << 10;
