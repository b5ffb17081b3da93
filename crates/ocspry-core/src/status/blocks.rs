//! Rows in blocks that belong to runs, in memory that is taken once: what comes out sorted lies where the unsorted lay.
//!
//! From: `sorting`, which divides rows among runs.  To: `rows`, narrow and in order.
//!
//! A run is a list of blocks, wherever they lie.  Whoever has read a block leaves its place to the next one that is
//! begun, so that rows are divided within the memory that they lie in.  Sorted rows go out from the first place on; a
//! block that lies in their way moves to a place that was left.  A second copy of the rows would double the memory, and
//! to get it from the system takes as long as to sort them.

use std::collections::BinaryHeap;

use super::rows::{PIECE_ROWS, Rows};

/// Some rows, in no order.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// By number; all are full but the last.
    blocks: Vec<u32>,
    rows: usize,
    /// Where the next row goes, if the last block is not full; true until rows go out.
    next: usize,
}

impl Run {
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// How many blocks it has.
    pub(super) fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// How many rows are in the block at this place of the list.
    fn rows_in(&self, block: usize) -> usize {
        (self.rows - block * BLOCK_ROWS).min(BLOCK_ROWS)
    }
}

/// The memory, and who has which part of it.
#[derive(Debug)]
pub(super) struct Blocks {
    rows: Rows,
    /// Octets of a row that goes out.
    width_out: usize,
    /// Rows that have gone out.
    out: usize,
    /// Where the block of each number lies.
    places: Vec<u32>,
    /// Which block lies at each place.
    numbers: Vec<Option<u32>>,
    /// The last comes first: sorted rows, which go out from the first place on, reach it late.
    free_places: BinaryHeap<u32>,
    free_numbers: Vec<u32>,
}

impl Blocks {
    /// All rows are one run.
    pub(super) fn new(mut rows: Rows, width_out: usize) -> (Blocks, Run) {
        let count = rows.len();
        rows.lengthen(count.next_multiple_of(BLOCK_ROWS));
        // More blocks than a u32 counts have a trillion rows.
        let blocks = count.div_ceil(BLOCK_ROWS) as u32;
        let run = Run {
            blocks: (0..blocks).collect(),
            rows: count,
            next: count,
        };
        let blocks = Blocks {
            rows,
            width_out,
            out: 0,
            places: (0..blocks).collect(),
            numbers: (0..blocks).map(Some).collect(),
            free_places: BinaryHeap::new(),
            free_numbers: Vec::new(),
        };
        (blocks, run)
    }

    /// Octets of a row.
    pub(super) fn width(&self) -> usize {
        self.rows.width()
    }

    /// Rows that have gone out.
    pub(super) fn out(&self) -> usize {
        self.out
    }

    /// The rows of the block at a place of the run's list, one behind another.
    pub(super) fn read(&self, run: &Run, block: usize) -> &[u8] {
        let place = self.places[run.blocks[block] as usize] as usize;
        self.rows.between(place * BLOCK_ROWS, run.rows_in(block))
    }

    /// Moves the rows of a block behind those in `target`; nobody may read it in the run after that.
    pub(super) fn take(&mut self, run: &Run, block: usize, target: &mut Vec<u8>) {
        target.extend_from_slice(self.read(run, block));
        self.release(run, block);
    }

    /// Leaves the place of a block that was read.
    pub(super) fn release(&mut self, run: &Run, block: usize) {
        let number = run.blocks[block];
        let place = self.places[number as usize];
        self.numbers[place as usize] = None;
        self.free_places.push(place);
        self.free_numbers.push(number);
    }

    /// Moves all rows of a run behind those in `target`.
    pub(super) fn take_all(&mut self, run: &Run, target: &mut Vec<u8>) {
        for block in 0..run.block_count() {
            self.take(run, block, target);
        }
    }

    /// One more row of a run.
    #[inline]
    pub(super) fn push(&mut self, run: &mut Run, row: &[u8]) {
        if run.rows.is_multiple_of(BLOCK_ROWS) {
            self.begin_block(run);
        }
        self.rows.put(run.next, row);
        run.next += 1;
        run.rows += 1;
    }

    #[cold]
    fn begin_block(&mut self, run: &mut Run) {
        let place = self.free_place(self.out);
        let number = self.free_numbers.pop().unwrap_or_else(|| {
            self.places.push(place);
            self.places.len() as u32 - 1
        });
        self.lay(number, place);
        run.blocks.push(number);
        run.next = place as usize * BLOCK_ROWS;
    }

    fn lay(&mut self, number: u32, place: u32) {
        self.places[number as usize] = place;
        self.numbers[place as usize] = Some(number);
    }

    /// A place where no block lies and that the first so many rows that go out do not reach.
    fn free_place(&mut self, out: usize) -> u32 {
        while let Some(place) = self.free_places.pop() {
            if !self.is_reached(place, out) {
                return place;
            }
        }
        let place = self.numbers.len() as u32;
        self.rows.lengthen(self.rows.len() + BLOCK_ROWS);
        self.numbers.push(None);
        place
    }

    fn is_reached(&self, place: u32, out: usize) -> bool {
        let first = place as usize * BLOCK_ROWS;
        self.rows.is_overwritten(first, out, self.width_out)
    }

    /// Sorted rows, as narrow as they are to stay.
    pub(super) fn write_out(&mut self, rows: &[u8]) {
        let out = self.out + rows.len() / self.width_out;
        for rows in self.rows.overwritten_by(self.out..out, self.width_out) {
            for place in rows.start / BLOCK_ROWS..rows.end.div_ceil(BLOCK_ROWS) {
                self.vacate(place, out);
            }
        }
        self.rows.overwrite(self.out, rows, self.width_out);
        self.out = out;
    }

    /// The block at a place, if one lies there, moves to where the first so many rows that go out do not reach.
    fn vacate(&mut self, place: usize, out: usize) {
        let Some(number) = self.numbers[place].take() else {
            return;
        };
        let free = self.free_place(out);
        let rows = (place * BLOCK_ROWS, free as usize * BLOCK_ROWS);
        self.rows.copy_within(rows.0, rows.1, BLOCK_ROWS);
        self.lay(number, free);
    }

    /// What has gone out.
    pub(super) fn finish(self) -> Rows {
        self.rows.narrowed(self.out, self.width_out)
    }
}

const _: () = assert!(PIECE_ROWS.is_multiple_of(BLOCK_ROWS));

/// 6.4 KB of 20-octet serials with time and reason: runs are some forty blocks long, and a block is copied as fast as it is
/// read.
pub(super) const BLOCK_ROWS: usize = if cfg!(any(test, fuzzing)) { 2 } else { 256 };

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A key, and the row's number, so that no row is like another.
    const WIDTH: usize = 5;

    fn row(key: u8, number: usize) -> [u8; WIDTH] {
        let [high, low] = (number as u16).to_be_bytes();
        [0xaa, key, key, high, low]
    }

    fn blocks_of(keys: &[u8], width_out: usize) -> (Blocks, Run) {
        let mut rows = Rows::new(WIDTH);
        for (number, key) in keys.iter().enumerate() {
            let row = row(*key, number);
            rows.push(&row[..2], &row[2..]);
        }
        Blocks::new(rows, width_out)
    }

    /// Each row to the others of its value.
    fn divide(
        blocks: &mut Blocks,
        run: &Run,
        parts: usize,
        part_of: impl Fn(&[u8]) -> usize,
    ) -> Vec<Run> {
        let mut divided: Vec<Run> = (0..parts).map(|_| Run::default()).collect();
        for block in 0..run.block_count() {
            let mut rows = Vec::new();
            blocks.take(run, block, &mut rows);
            for row in rows.chunks_exact(WIDTH) {
                blocks.push(&mut divided[part_of(row)], row);
            }
        }
        divided
    }

    proptest! {
        #[test]
        fn rows_that_are_divided_and_go_out_in_order_are_those_of_a_sorted_vector(
            keys in proptest::collection::vec(any::<u8>(), 1..400),
            width_out in 2_usize..=WIDTH,
            first_bits in 0_u32..=4,
            bits in 0_u32..=4,
            together in 1_usize..6,
        ) {
            let (mut blocks, run) = blocks_of(&keys, width_out);
            let first = divide(&mut blocks, &run, 1 << first_bits, |row| usize::from(row[1]) >> (8 - first_bits));
            let mut run_count = first.len();
            let mut all = Vec::new();
            let mut taken = VecDeque::new();
            let mut write_out = |blocks: &mut Blocks, mut rows: Vec<u8>| {
                let mut sorted: Vec<&[u8]> = rows.chunks_exact(WIDTH).collect();
                sorted.sort_unstable();
                let narrow: Vec<u8> = sorted.iter().flat_map(|row| &row[WIDTH - width_out..]).copied().collect();
                blocks.write_out(&narrow);
                all.append(&mut rows);
            };
            for part in first {
                // Again, while others have gone out and lie where these lay.
                let mask = (1 << bits) - 1;
                let again = divide(&mut blocks, &part, 1 << bits, |row| usize::from(row[1]) >> (8 - first_bits - bits) & mask);
                run_count += again.len();
                for run in again {
                    let mut rows = Vec::new();
                    blocks.take_all(&run, &mut rows);
                    prop_assert_eq!(rows.len(), run.len() * WIDTH);
                    taken.push_back(rows);
                }
                while taken.len() > together {
                    let rows = taken.pop_front().unwrap_or_default();
                    write_out(&mut blocks, rows);
                }
                prop_assert!(blocks.numbers.len() <= keys.len().div_ceil(BLOCK_ROWS) + run_count + 1);
            }
            for rows in taken {
                write_out(&mut blocks, rows);
            }

            let mut expected: Vec<[u8; WIDTH]> = keys.iter().enumerate().map(|(number, key)| row(*key, number)).collect();
            expected.sort_unstable();
            let mut came: Vec<&[u8]> = all.chunks_exact(WIDTH).collect();
            came.sort_unstable();
            prop_assert_eq!(came, expected.iter().map(|row| &row[..]).collect::<Vec<_>>());
            prop_assert_eq!(blocks.out(), keys.len());
            let out = blocks.finish();
            prop_assert_eq!(out.len(), keys.len());
            for (place, row) in expected.iter().enumerate() {
                prop_assert_eq!(out.row(place), &row[WIDTH - width_out..], "row {}", place);
            }
        }
    }

    #[test]
    fn rows_divided_within_their_memory_take_a_block_more_for_each_run_at_most() {
        let keys: Vec<u8> = (0..1000_u32).map(|number| (number * 89) as u8).collect();
        let (mut blocks, run) = blocks_of(&keys, 3);
        let before = blocks.numbers.len();
        assert_eq!(before, keys.len() / BLOCK_ROWS);
        let parts = divide(&mut blocks, &run, 8, |row| usize::from(row[1] >> 5));
        assert!(blocks.numbers.len() <= before + 8);
        let divided = blocks.numbers.len();
        for part in parts {
            let mut rows = Vec::new();
            blocks.take_all(&part, &mut rows);
            let narrow = rows.chunks_exact(WIDTH).flat_map(|row| &row[2..]);
            blocks.write_out(&narrow.copied().collect::<Vec<u8>>());
        }
        assert!(blocks.numbers.len() <= divided + 1);
    }
}
