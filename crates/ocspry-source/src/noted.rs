//! What was tolerated in a file or passed over in a directory: by kind, how often, and where first.
//!
//! From: the readers of `issued` and `overlay`.  To: the operator, who should know of a file that is skipped, but not
//! once for each of a million.

use std::ffi::{OsStr, OsString};
use std::fmt;

/// Everything that was noted, in the order in which it first appeared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    found: Vec<Note>,
}

/// One kind of oddity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which.
    pub oddity: Oddity,
    /// How often.
    pub count: u64,
    /// Where first.
    pub first: Place,
}

/// Where something was noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of the file, counted from 1.
    Line(u64),
    /// A file of the directory.
    File(OsString),
}

/// What was tolerated or passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Below zero (RFC 5280 §4.1.2.2 wants positive ones).
    NegativeSerial,
    /// Zero.
    ZeroSerial,
    /// More than 20 octets.
    LongSerial,
    /// A reason that nobody defines: revoked without one.
    UnknownReason,
    /// Revoked, for the reason removeFromCRL: not revoked (ADR-0007).
    RemoveFromCrl,
    /// The last line has no end; if it was cut, it says something else than it should.
    NoLastNewline,
    /// A file whose name begins with a dot.
    HiddenFile,
    /// A directory, pipe, device or socket.
    NotAFile,
    /// A file that was gone, or a link to nothing.
    VanishedFile,
    /// A file of more octets than are read for certificates.
    LargeFile,
    /// A file without a certificate.
    NoCertificate,
    /// Not all of it can be read as certificates: a block is cut off or damaged.
    DamagedCertificate,
    /// The certificate of another CA.
    OtherIssuer,
    /// A certificate with this CA's name that its key did not sign.
    BadSignature,
    /// A certificate with this CA's name and a signature algorithm that is not known here.
    UnsupportedSignature,
}

impl Oddity {
    /// What it is, of many.
    pub const fn name(self) -> &'static str {
        match self {
            Oddity::NegativeSerial => "negative serial numbers",
            Oddity::ZeroSerial => "serial numbers of zero",
            Oddity::LongSerial => "serial numbers of more than 20 octets",
            Oddity::UnknownReason => "unknown reasons, taken as none",
            Oddity::RemoveFromCrl => "removeFromCRL, taken as not revoked",
            Oddity::NoLastNewline => "last lines without an end",
            Oddity::HiddenFile => "hidden files passed over",
            Oddity::NotAFile => "directories and other things that are no files passed over",
            Oddity::VanishedFile => "files that were gone, or links to nothing",
            Oddity::LargeFile => "files too large for certificates passed over",
            Oddity::NoCertificate => "files without a certificate passed over",
            Oddity::DamagedCertificate => "files with a damaged certificate",
            Oddity::OtherIssuer => "certificates of other CAs passed over",
            Oddity::BadSignature => "certificates not signed by the key of this CA passed over",
            Oddity::UnsupportedSignature => {
                "certificates passed over whose signature algorithm is not supported or does not fit the key"
            }
        }
    }
}

impl Notes {
    /// Each kind that was found; at most one [`Note`] of each.
    pub fn found(&self) -> &[Note] {
        &self.found
    }

    /// How often this was found.
    pub fn count(&self, oddity: Oddity) -> u64 {
        let note = self.found.iter().find(|note| note.oddity == oddity);
        note.map_or(0, |note| note.count)
    }

    pub(crate) fn add_line(&mut self, oddity: Oddity, line: u64) {
        self.add(oddity, || Place::Line(line));
    }

    pub(crate) fn add_file(&mut self, oddity: Oddity, name: &OsStr) {
        self.add(oddity, || Place::File(name.to_owned()));
    }

    fn add(&mut self, oddity: Oddity, place: impl FnOnce() -> Place) {
        match self.found.iter_mut().find(|note| note.oddity == oddity) {
            Some(note) => note.count += 1,
            None => self.found.push(Note {
                oddity,
                count: 1,
                first: place(),
            }),
        }
    }
}

/// `2 hidden files passed over (first: ".new.pem"), 1 …`; empty when nothing was noted.
impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, note) in self.found.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (first: ", self.count, self.oddity.name())?;
        match &self.first {
            Place::Line(line) => write!(f, "line {line})"),
            Place::File(name) => write!(f, "{name:?})"),
        }
    }
}
