//! What will be measured, and how long that takes.

use std::fmt;

use ocspry_bench::asking::Load;
use ocspry_bench::peer_pki::{KEY_KINDS, key_name};
use ocspry_bench::servers::Rival;
use ocspry_testkit::KeyKind;

use crate::idle;
use crate::options::Options;
use crate::pressure;

/// Connections of the loads that everything is asked with.
pub const CONNECTIONS_USUAL: usize = 32;
/// The others.
const CONNECTIONS_OTHER: [usize; 2] = [1, 256];
/// Seconds of load before each measurement that do not count.
pub const WARM_UP_S: f64 = 0.2;
/// Seconds that starting all servers of a kind of key takes, about.
const START_S: f64 = 10.0;

/// One load on one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The delegate's key.
    pub kind: KeyKind,
    /// What is asked.
    pub load: Load,
    /// Over how many connections at once.
    pub connections: usize,
    /// Who is asked.
    pub rival: Rival,
}

/// A measurement of ocspry alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From its start to its first answer.
    Start,
    /// Fresh RSA answers on both cores.
    TwoCores,
    /// Ten times more nonces than can be signed.
    Flood,
    /// Five times more, for a minute.
    Overload,
    /// The same with a key that signs fast.
    OverloadP256,
    /// Serial numbers that were never issued.
    Serials,
    /// Very many connections that are kept.
    Idle,
    /// A key that takes 200 ms for a signature.
    SlowKey,
    /// A key that does not come back.
    HungKey,
}

impl Part {
    const ALL: [Part; 9] = [
        Part::Start,
        Part::TwoCores,
        Part::Flood,
        Part::Overload,
        Part::OverloadP256,
        Part::Serials,
        Part::Idle,
        Part::SlowKey,
        Part::HungKey,
    ];

    /// What results and `--only` call it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Start => "start",
            Part::TwoCores => "two_cores",
            Part::Flood => "flood",
            Part::Overload => "overload",
            Part::OverloadP256 => "overload_p256",
            Part::Serials => "serials",
            Part::Idle => "idle",
            Part::SlowKey => "slow_key",
            Part::HungKey => "hung_key",
        }
    }

    /// The delegate's.
    pub fn key(self) -> KeyKind {
        match self {
            Part::TwoCores | Part::Flood | Part::Overload | Part::Serials => KeyKind::Rsa2048,
            Part::Start | Part::OverloadP256 | Part::Idle | Part::SlowKey | Part::HungKey => {
                KeyKind::P256
            }
        }
    }

    /// About.
    fn seconds(self, options: &Options) -> f64 {
        let each = options.seconds.as_secs_f64() * options.rounds as f64;
        match self {
            Part::Start => options.rounds as f64,
            Part::TwoCores | Part::Serials => 3.0 * each,
            Part::Flood => 2.0 * each,
            Part::Idle => 2.0 * each + idle::CONNECTIONS_S * options.rounds as f64,
            // Whoever waits for a hung key at the end of a load is told after a second or two.
            Part::SlowKey | Part::HungKey => 3.0 * each + 3.0 * options.rounds as f64,
            Part::Overload | Part::OverloadP256 => pressure::overload_seconds(options),
        }
    }
}

/// All of it.
pub struct Plan {
    cells: Vec<Cell>,
    /// The measurements of ocspry alone.
    pub parts: Vec<Part>,
    rounds: usize,
    seconds_each: f64,
    seconds_parts: f64,
}

impl Plan {
    /// What the options leave of the whole.
    pub fn new(options: &Options) -> Plan {
        let wanted = |name: &str| {
            options.only.is_empty() || options.only.iter().any(|word| name.contains(word.as_str()))
        };
        let cells = all_cells();
        let parts: Vec<Part> = Part::ALL
            .into_iter()
            .filter(|part| wanted(part.name()))
            .collect();
        Plan {
            cells: cells
                .into_iter()
                .filter(|cell| wanted(&cell.to_string()))
                .collect(),
            seconds_parts: parts.iter().map(|part| part.seconds(options)).sum(),
            parts,
            rounds: options.rounds,
            seconds_each: options.seconds.as_secs_f64(),
        }
    }

    /// Those with such a key.
    pub fn cells_of(&self, kind: KeyKind) -> Vec<Cell> {
        let of_kind = |cell: &&Cell| cell.kind == kind;
        self.cells.iter().filter(of_kind).copied().collect()
    }

    /// How long all of it takes, about.
    pub fn seconds(&self) -> f64 {
        let kinds = KEY_KINDS.into_iter();
        let kinds = kinds
            .filter(|&kind| !self.cells_of(kind).is_empty())
            .count() as f64;
        let rounds = self.rounds as f64;
        let cells = self.cells.len() as f64 * (self.seconds_each + WARM_UP_S);
        rounds * (cells + kinds * self.seconds_each) + kinds * START_S + self.seconds_parts
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cells, {} rounds of {} s each, about {:.0} minutes in all:",
            self.cells.len(),
            self.rounds,
            self.seconds_each,
            (self.seconds() / 60.0).ceil()
        )?;
        let mut last = None;
        for cell in &self.cells {
            let of = (key_name(cell.kind), cell.load, cell.connections);
            if last == Some(of) {
                write!(f, ", {}", cell.rival.name())?;
                continue;
            }
            if last.is_some() {
                writeln!(f)?;
            }
            write!(f, "  {} {} {}: ", of.0, of.1.name(), of.2)?;
            write!(f, "{}", cell.rival.name())?;
            last = Some(of);
        }
        let parts: Vec<&str> = self.parts.iter().map(|part| part.name()).collect();
        writeln!(f, "\n  ocspry alone: {}", parts.join(", "))
    }
}

/// What `--only` looks at.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            key_name(self.kind),
            self.load.name(),
            self.connections,
            self.rival.name()
        )
    }
}

/// The usual key and number of connections by everybody, the others by those that are compared there.
fn all_cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut add = |kind, load, connections, rivals: &[Rival]| {
        let takes = rivals.iter().filter(|rival| rival.takes(load, kind));
        cells.extend(takes.map(|&rival| Cell {
            kind,
            load,
            connections,
            rival,
        }));
    };
    for load in Load::ALL {
        add(KeyKind::P256, load, CONNECTIONS_USUAL, &Rival::ALL);
    }
    for connections in CONNECTIONS_OTHER {
        for load in Load::ALL {
            add(KeyKind::P256, load, connections, rivals_compared(load));
        }
    }
    for kind in [KeyKind::Rsa2048, KeyKind::Ed25519] {
        let cached = [Rival::Ocspry, Rival::NginxReturn];
        add(kind, Load::CachedGet, CONNECTIONS_USUAL, &cached);
        let signing = [Rival::Ocspry, Rival::Pyca, Rival::DjangoCa, Rival::Openssl];
        for load in [Load::NoncePost, Load::NoncePostOnce] {
            add(kind, load, CONNECTIONS_USUAL, &signing);
        }
    }
    cells
}

/// Who is asked over one connection, and over very many.
fn rivals_compared(load: Load) -> &'static [Rival] {
    match load {
        Load::CachedGet => &[
            Rival::Ocspry,
            Rival::EpollFloor,
            Rival::NginxReturn,
            Rival::Pyca,
        ],
        Load::CachedPost => &[Rival::Ocspry, Rival::EpollFloor, Rival::NginxReturn],
        Load::NoncePost => &[Rival::Ocspry, Rival::Cfssl, Rival::Pyca],
        Load::NoncePostOnce => &[Rival::Ocspry, Rival::EpollFloor, Rival::Openssl],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ocspry_is_in_every_group_and_no_cell_is_there_twice() {
        let cells = all_cells();
        for (place, cell) in cells.iter().enumerate() {
            assert!(!cells[..place].contains(cell), "{cell}");
            let ocspry = Cell {
                rival: Rival::Ocspry,
                ..*cell
            };
            assert!(cells.contains(&ocspry), "{cell}");
        }
    }

    #[test]
    fn a_cell_is_chosen_by_any_part_of_its_name() {
        let cell = all_cells()[0].to_string();
        assert_eq!(cell, "P-256 get 32 ocspry");
    }
}
