//! `ocspry index import`: what an index of `openssl ca` says, into the ledger.
//!
//! The file is read twice, line by line: once to see that all of it can be, and how much is new; then to record it.  What
//! is there already is passed over, so that it can be run again.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{IndexEntry, IndexReader};
use ocspry_core::{Clock as _, OwnedCertificate, SystemClock, crypto};
use ocspry_ledger::{Act, ImportEntry, Imported, IssuerNumber, Ledger, LedgerReader, WholeImport};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::openssl_index::{IndexReason, IndexRevocation, IndexStatus};
use serde_json::{Value, json};

use crate::ca_choice;
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print_json, say};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry index import root index.txt --dry-run
  ocspry index import root index.txt

What is in the ledger already is passed over: it can be run again, also after it was cut off.  A line that
contradicts the ledger refuses all of it.  E is issued and not revoked; reasons and times are kept.";

/// What `index import` can be told.
#[derive(Debug, Args)]
pub(crate) struct ImportFlags {
    /// The CA whose index it is, by its name or serial number
    #[arg(value_name = "CA")]
    ca: String,

    /// The index
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Only say what would be recorded
    #[arg(long)]
    dry_run: bool,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    act: ActFlags,
}

/// Imports an index.
///
/// # Errors
/// A line is none or contradicts the ledger; the ledger cannot be written.
pub(super) fn run(flags: &ImportFlags) -> Result<ExitCode> {
    let index = IndexFile {
        path: flags.file.clone(),
        certificates: None,
    };
    let counted = if flags.dry_run {
        let reader = flags.ledger.to_read()?;
        let ca = ca_choice::ca(&reader, &flags.ca)?;
        index.preview(&reader, ca.number, SystemClock.now())?
    } else {
        let mut ledger = flags.ledger.to_write()?;
        let ca = ca_choice::ca(ledger.reader(), &flags.ca)?;
        let act = flags.act.act(SystemClock.now());
        let _audit = flags.act.audit(&flags.ledger, "index import", &act)?;
        index.import(&mut ledger, ca.number, &act)?
    };
    match flags.json {
        true => print_json(&counted.json(&flags.file, flags.dry_run)),
        false => say(&counted.text(&flags.file, flags.dry_run)),
    }
    Ok(ExitCode::SUCCESS)
}

/// An index of `openssl ca`.
pub(crate) struct IndexFile {
    pub(crate) path: PathBuf,
    pub(crate) certificates: Option<CertificateFiles>,
}

/// Where the certificates of an index are, as `SERIAL.pem`, and who signed them.
pub(crate) struct CertificateFiles {
    pub(crate) directory: PathBuf,
    pub(crate) ca: OwnedCertificate,
}

/// What an import did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CountedImport {
    /// Of the ledger.
    pub(crate) imported: Imported,
    /// Lines whose certificate was at hand.
    pub(crate) with_certificate: u64,
    /// Lines with a reason that nobody knows: recorded without one.
    pub(crate) unknown_reasons: u64,
}

/// What was added, for people.
pub(crate) fn added_text(imported: &Imported, is_dry_run: bool) -> String {
    let Imported {
        entries,
        certificates,
        revocations,
    } = imported;
    let verb = if is_dry_run { "would be" } else { "were" };
    format!(
        "{entries} certificates; {certificates} certificates and {revocations} revocations {verb} added"
    )
}

impl CountedImport {
    /// For people.
    pub(crate) fn text(&self, path: &Path, is_dry_run: bool) -> String {
        let mut text = format!(
            "{}: {}",
            path.display(),
            added_text(&self.imported, is_dry_run)
        );
        if self.unknown_reasons > 0 {
            text += &format!(
                "; {} have a reason that nobody knows, and get none",
                self.unknown_reasons
            );
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self, path: &Path, is_dry_run: bool) -> Value {
        json!({
            "file": path.display().to_string(),
            "dry_run": is_dry_run,
            "entries": self.imported.entries,
            "certificates": self.imported.certificates,
            "revocations": self.imported.revocations,
            "with_certificate": self.with_certificate,
            "unknown_reasons": self.unknown_reasons,
        })
    }
}

impl IndexFile {
    /// Looks at all of it, and says what an import would add.
    ///
    /// # Errors
    /// A line is none or contradicts the ledger; it cannot be read.
    pub(crate) fn preview(
        &self,
        reader: &LedgerReader,
        issuer: IssuerNumber,
        now: Time,
    ) -> Result<CountedImport> {
        let mut lines = self.lines()?;
        let imported = reader.preview_import(now, issuer, &mut lines);
        lines.counted(imported)
    }

    /// Looks at all of it, for a CA of which nothing is recorded yet.
    ///
    /// # Errors
    /// A line is none; it cannot be read.
    pub(crate) fn count(&self) -> Result<CountedImport> {
        let mut lines = self.lines()?;
        let mut all = Imported::default();
        for entry in &mut lines {
            all.entries += 1;
            all.certificates += 1;
            all.revocations += u64::from(entry.revoked.is_some());
        }
        lines.counted(Ok(all))
    }

    /// Records it, after all of it was looked at.
    ///
    /// # Errors
    /// As [`IndexFile::preview`]; the ledger cannot be written.
    pub(crate) fn import(
        &self,
        ledger: &mut Ledger,
        issuer: IssuerNumber,
        act: &Act,
    ) -> Result<CountedImport> {
        self.preview(ledger.reader(), issuer, act.recorded)?;
        let mut lines = self.lines()?;
        let imported = ledger.import(act, issuer, &mut lines, |_| {});
        lines.counted(imported)
    }

    /// Records it with the CA that is brought along: together, or not at all.
    ///
    /// # Errors
    /// As [`IndexFile::preview`]; the ledger cannot be written.
    pub(crate) fn record(
        &self,
        whole: &mut WholeImport<'_>,
        issuer: IssuerNumber,
    ) -> Result<CountedImport> {
        let mut lines = self.lines()?;
        let added = lines.try_for_each(|entry| whole.add(issuer, &entry));
        lines.counted(added.map(|()| whole.imported()))
    }

    fn lines(&self) -> Result<Lines<'_>> {
        let file = File::open(&self.path)
            .with_context(|| format!("index {} cannot be opened", self.path.display()))?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            bail!("index {} is not a file", self.path.display());
        }
        Ok(Lines {
            index: self,
            reader: IndexReader::new(BufReader::new(file)),
            failed: None,
            counted: CountedImport::default(),
        })
    }
}

/// The lines of an index as entries; stops at the first that is none.
struct Lines<'a> {
    index: &'a IndexFile,
    reader: IndexReader<BufReader<File>>,
    failed: Option<anyhow::Error>,
    counted: CountedImport,
}

impl Iterator for Lines<'_> {
    type Item = ImportEntry;

    fn next(&mut self) -> Option<ImportEntry> {
        if self.failed.is_some() {
            return None;
        }
        let entry = self.entry();
        entry.unwrap_or_else(|error| {
            self.failed = Some(error);
            None
        })
    }
}

impl Lines<'_> {
    fn entry(&mut self) -> Result<Option<ImportEntry>> {
        let path = &self.index.path;
        let entry = self
            .reader
            .next_entry()
            .with_context(|| format!("index {}", path.display()))?;
        let Some(entry) = entry else { return Ok(None) };
        let revoked = revocation(&entry, &mut self.counted.unknown_reasons);
        let certificate = match &self.index.certificates {
            Some(files) => files
                .certificate_of(&entry)
                .with_context(|| format!("index {}: line {}", path.display(), entry.number))?,
            None => None,
        };
        self.counted.with_certificate += u64::from(certificate.is_some());
        Ok(Some(match certificate {
            Some(certificate) => ImportEntry {
                revoked,
                ..ImportEntry::of(&certificate, None)
            },
            None => ImportEntry {
                serial_number: entry.serial_number,
                // As it stands there: OpenSSL writes ASCII only.
                subject: String::from_utf8_lossy(entry.line.subject).into_owned(),
                not_before: None,
                not_after: entry.line.not_after,
                der: None,
                profile: None,
                revoked,
            },
        }))
    }

    /// What was done, unless a line stopped it.
    fn counted(
        mut self,
        imported: Result<Imported, ocspry_ledger::LedgerError>,
    ) -> Result<CountedImport> {
        let imported = imported?;
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(CountedImport {
                imported,
                ..self.counted
            }),
        }
    }
}

impl CertificateFiles {
    /// As `openssl ca` keeps it in `newcerts`: under its serial as it stands in the index.  Somebody may have put another
    /// one there, and what the line says must not be said of that.
    fn certificate_of(&self, entry: &IndexEntry<'_>) -> Result<Option<OwnedCertificate>> {
        let name = format!("{}.pem", String::from_utf8_lossy(entry.line.serial));
        let path = self.directory.join(name);
        if fs::symlink_metadata(&path).is_err() {
            return Ok(None);
        }
        let certificate = ca_choice::read_certificate(&path)?;
        let view = certificate.view();
        let problem = if view.serial_number.minimal() != entry.serial_number.minimal() {
            format!("is the certificate of serial {}", view.serial_number)
        } else if view.not_after != entry.line.not_after {
            format!(
                "ends at {}, and by the line at {}",
                view.not_after, entry.line.not_after
            )
        } else if !crypto::is_signed_by(&view, &self.ca.view()) {
            "was not signed by this CA's key".to_owned()
        } else {
            return Ok(Some(certificate));
        };
        bail!(
            "{} {problem}; put the certificate of that line there, or move the file away, then what the line says is taken \
             without one; nothing was recorded",
            path.display()
        )
    }
}

/// Reasons go the way they go in a CRL: `unspecified` is none (RFC 5280 §5.3.1), removeFromCRL revokes nothing (ADR-0007).
fn revocation(entry: &IndexEntry<'_>, unknown_reasons: &mut u64) -> Option<RevokedInfo> {
    let revocation: IndexRevocation<'_> = match entry.line.status {
        IndexStatus::Revoked(revocation) => revocation,
        IndexStatus::Valid | IndexStatus::Expired => return None,
    };
    let (reason, invalidity_date) = match revocation.reason {
        None | Some(IndexReason::Unspecified) => (None, None),
        Some(IndexReason::Reason(reason)) => (Some(reason), None),
        Some(IndexReason::HoldInstruction(_)) => (Some(CrlReason::CertificateHold), None),
        Some(IndexReason::KeyTime(since)) => (Some(CrlReason::KeyCompromise), Some(since)),
        Some(IndexReason::CaKeyTime(since)) => (Some(CrlReason::CaCompromise), Some(since)),
        Some(IndexReason::RemoveFromCrl) => return None,
        Some(IndexReason::Unknown(_)) => {
            *unknown_reasons += 1;
            (None, None)
        }
    };
    Some(RevokedInfo {
        revocation_time: revocation.revocation_time,
        reason,
        invalidity_date,
    })
}
