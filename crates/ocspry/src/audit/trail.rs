//! The audit stream of the commands that change a ledger (ADR-0017).
//!
//! The ledger is the truth: its acts are told from it, fact by fact, each once and in order, also those of commands that were
//! cut off or ran without this.  What the ledger does not know goes first: that a command began, and that the key of a CA is
//! about to be used.  What cannot be written down then is not done.  From: the commands.  To: `file`.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use ocspry_core::{Clock as _, SystemClock};
use ocspry_ledger::{
    Act, CrlNumber, Fact, FactKind, IssuerNumber, LedgerError, LedgerPlace, LedgerReader, Position,
};
use ocspry_wire::Time;
use ocspry_wire::hex::from_hex;
use ocspry_wire::ocsp::CrlReason;
use serde_json::{Value, json};

use super::file::{AuditFile, Writing};
use super::line::Entry;
use super::told::{FACT, POSITION, Told};
use crate::output::say;

/// Facts that are told at once: some megabytes.
const PAGE: u32 = 4096;

/// What a command writes down; what it recorded in the ledger meanwhile is told when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct AuditTrail {
    /// None: nobody asked for it.
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    file: AuditFile,
    /// None: the command is about none.
    ledger: Option<LedgerPlace>,
    command: &'static str,
    act: Act,
}

impl AuditTrail {
    /// Tells what the ledger has and the file has not.
    ///
    /// # Errors
    /// The file cannot be written, or tells of another ledger: nothing may be done.
    pub(crate) fn open(
        file: Option<&Path>,
        ledger: Option<LedgerPlace>,
        command: &'static str,
        act: &Act,
    ) -> Result<AuditTrail> {
        let asked = file.map(|file| Asked {
            file: AuditFile::at(file),
            ledger,
            command,
            act: act.clone(),
        });
        if let Some(asked) = &asked {
            asked.catch_up().context("nothing was done")?;
        }
        Ok(AuditTrail { asked })
    }

    /// The same, and that the command begins.
    ///
    /// # Errors
    /// As [`AuditTrail::open`].
    pub(crate) fn begin(
        file: Option<&Path>,
        ledger: Option<LedgerPlace>,
        command: &'static str,
        act: &Act,
    ) -> Result<AuditTrail> {
        let trail = AuditTrail::open(file, ledger, command, act)?;
        trail.say("command-begun", []).context("nothing was done")?;
        Ok(trail)
    }

    /// The key of a CA is about to be opened.
    ///
    /// # Errors
    /// It cannot be written down: it may not be.
    pub(crate) fn key_opens(&self, ca: &str, key: &Path) -> Result<()> {
        let key = json!(key.display().to_string());
        self.say("ca-key-opened", [("ca", json!(ca)), ("key", key)])
            .context("the key was not opened, and nothing is signed with it")
    }

    /// Something that is in no ledger is about to be done, or was.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(crate) fn say<const COUNT: usize>(
        &self,
        event: &str,
        fields: [(&str, Value); COUNT],
    ) -> Result<()> {
        let Some(asked) = &self.asked else {
            return Ok(());
        };
        let mut entry = Entry::new(SystemClock.now(), event, fields);
        let by = [
            ("command", json!(asked.command)),
            ("actor", json!(asked.act.actor)),
            ("ticket", json!(asked.act.ticket)),
        ];
        let by = Entry::new(entry.time, event, by);
        entry.fields.extend(by.fields);
        let mut writing = asked.file.lock(entry.time)?;
        asked.tell(&mut writing)?;
        Ok(writing.append(vec![entry])?)
    }

    /// The last fact that the file has told.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn last_fact(&self) -> Result<Option<u64>> {
        let Some(asked) = &self.asked else {
            return Ok(None);
        };
        let writing = asked.file.lock(SystemClock.now())?;
        Ok(Some(writing.told().fact))
    }
}

impl Drop for AuditTrail {
    fn drop(&mut self) {
        let Some(asked) = &self.asked else {
            return;
        };
        if let Err(error) = asked.catch_up() {
            say(&format!(
                "warning: {error:#}: what was recorded is in the ledger, and is told with the next command"
            ));
        }
    }
}

impl Asked {
    fn catch_up(&self) -> Result<()> {
        let mut writing = self.file.lock(SystemClock.now())?;
        self.tell(&mut writing)
    }

    fn tell(&self, writing: &mut Writing) -> Result<()> {
        let Some(ledger) = &self.ledger else {
            return Ok(());
        };
        let reader = match LedgerReader::open(ledger) {
            // There is none yet.
            Err(LedgerError::Missing { .. } | LedgerError::Unfinished { .. }) => return Ok(()),
            opened => opened?,
        };
        // Of one moment: a position belongs to the facts before it.
        let _moment = reader.one_moment()?;
        // Restored and not reconciled: what it lacks is put back first.
        if reader.is_restored()? {
            return Ok(());
        }
        let told = writing.told();
        if let Some(position) = &told.position {
            reader.check_continues(position).map_err(|error| {
                anyhow!(
                    "the audit file {} tells of this ledger up to fact {}, and what is there does not go on from it: {error}",
                    self.file.path().display(),
                    told.fact
                )
            })?;
        }
        Teller::of(&reader, told)?.tell(writing)
    }
}

/// Makes lines of facts.
struct Teller<'a> {
    reader: &'a LedgerReader,
    names: HashMap<IssuerNumber, String>,
    identity: [u8; 16],
    told: Told,
}

impl<'a> Teller<'a> {
    fn of(reader: &'a LedgerReader, told: Told) -> Result<Teller<'a>> {
        let named = reader.issuers()?.into_iter();
        Ok(Teller {
            reader,
            names: named.map(|ca| (ca.number, ca.name.to_string())).collect(),
            identity: reader.position()?.identity,
            told,
        })
    }

    fn tell(&mut self, writing: &mut Writing) -> Result<()> {
        loop {
            let facts = self.reader.facts(self.told.fact, PAGE)?;
            if facts.is_empty() {
                return Ok(());
            }
            let now = SystemClock.now();
            let entries = facts
                .iter()
                .map(|fact| self.entry(fact, now))
                .collect::<Result<Vec<_>>>()?;
            writing.append(entries)?;
        }
    }

    fn entry(&mut self, fact: &Fact, now: Time) -> Result<Entry> {
        self.told.fact = fact.sequence;
        if let Some(mark) = fact.ends_act {
            self.told.position = Some(Position {
                identity: self.identity,
                sequence: fact.sequence,
                mark,
            });
        }
        let time = |time: Time| json!(time.to_string());
        let reason = |code: u8| {
            let reason = CrlReason::from_code(code);
            json!(reason.map_or_else(|| code.to_string(), |reason| reason.name().to_owned()))
        };
        let is_requested_before = fact.act.requested != fact.act.recorded;
        Ok(Entry::new(
            now,
            event(fact),
            [
                (FACT, json!(fact.sequence)),
                ("recorded", time(fact.act.recorded)),
                (
                    "requested",
                    is_requested_before.then(|| time(fact.act.requested)).into(),
                ),
                ("actor", json!(fact.act.actor)),
                ("ticket", json!(fact.act.ticket)),
                (
                    "ca",
                    fact.issuer
                        .and_then(|ca| self.names.get(&ca))
                        .cloned()
                        .into(),
                ),
                (
                    "serial",
                    fact.serial_number.map(|serial| serial.to_string()).into(),
                ),
                ("subject", self.subject(fact)?.into()),
                ("effective", fact.effective.map(time).into()),
                ("reason", fact.reason.map(reason).into()),
                ("invalidity_date", fact.invalid_since.map(time).into()),
                (detail_name(fact.kind), detail(fact).into()),
                ("covers", fact.covers.into()),
                (
                    POSITION,
                    self.told
                        .position
                        .map(|position| position.to_string())
                        .into(),
                ),
            ],
        ))
    }

    /// Whose certificate it is.
    fn subject(&self, fact: &Fact) -> Result<Option<String>> {
        let (Some(ca), Some(serial)) = (fact.issuer, fact.serial_number) else {
            return Ok(None);
        };
        if !matches!(fact.kind, FactKind::Issued | FactKind::Imported) {
            return Ok(None);
        }
        let certificate = self.reader.certificate(ca, &serial)?;
        Ok(certificate.map(|certificate| certificate.subject))
    }
}

/// What happened.
fn event(fact: &Fact) -> &'static str {
    match fact.kind {
        FactKind::IssuerAdded => "ca-added",
        FactKind::IssuerCertificate => "ca-certificate-added",
        FactKind::SettingChanged => "ca-changed",
        FactKind::SerialReserved => "serial-reserved",
        FactKind::Issued => "issued",
        FactKind::Imported => "imported",
        FactKind::Named => "named",
        FactKind::Revoked if fact.reason == Some(CrlReason::CertificateHold.code()) => "held",
        FactKind::Revoked => "revoked",
        FactKind::Released => "released",
        FactKind::CrlNumber => "crl-number-reserved",
        FactKind::CrlPublished => "crl-published",
        FactKind::Reconciled => "reconciled",
    }
}

const fn detail_name(kind: FactKind) -> &'static str {
    match kind {
        FactKind::CrlNumber | FactKind::CrlPublished => "crl_number",
        FactKind::Issued | FactKind::Imported => "profile",
        FactKind::SettingChanged => "setting",
        FactKind::Reconciled => "facts_lost",
        FactKind::IssuerAdded
        | FactKind::IssuerCertificate
        | FactKind::SerialReserved
        | FactKind::Named
        | FactKind::Revoked
        | FactKind::Released => "detail",
    }
}

/// The ledger has CRL numbers as hex of a fixed length.
fn detail(fact: &Fact) -> Option<String> {
    let text = fact.detail.clone()?;
    match fact.kind {
        FactKind::CrlNumber | FactKind::CrlPublished => {
            let octets = from_hex(&text)?;
            Some(CrlNumber::from_content(&octets)?.to_string())
        }
        // A CA's name is in every line about it.
        FactKind::IssuerAdded => None,
        FactKind::IssuerCertificate
        | FactKind::SettingChanged
        | FactKind::SerialReserved
        | FactKind::Issued
        | FactKind::Imported
        | FactKind::Named
        | FactKind::Revoked
        | FactKind::Released
        | FactKind::Reconciled => Some(text),
    }
}
