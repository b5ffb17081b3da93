//! `ocspry import django-ca FILE`: the CAs that django-ca kept, with all that they issued and revoked.
//!
//! All CAs of the database are recorded together, or nothing.  What is there already is passed over, so that an import is
//! run again.  Every certificate must be signed by its CA.  CRL numbers go on above those that django-ca used.

mod authorities;
mod row;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, ValueHint};
use ocspry_core::{Clock as _, SystemClock, crypto};
use ocspry_ledger::{
    Act, DjangoCaDatabase, DjangoCertificate, ImportEntry, Imported, IssuerNumber, LedgerReader,
};
use ocspry_wire::Time;
use serde_json::json;

use self::authorities::{Above, Authorities, DjangoCa};
use super::numbered_crl::NumberedCrl;
use crate::audit::AuditTrail;
use crate::cmd::index::added_text;
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print, print_json, say};
use crate::passphrases::PassphraseFlags;

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry import django-ca db.sqlite3 --dry-run
  ocspry import django-ca db.sqlite3 --keys /usr/share/django-ca/files
  ocspry import django-ca db.sqlite3 --rename 'Sub CA=issuing' --crl old.crl

The database is only read.  Taken are CAs, certificates, revocations, URLs and where the keys are, which stay
there; a CA whose key is not found signs nothing here.  It can be run again until the last use of django-ca:
what is there is passed over, and the counts are of what is new.";

/// What `import django-ca` can be told.
#[derive(Debug, Args)]
pub(crate) struct DjangoCaFlags {
    /// Its SQLite database (NAME in DATABASES)
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Where its keys are (CA_DIR) [default: files beside FILE]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    keys: Option<PathBuf>,

    /// Take no keys: the CAs are answered for, and sign nothing here
    #[arg(long, conflicts_with = "keys")]
    no_keys: bool,

    /// Call a CA otherwise here (repeatable) [default: its name there, with - for what no URL can have]
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    rename: Vec<(String, String)>,

    /// A CRL of one of the CAs: its number was used (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    crl: Vec<PathBuf>,

    /// Only say what would be recorded
    #[arg(long)]
    dry_run: bool,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    passphrase: PassphraseFlags,

    #[command(flatten)]
    act: ActFlags,
}

/// At the last `=`: a name there may have one, a name here has none.
fn renaming(text: &str) -> Result<(String, String)> {
    let (old, new) = text
        .rsplit_once('=')
        .ok_or_else(|| anyhow!("write OLD=NEW"))?;
    Ok((old.to_owned(), new.to_owned()))
}

/// Imports them.
///
/// # Errors
/// A row is broken, a key is another CA's, or something contradicts the ledger; nothing is recorded then.
pub(super) fn run(flags: &DjangoCaFlags) -> Result<ExitCode> {
    let now = SystemClock.now();
    let database = DjangoCaDatabase::open(&flags.file)?;
    let reader = flags.ledger.to_read_if_there()?;
    let act = flags.act.act(now);
    let audit = match flags.dry_run {
        // It changes nothing: of it the keys that it opens are written down, and no more.
        true => flags
            .act
            .audit_when_due(&flags.ledger, "import django-ca", &act)?,
        false => flags.act.audit(&flags.ledger, "import django-ca", &act)?,
    };
    let mut found = Found::read(&database, reader.as_ref(), flags, &audit, now)?;
    let counts = match flags.dry_run {
        true => found.preview(reader.as_ref())?,
        false => found.record(flags, &act)?,
    };
    found.say(flags, &counts);
    Ok(ExitCode::SUCCESS)
}

/// What is in the database.
struct Found<'a> {
    database: &'a DjangoCaDatabase,
    authorities: Authorities,
    now: Time,
}

impl Found<'_> {
    fn read<'a>(
        database: &'a DjangoCaDatabase,
        reader: Option<&LedgerReader>,
        flags: &DjangoCaFlags,
        audit: &AuditTrail,
        now: Time,
    ) -> Result<Found<'a>> {
        let path = database.path().display();
        let mut authorities = Authorities::read(database, reader, flags, audit, now)
            .with_context(|| format!("{path}: nothing was recorded"))?;
        if let Some(orphan) = database.orphan()? {
            let place = row::place(TABLE, &orphan);
            bail!("{path}: {place}: its CA is not there; nothing was recorded");
        }
        if authorities.cas.is_empty() {
            bail!("{path}: has no CA");
        }
        if !database.numbers_crls() && flags.crl.is_empty() {
            authorities.notes.push(
                "this version of django-ca put no number into its CRLs: they begin with 1 here"
                    .to_owned(),
            );
        }
        for file in &flags.crl {
            let crl = NumberedCrl::read(file)?;
            let signed =
                |ca: &&mut DjangoCa| ca.ca.certificates().any(|issuer| crl.is_signed_by(issuer));
            let Some(ca) = authorities.cas.iter_mut().find(signed) else {
                bail!("{}: no CA of {path} signed this CRL", file.display());
            };
            ca.ca.crl_number = ca.ca.crl_number.max(Some(crl.number()));
        }
        Ok(Found {
            database,
            authorities,
            now,
        })
    }

    /// Hands out all that a CA issued, in its rows and as CAs below it.
    fn each_entry(
        &self,
        at: usize,
        unknown_reasons: &mut u64,
        mut take: impl FnMut(ImportEntry) -> Result<()>,
    ) -> Result<()> {
        let cas = &self.authorities.cas;
        for signed in cas.iter().flat_map(|ca| &ca.signed_above) {
            if matches!(signed.above, Above::Here(above) if above == at) {
                take(signed.entry.clone())?;
            }
        }
        for row in &cas[at].rows {
            self.database.each_certificate(*row, |row| {
                let entry = entry(&row, &cas[at], self.now, unknown_reasons);
                entry.and_then(&mut take).with_context(|| {
                    let place = row::place(TABLE, &row);
                    format!(
                        "{}: {place}; nothing was recorded",
                        self.database.path().display()
                    )
                })
            })?;
        }
        Ok(())
    }

    /// What would be added; of a CA that the ledger does not have, everything.
    fn preview(&mut self, reader: Option<&LedgerReader>) -> Result<Vec<Imported>> {
        let mut unknown_reasons = 0;
        let mut counts = Vec::new();
        for at in 0..self.authorities.cas.len() {
            let known = match reader {
                Some(reader) => self.authorities.cas[at]
                    .ca
                    .known(reader)?
                    .map(|ca| (reader, ca.number)),
                None => None,
            };
            let mut count = Imported::default();
            self.each_entry(at, &mut unknown_reasons, |entry| {
                count = plus(count, preview(known, entry, self.now)?);
                Ok(())
            })?;
            counts.push(count);
        }
        self.authorities.unknown_reasons += unknown_reasons;
        Ok(counts)
    }

    fn record(&mut self, flags: &DjangoCaFlags, act: &Act) -> Result<Vec<Imported>> {
        let mut ledger = flags.ledger.to_write_or_make()?;
        let cas = &self.authorities.cas;
        let known = cas
            .iter()
            .map(|ca| ca.ca.known(ledger.reader()))
            .collect::<Result<Vec<_>>>()?;
        let mut unknown_reasons = 0;
        let counts = ledger.import_whole(act, |whole| {
            let mut numbers: Vec<IssuerNumber> = Vec::new();
            for (ca, known) in cas.iter().zip(&known) {
                numbers.push(ca.ca.record(whole, known.as_ref())?);
            }
            let mut counts = Vec::new();
            for (at, number) in numbers.iter().enumerate() {
                let before = whole.imported();
                self.each_entry(at, &mut unknown_reasons, |entry| {
                    Ok(whole.add(*number, &entry)?)
                })?;
                counts.push(minus(whole.imported(), before));
                cas[at].ca.record_crl_number(whole, *number)?;
            }
            for signed in cas.iter().flat_map(|ca| &ca.signed_above) {
                if let Above::InLedger(above) = &signed.above {
                    whole.add(above.number, &signed.entry)?;
                }
            }
            Ok::<_, anyhow::Error>(counts)
        })?;
        self.authorities.unknown_reasons += unknown_reasons;
        Ok(counts)
    }

    fn say(&self, flags: &DjangoCaFlags, counts: &[Imported]) {
        let Authorities {
            cas,
            unknown_reasons,
            notes,
        } = &self.authorities;
        let all = counts.iter().copied().fold(Imported::default(), plus);
        if flags.json {
            let cas = cas.iter().zip(counts).map(|(ca, count)| {
                json!({
                    "ca": ca.ca.name.as_str(),
                    "called": ca.called,
                    "key": ca.ca.key_path(),
                    "crl_number": ca.ca.crl_number.map(|number| number.to_string()),
                    "entries": count.entries,
                    "certificates": count.certificates,
                    "revocations": count.revocations,
                })
            });
            print_json(&json!({
                "file": flags.file.display().to_string(),
                "dry_run": flags.dry_run,
                "cas": cas.collect::<Vec<_>>(),
                "entries": all.entries,
                "certificates": all.certificates,
                "revocations": all.revocations,
                "unknown_reasons": unknown_reasons,
                "notes": notes,
            }));
            return;
        }
        let count = |of: &Imported| added_text(of, flags.dry_run);
        for (ca, of) in cas.iter().zip(counts) {
            print(&format!(
                "{}\n{}\n{}\n",
                ca.ca.title(),
                count(of),
                ca.ca.rest()
            ));
        }
        print(&format!("{}: {}\n", flags.file.display(), count(&all)));
        if *unknown_reasons > 0 {
            print(&format!(
                "{unknown_reasons} revocations have a reason that does not come along, and get none\n"
            ));
        }
        for note in notes {
            say(&format!("note: {note}"));
        }
    }
}

/// What a row says that a CA issued.
fn entry(
    row: &DjangoCertificate,
    ca: &DjangoCa,
    now: Time,
    unknown_reasons: &mut u64,
) -> Result<ImportEntry> {
    let certificate = row::certificate(row)?;
    let view = certificate.view();
    let mut issuers = ca.ca.certificates();
    if !issuers.any(|issuer| crypto::is_signed_by(&view, &issuer.view())) {
        bail!("CA {:?} did not sign it", ca.called);
    }
    Ok(ImportEntry {
        revoked: row::revocation(row, now, unknown_reasons)?,
        ..ImportEntry::of(&certificate, row::profile(row))
    })
}

/// What an entry would add to a CA, where the ledger has that.
fn preview(
    known: Option<(&LedgerReader, IssuerNumber)>,
    entry: ImportEntry,
    now: Time,
) -> Result<Imported> {
    match known {
        Some((reader, issuer)) => Ok(reader.preview_import(now, issuer, [entry])?),
        None => Ok(Imported {
            entries: 1,
            certificates: 1,
            revocations: u64::from(entry.revoked.is_some()),
        }),
    }
}

fn plus(one: Imported, other: Imported) -> Imported {
    Imported {
        entries: one.entries + other.entries,
        certificates: one.certificates + other.certificates,
        revocations: one.revocations + other.revocations,
    }
}

fn minus(all: Imported, before: Imported) -> Imported {
    Imported {
        entries: all.entries - before.entries,
        certificates: all.certificates - before.certificates,
        revocations: all.revocations - before.revocations,
    }
}

const TABLE: &str = "django_ca_certificate";
