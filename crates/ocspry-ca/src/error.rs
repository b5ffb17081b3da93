//! Why a key, a certificate, a CRL or a file could not be made.  From: this crate.  To: the operator, one line each.

use crate::KeyAlgorithm;
use ocspry_core::SignError;
use ocspry_signer::KeyError;
use ocspry_wire::Time;
use std::io;
use std::path::PathBuf;

/// Why the CA could not do it.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The CA's key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The signature that was just made does not verify: memory or crypto library are faulty.
    #[error(
        "the CA's own signature does not verify; nothing was issued: check this machine's memory"
    )]
    SignatureFault,
    /// No key was made.
    #[error("the crypto library could not make a key ({algorithm})")]
    KeyGeneration {
        /// What was asked for.
        algorithm: KeyAlgorithm,
    },
    /// No random octets.
    #[error("the operating system gave no random octets")]
    Random,
    /// Something cannot be written as DER.
    #[error("{what} cannot be encoded: {source}")]
    Encode {
        /// Which part.
        what: &'static str,
        /// What the encoder said.
        source: der::Error,
    },
    /// What was just issued cannot be read back.
    #[error(
        "the certificate that was made breaks a rule of DER at octet {offset}; nothing was issued"
    )]
    NotReadable {
        /// Octets from its start.
        offset: usize,
    },
    /// A part of the subject's name is empty or too long (RFC 5280 Appendix A, upper bounds).
    #[error(
        "{field} of the subject has {characters} characters; 1 to {characters_max} are allowed"
    )]
    SubjectField {
        /// commonName or organizationName.
        field: &'static str,
        /// How many characters were given.
        characters: usize,
        /// Most that are allowed.
        characters_max: usize,
    },
    /// A server certificate without any name that clients compare.
    #[error("a server certificate needs at least one DNS name or IP address")]
    NoServerName,
    /// Not a DNS name.
    #[error(
        "{name:?} is not a DNS name: letters, digits, '-' and '.', at most 253 of them, '*.' in front if at all"
    )]
    DnsName {
        /// What was given.
        name: String,
    },
    /// Not an HTTP URL.
    #[error(
        "{url:?} is not a URL that clients can ask: it must start with http:// and be ASCII without spaces"
    )]
    OcspUrl {
        /// What was given.
        url: String,
    },
    /// Not a SubjectPublicKeyInfo.
    #[error("the public key to certify is not a DER SubjectPublicKeyInfo")]
    PublicKey,
    /// The CA's certificate has an extension that cannot be read.
    #[error("the certificate of {issuer} cannot issue: {what} cannot be read: {source}")]
    IssuerExtension {
        /// The CA's subject.
        issuer: String,
        /// Which extension.
        what: &'static str,
        /// What the decoder said.
        source: der::Error,
    },
    /// Not a CA certificate.
    #[error(
        "the certificate of {issuer} is not a CA certificate (basicConstraints); it cannot issue"
    )]
    NotACa {
        /// Its subject.
        issuer: String,
    },
    /// keyUsage does not allow it.
    #[error("the certificate of {issuer} does not allow this: its keyUsage lacks {missing}")]
    KeyUsage {
        /// Its subject.
        issuer: String,
        /// The bit that is not set.
        missing: &'static str,
    },
    /// Another key than the one in the certificate.
    #[error("the private key does not belong to the certificate of {issuer}")]
    KeyMismatch {
        /// The certificate's subject.
        issuer: String,
    },
    /// The path length of the issuer leaves no room.
    #[error(
        "the certificate of {issuer} allows {path_len} CAs below it; this one cannot be issued"
    )]
    PathLength {
        /// The issuer's subject.
        issuer: String,
        /// Its pathLenConstraint.
        path_len: u8,
    },
    /// The CA certificate is not valid at this time.
    #[error(
        "the certificate of {issuer} is valid from {not_before} to {not_after}, and it is {now}; it cannot issue"
    )]
    IssuerNotValid {
        /// Its subject.
        issuer: String,
        /// First second of its validity.
        not_before: Time,
        /// Last second of its validity.
        not_after: Time,
        /// Now.
        now: Time,
    },
    /// A list that is due before it is made.
    #[error("nextUpdate {next_update} is not after {now}")]
    NextUpdatePast {
        /// When the next list is due.
        next_update: Time,
        /// Now.
        now: Time,
    },
    /// One serial number twice in a CRL.
    #[error("the serial number {serial} is in the revocation list twice")]
    DuplicateSerial {
        /// In hex.
        serial: String,
    },
    /// A file could not be written.
    #[error("{path}: cannot write the file: {source}", path = .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}
