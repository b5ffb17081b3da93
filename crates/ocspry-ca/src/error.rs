//! Why a key, a certificate, a CRL or a file could not be made.  From: this crate.  To: the operator, one line each.

use crate::{AltNameProblem, IndexProblem, KeyAlgorithm, KeyUse, Profile, SubjectProblem};
use ocspry_core::SignError;
use ocspry_signer::{KeyError, KeyKind};
use ocspry_wire::{DerError, Time};
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
    /// No kind of key has this name.
    #[error(
        "there is no kind of key {name:?}; choose one of {}",
        KeyAlgorithm::ALL.map(|algorithm| algorithm.to_string()).join(", ")
    )]
    UnknownKeyAlgorithm {
        /// What was given.
        name: String,
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
    /// A subject that was typed is none.
    #[error("the subject {text:?} is wrong at character {character}: {problem}")]
    Subject {
        /// What was given.
        text: String,
        /// Where, counted from 1.
        character: usize,
        /// What is wrong there.
        problem: SubjectProblem,
    },
    /// A subject that somebody asks for, or has, cannot be shown to people.
    #[error(
        "the subject {name} has a part that is empty, no text, or holds control characters; give the subject yourself"
    )]
    SubjectDer {
        /// As far as it can be shown.
        name: String,
    },
    /// An alternative name that was typed is none.
    #[error("{text:?} is no alternative name: {problem}")]
    AltName {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: AltNameProblem,
    },
    /// A name constraint that was typed is none.
    #[error(
        "{text:?} is no name constraint; write DNS:example.com, email:example.com, IP:192.0.2.0/24, URI:example.com \
         or dirName:/O=Example"
    )]
    NameSubtree {
        /// What was given.
        text: String,
    },
    /// A name that the readers of such a certificate look for is missing.
    #[error("a certificate of the profile {profile} needs {missing}")]
    MissingName {
        /// The profile.
        profile: &'static str,
        /// What it lacks.
        missing: &'static str,
    },
    /// A name that the CA's own certificate does not allow below it.
    #[error(
        "the certificate of {issuer} does not permit {name} below it (nameConstraints); clients would refuse it"
    )]
    NameNotPermitted {
        /// The name.
        name: String,
        /// The issuer's subject.
        issuer: String,
    },
    /// Not an HTTP URL.
    #[error(
        "{url:?} is not a URL that clients can ask: it must start with http:// and be ASCII without spaces"
    )]
    PointerUrl {
        /// What was given.
        url: String,
    },
    /// No profile has this name.
    #[error("there is no profile {name:?}; choose one of {}", Profile::NAMES.join(", "))]
    UnknownProfile {
        /// What was given.
        name: String,
    },
    /// No bit of keyUsage has this name, or it is a CA's alone.
    #[error(
        "{name:?} is no keyUsage that can be given; choose from {}",
        KeyUse::ALL.map(KeyUse::name).join(", ")
    )]
    UnknownKeyUse {
        /// What was given.
        name: String,
    },
    /// No extKeyUsage has this name.
    #[error("{name:?} is no extKeyUsage known here, such as serverAuth, and no object identifier")]
    UnknownPurpose {
        /// What was given.
        name: String,
    },
    /// An extension that cannot be given so.
    #[error("the extension {oid} cannot be added: {why}")]
    RawExtension {
        /// Its OID.
        oid: String,
        /// Why not.
        why: &'static str,
    },
    /// Not a SubjectPublicKeyInfo.
    #[error("the public key to certify is not a DER SubjectPublicKeyInfo")]
    PublicKey,
    /// The numbers of a public key are not those of a key.
    #[error("the public key to certify ({kind}) is not valid: its numbers are not those of a key")]
    InvalidPublicKey {
        /// What kind of key it claims to be.
        kind: KeyKind,
    },
    /// An RSA key that is too short to be safe, or too long to be used.
    #[error(
        "the RSA key to certify has {bits} bits; {bits_min} to {bits_max} are allowed: make a new key"
    )]
    RsaSize {
        /// Bits of its modulus.
        bits: usize,
        /// Fewest that are certified.
        bits_min: usize,
        /// Most that are certified.
        bits_max: usize,
    },
    /// A kind of key, or a curve, that is not certified.
    #[error(
        "a key {what} {algorithm} is not certified here; use RSA, P-256, P-384, P-521 or Ed25519"
    )]
    UnknownPublicKey {
        /// Whether it is about the curve.
        what: &'static str,
        /// Its OID.
        algorithm: String,
    },
    /// An EC key whose curve is spelled out as numbers.
    #[error("the EC key to certify spells out its curve instead of naming it; make a new key")]
    UnnamedCurve,
    /// A certification request that is too long to be one.
    #[error("this has more than {octets_max} octets, too many for a certification request")]
    RequestTooLong {
        /// Most octets that are read.
        octets_max: usize,
    },
    /// A PEM block that is damaged.
    #[error("line {line} breaks the PEM block it stands in; copy the whole file again")]
    RequestPem {
        /// The line, counted from 1.
        line: usize,
    },
    /// PEM, but of something else.
    #[error("this holds no certification request{}", found_instead(.found))]
    NoRequest {
        /// What it holds first.
        found: Option<String>,
    },
    /// Several requests in one file.
    #[error("this holds several certification requests; give them one by one")]
    SeveralRequests,
    /// Not a CertificationRequest.
    #[error("this is no certification request (PKCS#10): {source}")]
    MalformedRequest {
        /// Where and what.
        source: DerError,
    },
    /// The request is signed in a way that is not known here.
    #[error(
        "the certification request is signed with an algorithm that is not known here, or does not fit its key; \
         make it anew with SHA-256"
    )]
    RequestAlgorithm,
    /// The request's maker has not shown to have the private key.
    #[error(
        "the signature of the certification request is wrong: it was changed, or made with another key"
    )]
    RequestSignature,
    /// The alternative names in a request cannot be taken.
    #[error(
        "the alternative names in the certification request cannot be read, are too many, or of a kind that is not \
         taken; give the names yourself"
    )]
    RequestedNames,
    /// A serial number that may not be issued (RFC 5280 §4.1.2.2).
    #[error(
        "the serial number {serial} cannot be issued: it must be positive and have 20 octets at most"
    )]
    SerialNumber {
        /// In hex.
        serial: String,
    },
    /// A certificate that would outlive its issuer.
    #[error(
        "the certificate would end at {not_after}, but its issuer {issuer} ends at {issuer_not_after}; ask for less, \
         or renew the issuer"
    )]
    BeyondIssuer {
        /// When it would end.
        not_after: Time,
        /// The issuer's subject.
        issuer: String,
        /// When the issuer ends.
        issuer_not_after: Time,
    },
    /// A certificate that has ended when it begins.
    #[error("the certificate would end at {not_after}, which is not after {now}")]
    ExpiryPast {
        /// When it would end.
        not_after: Time,
        /// Now.
        now: Time,
    },
    /// A certificate that cannot be renewed, because it says what is not issued here.
    #[error(
        "the certificate of {subject} cannot be renewed: it has {what}, which is not issued here"
    )]
    NotIssued {
        /// Its subject.
        subject: String,
        /// What it says.
        what: &'static str,
    },
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
    /// A delta whose base is not before it.
    #[error("the delta CRL {number} cannot be based on {base}: its number must be higher")]
    DeltaNumber {
        /// Its number.
        number: u64,
        /// That of the complete list it builds upon.
        base: u64,
    },
    /// A list that is longer than DER elements are here.
    #[error("the CRL would be longer than {octets_max} octets")]
    CrlTooLong {
        /// Most octets of a list.
        octets_max: usize,
    },
    /// One serial number twice in a CRL.
    #[error("the serial number {serial} is in the revocation list twice")]
    DuplicateSerial {
        /// In hex.
        serial: String,
    },
    /// An index could not be read.
    #[error("the index cannot be read: {source}")]
    IndexUnreadable {
        /// What the operating system said.
        source: io::Error,
    },
    /// A line of an index is none.
    #[error("line {line} {problem}")]
    IndexLine {
        /// Which, counted from 1.
        line: u64,
        /// What is wrong with it.
        problem: IndexProblem,
    },
    /// A subject that is no Name cannot be written into an index.
    #[error("the subject of the certificate {serial} is no name: {source}")]
    IndexSubject {
        /// Its serial number, in hex.
        serial: String,
        /// Where and what.
        source: DerError,
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

fn found_instead(found: &Option<String>) -> String {
    match found {
        Some(label) => format!(", but {:?}", label.escape_debug().to_string()),
        None => String::new(),
    }
}
