//! From rows in any order to sorted groups, in small steps.
//!
//! From: the builders of `revoked` and `issued`.  To: `group`.
//!
//! A list of ten million entries must neither need a second copy of itself nor hold up whoever has something better to do.
//! So the rows are first divided among a thousand runs (`blocks`), by the bits behind those that all have in common; then
//! one run after the other is sorted (`run`) and goes out as narrower rows, two at a time where there are two cores.  A
//! run that nearly everything falls into, because serials are alike, is divided again behind what *its* rows have in
//! common: no order of entries and no choice of serials makes it slow.

use std::cmp::Ordering;

use super::blocks::{BLOCK_ROWS, Blocks, Run};
use super::group::{Group, Layout};
use super::minimal;
use super::rows::{Rows, key_at};
use super::run::RunSorting;
use crate::side_by_side;

/// Which of two sayings about one serial comes first and is kept.
pub(super) type Rank<'a> = &'a (dyn Fn(&[u8], &[u8]) -> Ordering + Sync);

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
    blocks: Blocks,
    /// What is left to do, the next one last.
    tasks: Vec<Task>,
    /// The begins of the buckets that have gone out.
    index: Vec<u32>,
    /// Runs that are sorted together.
    batch: Vec<RunSorting>,
    /// The rows of a block that are being divided.
    block: Vec<u8>,
}

#[derive(Debug)]
enum Task {
    /// These rows, whose serials have so many bits in common, or more.
    Order { run: Run, common_bits: usize },
    /// How many bits the serials of these rows have in common, which is known of the blocks before `next`.
    Compare {
        run: Run,
        first: Vec<u8>,
        common_bits: usize,
        next: usize,
    },
    /// Each row to the others of its value.
    Divide {
        run: Run,
        digit: Digit,
        parts: Vec<Run>,
        next: usize,
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

impl ListSorting {
    fn new(list: List, data_octets: usize) -> ListSorting {
        let common_bits = list.common_bits();
        let count = list.rows.len();
        let layout = Layout::new(&list.first, common_bits, count, data_octets);
        let index = match layout.bucket_count() {
            1 => Vec::new(),
            buckets => Vec::with_capacity(buckets + 1),
        };
        let (blocks, run) = Blocks::new(list.rows, layout.width());
        let mut sorting = ListSorting {
            layout,
            blocks,
            tasks: Vec::new(),
            index,
            batch: Vec::new(),
            block: Vec::new(),
        };
        if is_short(&run) {
            sorting.tasks.push(Task::Order { run, common_bits });
        } else {
            sorting.divide(run, common_bits);
        }
        sorting
    }

    /// A little more; true when all is done.
    fn step(&mut self, rank: Rank<'_>) -> bool {
        let mut work = WORK_PER_STEP;
        while work > 0 {
            let Some(task) = self.tasks.pop() else {
                return true;
            };
            let done = match task {
                Task::Order { run, common_bits } if is_short(&run) => {
                    self.sort_runs(run, common_bits, rank)
                }
                Task::Order { run, common_bits } if common_bits == 8 * self.layout.length => {
                    self.keep_one(&run, rank)
                }
                // Rows that are too many have more in common than is known, as a rule.
                Task::Order { run, .. } => self.begin_compare(run),
                Task::Compare {
                    run,
                    first,
                    common_bits,
                    next,
                } => self.compare(run, first, common_bits, next, work),
                Task::Divide {
                    run,
                    digit,
                    parts,
                    next,
                } => self.divide_blocks(run, digit, parts, next, work),
            };
            work = work.saturating_sub(done);
        }
        false
    }

    fn finish(mut self) -> Group {
        let buckets = self.layout.bucket_count();
        if buckets > 1 {
            self.index.resize(buckets + 1, self.blocks.out() as u32);
        }
        Group::new(self.layout, self.blocks.finish(), self.index)
    }

    fn begin_compare(&mut self, run: Run) -> usize {
        let length = self.layout.length;
        self.tasks.push(Task::Compare {
            first: self.blocks.read(&run, 0)[..length].to_vec(),
            run,
            common_bits: 8 * length,
            next: 0,
        });
        WORK_TO_COMPARE
    }

    fn compare(
        &mut self,
        run: Run,
        first: Vec<u8>,
        common_bits: usize,
        next: usize,
        work: usize,
    ) -> usize {
        let until = until(&run, next, work / WORK_TO_COMPARE);
        let common_bits = (next..until)
            .flat_map(|block| {
                self.blocks
                    .read(&run, block)
                    .chunks_exact(self.blocks.width())
            })
            .map(|row| shared_bits(&first, row))
            .fold(common_bits, usize::min);
        if until == run.block_count() {
            self.divide(run, common_bits);
        } else {
            self.tasks.push(Task::Compare {
                run,
                first,
                common_bits,
                next: until,
            });
        }
        (until - next) * BLOCK_ROWS * WORK_TO_COMPARE
    }

    /// By the bits behind those that all have in common, if there are any.
    fn divide(&mut self, run: Run, common_bits: usize) {
        let left = 8 * self.layout.length - common_bits;
        if left == 0 {
            self.tasks.push(Task::Order { run, common_bits });
            return;
        }
        let wanted = run.len().div_ceil(RUN_ROWS).next_power_of_two().ilog2();
        let bits = wanted.min(DIGIT_BITS_MAX).min(left as u32);
        self.tasks.push(Task::Divide {
            run,
            digit: Digit {
                octet: common_bits / 8,
                skip: (common_bits % 8) as u32,
                bits,
            },
            parts: (0..1 << bits).map(|_| Run::default()).collect(),
            next: 0,
        });
    }

    fn divide_blocks(
        &mut self,
        run: Run,
        digit: Digit,
        mut parts: Vec<Run>,
        next: usize,
        work: usize,
    ) -> usize {
        let length = self.layout.length;
        let width = self.blocks.width();
        let until = until(&run, next, work / WORK_TO_DIVIDE);
        for block in next..until {
            self.block.clear();
            self.blocks.take(&run, block, &mut self.block);
            for row in self.block.chunks_exact(width) {
                self.blocks.push(&mut parts[digit.of(&row[..length])], row);
            }
        }
        if until == run.block_count() {
            let common_bits = digit.end();
            let parts = parts.into_iter().filter(|part| part.len() > 0);
            let tasks = parts.map(|run| Task::Order { run, common_bits });
            self.tasks.extend(tasks.rev());
        } else {
            self.tasks.push(Task::Divide {
                run,
                digit,
                parts,
                next: until,
            });
        }
        (until - next) * BLOCK_ROWS * WORK_TO_DIVIDE
    }

    /// This run and those behind it, as far as they are short and few, go out sorted.
    fn sort_runs(&mut self, run: Run, common_bits: usize, rank: Rank<'_>) -> usize {
        let mut count = 0;
        let mut row_count = 0;
        let mut next = Some((run, common_bits));
        while let Some((run, common_bits)) = next {
            row_count += run.len();
            if count == self.batch.len() {
                self.batch.push(RunSorting::default());
            }
            self.batch[count].begin(&mut self.blocks, &run, common_bits / 8);
            count += 1;
            next = match self.tasks.pop() {
                Some(Task::Order { run, common_bits })
                    if is_short(&run)
                        && row_count + run.len() <= BATCH_ROWS_MAX
                        && count < BATCH_RUNS_MAX =>
                {
                    Some((run, common_bits))
                }
                other => {
                    self.tasks.extend(other);
                    None
                }
            };
        }
        let ListSorting {
            layout,
            blocks,
            index,
            batch,
            ..
        } = self;
        let mut write_out = |runs: &[RunSorting]| {
            for run in runs {
                for (bucket, begin) in &run.begins {
                    note_bucket(index, *bucket, blocks.out() + begin);
                }
                blocks.write_out(&run.narrow);
            }
        };
        // Here the first go out while the others are still being sorted.
        let (here, aside) = batch[..count].split_at_mut(count - count / 2);
        side_by_side(
            !aside.is_empty() && row_count >= WORTH_A_THREAD,
            || aside.iter_mut().for_each(|run| run.sort(layout, rank)),
            || {
                here.iter_mut().for_each(|run| run.sort(layout, rank));
                write_out(here);
            },
        );
        write_out(aside);
        row_count * WORK_TO_SORT
    }

    /// Of rows that all have one serial, the one that counts goes out.
    fn keep_one(&mut self, run: &Run, rank: Rank<'_>) -> usize {
        let length = self.layout.length;
        let width = self.blocks.width();
        let best = (0..run.block_count())
            .flat_map(|block| self.blocks.read(run, block).chunks_exact(width))
            .min_by(|left, right| rank(&left[length..], &right[length..]))
            .map(<[u8]>::to_vec);
        for block in 0..run.block_count() {
            self.blocks.release(run, block);
        }
        if let Some(best) = best {
            let layout = &self.layout;
            if layout.bucket_count() > 1 {
                let bucket = layout.bucket(&best[..length]);
                note_bucket(&mut self.index, bucket, self.blocks.out());
            }
            self.blocks.write_out(&best[layout.stripped()..]);
        }
        run.len()
    }
}

fn is_short(run: &Run) -> bool {
    run.len() <= RUN_ROWS_MAX
}

/// How far so many rows reach from a block on, which is one block at least.
fn until(run: &Run, next: usize, rows: usize) -> usize {
    run.block_count().min(next + rows / BLOCK_ROWS + 1)
}

/// The buckets up to this one begin where this position is, unless they have begun.  There is an index only where
/// positions fit.
fn note_bucket(index: &mut Vec<u32>, bucket: usize, position: usize) {
    while index.len() <= bucket {
        index.push(position as u32);
    }
}

/// How many octets at the start of both are the same.
#[inline]
pub(super) fn shared_octets(left: &[u8], right: &[u8]) -> usize {
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

/// More rows than this are divided first.
const RUN_ROWS_MAX: usize = if cfg!(any(test, fuzzing)) { 8 } else { 1 << 16 };
/// How many rows a run is to have: what a core's own cache holds.
const RUN_ROWS: usize = if cfg!(any(test, fuzzing)) { 4 } else { 1 << 14 };
/// Into 1 024 runs at once: as many places that are written in turn as a core knows the pages of.
const DIGIT_BITS_MAX: u32 = 10;

/// Some milliseconds, in units of what it takes to look at one row.
const WORK_PER_STEP: usize = if cfg!(any(test, fuzzing)) {
    16
} else {
    1 << 20
};
const WORK_TO_COMPARE: usize = 1;
const WORK_TO_DIVIDE: usize = 4;
const WORK_TO_SORT: usize = 8;
/// Runs of so many rows are sorted together.
const BATCH_ROWS_MAX: usize = if cfg!(any(test, fuzzing)) {
    24
} else {
    WORK_PER_STEP / WORK_TO_SORT
};
/// Each keeps the memory that its longest run took: some megabytes at most.
const BATCH_RUNS_MAX: usize = 16;
/// A thread is begun and ended in the time that a tenth of these takes.
const WORTH_A_THREAD: usize = if cfg!(test) { 16 } else { 1 << 14 };
