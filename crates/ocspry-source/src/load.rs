//! One CRL, from its file to a table: read, decoded, hashed, parsed and collected in one pass, then judged.
//!
//! From: a file that somebody else writes, a download, or the last good copy.  To: `line`, as a [`LoadedList`].  Nothing of
//! the file is kept but a window of it; the entries go straight into the table's rows.  The signature is verified before
//! the table is built from them (RFC 5280 §6.3.3 (f)).  The work comes in steps of some milliseconds, so that `pace` can
//! run it beside a busy responder, and a terminal can show how far it is.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::crypto::{HashedMessage, MessageHash, VerifyError};
use ocspry_core::{
    OwnedCertificate, Revocation, RevokedSerialsBuilder, TableSorting, ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::x509::{CertificateList, CrlEntry, CrlParser, SignatureAlgorithm, display_name};

use crate::SourceError;
use crate::armour::{Armour, ArmourError, is_der};
use crate::explain::explained;
use crate::fingerprint::{self, Fingerprint, unreadable};
use crate::list::{CrlFacts, CrlNumber, CrlWarning, LoadedList};
use crate::scope::Scope;

/// Bounds on what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Most octets of a CRL file (PEM or DER); a larger one is refused before it is read.
    pub crl_bytes_max: u64,
    /// Most octets of a list that is signed with Ed25519, which is verified in one piece.
    pub ed25519_bytes_max: usize,
}

impl SourceLimits {
    /// 4 GiB, some ninety million entries; 256 MiB with Ed25519.
    pub const DEFAULT: SourceLimits = SourceLimits {
        crl_bytes_max: 4 << 30,
        ed25519_bytes_max: 256 << 20,
    };
}

/// Whose signature makes a list an issuer's word.
#[derive(Debug)]
pub struct CrlSigners {
    issuer: OwnedCertificate,
    others: Vec<OwnedCertificate>,
}

impl CrlSigners {
    /// The issuer's own key, and those of the certificates that the operator names beside it: the same CA with another
    /// key, or a CRL issuer of its own, which signs indirect lists (RFC 5280 §6.3.3 (b)).
    pub fn new(issuer: OwnedCertificate, others: Vec<OwnedCertificate>) -> CrlSigners {
        CrlSigners { issuer, others }
    }

    /// The issuer of the certificates.
    pub fn issuer(&self) -> &OwnedCertificate {
        &self.issuer
    }

    fn named(&self, name: &[u8]) -> impl Iterator<Item = &OwnedCertificate> {
        std::iter::once(&self.issuer)
            .chain(&self.others)
            .filter(move |certificate| certificate.view().subject == name)
    }

    fn issuer_name(&self) -> &[u8] {
        self.issuer.view().subject
    }
}

/// The Name (DER) of who issued the list in a file; what stands behind it is not read.
///
/// # Errors
/// The file does not begin as a list does.
pub fn crl_issuer(path: &Path) -> Result<Vec<u8>, SourceError> {
    let (file, _) = fingerprint::open(path)?;
    let mut start = Vec::new();
    file.take(WINDOW_BYTES as u64)
        .read_to_end(&mut start)
        .map_err(unreadable(path))?;
    let der = match *start {
        [] => {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            });
        }
        _ if is_der(&start) => start,
        _ => {
            let (mut armour, mut der) = (Armour::new(), Vec::new());
            armour
                .push(&start, &mut der)
                .map_err(|error| armour_error(path, error))?;
            if start.len() < WINDOW_BYTES {
                armour
                    .finish(&mut der)
                    .map_err(|error| armour_error(path, error))?;
            }
            der
        }
    };
    let mut parser = CrlParser::new();
    let pushed = parser.push(&der, |_| {});
    if let Some(header) = parser.header() {
        return Ok(header.issuer.clone());
    }
    match pushed.err().or_else(|| parser.finish().err()) {
        Some(error) => Err(explained(path, &der, 0, error)),
        None => Err(SourceError::NotACrl {
            path: path.to_owned(),
        }),
    }
}

/// A list on its way from its file to a table.
pub struct ListLoad {
    path: PathBuf,
    fingerprint: Fingerprint,
    file_bytes: u64,
    stage: Stage,
}

enum Stage {
    Reading(Box<Reading>),
    Sorting(Box<Sorting>),
    /// After an error.
    Over,
}

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many octets of the file are read.
    Reading {
        /// Octets.
        read: u64,
        /// Octets of the file.
        of: u64,
    },
    /// The signature holds; the table is being sorted.
    Sorting,
    /// Call [`ListLoad::finish`].
    Done,
}

impl ListLoad {
    /// Opens the file; nothing is read yet.
    ///
    /// # Errors
    /// It cannot be opened, is something else than a file, or is too large.
    pub fn open(
        path: &Path,
        signers: &Arc<CrlSigners>,
        limits: &SourceLimits,
    ) -> Result<ListLoad, SourceError> {
        let (file, metadata) = fingerprint::open(path)?;
        if metadata.len() > limits.crl_bytes_max {
            return Err(too_large(path, metadata.len(), limits));
        }
        Ok(ListLoad {
            path: path.to_owned(),
            // Taken before the octets: what changes in between is seen as a change at the next look.
            fingerprint: Fingerprint::from(&metadata),
            file_bytes: metadata.len(),
            stage: Stage::Reading(Box::new(Reading::new(
                path,
                file,
                Arc::clone(signers),
                *limits,
            ))),
        })
    }

    /// Loads in one go.
    ///
    /// # Errors
    /// Every way in which the file is not one list that may be used for this issuer.
    pub fn run(mut self, now: Time) -> Result<LoadedList, SourceError> {
        while self.step()? != Progress::Done {}
        self.finish(now)
    }

    /// What the file was when it was opened.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Octets of the file.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Some milliseconds of work.
    ///
    /// # Errors
    /// Every way in which the file is not one list that may be used for this issuer; the load is over then.
    pub fn step(&mut self) -> Result<Progress, SourceError> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Reading(mut reading) => {
                if reading.step()? {
                    let read = reading.read_bytes;
                    self.stage = Stage::Reading(reading);
                    return Ok(Progress::Reading {
                        read,
                        of: self.file_bytes.max(read),
                    });
                }
                self.stage = Stage::Sorting(Box::new(reading.judge()?));
                Ok(Progress::Sorting)
            }
            Stage::Sorting(mut sorting) => {
                let is_done = sorting.sorting.step();
                self.stage = Stage::Sorting(sorting);
                Ok(if is_done {
                    Progress::Done
                } else {
                    Progress::Sorting
                })
            }
            Stage::Over => Ok(Progress::Done),
        }
    }

    /// The list; a list without nextUpdate counts from when its file was written, no later than `now`.
    ///
    /// # Errors
    /// It ends before it begins, or [`ListLoad::step`] has not come to its end.
    pub fn finish(self, now: Time) -> Result<LoadedList, SourceError> {
        let written = self
            .fingerprint
            .modified()
            .min(self.fingerprint.changed())
            .min(now);
        match self.stage {
            Stage::Sorting(sorting) => sorting.into_list(&self.path, written),
            Stage::Reading(_) | Stage::Over => Err(SourceError::Empty { path: self.path }),
        }
    }
}

/// The file is being read.
struct Reading {
    path: PathBuf,
    file: File,
    limits: SourceLimits,
    read_bytes: u64,
    form: Form,
    /// The part of the DER that the parser has not taken yet, and some that it has.
    window: Vec<u8>,
    taken: usize,
    /// Octets of the DER before the window.
    before_window: u64,
    parser: CrlParser,
    /// None until the header says how the list is signed.
    hash: Option<MessageHash>,
    /// What is signed, by its octets in the DER.
    tbs: Option<Range<u64>>,
    is_at_end: bool,
    signers: Arc<CrlSigners>,
    is_issued_by_another: bool,
    entries: Entries,
}

/// How the file wraps the list.
enum Form {
    Unknown,
    Der,
    Pem { armour: Armour, text: Vec<u8> },
}

/// Where the entries go.
#[derive(Default)]
struct Entries {
    builder: RevokedSerialsBuilder,
    foreign_count: u64,
}

impl Reading {
    fn new(path: &Path, file: File, signers: Arc<CrlSigners>, limits: SourceLimits) -> Reading {
        Reading {
            path: path.to_owned(),
            file,
            limits,
            read_bytes: 0,
            form: Form::Unknown,
            window: Vec::with_capacity(WINDOW_BYTES),
            taken: 0,
            before_window: 0,
            parser: CrlParser::new(),
            hash: None,
            tbs: None,
            is_at_end: false,
            signers,
            is_issued_by_another: false,
            entries: Entries::default(),
        }
    }

    /// Reads and takes one window; false at the end of the file.
    fn step(&mut self) -> Result<bool, SourceError> {
        let goes_on = self.fill()?;
        self.take()?;
        Ok(goes_on)
    }

    /// Reads on into the window; false at the end of the file.
    fn fill(&mut self) -> Result<bool, SourceError> {
        self.window.drain(..self.taken);
        self.before_window += std::mem::take(&mut self.taken) as u64;
        let room = WINDOW_BYTES
            .saturating_sub(self.window.len())
            .max(WINDOW_BYTES / 4) as u64;
        let target = match &mut self.form {
            Form::Unknown | Form::Der => &mut self.window,
            Form::Pem { text, .. } => {
                text.clear();
                text
            }
        };
        let mut piece = (&mut self.file).take(room);
        let read = piece.read_to_end(target).map_err(unreadable(&self.path))?;
        self.read_bytes += read as u64;
        if self.read_bytes > self.limits.crl_bytes_max {
            return Err(too_large(&self.path, self.read_bytes, &self.limits));
        }
        if matches!(self.form, Form::Unknown) {
            self.form = self.form_of_file()?;
        }
        if let Form::Pem { armour, text } = &mut self.form {
            armour
                .push(text, &mut self.window)
                .map_err(|error| armour_error(&self.path, error))?;
        }
        Ok(read > 0)
    }

    /// DER, or text with PEM in it; the first octets tell.
    fn form_of_file(&mut self) -> Result<Form, SourceError> {
        match *self.window {
            [] => Err(SourceError::Empty {
                path: self.path.clone(),
            }),
            _ if is_der(&self.window) => Ok(Form::Der),
            _ => Ok(Form::Pem {
                armour: Armour::new(),
                text: std::mem::replace(&mut self.window, Vec::with_capacity(WINDOW_BYTES)),
            }),
        }
    }

    /// Takes from the window all that is there whole.
    fn take(&mut self) -> Result<(), SourceError> {
        if self.hash.is_none() && !self.look_ahead()? {
            return Ok(());
        }
        let Reading {
            parser,
            entries,
            signers,
            is_issued_by_another,
            ..
        } = self;
        let issuer_name = signers.issuer_name();
        let first = self.before_window + self.taken as u64;
        let window = &self.window[self.taken..];
        let taken = parser
            .push(window, |entry| {
                entries.add(&entry, *is_issued_by_another, issuer_name)
            })
            .map_err(|error| explained(&self.path, window, first, error))?;
        if let (Some(hash), Some(tbs)) = (&mut self.hash, &self.tbs) {
            hash.update(part_within(&window[..taken], first, tbs));
            if hash.kept_bytes() > self.limits.ed25519_bytes_max {
                return Err(SourceError::TooLargeForEd25519 {
                    path: self.path.clone(),
                    bytes_max: self.limits.ed25519_bytes_max,
                });
            }
        }
        self.taken += taken;
        Ok(())
    }

    /// Reads the header before anything is taken: who issued the list, and how it is to be hashed.  False when more of it
    /// is needed.
    fn look_ahead(&mut self) -> Result<bool, SourceError> {
        let mut ahead = CrlParser::new();
        let prefix = &self.window[..self.window.len().min(CrlParser::PIECE_MAX)];
        // What is wrong is said when it is taken.
        let is_bad = ahead.push(prefix, |_| {}).is_err();
        let Some(header) = ahead.header() else {
            return Ok(is_bad || self.window.len() >= CrlParser::PIECE_MAX || self.is_at_end);
        };
        if self.signers.named(&header.issuer).next().is_none() {
            return Err(SourceError::WrongIssuer {
                path: self.path.clone(),
                crl_issuer: display_name(&header.issuer),
                issuer: display_name(self.signers.issuer_name()),
            });
        }
        self.is_issued_by_another = header.issuer != self.signers.issuer_name();
        self.hash = Some(MessageHash::new(header.signature_algorithm));
        self.tbs = Some(header.tbs.clone());
        Ok(true)
    }

    fn end_of_armour(&mut self) -> Result<(), SourceError> {
        let Form::Pem { armour, .. } = std::mem::replace(&mut self.form, Form::Der) else {
            return Ok(());
        };
        armour
            .finish(&mut self.window)
            .map_err(|error| armour_error(&self.path, error))
    }

    /// The file is at its end: is this a list, and whose word is it?
    fn judge(mut self) -> Result<Sorting, SourceError> {
        self.end_of_armour()?;
        self.is_at_end = true;
        self.take()?;
        let left = &self.window[self.taken..];
        let first = self.before_window + self.taken as u64;
        let list = self
            .parser
            .finish()
            .map_err(|error| explained(&self.path, left, first, error))?;
        let message = self.hash.unwrap_or_else(|| MessageHash::new(None)).finish();
        verified(&self.path, &self.signers, &list, &message)?;
        let scope = scope_of(&self.path, &list, self.is_issued_by_another)?;
        let mut warnings = Vec::new();
        if list.header.signature_algorithm == Some(SignatureAlgorithm::RsaSha1) {
            warnings.push(CrlWarning::Sha1Signature);
        }
        Ok(Sorting {
            sorting: self.entries.builder.into_sorting(),
            foreign_count: self.entries.foreign_count,
            digest: message.sha256(),
            scope,
            list,
            warnings,
        })
    }
}

/// The part of `octets`, the first of which is the DER's octet `first`, that lies in the range.
fn part_within<'a>(octets: &'a [u8], first: u64, range: &Range<u64>) -> &'a [u8] {
    let at = |offset: u64| {
        let offset = usize::try_from(offset.saturating_sub(first)).unwrap_or(usize::MAX);
        offset.min(octets.len())
    };
    &octets[at(range.start)..at(range.end)]
}

impl Entries {
    #[inline]
    fn add(&mut self, entry: &CrlEntry<'_>, is_issued_by_another: bool, issuer_name: &[u8]) {
        let is_ours = match entry.certificate_issuer {
            None => !is_issued_by_another,
            Some(name) => name == issuer_name,
        };
        if !is_ours {
            self.foreign_count += 1;
            return;
        }
        let revocation = if entry.remove_from_crl {
            Revocation::Removed
        } else {
            Revocation::Revoked(entry.revoked)
        };
        self.builder.push(&entry.serial_number, revocation);
    }
}

/// Whether the list is the word of one of these, by its name, its right to sign CRLs and its signature (RFC 5280 §6.3.3
/// (f)).  Names are compared octet by octet.  An authorityKeyIdentifier is not asked: the signature decides.
fn verified(
    path: &Path,
    signers: &CrlSigners,
    list: &CertificateList,
    message: &HashedMessage,
) -> Result<(), SourceError> {
    let mut refusal = None;
    for certificate in signers.named(&list.header.issuer) {
        match verified_by(path, certificate, list, message) {
            Ok(()) => return Ok(()),
            // A bad signature under one key is no news while another one may fit.
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal.unwrap_or_else(|| SourceError::WrongIssuer {
        path: path.to_owned(),
        crl_issuer: display_name(&list.header.issuer),
        issuer: display_name(signers.issuer_name()),
    }))
}

fn verified_by(
    path: &Path,
    certificate: &OwnedCertificate,
    list: &CertificateList,
    message: &HashedMessage,
) -> Result<(), SourceError> {
    let certificate = certificate.view();
    let path = || path.to_owned();
    let issuer = || display_name(certificate.subject);
    if certificate.key_usage.is_some_and(|usage| !usage.crl_sign) {
        return Err(SourceError::MayNotSignCrls {
            path: path(),
            issuer: issuer(),
        });
    }
    let algorithm = list.header.signature_algorithm;
    message
        .verify(algorithm, &certificate.public_key, &list.signature)
        .map_err(|error| match error {
            VerifyError::Unsupported => SourceError::UnsupportedSignature {
                path: path(),
                issuer: issuer(),
                algorithm: algorithm.map_or("unknown", SignatureAlgorithm::name),
            },
            VerifyError::BadSignature => SourceError::BadSignature {
                path: path(),
                issuer: issuer(),
            },
        })
}

/// What the list is about, if that is certificates of the issuer at all.
fn scope_of(
    path: &Path,
    list: &CertificateList,
    is_issued_by_another: bool,
) -> Result<Scope, SourceError> {
    let point = list.extensions.issuing_distribution_point.as_ref();
    if point.is_some_and(|point| point.only_contains_attribute_certs) {
        return Err(SourceError::AttributeCertificatesOnly {
            path: path.to_owned(),
        });
    }
    if is_issued_by_another && !point.is_some_and(|point| point.indirect_crl) {
        return Err(SourceError::NotIndirect {
            path: path.to_owned(),
            crl_issuer: display_name(&list.header.issuer),
        });
    }
    let crl_issuer = is_issued_by_another.then_some(list.header.issuer.as_slice());
    Ok(Scope::new(point, crl_issuer))
}

/// All is checked; the table is being made.
struct Sorting {
    sorting: TableSorting,
    foreign_count: u64,
    digest: [u8; 32],
    scope: Scope,
    list: CertificateList,
    warnings: Vec<CrlWarning>,
}

impl Sorting {
    fn into_list(self, path: &Path, written: Time) -> Result<LoadedList, SourceError> {
        let CertificateList {
            header,
            extensions,
            signature,
            entry_count: _,
            defects,
        } = self.list;
        let this_update = header.this_update;
        if let Some(next_update) = header.next_update
            && next_update < this_update
        {
            return Err(SourceError::WindowReversed {
                path: path.to_owned(),
                this_update,
                next_update,
            });
        }
        let serials = Arc::new(self.sorting.finish());
        let facts = CrlFacts {
            window: ValidityWindow {
                this_update,
                next_update: header.next_update.unwrap_or(this_update),
            },
            crl_number: extensions
                .crl_number
                .as_deref()
                .map(CrlNumber::from_content),
            digest: self.digest,
            signature_algorithm: header.signature_algorithm,
            entry_count: serials.revoked_count(),
            foreign_count: self.foreign_count,
            size_bytes: serials.size_bytes(),
            der_bytes: header.der_bytes,
            defects,
            warnings: self.warnings,
        };
        let mut list = LoadedList {
            serials,
            scope: self.scope,
            base_number: extensions
                .base_crl_number
                .as_deref()
                .map(CrlNumber::from_content),
            authority_key_id: extensions.authority_key_id_der,
            freshest_crl: extensions.freshest_crl,
            next_publish: extensions.next_publish,
            facts,
            written,
            signature,
            has_next_update: header.next_update.is_some(),
        };
        list.count_from(written);
        Ok(list)
    }
}

fn too_large(path: &Path, bytes: u64, limits: &SourceLimits) -> SourceError {
    SourceError::TooLarge {
        path: path.to_owned(),
        bytes,
        bytes_max: limits.crl_bytes_max,
    }
}

fn armour_error(path: &Path, error: ArmourError) -> SourceError {
    let path = path.to_owned();
    match error {
        ArmourError::Line { line, problem } => SourceError::Pem {
            path,
            line,
            problem,
        },
        ArmourError::Several => SourceError::SeveralCrls { path },
        ArmourError::NoList { found } => SourceError::NoCrlBlock { path, found },
        ArmourError::NoBlock => SourceError::NotACrl { path },
    }
}

/// Octets of the DER that are held at a time.
const WINDOW_BYTES: usize = 1 << 20;
