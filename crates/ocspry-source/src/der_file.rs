//! The DER of a list, piece by piece, from a file that holds it as it is or in PEM (RFC 7468).
//!
//! From: a file that somebody else writes.  To: `reading`, which asks for the next piece while it parses the one before.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::SourceError;
use crate::armour::{Armour, ArmourError, is_der};
use crate::explain::{BYTE_ORDER_MARK, something_else};
use crate::fingerprint::{self, unreadable};
use crate::load::{Progress, SourceLimits};

/// A file that is read from its first octet to its last.
pub(crate) struct DerFile {
    path: PathBuf,
    file: File,
    file_bytes: u64,
    bytes_max: u64,
    read_bytes: u64,
    form: Form,
}

/// How the file wraps the list.
enum Form {
    /// Nothing was read yet; where the first octets go.
    Unknown(Vec<u8>),
    Der,
    Pem {
        armour: Armour,
        text: Vec<u8>,
        /// What it is if no block is in it.
        otherwise: Option<&'static str>,
    },
}

impl DerFile {
    /// Opens the file, and says what the system tells of it; nothing is read yet.
    ///
    /// # Errors
    /// It cannot be opened, is something else than a file, or is too large.
    pub(crate) fn open(
        path: &Path,
        limits: &SourceLimits,
    ) -> Result<(DerFile, Metadata), SourceError> {
        let (file, metadata) = fingerprint::open(path)?;
        let file = DerFile {
            path: path.to_owned(),
            file,
            file_bytes: metadata.len(),
            bytes_max: limits.crl_bytes_max,
            read_bytes: 0,
            form: Form::Unknown(Vec::new()),
        };
        file.check_size(metadata.len())?;
        Ok((file, metadata))
    }

    /// Adds some octets of the DER, for which so many of the file are read at most; false at the end of the file.
    ///
    /// # Errors
    /// It cannot be read, has grown too large, or is no PEM that holds one list.
    pub(crate) fn read_into(
        &mut self,
        octets: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<bool, SourceError> {
        let mut piece = (&mut self.file).take(bytes_max as u64);
        let read = match &mut self.form {
            Form::Der => piece.read_to_end(octets),
            Form::Unknown(text) | Form::Pem { text, .. } => {
                text.clear();
                piece.read_to_end(text)
            }
        };
        let read = read.map_err(unreadable(&self.path))?;
        self.read_bytes += read as u64;
        self.check_size(self.read_bytes)?;
        if let Form::Unknown(text) = &mut self.form {
            let first = std::mem::take(text);
            self.form = self.form_of(first, octets)?;
        }
        if let Form::Pem { armour, text, .. } = &mut self.form {
            armour
                .push(text, octets)
                .map_err(|error| armour_error(&self.path, error, None))?;
        }
        Ok(read > 0)
    }

    /// Adds what PEM has not given yet: nothing more comes.
    ///
    /// # Errors
    /// It is no PEM that holds one list.
    pub(crate) fn end_into(&mut self, octets: &mut Vec<u8>) -> Result<(), SourceError> {
        match std::mem::replace(&mut self.form, Form::Der) {
            Form::Pem {
                armour, otherwise, ..
            } => armour
                .finish(octets)
                .map_err(|error| armour_error(&self.path, error, otherwise)),
            Form::Unknown(_) | Form::Der => Ok(()),
        }
    }

    /// The list is wrapped in PEM, as far as was read; asked before [`DerFile::end_into`].
    pub(crate) fn is_pem(&self) -> bool {
        matches!(self.form, Form::Pem { .. })
    }

    /// Octets of the file that were read.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        Progress::Reading {
            read: self.read_bytes,
            of: self.file_bytes.max(self.read_bytes),
        }
    }

    /// DER, or text with PEM in it; the first octets tell.
    fn form_of(&self, mut first: Vec<u8>, octets: &mut Vec<u8>) -> Result<Form, SourceError> {
        if first.is_empty() {
            return Err(SourceError::Empty {
                path: self.path.clone(),
            });
        }
        if is_der(&first) {
            octets.append(&mut first);
            return Ok(Form::Der);
        }
        let otherwise = something_else(&first);
        // Editors put it before the dashes of the first line.
        if first.starts_with(BYTE_ORDER_MARK) {
            first.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Form::Pem {
            armour: Armour::new(),
            text: first,
            otherwise,
        })
    }

    fn check_size(&self, bytes: u64) -> Result<(), SourceError> {
        match bytes > self.bytes_max {
            true => Err(SourceError::TooLarge {
                path: self.path.clone(),
                bytes,
                bytes_max: self.bytes_max,
            }),
            false => Ok(()),
        }
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
