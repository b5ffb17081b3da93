//! `ocspry crl dump CA`: signs the next CRL of a built-in CA.  From: the command line, the ledger.  To: a file, written
//! whole or not at all, or standard output; and the ledger, as published.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum, ValueHint};
use ocspry_ca::{CRL_LIFETIME, FileAccess, crl_to_pem, write_file};
use ocspry_core::{Clock as _, SystemClock};
use ocspry_ledger::PublishedCrl;
use ocspry_wire::hex::to_hex;
use serde_json::{Value, json};

use crate::ca_choice;
use crate::ca_keys;
use crate::config::{parse_duration, published_beside};
use crate::crl_publishing::{self, ListKind, ListLock, ListOrder};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print_json, say};
use crate::passphrases::PassphraseFlags;
use crate::time_text::utc_and_distance;

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry crl dump root --out root.crl
  ocspry crl dump root --delta --form der --out root-delta.crl

Each run signs a new list under a number of its own.  A full one names all that is revoked; a delta what
changed since the full one that was published last.  `ocspry ca tick` does this by itself where it is due.

Exit codes: 0 signed and written, 1 not, 2 wrong usage.";

/// What `crl dump` can be told.
#[derive(Debug, Args)]
pub(crate) struct DumpFlags {
    /// The CA, by its name or serial number
    #[arg(value_name = "CA")]
    ca: String,

    /// Only what changed since the last full CRL
    #[arg(long)]
    delta: bool,

    /// Write it there instead of to standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// How it is written
    #[arg(long, value_name = "FORM", value_enum, default_value = "pem")]
    form: Form,

    /// From now until the next one is due (nextUpdate): `7d`, `12h` [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    lifetime: Option<Duration>,

    /// Say what was published as JSON
    #[arg(long, requires = "out")]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    passphrase: PassphraseFlags,

    #[command(flatten)]
    act: ActFlags,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Text (RFC 7468)
    Pem,
    /// Octets
    Der,
}

/// From text: `7d`, `12h`; a list that is due at once helps nobody.
pub(crate) fn lifetime(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Some(lifetime) if lifetime >= LIFETIME_MIN => Ok(lifetime),
        Some(_) => Err("give one minute at least".to_owned()),
        None => Err("give a number and a unit: 12h, 7d".to_owned()),
    }
}

const LIFETIME_MIN: Duration = Duration::from_secs(60);

/// Signs a list.
///
/// # Errors
/// The CA cannot be opened, the list cannot be signed or written, or the ledger cannot.
pub(super) fn run(flags: &DumpFlags) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    let path = ledger.reader().path().to_owned();
    let ca = ca_choice::ca(ledger.reader(), &flags.ca)?;
    let act = flags.act.act(SystemClock.now());
    let audit = flags.act.audit(&flags.ledger, "crl dump", &act)?;
    let authority = ca_keys::open(&path, &ca, &flags.passphrase.source(), &audit, act.recorded)?;
    let lock = ListLock::wait(&path)?;
    let now = SystemClock.now();
    // What it takes the place of, and what `ca tick` put where it does unless told otherwise.
    let mut at_hand = vec![published_beside(&path).join(format!("{}.crl", ca.name))];
    at_hand.extend(flags.out.clone());
    let order = ListOrder {
        ca: &ca,
        authority: &authority,
        kind: match flags.delta {
            true => ListKind::Delta,
            false => ListKind::Full,
        },
        lifetime: flags.lifetime.unwrap_or(CRL_LIFETIME),
        at_hand: &at_hand,
    };
    let published =
        crl_publishing::publish(&mut ledger, &lock, &order, &flags.act.act(now), |der| {
            let pem;
            let octets = match flags.form {
                Form::Der => der,
                Form::Pem => {
                    pem = crl_to_pem(der)?;
                    pem.as_bytes()
                }
            };
            match &flags.out {
                Some(path) => Ok(write_file(path, octets, FileAccess::Public)?),
                None => crl_publishing::to_stdout(octets),
            }
        })?;
    match flags.json {
        true => print_json(&published_json(ca.name.as_str(), &published)),
        false => {
            let kind = if flags.delta { "delta CRL" } else { "CRL" };
            say(&format!(
                "{kind} {} of CA {}: {} entries, next update {}",
                published.number,
                ca.name,
                published.entry_count,
                utc_and_distance(published.next_update, now)
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was published.
pub(crate) fn published_json(ca: &str, crl: &PublishedCrl) -> Value {
    json!({
        "ca": ca,
        "number": crl.number.to_string(),
        "base_number": crl.base_number.map(|number| number.to_string()),
        "this_update": crl.this_update.to_string(),
        "next_update": crl.next_update.to_string(),
        "published": crl.published.to_string(),
        "covers": crl.covers,
        "entries": crl.entry_count,
        "sha256": to_hex(&crl.sha256),
    })
}
