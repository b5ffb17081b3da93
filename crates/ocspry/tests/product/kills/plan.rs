//! Where the next kill lands, and what was hit so far.
//!
//! Each kind of call of each command is killed at once at least; then they have turns by the root of how many boundaries they
//! have: a rename more often than each of hundreds of writes.  Within a kind the boundaries come in turn, from one drawn at
//! random on.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use super::boundary::{Boundary, Kind};
use super::verb::Verb;

/// All boundaries of all commands.
pub(super) struct Plan {
    groups: Vec<Group>,
    left: usize,
    done: usize,
}

/// The boundaries of one kind in one command.
struct Group {
    verb: Verb,
    kind: Kind,
    /// Of a run that was not killed.
    boundaries: Vec<Boundary>,
    /// The fewest that such a run had.
    count_min: usize,
    next: usize,
    kills: usize,
    hit: BTreeSet<Boundary>,
}

impl Plan {
    /// So many kills.
    pub(super) fn new(kills: usize) -> Plan {
        Plan {
            groups: Vec::new(),
            left: kills,
            done: 0,
        }
    }

    /// Takes the boundaries of a run that did all that its command does.
    pub(super) fn learn(&mut self, verb: Verb, boundaries: &[Boundary]) {
        let kinds: BTreeSet<Kind> = boundaries.iter().map(|boundary| boundary.kind).collect();
        for kind in kinds {
            let of_kind: Vec<Boundary> = boundaries
                .iter()
                .filter(|boundary| boundary.kind == kind)
                .cloned()
                .collect();
            let is_known = |group: &&mut Group| group.verb == verb && group.kind == kind;
            match self.groups.iter_mut().find(is_known) {
                Some(group) => {
                    group.count_min = group.count_min.min(of_kind.len());
                    group.boundaries = of_kind;
                }
                None => self.groups.push(Group {
                    verb,
                    kind,
                    count_min: of_kind.len(),
                    next: RandomState::new().hash_one(kind) as usize % of_kind.len(),
                    boundaries: of_kind,
                    kills: 0,
                    hit: BTreeSet::new(),
                }),
            }
        }
    }

    /// The same of a run after a kill, where it came to more of them than any before; it may do less than its command does,
    /// and removes what the kill left, which the command else has no reason to.
    pub(super) fn learn_more(&mut self, verb: Verb, boundaries: &[Boundary]) {
        for group in self.groups.iter_mut().filter(|group| group.verb == verb) {
            let of_kind = boundaries
                .iter()
                .filter(|boundary| boundary.kind == group.kind);
            if of_kind.clone().count() > group.boundaries.len() {
                group.boundaries = of_kind.cloned().collect();
            }
        }
    }

    /// The next kill; None: that was all, and no kind is left out.
    pub(super) fn next(&mut self) -> Option<(Verb, Boundary)> {
        let turn = |group: &Group| group.kills.pow(2) as f64 / group.boundaries.len() as f64;
        let group = self
            .groups
            .iter_mut()
            .min_by(|one, other| turn(one).total_cmp(&turn(other)))?;
        if self.left == 0 && group.kills > 0 {
            return None;
        }
        self.left = self.left.saturating_sub(1);
        group.kills += 1;
        group.next = match group.next + 1 {
            next if next < group.boundaries.len() => next,
            _ => 0,
        };
        Some((group.verb, group.boundaries[group.next].clone()))
    }

    /// Kills no more.
    pub(super) fn stop(&mut self) {
        self.groups.clear();
    }

    /// Where to kill instead, once a run has ended before it came there: the last one of that kind that it had.
    pub(super) fn instead_of(&self, verb: Verb, missed: &Boundary) -> Option<Boundary> {
        let is_meant = |group: &&Group| group.verb == verb && group.kind == missed.kind;
        self.groups
            .iter()
            .find(is_meant)?
            .boundaries
            .last()
            .cloned()
    }

    /// A kill has landed; gives how many did.
    pub(super) fn hit(&mut self, verb: Verb, boundary: Boundary) -> usize {
        let is_meant = |group: &&mut Group| group.verb == verb && group.kind == boundary.kind;
        if let Some(group) = self.groups.iter_mut().find(is_meant) {
            group.hit.insert(boundary);
        }
        self.done += 1;
        self.done
    }

    /// Every kind of call of every command was hit; and with kills enough, each single boundary.
    pub(super) fn assert_all_hit(&self) {
        for group in &self.groups {
            let Group { verb, kind, .. } = group;
            let enough = match group.kills * 4 >= group.boundaries.len() * 5 {
                true => group.count_min,
                false => 1,
            };
            assert!(group.hit.len() >= enough, "{verb}: {kind}\n{self}");
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:<10} {:>10} {:>6} {:>6}",
            "command", "call", "boundaries", "hit", "kills"
        )?;
        let mut total = [0; 3];
        for group in &self.groups {
            let counts = [group.boundaries.len(), group.hit.len(), group.kills];
            let [boundaries, hit, kills] = counts;
            let verb = group.verb.to_string();
            writeln!(
                f,
                "{verb:<28} {:<10} {boundaries:>10} {hit:>6} {kills:>6}",
                group.kind
            )?;
            for (sum, count) in total.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        let [boundaries, hit, kills] = total;
        writeln!(
            f,
            "{:<28} {:<10} {boundaries:>10} {hit:>6} {kills:>6}",
            "in all", ""
        )
    }
}
