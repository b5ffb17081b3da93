//! What we know of one issuer's serials at one moment: [`StatusTable`], exact, compact, immutable.
//!
//! From: a status source, through [`StatusTableBuilder`].  To: `responder`, by [`StatusTable::lookup`], a function call
//! on memory.  A table is replaced whole, never edited.
//!
//! Layout: one group per serial length; within it the serials lie sorted in one run of octets with a fixed stride, the
//! times (4 octets) and reasons (1 octet) in columns of their own, so that a miss touches the serials only.  What does
//! not fit the columns (an invalidity date, a time outside 1970..2106) is in a side list by position.

use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::{SerialNumber, SignatureAlgorithm};

/// All serials of one issuer that its source names, what it means not to be named, and from when to when that is known.
#[derive(Debug)]
pub struct StatusTable {
    groups: Vec<Group>,
    absence: Absence,
    duplicates: usize,
    window: ValidityWindow,
    source: SourceInfo,
}

/// From when to when something is known (RFC 6960 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidityWindow {
    /// The time at which it was known.
    pub this_update: Time,
    /// The time at which newer information will be there.
    pub next_update: Time,
}

/// Where a table came from, for people and for checks against the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// Path or URL.
    pub origin: String,
    /// cRLNumber, big-endian without leading zeros.
    pub crl_number: Option<Vec<u8>>,
    /// SHA-256 of the DER list.
    pub digest: [u8; 32],
    /// How the list is signed: answers are signed likewise if the key can (RFC 6960 §4.4.7.2.1); None: not known here.
    pub signature_algorithm: Option<SignatureAlgorithm>,
}

/// What a table says of one serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is revoked.
    Revoked(RevokedInfo),
    /// It was issued, and is not revoked.
    Issued,
    /// It is not in the table; [`StatusTable::absence`] says what that means.
    Absent,
}

/// What it means that a table does not name a serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It is not revoked; whether it was ever issued, a list of the revoked ones does not tell.
    NotRevoked,
    /// It was never issued.
    NeverIssued,
}

impl StatusTable {
    /// What is known of a serial; whole serials are compared, sign and length included (CONFORMANCE CID-03, CID-06).
    pub fn lookup(&self, serial: &SerialNumber) -> Lookup {
        let serial = minimal(serial.content());
        self.groups
            .iter()
            .find(|group| group.stride == serial.len())
            .map_or(Lookup::Absent, |group| group.find(serial))
    }

    /// What [`Lookup::Absent`] means.
    pub fn absence(&self) -> Absence {
        self.absence
    }

    /// From when to when the source says it holds.
    pub fn window(&self) -> ValidityWindow {
        self.window
    }

    /// Where it came from.
    pub fn source(&self) -> &SourceInfo {
        &self.source
    }

    /// How many serials are revoked.
    pub fn entry_count(&self) -> usize {
        self.groups.iter().map(|group| group.revoked_count).sum()
    }

    /// How many entries named a serial that an earlier entry had named already.
    pub fn duplicate_count(&self) -> usize {
        self.duplicates
    }

    /// Every serial that is revoked in `other` is revoked here too; times and reasons are not compared.
    pub fn revokes_all_of(&self, other: &StatusTable) -> bool {
        other.groups.iter().all(|theirs| {
            theirs.revoked_count == 0
                || self
                    .groups
                    .iter()
                    .find(|ours| ours.stride == theirs.stride)
                    .is_some_and(|ours| ours.revokes_all_of(theirs))
        })
    }

    /// Octets it takes in memory.
    pub fn size_bytes(&self) -> usize {
        self.groups.iter().map(Group::size_bytes).sum()
    }
}

/// What a table holds of one serial.
#[derive(Clone, Copy)]
enum Entry {
    Revoked(RevokedInfo),
    Issued,
}

/// All serials of one length.
#[derive(Debug)]
struct Group {
    /// Octets of each serial.
    stride: usize,
    /// `stride` octets each, ascending.
    serials: Vec<u8>,
    /// Seconds since 1970.
    times: Vec<u32>,
    /// A CRLReason's code, 0 for none, [`ELSEWHERE`] or [`ISSUED`].
    reasons: Vec<u8>,
    /// By position, ascending: what does not fit the columns.
    elsewhere: Vec<(usize, RevokedInfo)>,
    /// How many are revoked.
    revoked_count: usize,
}

/// In the reason column: look in the side list.
const ELSEWHERE: u8 = 0xff;
/// In the reason column: not revoked at all.
const ISSUED: u8 = 0xfe;

impl Group {
    fn find(&self, serial: &[u8]) -> Lookup {
        let (mut low, mut high) = (0, self.reasons.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.serial(middle).cmp(serial) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    return match self.entry(middle) {
                        Entry::Revoked(info) => Lookup::Revoked(info),
                        Entry::Issued => Lookup::Issued,
                    };
                }
            }
        }
        Lookup::Absent
    }

    fn entry(&self, position: usize) -> Entry {
        match self.reasons[position] {
            ISSUED => Entry::Issued,
            _ => Entry::Revoked(self.revoked_info(position)),
        }
    }

    /// The serials that are revoked, ascending.
    fn revoked(&self) -> impl Iterator<Item = &[u8]> {
        self.serials
            .chunks_exact(self.stride)
            .zip(&self.reasons)
            .filter(|(_, reason)| **reason != ISSUED)
            .map(|(serial, _)| serial)
    }

    /// Both are ascending, so one walk through each is enough.
    fn revokes_all_of(&self, other: &Group) -> bool {
        let mut ours = self.revoked();
        other
            .revoked()
            .all(|wanted| ours.any(|serial| serial == wanted))
    }

    fn serial(&self, position: usize) -> &[u8] {
        &self.serials[position * self.stride..(position + 1) * self.stride]
    }

    fn revoked_info(&self, position: usize) -> RevokedInfo {
        let reason = self.reasons[position];
        if reason == ELSEWHERE
            && let Ok(found) = self
                .elsewhere
                .binary_search_by_key(&position, |(place, _)| *place)
        {
            return self.elsewhere[found].1;
        }
        RevokedInfo {
            revocation_time: Time::from_unix(i64::from(self.times[position])),
            reason: CrlReason::from_code(reason),
            invalidity_date: None,
        }
    }

    fn push(&mut self, serial: &[u8], entry: Entry) {
        match entry {
            Entry::Revoked(info) => self.push_revoked(serial, info),
            Entry::Issued => {
                self.serials.extend_from_slice(serial);
                self.times.push(0);
                self.reasons.push(ISSUED);
            }
        }
    }

    fn push_revoked(&mut self, serial: &[u8], info: RevokedInfo) {
        self.revoked_count += 1;
        let time = u32::try_from(info.revocation_time.unix_seconds());
        let fits = time.is_ok() && info.invalidity_date.is_none();
        if !fits {
            self.elsewhere.push((self.reasons.len(), info));
        }
        self.serials.extend_from_slice(serial);
        self.times.push(time.unwrap_or(0));
        self.reasons.push(match (fits, info.reason) {
            (false, _) => ELSEWHERE,
            (true, None) => 0,
            (true, Some(reason)) => reason.code(),
        });
    }

    fn size_bytes(&self) -> usize {
        self.serials.capacity()
            + self.times.capacity() * size_of::<u32>()
            + self.reasons.capacity()
            + self.elsewhere.capacity() * size_of::<(usize, RevokedInfo)>()
    }
}

/// Collects entries in any order, then sorts them into a table.
#[derive(Debug)]
pub struct StatusTableBuilder {
    groups: Vec<Group>,
    absence: Absence,
}

impl StatusTableBuilder {
    /// Empty: what is not added is not revoked.
    pub fn revoked_only() -> Self {
        Self {
            groups: Vec::new(),
            absence: Absence::NotRevoked,
        }
    }

    /// Empty: what is not added was never issued.
    pub fn issued() -> Self {
        Self {
            groups: Vec::new(),
            absence: Absence::NeverIssued,
        }
    }

    /// One revoked serial.
    pub fn revoked(&mut self, serial: &SerialNumber, info: RevokedInfo) {
        self.add(serial, Entry::Revoked(info));
    }

    /// One serial that was issued; it may be revoked besides.
    pub fn issued_serial(&mut self, serial: &SerialNumber) {
        self.add(serial, Entry::Issued);
    }

    fn add(&mut self, serial: &SerialNumber, entry: Entry) {
        let serial = minimal(serial.content());
        let known = self
            .groups
            .iter()
            .position(|group| group.stride == serial.len());
        let place = known.unwrap_or_else(|| {
            self.groups.push(Group::with_capacity(serial.len(), 0));
            self.groups.len() - 1
        });
        self.groups[place].push(serial, entry);
    }

    /// Sorts and compacts.  Of several entries for one serial the earliest revocation wins.
    pub fn build(self, window: ValidityWindow, source: SourceInfo) -> StatusTable {
        let mut duplicates = 0;
        let mut groups: Vec<Group> = Vec::with_capacity(self.groups.len());
        for collected in self.groups {
            let sorted = collected.sorted();
            duplicates += collected.revoked_count - sorted.revoked_count;
            groups.push(sorted);
        }
        // The longest list of serials first: a look-up tries the groups in order.
        groups.sort_unstable_by_key(|group| std::cmp::Reverse(group.reasons.len()));
        StatusTable {
            groups,
            absence: self.absence,
            duplicates,
            window,
            source,
        }
    }
}

impl Group {
    fn with_capacity(stride: usize, entries: usize) -> Group {
        Group {
            stride,
            serials: Vec::with_capacity(stride * entries),
            times: Vec::with_capacity(entries),
            reasons: Vec::with_capacity(entries),
            elsewhere: Vec::new(),
            revoked_count: 0,
        }
    }

    /// A copy in ascending order of serials, each serial once: revoked rather than issued, and the earliest revocation.
    fn sorted(&self) -> Group {
        let mut order: Vec<usize> = (0..self.reasons.len()).collect();
        let rank = |position: usize| match self.entry(position) {
            Entry::Revoked(info) => (0, info.revocation_time),
            Entry::Issued => (1, Time::MAX),
        };
        order.sort_unstable_by(|&left, &right| {
            let serials = self.serial(left).cmp(self.serial(right));
            serials.then_with(|| rank(left).cmp(&rank(right)))
        });
        order.dedup_by(|later, earlier| self.serial(*later) == self.serial(*earlier));
        let mut sorted = Group::with_capacity(self.stride, order.len());
        for position in order {
            sorted.push(self.serial(position), self.entry(position));
        }
        sorted
    }
}

/// Without needless leading octets: two encodings of one INTEGER are one serial (X.690 §8.3.2).
fn minimal(mut content: &[u8]) -> &[u8] {
    while let [first, second, ..] = content
        && ((*first == 0x00 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0))
    {
        content = &content[1..];
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn serial(content: &[u8]) -> SerialNumber {
        SerialNumber::from_content(content).expect("1..=64 octets")
    }

    fn info(seconds: i64, reason: Option<CrlReason>) -> RevokedInfo {
        RevokedInfo {
            revocation_time: Time::from_unix(seconds),
            reason,
            invalidity_date: None,
        }
    }

    fn table(entries: &[(Vec<u8>, RevokedInfo)]) -> StatusTable {
        let mut builder = StatusTableBuilder::revoked_only();
        for (content, info) in entries {
            builder.revoked(&serial(content), *info);
        }
        built(builder)
    }

    fn built(builder: StatusTableBuilder) -> StatusTable {
        let window = ValidityWindow {
            this_update: Time::MIN,
            next_update: Time::MAX,
        };
        let source = SourceInfo {
            origin: String::new(),
            crl_number: None,
            digest: [0; 32],
            signature_algorithm: None,
        };
        builder.build(window, source)
    }

    proptest! {
        #[test]
        fn a_table_says_what_a_plain_map_says(
            entries in proptest::collection::vec(
                (proptest::collection::vec(0u8..4, 1..4), -5_000_000_000i64..5_000_000_000, 0u8..12, proptest::option::of(0i64..99)),
                0..60,
            ),
            asked in proptest::collection::vec(proptest::collection::vec(0u8..4, 1..4), 1..60),
        ) {
            let entries: Vec<(Vec<u8>, RevokedInfo)> = entries
                .into_iter()
                .map(|(content, seconds, reason, date)| {
                    let mut info = info(seconds, CrlReason::from_code(reason));
                    info.invalidity_date = date.map(Time::from_unix);
                    (content, info)
                })
                .collect();
            let mut map: BTreeMap<i64, Vec<RevokedInfo>> = BTreeMap::new();
            for (content, info) in &entries {
                map.entry(number(content)).or_default().push(*info);
            }
            let table = table(&entries);
            prop_assert_eq!(table.entry_count(), map.len());
            prop_assert_eq!(table.duplicate_count(), entries.len() - map.len());
            for content in asked {
                match (table.lookup(&serial(&content)), map.get(&number(&content))) {
                    (Lookup::Absent, None) => {}
                    (Lookup::Revoked(found), Some(infos)) => {
                        let earliest = infos.iter().map(|info| info.revocation_time).min();
                        prop_assert_eq!(Some(found.revocation_time), earliest);
                        prop_assert!(infos.contains(&found));
                    }
                    (found @ (Lookup::Absent | Lookup::Issued | Lookup::Revoked(_)), expected) => prop_assert!(false, "{:?} but {:?}", found, expected),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_table_revokes_all_of_another_when_no_serial_is_missing(
            ours in proptest::collection::vec(proptest::collection::vec(0u8..3, 1..3), 0..30),
            theirs in proptest::collection::vec(proptest::collection::vec(0u8..3, 1..3), 0..6),
        ) {
            let of = |serials: &[Vec<u8>]| {
                let entries: Vec<_> = serials.iter().map(|serial| (serial.clone(), info(1, None))).collect();
                table(&entries)
            };
            let has_all = theirs
                .iter()
                .all(|wanted| ours.iter().any(|serial| number(serial) == number(wanted)));
            prop_assert_eq!(of(&ours).revokes_all_of(&of(&theirs)), has_all);
        }
    }

    fn number(content: &[u8]) -> i64 {
        content
            .iter()
            .fold(0, |number, octet| number << 8 | i64::from(*octet))
    }

    #[test]
    fn cid_06_a_negative_serial_is_not_the_positive_one_with_the_same_octets() {
        let table = table(&[
            (vec![0xff], info(1, None)),
            (vec![0x00, 0x80], info(2, None)),
        ]);
        assert_eq!(
            table.lookup(&serial(&[0xff])),
            Lookup::Revoked(info(1, None))
        );
        assert_eq!(table.lookup(&serial(&[0x00, 0xff])), Lookup::Absent);
        assert_eq!(
            table.lookup(&serial(&[0x00, 0x80])),
            Lookup::Revoked(info(2, None))
        );
        assert_eq!(table.lookup(&serial(&[0x80])), Lookup::Absent);
    }

    #[test]
    fn cid_05_near_misses_of_a_revoked_serial_are_absent() {
        let revoked = [0x11, 0x22, 0x33, 0x44];
        let table = table(&[(revoked.to_vec(), info(1, None))]);
        let near: [&[u8]; 6] = [
            &[0x11, 0x22, 0x33, 0x43],
            &[0x11, 0x22, 0x33, 0x45],
            &[0x11, 0x22, 0x33],
            &[0x22, 0x33, 0x44],
            &[0x11, 0x22, 0x33, 0x44, 0x00],
            &[0x01, 0x11, 0x22, 0x33, 0x44],
        ];
        for content in near {
            assert_eq!(
                table.lookup(&serial(content)),
                Lookup::Absent,
                "{content:02x?}"
            );
        }
    }

    #[test]
    fn a_needless_leading_octet_on_the_list_does_not_hide_a_serial() {
        let table = table(&[(vec![0x00, 0x00, 0x50, 0x00], info(1, None))]);
        assert_eq!(
            table.lookup(&serial(&[0x50, 0x00])),
            Lookup::Revoked(info(1, None))
        );
    }

    #[test]
    fn a_table_that_knows_what_was_issued_tells_revoked_from_issued_from_never_issued() {
        let mut builder = StatusTableBuilder::issued();
        builder.issued_serial(&serial(&[5]));
        builder.issued_serial(&serial(&[6]));
        builder.revoked(&serial(&[6]), info(9, None));
        builder.revoked(&serial(&[6]), info(8, None));
        builder.issued_serial(&serial(&[6]));
        let table = built(builder);
        assert_eq!(table.absence(), Absence::NeverIssued);
        assert_eq!(table.lookup(&serial(&[5])), Lookup::Issued);
        assert_eq!(table.lookup(&serial(&[6])), Lookup::Revoked(info(8, None)));
        assert_eq!(table.lookup(&serial(&[7])), Lookup::Absent);
        assert_eq!((table.entry_count(), table.duplicate_count()), (1, 1));
    }

    #[test]
    fn an_issued_serial_of_another_table_need_not_be_revoked_here() {
        let mut issued = StatusTableBuilder::issued();
        issued.issued_serial(&serial(&[5]));
        let issued = built(issued);
        let revoked = table(&[(vec![5], info(1, None))]);
        assert!(table(&[]).revokes_all_of(&issued));
        assert!(!issued.revokes_all_of(&revoked));
    }

    #[test]
    fn a_serial_on_hold_keeps_its_reason() {
        let hold = info(7, Some(CrlReason::CertificateHold));
        let table = table(&[(vec![5], hold)]);
        assert_eq!(table.lookup(&serial(&[5])), Lookup::Revoked(hold));
    }
}
