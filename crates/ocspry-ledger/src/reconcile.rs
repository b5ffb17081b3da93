//! After an older copy was restored: what it lacks is put back as far as anyone knows it.
//!
//! Evidence is what left the CA before: CRLs and their numbers, certificates, and what a running server still has in memory.
//! A CRL number that was handed out and is not known here must not be used again, so the next one is far above all that was
//! seen; the sequence goes on above all that was seen too, and never back.  From: `ocspry ledger reconcile`.  To: the
//! ledger, in one transaction, and to the servers that follow it: they refused it until then.

use std::collections::BTreeMap;

use ocspry_core::Revocation;
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

use crate::decision::{news_after, released_at};
use crate::import::add_entry;
use crate::ledger::{CertificateRow, Restored, Writing};
use crate::reader::rows;
use crate::{
    Act, CrlNumber, CrlUse, ImportEntry, Imported, IssuerNumber, Ledger, LedgerError, Origin,
    Refusal,
};

/// What is known of one CA from elsewhere.
#[derive(Clone, Debug)]
pub struct IssuerEvidence {
    /// Of which.
    pub issuer: IssuerNumber,
    /// Certificates that are at hand.
    pub certificates: Vec<ImportEntry>,
    /// What was revoked, by its last CRLs and by servers that answer.
    pub revoked: Vec<SeenRevocation>,
    /// The numbers of its CRLs that are at hand, full and delta.
    pub crl_numbers: Vec<CrlNumber>,
}

/// A revocation that somebody saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenRevocation {
    /// Of which.
    pub serial_number: SerialNumber,
    /// When and why.
    pub info: RevokedInfo,
    /// At what time that was so, at the latest: when the CRL was made, or when the server knew it.  A release from a hold
    /// after it counts.
    pub seen: Time,
}

/// What was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// Certificates that were missing.
    pub certificates: u64,
    /// Revocations that were missing.
    pub revocations: u64,
    /// Serials that a list revokes, and of which nothing else is known.
    pub named: u64,
    /// For each CA, the number after which that of its next CRL comes.
    pub crl_numbers: BTreeMap<IssuerNumber, CrlNumber>,
    /// The first fact after those that were lost.
    pub sequence: u64,
}

impl Ledger {
    /// Puts back what is missing; also what a restored ledger waits for before it is written to again.  `seen` is the last
    /// fact that any server saw.  Can be run again with more evidence.
    ///
    /// # Errors
    /// As for an import, and `SeenTooFar`; nothing is recorded then.
    pub fn reconcile(
        &mut self,
        act: &Act,
        evidence: &[IssuerEvidence],
        seen: Option<u64>,
    ) -> Result<Reconciled, LedgerError> {
        let issuers = self.reader().issuers()?;
        let mut writing = self.begin(Restored::Accept)?;
        let head = writing.read(rows::head)?.position.sequence;
        let lost = head.max(seen.unwrap_or(0));
        if lost - head > LOST_MAX {
            return Err(writing.refused(Refusal::SeenTooFar {
                seen: lost,
                last: head,
            }));
        }
        writing.add_reconciliation(lost)?;

        let mut imported = Imported::default();
        let (mut revocations, mut named) = (0, 0);
        for of_issuer in evidence {
            for entry in &of_issuer.certificates {
                let issuer = of_issuer.issuer;
                add_entry(&mut writing, act.recorded, issuer, entry, &mut imported)?;
            }
            for seen in &of_issuer.revoked {
                let added = add_seen(&mut writing, act.recorded, of_issuer.issuer, seen)?;
                named += u64::from(added.is_named);
                revocations += u64::from(added.is_revoked);
            }
        }
        let mut crl_numbers = BTreeMap::new();
        for issuer in issuers.iter().map(|issuer| issuer.number) {
            let of_evidence = evidence
                .iter()
                .filter(|of_issuer| of_issuer.issuer == issuer)
                .flat_map(|of_issuer| of_issuer.crl_numbers.iter().copied())
                .max();
            let number = pass_over(&mut writing, issuer, of_evidence)?;
            crl_numbers.insert(issuer, number);
        }
        writing.commit(act)?;
        Ok(Reconciled {
            certificates: imported.certificates,
            revocations: imported.revocations + revocations,
            named,
            crl_numbers,
            sequence: lost + 1,
        })
    }
}

/// What was added for one revocation.
struct Added {
    is_named: bool,
    is_revoked: bool,
}

fn add_seen(
    writing: &mut Writing<'_>,
    now: Time,
    issuer: IssuerNumber,
    seen: &SeenRevocation,
) -> Result<Added, LedgerError> {
    let serial = &seen.serial_number;
    let is_named = !writing.read(|db| rows::is_known(db, issuer, serial))?;
    if is_named {
        writing.add_certificate(
            issuer,
            &CertificateRow {
                serial_number: serial,
                origin: Origin::Named,
                subject: "",
                not_before: None,
                not_after: None,
                profile: None,
                der: None,
            },
        )?;
    }
    let standing = writing.read(|db| rows::standing_of(db, issuer, serial))?;
    // Only a hold is ever released; of the same second: rather revoked.
    let is_over = seen.info.reason == Some(CrlReason::CertificateHold)
        && writing
            .read(|db| released_at(db, issuer, serial, now))?
            .is_some_and(|released| seen.seen < released);
    let news = match is_over {
        true => None,
        false => news_after(standing.as_ref(), seen.info),
    };
    if let Some(news) = news {
        let since = news.revocation_time;
        writing.add_revocation(issuer, serial, Revocation::Revoked(news), since)?;
    }
    Ok(Added {
        is_named,
        is_revoked: news.is_some(),
    })
}

/// Passes over all numbers that may have been used, also where none is known: the first CRL may be what was lost.
fn pass_over(
    writing: &mut Writing<'_>,
    issuer: IssuerNumber,
    of_evidence: Option<CrlNumber>,
) -> Result<CrlNumber, LedgerError> {
    let known = writing.read(|db| rows::highest_crl_number(db, issuer))?;
    let highest = known.max(of_evidence).unwrap_or(CrlNumber::from(0));
    let number = highest
        .plus(CRL_NUMBERS_UNSEEN)
        .ok_or_else(|| writing.refused(Refusal::CrlNumbersEnd { number: highest }))?;
    writing.add_crl_number(issuer, &number, CrlUse::PassedOver)?;
    Ok(number)
}

/// Facts that may be missing: some hundred each second for a century.  With what is left of the sequence, a hundred thousand
/// such mistakes do no harm.
const LOST_MAX: u64 = 1_000_000_000_000;
/// Handed out or published after the last one that is at hand: a CRL each hour for forty days.
const CRL_NUMBERS_UNSEEN: u64 = 1000;
