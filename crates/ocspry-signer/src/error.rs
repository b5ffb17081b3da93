//! Why a key file cannot be used, and what is merely worth saying.  From: this crate.  To: the operator, one line each.
//!
//! Every message names the file, says what is in it, and what to do; none carries a passphrase or an octet of a key.

use std::io;
use std::path::PathBuf;

/// Why a private key, or the passphrase for it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system did not let us read the file.
    #[error("{path}: cannot read the private key: {source}", path = .path.display())]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is far larger than a key can be.
    #[error(
        "{path}: the file has more than {octets_max} octets, too many for a private key; name the key file",
        path = .path.display()
    )]
    TooLarge {
        /// The key file.
        path: PathBuf,
        /// Most octets that are read.
        octets_max: u64,
    },
    /// The file holds nothing.
    #[error("{path}: the file is empty; it must hold a private key in PEM or DER", path = .path.display())]
    Empty {
        /// The key file.
        path: PathBuf,
    },
    /// The file ends in the middle of the key.
    #[error(
        "{path}: the file ends in the middle of the private key; copy the whole file again",
        path = .path.display()
    )]
    Truncated {
        /// The key file.
        path: PathBuf,
    },
    /// A PEM block whose body is not base64, or whose END line does not fit.
    #[error(
        "{path}: line {line} breaks the PEM block it stands in; copy the whole file again",
        path = .path.display()
    )]
    BrokenPem {
        /// The key file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// Something else than a private key.
    #[error("{path}: {found}", path = .path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        found: NotAKey,
    },
    /// More than one private key.
    #[error(
        "{path}: the file holds {count} private keys and it is not said which one signs; keep one key per file",
        path = .path.display()
    )]
    SeveralKeys {
        /// The key file.
        path: PathBuf,
        /// How many it holds.
        count: usize,
    },
    /// The outer form is that of a key, the inside is not.
    #[error(
        "{path}: the private key is damaged at octet {offset} of its DER; restore the file from its backup",
        path = .path.display()
    )]
    Malformed {
        /// The key file.
        path: PathBuf,
        /// Octets from the start of the key's DER.
        offset: usize,
    },
    /// The parts of the key do not belong together, or break a rule of its kind.
    #[error(
        "{path}: the {kind} private key is not valid ({reason}); restore the file from its backup",
        path = .path.display()
    )]
    Rejected {
        /// The key file.
        path: PathBuf,
        /// What kind of key it claims to be.
        kind: &'static str,
        /// What the crypto library said.
        reason: String,
    },
    /// RSA with a modulus that is too short or too long.
    #[error(
        "{path}: this RSA key has {bits} bits; keys of 2048 to 4096 bits can sign here: make a new key \
         and have its certificate issued again",
        path = .path.display()
    )]
    RsaSize {
        /// The key file.
        path: PathBuf,
        /// Bits of its modulus.
        bits: usize,
    },
    /// A kind of key, or a curve, that does not sign here.
    #[error(
        "{path}: {algorithm} cannot sign here; use a key on P-256, P-384 or P-521, Ed25519, or RSA",
        path = .path.display()
    )]
    Unsupported {
        /// The key file.
        path: PathBuf,
        /// The kind of key, by name or object identifier.
        algorithm: String,
    },
    /// An EC key whose curve is spelled out as numbers.
    #[error(
        "{path}: the key spells out its curve instead of naming it; run: \
         openssl ec -in {path} -param_enc named_curve -out NEW.key",
        path = .path.display()
    )]
    UnnamedCurve {
        /// The key file.
        path: PathBuf,
    },
    /// An EC key that says nothing of its curve.
    #[error(
        "{path}: the EC key does not say which curve it is on; put its EC PARAMETERS block in front of it",
        path = .path.display()
    )]
    MissingCurve {
        /// The key file.
        path: PathBuf,
    },
    /// Encrypted in a way that is too weak to be read here.
    #[error(
        "{path}: the key is encrypted in an old way ({scheme}); convert it: \
         openssl pkcs8 -topk8 -in {path}{inform} -out NEW.key",
        path = .path.display(),
        inform = if *.der { " -inform DER" } else { "" }
    )]
    OldEncryption {
        /// The key file.
        path: PathBuf,
        /// The scheme, by name or object identifier.
        scheme: String,
        /// The file is DER, which openssl must be told.
        der: bool,
    },
    /// PBES2 with a cipher or a key derivation that is not known here.
    #[error(
        "{path}: the key is encrypted with an algorithm that is not known here; convert it: \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -in {path}{inform} -out NEW.key",
        path = .path.display(),
        inform = if *.der { " -inform DER" } else { "" }
    )]
    UnknownEncryption {
        /// The key file.
        path: PathBuf,
        /// The file is DER, which openssl must be told.
        der: bool,
    },
    /// Deriving the key that opens the file would take too long or too much memory.
    #[error(
        "{path}: opening the key takes {cost} steps of {kdf}, more than the {cost_max} allowed; convert it: \
         openssl pkcs8 -topk8 -iter 600000 -in {path}{inform} -out NEW.key",
        path = .path.display(),
        inform = if *.der { " -inform DER" } else { "" }
    )]
    CostlyEncryption {
        /// The key file.
        path: PathBuf,
        /// The key derivation function.
        kdf: &'static str,
        /// Iterations of PBKDF2; N·r·p of scrypt.
        cost: u64,
        /// Most that are done.
        cost_max: u64,
        /// The file is DER, which openssl must be told.
        der: bool,
    },
    /// Encrypted, and no passphrase was given.
    #[error("{path}: the key is encrypted; give the file that holds its passphrase", path = .path.display())]
    PassphraseMissing {
        /// The key file.
        path: PathBuf,
    },
    /// The passphrase does not open the key.
    #[error(
        "{path}: the passphrase does not open this key; check the first line of the passphrase file",
        path = .path.display()
    )]
    PassphraseWrong {
        /// The key file.
        path: PathBuf,
    },
    /// A key that was made here cannot be put under a passphrase that is empty.
    #[error("an empty passphrase protects nothing; give another, or leave the key without one")]
    PassphraseForNewKeyEmpty,
    /// A key that was made here was not put under its passphrase.
    #[error("the crypto library could not encrypt the private key; it was not written")]
    NotEncrypted,
    /// The operating system did not let us read the passphrase file.
    #[error("{path}: cannot read the passphrase file: {source}", path = .path.display())]
    PassphraseUnreadable {
        /// The passphrase file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The passphrase file starts with an empty line, or holds nothing.
    #[error("{path}: the first line is empty; the passphrase must stand there", path = .path.display())]
    PassphraseEmpty {
        /// The passphrase file.
        path: PathBuf,
    },
    /// The passphrase file's first line does not end.
    #[error(
        "{path}: the first line has more than {octets_max} octets, too many for a passphrase",
        path = .path.display()
    )]
    PassphraseTooLong {
        /// The passphrase file.
        path: PathBuf,
        /// Most octets of a passphrase.
        octets_max: u64,
    },
}

/// What a file holds instead of a private key, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// Certificates only.
    #[error("this is a certificate, not a private key; name the file that holds its private key")]
    Certificate,
    /// A certificate request.
    #[error(
        "this is a certificate request, not a private key; name the file that holds its private key"
    )]
    CertificateRequest,
    /// A CRL.
    #[error("this is a CRL, not a private key; name the file that holds the private key")]
    Crl,
    /// DER with a signature around it: a certificate, a request or a CRL.
    #[error(
        "this is something signed (a certificate, a request or a CRL), not a private key; \
         name the file that holds the private key"
    )]
    SignedObject,
    /// A public key.
    #[error("this is a public key; name the file that holds the private key")]
    PublicKey,
    /// Curve parameters without a key.
    #[error(
        "this holds the parameters of a curve but no private key; name the file that holds the key"
    )]
    EcParameters,
    /// A key in the form that OpenSSH writes.
    #[error(
        "this is a key in OpenSSH's own form; make a copy of it and convert the copy: ssh-keygen -p -m PKCS8 -f COPY"
    )]
    OpenSsh,
    /// A PKCS#12 key store.
    #[error(
        "this is a PKCS#12 key store; take the key out of it: openssl pkcs12 -in KEYSTORE -nocerts -out NEW.key"
    )]
    Pkcs12,
    /// PEM with other labels only.
    #[error("the PEM text holds no private key; name the file that holds the private key")]
    OtherPem,
    /// Neither PEM nor DER.
    #[error("this is neither PEM nor DER; a private key in one of the two belongs here")]
    Unrecognized,
}

/// What is worth saying of a key that works all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyWarning {
    /// Every user of the machine may read the key.
    #[error(
        "{path}: every user of this machine can read this private key (mode {mode:04o}); run: chmod 600 {path}",
        path = .path.display()
    )]
    ReadableByOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A passphrase was given for a key that is not encrypted.
    #[error("{path}: this private key is not encrypted; the passphrase given for it is not used", path = .path.display())]
    PassphraseNotUsed {
        /// The key file.
        path: PathBuf,
    },
}
