//! Which version of the list at a URL is kept, as the server told it from others: ETag and Last-Modified, beside the copy.
//!
//! From: `feed`, when what it fetched is in use.  To: the state directory, and from there, after a restart, to the first
//! request: who has that very list asks for it only if it is another one by now.  Nothing depends on it: a file that is
//! damaged, missing, or about another list or URL costs one download.

use std::fs::File;
use std::io::{Read as _, Write as _};

use ocspry_wire::hex::to_hex;
use serde::{Deserialize, Serialize};

use crate::SourceError;
use crate::fetch::{CrlUrl, Validators};
use crate::list::LoadedList;
use crate::state::{self, KeptSeries, SeriesKind};

/// The version of a list that was fetched and is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchedVersion {
    /// SHA-256 of the list's tbsCertList.
    pub(crate) digest: [u8; 32],
    /// What the server sent with it.
    pub(crate) validators: Validators,
}

impl FetchedVersion {
    /// Whether this is that list, and one may ask by it.  A list without nextUpdate counts from when it was fetched, and has
    /// to be fetched for that.
    pub(crate) fn is_of(&self, list: &LoadedList) -> bool {
        self.digest == list.digest() && list.has_next_update && !self.validators.is_empty()
    }

    /// What is kept of the list at that URL; None where nothing is, or nothing that can be understood.
    pub(crate) fn read(series: &KeptSeries, url: &CrlUrl, list: &LoadedList) -> Option<Self> {
        let file = File::open(series.folder().join(name(series))).ok()?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        let kept: VersionFile = serde_json::from_str(&text).ok()?;
        let version = FetchedVersion {
            digest: list.digest(),
            validators: kept.validators,
        };
        let is_it = kept.version == FILE_VERSION
            && kept.url == url.to_string()
            && kept.sha256 == to_hex(&list.digest());
        (is_it && version.is_of(list)).then_some(version)
    }

    /// Keeps it.  A failure costs a download after the next restart, no more.
    pub(crate) fn write(&self, series: &KeptSeries, url: &CrlUrl) {
        let file = VersionFile {
            version: FILE_VERSION,
            url: url.to_string(),
            sha256: to_hex(&self.digest),
            validators: self.validators.clone(),
        };
        let Ok(mut text) = serde_json::to_string_pretty(&file) else {
            return;
        };
        text.push('\n');
        let _ = series.write_beside(name(series), |file| file.write_all(text.as_bytes()));
    }

    /// Nothing is kept of it any more.
    ///
    /// # Errors
    /// `StateWrite`.
    pub(crate) fn remove(series: &KeptSeries) -> Result<(), SourceError> {
        state::remove(&series.folder().join(name(series)))
    }
}

fn name(series: &KeptSeries) -> &'static str {
    match series.kind() {
        SeriesKind::Complete | SeriesKind::Issued => "fetched.json",
        SeriesKind::Delta => "delta-fetched.json",
    }
}

#[derive(Serialize, Deserialize)]
struct VersionFile {
    version: u32,
    url: String,
    sha256: String,
    #[serde(flatten)]
    validators: Validators,
}

const FILE_VERSION: u32 = 1;

/// A URL and two validators are far below that.
const FILE_BYTES_MAX: u64 = 1 << 16;
