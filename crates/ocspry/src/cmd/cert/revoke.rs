//! `ocspry cert revoke`: one certificate, or a million.
//!
//! What is revoked is on the disk when it is said to be.  Many are revoked some at a time, each time all or none; what was
//! cut off is run again and goes on, since what is revoked already stays as it is.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use ocspry_ledger::{Act, Ledger};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use serde_json::json;

use super::selection::{Alike, Selection};
use super::told::reason_word;
use crate::ca_choice::{self, Chooser};
use crate::consent::{ConsentFlags, Question};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print_json, say};
use crate::time_text::{time_from_text, utc};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry cert revoke 4F:3A:… --reason keyCompromise --ticket INC-4711
  ocspry cert revoke ./www.pem --at 2026-11-20T08:00:00Z
  ocspry cert revoke ./www.pem --reason certificateHold
  ocspry cert revoke ./www.pem --release
  ocspry cert revoke --from serials.txt --dry-run
  ocspry cert revoke --ca issuing --profile server --issued-after 2026-11-01 --reason superseded

Reasons: unspecified, keyCompromise, cACompromise, affiliationChanged, superseded,
cessationOfOperation, certificateHold, privilegeWithdrawn, aACompromise. Only a hold can be
released; one on hold can be revoked for good, and any reason can turn out to be keyCompromise.
--profile and --issued-after together take those to which both apply; --all and they pass over
what has expired, and take what was issued while the question stood there too. What was revoked or
on hold before stays revoked since then, unless --at is earlier, and stays revoked for the graver
reason: what was cut off is run again. It is recorded when this returns.

Exit codes: 0 all of them are revoked (or released), 1 they are not, 2 wrong usage.";

/// What `cert revoke` can be told.
#[derive(Debug, Args)]
pub(crate) struct RevokeFlags {
    /// Certificates: serial numbers, or files that hold one each (with a dot or slash in the path)
    #[arg(
        value_name = "SERIAL|FILE",
        required_unless_present_any = ["from", "profile", "issued_after", "all"],
        conflicts_with_all = ["from", "profile", "issued_after", "all"]
    )]
    certificates: Vec<String>,

    /// CA that issued them: its name, or the serial number of its certificate
    #[arg(long, value_name = "CA")]
    ca: Option<String>,

    /// Those whose serial numbers stand in this file, one on each line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["profile", "issued_after", "all"])]
    from: Option<PathBuf>,

    /// Those of this profile
    #[arg(long, value_name = "PROFILE", requires = "ca", conflicts_with = "all")]
    profile: Option<String>,

    /// Those that were issued at this time or later
    #[arg(long, value_name = "TIME", value_parser = time_from_text, requires = "ca", conflicts_with = "all")]
    issued_after: Option<Time>,

    /// All that the CA issued
    #[arg(long, requires = "ca")]
    all: bool,

    /// Why [default: unspecified]
    #[arg(long, value_name = "REASON", value_parser = reason_from_text)]
    reason: Option<Reason>,

    /// Since when they are revoked, if not from now on; what was revoked or on hold before is since then
    #[arg(long, value_name = "TIME", value_parser = time_from_text)]
    at: Option<Time>,

    /// Since when the key is known or suspected not to be safe (invalidityDate)
    #[arg(long, value_name = "TIME", value_parser = time_from_text)]
    invalidity_date: Option<Time>,

    /// Release them from their hold
    #[arg(long, conflicts_with_all = ["reason", "at", "invalidity_date", "from", "profile", "issued_after", "all"])]
    release: bool,

    /// Say how many would be revoked, and revoke none
    #[arg(long, conflicts_with = "release")]
    dry_run: bool,

    #[command(flatten)]
    consent: ConsentFlags,

    /// Print the counts as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    act: ActFlags,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// CRLReason as it is typed; unspecified is left out of lists and answers (RFC 5280 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) Option<CrlReason>);

/// In any case, and with or without hyphens.
///
/// # Errors
/// There is none of this name.
pub(crate) fn reason_from_text(text: &str) -> Result<Reason> {
    let bare = text.replace(['-', '_'], "");
    if bare.eq_ignore_ascii_case("unspecified") {
        return Ok(Reason(None));
    }
    let is_meant = |reason: &CrlReason| reason.name().eq_ignore_ascii_case(&bare);
    match CrlReason::ALL.into_iter().find(is_meant) {
        Some(reason) => Ok(Reason(Some(reason))),
        None if bare.eq_ignore_ascii_case("removeFromCRL") => {
            bail!("a hold ends with --release")
        }
        None => bail!(
            "choose unspecified or one of {}",
            CrlReason::ALL.map(CrlReason::name).join(", ")
        ),
    }
}

/// Revokes them.
///
/// # Errors
/// What kept them from being revoked.
pub(super) fn run(flags: &RevokeFlags, now: Time) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    let act = flags.act.act(now);
    if flags.release {
        return release(flags, &mut ledger, &act);
    }
    let info = RevokedInfo {
        revocation_time: flags.at.unwrap_or(now),
        reason: flags.reason.and_then(|reason| reason.0),
        invalidity_date: flags.invalidity_date,
    };
    if info.revocation_time > now {
        bail!(
            "--at {} is later than now, {}; revoke when the time has come",
            utc(info.revocation_time),
            utc(now)
        );
    }
    let mut selection = flags.selection(&ledger, info, now)?;
    for line in lines(&selection, &info) {
        say(&line);
    }
    let count = selection.count();
    let mut revoked = 0;
    if !flags.dry_run && count > 0 {
        let typed = count.to_string();
        let question = match flags.certificates.is_empty() {
            true => Question::Type(&typed),
            false => Question::GoOn,
        };
        if !flags.consent.obtained(&question)? {
            return Ok(ExitCode::FAILURE);
        }
        if flags.is_by_what_they_have_in_common() && flags.consent.asks() {
            // Others were issued while the question stood there.
            selection = flags.selection(&ledger, info, now)?;
        }
        let _audit = flags.act.audit(&flags.ledger, "cert revoke", &act)?;
        revoked = revoke_all(&mut ledger, &act, &selection, info)?;
        say(&format!("revoked {revoked}; it is recorded"));
    }
    if flags.json {
        print_json(&json!({
            "dry_run": flags.dry_run,
            "selected": selection.count(),
            "revoked": revoked,
            "already": selection.already(),
        }));
    }
    Ok(ExitCode::SUCCESS)
}

/// Revokes all that were chosen, some at a time; gives how many.
///
/// # Errors
/// The ledger cannot be written: those before stay revoked.
pub(crate) fn revoke_all(
    ledger: &mut Ledger,
    act: &Act,
    selection: &Selection,
    info: RevokedInfo,
) -> Result<u64> {
    let bar = bar(selection.count());
    let mut revoked = 0;
    for part in &selection.parts {
        // Neighbours in the ledger's index together: a batch touches few pages, where one without order touches as many as
        // it has serial numbers.
        let mut serials: Vec<&SerialNumber> = part.serials.iter().collect();
        serials.sort_unstable_by_key(|serial| serial.minimal());
        for batch in serials.chunks(BATCH) {
            let batch: Vec<_> = batch.iter().map(|serial| (**serial, info)).collect();
            let done = ledger
                .revoke_many(act, part.ca.number, &batch)
                .map_err(|error| {
                    anyhow!("{error}; {revoked} were revoked before that: run it again to go on")
                })?;
            revoked += done.revoked;
            bar.set_position(revoked);
        }
    }
    bar.finish_and_clear();
    Ok(revoked)
}

/// Drawn on a terminal only, and only for many.
fn bar(count: u64) -> ProgressBar {
    if count <= BATCH as u64 {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:20} {percent:>3} %, {pos} of {len} revoked, {eta} left");
    ProgressBar::new(count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What is about to be done.
pub(crate) fn lines(selection: &Selection, info: &RevokedInfo) -> Vec<String> {
    let reason = reason_word(info.reason);
    let mut lines = Vec::new();
    for part in &selection.parts {
        let count = part.serials.len();
        let already = match part.already {
            0 => String::new(),
            already => format!("; {already} are revoked already and stay as they are"),
        };
        lines.push(format!(
            "CA {}: {count} to revoke ({reason}, since {}){already}",
            part.ca.name,
            utc(info.revocation_time)
        ));
        let named = part.serials.iter().zip(&part.subjects);
        lines.extend(named.map(|(serial, subject)| format!("  {serial}  {subject}")));
        let shown = part.subjects.len();
        if shown > 0 && shown < count {
            lines.push(format!("  and {} more", count - shown));
        }
    }
    lines
}

fn release(flags: &RevokeFlags, ledger: &mut Ledger, act: &Act) -> Result<ExitCode> {
    let chooser = Chooser::new(ledger.reader(), flags.ca.as_deref())?;
    let chosen = flags
        .certificates
        .iter()
        .map(|text| chooser.certificate(text))
        .collect::<Result<Vec<_>>>()?;
    let _audit = flags.act.audit(&flags.ledger, "cert revoke", act)?;
    for one in &chosen {
        ledger.release(act, one.ca.number, &one.certificate.serial_number)?;
        say(&format!(
            "released serial {} ({}) from its hold",
            one.certificate.serial_number, one.certificate.subject
        ));
    }
    if flags.json {
        print_json(&json!({ "released": chosen.len() }));
    }
    Ok(ExitCode::SUCCESS)
}

impl RevokeFlags {
    fn is_by_what_they_have_in_common(&self) -> bool {
        self.certificates.is_empty() && self.from.is_none()
    }

    fn selection(&self, ledger: &Ledger, told: RevokedInfo, now: Time) -> Result<Selection> {
        let reader = ledger.reader();
        let ca = self.ca.as_deref();
        if !self.certificates.is_empty() {
            return Selection::named(reader, ca, &self.certificates, told);
        }
        match (&self.from, ca) {
            (Some(path), _) => Selection::listed(reader, ca, path, told),
            (None, Some(name)) => {
                let alike = Alike {
                    profile: self.profile.as_deref(),
                    issued_after: self.issued_after,
                };
                Selection::alike(reader, ca_choice::ca(reader, name)?, &alike, told, now)
            }
            (None, None) => bail!("which CA's? give --ca"),
        }
    }
}

/// Revoked in one transaction: some 50 ms, for which others wait.
const BATCH: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_in_every_spelling_that_people_use() {
        for text in [
            "keyCompromise",
            "key_compromise",
            "key-compromise",
            "KEYCOMPROMISE",
        ] {
            let reason = reason_from_text(text).unwrap();
            assert_eq!(reason, Reason(Some(CrlReason::KeyCompromise)), "{text}");
        }
        assert_eq!(reason_from_text("unspecified").unwrap(), Reason(None));
        for (text, part) in [("removeFromCRL", "--release"), ("lost", "superseded")] {
            let error = reason_from_text(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
