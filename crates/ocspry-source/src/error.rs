//! Why a source cannot be used, for the operator: what, where, and what to do.  From: every module here.  To: the log.
//!
//! A source that failed says nothing about any certificate; whoever gets one of these keeps what is in use.  The
//! errors are `Clone`, so that a problem can be reported when it appears and still be known at the next look.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_wire::Time;
use ocspry_wire::der::DerErrorKind;
use ocspry_wire::hex::to_hex;

use crate::fetch::FetchProblem;
use crate::list::CrlNumber;
use crate::noted::Notes;
use crate::state::StateStep;
use crate::text_file::{LineProblem, StatusFile};

use self::hints::{forget_hint, in_brackets, look_hint, lower_number_hint};

mod hints;

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
    #[error("CRL {path}: holds several CRLs; give each its own file")]
    SeveralCrls {
        /// The CRL.
        path: PathBuf,
    },
    /// Neither DER nor PEM.
    #[error("CRL {path}: is not a CRL, neither as DER nor as PEM; name the file with the CRL")]
    NotACrl {
        /// The CRL.
        path: PathBuf,
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
    /// Something that is known, and no CRL.
    #[error("CRL {path}: is {found}, not a CRL; name the file with the CRL, or fetch it again")]
    SomethingElse {
        /// The CRL.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// The list ends too early.
    #[error(
        "CRL {path}: is cut off: the element at octet {offset} goes on past the end; was the file copied completely?"
    )]
    Truncated {
        /// The CRL.
        path: PathBuf,
        /// Octets from the start of the DER.
        offset: usize,
    },
    /// Not a CertificateList (RFC 5280 §5.1).
    #[error(
        "CRL {path}: is not a CRL: at octet {offset}: {kind}; {hint}",
        hint = look_hint(path)
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
    /// The list is about attribute certificates only (RFC 5280 §5.2.5).
    #[error(
        "CRL {path}: covers attribute certificates only, and says nothing about certificates; name another CRL"
    )]
    AttributeCertificatesOnly {
        /// The CRL.
        path: PathBuf,
    },
    /// An issuingDistributionPoint that is not understood (RFC 5280 §5.2.5).
    #[error(
        "CRL {path}: its issuingDistributionPoint (octet {offset}) {problem}; such a list must not be used: ask the CA for \
         a correct one"
    )]
    Scope {
        /// The CRL.
        path: PathBuf,
        /// Octets from the start of the DER.
        offset: usize,
        /// What is wrong, as the end of the sentence.
        problem: &'static str,
    },
    /// Another CRL issuer's list that is not indirect (RFC 5280 §6.3.3 (b)).
    #[error(
        "CRL {path}: was issued by {crl_issuer}, and does not say indirectCRL: it covers only that issuer's certificates"
    )]
    NotIndirect {
        /// The CRL.
        path: PathBuf,
        /// Who issued it.
        crl_issuer: String,
    },
    /// Whose certificate an entry is about is not clear (RFC 5280 §5.3.3).
    #[error(
        "CRL {path}: the certificateIssuer at octet {offset} {problem}; such a list must not be used: ask the CA for a \
         correct one"
    )]
    CertificateIssuer {
        /// The CRL.
        path: PathBuf,
        /// Octets from the start of the DER.
        offset: usize,
        /// What is wrong, as the end of the sentence.
        problem: &'static str,
    },
    /// An element larger than any that is read.
    #[error(
        "CRL {path}: the element at octet {offset} is larger than any that is read; is it a CRL?"
    )]
    PieceTooBig {
        /// The CRL.
        path: PathBuf,
        /// Octets from the start of the DER.
        offset: usize,
    },
    /// Ed25519 is verified in one piece.
    #[error(
        "CRL {path}: has more than {bytes_max} octets and is signed with Ed25519, which needs them all in memory; have so \
         large a list signed with ECDSA or RSA"
    )]
    TooLargeForEd25519 {
        /// The CRL.
        path: PathBuf,
        /// The limit.
        bytes_max: usize,
    },
    /// More files in a directory of lists than are looked at.
    #[error(
        "CRL directory {path}: holds more than {count_max} files; keep nothing but this CA's lists there"
    )]
    TooManyLists {
        /// The directory.
        path: PathBuf,
        /// The limit.
        count_max: usize,
    },
    /// The file holds another list by now.
    #[error(
        "CRL {path}: was replaced before it could be copied; the one that is there now is looked at next"
    )]
    Replaced {
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
        /// Its authorityKeyIdentifier (DER), if that is of no key that is configured.
        other_key: Option<Vec<u8>>,
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
        /// Its authorityKeyIdentifier (DER), if that is of no key that is configured.
        other_key: Option<Vec<u8>>,
    },
    /// The last good copy is newer than the clock says it can be.
    #[error(
        "CRL {path}: its thisUpdate {this_update} is after the present time; is the clock right?  If it is, and was \
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
    /// As that, of a list that the server has by its own word.
    #[error(
        "CRL {url}: is still that of {this_update}, and a newer one was used already; put the newest list there"
    )]
    StillOlder {
        /// The URL.
        url: String,
        /// Its thisUpdate.
        this_update: Time,
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
        digest = to_hex(digest),
        in_use = to_hex(in_use),
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
    /// A list of issued certificates or an overlay cannot be opened or read.
    #[error("{list} {path}: cannot be read: {source}; check the path and its permissions")]
    ListUnreadable {
        /// What it is for.
        list: StatusFile,
        /// The file or directory, or a file in it.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A pipe, a device; for an overlay also a directory.
    #[error("{list} {path}: is {found}, not a file; name the file itself")]
    ListNotAFile {
        /// What it is for.
        list: StatusFile,
        /// Where it is.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// More octets than are read.
    #[error(
        "{list} {path}: has {bytes} octets, more than the limit of {bytes_max}; is it the right file?"
    )]
    ListTooLarge {
        /// What it is for.
        list: StatusFile,
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Somebody wrote into the file while it was read.
    #[error(
        "{list} {path}: was changed while it was read, so it is not used; write to another name, then rename it to this \
         one"
    )]
    ListChanged {
        /// What it is for.
        list: StatusFile,
        /// The file.
        path: PathBuf,
    },
    /// A line that is not understood.
    #[error(
        "{list} {path}: line {line}: {problem}; nothing of the file is used until it is mended"
    )]
    ListLine {
        /// What it is for.
        list: StatusFile,
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong there.
        problem: LineProblem,
    },
    /// A list of issued certificates without one.
    #[error(
        "issued list {path}: names no certificate, which would make every one unknown; write the whole list to another \
         name, then rename it to this one"
    )]
    NothingIssued {
        /// The file.
        path: PathBuf,
    },
    /// A directory without a certificate of this CA.
    #[error(
        "issued list {path}: the directory holds no certificate signed by {issuer}, which would make every one unknown{}; \
         name the directory that this CA fills",
        in_brackets(passed_over)
    )]
    NoIssuedCertificate {
        /// The directory.
        path: PathBuf,
        /// The CA.
        issuer: String,
        /// What is in it instead.
        passed_over: Notes,
    },
    /// An export goes backwards.
    #[error(
        "issued list {path}: was written on {written}, before {in_use}, the time of one already used; put the newest there, \
         with `touch` if it is that and only its time is wrong, or: {hint}",
        hint = forget_hint(state_folder.as_deref())
    )]
    OlderIssued {
        /// The file or directory.
        path: PathBuf,
        /// When it was written.
        written: Time,
        /// The latest time of one that was used.
        in_use: Time,
        /// Where that is remembered, if it is.
        state_folder: Option<PathBuf>,
    },
    /// More files in a directory than are looked at.
    #[error(
        "issued list {path}: the directory holds more than {files_max} files; write their serials to a file, and name that"
    )]
    TooManyFiles {
        /// The directory.
        path: PathBuf,
        /// The limit.
        files_max: u64,
    },
    /// The ledger cannot be followed: whoever follows it says why.
    #[error("{0}")]
    Ledger(Arc<dyn std::error::Error + Send + Sync>),
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
        "state file {path}: is damaged ({problem}); make sure that what the sources hold is the newest that the CA has \
         issued, then delete this file"
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
    /// Where deltas should be, there is a complete list.
    #[error(
        "CRL {url}: is a complete CRL, where freshestCRL promises deltas; if it is wanted, name it with `crl-url`"
    )]
    NotADelta {
        /// The URL that the list in use names.
        url: String,
    },
    /// A delta about other certificates than any complete list in use.
    #[error(
        "CRL {url}: is a delta CRL of another scope than the complete CRL that names it in freshestCRL; tell the CA"
    )]
    DeltaOfNoList {
        /// The URL that the list in use names.
        url: String,
    },
    /// A delta that a list names, and that has no successor in time.
    #[error(
        "CRL {place}: this delta CRL ends on {next_update}, and no newer one is there: what was revoked since is not known"
    )]
    DeltaOver {
        /// Where it came from.
        place: String,
        /// Its end.
        next_update: Time,
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

impl SourceError {
    /// As it is to be said of a list that lies in `file` but came from `place`, a URL.  What the system says of the file
    /// stays about the file.
    pub(crate) fn said_of(mut self, file: &Path, place: &str) -> SourceError {
        if let SourceError::Empty { path, .. }
        | SourceError::Pem { path, .. }
        | SourceError::NoCrlBlock { path, .. }
        | SourceError::SeveralCrls { path, .. }
        | SourceError::NotACrl { path, .. }
        | SourceError::Certificate { path, .. }
        | SourceError::SomethingElse { path, .. }
        | SourceError::Truncated { path, .. }
        | SourceError::Malformed { path, .. }
        | SourceError::AlgorithmMismatch { path, .. }
        | SourceError::UnknownCriticalExtension { path, .. }
        | SourceError::UnknownCriticalEntryExtension { path, .. }
        | SourceError::AttributeCertificatesOnly { path, .. }
        | SourceError::Scope { path, .. }
        | SourceError::NotIndirect { path, .. }
        | SourceError::CertificateIssuer { path, .. }
        | SourceError::PieceTooBig { path, .. }
        | SourceError::TooLargeForEd25519 { path, .. }
        | SourceError::SerialTooLong { path, .. }
        | SourceError::WindowReversed { path, .. }
        | SourceError::WrongIssuer { path, .. }
        | SourceError::MayNotSignCrls { path, .. }
        | SourceError::UnsupportedSignature { path, .. }
        | SourceError::BadSignature { path, .. }
        | SourceError::Older { path, .. }
        | SourceError::LowerNumber { path, .. }
        | SourceError::SameOrder { path, .. } = &mut self
            && path == file
        {
            *path = place.into();
        }
        self
    }

    /// It is about a file that is not meant for this issuer, or is no list at all: in a directory there may be such.
    pub(crate) fn is_of_another_file(&self) -> bool {
        matches!(
            self,
            SourceError::WrongIssuer { .. }
                | SourceError::NotACrl { .. }
                | SourceError::SomethingElse { .. }
                | SourceError::NoCrlBlock { .. }
                | SourceError::Certificate { .. }
                | SourceError::NotAFile { .. }
                | SourceError::AttributeCertificatesOnly { .. }
                | SourceError::NotIndirect { .. }
                | SourceError::Malformed { offset: 0, .. }
        ) || self.other_key().is_some()
    }

    /// Its signature does not verify, and its authorityKeyIdentifier (DER) is of no key that is configured.
    pub(crate) fn other_key(&self) -> Option<&[u8]> {
        match self {
            SourceError::BadSignature { other_key, .. }
            | SourceError::UnsupportedSignature { other_key, .. } => other_key.as_deref(),
            _ => None,
        }
    }

    /// As [`SourceError::other_key`], if it is about a signature: None where the CA calls a key so that is configured,
    /// whatever its certificate says.
    pub(crate) fn of_other_key(mut self, key_id: Option<Vec<u8>>) -> SourceError {
        if let SourceError::BadSignature { other_key, .. }
        | SourceError::UnsupportedSignature { other_key, .. } = &mut self
        {
            *other_key = key_id;
        }
        self
    }
}
