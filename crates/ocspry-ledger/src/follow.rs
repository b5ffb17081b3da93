//! A ledger as a source of status: whole tables in memory, followed by the sequence (design.md §2, §7).
//!
//! [`LedgerFollower::look`] is cheap when nothing has changed (SQLite's `data_version` and one `stat`), so that it can be
//! called every 10 ms; what has changed is laid over the tables in use.  A look that fails says nothing about any
//! certificate: the tables that were given out stay true for their window, and the next look tries again, also with a new
//! file in the place of the old one.
//!
//! What was seen is never forgotten in silence: a ledger whose sequence went back, or in which other facts stand where known
//! ones stood, is refused until it is reconciled, and so is a reconciliation that lacks a revocation known here
//! (design.md §3, rule 3).  From: a ledger that others write.  To: `core::Issuer::set_table`.

mod parts;

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use ocspry_core::crypto::sha256;
use ocspry_core::{
    Absence, CLOCK_BEHIND_SECONDS_MAX, Revocation, SourceInfo, StatusParts, StatusTable,
    ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

use crate::decision::may_become;
use crate::place::LedgerPlace;
use crate::reader::{Continuation, LedgerReader, rows};
use crate::{IssuerNumber, LedgerError, Position, Standing};
use parts::{Loading, News, TableParts};

/// How long what a ledger says is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowPolicy {
    /// How long after a look its tables may be answered from.
    pub validity: Duration,
    /// How long after notAfter a certificate is still known; None: for ever.
    pub retention: Option<Duration>,
}

impl FollowPolicy {
    /// 12 hours, and 7 days (design.md §4, §7).
    pub const DEFAULT: FollowPolicy = FollowPolicy {
        validity: Duration::from_secs(12 * 3600),
        retention: Some(Duration::from_secs(7 * 86_400)),
    };
}

/// A new table for one CA.
#[derive(Debug)]
pub struct FollowedTable {
    /// The CA's name in the ledger.
    pub name: String,
    /// Which CA that is: as in `issuer_identity`, to be compared with that of the issuer that answers from it.
    pub identity: [u8; 32],
    /// All that is known of its certificates.
    pub table: StatusTable,
}

/// The tables of some CAs of one ledger.
#[derive(Debug)]
pub struct LedgerFollower {
    place: LedgerPlace,
    policy: FollowPolicy,
    issuers: Vec<FollowedIssuer>,
    /// How far it was read, now or before a restart.
    position: Option<Position>,
    open: Option<Opened>,
    /// When the tables were read whole; None: not yet, or they are to be.
    loaded: Option<Time>,
}

#[derive(Debug)]
struct FollowedIssuer {
    name: String,
    /// None: the ledger has no such CA, or was not read yet.
    known: Option<KnownIssuer>,
    parts: TableParts,
    /// Its table is another one than the one given out.
    is_changed: bool,
    /// thisUpdate of the one given out.
    confirmed: Time,
}

/// What the ledger says of a CA itself, which never changes.
#[derive(Clone, Copy, Debug)]
struct KnownIssuer {
    number: IssuerNumber,
    identity: [u8; 32],
}

/// The ledger, as long as its file is the same.
#[derive(Debug)]
struct Opened {
    reader: LedgerReader,
    /// Device and inode.
    file: (u64, u64),
    /// When the file was written to last; a checkpoint is enough.  Seconds and nanoseconds.
    modified: (i64, i64),
    /// SQLite's own counter of the changes that others made; None before the first look.
    data_version: Option<i64>,
    /// What is there at that version may not be used.
    refused: Option<LedgerError>,
}

impl LedgerFollower {
    /// Of some CAs, by their names in the ledger; `known` is the position that was kept across a restart.
    pub fn new(
        place: LedgerPlace,
        names: &[&str],
        policy: FollowPolicy,
        known: Option<Position>,
    ) -> LedgerFollower {
        let issuer = |name: &&str| FollowedIssuer {
            name: (*name).to_owned(),
            known: None,
            parts: TableParts::empty(),
            is_changed: false,
            confirmed: Time::MIN,
        };
        LedgerFollower {
            place,
            policy,
            issuers: names.iter().map(issuer).collect(),
            position: known,
            open: None,
            loaded: None,
        }
    }

    /// Before the first look: what was known to be revoked before a restart.  A reconciliation may not lack it.
    pub fn remember(&mut self, name: &str, revoked: &[(SerialNumber, RevokedInfo)]) {
        let named = |issuer: &&mut FollowedIssuer| issuer.name == name;
        if let Some(issuer) = self.issuers.iter_mut().find(named) {
            issuer.parts = TableParts::of_revoked(revoked);
        }
    }

    /// How far it was read: to be kept across a restart.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The CAs that the ledger does not have, as of the last look that succeeded.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let is_missing = |issuer: &&FollowedIssuer| issuer.known.is_none();
        self.issuers
            .iter()
            .filter(is_missing)
            .map(|issuer| issuer.name.as_str())
    }

    /// What is known to be revoked: evidence for a reconciliation.
    pub fn revocations(&self, name: &str) -> Vec<(SerialNumber, RevokedInfo)> {
        let named = |issuer: &&FollowedIssuer| issuer.name == name;
        let issuer = self.issuers.iter().find(named);
        issuer.map_or_else(Vec::new, |issuer| issuer.parts.revoked().collect())
    }

    /// Forgets how far it was read, so that an older ledger is taken again (the operator says so).
    pub fn forget_seen(&mut self) {
        self.position = None;
        self.loaded = None;
        self.open = None;
    }

    /// The tables that are new since the last look: none, mostly.  Each minute all of them, with a new window.
    ///
    /// # Errors
    /// The ledger cannot be read, is not a continuation of what was seen, or was not reconciled.  Nothing has changed then.
    pub fn look(&mut self, now: Time) -> Result<Vec<FollowedTable>, LedgerError> {
        self.take_news(now)?;
        let mut tables = Vec::new();
        for issuer in &mut self.issuers {
            if let Some(known) = issuer.known
                && let Some(this_update) = issuer.due(now)
            {
                issuer.is_changed = false;
                issuer.confirmed = this_update;
                let table = issuer.table(&self.place, &self.policy, self.position);
                tables.push(FollowedTable {
                    name: issuer.name.clone(),
                    identity: known.identity,
                    table,
                });
            }
        }
        Ok(tables)
    }

    /// Brings the parts of the tables up to date, if anything has changed.
    fn take_news(&mut self, now: Time) -> Result<(), LedgerError> {
        let version = match self.opened().and_then(Opened::data_version) {
            Ok(version) => version,
            Err(error) => {
                self.open = None;
                return Err(error);
            }
        };
        let is_old = self
            .loaded
            .is_none_or(|loaded| !LOADED_SECONDS.contains(&now.seconds_since(loaded)));
        if let Some(opened) = &self.open
            && opened.data_version == Some(version)
        {
            match &opened.refused {
                // Whoever looks at the same again finds the same.
                Some(refused) => return Err(refused.clone()),
                None if !is_old => return Ok(()),
                None => {}
            }
        }
        let taken = self.take_what_is_there(is_old, now);
        let error = taken.as_ref().err();
        match &mut self.open {
            Some(opened) if error.is_none_or(is_about_the_facts) => {
                opened.data_version = Some(version);
                opened.refused = error.cloned();
            }
            // Whatever is in its place next time is opened anew.
            Some(_) | None => self.open = None,
        }
        taken
    }

    /// All of one moment: a restore that comes in between is seen by the next look.
    fn take_what_is_there(&mut self, is_old: bool, now: Time) -> Result<(), LedgerError> {
        let Some(Opened { reader, .. }) = &self.open else {
            return Ok(());
        };
        let _moment = reader.one_moment()?;
        reader.check_version()?;
        let head = reader.read(rows::head)?;
        if head.is_restored {
            return Err(LedgerError::NotReconciled {
                path: reader.path().to_owned(),
            });
        }
        let continuation = match &self.position {
            Some(position) => reader.check_continues(position)?,
            None => Continuation::Unbroken,
        };
        let end = head.position.sequence;
        match (continuation, self.position) {
            (Continuation::Unbroken, Some(position))
                if !is_old && end - position.sequence <= FOLLOWED_MAX =>
            {
                follow(reader, &mut self.issuers, position.sequence, end)?;
                load_new(reader, &mut self.issuers, &self.policy, end, now)?;
            }
            (Continuation::Unbroken | Continuation::Reconciled { .. }, _) => {
                if let Continuation::Reconciled { kept } = continuation {
                    check_complete(reader, &self.issuers, kept)?;
                }
                let loaded = load(reader, &self.issuers, &self.policy, end, now)?;
                for (issuer, (known, parts)) in self.issuers.iter_mut().zip(loaded) {
                    issuer.known = known;
                    issuer.parts = parts;
                    issuer.is_changed = true;
                }
                self.loaded = Some(now);
            }
        }
        self.position = Some(head.position);
        Ok(())
    }

    /// The ledger; opened again when another file has its name.
    fn opened(&mut self) -> Result<&Opened, LedgerError> {
        let LedgerPlace::Sqlite(path) = &self.place;
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LedgerError::Missing { path: path.clone() },
            _ => LedgerError::CannotOpen {
                path: path.clone(),
                problem: error.to_string(),
            },
        })?;
        let file = (metadata.dev(), metadata.ino());
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let is_it = |opened: &Opened| {
            // What was refused may have been written over without SQLite.
            opened.file == file && (opened.refused.is_none() || opened.modified == modified)
        };
        let kept = self.open.take().filter(is_it);
        let opened = match kept {
            Some(opened) => opened,
            None => Opened {
                reader: LedgerReader::open(&self.place)?,
                file,
                modified,
                data_version: None,
                refused: None,
            },
        };
        let opened = self.open.insert(opened);
        opened.modified = modified;
        Ok(opened)
    }
}

impl Opened {
    fn data_version(&self) -> Result<i64, LedgerError> {
        self.reader.read(|db| {
            db.prepare_cached("PRAGMA data_version")?
                .query_row([], |row| row.get(0))
        })
    }
}

impl FollowedIssuer {
    /// thisUpdate of its next table, if that is to be given out now.  A clock that was set back a little does not take it
    /// back; with one that was set back much, nothing is signed anyway (design.md §3, rule 14).
    fn due(&self, now: Time) -> Option<Time> {
        let age = now.seconds_since(self.confirmed);
        if !(-CLOCK_BEHIND_SECONDS_MAX..CONFIRM_SECONDS).contains(&age) {
            return Some(now);
        }
        self.is_changed.then(|| now.max(self.confirmed))
    }

    fn table(
        &self,
        place: &LedgerPlace,
        policy: &FollowPolicy,
        position: Option<Position>,
    ) -> StatusTable {
        let seconds = i64::try_from(policy.validity.as_secs()).unwrap_or(i64::MAX);
        let position = position.map_or_else(String::new, |position| position.to_string());
        StatusTable::new(StatusParts {
            lists: vec![self.parts.list()],
            issued: self.parts.issued().to_vec(),
            overlays: Vec::new(),
            absence: Absence::NeverIssued,
            window: ValidityWindow {
                this_update: self.confirmed,
                next_update: self.confirmed.plus_seconds(seconds),
            },
            source: SourceInfo {
                origin: format!("{place} ({})", self.name),
                crl_number: None,
                digest: sha256(position.as_bytes()),
                signature_algorithm: None,
            },
            more_sources: Vec::new(),
        })
    }
}

/// Lays the facts after `from` over the tables.
fn follow(
    reader: &LedgerReader,
    issuers: &mut [FollowedIssuer],
    from: u64,
    end: u64,
) -> Result<(), LedgerError> {
    let mut news: HashMap<IssuerNumber, News> = HashMap::new();
    reader.each_issued(from, end, |row| {
        let news = news.entry(row.issuer).or_default();
        news.issued.push(row.serial_number);
    })?;
    reader.each_revocation(from, end, |(issuer, standing)| {
        let news = news.entry(*issuer).or_default();
        news.changed
            .push((standing.serial_number, standing.revocation));
    })?;
    for issuer in issuers {
        if let Some(known) = issuer.known
            && let Some(news) = news.get(&known.number)
        {
            issuer.parts.add(news);
            issuer.is_changed = true;
        }
    }
    Ok(())
}

/// Reads whole what CAs that came since the last look have issued.
fn load_new(
    reader: &LedgerReader,
    issuers: &mut [FollowedIssuer],
    policy: &FollowPolicy,
    end: u64,
    now: Time,
) -> Result<(), LedgerError> {
    if issuers.iter().all(|issuer| issuer.known.is_some()) {
        return Ok(());
    }
    let known = reader.issuers()?;
    let has_come = |issuer: &FollowedIssuer| {
        issuer.known.is_none() && known.iter().any(|facts| facts.name.as_str() == issuer.name)
    };
    if !issuers.iter().any(has_come) {
        return Ok(());
    }
    let loaded = load(reader, issuers, policy, end, now)?;
    for (issuer, (known, parts)) in issuers.iter_mut().zip(loaded) {
        issuer.known = known;
        issuer.parts = parts;
        issuer.is_changed = true;
    }
    Ok(())
}

/// Reads everything up to `end`, for each CA in the order in which they are followed.
fn load(
    reader: &LedgerReader,
    issuers: &[FollowedIssuer],
    policy: &FollowPolicy,
    end: u64,
    now: Time,
) -> Result<Vec<(Option<KnownIssuer>, TableParts)>, LedgerError> {
    let known = reader.issuers()?;
    let known_as = |name: &str| {
        let found = known.iter().find(|issuer| issuer.name.as_str() == name)?;
        Some(KnownIssuer {
            number: found.number,
            identity: found.identity,
        })
    };
    let mut loading: HashMap<IssuerNumber, Loading> = issuers
        .iter()
        .filter_map(|issuer| Some((known_as(&issuer.name)?.number, Loading::new())))
        .collect();
    let gone = policy
        .retention
        .map(|retention| now.plus_seconds(-i64::try_from(retention.as_secs()).unwrap_or(i64::MAX)));
    let is_gone = |not_after: Option<Time>| matches!((not_after, gone), (Some(not_after), Some(gone)) if not_after < gone);
    reader.each_issued(0, end, |row| {
        if let Some(loading) = loading.get_mut(&row.issuer)
            && !is_gone(row.not_after)
        {
            loading.issued(&row.serial_number);
        }
    })?;
    for (number, loading) in &mut loading {
        reader.each_standing(*number, end, |standing| {
            if !is_gone(standing.not_after) {
                loading.standing(standing);
            }
        })?;
    }
    let parts = issuers.iter().map(|issuer| {
        let known = known_as(&issuer.name);
        let loading = known.and_then(|known| loading.remove(&known.number));
        (
            known,
            loading.map_or_else(TableParts::empty, Loading::finish),
        )
    });
    Ok(parts.collect())
}

/// It could be read, and what it says is refused: that changes with what it says, and not before.
fn is_about_the_facts(error: &LedgerError) -> bool {
    matches!(
        error,
        LedgerError::NotReconciled { .. }
            | LedgerError::OtherLedger { .. }
            | LedgerError::SequenceWentBack { .. }
            | LedgerError::HistoryDiffers { .. }
            | LedgerError::ReconciliationIncomplete { .. }
    )
}

/// Nothing that is known here to be revoked was lost in a reconciliation; what was released since, or has expired, is no
/// loss.  Before anything is loaded: what is refused costs little.
fn check_complete(
    reader: &LedgerReader,
    issuers: &[FollowedIssuer],
    kept: u64,
) -> Result<(), LedgerError> {
    let there = reader.issuers()?;
    let mut missing = Vec::new();
    for issuer in issuers {
        let known = there
            .iter()
            .find(|facts| facts.name.as_str() == issuer.name);
        for (serial, info) in issuer.parts.revoked() {
            let standing = match known {
                Some(facts) => reader.standing(facts.number, &serial)?,
                None => None,
            };
            if standing.is_none_or(|standing| is_loss(&info, &standing, kept)) {
                missing.push((serial, &issuer.name));
            }
        }
    }
    match missing.first() {
        None => Ok(()),
        Some((serial, issuer)) => Err(LedgerError::ReconciliationIncomplete {
            path: reader.path().to_owned(),
            count: missing.len(),
            serial: Box::new(*serial),
            issuer: (*issuer).clone(),
        }),
    }
}

/// Does the ledger say less of a certificate than what is known here?  A release among the facts up to `kept` was known here
/// when the revocation came, and only a hold is ever released; what was revoked for good is so since then.
fn is_loss(known: &RevokedInfo, standing: &Standing, kept: u64) -> bool {
    let is_hold = known.reason == Some(CrlReason::CertificateHold);
    match standing.revocation {
        Revocation::Revoked(there) => {
            let is_later = there.revocation_time > known.revocation_time;
            may_become(there.reason, known.reason) || (is_later && !is_hold)
        }
        Revocation::Removed => !is_hold || standing.sequence <= kept,
    }
}

/// With more news, everything is read anew: that takes less memory than the news.
const FOLLOWED_MAX: u64 = 100_000;
/// How often tables that did not change are said to be of now.
const CONFIRM_SECONDS: i64 = 60;
/// How old they may be since they were read whole, so that what has expired leaves; and how much younger than now, which what
/// a clock that was ahead took for expired comes back by.
const LOADED_SECONDS: Range<i64> = -CLOCK_BEHIND_SECONDS_MAX..86_400;
