//! When the next CRL of a CA is due, and when it comes late.  From: the last one, and what was recorded since.  To: `tick`.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use ocspry_core::CLOCK_BEHIND_SECONDS_MAX;
use ocspry_core::crypto::sha256;
use ocspry_ledger::{FactKind, IssuerNumber, LedgerReader, PublishedCrl};
use ocspry_wire::Time;

use crate::time_text::utc_and_distance;

/// How often a list is made.
pub(super) struct Rhythm {
    pub(super) every: Duration,
    pub(super) now: Time,
}

/// Why a list is made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// There is none.
    First,
    /// The last one is of a time that has not come.
    Ahead,
    /// The last one is as old as a list gets.
    Old,
    /// Something was revoked, put on hold or released.
    Revocations,
    /// The file is not the list that was published last.
    File,
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Due::First => "the first one",
            Due::Ahead => "the last one is of a time that has not come",
            Due::Old => "the last one was old",
            Due::Revocations => "there were revocations or releases",
            Due::File => "the file was not the last one",
        })
    }
}

impl Rhythm {
    /// Why a list is due; None: it is not.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) fn due(
        &self,
        reader: &LedgerReader,
        issuer: IssuerNumber,
        last: &PublishedCrl,
        file: &Path,
    ) -> Result<Option<Due>> {
        Ok(if self.is_ahead(last) {
            Some(Due::Ahead)
        } else if self.now >= self.due_at(last) {
            Some(Due::Old)
        } else if is_revoked_since(reader, issuer, last.covers)? {
            Some(Due::Revocations)
        } else if !fs::read(file).is_ok_and(|there| sha256(&there) == last.sha256) {
            Some(Due::File)
        } else {
            None
        })
    }

    /// By this clock, made later than now.
    fn is_ahead(&self, last: &PublishedCrl) -> bool {
        let made = last.published.max(last.this_update);
        made > self.now.plus_seconds(CLOCK_BEHIND_SECONDS_MAX)
    }

    /// What is wrong with the clock, then or now; None: nothing.
    pub(super) fn ahead(&self, last: &PublishedCrl) -> Option<String> {
        self.is_ahead(last).then(|| {
            let begins = utc_and_distance(last.this_update, self.now);
            format!(
                "the clock was ahead, or is behind now: CRL {}, the last one, begins {begins}; set the clock, then sign \
                 again what was signed while it was wrong",
                last.number
            )
        })
    }

    /// What should have been earlier; None: nothing.
    pub(super) fn late(&self, last: &PublishedCrl) -> Option<String> {
        let due_at = self.due_at(last);
        if self.now > last.next_update {
            let end = utc_and_distance(last.next_update, self.now);
            return Some(format!(
                "CRL {} ended {end}, and there was no other; whoever needs one had none",
                last.number
            ));
        }
        let every = seconds(self.every);
        (self.now > due_at.plus_seconds(every)).then(|| {
            let due = utc_and_distance(due_at, self.now);
            format!("a CRL was due {due}; see that the timer runs")
        })
    }

    /// After its publication, or when half of its time is over if that is earlier.
    fn due_at(&self, last: &PublishedCrl) -> Time {
        let half = last.next_update.seconds_since(last.published) / 2;
        last.published.plus_seconds(seconds(self.every).min(half))
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 2)
}

/// Looks through what was recorded since.
fn is_revoked_since(reader: &LedgerReader, issuer: IssuerNumber, covers: u64) -> Result<bool> {
    let mut after = covers;
    loop {
        let facts = reader.facts(after, PAGE)?;
        let is_news = facts.iter().any(|fact| {
            let is_revocation = match fact.kind {
                FactKind::Revoked | FactKind::Released => true,
                FactKind::IssuerAdded
                | FactKind::IssuerCertificate
                | FactKind::SettingChanged
                | FactKind::SerialReserved
                | FactKind::Issued
                | FactKind::Imported
                | FactKind::Named
                | FactKind::CrlNumber
                | FactKind::CrlPublished
                | FactKind::Reconciled => false,
            };
            is_revocation && fact.issuer == Some(issuer)
        });
        match facts.last() {
            Some(_) if is_news => return Ok(true),
            Some(last) => after = last.sequence,
            None => return Ok(false),
        }
    }
}

const PAGE: u32 = 4096;

#[cfg(test)]
mod tests {
    use ocspry_ledger::CrlNumber;

    use super::*;

    const DAY: i64 = 86_400;

    fn published(lifetime_seconds: i64) -> PublishedCrl {
        PublishedCrl {
            number: CrlNumber::from(7),
            base_number: None,
            this_update: Time::from_unix(-600),
            next_update: Time::from_unix(lifetime_seconds),
            published: Time::from_unix(0),
            covers: 1,
            entry_count: 0,
            sha256: [0; 32],
        }
    }

    fn rhythm(now: i64) -> Rhythm {
        Rhythm {
            every: Duration::from_secs(86_400),
            now: Time::from_unix(now),
        }
    }

    #[test]
    fn a_list_is_due_after_a_day_or_half_of_its_own_time() {
        let due_at = |lifetime| rhythm(0).due_at(&published(lifetime)).unix_seconds();
        assert_eq!(due_at(7 * DAY), DAY);
        assert_eq!(due_at(DAY), DAY / 2);
    }

    #[test]
    fn a_list_of_a_time_that_has_not_come_tells_of_a_clock_that_was_wrong() {
        let ahead = |now| rhythm(now).ahead(&published(7 * DAY));
        assert_eq!(ahead(-CLOCK_BEHIND_SECONDS_MAX), None);
        let told = ahead(-CLOCK_BEHIND_SECONDS_MAX - 1).unwrap();
        assert!(told.contains("CRL 7, the last one, begins"), "{told}");
    }

    #[test]
    fn a_list_is_late_a_day_after_it_was_due_and_when_the_one_before_has_ended() {
        let late = |now, lifetime| rhythm(now).late(&published(lifetime));
        assert_eq!(late(DAY + 60, 7 * DAY), None, "a minute after it was due");
        assert_eq!(late(2 * DAY, 7 * DAY), None);
        assert!(late(2 * DAY + 1, 7 * DAY).unwrap().contains("timer"));
        assert_eq!(late(DAY, DAY), None);
        assert!(late(DAY + 1, DAY).unwrap().contains("CRL 7 ended"));
    }
}
