//! `ocspry ca compromise`: the key of a CA is in other hands.
//!
//! Everything that it issued is revoked and it issues no more; its own certificates are revoked by the CAs of the ledger that
//! signed them.  What remains to be done by people is listed.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{
    Act, ImportEntry, IssuerFacts, Ledger, LedgerReader, Setting, revocation_news,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use serde_json::json;

use super::own::{SignedAbove, signed_above};
use crate::ca_choice;
use crate::cmd::cert::{Alike, Selection, revocation_lines, revoke_all};
use crate::consent::{ConsentFlags, Question};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print, print_json, say};
use crate::time_text::time_from_text;

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Example:
  ocspry ca compromise issuing --since 2026-11-20T08:00:00Z --ticket INC-4711

Revokes, for cACompromise and with invalidityDate at that time, everything that the CA issued and
that has not expired, disables the CA, and revokes its own certificates where a CA of the ledger
signed them. It can be run again when it was cut off. Then it lists what is left to do. It cannot be
undone.

Exit codes: 0 done, 1 not done or not all, 2 wrong usage.";

/// What `ca compromise` can be told.
#[derive(Debug, Args)]
pub(crate) struct CompromiseFlags {
    /// The CA: its name, or the serial number of its certificate
    #[arg(value_name = "CA")]
    ca: String,

    /// Since when its key may be in other hands
    #[arg(long, value_name = "TIME", value_parser = time_from_text)]
    since: Time,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    consent: ConsentFlags,

    /// Print what was done as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    act: ActFlags,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Does it.
///
/// # Errors
/// What kept it from being done.
pub(super) fn run(flags: &CompromiseFlags, now: Time) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    let ca = ca_choice::ca(ledger.reader(), &flags.ca)?;
    let name = ca.name.to_string();
    let info = RevokedInfo {
        revocation_time: now,
        reason: Some(CrlReason::CaCompromise),
        invalidity_date: Some(flags.since),
    };
    let everything = Alike {
        profile: None,
        issued_after: None,
    };
    let select =
        |reader: &LedgerReader| Selection::alike(reader, ca.clone(), &everything, info, now);
    let selection = select(ledger.reader())?;
    let above = signed_above(ledger.reader(), &ca)?;
    let own = own_selection(ledger.reader(), &above, info)?;
    for line in revocation_lines(&selection, &info) {
        say(&line);
    }
    say(&format!("CA {name}: issues no more"));
    for line in revocation_lines(&own, &info) {
        say(&format!("its own certificate: {line}"));
    }
    let mut revoked = 0;
    if flags.dry_run {
        say("nothing was changed: a dry run");
    } else {
        if !flags.consent.obtained(&Question::Type(&name))? {
            return Ok(ExitCode::FAILURE);
        }
        let act = flags.act.act(now);
        let _audit = flags.act.audit(&flags.ledger, "ca compromise", &act)?;
        // First of all, no more of them: what is in the ledger from here on was brought along.
        ledger.set(&act, ca.number, &[(Setting::Enabled, Some("no"))])?;
        loop {
            // Also what was signed while somebody typed the name.
            let there = select(ledger.reader())?;
            if there.count() == 0 {
                break;
            }
            revoked += revoke_all(&mut ledger, &act, &there, info)?;
        }
        revoke_own(&mut ledger, &act, &name, info)?;
        say(&format!("revoked {revoked}; it is recorded"));
    }
    let steps = steps(&ca, &above, is_also_elsewhere(ledger.reader(), &ca)?);
    match flags.json {
        true => print_json(&json!({
            "ca": name,
            "dry_run": flags.dry_run,
            "selected": selection.count(),
            "revoked": revoked,
            "already": selection.already(),
            "own_certificates": (!above.is_empty()).then(|| own.count()),
            "steps": steps,
        })),
        false => {
            print("What is left to do:\n");
            for (number, step) in steps.iter().enumerate() {
                print(&format!("  {}. {step}\n", number + 1));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Of the CA's own certificates those for which the revocation is news, by the CAs that signed them.
fn own_selection(
    reader: &LedgerReader,
    signed: &[SignedAbove],
    told: RevokedInfo,
) -> Result<Selection> {
    let mut parts = Vec::new();
    for SignedAbove {
        above,
        known,
        unknown,
    } in signed
    {
        let mut serials: Vec<SerialNumber> = unknown
            .iter()
            .map(|certificate| certificate.view().serial_number)
            .collect();
        for serial in known {
            let before = reader.revocation(above.number, serial)?;
            if revocation_news(before.as_ref(), told).is_some() {
                serials.push(*serial);
            }
        }
        parts.push((above.clone(), serials));
    }
    Ok(Selection::of(parts))
}

/// Revokes its own certificates, wherever they are; those that the CA above does not know become known to it.
fn revoke_own(ledger: &mut Ledger, act: &Act, name: &str, told: RevokedInfo) -> Result<()> {
    let ca = ledger.reader().issuer(name)?;
    let signed = signed_above(ledger.reader(), &ca)?;
    for SignedAbove { above, unknown, .. } in &signed {
        let entries = unknown
            .iter()
            .map(|certificate| ImportEntry::of(certificate, Some("intermediate")));
        ledger.import(act, above.number, entries, |_| {})?;
    }
    let own = own_selection(ledger.reader(), &signed, told)?;
    revoke_all(ledger, act, &own, told)?;
    Ok(())
}

/// Was one of its certificates signed by itself, or by somebody whom the ledger does not know?
fn is_also_elsewhere(reader: &LedgerReader, ca: &IssuerFacts) -> Result<bool> {
    let cas = reader.issuers()?;
    let is_from_here = |certificate: &OwnedCertificate| {
        let mut above = cas.iter().filter(|above| above.number != ca.number);
        above.any(|above| ca_choice::issued(above, &certificate.view()))
    };
    Ok(!ca.certificates.iter().all(is_from_here))
}

fn steps(ca: &IssuerFacts, above: &[SignedAbove], is_also_elsewhere: bool) -> Vec<String> {
    let name = &ca.name;
    let mut steps = Vec::new();
    if is_also_elsewhere {
        steps.push(format!(
            "if another CA signed {name}: report this to it, and have the certificate revoked for cACompromise"
        ));
        steps.push(format!(
            "if {name} is a root: remove it from every trust store; no CRL or answer of its own can be believed, \
             since whoever has the key signs them as well"
        ));
    }
    let above: Vec<&str> = above
        .iter()
        .map(|signed| signed.above.name.as_str())
        .collect();
    steps.push(match above.as_slice() {
        [] => format!("publish a CRL of {name}: ocspry ca tick"),
        [one] => {
            format!("publish CRLs of {one}, which revokes {name}, and of {name}: ocspry ca tick")
        }
        several => format!(
            "publish CRLs of {}, which revoke {name}, and of {name}: ocspry ca tick",
            several.join(" and ")
        ),
    });
    steps.push(format!(
        "certificates that were made with the stolen key are not in the ledger: set never-issued = \"revoked\" for \
         {name} in the configuration of `serve`, and ocspry reload"
    ));
    steps.push(
        "make a new CA with a new key and another name, and issue anew: ocspry ca init".to_owned(),
    );
    steps.push(format!(
        "take the key of {name} out of use, but keep it until the last CRL of {name} is signed"
    ));
    steps
}
