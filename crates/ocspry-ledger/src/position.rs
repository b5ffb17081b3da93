//! How far a ledger was read, and whether what is there now continues from that (design.md §3, rule 3).
//!
//! A number alone would not tell: an older copy that was written to reaches it again.  So each act has a mark drawn at
//! random, and a position is a sequence with the mark of the act that ends there.  From: `follow`.  To: `follow`, and the
//! state of who follows, as text.

use std::fmt;
use std::str::FromStr;

use ocspry_wire::hex::{from_hex, to_hex};

/// The last fact that was read, of which ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The ledger's own number, drawn when it was made; its copies have it too.
    pub identity: [u8; 16],
    /// The last fact; 0: none yet.
    pub sequence: u64,
    /// The mark of the act that it ends; zeros where there is none yet.
    pub mark: [u8; 16],
}

/// `IDENTITY:SEQUENCE:MARK`, as it is kept.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position {
            identity,
            sequence,
            mark,
        } = self;
        write!(f, "{}:{sequence}:{}", to_hex(identity), to_hex(mark))
    }
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a position in a ledger: IDENTITY:SEQUENCE:MARK")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Position, NotAPosition> {
        let octets = |hex: &str| {
            from_hex(hex)
                .and_then(|octets| <[u8; 16]>::try_from(octets).ok())
                .ok_or(NotAPosition)
        };
        let mut parts = text.trim().split(':');
        let (Some(identity), Some(sequence), Some(mark), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAPosition);
        };
        Ok(Position {
            identity: octets(identity)?,
            sequence: sequence.parse().map_err(|_| NotAPosition)?,
            mark: octets(mark)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_as_text() {
        let position = Position {
            identity: [0xab; 16],
            sequence: 12_345,
            mark: [7; 16],
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for broken in ["", "00:1:00", "x:1:y", &format!("{position}:1")] {
            assert_eq!(broken.parse::<Position>(), Err(NotAPosition), "{broken}");
        }
    }
}
