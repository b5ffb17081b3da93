//! Rows of one fixed width in big pieces of memory: what a table is made of, while it grows and when it is finished.
//!
//! From: the builders, row by row.  To: `sorting`, which orders and narrows the rows within their memory (`blocks`), and
//! `group`, which finds one.  Pieces of a fixed number of rows need no copy when a list grows, and each is big enough for
//! an allocator to give it back to the system by itself.

use std::ops::Range;

/// As many rows as octets and address space last; the first piece grows like any vector, so few rows take little.
#[derive(Debug)]
pub(super) struct Rows {
    width: usize,
    count: usize,
    pieces: Vec<Vec<u8>>,
}

impl Rows {
    pub(super) fn new(width: usize) -> Rows {
        Rows {
            width,
            count: 0,
            pieces: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    #[inline]
    pub(super) fn put(&mut self, position: usize, row: &[u8]) {
        let start = (position & PIECE_MASK) * self.width;
        let piece = &mut self.pieces[position >> PIECE_ROWS_LOG2];
        copy_row(row, &mut piece[start..start + self.width]);
    }

    /// Rows of zeros behind the last, until there are so many.
    pub(super) fn lengthen(&mut self, count: usize) {
        while self.count < count {
            if self.count & PIECE_MASK == 0 {
                self.pieces.push(Vec::new());
            }
            let begin = self.count & !PIECE_MASK;
            self.count = count.min(begin + PIECE_ROWS);
            if let Some(piece) = self.pieces.last_mut() {
                piece.resize((self.count - begin) * self.width, 0);
            }
        }
    }

    /// One more row: a serial and what is said of it, `width` octets together.
    #[inline]
    pub(super) fn push(&mut self, serial: &[u8], data: &[u8]) {
        if self.count.is_multiple_of(ROOM_ROWS) {
            self.make_room();
        }
        let start = (self.count & PIECE_MASK) * self.width;
        let piece = &mut self.pieces[self.count >> PIECE_ROWS_LOG2];
        let (to_serial, to_data) = piece[start..start + self.width].split_at_mut(serial.len());
        copy_row(serial, to_serial);
        to_data.copy_from_slice(data);
        self.count += 1;
    }

    /// For some more rows behind the last.
    #[cold]
    fn make_room(&mut self) {
        let in_piece = self.count & PIECE_MASK;
        if in_piece == 0 {
            self.pieces.push(match self.count {
                0 => Vec::new(),
                _ => Vec::with_capacity(PIECE_ROWS * self.width),
            });
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.resize((in_piece + ROOM_ROWS) * self.width, 0);
        }
    }

    #[inline]
    pub(super) fn row(&self, position: usize) -> &[u8] {
        let start = (position & PIECE_MASK) * self.width;
        &self.pieces[position >> PIECE_ROWS_LOG2][start..start + self.width]
    }

    /// So many rows from a place on, which lie in one piece.
    pub(super) fn between(&self, position: usize, count: usize) -> &[u8] {
        let start = (position & PIECE_MASK) * self.width;
        &self.pieces[position >> PIECE_ROWS_LOG2][start..start + count * self.width]
    }

    /// Copies so many rows, which lie in one piece, to another place of which that is true.
    pub(super) fn copy_within(&mut self, from: usize, to: usize, count: usize) {
        let (from_piece, to_piece) = (from >> PIECE_ROWS_LOG2, to >> PIECE_ROWS_LOG2);
        let octets = count * self.width;
        let from = (from & PIECE_MASK) * self.width;
        let to = (to & PIECE_MASK) * self.width;
        if let Ok([source, target]) = self.pieces.get_disjoint_mut([from_piece, to_piece]) {
            target[to..to + octets].copy_from_slice(&source[from..from + octets]);
        } else {
            self.pieces[from_piece].copy_within(from..from + octets, to);
        }
    }

    /// Whether the row at a place is overwritten, in part at least, by the first so many narrower ones.
    pub(super) fn is_overwritten(&self, position: usize, count: usize, width: usize) -> bool {
        let piece_begin = position & !PIECE_MASK;
        let before = count.saturating_sub(piece_begin).min(PIECE_ROWS);
        (position - piece_begin) * self.width < before * width
    }

    /// The rows, in ranges that lie in one piece each, over which narrower ones at these positions are written.
    pub(super) fn overwritten_by(
        &self,
        positions: Range<usize>,
        width: usize,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let wide = self.width;
        let pieces = positions.start >> PIECE_ROWS_LOG2..positions.end.div_ceil(PIECE_ROWS);
        pieces.map(move |piece| {
            let begin = piece << PIECE_ROWS_LOG2;
            let first = positions.start.max(begin) - begin;
            let last = positions.end.min(begin + PIECE_ROWS) - begin;
            begin + first * width / wide..begin + (last * width).div_ceil(wide)
        })
    }

    /// Narrower rows over the first wide ones: `rows` lie one behind another and go to the places from `position` on.
    /// Wide rows before `position + rows` must not be read any more.
    pub(super) fn overwrite(&mut self, position: usize, rows: &[u8], width: usize) {
        debug_assert!(width <= self.width);
        let mut position = position;
        let mut rows = rows;
        while !rows.is_empty() {
            let in_piece = position & PIECE_MASK;
            let count = (rows.len() / width).min(PIECE_ROWS - in_piece);
            let (now, later) = rows.split_at(count * width);
            let start = in_piece * width;
            self.pieces[position >> PIECE_ROWS_LOG2][start..start + now.len()].copy_from_slice(now);
            position += count;
            rows = later;
        }
    }

    /// The first rows only, as narrow as they were overwritten; what they do not need is given back.
    pub(super) fn narrowed(mut self, count: usize, width: usize) -> Rows {
        self.pieces.truncate(count.div_ceil(PIECE_ROWS));
        for (place, piece) in self.pieces.iter_mut().enumerate() {
            piece.truncate((count - place * PIECE_ROWS).min(PIECE_ROWS) * width);
            piece.shrink_to_fit();
        }
        self.pieces.shrink_to_fit();
        Rows {
            width,
            count,
            pieces: self.pieces,
        }
    }

    /// Octets of memory.
    pub(super) fn size_bytes(&self) -> usize {
        self.pieces.iter().map(Vec::capacity).sum::<usize>()
            + self.pieces.capacity() * size_of::<Vec<u8>>()
    }
}

/// Copies a row to where another of the same width was: of 16 to 32 octets, as rows of most lists are, in two halves that
/// may overlap, which takes less than to ask how long it is.
#[inline]
pub(super) fn copy_row(from: &[u8], to: &mut [u8]) {
    match (from.first_chunk::<16>(), from.last_chunk::<16>()) {
        (Some(first), Some(last)) if from.len() <= 32 && from.len() == to.len() => {
            if let Some(target) = to.first_chunk_mut() {
                *target = *first;
            }
            if let Some(target) = to.last_chunk_mut() {
                *target = *last;
            }
        }
        _ => to.copy_from_slice(from),
    }
}

/// The eight octets from a place on as a number that sorts like them; missing ones count as zero.
#[inline]
pub(super) fn key_at(serial: &[u8], place: usize) -> u64 {
    let rest = &serial[place..];
    match rest.first_chunk::<8>() {
        Some(octets) => u64::from_be_bytes(*octets),
        None => rest
            .iter()
            .zip([56, 48, 40, 32, 24, 16, 8])
            .fold(0, |key, (octet, shift)| key | u64::from(*octet) << shift),
    }
}

/// 2 097 152 rows: 52 MB of 20-octet serials with time and reason, above the 32 MiB from which on the C library's
/// allocator always asks the system, and gives back at once.  Tests and fuzzing meet the seams between pieces.
const PIECE_ROWS_LOG2: u32 = if cfg!(any(test, fuzzing)) { 4 } else { 21 };
pub(super) const PIECE_ROWS: usize = 1 << PIECE_ROWS_LOG2;
const PIECE_MASK: usize = PIECE_ROWS - 1;
/// Room is made for so many at a time: to copy a row to where there is room takes less than to add one to a vector.
const ROOM_ROWS: usize = if cfg!(any(test, fuzzing)) { 2 } else { 256 };
