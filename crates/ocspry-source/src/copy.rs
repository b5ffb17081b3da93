//! The last good copy of a list: made from its file, as DER, and recognised again without reading it.
//!
//! From: `state`, after a swap.  To: the state directory.  A list is read once more for it, since none is kept in memory;
//! if its file holds another one by then, nothing is kept of that.  No two lists have a signature in common, and it
//! stands at the very end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use crate::SourceError;
use crate::armour::{Armour, is_der};
use crate::fingerprint::{self, unreadable};
use crate::pace;
use crate::state::{StateStep, step};

/// A list that was read, by what tells it from others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Original<'a> {
    /// The file that it was read from.
    pub(crate) path: &'a Path,
    /// Octets of its DER.
    pub(crate) der_bytes: u64,
    /// Its signature.
    pub(crate) signature: &'a [u8],
}

/// Whether the DER file at `path` is that list, by its length and its signature.
pub(crate) fn is_copy(path: &Path, list: Original<'_>) -> bool {
    File::open(path).is_ok_and(|mut file| ends_as(&mut file, list))
}

fn ends_as(file: &mut File, list: Original<'_>) -> bool {
    let signature = list.signature;
    let mut end = Vec::with_capacity(signature.len());
    let is_as_long = file
        .seek(SeekFrom::End(-(signature.len() as i64)))
        .is_ok_and(|before| before + signature.len() as u64 == list.der_bytes);
    is_as_long && file.read_to_end(&mut end).is_ok() && end == signature
}

/// Writes the list into `target`, as DER; `path` names that in errors.
///
/// # Errors
/// Its file cannot be read, or holds another list by now; or `target` cannot be written.
pub(crate) fn write(list: Original<'_>, target: &mut File, path: &Path) -> Result<(), SourceError> {
    let source = list.path;
    let (mut file, metadata) = fingerprint::open(source)?;
    let mut armour: Option<Armour> = None;
    let (mut piece, mut der) = (Vec::with_capacity(PIECE_BYTES), Vec::new());
    let mut is_first = true;
    pace::beside(metadata.len(), PATIENCE, || {
        piece.clear();
        let read = (&mut file)
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)
            .map_err(unreadable(source))?;
        if read == 0 {
            return Ok(false);
        }
        if is_first && !is_der(&piece) {
            armour = Some(Armour::new());
        }
        is_first = false;
        let octets = match &mut armour {
            None => &piece,
            Some(armour) => {
                der.clear();
                armour
                    .push(&piece, &mut der)
                    .map_err(|_| replaced(source))?;
                &der
            }
        };
        step(StateStep::Write, path, || target.write_all(octets))?;
        Ok(true)
    })?;
    if let Some(armour) = armour {
        der.clear();
        armour.finish(&mut der).map_err(|_| replaced(source))?;
        step(StateStep::Write, path, || target.write_all(&der))?;
    }
    if ends_as(target, list) {
        Ok(())
    } else {
        Err(replaced(source))
    }
}

fn replaced(source: &Path) -> SourceError {
    SourceError::Replaced {
        path: source.to_owned(),
    }
}

/// Octets that are in memory at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Nothing waits for the copy but the next look at the files.
const PATIENCE: Duration = Duration::from_secs(20);
