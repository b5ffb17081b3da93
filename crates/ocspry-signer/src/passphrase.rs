//! The passphrase of an encrypted key: read from a file, wiped when dropped, never printed.  To: `decrypt.rs`.

use crate::{KeyError, read_regular_file};
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// Most octets of a passphrase.
const OCTETS_MAX: usize = 4096;

/// What opens an encrypted key.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes the first line of a file, without its line end (`\n` or `\r\n`); the rest is not looked at.
    ///
    /// # Errors
    /// When the file cannot be read, or its first line is empty or has more than 4096 octets.
    pub fn from_file(path: &Path) -> Result<Passphrase, KeyError> {
        // A longest passphrase and its line end.
        let mut text = read_regular_file(path, OCTETS_MAX as u64 + 2)
            .map_err(|source| KeyError::PassphraseUnreadable {
                path: path.to_owned(),
                source,
            })?
            .content;

        let line_length = text
            .iter()
            .position(|octet| *octet == b'\n')
            .unwrap_or(text.len());
        text.truncate(line_length);
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        if text.is_empty() {
            return Err(KeyError::PassphraseEmpty {
                path: path.to_owned(),
            });
        }
        if text.len() > OCTETS_MAX {
            return Err(KeyError::PassphraseTooLong {
                path: path.to_owned(),
                octets_max: OCTETS_MAX as u64,
            });
        }
        Ok(Passphrase(text))
    }

    /// Takes the first line of what `input` gives, and reads nothing behind it: a descriptor, a terminal, a variable.
    /// None: the line is empty.
    ///
    /// # Errors
    /// When it cannot be read, or the line has more than 4096 octets.
    pub fn from_line(mut input: impl Read) -> io::Result<Option<Passphrase>> {
        // All the room at once: a buffer that grows leaves copies behind.
        let mut line = Zeroizing::new(Vec::with_capacity(OCTETS_MAX + 2));
        let mut octet = Zeroizing::new([0]);
        while input.read(octet.as_mut_slice())? > 0 && octet[0] != b'\n' {
            if line.len() > OCTETS_MAX {
                let problem = format!("its first line has more than {OCTETS_MAX} octets");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
            }
            line.push(octet[0]);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok((!line.is_empty()).then_some(Passphrase(line)))
    }

    /// Takes octets that are in memory already.
    pub fn from_bytes(octets: Zeroizing<Vec<u8>>) -> Passphrase {
        Passphrase(octets)
    }

    /// The octets, for key derivation.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_with(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn the_first_line_counts_without_its_line_end() {
        for content in ["secret", "secret\n", "secret\r\n", "secret\nother\n"] {
            let file = file_with(content.as_bytes());
            assert_eq!(
                Passphrase::from_file(file.path()).unwrap().octets(),
                b"secret",
                "{content:?}"
            );
        }
    }

    #[test]
    fn spaces_and_high_octets_belong_to_the_passphrase() {
        let file = file_with(b" p\xc3\xa4ss \n");
        assert_eq!(
            Passphrase::from_file(file.path()).unwrap().octets(),
            b" p\xc3\xa4ss "
        );
    }

    #[test]
    fn an_empty_first_line_is_refused() {
        for content in [&b""[..], b"\n", b"\r\nsecret\n"] {
            let file = file_with(content);
            let error = Passphrase::from_file(file.path()).unwrap_err();
            assert!(matches!(error, KeyError::PassphraseEmpty { .. }), "{error}");
        }
    }

    #[test]
    fn the_longest_passphrase_has_4096_octets() {
        let longest = vec![b'x'; OCTETS_MAX];
        for end in ["", "\n", "\r\n", "\nnext line\n"] {
            let file = file_with(&[&longest[..], end.as_bytes()].concat());
            assert_eq!(
                Passphrase::from_file(file.path()).unwrap().octets(),
                longest,
                "{end:?}"
            );
        }
        let file = file_with(&[&longest[..], b"x\n"].concat());
        let error = Passphrase::from_file(file.path()).unwrap_err();
        assert!(
            matches!(error, KeyError::PassphraseTooLong { .. }),
            "{error}"
        );
    }

    #[test]
    fn a_line_of_a_stream_counts_without_its_end_and_leaves_the_rest_unread() {
        let mut stream = &b"secret\r\nother\n"[..];
        let first = Passphrase::from_line(&mut stream).unwrap().unwrap();
        assert_eq!(first.octets(), b"secret");
        assert_eq!(stream, b"other\n");
        let last = Passphrase::from_line(&b"no end"[..]).unwrap().unwrap();
        assert_eq!(last.octets(), b"no end");
        for empty in [&b""[..], b"\n", b"\r\nx"] {
            assert!(Passphrase::from_line(empty).unwrap().is_none(), "{empty:?}");
        }
        let longest = [b'x'; OCTETS_MAX + 2];
        assert!(Passphrase::from_line(&longest[..OCTETS_MAX]).is_ok());
        let error = Passphrase::from_line(&longest[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_missing_passphrase_file_is_named() {
        let error = Passphrase::from_file(Path::new("no/such/passphrase")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no/such/passphrase: cannot read the passphrase file"),
            "{error}"
        );
    }

    #[test]
    fn debug_does_not_print_the_passphrase() {
        let passphrase = Passphrase::from_bytes(Zeroizing::new(b"hunter2".to_vec()));
        assert_eq!(format!("{passphrase:?}"), "Passphrase(..)");
    }
}
