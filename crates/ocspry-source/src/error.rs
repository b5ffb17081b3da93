//! Why a source cannot be used, for the operator: what, where, and what to do.  From: every module here.  To: the log.
//!
//! A source that failed says nothing about any certificate; whoever gets one of these keeps what is in use.  The
//! errors are `Clone`, so that a problem can be reported when it appears and still be known at the next look.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_wire::Time;
use ocspry_wire::der::DerErrorKind;

use crate::crl::{CrlNumber, hex};
use crate::fetch::FetchProblem;
use crate::state::StateStep;

/// Why a CRL, or what is kept of one, cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened or read.
    #[error("CRL {path}: cannot be read: {source}; check the path and its permissions")]
    Read {
        /// The CRL.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A directory, a pipe, a device.
    #[error("CRL {path}: is {found}, not a file; name the CRL file itself")]
    NotAFile {
        /// The CRL.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// More octets than are read.
    #[error("CRL {path}: has {bytes} octets, more than the limit of {bytes_max}; is it a CRL?")]
    TooLarge {
        /// The CRL.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// `SourceLimits::crl_bytes_max`.
        bytes_max: u64,
    },
    /// No octets at all.
    #[error(
        "CRL {path}: is empty; write the whole list to another name, then rename it to this one"
    )]
    Empty {
        /// The CRL.
        path: PathBuf,
    },
    /// It has a PEM header but is not PEM.
    #[error("CRL {path}: line {line}: {problem}; was the file copied completely?")]
    Pem {
        /// The CRL.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// PEM without a CRL in it.
    #[error("CRL {path}: holds {found}, but no \"X509 CRL\" block; name the file with the CRL")]
    NoCrlBlock {
        /// The CRL.
        path: PathBuf,
        /// The labels that are there.
        found: String,
    },
    /// More than one CRL.
    #[error("CRL {path}: holds {count} CRLs; give each its own file")]
    SeveralCrls {
        /// The CRL.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// A certificate where a CRL should be.
    #[error(
        "CRL {path}: is the certificate of {subject}, not a CRL; name the CRL that this CA publishes"
    )]
    Certificate {
        /// The CRL.
        path: PathBuf,
        /// Whose certificate.
        subject: String,
    },
    /// The list ends too early.
    #[error(
        "CRL {path}: is cut off: the element at octet {offset} goes on past the end of the list ({der_bytes} octets); \
         was the file copied completely?"
    )]
    Truncated {
        /// The CRL.
        path: PathBuf,
        /// Octets from the start of the DER.
        offset: usize,
        /// Octets that are there.
        der_bytes: usize,
    },
    /// Not a CertificateList (RFC 5280 §5.1).
    #[error(
        "CRL {path}: is not a CRL: at octet {offset}: {kind}; check it with: openssl crl -in {path} -noout -text"
    )]
    Malformed {
        /// The CRL.
        path: PathBuf,
        /// Octets from the start of the DER.
        offset: usize,
        /// What is wrong there.
        kind: DerErrorKind,
    },
    /// signatureAlgorithm outside and inside differ (RFC 5280 §5.1.1.2).
    #[error("CRL {path}: names two different signature algorithms; ask the CA for a correct list")]
    AlgorithmMismatch {
        /// The CRL.
        path: PathBuf,
    },
    /// A critical extension of the list that is not understood (RFC 5280 §5.2).
    #[error(
        "CRL {path}: has the critical extension {oid}, which is not understood; such a list must not be used"
    )]
    UnknownCriticalExtension {
        /// The CRL.
        path: PathBuf,
        /// Which, dotted.
        oid: String,
    },
    /// A critical extension of an entry that is not understood (RFC 5280 §5.3).
    #[error(
        "CRL {path}: an entry has the critical extension {oid} (octet {offset}), which is not understood; such a \
         list must not be used for any certificate"
    )]
    UnknownCriticalEntryExtension {
        /// The CRL.
        path: PathBuf,
        /// Which, dotted.
        oid: String,
        /// Octets from the start of the DER.
        offset: usize,
    },
    /// A delta CRL (RFC 5280 §5.2.4).
    #[error("CRL {path}: is a delta CRL, not supported yet; name the complete CRL")]
    Delta {
        /// The CRL.
        path: PathBuf,
    },
    /// A list for some of the certificates only (RFC 5280 §5.2.5).
    #[error(
        "CRL {path}: covers only some certificates of its issuer (issuingDistributionPoint), not supported yet; name a \
         CRL that covers all"
    )]
    Partitioned {
        /// The CRL.
        path: PathBuf,
    },
    /// Entries of other issuers (RFC 5280 §5.3.3).
    #[error(
        "CRL {path}: is an indirect CRL, not supported yet; name the CRL that the CA signs itself"
    )]
    Indirect {
        /// The CRL.
        path: PathBuf,
    },
    /// A serial number longer than any that is carried.
    #[error(
        "CRL {path}: the serial number at octet {offset} is too long to be one; ask the CA for a correct list"
    )]
    SerialTooLong {
        /// The CRL.
        path: PathBuf,
        /// Octets from the start of the DER.
        offset: usize,
    },
    /// nextUpdate is not after thisUpdate.
    #[error(
        "CRL {path}: its nextUpdate {next_update} is before its thisUpdate {this_update}; ask the CA for a correct list"
    )]
    WindowReversed {
        /// The CRL.
        path: PathBuf,
        /// Its thisUpdate.
        this_update: Time,
        /// Its nextUpdate.
        next_update: Time,
    },
    /// Another CA's list.
    #[error("CRL {path}: was issued by {crl_issuer}, not by {issuer}; name the CRL of {issuer}")]
    WrongIssuer {
        /// The CRL.
        path: PathBuf,
        /// Who issued it.
        crl_issuer: String,
        /// Who should have.
        issuer: String,
    },
    /// The CA certificate has keyUsage without cRLSign (RFC 5280 §6.3.3 (f)).
    #[error(
        "CRL {path}: the certificate of {issuer} has a keyUsage without cRLSign, so this key may not sign CRLs; use the \
         CA certificate that may"
    )]
    MayNotSignCrls {
        /// The CRL.
        path: PathBuf,
        /// The CA.
        issuer: String,
    },
    /// Unknown algorithm, or one that the CA's key cannot have used.
    #[error(
        "CRL {path}: its signature algorithm ({algorithm}) is not supported or does not fit the key of {issuer}; is the \
         CA certificate the one that belongs to this CRL?"
    )]
    UnsupportedSignature {
        /// The CRL.
        path: PathBuf,
        /// The CA.
        issuer: String,
        /// The standard's word, or `unknown`.
        algorithm: &'static str,
    },
    /// Forged, damaged, or signed by another key of the same name.
    #[error(
        "CRL {path}: its signature does not verify under the key of {issuer}: the list was altered, or another key of the \
         same name signed it; do not use it before you know which"
    )]
    BadSignature {
        /// The CRL.
        path: PathBuf,
        /// The CA.
        issuer: String,
    },
    /// The last good copy is newer than the clock says it can be.
    #[error(
        "CRL {path}: its thisUpdate {this_update} is after the present time {now}; is the clock right?  If it is, and was \
         wrong before: {hint}",
        hint = forget_hint(Some(state_folder))
    )]
    FromTheFuture {
        /// The CRL.
        path: PathBuf,
        /// Its thisUpdate.
        this_update: Time,
        /// The clock's word.
        now: Time,
        /// The issuer's folder in the state directory.
        state_folder: PathBuf,
    },
    /// thisUpdate goes backwards.
    #[error(
        "CRL {path}: its thisUpdate {this_update} is before {in_use}, that of a list already used; put the newest list \
         there, or, if the CA itself went back: {hint}",
        hint = forget_hint(state_folder.as_deref())
    )]
    Older {
        /// The CRL.
        path: PathBuf,
        /// Its thisUpdate.
        this_update: Time,
        /// The newest thisUpdate used so far.
        in_use: Time,
        /// The issuer's folder in the state directory, if there is one.
        state_folder: Option<PathBuf>,
    },
    /// cRLNumber goes backwards.
    #[error(
        "CRL {path}: its number {number} is below {in_use}, that of a list already used (thisUpdate {this_update}); {hint}",
        hint = lower_number_hint(*held_until)
    )]
    LowerNumber {
        /// The CRL.
        path: PathBuf,
        /// Its thisUpdate.
        this_update: Time,
        /// Its cRLNumber.
        number: CrlNumber,
        /// The number used so far.
        in_use: CrlNumber,
        /// The list is newer by its thisUpdate: it is looked at again when the one in use has run out.
        held_until: Option<Time>,
    },
    /// Neither older nor newer than the list used last, but another one, which may lack what that one revokes.
    #[error(
        "CRL {path}: is another list than the one already used, with the same thisUpdate and number, and is not known to \
         revoke all that one does (SHA-256 {digest}, used {in_use}); ask the CA for a newer list, or: {hint}",
        digest = hex(digest),
        in_use = hex(in_use),
        hint = forget_hint(state_folder.as_deref())
    )]
    SameOrder {
        /// The CRL.
        path: PathBuf,
        /// SHA-256 of its DER.
        digest: [u8; 32],
        /// That of the list used last.
        in_use: [u8; 32],
        /// The issuer's folder in the state directory, if there is one.
        state_folder: Option<PathBuf>,
    },
    /// Neither the file nor the last good copy can be used.
    #[error("{file}; and the last good copy is of no use either: {last_good}")]
    NoGoodCopy {
        /// What is wrong with the file.
        file: Box<SourceError>,
        /// What is wrong with the copy.
        last_good: Box<SourceError>,
    },
    /// The state directory cannot be made or opened.
    #[error(
        "state directory {path}: cannot be used: {source}; name one that this user may write with --state-dir"
    )]
    StateDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The marks are there but cannot be read.
    #[error(
        "state file {path}: cannot be read: {source}; without it a list that was replaced could come back: make it \
         readable for this user"
    )]
    StateRead {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The marks are there but damaged.
    #[error(
        "state file {path}: is damaged ({problem}); make sure that the CRL is the newest that the CA has issued, then \
         delete this file"
    )]
    StateCorrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The marks were damaged while a list was in use, which says all that they said.
    #[error(
        "state file {path}: was damaged ({problem}) and is replaced by what is known of the list in use; find out what \
         writes there"
    )]
    StateReplaced {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        problem: String,
    },
    /// The state directory cannot be written.
    #[error(
        "state file {path}: cannot be kept ({step}): {source}; answers go on, but a restart would not know the list in \
         use: make room, or make it writable for this user"
    )]
    StateWrite {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        step: StateStep,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The CRL cannot be downloaded.
    #[error("CRL {url}: {problem}")]
    Fetch {
        /// The URL as configured.
        url: String,
        /// What went wrong.
        problem: FetchProblem,
    },
    /// No file events for this directory, or for any.
    #[error("watching {path}: {problem}; changes there are seen at the next poll only")]
    Watch {
        /// The directory, or the first file that should have been watched.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
}

/// How to make an issuer forget which lists were used.
fn forget_hint(state_folder: Option<&Path>) -> String {
    match state_folder {
        None => "restart the service, which forgets the lists used so far".to_owned(),
        Some(folder) => format!(
            "stop the service, remove marks.json and last-good.crl from {}, and start it again",
            folder.display()
        ),
    }
}

fn lower_number_hint(held_until: Option<Time>) -> String {
    match held_until {
        None => "put the newest list there".to_owned(),
        Some(until) => format!(
            "the list in use stays until it runs out at {until}; if the CA began to count anew, nothing is to be done"
        ),
    }
}
