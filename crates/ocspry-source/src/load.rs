//! One CRL, from its file to a table: read, decoded, hashed, parsed and collected in one pass, then judged.
//!
//! From: `reading`, which has the file: one that somebody else writes, a download, or the last good copy.  To: `line`, as a
//! [`LoadedList`].  The entries go straight into the table's rows.  The signature is verified before
//! the table is built from them (RFC 5280 §6.3.3 (f)).  The work comes in steps of some milliseconds, so that `pace` can
//! run it beside a busy responder, and a terminal can show how far it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::crypto::{HashedMessage, VerifyError};
use ocspry_core::{
    OwnedCertificate, Revocation, RevokedSerialsBuilder, TableSorting, ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::x509::{
    CertificateList, CrlEntry, SignatureAlgorithm, display_name, is_same_name,
};

use crate::SourceError;
use crate::fingerprint::Fingerprint;
use crate::list::{CrlFacts, CrlNumber, CrlWarning, LoadedList};
use crate::reading::{Hashing, ListReader};
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

    /// Its authorityKeyIdentifier names a key, and none of those of its issuer's name.  A certificate that does not say how
    /// its key is called may be the one.
    fn is_of_another_key(&self, list: &CertificateList) -> bool {
        let Some(key_id) = &list.extensions.authority_key_id else {
            return false;
        };
        let is_other = |certificate: &OwnedCertificate| {
            let own = certificate.view().subject_key_id;
            own.is_some_and(|own| own != key_id)
        };
        self.named(&list.header.issuer).all(is_other)
    }

    /// Lists may come from more keys than the issuer's own.
    pub(crate) fn have_several_keys(&self) -> bool {
        let own = self.issuer.view().public_key.der;
        let mut others = self.others.iter();
        others.any(|signer| signer.view().public_key.der != own)
    }

    /// The key of that signer (SubjectPublicKeyInfo), unless the first of its name has it too: the issuer's own, if the
    /// name is the issuer's.
    fn other_key<'a>(&self, signer: &'a OwnedCertificate) -> Option<&'a [u8]> {
        let key = signer.view().public_key.der;
        let first = self.named(signer.view().subject).next();
        let is_first = first.is_some_and(|first| first.view().public_key.der == key);
        (!is_first).then_some(key)
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

/// Somebody who looks on while a file is read: is told how far it is, and may end it.
#[derive(Clone, Copy)]
pub(crate) struct Onlooker<'a> {
    pub(crate) show: &'a dyn Fn(Progress),
    /// False ends the reading with an error that nobody is shown.
    pub(crate) goes_on: &'a dyn Fn() -> bool,
}

impl Onlooker<'_> {
    pub(crate) const NOBODY: Onlooker<'static> = Onlooker {
        show: &|_| {},
        goes_on: &|| true,
    };
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
        let (reader, metadata) = ListReader::open_for(Hashing::Signature, path, limits)?;
        Ok(ListLoad {
            path: path.to_owned(),
            // Taken before the octets: what changes in between is seen as a change at the next look.
            fingerprint: Fingerprint::from(&metadata),
            file_bytes: metadata.len(),
            stage: Stage::Reading(Box::new(Reading {
                path: path.to_owned(),
                reader,
                signers: Arc::clone(signers),
                is_issued_by_another: None,
                entries: Entries::default(),
            })),
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
                    let progress = reading.reader.progress();
                    self.stage = Stage::Reading(reading);
                    return Ok(progress);
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
        let written = self.fingerprint.written().min(now);
        match self.stage {
            Stage::Sorting(sorting) => sorting.into_list(&self.path, written),
            Stage::Reading(_) | Stage::Over => Err(SourceError::Empty { path: self.path }),
        }
    }
}

/// The file is being read.
struct Reading {
    path: PathBuf,
    reader: ListReader,
    signers: Arc<CrlSigners>,
    /// None until the header says who issued the list.
    is_issued_by_another: Option<bool>,
    entries: Entries,
}

/// Where the entries go.
#[derive(Default)]
struct Entries {
    builder: RevokedSerialsBuilder,
    foreign_count: u64,
    /// Under our name in another spelling.
    respelled_count: u64,
    /// The name that was compared last, and whether it is ours: it stands for a run of entries.
    compared: (Vec<u8>, bool),
}

impl Reading {
    /// Reads and takes one window; false at the end of the file.
    fn step(&mut self) -> Result<bool, SourceError> {
        let goes_on = self.reader.fill()?;
        self.take()?;
        Ok(goes_on)
    }

    /// Takes from the window all that is there whole.
    fn take(&mut self) -> Result<(), SourceError> {
        if let (None, Some(header)) = (self.is_issued_by_another, self.reader.header()) {
            if self.signers.named(&header.issuer).next().is_none() {
                return Err(SourceError::WrongIssuer {
                    path: self.path.clone(),
                    crl_issuer: display_name(&header.issuer),
                    issuer: display_name(self.signers.issuer_name()),
                });
            }
            self.is_issued_by_another = Some(header.issuer != self.signers.issuer_name());
        }
        let is_issued_by_another = self.is_issued_by_another.unwrap_or_default();
        let issuer_name = self.signers.issuer_name();
        let entries = &mut self.entries;
        self.reader
            .take(|entry| entries.add(&entry, is_issued_by_another, issuer_name))
    }

    /// The file is at its end: is this a list, and whose word is it?
    fn judge(mut self) -> Result<Sorting, SourceError> {
        self.reader.end()?;
        self.take()?;
        let is_issued_by_another = self.is_issued_by_another.unwrap_or_default();
        let (mut list, message) = self.reader.into_list()?;
        list.defects.respelled_certificate_issuers = self.entries.respelled_count;
        let signer = verified(&self.path, &self.signers, &list, &message)?;
        let other_key = self.signers.other_key(signer);
        let scope = scope_of(&self.path, &list, is_issued_by_another, other_key)?;
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

impl Entries {
    #[inline]
    fn add(&mut self, entry: &CrlEntry<'_>, is_issued_by_another: bool, issuer_name: &[u8]) {
        let is_ours = match entry.certificate_issuer {
            None => !is_issued_by_another,
            Some(name) => name == issuer_name || self.is_respelled(name, issuer_name),
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
        self.builder.push_content(entry.serial_content, revocation);
    }

    /// Whether that is our name in another spelling (RFC 5280 §7.1).
    fn is_respelled(&mut self, name: &[u8], issuer_name: &[u8]) -> bool {
        if self.compared.0 != name {
            self.compared = (name.to_owned(), is_same_name(name, issuer_name));
        }
        let is_ours = self.compared.1;
        self.respelled_count += u64::from(is_ours);
        is_ours
    }
}

/// Whether the list is the word of one of these, by its name, its right to sign CRLs and its signature (RFC 5280 §6.3.3
/// (f)).  Names are compared octet by octet.  The signature decides, not an authorityKeyIdentifier; what none of them signed
/// may be another key's by that.
fn verified<'a>(
    path: &Path,
    signers: &'a CrlSigners,
    list: &CertificateList,
    message: &HashedMessage,
) -> Result<&'a OwnedCertificate, SourceError> {
    let mut refusal = None;
    for certificate in signers.named(&list.header.issuer) {
        match verified_by(path, certificate, list, message) {
            Ok(()) => return Ok(certificate),
            // A bad signature under one key is no news while another one may fit.
            Err(error) => refusal = Some(error),
        }
    }
    let refusal = refusal.unwrap_or_else(|| SourceError::WrongIssuer {
        path: path.to_owned(),
        crl_issuer: display_name(&list.header.issuer),
        issuer: display_name(signers.issuer_name()),
    });
    Err(match signers.is_of_another_key(list) {
        true => refusal.of_other_key(list.extensions.authority_key_id_der.clone()),
        false => refusal,
    })
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
                other_key: None,
            },
            VerifyError::BadSignature => SourceError::BadSignature {
                path: path(),
                issuer: issuer(),
                other_key: None,
            },
        })
}

/// What the list is about, if that is certificates of the issuer at all.
fn scope_of(
    path: &Path,
    list: &CertificateList,
    is_issued_by_another: bool,
    other_key: Option<&[u8]>,
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
    Ok(Scope::new(point, crl_issuer, other_key))
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
            freshest_crl_other_names: extensions.freshest_crl_other_names,
            next_publish: extensions.next_publish,
            facts,
            written,
            signature,
            has_next_update: header.next_update.is_some(),
            is_without_serials: false,
        };
        list.count_from(written);
        Ok(list)
    }
}
