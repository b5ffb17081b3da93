//! The CAs of django-ca: names, keys, settings, who is above whom.  From: `row`.  To: `mod`, which records them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use ocspry_ca::HttpUrl;
use ocspry_core::{OwnedCertificate, crypto};
use ocspry_ledger::{
    DjangoAuthority, DjangoCaDatabase, ImportEntry, IssuerFacts, IssuerName, LedgerReader, Setting,
    issuer_identity,
};
use ocspry_wire::Time;

use super::super::brought_ca::BroughtCa;
use super::{DjangoCaFlags, row};
use crate::audit::AuditTrail;
use crate::ca_choice::{issued, plain_name};
use crate::ca_keys::KeyPlace;

/// A CA with its rows: several where it was renewed with its key.
pub(super) struct DjangoCa {
    pub(super) ca: BroughtCa,
    /// As django-ca calls it.
    pub(super) called: String,
    pub(super) rows: Vec<i64>,
    /// Its certificates, where another CA signed them: what that one is to know of them.
    pub(super) signed_above: Vec<SignedAbove>,
}

/// A certificate of a CA, and who signed it.
pub(super) struct SignedAbove {
    pub(super) above: Above,
    pub(super) entry: ImportEntry,
}

/// A CA above another.
#[derive(Clone, Debug)]
pub(super) enum Above {
    /// Of the same database, by its place among them.
    Here(usize),
    /// Of the ledger only.
    InLedger(Box<IssuerFacts>),
}

/// All CAs of a database, and what was found on the way.
pub(super) struct Authorities {
    pub(super) cas: Vec<DjangoCa>,
    pub(super) unknown_reasons: u64,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
}

/// One row, read.
struct Read {
    row: DjangoAuthority,
    certificate: OwnedCertificate,
    entry: ImportEntry,
}

impl Authorities {
    /// Reads them; keys are opened.
    ///
    /// # Errors
    /// A row is broken, a name cannot be used here, a key is another one's or cannot be opened.
    pub(super) fn read(
        database: &DjangoCaDatabase,
        reader: Option<&LedgerReader>,
        flags: &DjangoCaFlags,
        audit: &AuditTrail,
        now: Time,
    ) -> Result<Authorities> {
        let in_ledger = match reader {
            Some(reader) => reader.issuers()?,
            None => Vec::new(),
        };
        let mut all = Authorities {
            cas: Vec::new(),
            unknown_reasons: 0,
            notes: Vec::new(),
        };
        let mut rows = Vec::new();
        for row in database.authorities()? {
            let place = row::place(TABLE, &row.certificate);
            rows.push(all.read_row(row, now).context(place)?);
        }
        let groups = grouped(rows);
        for group in &groups {
            let ca = all.ca(group, &in_ledger, flags, audit)?;
            if let Some(other) = all.cas.iter().find(|other| other.ca.name == ca.ca.name) {
                bail!(
                    "{:?} and {:?} would both be called {} here: give one another name with --rename",
                    other.called,
                    ca.called,
                    ca.ca.name
                );
            }
            all.cas.push(ca);
        }
        for (at, group) in groups.into_iter().enumerate() {
            all.link(at, group, &in_ledger)?;
        }
        Ok(all)
    }

    fn read_row(&mut self, row: DjangoAuthority, now: Time) -> Result<Read> {
        let certificate = row::certificate(&row.certificate)?;
        if !certificate.view().is_ca {
            bail!("its certificate is not that of a CA (basicConstraints)");
        }
        let revoked = row::revocation(&row.certificate, now, &mut self.unknown_reasons)?;
        let entry = ImportEntry {
            revoked,
            ..ImportEntry::of(&certificate, Some("intermediate"))
        };
        Ok(Read {
            row,
            certificate,
            entry,
        })
    }

    /// One CA, of all rows that have its subject and key; the newest of them says how it is set.
    fn ca(
        &mut self,
        group: &[Read],
        in_ledger: &[IssuerFacts],
        flags: &DjangoCaFlags,
        audit: &AuditTrail,
    ) -> Result<DjangoCa> {
        let Some((newest, older)) = group.split_last() else {
            bail!("a CA without a certificate");
        };
        let called = newest.row.name.clone();
        let identity = issuer_identity(&newest.certificate.view());
        let known = in_ledger.iter().find(|ca| ca.identity == identity);
        let name = match known {
            Some(ca) => ca.name.clone(),
            None => flags.name_of(&called)?,
        };
        let mut settings = self.urls(&newest.row, &name)?;
        if !newest.row.is_enabled || newest.row.certificate.is_revoked {
            settings.push((Setting::Enabled, "no".to_owned()));
        }
        let ca = DjangoCa {
            ca: BroughtCa {
                key: self.key(newest, &name, flags, audit)?,
                crl_number: group
                    .iter()
                    .map(|read| row::crl_number(&read.row))
                    .collect::<Result<Vec<_>>>()
                    .with_context(|| format!("CA {called:?}"))?
                    .into_iter()
                    .flatten()
                    .max(),
                name,
                certificate: newest.certificate.clone(),
                older: older.iter().map(|read| read.certificate.clone()).collect(),
                settings,
            },
            called,
            rows: group.iter().map(|read| read.row.certificate.row).collect(),
            signed_above: Vec::new(),
        };
        if known.is_some_and(|known| ca.ca.disables(known)) {
            let name = &ca.ca.name;
            self.notes.push(format!(
                "CA {name}: it was disabled there since, and is disabled here too"
            ));
        }
        Ok(ca)
    }

    /// Each kind of URL as one setting; one that no certificate of ours may name is left out.
    fn urls(&mut self, row: &DjangoAuthority, name: &IssuerName) -> Result<Vec<(Setting, String)>> {
        let mut settings: Vec<(Setting, String)> = Vec::new();
        let urls = row::urls(row).with_context(|| format!("CA {:?}", row.name))?;
        for (setting, url) in urls {
            if let Err(error) = HttpUrl::parse(&url) {
                let kind = setting.name();
                self.notes.push(format!(
                    "CA {name}: its {kind} does not come along: {error}"
                ));
                continue;
            }
            match settings.iter_mut().find(|(other, _)| *other == setting) {
                Some((_, texts)) if !texts.split(' ').any(|text| text == url) => {
                    *texts += &format!(" {url}");
                }
                Some(_) => {}
                None => settings.push((setting, url)),
            }
        }
        Ok(settings)
    }

    fn key(
        &mut self,
        read: &Read,
        name: &IssuerName,
        flags: &DjangoCaFlags,
        audit: &AuditTrail,
    ) -> Result<Option<KeyPlace>> {
        if flags.no_keys {
            return Ok(None);
        }
        let named = row::key_path(&read.row).with_context(|| format!("CA {:?}", read.row.name))?;
        let Some(named) = named else {
            self.notes.push(format!(
                "CA {name}: django-ca has its key in no file (another place than one, or none)"
            ));
            return Ok(None);
        };
        let (found, looked_for) = flags.key_file(Path::new(&named))?;
        let Some(path) = found else {
            self.notes
                .push(format!("CA {name}: no key at {}", looked_for.display()));
            return Ok(None);
        };
        let passphrase = flags.passphrase.source();
        KeyPlace::checked(&path, &read.certificate, &passphrase, name, audit).map(Some)
    }

    /// Finds who signed each certificate of a CA.
    fn link(&mut self, at: usize, group: Vec<Read>, in_ledger: &[IssuerFacts]) -> Result<()> {
        for read in group {
            let view = read.certificate.view();
            let name = &self.cas[at].ca.name;
            if view.issuer == view.subject {
                if read.entry.revoked.is_some() {
                    self.notes.push(format!(
                        "CA {name}: its own certificate is revoked; it is a root, which nobody above it can say: it is disabled"
                    ));
                }
                continue;
            }
            let signed_it = |ca: &DjangoCa| {
                let mut certificates = ca.ca.certificates();
                certificates.any(|issuer| crypto::is_signed_by(&view, &issuer.view()))
            };
            let here = self.cas.iter().position(signed_it);
            if let Some(parent) = read.row.parent
                && here.is_none_or(|here| !self.cas[here].rows.contains(&parent))
            {
                let place = row::place(TABLE, &read.row.certificate);
                bail!("{place}: its parent there, row {parent}, did not sign its certificate");
            }
            let above = match here {
                Some(here) => Above::Here(here),
                None => match in_ledger.iter().find(|ca| issued(ca, &view)) {
                    Some(ca) => Above::InLedger(Box::new(ca.clone())),
                    None => {
                        if read.entry.revoked.is_some() {
                            self.notes.push(format!(
                                "CA {name}: its own certificate is revoked, which only the CA above it can say: it is disabled"
                            ));
                        }
                        continue;
                    }
                },
            };
            let parent = match &above {
                Above::Here(here) => self.cas[*here].ca.name.to_string(),
                Above::InLedger(ca) => ca.name.to_string(),
            };
            let DjangoCa {
                ca, signed_above, ..
            } = &mut self.cas[at];
            ca.settings
                .retain(|(setting, _)| *setting != Setting::Parent);
            ca.settings.push((Setting::Parent, parent));
            signed_above.push(SignedAbove {
                above,
                entry: read.entry,
            });
        }
        Ok(())
    }
}

/// Rows of one subject and key together, the newest certificate last; in the order of their first rows.
fn grouped(rows: Vec<Read>) -> Vec<Vec<Read>> {
    let identity = |read: &Read| issuer_identity(&read.certificate.view());
    let mut groups: Vec<Vec<Read>> = Vec::new();
    for read in rows {
        match groups
            .iter_mut()
            .find(|group| group.iter().any(|other| identity(other) == identity(&read)))
        {
            Some(group) => group.push(read),
            None => groups.push(vec![read]),
        }
    }
    for group in &mut groups {
        group.sort_by_key(|read| read.certificate.view().not_before);
    }
    groups
}

impl DjangoCaFlags {
    /// What a CA is called here.
    fn name_of(&self, called: &str) -> Result<IssuerName> {
        let renamed = self.rename.iter().find(|(old, _)| old == called);
        let name = match renamed {
            Some((_, new)) => new.clone(),
            None => plain_name(called),
        };
        IssuerName::new(&name)
            .map_err(|refusal| anyhow!("CA {called:?}: {refusal}; give it one with --rename"))
    }

    /// The file of a key, where it is there, and where it was looked for.
    fn key_file(&self, named: &Path) -> Result<(Option<PathBuf>, PathBuf)> {
        let directory = match &self.keys {
            Some(directory) => directory.clone(),
            None => self.file.with_file_name(KEYS),
        };
        // An absolute path stays as it is.
        let path = directory.join(named);
        let there = |path: PathBuf| {
            let is_there = path.try_exists();
            is_there
                .map(|is_there| is_there.then(|| path.clone()))
                .with_context(|| format!("{} cannot be looked for", path.display()))
        };
        // Brought here from another machine.
        let moved = match (&self.keys, named.file_name()) {
            (Some(directory), Some(file)) if named.is_absolute() => Some(directory.join(file)),
            _ => None,
        };
        let found = match (there(path.clone())?, moved) {
            (None, Some(moved)) => there(moved)?,
            (found, _) => found,
        };
        Ok((found, path))
    }
}

/// CA_DIR of django-ca, beside its database.
const KEYS: &str = "files";
const TABLE: &str = "django_ca_certificateauthority";
