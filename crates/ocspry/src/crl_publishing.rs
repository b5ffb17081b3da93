//! A CRL of a built-in CA, from the facts of the ledger to where everyone finds it (RFC 5280 §5).
//!
//! Its number is durable before anything is signed and is never used twice; then the facts up to some sequence are read, all
//! of one moment, signed, and put where they belong; and only what is there is recorded as published.  What is cut off in
//! between costs a number.  One process at a time does this for a ledger, so that a list never gives way to one that knows
//! less.
//! From: `cmd::crl::dump`, `cmd::tick`.  To: a file or standard output, and the ledger.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use ocspry_ca::{CertificateAuthority, DeltaEntry, DeltaList, RevocationList, RevokedCertificate};
use ocspry_core::crypto::sha256;
use ocspry_core::{Clock as _, Revocation, SystemClock};
use ocspry_ledger::{
    Act, CrlNumber, CrlUse, IssuerFacts, IssuerName, Ledger, LedgerReader, PublishedCrl, Standing,
};
use ocspry_wire::Time;
use ocspry_wire::x509::CertificateList;
use rustix::fs::{FlockOperation, flock};

use crate::crl_at_hand;
use crate::output::say;

/// What kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// All that is revoked.
    Full,
    /// What changed since the last full one.
    Delta,
}

/// What is to be signed.
pub(crate) struct ListOrder<'a> {
    pub(crate) ca: &'a IssuerFacts,
    pub(crate) authority: &'a CertificateAuthority,
    pub(crate) kind: ListKind,
    /// From now until nextUpdate; it ends with the CA's certificate in any case.
    pub(crate) lifetime: Duration,
    /// Where lists may lie that were published before.
    pub(crate) at_hand: &'a [PathBuf],
}

/// Held by whoever signs lists of a ledger, restores or reconciles it; given up when it is dropped, or its process ends in any way.
pub(crate) struct ListLock {
    _file: File,
}

impl ListLock {
    /// Waits for whoever holds it.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub(crate) fn wait(ledger: &Path) -> Result<ListLock> {
        let mut path = OsString::from(ledger);
        path.push(".crl-lock");
        let path = PathBuf::from(path);
        let locked = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .and_then(|file| {
                if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                    say("waiting for another process that publishes CRLs of this ledger, or restores it");
                    flock(&file, FlockOperation::LockExclusive)?;
                }
                Ok(file)
            });
        let file = locked.with_context(|| {
            format!(
                "{} cannot be locked; run this as the user who owns the ledger",
                path.display()
            )
        })?;
        Ok(ListLock { _file: file })
    }
}

/// Signs a list, has it put where it belongs, and records that.
///
/// # Errors
/// The CA may not sign lists or its key does not; a delta has no base; a list at hand has a number that the ledger does not
/// know; `put` fails; the ledger cannot be written.
pub(crate) fn publish(
    ledger: &mut Ledger,
    _lock: &ListLock,
    order: &ListOrder<'_>,
    act: &Act,
    put: impl FnOnce(&[u8]) -> Result<()>,
) -> Result<PublishedCrl> {
    let issuer = order.ca.number;
    refuse_forgotten_numbers(ledger.reader(), order)?;
    let before = Before::read(ledger.reader(), order.ca, act.recorded)?;
    let base = match order.kind {
        ListKind::Full => None,
        ListKind::Delta => Some(before.base(&order.ca.name, act.recorded)?),
    };
    let used = match order.kind {
        ListKind::Full => CrlUse::Full,
        ListKind::Delta => CrlUse::Delta,
    };
    let number = ledger.reserve_crl_number(act, issuer, used)?;
    let reader = ledger.reader();
    let moment = reader.one_moment()?;
    if reader.highest_crl_number(issuer)? != Some(number) {
        bail!("the ledger was restored while CRL {number} was made: nothing was signed");
    }
    let covers = reader.position()?.sequence;
    let der = match &base {
        None => sign_full(reader, order, &before, &number, covers, act.recorded)?,
        Some(base) => sign_delta(
            reader,
            order,
            &before,
            (&number, base),
            covers,
            act.recorded,
        )?,
    };
    drop(moment);
    let list = CertificateList::from_der(&der, |_| {})
        .map_err(|error| anyhow!("the CRL that was just signed cannot be read: {error}"))?;
    put(&der)?;
    let published = PublishedCrl {
        number,
        base_number: base.map(|base| base.number),
        this_update: list.header.this_update,
        next_update: list.header.next_update.unwrap_or(act.recorded),
        published: SystemClock.now().max(act.recorded),
        covers,
        entry_count: list.entry_count,
        sha256: sha256(&der),
    };
    ledger.publish_crl(act, issuer, &published)?;
    Ok(published)
}

/// A list of a number above all that the ledger gave out: the ledger is an older copy of itself, and would give that one out
/// once more (RFC 5280 §5.2.3).
fn refuse_forgotten_numbers(reader: &LedgerReader, order: &ListOrder<'_>) -> Result<()> {
    let highest = reader.highest_crl_number(order.ca.number)?;
    for path in order.at_hand {
        let Some(seen) = crl_at_hand::number_at(path, order.ca) else {
            continue;
        };
        if highest.is_none_or(|highest| seen > highest) {
            let known = highest.map_or_else(
                || "none".to_owned(),
                |highest| format!("none after {highest}"),
            );
            let path = path.display();
            bail!(
                "{path} is CRL {seen} of CA {}, and the ledger knows of {known}: it is an older copy, or that list was made \
                 without it, and revocations may be missing; run: ocspry ledger reconcile {path}",
                order.ca.name
            );
        }
    }
    Ok(())
}

/// What was published before.
struct Before {
    full: Option<PublishedCrl>,
    /// The last complete one whose time has come: one of a clock that was ahead proves nothing about what has ended since.
    begun: Option<PublishedCrl>,
    this_update: Option<Time>,
}

impl Before {
    fn read(reader: &LedgerReader, ca: &IssuerFacts, now: Time) -> Result<Before> {
        let full = reader.last_full_crl(ca.number)?;
        let delta = reader.last_delta_crl(ca.number)?;
        let this_update = full.iter().chain(&delta).map(|crl| crl.this_update).max();
        Ok(Before {
            full,
            begun: reader.last_full_crl_begun(ca.number, now)?,
            this_update,
        })
    }

    /// What a delta builds on.
    fn base(&self, name: &IssuerName, now: Time) -> Result<PublishedCrl> {
        let Some(full) = &self.full else {
            bail!(
                "CA {name} has published no complete CRL that a delta could build on; first: ocspry crl dump {name}"
            );
        };
        if full.this_update > now {
            let (number, begins) = (&full.number, full.this_update);
            bail!(
                "CRL {number} of CA {name}, on which a delta would build, begins at {begins}, and it is {now}; where this \
                 clock is right, first: ocspry crl dump {name}"
            );
        }
        Ok(full.clone())
    }

    /// Was it listed once after it ran out?  Then it need not be any more (RFC 5280 §3.3).
    fn is_done_with(&self, standing: &Standing) -> bool {
        self.begun.as_ref().is_some_and(|begun| {
            standing.sequence <= begun.covers
                && standing
                    .not_after
                    .is_some_and(|end| end < begun.this_update)
        })
    }
}

fn sign_full(
    reader: &LedgerReader,
    order: &ListOrder<'_>,
    before: &Before,
    number: &CrlNumber,
    covers: u64,
    now: Time,
) -> Result<Vec<u8>> {
    let mut revoked = Vec::new();
    reader.each_standing(order.ca.number, covers, |standing| {
        if let Revocation::Revoked(info) = standing.revocation
            && !before.is_done_with(standing)
        {
            revoked.push(RevokedCertificate {
                serial_number: standing.serial_number,
                revoked: info,
            });
        }
    })?;
    let list = RevocationList {
        number: counter(number)?,
        previous_this_update: before.this_update,
        next_update: order.next_update(now),
        freshest: Vec::new(),
        scope: None,
    };
    Ok(order.authority.crl(&list, revoked, now)?)
}

fn sign_delta(
    reader: &LedgerReader,
    order: &ListOrder<'_>,
    before: &Before,
    (number, base): (&CrlNumber, &PublishedCrl),
    covers: u64,
    now: Time,
) -> Result<Vec<u8>> {
    let mut changes = Vec::new();
    reader.each_standing(order.ca.number, covers, |standing| {
        let serial_number = standing.serial_number;
        if standing.sequence <= base.covers {
            return;
        }
        changes.push(match standing.revocation {
            Revocation::Revoked(revoked) => DeltaEntry::Revoked(RevokedCertificate {
                serial_number,
                revoked,
            }),
            Revocation::Removed => DeltaEntry::Removed {
                serial_number,
                removal_time: standing.effective,
            },
        });
    })?;
    let list = DeltaList {
        number: counter(number)?,
        base: counter(&base.number)?,
        previous_this_update: before.this_update,
        next_update: order.next_update(now),
        scope: None,
    };
    Ok(order.authority.delta_crl(&list, changes, now)?)
}

impl ListOrder<'_> {
    fn next_update(&self, now: Time) -> Time {
        let seconds = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        now.plus_seconds(seconds)
            .min(self.authority.certificate().view().not_after)
    }
}

/// As it is signed here.
fn counter(number: &CrlNumber) -> Result<u64> {
    number.to_u64().ok_or_else(|| {
        anyhow!("the CRL number {number} is longer than the 64 bits that are signed here")
    })
}

/// To standard output, to its end.
///
/// # Errors
/// Nobody takes it.
pub(crate) fn to_stdout(octets: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(octets)
        .and_then(|()| out.flush())
        .context("the CRL cannot be written to standard output")
}
