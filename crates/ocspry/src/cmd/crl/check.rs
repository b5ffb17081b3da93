//! `ocspry crl check FILE --ca CA`: would `serve` use this list, and why not.
//!
//! From: the loader of `serve` itself (RFC 5280 §6.3.3).  To: standard output, and one line on standard error for a list
//! that would not be used.  What a running `serve` has used before is not known here: a list older than that is refused
//! there, and accepted here.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use clap::{Args, ValueHint};
use ocspry_core::{Clock, OwnedCertificate, SystemClock};
use ocspry_source::{
    CrlNumber, CrlSigners, ListLoad, LoadedList, Progress, SourceError, SourceLimits,
};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::x509::{SignatureAlgorithm, display_name};
use serde_json::{Value, json};

use super::{defects_json, size_text};
use crate::certificate_file::CertificateFile;
use crate::load_bar::LoadBar;
use crate::summary::Paint;
use crate::text_table::Rows;
use crate::time_text::utc_and_distance;

/// What the exit code says.
pub(super) const AFTER_HELP: &str = "\
Exit codes: 0 `serve` would use it now, 1 it would not (one line on standard error says why),
2 wrong usage.";

/// What `crl check` can be told.
#[derive(Debug, Args)]
pub(crate) struct CheckFlags {
    /// The CRL, PEM or DER
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Certificate of the CA whose certificates it is to be about, PEM or DER
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: PathBuf,

    /// Certificate that may sign it instead: another key of the CA, or an indirect CRL's issuer (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    crl_issuer: Vec<PathBuf>,

    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

/// Judges a list.
///
/// # Errors
/// A certificate that cannot be read.
pub(super) fn run(flags: CheckFlags) -> Result<ExitCode> {
    let issuer = certificate("CA certificate", &flags.ca)?;
    let others = flags
        .crl_issuer
        .iter()
        .map(|path| certificate("CRL issuer certificate", path))
        .collect::<Result<_>>()?;
    let signers = Arc::new(CrlSigners::new(issuer, others));
    let now = SystemClock.now();
    let bar = LoadBar::new(&flags.file, !flags.json);
    let verdict = Verdict::of(flags.file, &signers, now, bar);
    if flags.json {
        let _ = writeln!(io::stdout(), "{:#}", verdict.json());
    } else {
        verdict.print();
    }
    Ok(match verdict.reason() {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

fn certificate(role: &str, path: &Path) -> Result<OwnedCertificate> {
    match CertificateFile::read(path) {
        Ok(file) => Ok(file.certificate),
        Err(error) => Err(match error.help() {
            Some(help) => anyhow!("{role} {error}; {help}"),
            None => anyhow!("{role} {error}"),
        }),
    }
}

/// All that is to be said about a list.
struct Verdict {
    path: PathBuf,
    issuer: String,
    loaded: Result<Loaded, SourceError>,
    now: Time,
}

struct Loaded {
    list: LoadedList,
    file_bytes: u64,
}

impl Verdict {
    fn of(path: PathBuf, signers: &Arc<CrlSigners>, now: Time, bar: LoadBar) -> Verdict {
        Verdict {
            loaded: load(&path, signers, now, bar),
            issuer: display_name(signers.issuer().view().subject),
            path,
            now,
        }
    }

    /// Why it would not be used now, in one line.
    fn reason(&self) -> Option<String> {
        let list = match &self.loaded {
            Ok(loaded) => &loaded.list,
            Err(error) => return Some(error.to_string()),
        };
        let (path, window) = (self.path.display(), list.facts.window);
        if window.this_update > self.now {
            return Some(format!(
                "CRL {path}: is from the future, and not used until {}; is the clock right?",
                utc_and_distance(window.this_update, self.now)
            ));
        }
        (self.now > window.next_update).then(|| {
            format!(
                "CRL {path}: expired on {}; fetch the list that the CA publishes now",
                utc_and_distance(window.next_update, self.now)
            )
        })
    }

    /// What goes without saying for most lists, but not for this one.
    fn notes(list: &LoadedList) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(base) = &list.base_number {
            notes.push(format!(
                "it is a delta: used only over a complete CRL of its scope with number {base} or higher"
            ));
        }
        if !list.scope.is_whole() {
            notes.push(format!(
                "it covers only {}: the CRLs of the other parts are needed beside it",
                list.scope
            ));
        }
        if list.facts.foreign_count > 0 {
            notes.push(format!(
                "{} entries are about certificates of other issuers, and passed over",
                list.facts.foreign_count
            ));
        }
        let duplicates = list.serials.duplicate_count();
        if duplicates > 0 {
            notes.push(format!(
                "{duplicates} entries name a serial again: the earliest revocation counts"
            ));
        }
        notes
    }

    /// Nobody may be reading: the exit code tells the verdict too.
    fn print(&self) {
        let reason = self.reason();
        if let Ok(loaded) = &self.loaded {
            let _ = write!(io::stdout(), "{}", self.text(loaded, reason.is_none()));
        }
        if let Some(reason) = reason {
            let _ = writeln!(io::stderr(), "error: {reason}");
        }
    }

    fn text(&self, loaded: &Loaded, is_accepted: bool) -> String {
        let paint = Paint::for_stdout();
        let Loaded { list, file_bytes } = loaded;
        let facts = &list.facts;
        let verdict = match (is_accepted, &list.base_number) {
            (true, None) => "accepted".to_owned(),
            (true, Some(base)) => format!("accepted as a delta over number {base}"),
            (false, _) => paint.error("not used now"),
        };
        let mut rows = Rows::default();
        rows.add("issuer", &self.issuer);
        if let Some(number) = &facts.crl_number {
            rows.add("number", number.to_string());
        }
        let this_update = utc_and_distance(facts.window.this_update, self.now);
        rows.add("thisUpdate", this_update);
        let next_update = utc_and_distance(facts.window.next_update, self.now);
        rows.add("nextUpdate", next_update);
        rows.add("scope", list.scope.to_string());
        rows.add("signature", format!("{}, verified", algorithm_name(list)));
        rows.add("revoked", facts.entry_count.to_string());
        rows.add("file", size_text(*file_bytes));
        rows.add("in use", size_text(facts.size_bytes as u64));
        for note in Verdict::notes(list) {
            rows.add("note", note);
        }
        for warning in &facts.warnings {
            rows.add("warning", paint.warning(&warning.to_string()));
        }
        for (name, count) in facts.defects.found() {
            rows.add("defect", format!("{name}: {count}"));
        }
        format!("{}: {verdict}\n{}", self.path.display(), rows.text(&paint))
    }

    fn json(&self) -> Value {
        let reason = self.reason();
        let mut verdict = json!({
            "file": self.path.display().to_string(),
            "ca": self.issuer,
            "accepted": reason.is_none(),
            "reason": reason,
            "list": null,
            "table_bytes": null,
        });
        if let Ok(Loaded { list, file_bytes }) = &self.loaded {
            let facts = &list.facts;
            verdict["table_bytes"] = json!(facts.size_bytes);
            verdict["list"] = json!({
                "number": facts.crl_number.as_ref().map(ToString::to_string),
                "number_hex": facts.crl_number.as_ref().map(CrlNumber::to_hex),
                "base_number": list.base_number.as_ref().map(ToString::to_string),
                "this_update": facts.window.this_update.to_string(),
                "next_update": facts.window.next_update.to_string(),
                "scope": list.scope.to_string(),
                "whole": list.scope.is_whole(),
                "signature_algorithm": algorithm_name(list),
                "revoked": facts.entry_count,
                "other_issuers_entries": facts.foreign_count,
                "duplicates": list.serials.duplicate_count(),
                "file_bytes": file_bytes,
                "der_bytes": facts.der_bytes,
                "tbs_sha256": to_hex(&facts.digest),
                "freshest_crl": list.freshest_crl,
                "next_publish": list.next_publish.map(|time| time.to_string()),
                "notes": Verdict::notes(list),
                "warnings": facts.warnings.iter().map(ToString::to_string).collect::<Vec<String>>(),
                "defects": defects_json(&facts.defects),
            });
        }
        verdict
    }
}

fn algorithm_name(list: &LoadedList) -> &'static str {
    let algorithm = list.facts.signature_algorithm;
    algorithm.map_or("unknown", SignatureAlgorithm::name)
}

fn load(
    path: &Path,
    signers: &Arc<CrlSigners>,
    now: Time,
    mut bar: LoadBar,
) -> Result<Loaded, SourceError> {
    let mut load = ListLoad::open(path, signers, &SourceLimits::DEFAULT)?;
    loop {
        match load.step()? {
            Progress::Done => break,
            progress => bar.show(progress),
        }
    }
    let file_bytes = load.file_bytes();
    let list = load.finish(now)?;
    Ok(Loaded { list, file_bytes })
}
