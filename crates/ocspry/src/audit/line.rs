//! One line of the audit stream: what it holds, and the hashes that tie it to the one before.
//!
//! From: what happened.  To: the file, and `verify`.  A line is one JSON object in printable ASCII, whatever names it holds,
//! so that no subject can break it.  It ends with `previous`, the hash of the line before it, and `hash`: SHA-256 of its
//! own octets before `,"hash":`.

use std::fmt::Write as _;

use ocspry_core::crypto::sha256;
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use serde_json::{Map, Value};

/// What a line says beside its number, time and hashes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// When it is written.
    pub(crate) time: Time,
    /// What happened, as `revoked`.
    pub(crate) event: String,
    /// To what, by whom, why.
    pub(crate) fields: Map<String, Value>,
}

impl Entry {
    /// Of fields that hold something.
    pub(crate) fn new<const COUNT: usize>(
        time: Time,
        event: &str,
        fields: [(&str, Value); COUNT],
    ) -> Entry {
        Entry {
            time,
            event: event.to_owned(),
            fields: fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

/// What a line leads on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Of the line before; 0: there is none.
    pub(crate) sequence: u64,
    /// Its hash, in hex; zeros where there is none.
    pub(crate) hash: String,
}

impl Link {
    /// Before the first line of all.
    pub(crate) fn none() -> Link {
        Link {
            sequence: 0,
            hash: to_hex(&[0; 32]),
        }
    }

    /// Writes the next line, with its end; the link moves on to it.
    pub(crate) fn write(&mut self, entry: &Entry) -> String {
        let Entry {
            time,
            event,
            fields,
        } = entry;
        self.sequence += 1;
        let text = |text: &str| Value::from(text).to_string();
        let mut line = format!(
            "{{\"sequence\":{},\"time\":{},\"event\":{}",
            self.sequence,
            text(&time.to_string()),
            text(event)
        );
        for (name, value) in fields {
            // A String takes whatever is written.
            let _ = write!(line, ",{}:{value}", text(name));
        }
        let _ = write!(line, ",\"previous\":\"{}\"", self.hash);
        let mut line = in_ascii(&line);
        self.hash = to_hex(&sha256(line.as_bytes()));
        let _ = writeln!(line, "{HASH_KEY}{}\"}}", self.hash);
        line
    }
}

/// JSON is JSON wherever other characters are written as `\uXXXX`; serde_json leaves them as they are.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if matches!(letter, ' '..='~') {
            text.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

/// A line that was read; its hash is right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReadLine {
    pub(crate) sequence: u64,
    pub(crate) time: String,
    pub(crate) event: String,
    pub(crate) fields: Map<String, Value>,
    pub(crate) previous: String,
    pub(crate) hash: String,
}

/// Why octets are no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoLine {
    #[error("it is not a line of an audit stream")]
    Form,
    #[error("its hash is not that of its content: it was changed")]
    Changed,
}

impl ReadLine {
    /// From its octets, without its end.
    ///
    /// # Errors
    /// They are none, or were changed.
    pub(crate) fn parse(octets: &[u8]) -> Result<ReadLine, NoLine> {
        let text = str::from_utf8(octets).map_err(|_| NoLine::Form)?;
        let (hashed, rest) = text.rsplit_once(HASH_KEY).ok_or(NoLine::Form)?;
        let mut fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| NoLine::Form)?;
        let mut text_of = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) | None => Err(NoLine::Form),
        };
        let (time, event) = (text_of("time")?, text_of("event")?);
        let (previous, hash) = (text_of("previous")?, text_of("hash")?);
        let sequence = fields
            .remove("sequence")
            .and_then(|number| number.as_u64())
            .ok_or(NoLine::Form)?;
        if rest != format!("{hash}\"}}") {
            return Err(NoLine::Form);
        }
        if to_hex(&sha256(hashed.as_bytes())) != hash {
            return Err(NoLine::Changed);
        }
        Ok(ReadLine {
            sequence,
            time,
            event,
            fields,
            previous,
            hash,
        })
    }

    /// What the next line leads on from.
    pub(crate) fn link(&self) -> Link {
        Link {
            sequence: self.sequence,
            hash: self.hash.clone(),
        }
    }
}

/// May these octets be the beginning of the line with this sequence, or with any?  Some file systems leave zeros behind it,
/// or in its place, after a power cut.
pub(crate) fn may_be_cut_off(octets: &[u8], sequence: Option<u64>) -> bool {
    let zeros = octets.iter().rev().take_while(|octet| **octet == 0).count();
    let written = &octets[..octets.len() - zeros];
    let begins = match sequence {
        Some(sequence) => format!("{{\"sequence\":{sequence},"),
        None => "{\"sequence\":".to_owned(),
    };
    let is_begun = written
        .iter()
        .zip(begins.as_bytes())
        .all(|(one, other)| one == other);
    !octets.is_empty() && is_begun && written.iter().all(|octet| matches!(octet, b' '..=b'~'))
}

/// Between what is hashed and the hash.
const HASH_KEY: &str = ",\"hash\":\"";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(subject: &str) -> Entry {
        let time = Time::from_unix(1_800_000_000);
        Entry::new(
            time,
            "issued",
            [("subject", json!(subject)), ("ticket", Value::Null)],
        )
    }

    #[test]
    fn lines_are_numbered_and_lead_on_from_each_other() {
        let mut link = Link::none();
        let [first, second] = ["one", "two"].map(|subject| link.write(&entry(subject)));
        let [first, second] =
            [first, second].map(|line| ReadLine::parse(line.trim_end().as_bytes()).unwrap());
        assert_eq!((first.sequence, second.sequence), (1, 2));
        assert_eq!(first.previous, Link::none().hash);
        assert_eq!(second.previous, first.hash);
        assert_eq!(second.link(), link);
        assert_eq!(second.event, "issued");
        assert_eq!(Value::from(second.fields), json!({"subject": "two"}));
    }

    #[test]
    fn no_name_breaks_a_line_or_leaves_ascii() {
        let hostile = "a\nb\r\u{1b}[2J\u{85}\u{2028}\u{202e}\"},\"hash\":\"x\u{1f600}\\";
        let line = Link::none().write(&entry(hostile));
        let body = line.strip_suffix('\n').unwrap();
        assert!(body.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
        let read = ReadLine::parse(body.as_bytes()).unwrap();
        assert_eq!(read.fields["subject"], json!(hostile));
    }

    #[test]
    fn every_changed_octet_is_seen() {
        let line = Link::none().write(&entry("one"));
        let line = line.trim_end().as_bytes();
        for at in 0..line.len() {
            let mut changed = line.to_owned();
            changed[at] ^= 1;
            assert!(ReadLine::parse(&changed).is_err(), "octet {at}");
        }
    }
}
