//! How much of a ledger an audit file has told, which each of its lines carries on.
//!
//! The lines of a ledger are made from its facts by their sequence, each once (ADR-0017): the last line says where to go on.
//! From: `line`.  To: `trail`, and `file`, which carries it on in lines that tell of other things.

use std::str::FromStr as _;

use ocspry_ledger::Position;
use serde_json::{Map, Value, json};

/// Facts of a ledger that an audit file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The end of the last act of which all is told; None: nothing is told of any ledger.
    pub(crate) position: Option<Position>,
    /// The last fact; after that position only where an act is told in part.
    pub(crate) fact: u64,
}

impl Told {
    /// What the fields of a line say; what cannot be read is as good as not told.
    pub(crate) fn of(fields: &Map<String, Value>) -> Told {
        let position = fields
            .get(POSITION)
            .and_then(Value::as_str)
            .and_then(|text| Position::from_str(text).ok());
        let number = |name| fields.get(name).and_then(Value::as_u64);
        let told = number(FACT).or_else(|| number(TOLD)).unwrap_or(0);
        Told {
            position,
            fact: told.max(position.map_or(0, |position| position.sequence)),
        }
    }

    /// Carries it on in a line that says nothing of it.
    pub(crate) fn carry(&self, fields: &mut Map<String, Value>) {
        if fields.contains_key(POSITION) || fields.contains_key(FACT) {
            return;
        }
        let end = self.position.map_or(0, |position| position.sequence);
        if let Some(position) = &self.position {
            fields.insert(POSITION.to_owned(), json!(position.to_string()));
        }
        if self.fact > end {
            fields.insert(TOLD.to_owned(), json!(self.fact));
        }
    }
}

/// Up to where all is told.
pub(crate) const POSITION: &str = "ledger";

/// The fact that the line is made from.
pub(crate) const FACT: &str = "fact";

/// The last fact, where it is after that position.
const TOLD: &str = "told";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_carried_on_also_in_the_middle_of_an_act() {
        let position = Position {
            identity: [1; 16],
            sequence: 7,
            mark: [2; 16],
        };
        for fact in [7, 9] {
            let told = Told {
                position: Some(position),
                fact,
            };
            let mut fields = Map::new();
            told.carry(&mut fields);
            assert_eq!(Told::of(&fields), told);
        }
        let own = json!({"ledger": position.to_string(), "fact": 9});
        let Value::Object(mut fields) = own else {
            panic!("an object")
        };
        Told::default().carry(&mut fields);
        assert_eq!(Told::of(&fields).fact, 9);
    }
}
