//! A list, window by window: octets of a file, DER or PEM, hashed and parsed as they come (RFC 5280 §5, RFC 7468).
//!
//! From: a file that somebody else writes.  To: `load`, which makes a table of the entries and asks whose word they are; and
//! to whoever only looks at a list ([`ListReader::step`] and [`ListReader::finish`]).  One pass, and nothing of the file
//! is kept but a window of it.

use std::fs::{File, Metadata};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ocspry_core::crypto::{HashedMessage, MessageHash};
use ocspry_wire::x509::{CertificateList, CrlEntry, CrlHeader, CrlParser};

use crate::SourceError;
use crate::armour::{Armour, ArmourError, is_der};
use crate::explain::{BYTE_ORDER_MARK, explained, explained_inside, something_else};
use crate::fingerprint::{self, unreadable};
use crate::load::{Progress, SourceLimits};

/// Reads one CRL file from its first octet to its last.
///
/// Who signed it is not asked here: what comes out is what a file says, not what may be believed.
pub struct ListReader {
    path: PathBuf,
    file: File,
    file_bytes: u64,
    limits: SourceLimits,
    hashing: Hashing,
    read_bytes: u64,
    form: Form,
    /// The part of the DER that the parser has not taken yet, and some that it has.
    window: Vec<u8>,
    taken: usize,
    /// Octets of the DER before the window.
    before_window: u64,
    parser: CrlParser,
    /// What stands before the entries, known before the first of them is taken.
    header: Option<CrlHeader>,
    /// None until the header says how the list is signed.
    hash: Option<MessageHash>,
    is_at_end: bool,
}

/// What the tbsCertList is hashed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashing {
    /// Its signature is going to be verified.
    Signature,
    /// Its SHA-256 is to be told, no more.
    Digest,
}

/// How the file wraps the list.
enum Form {
    Unknown,
    Der,
    Pem {
        armour: Armour,
        text: Vec<u8>,
        /// What it is if no block is in it.
        otherwise: Option<&'static str>,
    },
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
        let (file, metadata) = fingerprint::open(path)?;
        if metadata.len() > limits.crl_bytes_max {
            return Err(too_large(path, metadata.len(), limits));
        }
        let reader = ListReader {
            path: path.to_owned(),
            file,
            file_bytes: metadata.len(),
            limits: *limits,
            hashing,
            read_bytes: 0,
            form: Form::Unknown,
            window: Vec::with_capacity(WINDOW_BYTES),
            taken: 0,
            before_window: 0,
            parser: CrlParser::new(),
            header: None,
            hash: None,
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
        let is_pem = matches!(self.form, Form::Pem { .. });
        let file_bytes = self.read_bytes;
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
        Progress::Reading {
            read: self.read_bytes,
            of: self.file_bytes.max(self.read_bytes),
        }
    }

    /// What stands before the entries, once so much has come; [`ListReader::take`] has taken none of them by then.
    pub(crate) fn header(&self) -> Option<&CrlHeader> {
        self.header.as_ref()
    }

    /// Reads on into the window; false at the end of the file.
    pub(crate) fn fill(&mut self) -> Result<bool, SourceError> {
        self.window.drain(..self.taken);
        self.before_window += std::mem::take(&mut self.taken) as u64;
        let room = WINDOW_BYTES
            .saturating_sub(self.window.len())
            .max(WINDOW_BYTES / 4) as u64;
        let target = match &mut self.form {
            Form::Unknown | Form::Der => &mut self.window,
            Form::Pem { text, .. } => {
                text.clear();
                text
            }
        };
        let mut piece = (&mut self.file).take(room);
        let read = piece.read_to_end(target).map_err(unreadable(&self.path))?;
        self.read_bytes += read as u64;
        if self.read_bytes > self.limits.crl_bytes_max {
            return Err(too_large(&self.path, self.read_bytes, &self.limits));
        }
        if matches!(self.form, Form::Unknown) {
            self.form = self.form_of_file()?;
        }
        if let Form::Pem { armour, text, .. } = &mut self.form {
            armour
                .push(text, &mut self.window)
                .map_err(|error| armour_error(&self.path, error, None))?;
        }
        self.look_ahead();
        Ok(read > 0)
    }

    /// Nothing more comes: what PEM has not given yet goes into the window.
    pub(crate) fn end(&mut self) -> Result<(), SourceError> {
        if let Form::Pem {
            armour, otherwise, ..
        } = std::mem::replace(&mut self.form, Form::Der)
        {
            armour
                .finish(&mut self.window)
                .map_err(|error| armour_error(&self.path, error, otherwise))?;
        }
        self.is_at_end = true;
        self.look_ahead();
        Ok(())
    }

    /// DER, or text with PEM in it; the first octets tell.
    fn form_of_file(&mut self) -> Result<Form, SourceError> {
        match *self.window {
            [] => Err(SourceError::Empty {
                path: self.path.clone(),
            }),
            _ if is_der(&self.window) => Ok(Form::Der),
            _ => {
                let otherwise = something_else(&self.window);
                let mut text =
                    std::mem::replace(&mut self.window, Vec::with_capacity(WINDOW_BYTES));
                // Editors put it before the dashes of the first line.
                if text.starts_with(BYTE_ORDER_MARK) {
                    text.drain(..BYTE_ORDER_MARK.len());
                }
                Ok(Form::Pem {
                    armour: Armour::new(),
                    otherwise,
                    text,
                })
            }
        }
    }

    /// Reads the header before anything is taken: who issued the list, and how it is to be hashed.
    fn look_ahead(&mut self) {
        if self.header.is_some() {
            return;
        }
        let mut ahead = CrlParser::new();
        let prefix = &self.window[..self.window.len().min(CrlParser::PIECE_MAX)];
        // What is wrong is said when it is taken.
        let _ = ahead.push(prefix, |_| {});
        if let Some(header) = ahead.header() {
            self.hash = Some(MessageHash::new(match self.hashing {
                Hashing::Signature => header.signature_algorithm,
                Hashing::Digest => None,
            }));
            self.header = Some(header.clone());
        }
    }

    /// Takes from the window all that is there whole.
    pub(crate) fn take(&mut self, each: impl FnMut(CrlEntry<'_>)) -> Result<(), SourceError> {
        // What is taken must go through the hash, and how that is made the header says.
        let may_come = self.window.len() < CrlParser::PIECE_MAX && !self.is_at_end;
        if self.header.is_none() && may_come {
            return Ok(());
        }
        let first = self.before_window + self.taken as u64;
        let window = &self.window[self.taken..];
        let taken = self
            .parser
            .push(window, each)
            .map_err(|error| explained_inside(&self.path, window, first, error))?;
        if let (Some(hash), Some(header)) = (&mut self.hash, &self.header) {
            hash.update(part_within(&window[..taken], first, &header.tbs));
            if hash.kept_bytes() > self.limits.ed25519_bytes_max {
                return Err(SourceError::TooLargeForEd25519 {
                    path: self.path.clone(),
                    bytes_max: self.limits.ed25519_bytes_max,
                });
            }
        }
        self.taken += taken;
        Ok(())
    }

    /// The list, after [`ListReader::end`] and the last [`ListReader::take`], and what its signature is over.
    pub(crate) fn into_list(self) -> Result<(CertificateList, HashedMessage), SourceError> {
        let left = &self.window[self.taken..];
        let first = self.before_window + self.taken as u64;
        let list = self
            .parser
            .finish()
            .map_err(|error| explained(&self.path, left, first, error))?;
        let message = self.hash.unwrap_or_else(|| MessageHash::new(None)).finish();
        Ok((list, message))
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
        let taken = reader.take(|_| {});
        if reader.header.is_none() {
            taken?;
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

fn too_large(path: &Path, bytes: u64, limits: &SourceLimits) -> SourceError {
    SourceError::TooLarge {
        path: path.to_owned(),
        bytes,
        bytes_max: limits.crl_bytes_max,
    }
}

fn armour_error(path: &Path, error: ArmourError, otherwise: Option<&'static str>) -> SourceError {
    let path = path.to_owned();
    match (error, otherwise) {
        (ArmourError::Line { line, problem }, _) => SourceError::Pem {
            path,
            line,
            problem,
        },
        (ArmourError::Several, _) => SourceError::SeveralCrls { path },
        (ArmourError::NoList { found }, _) => SourceError::NoCrlBlock { path, found },
        (ArmourError::NoBlock, Some(found)) => SourceError::SomethingElse { path, found },
        (ArmourError::NoBlock, None) => SourceError::NotACrl { path },
    }
}

/// Octets of the DER that are held at a time.
const WINDOW_BYTES: usize = 1 << 20;
