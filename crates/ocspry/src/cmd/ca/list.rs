//! `ocspry ca list`: the CAs of a ledger, one line each.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ocspry_ledger::LedgerReader;
use ocspry_wire::Time;
use ocspry_wire::x509::display_name;
use serde_json::Value;

use super::show;
use crate::ca_keys::{self, certificate_of};
use crate::ledger_flags::LedgerFlags;
use crate::output::{print, print_json};
use crate::summary::Paint;
use crate::text_table::Table;
use crate::time_text::utc_and_distance;

/// What `ca list` can be told.
#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// Print them as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Lists them.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn run(flags: &ListFlags, now: Time) -> Result<ExitCode> {
    let reader = flags.ledger.to_read()?;
    match flags.json {
        true => print_json(&json(&reader, now)?),
        false => print(&text(&reader, now)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn json(reader: &LedgerReader, now: Time) -> Result<Value> {
    let cas = reader.issuers()?;
    let shown = cas
        .iter()
        .map(|ca| Ok(show::Shown::of(reader, ca, now)?.json()));
    Ok(Value::Array(shown.collect::<Result<_>>()?))
}

fn text(reader: &LedgerReader, now: Time) -> Result<String> {
    let mut table = Table::new(["serial", "name", "subject", "parent", "until", "state"]);
    for ca in reader.issuers()? {
        let certificate = certificate_of(&ca, now)?.view();
        let parent = ca.settings.get(&ocspry_ledger::Setting::Parent);
        let state = match (ca_keys::is_enabled(&ca), certificate.not_after < now) {
            (_, true) => "expired",
            (false, false) => "disabled",
            (true, false) => "enabled",
        };
        table.add([
            certificate.serial_number.to_string(),
            ca.name.to_string(),
            display_name(certificate.subject),
            parent.cloned().unwrap_or_else(|| "-".to_owned()),
            utc_and_distance(certificate.not_after, now),
            state.to_owned(),
        ]);
    }
    Ok(table.text(&Paint::for_stdout()))
}
