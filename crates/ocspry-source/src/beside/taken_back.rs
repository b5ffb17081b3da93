//! What a list of what was issued does not say any more that the one before it said (docs/design.md §7).
//!
//! From: two readings, compared serial by serial.  To: the guard, the operator, and, where it is held, `compose`.

use std::fmt;
use std::sync::Arc;

use ocspry_core::{
    IssuedSerials, IssuedSerialsBuilder, Revocation, RevokedSerials, RevokedSerialsBuilder,
};
use ocspry_wire::ocsp::CrlReason;

use super::known::{Age, Known};

/// What is taken back.  Displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// Certificates that were named and are not.
    pub certificates: usize,
    /// Revocations of certificates that are still named.  A lifted certificateHold is none (RFC 5280 §5.3.1).
    pub revocations: usize,
    /// How many certificates were named.
    pub of: usize,
    /// How many of those that are taken back belong to certificates that have not expired.
    pub unexpired: usize,
    /// Of how many that is not known.
    pub undated: usize,
    /// Certificates are named that were not.
    pub has_news: bool,
    /// It counts on until the operator accepts that it was taken back.
    pub is_held: bool,
}

impl TakenBack {
    pub(super) fn is_nothing(&self) -> bool {
        self.certificates + self.revocations == 0
    }

    /// What ends with the certificate is no alarm.  Where nobody knows whether it ended, a list that only loses looks like an
    /// older one put back, and one that loses more than half like one that is not whole.
    pub fn is_alarming(&self) -> bool {
        let is_much = self.undated * 2 > self.of && self.of >= ALARM_CERTIFICATES_MIN;
        self.unexpired > 0 || (self.undated > 0 && !self.has_news) || is_much
    }

    fn count_age(&mut self, age: Age) {
        match age {
            Age::Unexpired => self.unexpired += 1,
            Age::Unknown => self.undated += 1,
            Age::Expired => {}
        }
    }
}

impl fmt::Display for TakenBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.of;
        match (self.certificates, self.revocations) {
            (certificates, 0) => {
                write!(
                    f,
                    "{certificates} of {of} certificates are not named any more"
                )?;
            }
            (0, revocations) => write!(
                f,
                "{revocations} of {of} certificates are not called revoked any more"
            )?,
            (certificates, revocations) => write!(
                f,
                "{certificates} of {of} certificates are not named any more, and {revocations} not called revoked any more"
            )?,
        }
        match (self.unexpired, self.undated) {
            (0, 0) => Ok(()),
            (0, _) if !self.has_news => f.write_str(", and none is new"),
            (0, _) => Ok(()),
            (unexpired, _) => write!(f, ", {unexpired} of them not expired"),
        }
    }
}

/// From lists with fewer certificates any number may go without an alarm, if others come.
const ALARM_CERTIFICATES_MIN: usize = 10;

/// What was taken back and counts all the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) issued: Option<Arc<IssuedSerials>>,
    pub(super) revoked: Option<Arc<RevokedSerials>>,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.issued.is_none() && self.revoked.is_none()
    }

    /// What was held before stays held.
    pub(super) fn add(&mut self, more: &Held) {
        let issued = [&self.issued, &more.issued];
        let mut serials = IssuedSerialsBuilder::new();
        for serial in issued.into_iter().flatten().flat_map(|held| held.iter()) {
            serials.push(&serial);
        }
        let issued = serials.build();
        let revoked = [&self.revoked, &more.revoked];
        let mut serials = RevokedSerialsBuilder::new();
        let entries = revoked.into_iter().flatten().flat_map(|held| held.iter());
        for (serial, revocation) in entries {
            serials.push(&serial, revocation);
        }
        let revoked = serials.build();
        self.issued = (!issued.is_empty()).then(|| Arc::new(issued));
        self.revoked = (!revoked.is_empty()).then(|| Arc::new(revoked));
    }
}

/// Compares two readings; `Held` is all that is taken back.
pub(super) fn compare(before: &Known, after: &Known) -> (TakenBack, Held) {
    let mut taken_back = TakenBack {
        certificates: 0,
        revocations: 0,
        of: 0,
        unexpired: 0,
        undated: 0,
        has_news: after.serials().any(|serial| !before.names(&serial)),
        is_held: false,
    };
    let mut issued = IssuedSerialsBuilder::new();
    for serial in before.serials() {
        taken_back.of += 1;
        if !after.names(&serial) {
            taken_back.certificates += 1;
            taken_back.count_age(before.age(&serial));
            issued.push(&serial);
        }
    }
    let mut revoked = RevokedSerialsBuilder::new();
    for (serial, revocation) in before.revoked.iter() {
        let is_hold = match revocation {
            Revocation::Revoked(info) => info.reason == Some(CrlReason::CertificateHold),
            Revocation::Removed => continue,
        };
        if after.revokes(&serial) {
            continue;
        }
        if after.names(&serial) {
            if is_hold {
                continue;
            }
            taken_back.revocations += 1;
            taken_back.count_age(match after.age(&serial) {
                Age::Unknown => before.age(&serial),
                age @ (Age::Unexpired | Age::Expired) => age,
            });
        }
        revoked.push(&serial, revocation);
    }
    let (issued, revoked) = (issued.build(), revoked.build());
    let held = Held {
        issued: (!issued.is_empty()).then(|| Arc::new(issued)),
        revoked: (!revoked.is_empty()).then(|| Arc::new(revoked)),
    };
    (taken_back, held)
}
