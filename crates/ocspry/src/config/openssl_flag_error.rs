//! What is wrong with a line of `ocspry ocsp`, and what to write instead.  From: `openssl_flags`.  To: `cmd::ocsp`.

use std::ffi::OsString;
use std::io;

/// Why a command line is none of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpensslFlagError {
    /// Somebody wants to read.
    #[error("help was asked for")]
    Help,
    /// Not a flag at all.
    #[error("`{word}` is no flag, and no flag before it takes a value")]
    Stray { word: String },
    /// A flag that neither OpenSSL nor we know.
    #[error("there is no flag -{flag}")]
    Unknown {
        flag: String,
        suggestion: Option<String>,
    },
    /// A flag of the client.
    #[error("-{flag} is a flag of the client side of `openssl ocsp`, and this is the responder")]
    Client { flag: String, has_index: bool },
    /// A flag of the responder that is not there, and why.
    #[error("-{flag} is not there: {why}")]
    Refused { flag: String, why: &'static str },
    /// A flag without its value.
    #[error("-{flag} needs a value")]
    NoValue { flag: String },
    /// A switch with a value.
    #[error("-{flag} takes no value")]
    StrayValue { flag: String },
    /// Something that must be there.
    #[error("-{flag} is missing: a responder needs -index, -port, -rsigner and -CA")]
    Missing { flag: &'static str },
    /// Not a number, or one out of range.
    #[error("-{flag} takes a whole number from {min} to {max}, and not `{text}`")]
    Number {
        flag: &'static str,
        text: String,
        min: u64,
        max: u64,
    },
    /// A hash that signatures are not made with.
    #[error("-rmd {text}: answers are signed with sha256, sha384 or sha512")]
    Hash { text: String },
    /// A parameter of the signature.
    #[error(
        "-rsigopt {text}: answers are signed with PKCS#1 v1.5 padding, ECDSA or Ed25519, without options"
    )]
    SignatureOption { text: String },
    /// A passphrase in sight of everybody.
    #[error(
        "-passin pass: shows the passphrase to everybody who lists the processes of this machine"
    )]
    PassphraseInSight,
    /// Another source than the known ones.
    #[error("-passin names no source that is known")]
    PassphraseSource,
    /// It cannot be read.
    #[error("the passphrase cannot be read from {place}: {source}")]
    PassphraseUnreadable { place: String, source: io::Error },
    /// It is empty, or not there.
    #[error("there is no passphrase in {place}: its first line is empty")]
    PassphraseEmpty { place: String },
}

impl OpensslFlagError {
    /// What to do about it; `arguments` is the whole line, behind `ocsp`.
    pub(crate) fn help(&self, arguments: &[OsString]) -> Option<String> {
        match self {
            OpensslFlagError::Client { flag: _, has_index: true } => {
                Some("leave it out: the responder does not look at it".to_owned())
            }
            OpensslFlagError::Client { flag: _, has_index: false } => Some(format!(
                "ask with the stock tool: openssl ocsp {}",
                shell_line(arguments)
            )),
            OpensslFlagError::Unknown { flag: _, suggestion } => {
                suggestion.as_ref().map(|name| format!("did you mean -{name}?"))
            }
            OpensslFlagError::PassphraseInSight | OpensslFlagError::PassphraseSource => Some(
                "give it as -passin file:FILE, fd:NUMBER, env:VARIABLE or stdin".to_owned(),
            ),
            OpensslFlagError::Missing { flag: _ } => Some(
                "for example: ocspry ocsp -index index.txt -port 8888 -rsigner ocsp.pem -rkey ocsp.key -CA ca.crt"
                    .to_owned(),
            ),
            OpensslFlagError::Help
            | OpensslFlagError::Stray { word: _ }
            | OpensslFlagError::Refused { flag: _, why: _ }
            | OpensslFlagError::NoValue { flag: _ }
            | OpensslFlagError::StrayValue { flag: _ }
            | OpensslFlagError::Number { flag: _, text: _, min: _, max: _ }
            | OpensslFlagError::Hash { text: _ }
            | OpensslFlagError::SignatureOption { text: _ }
            | OpensslFlagError::PassphraseUnreadable { place: _, source: _ }
            | OpensslFlagError::PassphraseEmpty { place: _ } => None,
        }
    }
}

/// The line as it can be pasted into a shell.
fn shell_line(arguments: &[OsString]) -> String {
    let quote = |word: &OsString| {
        let word = word.to_string_lossy();
        let is_plain =
            |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}
