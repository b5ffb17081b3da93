//! Rows of one fixed width in big pieces of memory: what a table is made of, while it grows and when it is finished.
//!
//! From: the builders, row by row.  To: `sorting`, which orders and narrows the rows in place, and `group`, which finds
//! one.  Pieces of a fixed number of rows need no copy when a list grows, and each is big enough for an allocator to give
//! it back to the system by itself.

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

    /// So many rows that are to be [`put`](Rows::put); memory is taken as they come.
    pub(super) fn zeroed(width: usize, count: usize) -> Rows {
        let rows_of = |piece: usize| (count - piece * PIECE_ROWS).min(PIECE_ROWS);
        let pieces = 0..count.div_ceil(PIECE_ROWS);
        Rows {
            width,
            count,
            pieces: pieces
                .map(|piece| vec![0; rows_of(piece) * width])
                .collect(),
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
        self.pieces[position >> PIECE_ROWS_LOG2][start..start + self.width].copy_from_slice(row);
    }

    /// The rows before `position` are not read any more.
    pub(super) fn give_back_before(&mut self, position: usize) {
        let whole = position >> PIECE_ROWS_LOG2;
        for piece in self
            .pieces
            .iter_mut()
            .take(whole)
            .rev()
            .take_while(|piece| piece.capacity() > 0)
        {
            *piece = Vec::new();
        }
    }

    /// One more row: a serial and what is said of it, `width` octets together.
    #[inline]
    pub(super) fn push(&mut self, serial: &[u8], data: &[u8]) {
        if self.count & PIECE_MASK == 0 {
            self.pieces.push(match self.count {
                0 => Vec::new(),
                _ => Vec::with_capacity(PIECE_ROWS * self.width),
            });
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.extend_from_slice(serial);
            piece.extend_from_slice(data);
            self.count += 1;
        }
    }

    #[inline]
    pub(super) fn row(&self, position: usize) -> &[u8] {
        let start = (position & PIECE_MASK) * self.width;
        &self.pieces[position >> PIECE_ROWS_LOG2][start..start + self.width]
    }

    /// Each at the other's place.
    #[inline]
    pub(super) fn swap(&mut self, left: usize, right: usize) {
        let (low, high) = (left.min(right), left.max(right));
        let (low_piece, high_piece) = (low >> PIECE_ROWS_LOG2, high >> PIECE_ROWS_LOG2);
        let low_start = (low & PIECE_MASK) * self.width;
        let high_start = (high & PIECE_MASK) * self.width;
        if low == high {
            return;
        }
        let (low_row, high_row) = if low_piece == high_piece {
            let (before, from_high) = self.pieces[low_piece].split_at_mut(high_start);
            (
                &mut before[low_start..low_start + self.width],
                &mut from_high[..self.width],
            )
        } else {
            let (before, from_high) = self.pieces.split_at_mut(high_piece);
            (
                &mut before[low_piece][low_start..low_start + self.width],
                &mut from_high[0][high_start..high_start + self.width],
            )
        };
        low_row.swap_with_slice(high_row);
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
const PIECE_ROWS: usize = 1 << PIECE_ROWS_LOG2;
const PIECE_MASK: usize = PIECE_ROWS - 1;
