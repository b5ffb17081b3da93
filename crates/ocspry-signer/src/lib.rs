//! Private keys that sign answers, read from files: PEM or DER in, a `core::Signer` out (layer 2).
//!
//! START HERE: `file.rs`, the way of a key from its path to its signatures.  It reads the file, `encoding.rs` finds the
//! one key in it and tells the formats apart, `decrypt.rs` opens an encrypted one, `key_pair.rs` checks the key and
//! signs with it; `encrypt.rs` puts a key that was made here under a passphrase.  `regular_file.rs` reads what an operator named without ever waiting for it; other readers use it too.

mod decrypt;
mod encoding;
mod encrypt;
mod error;
mod file;
mod key_pair;
mod passphrase;
mod regular_file;

pub use error::{KeyError, KeyWarning, NotAKey};
pub use file::FileSigner;
pub use key_pair::KeyKind;
pub use passphrase::Passphrase;
pub use regular_file::{RegularFile, read_regular_file, read_regular_file_of_others};
