//! Buffers that a request needs and the next one can use again.  From: `server`, which keeps some for each worker.  To:
//! `connection` and `ocsp`, for as long as they have octets of a client: an idle connection has none.

use bytes::BytesMut;

use crate::get_path::GetBuffers;

/// The buffers of one request.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// What was read.
    pub(crate) input: Input,
    /// What is made of it.
    pub(crate) buffers: Buffers,
}

/// Octets that were read.
#[derive(Debug, Default)]
pub(crate) struct Input {
    octets: Vec<u8>,
    filled: usize,
}

/// Where an answer is made.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// The decoding of a GET path.
    pub(crate) get: GetBuffers,
    /// Where the answer is written.
    pub(crate) answer: BytesMut,
    /// The response of HTTP.
    pub(crate) output: Vec<u8>,
}

impl Scratch {
    /// It has not grown: a few requests of the largest size do not make it so for ever.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        let Buffers { answer, output, .. } = &self.buffers;
        // The decoding of a path is short.
        self.input.octets.capacity() + answer.capacity() + output.capacity() <= KEPT_OCTETS_MAX
    }
}

/// Octets of buffers that are kept for the next request.
const KEPT_OCTETS_MAX: usize = 32 * 1024;

impl Input {
    /// Room for `length` octets behind the first `held`.
    pub(crate) fn room_behind(&mut self, held: usize, length: usize) -> &mut [u8] {
        if self.octets.len() < held + length {
            self.octets.resize(held + length, 0);
        }
        &mut self.octets[held..held + length]
    }

    /// `count` octets were read into that room; these stand in front of them.
    pub(crate) fn put_in_front(&mut self, held: &[u8], count: usize) {
        self.octets[..held.len()].copy_from_slice(held);
        self.filled = held.len() + count;
    }

    /// All of them.
    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.octets[..self.filled]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_that_have_grown_are_not_kept() {
        let mut scratch = Scratch::default();
        scratch.input.room_behind(0, 4096);
        scratch.buffers.answer.resize(2048, 0);
        scratch.buffers.output.resize(2048, 0);
        assert!(scratch.is_worth_keeping());
        scratch.input.room_behind(24 * 1024, 4096);
        assert!(scratch.is_worth_keeping());
        scratch.buffers.output.resize(60 * 1024, 0);
        assert!(!scratch.is_worth_keeping());
    }
}
