//! From rows in any order to sorted groups, in place and in small steps.
//!
//! From: the builders of `revoked` and `issued`.  To: `group`.
//!
//! A list of ten million entries must neither need a second copy of itself nor hold up whoever has something better to do.
//! So the rows are first exchanged in place until they lie in some hundred runs, by the bits behind those that all
//! have in common; then one run after the other is sorted (by keys of eight octets beside the number of the row), and goes
//! out as narrower rows over those that were sorted before it.  A run that nearly everything falls into, because serials
//! are alike, is divided again behind what *its* rows have in common: no order of entries and no choice of serials makes
//! it slow.

use std::cmp::Ordering;
use std::ops::Range;

use super::group::{Group, Layout};
use super::minimal;
use super::rows::{Rows, key_at};

/// Which of two sayings about one serial comes first and is kept.
pub(super) type Rank<'a> = &'a dyn Fn(&[u8], &[u8]) -> Ordering;

/// Collects serials of any length in any order.
#[derive(Debug)]
pub(super) struct Collected {
    data_octets: usize,
    /// One for each length: a few.
    lists: Vec<List>,
    count: usize,
}

/// The serials of one length, unsorted.
#[derive(Debug)]
struct List {
    rows: Rows,
    first: Vec<u8>,
    /// Octets that all serials begin with.
    common_octets: usize,
    /// In the octet behind those, the bits in which one differs from the first.
    differing: u8,
}

impl Collected {
    /// With so many octets of what is said of each serial.
    pub(super) fn new(data_octets: usize) -> Collected {
        Collected {
            data_octets,
            lists: Vec::new(),
            count: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, content: &[u8], data: &[u8]) {
        debug_assert_eq!(data.len(), self.data_octets);
        let serial = minimal(content);
        let known = self
            .lists
            .iter()
            .position(|list| list.first.len() == serial.len());
        let place = known.unwrap_or_else(|| self.add_list(serial));
        self.lists[place].push(serial, data);
        self.count += 1;
    }

    #[cold]
    fn add_list(&mut self, first: &[u8]) -> usize {
        self.lists.push(List {
            rows: Rows::new(first.len() + self.data_octets),
            first: first.to_vec(),
            common_octets: first.len(),
            differing: 0,
        });
        self.lists.len() - 1
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.lists.iter().map(|list| list.rows.size_bytes()).sum()
    }

    pub(super) fn into_sorting(mut self) -> Sorting {
        // The longest comes first, into order and in a look-up.
        self.lists.sort_by_key(|list| list.rows.len());
        Sorting {
            data_octets: self.data_octets,
            waiting: self.lists,
            current: None,
            groups: Vec::new(),
            count: self.count,
        }
    }
}

impl List {
    #[inline]
    fn push(&mut self, serial: &[u8], data: &[u8]) {
        let common = self.common_octets;
        if common > 0 && serial[..common] != self.first[..common] {
            self.common_octets = shared_octets(&self.first[..common], serial);
            self.differing = 0;
        }
        if let Some(octet) = serial.get(self.common_octets) {
            self.differing |= octet ^ self.first[self.common_octets];
        }
        self.rows.push(serial, data);
    }

    fn common_bits(&self) -> usize {
        match self.common_octets {
            all if all == self.first.len() => 8 * all,
            octets => 8 * octets + self.differing.leading_zeros() as usize,
        }
    }
}

/// What was collected on its way to sorted groups.
#[derive(Debug)]
pub(super) struct Sorting {
    data_octets: usize,
    /// The longest last.
    waiting: Vec<List>,
    current: Option<ListSorting>,
    groups: Vec<Group>,
    count: usize,
}

impl Sorting {
    /// A little more; true when all is done.
    pub(super) fn step(&mut self, rank: Rank<'_>) -> bool {
        if self.current.is_none() {
            let data_octets = self.data_octets;
            self.current = self
                .waiting
                .pop()
                .map(|list| ListSorting::new(list, data_octets));
        }
        match &mut self.current {
            Some(current) => {
                if current.step(rank) {
                    let done = self.current.take();
                    self.groups.extend(done.map(ListSorting::finish));
                }
                false
            }
            None => true,
        }
    }

    /// The groups, that of the most serials first, and how many serials were collected more than once.
    pub(super) fn finish(mut self, rank: Rank<'_>) -> (Vec<Group>, usize) {
        while !self.step(rank) {}
        self.groups.shrink_to_fit();
        let kept: usize = self.groups.iter().map(Group::len).sum();
        (self.groups, self.count - kept)
    }
}

#[derive(Debug)]
struct ListSorting {
    layout: Layout,
    rows: Rows,
    /// What is left to do, the next one last.
    tasks: Vec<Task>,
    /// How many narrow rows have gone out, over wide ones that are not needed any more.
    out: usize,
    /// The begins of the buckets that have gone out.
    index: Vec<u32>,
    scratch: Scratch,
}

#[derive(Debug)]
enum Task {
    /// These rows, whose serials have so many bits in common, or more.
    Order(Range<usize>, usize),
    /// How many bits the serials of these rows have in common, which is known of those before `next`.
    Compare {
        range: Range<usize>,
        next: usize,
        common_bits: usize,
    },
    /// How many rows there are of each value of a few bits.
    Count {
        range: Range<usize>,
        digit: Digit,
        next: usize,
        counts: Vec<usize>,
    },
    /// All rows of the list, each to the others of its value, into memory of their own; what they leave is given back as
    /// they go.  To exchange them in place takes five times as long, since each exchange waits for the one before.
    Scatter {
        digit: Digit,
        /// Where the next row of each value goes.
        heads: Vec<usize>,
        next: usize,
        target: Rows,
    },
    /// Each row of a part of the list to the others of its value, in place.
    Move {
        digit: Digit,
        /// Where the rows of each value end.
        ends: Vec<usize>,
        /// Where the first row of each value lies that may have to move.
        heads: Vec<usize>,
        /// Rows of lower values are where they belong.
        value: usize,
        begin: usize,
    },
}

/// Some bits of a serial as a number.
#[derive(Clone, Copy, Debug)]
struct Digit {
    octet: usize,
    skip: u32,
    bits: u32,
}

impl Digit {
    #[inline]
    fn of(self, serial: &[u8]) -> usize {
        ((key_at(serial, self.octet) << self.skip) >> (64 - self.bits)) as usize
    }

    /// How many bits of a serial go before its end.
    fn end(self) -> usize {
        8 * self.octet + (self.skip + self.bits) as usize
    }
}

/// The first octets of a serial behind what it shares with its neighbours, and the number of its row.
type Key = (u64, u32);

/// Memory that one run after the other uses.
#[derive(Debug, Default)]
struct Scratch {
    unsorted: Vec<Key>,
    sorted: Vec<Key>,
    heads: Vec<u32>,
    rows: Vec<u8>,
}

impl ListSorting {
    fn new(list: List, data_octets: usize) -> ListSorting {
        let common_bits = list.common_bits();
        let count = list.rows.len();
        let layout = Layout::new(&list.first, common_bits, count, data_octets);
        let index = match layout.bucket_count() {
            1 => Vec::new(),
            buckets => Vec::with_capacity(buckets + 1),
        };
        ListSorting {
            layout,
            rows: list.rows,
            tasks: vec![Task::Order(0..count, common_bits)],
            out: 0,
            index,
            scratch: Scratch::default(),
        }
    }

    fn step(&mut self, rank: Rank<'_>) -> bool {
        let mut work = WORK_PER_STEP;
        while work > 0 {
            let Some(task) = self.tasks.pop() else {
                return true;
            };
            let done = match task {
                Task::Order(range, common_bits) => self.order(range, common_bits, rank),
                Task::Compare {
                    range,
                    next,
                    common_bits,
                } => self.compare(range, next, common_bits, work, rank),
                Task::Count {
                    range,
                    digit,
                    next,
                    counts,
                } => self.count(range, digit, next, counts, work),
                Task::Scatter {
                    digit,
                    heads,
                    next,
                    target,
                } => self.scatter(digit, heads, next, target, work),
                Task::Move {
                    digit,
                    ends,
                    heads,
                    value,
                    begin,
                } => self.move_rows(digit, ends, heads, value, begin, work),
            };
            work = work.saturating_sub(done);
        }
        false
    }

    fn finish(mut self) -> Group {
        let buckets = self.layout.bucket_count();
        if buckets > 1 {
            self.index.resize(buckets + 1, self.out as u32);
        }
        let rows = self.rows.narrowed(self.out, self.layout.width());
        Group::new(self.layout, rows, self.index)
    }

    /// A short run goes out sorted, a longer one is divided.
    fn order(&mut self, range: Range<usize>, common_bits: usize, rank: Rank<'_>) -> usize {
        let count = range.len();
        if count <= RUN_ROWS_MAX {
            self.sort_run(range, common_bits / 8, rank);
            return count * WORK_TO_SORT;
        }
        if count == self.rows.len() {
            return self.divide(range, common_bits, rank);
        }
        // A part of the rows that is too long has more in common than is known, as a rule.
        self.tasks.push(Task::Compare {
            next: range.start,
            range,
            common_bits: 8 * self.layout.length,
        });
        WORK_TO_COUNT
    }

    fn compare(
        &mut self,
        range: Range<usize>,
        next: usize,
        common_bits: usize,
        work: usize,
        rank: Rank<'_>,
    ) -> usize {
        let first = &self.rows.row(range.start)[..self.layout.length];
        let until = range.end.min(next + work / WORK_TO_COUNT + 1);
        let common_bits = (next..until)
            .map(|position| shared_bits(first, self.rows.row(position)))
            .fold(common_bits, usize::min);
        let done = (until - next) * WORK_TO_COUNT;
        if until == range.end {
            return done + self.divide(range, common_bits, rank);
        }
        self.tasks.push(Task::Compare {
            range,
            next: until,
            common_bits,
        });
        done
    }

    /// By the bits behind those that all have in common.
    fn divide(&mut self, range: Range<usize>, common_bits: usize, rank: Rank<'_>) -> usize {
        let count = range.len();
        let length = self.layout.length;
        let left = 8 * length - common_bits;
        if left == 0 {
            self.keep_one(range, rank);
            return count * WORK_TO_COUNT;
        }
        let wanted = count.div_ceil(RUN_ROWS).next_power_of_two().ilog2();
        let bits = wanted.min(DIGIT_BITS_MAX).min(left as u32);
        self.tasks.push(Task::Count {
            next: range.start,
            range,
            digit: Digit {
                octet: common_bits / 8,
                skip: (common_bits % 8) as u32,
                bits,
            },
            counts: vec![0; 1 << bits],
        });
        WORK_TO_COUNT
    }

    fn count(
        &mut self,
        range: Range<usize>,
        digit: Digit,
        next: usize,
        mut counts: Vec<usize>,
        work: usize,
    ) -> usize {
        let length = self.layout.length;
        let until = range.end.min(next + work / WORK_TO_COUNT + 1);
        for position in next..until {
            counts[digit.of(&self.rows.row(position)[..length])] += 1;
        }
        let begin = range.start;
        self.tasks.push(if until < range.end {
            Task::Count {
                range,
                digit,
                next: until,
                counts,
            }
        } else {
            let mut end = begin;
            let mut heads = Vec::with_capacity(counts.len());
            for count in &mut counts {
                heads.push(end);
                end += *count;
                *count = end;
            }
            if range.len() == self.rows.len() {
                let target = Rows::zeroed(self.rows.width(), self.rows.len());
                Task::Scatter {
                    digit,
                    heads,
                    next: 0,
                    target,
                }
            } else {
                Task::Move {
                    digit,
                    ends: counts,
                    heads,
                    value: 0,
                    begin,
                }
            }
        });
        (until - next) * WORK_TO_COUNT
    }

    fn scatter(
        &mut self,
        digit: Digit,
        mut heads: Vec<usize>,
        next: usize,
        mut target: Rows,
        work: usize,
    ) -> usize {
        let length = self.layout.length;
        let until = self.rows.len().min(next + work / WORK_TO_MOVE + 1);
        for position in next..until {
            let row = self.rows.row(position);
            let head = &mut heads[digit.of(&row[..length])];
            target.put(*head, row);
            *head += 1;
        }
        self.rows.give_back_before(until);
        if until < self.rows.len() {
            self.tasks.push(Task::Scatter {
                digit,
                heads,
                next: until,
                target,
            });
        } else {
            // Where the next row of a value would go, the rows of that value end.
            self.rows = target;
            self.order_between(0, heads, digit.end());
        }
        (until - next) * WORK_TO_MOVE
    }

    fn move_rows(
        &mut self,
        digit: Digit,
        ends: Vec<usize>,
        mut heads: Vec<usize>,
        mut value: usize,
        begin: usize,
        work: usize,
    ) -> usize {
        let length = self.layout.length;
        let mut moves = work / WORK_TO_MOVE + 1;
        while value < ends.len() {
            while heads[value] < ends[value] {
                if moves == 0 {
                    self.tasks.push(Task::Move {
                        digit,
                        ends,
                        heads,
                        value,
                        begin,
                    });
                    return work;
                }
                moves -= 1;
                let head = heads[value];
                let belongs = digit.of(&self.rows.row(head)[..length]);
                self.rows.swap(head, heads[belongs]);
                heads[belongs] += 1;
            }
            value += 1;
        }
        self.order_between(begin, ends, digit.end());
        work.saturating_sub(moves * WORK_TO_MOVE)
    }

    /// What lies between these ends is ordered next, one after the other; the serials of each have so many bits in common.
    fn order_between(&mut self, begin: usize, ends: Vec<usize>, common_bits: usize) {
        let mut end_before = begin;
        let mut runs = Vec::with_capacity(ends.len());
        for end in ends {
            if end_before < end {
                runs.push(Task::Order(end_before..end, common_bits));
            }
            end_before = end;
        }
        self.tasks.extend(runs.into_iter().rev());
    }

    /// The rows of one run, each serial once, go out; so many octets of their serials are the same.
    fn sort_run(&mut self, range: Range<usize>, common: usize, rank: Rank<'_>) {
        let length = self.layout.length;
        let start = range.start;
        let rows = &self.rows;
        let compare = |left: &Key, right: &Key| {
            left.0.cmp(&right.0).then_with(|| {
                let (left, left_data) = rows.row(start + left.1 as usize).split_at(length);
                let (right, right_data) = rows.row(start + right.1 as usize).split_at(length);
                left.cmp(right).then_with(|| rank(left_data, right_data))
            })
        };
        let key = |number: u32, common| {
            let row = rows.row(start + number as usize);
            (key_at(&row[..length], common), number)
        };
        let scratch = &mut self.scratch;
        scratch.unsorted.clear();
        // A run has no more rows than fit u32.
        scratch
            .unsorted
            .extend((0..range.len() as u32).map(|number| key(number, common)));
        let (first_key, _) = scratch.unsorted[0];
        let differing = scratch
            .unsorted
            .iter()
            .fold(0, |differing, (key, _)| differing | (key ^ first_key));
        let skip = differing.leading_zeros().min(63);
        let bits = (range.len().ilog2().max(2) - 1).min(64 - skip);

        // Every key to the others with the same bits, then order among those few.
        scratch.heads.clear();
        scratch.heads.resize(1 << bits, 0);
        let bucket = |key: u64| ((key << skip) >> (64 - bits)) as usize;
        for (key, _) in &scratch.unsorted {
            scratch.heads[bucket(*key)] += 1;
        }
        let mut begin = 0;
        for head in &mut scratch.heads {
            let count = *head;
            *head = begin;
            begin += count;
        }
        scratch.sorted.clear();
        scratch.sorted.resize(range.len(), (0, 0));
        for entry in &scratch.unsorted {
            let head = &mut scratch.heads[bucket(entry.0)];
            scratch.sorted[*head as usize] = *entry;
            *head += 1;
        }
        let mut begin = 0;
        for end in &scratch.heads {
            let few = &mut scratch.sorted[begin..*end as usize];
            begin = *end as usize;
            match few.len() {
                0 | 1 => {}
                2..=FEW => insertion_sort(few, compare),
                _ => {
                    // Serials that are alike for long are compared behind that.
                    let first = &rows.row(start + few[0].1 as usize)[..length];
                    let common = few.iter().fold(first.len(), |common, entry| {
                        shared_octets(&first[..common], rows.row(start + entry.1 as usize))
                    });
                    for entry in few.iter_mut() {
                        *entry = key(entry.1, common);
                    }
                    few.sort_unstable_by(compare);
                }
            }
        }

        scratch.rows.clear();
        let mut out = self.out;
        let mut last: (u64, &[u8]) = (0, &[]);
        for (key, number) in &scratch.sorted {
            let row = rows.row(start + *number as usize);
            let serial = &row[..length];
            // Of the same serial, the keys are the same.
            if (*key, serial) == last {
                continue;
            }
            last = (*key, serial);
            scratch
                .rows
                .extend_from_slice(&row[self.layout.stripped()..]);
            note_bucket(&mut self.index, &self.layout, serial, out);
            out += 1;
        }
        self.rows
            .overwrite(self.out, &self.scratch.rows, self.layout.width());
        self.out = out;
    }

    /// Of rows that all have one serial, the one that counts goes out.
    fn keep_one(&mut self, range: Range<usize>, rank: Rank<'_>) {
        let length = self.layout.length;
        let best = range.min_by(|left, right| {
            rank(
                &self.rows.row(*left)[length..],
                &self.rows.row(*right)[length..],
            )
        });
        if let Some(best) = best {
            let row = self.rows.row(best).to_vec();
            note_bucket(&mut self.index, &self.layout, &row[..length], self.out);
            self.rows.overwrite(
                self.out,
                &row[self.layout.stripped()..],
                self.layout.width(),
            );
            self.out += 1;
        }
    }
}

/// The buckets up to that of a serial begin where it goes out, unless they have begun.
#[inline]
fn note_bucket(index: &mut Vec<u32>, layout: &Layout, serial: &[u8], out: usize) {
    if layout.bucket_count() > 1 {
        let bucket = layout.bucket(serial);
        while index.len() <= bucket {
            // There is an index only where positions fit.
            index.push(out as u32);
        }
    }
}

#[inline]
fn insertion_sort(few: &mut [Key], compare: impl Fn(&Key, &Key) -> Ordering) {
    for unsorted in 1..few.len() {
        let entry = few[unsorted];
        let mut place = unsorted;
        while place > 0 && compare(&entry, &few[place - 1]) == Ordering::Less {
            few[place] = few[place - 1];
            place -= 1;
        }
        few[place] = entry;
    }
}

/// How many octets at the start of both are the same.
#[inline]
fn shared_octets(left: &[u8], right: &[u8]) -> usize {
    left.iter()
        .zip(right)
        .position(|(left, right)| left != right)
        .unwrap_or(left.len().min(right.len()))
}

/// How many bits at the start of both are the same.
#[inline]
fn shared_bits(left: &[u8], right: &[u8]) -> usize {
    let octets = shared_octets(left, right);
    match (left.get(octets), right.get(octets)) {
        (Some(left), Some(right)) => 8 * octets + (left ^ right).leading_zeros() as usize,
        (None, _) | (_, None) => 8 * octets,
    }
}

/// More rows than this are divided first: with time and reason, 64 Ki rows of 20-octet serials are 1.6 MB, and their keys
/// 2 MB.
const RUN_ROWS_MAX: usize = if cfg!(any(test, fuzzing)) { 8 } else { 1 << 16 };
/// How many rows a run is to have: what a core's own cache holds.
const RUN_ROWS: usize = if cfg!(any(test, fuzzing)) { 4 } else { 1 << 14 };
/// Into 1 024 runs at once: as many places that are written in turn as a core knows the pages of.
const DIGIT_BITS_MAX: u32 = 10;
/// Up to so many keys are sorted by inserting one after the other.
const FEW: usize = 16;

/// Some milliseconds, in units of what it takes to count one row.
const WORK_PER_STEP: usize = if cfg!(any(test, fuzzing)) {
    16
} else {
    1 << 20
};
const WORK_TO_COUNT: usize = 1;
const WORK_TO_MOVE: usize = 4;
const WORK_TO_SORT: usize = 8;
