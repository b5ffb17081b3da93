//! High-water marks: what is remembered of the newest list, as a value and as `marks.json`.
//!
//! From: `line` and `beside`, after a swap.  To: the state directory, and from there to whatever comes next.

use ocspry_wire::Time;
use ocspry_wire::hex::{from_hex, to_hex};
use serde::{Deserialize, Serialize};

use crate::list::CrlNumber;

/// The newest list that was ever used for an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Its thisUpdate; or that of the delta that it took over from, if that is later.
    pub this_update: Time,
    /// Its nextUpdate as used.
    pub next_update: Time,
    /// Its cRLNumber.
    pub crl_number: Option<CrlNumber>,
    /// SHA-256 of its tbsCertList, the part that is signed; of a list of what was issued, of its content.
    pub digest: [u8; 32],
    /// When its file was written: a list without nextUpdate counts from here.
    pub written: Time,
    /// The file it came from, for people.
    pub source: String,
}

impl Marks {
    /// By thisUpdate, then by number; a list without a number is not compared by number.
    pub fn is_newer_than(&self, other: &Marks) -> bool {
        let by_number = || match (&self.crl_number, &other.crl_number) {
            (Some(number), Some(other)) => number > other,
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        self.this_update > other.this_update
            || (self.this_update == other.this_update && by_number())
    }

    /// Of what was used nothing is known any more but that it was made no later than now.
    pub(crate) fn known_only_until(self, now: Time) -> Marks {
        Marks {
            this_update: now,
            crl_number: None,
            ..self
        }
    }

    /// Another list, and neither is newer.
    pub fn is_tied_with(&self, other: &Marks) -> bool {
        self.digest != other.digest && !self.is_newer_than(other) && !other.is_newer_than(self)
    }

    pub(super) fn to_json(&self) -> String {
        let file = MarksFile {
            version: MARKS_VERSION,
            this_update: generalized(self.this_update),
            next_update: generalized(self.next_update),
            crl_number: self.crl_number.as_ref().map(CrlNumber::to_hex),
            sha256: to_hex(&self.digest),
            written: generalized(self.written),
            source: self.source.clone(),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("strings and a number are JSON");
        text.push('\n');
        text
    }

    pub(super) fn from_json(text: &str) -> Result<Marks, String> {
        let file: MarksFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if file.version != MARKS_VERSION {
            return Err(format!("version {} is not known here", file.version));
        }
        let time = |key: &str, value: &str| {
            Time::from_generalized(value.as_bytes())
                .ok_or_else(|| format!("{key} is not a time like 20261121060000Z"))
        };
        let crl_number = file
            .crl_number
            .map(|digits| CrlNumber::from_hex(&digits).ok_or("crl-number is not hex"))
            .transpose()?;
        let digest = from_hex(&file.sha256).and_then(|octets| octets.try_into().ok());
        Ok(Marks {
            this_update: time("this-update", &file.this_update)?,
            next_update: time("next-update", &file.next_update)?,
            crl_number,
            digest: digest.ok_or("sha256 is not 64 hex digits")?,
            written: time("written", &file.written)?,
            source: file.source,
        })
    }
}

pub(super) fn generalized(time: Time) -> String {
    String::from_utf8_lossy(&time.to_generalized()).into_owned()
}

const MARKS_VERSION: u32 = 1;

/// `marks.json` as it is stored.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct MarksFile {
    version: u32,
    this_update: String,
    next_update: String,
    crl_number: Option<String>,
    sha256: String,
    written: String,
    source: String,
}
