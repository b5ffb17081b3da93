//! `ocspry cert show`: one certificate, and every fact about it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, ValueHint};
use ocspry_ca::certificate_to_pem;
use ocspry_ledger::{Fact, FactKind};
use ocspry_wire::Time;
use ocspry_wire::ocsp::CrlReason;
use serde_json::{Value, json};

use super::told::{self, State};
use crate::ca_choice::{Chooser, Chosen};
use crate::ledger_flags::LedgerFlags;
use crate::output::{print, print_json, write_certificate};
use crate::summary::Paint;
use crate::text_table::{Rows, Table};
use crate::time_text::{utc, utc_and_distance};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry cert show 4F:3A:…        by serial number: hex, colons and 0x allowed
  ocspry cert show ./server.pem   by the certificate itself: a dot or slash makes it a file
  ocspry cert show 4F3A… --out server.pem

Exit codes: 0 shown, 1 the ledger knows no such certificate or cannot be read, 2 wrong usage.";

/// What `cert show` can be told.
#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    /// The certificate: its serial number, or a file that holds it
    #[arg(value_name = "SERIAL|FILE")]
    certificate: String,

    /// CA that issued it, where several have that serial number
    #[arg(long, value_name = "CA")]
    ca: Option<String>,

    /// Print the certificate as PEM instead
    #[arg(long, conflicts_with = "json")]
    pem: bool,

    /// Write the certificate there, as PEM, instead
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["json", "pem"])]
    out: Option<PathBuf>,

    /// Print it as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Shows one.
///
/// # Errors
/// There is none; the ledger cannot be read, or the file not be written.
pub(super) fn run(flags: &ShowFlags, now: Time) -> Result<ExitCode> {
    let reader = flags.ledger.to_read()?;
    let chosen = Chooser::new(&reader, flags.ca.as_deref())?.certificate(&flags.certificate)?;
    let serial = chosen.certificate.serial_number;
    if flags.pem || flags.out.is_some() {
        let der = chosen.certificate.der.as_deref().ok_or_else(|| {
            anyhow!("serial {serial} was brought along without its certificate, and the ledger takes none later; only who has its file has it")
        })?;
        let pem = certificate_to_pem(der)?;
        match &flags.out {
            Some(out) => write_certificate(out, pem.as_bytes())?,
            None => print(&pem),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let state = State::of(&reader, &chosen.certificate, now)?;
    let history = reader.history(chosen.ca.number, &serial)?;
    match flags.json {
        true => print_json(&json(&chosen, &state, &history)),
        false => print(&text(&chosen, &state, &history, now)),
    }
    Ok(ExitCode::SUCCESS)
}

fn json(chosen: &Chosen, state: &State, history: &[Fact]) -> Value {
    let mut value = told::json(chosen.ca.name.as_str(), &chosen.certificate, state);
    let facts = history.iter().map(|fact| {
        json!({
            "sequence": fact.sequence,
            "kind": kind_word(fact.kind),
            "recorded": fact.act.recorded.to_string(),
            "requested": fact.act.requested.to_string(),
            "effective": fact.effective.map(|time| time.to_string()),
            "first_published": fact.first_published.map(|time| time.to_string()),
            "reason": reason_of(fact),
            "actor": fact.act.actor,
            "ticket": fact.act.ticket,
        })
    });
    value["history"] = facts.collect();
    value
}

fn text(chosen: &Chosen, state: &State, history: &[Fact], now: Time) -> String {
    let paint = Paint::for_stdout();
    let certificate = &chosen.certificate;
    let mut rows = Rows::default();
    let time = |time: Option<Time>| {
        time.map_or_else(
            || "not known".to_owned(),
            |time| utc_and_distance(time, now),
        )
    };
    rows.add("CA", chosen.ca.name.as_str());
    rows.add("subject", certificate.subject.as_str());
    rows.add("valid from", time(certificate.not_before));
    rows.add("valid until", time(certificate.not_after));
    rows.add(
        "profile",
        certificate.profile.as_deref().unwrap_or("not known"),
    );
    rows.add("origin", told::origin_word(certificate.origin));
    rows.add("state", state.word());
    if let State::Revoked(info) = state {
        rows.add("since", utc_and_distance(info.revocation_time, now));
        rows.add("reason", told::reason_word(info.reason));
        if let Some(date) = info.invalidity_date {
            rows.add("invalid since", utc_and_distance(date, now));
        }
    }
    let mut table = Table::new(["fact", "recorded", "what", "by", "ticket"]);
    for fact in history {
        let mut what = kind_word(fact.kind).to_owned();
        if let Some(reason) = reason_of(fact) {
            let _ = write!(what, " ({reason})");
        }
        table.add([
            fact.sequence.to_string(),
            utc(fact.act.recorded),
            what,
            fact.act.actor.clone(),
            fact.act.ticket.clone().unwrap_or_default(),
        ]);
    }
    format!(
        "certificate {}\n{}\n{}",
        paint.bold(&certificate.serial_number.to_string()),
        rows.text(&paint),
        table.text(&paint)
    )
}

/// Of a revocation, the standard's word.
fn reason_of(fact: &Fact) -> Option<&'static str> {
    match fact.kind {
        FactKind::Revoked => Some(told::reason_word(
            fact.reason.and_then(CrlReason::from_code),
        )),
        _ => None,
    }
}

fn kind_word(kind: FactKind) -> &'static str {
    match kind {
        FactKind::IssuerAdded => "CA added",
        FactKind::IssuerCertificate => "CA certificate added",
        FactKind::SettingChanged => "setting changed",
        FactKind::SerialReserved => "serial reserved",
        FactKind::Issued => "issued",
        FactKind::Imported => "imported",
        FactKind::Named => "named by a list",
        FactKind::Revoked => "revoked",
        FactKind::Released => "released",
        FactKind::CrlNumber => "CRL number used",
        FactKind::CrlPublished => "CRL published",
        FactKind::Reconciled => "reconciled",
    }
}
