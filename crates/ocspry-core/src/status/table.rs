//! Everything known of one issuer's serials, put together from its parts and asked in the right order.
//!
//! From: a status source.  To: `responder`.  What an overlay revokes is revoked whatever the rest says; among lists, and
//! between a list and what was issued, revoked wins; a delta speaks for its own base only (DESIGN §2).  Of several
//! revocations of one serial the earliest time counts: a later one would make signatures good that were made in between.

use std::sync::Arc;

use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

use super::{
    Absence, IssuedSerials, IssuedSerialsBuilder, Lookup, Revocation, RevokedSerials,
    RevokedSerialsBuilder, SourceInfo, ValidityWindow, minimal,
};

/// All serials of one issuer that its sources name, what it means not to be named, and from when to when that is known.
#[derive(Debug)]
pub struct StatusTable {
    lists: Vec<ListPart>,
    issued: Vec<Arc<IssuedSerials>>,
    overlays: Vec<Overlay>,
    absence: Absence,
    window: ValidityWindow,
    /// thisUpdate of the newest part.
    newest: Time,
    /// Never empty.
    sources: Vec<SourceInfo>,
}

/// What a [`StatusTable`] is made of.
#[derive(Clone, Debug)]
pub struct StatusParts {
    /// Lists of different scopes or kinds: a serial is revoked when one of them says so.
    pub lists: Vec<ListPart>,
    /// What is known to be issued.
    pub issued: Vec<Arc<IssuedSerials>>,
    /// What is revoked whatever the lists say.
    pub overlays: Vec<Overlay>,
    /// What it means to be in none of them.
    pub absence: Absence,
    /// From when to when it is known that what no list revokes is not revoked; nextUpdate counts for all that is said.
    pub window: ValidityWindow,
    /// Where the main part came from.
    pub source: SourceInfo,
    /// Where the others came from.
    pub more_sources: Vec<SourceInfo>,
}

/// One list, and the delta over it.
#[derive(Clone, Debug)]
pub struct ListPart {
    /// A complete list.
    pub base: Arc<RevokedSerials>,
    /// What has changed since; asked first.
    pub delta: Option<Arc<RevokedSerials>>,
    /// When what they revoke was known to be so last; None: as the whole.
    pub this_update: Option<Time>,
}

/// What is known of a serial, and from when to when (RFC 6960 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What.
    pub lookup: Lookup,
    /// thisUpdate is that of what the answer rests on: of the newest list that revokes it, or of all that could.
    pub window: ValidityWindow,
}

/// Serials that an operator revokes.
#[derive(Clone, Debug)]
pub enum Overlay {
    /// Every serial of the issuer.
    All(RevokedInfo),
    /// Those of a file.
    Serials(Arc<RevokedSerials>),
}

impl StatusTable {
    /// Of its parts, which are shared and not copied.
    pub fn new(parts: StatusParts) -> StatusTable {
        let StatusParts {
            lists,
            issued,
            overlays,
            absence,
            window,
            source,
            more_sources,
        } = parts;
        let mut sources = vec![source];
        sources.extend(more_sources);
        let times = lists.iter().filter_map(|part| part.this_update);
        let newest = times.fold(window.this_update, Time::max);
        StatusTable {
            lists,
            issued,
            overlays,
            absence,
            window,
            newest,
            sources,
        }
    }

    /// What is known of a serial; whole serials are compared, sign and length included (CONFORMANCE CID-03, CID-06).
    pub fn lookup(&self, serial: &SerialNumber) -> Lookup {
        self.known(serial).lookup
    }

    /// The same, and from when to when.  An overlay is read at every look: what it says is as new as the newest list.
    pub fn known(&self, serial: &SerialNumber) -> Known {
        let serial = minimal(serial.content());
        let listed = self.lists.iter().filter_map(|part| {
            let this_update = part.this_update.unwrap_or(self.window.this_update);
            Some((part.find(serial)?, this_update))
        });
        let listed = listed.reduce(|one, other| (graver(one.0, other.0), one.1.max(other.1)));
        let overlaid = self.overlays.iter().filter_map(|part| part.find(serial));
        if let Some(overlaid) = overlaid.reduce(graver) {
            let info = listed.map_or(overlaid, |(listed, _)| laid_over(overlaid, listed));
            return self.known_since(Lookup::Revoked(info), self.newest);
        }
        if let Some((info, this_update)) = listed {
            return self.known_since(Lookup::Revoked(info), this_update);
        }
        let lookup = match self.issued.iter().any(|part| part.has(serial)) {
            true => Lookup::Issued,
            false => Lookup::Absent,
        };
        self.known_since(lookup, self.window.this_update)
    }

    fn known_since(&self, lookup: Lookup, this_update: Time) -> Known {
        let window = ValidityWindow {
            this_update,
            next_update: self.window.next_update,
        };
        Known { lookup, window }
    }

    /// What [`Lookup::Absent`] means.
    pub fn absence(&self) -> Absence {
        self.absence
    }

    /// From when to when it is known that what no list revokes is not revoked.
    pub fn window(&self) -> ValidityWindow {
        self.window
    }

    /// Where its main part came from.
    pub fn source(&self) -> &SourceInfo {
        &self.sources[0]
    }

    /// Where its parts came from, the main one first.
    pub fn sources(&self) -> &[SourceInfo] {
        &self.sources
    }

    /// The lists and their deltas.
    pub fn lists(&self) -> &[ListPart] {
        &self.lists
    }

    /// What is known to be issued.
    pub fn issued(&self) -> &[Arc<IssuedSerials>] {
        &self.issued
    }

    /// What is revoked whatever the lists say.
    pub fn overlays(&self) -> &[Overlay] {
        &self.overlays
    }

    /// How many serials are revoked, by all lists, deltas and overlays together: one that several name counts with each.
    pub fn entry_count(&self) -> usize {
        self.revoked_parts()
            .map(RevokedSerials::revoked_count)
            .sum()
    }

    /// How many entries named a serial that another entry of the same list, delta or overlay named as well.
    pub fn duplicate_count(&self) -> usize {
        self.revoked_parts()
            .map(RevokedSerials::duplicate_count)
            .sum()
    }

    /// Octets it takes in memory; a part that other tables hold as well counts with each.
    pub fn size_bytes(&self) -> usize {
        let revoked: usize = self.revoked_parts().map(RevokedSerials::size_bytes).sum();
        let issued: usize = self.issued.iter().map(|part| part.size_bytes()).sum();
        revoked + issued
    }

    /// Every serial that is revoked in `other` is revoked here too; times and reasons are not compared.
    pub fn revokes_all_of(&self, other: &StatusTable) -> bool {
        if let (Some(ours), Some(theirs)) = (self.only_list(), other.only_list()) {
            return theirs.missing_from(ours).next().is_none();
        }
        let is_all = |overlay: &Overlay| matches!(overlay, Overlay::All(_));
        if self.overlays.iter().any(is_all) {
            return true;
        }
        if other.overlays.iter().any(is_all) {
            return false;
        }
        other
            .revoked_parts()
            .flat_map(RevokedSerials::iter)
            .all(|(serial, _)| self.is_revoked(&serial) || !other.is_revoked(&serial))
    }

    fn is_revoked(&self, serial: &SerialNumber) -> bool {
        matches!(self.lookup(serial), Lookup::Revoked(_))
    }

    /// The list that says all that is said of revoked serials, if there is one.
    fn only_list(&self) -> Option<&RevokedSerials> {
        match (&self.lists[..], &self.overlays[..]) {
            (
                [
                    ListPart {
                        base, delta: None, ..
                    },
                ],
                [],
            ) => Some(base),
            _ => None,
        }
    }

    fn revoked_parts(&self) -> impl Iterator<Item = &RevokedSerials> {
        let listed = self
            .lists
            .iter()
            .flat_map(|part| std::iter::once(&part.base).chain(&part.delta));
        let overlaid = self.overlays.iter().filter_map(|overlay| match overlay {
            Overlay::All(_) => None,
            Overlay::Serials(serials) => Some(serials),
        });
        listed.chain(overlaid).map(Arc::as_ref)
    }
}

impl ListPart {
    /// What the list and its delta together say of a serial: the delta's word goes first (RFC 5280 §5.2.4).
    pub fn lookup(&self, serial: &SerialNumber) -> Option<Revocation> {
        self.said(minimal(serial.content()))
    }

    #[inline]
    fn said(&self, serial: &[u8]) -> Option<Revocation> {
        let of_delta = self.delta.as_ref().and_then(|delta| delta.find(serial));
        of_delta.or_else(|| self.base.find(serial))
    }

    #[inline]
    fn find(&self, serial: &[u8]) -> Option<RevokedInfo> {
        match self.said(serial)? {
            Revocation::Revoked(info) => Some(info),
            Revocation::Removed => None,
        }
    }
}

impl Overlay {
    fn find(&self, serial: &[u8]) -> Option<RevokedInfo> {
        match self {
            Overlay::All(info) => Some(*info),
            Overlay::Serials(serials) => match serials.find(serial)? {
                Revocation::Revoked(info) => Some(info),
                Revocation::Removed => None,
            },
        }
    }
}

/// What is said when two parts call a serial revoked: for good rather than on hold, then the earlier time.
pub fn graver(one: RevokedInfo, other: RevokedInfo) -> RevokedInfo {
    let rank = |info: &RevokedInfo| {
        (
            info.reason == Some(CrlReason::CertificateHold),
            info.revocation_time,
        )
    };
    match rank(&other) < rank(&one) {
        true => other,
        false => one,
    }
}

/// What is said when an overlay and a list call a serial revoked: the earlier time and the graver reason of the two, of two
/// equally grave ones the overlay's.  A list's hold gives way to the overlay's word whole.
fn laid_over(overlaid: RevokedInfo, listed: RevokedInfo) -> RevokedInfo {
    if listed.reason == Some(CrlReason::CertificateHold) {
        return overlaid;
    }
    let info = match gravity(listed.reason) > gravity(overlaid.reason) {
        true => listed,
        false => overlaid,
    };
    let invalidity_dates = [overlaid.invalidity_date, listed.invalidity_date];
    RevokedInfo {
        revocation_time: overlaid.revocation_time.min(listed.revocation_time),
        reason: info.reason,
        invalidity_date: invalidity_dates.into_iter().flatten().min(),
    }
}

/// A compromise, then any other reason, then none, then a hold, which may end.
fn gravity(reason: Option<CrlReason>) -> u8 {
    match reason {
        Some(CrlReason::KeyCompromise | CrlReason::CaCompromise | CrlReason::AaCompromise) => 3,
        Some(CrlReason::CertificateHold) => 0,
        Some(
            CrlReason::AffiliationChanged
            | CrlReason::Superseded
            | CrlReason::CessationOfOperation
            | CrlReason::PrivilegeWithdrawn,
        ) => 2,
        None => 1,
    }
}

/// Collects entries in any order, then sorts them into a table of one list.
#[derive(Debug)]
pub struct StatusTableBuilder {
    revoked: RevokedSerialsBuilder,
    issued: IssuedSerialsBuilder,
    absence: Absence,
}

impl StatusTableBuilder {
    /// Empty: what is not added is not revoked.
    pub fn revoked_only() -> Self {
        Self::with_absence(Absence::NotRevoked)
    }

    /// Empty: what is not added was never issued.
    pub fn issued() -> Self {
        Self::with_absence(Absence::NeverIssued)
    }

    fn with_absence(absence: Absence) -> Self {
        Self {
            revoked: RevokedSerialsBuilder::new(),
            issued: IssuedSerialsBuilder::new(),
            absence,
        }
    }

    /// One revoked serial.
    pub fn revoked(&mut self, serial: &SerialNumber, info: RevokedInfo) {
        self.revoked.push(serial, Revocation::Revoked(info));
    }

    /// One serial that was issued; it may be revoked besides.
    pub fn issued_serial(&mut self, serial: &SerialNumber) {
        self.issued.push(serial);
    }

    /// Sorts and compacts.  Of several entries for one serial one for good wins over one on hold, then the earliest.
    pub fn build(self, window: ValidityWindow, source: SourceInfo) -> StatusTable {
        let base = Arc::new(self.revoked.build());
        let issued = self.issued.build();
        StatusTable::new(StatusParts {
            lists: vec![ListPart {
                base,
                delta: None,
                this_update: None,
            }],
            issued: match issued.is_empty() {
                true => Vec::new(),
                false => vec![Arc::new(issued)],
            },
            overlays: Vec::new(),
            absence: self.absence,
            window,
            source,
            more_sources: Vec::new(),
        })
    }
}
