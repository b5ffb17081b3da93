//! The results of one run of `cargo xtask bench`, as tables ask for them.

use ocspry_bench::spread::Spread;
use serde_json::Value;

/// The run.
pub struct Peers<'a> {
    /// All of it.
    pub content: &'a Value,
}

/// One cell: a load with so many connections and such a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The delegate's key.
    pub key: &'a str,
    /// What is asked.
    pub load: &'a str,
    /// Connections at once.
    pub connections: u64,
}

impl<'a> Peers<'a> {
    /// From what is in a file.
    pub fn new(content: &'a Value) -> Peers<'a> {
        Peers { content }
    }

    /// Who was measured there, in the order of the run.
    pub fn servers(&self, place: Place<'_>) -> Vec<&'a str> {
        self.cells()
            .filter(|cell| is_at(cell, place))
            .filter_map(|cell| cell["server"].as_str())
            .collect()
    }

    /// A field of all rounds; None where a round failed.
    pub fn rounds(&self, place: Place<'_>, server: &str, field: &str) -> Vec<Option<f64>> {
        let cell = self
            .cells()
            .find(|cell| is_at(cell, place) && cell["server"] == server);
        let rounds = cell.and_then(|cell| cell["rounds"].as_array());
        let rounds = rounds.into_iter().flatten();
        rounds.map(|round| round[field].as_f64()).collect()
    }

    /// Median and ends of a field.
    pub fn spread(&self, place: Place<'_>, server: &str, field: &str) -> Option<Spread> {
        Spread::of(self.rounds(place, server, field).into_iter().flatten())
    }

    /// Requests that failed in all rounds.
    pub fn failed(&self, place: Place<'_>, server: &str) -> f64 {
        let failed = self.rounds(place, server, "failed");
        failed.into_iter().flatten().sum()
    }

    /// A field of one server over that of another, round by round: what disturbs the machine disturbs both.
    pub fn ratio(
        &self,
        place: Place<'_>,
        server: &str,
        other: &str,
        field: &str,
    ) -> Option<Spread> {
        let ours = self.rounds(place, server, field);
        let theirs = self.rounds(place, other, field);
        let both = ours.into_iter().zip(theirs);
        Spread::of(both.filter_map(|(ours, theirs)| Some(ours? / theirs?)))
    }

    /// Signatures a second with the library alone, on one core.
    pub fn raw_signing(&self, key: &str) -> Vec<f64> {
        let all = self.content["raw_signing"].as_array();
        let of_key = all.into_iter().flatten().find(|one| one["key"] == key);
        numbers(of_key.map_or(&Value::Null, |one| &one["per_second"]))
    }

    /// A field of every round of a part that measures ocspry alone, by a JSON pointer.
    pub fn of_part(&self, part: &str, pointer: &str) -> Vec<f64> {
        let rounds = self.content[part]["rounds"].as_array();
        let rounds = rounds.into_iter().flatten();
        rounds
            .filter_map(|round| round.pointer(pointer)?.as_f64())
            .collect()
    }

    /// A field of such a part that is the same in all rounds.
    pub fn of_setting(&self, part: &str, field: &str) -> Option<f64> {
        self.content[part][field].as_f64()
    }

    /// Fresh answers a second at best, in an overload's own run.
    pub fn peak(&self, part: &str) -> Option<f64> {
        let peak = self.content[part].pointer("/peak/answered_per_second");
        peak.and_then(Value::as_f64)
    }

    fn cells(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.content["cells"].as_array().into_iter().flatten()
    }
}

fn is_at(cell: &Value, place: Place<'_>) -> bool {
    cell["key"] == place.key
        && cell["load"] == place.load
        && cell["connections"] == place.connections
}

/// The numbers of an array.
pub fn numbers(value: &Value) -> Vec<f64> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_f64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let cell = |server: &str, values: [Option<f64>; 3]| {
            let rounds = values.map(|value| match value {
                Some(value) => json!({ "rate": value, "failed": 1 }),
                None => json!({ "error": "gone" }),
            });
            json!({ "key": "P-256", "load": "get", "connections": 32, "server": server, "rounds": rounds })
        };
        let content = json!({ "cells": [
            cell("ocspry", [Some(10.0), Some(30.0), Some(8.0)]),
            cell("nginx", [Some(5.0), Some(10.0), None]),
        ] });
        let peers = Peers::new(&content);
        let place = Place {
            key: "P-256",
            load: "get",
            connections: 32,
        };
        let ratio = peers.ratio(place, "ocspry", "nginx", "rate").unwrap();
        assert_eq!((ratio.min, ratio.max), (2.0, 3.0));
        assert_eq!(peers.servers(place), ["ocspry", "nginx"]);
        assert_eq!(peers.failed(place, "nginx"), 2.0);
        let nowhere = Place {
            connections: 1,
            ..place
        };
        assert_eq!(peers.ratio(nowhere, "ocspry", "nginx", "rate"), None);
    }
}
