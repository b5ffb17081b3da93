//! One CA, a directory of files, and questions about single serials.  To: the tests.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ocspry_core::{Absence, Lookup};
use ocspry_source::{
    DeltaGap, Event, FreshestCrl, Guard, IssuedRole, IssuedSource, Lag, ListInUse, ListSource,
    Refresher, Report, SourceLimits, Sources, StateDirectory, StatusSource, Vanished,
};
use ocspry_testkit::CrlSpec;
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;

use crate::shared_site::issuer_of;
pub(crate) use crate::shared_site::{Site, owned};

/// What is answered for a serial, with the policy that every issuer has by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Good,
    Revoked,
    NeverIssued,
    TryLater,
}

impl Site {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// By rename, as it should be, and written some seconds before.
    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let temporary = self.path(".new");
        std::fs::write(&temporary, content).unwrap();
        let written = u64::try_from(self.now.unix_seconds() - 10).unwrap();
        let written = UNIX_EPOCH + Duration::from_secs(written);
        File::open(&temporary)
            .unwrap()
            .set_modified(written)
            .unwrap();
        std::fs::rename(&temporary, self.path(name)).unwrap();
    }

    pub(crate) fn put_list(&self, name: &str, list: &CrlSpec) {
        self.put(name, self.ca.crl(list));
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    /// An empty list made some minutes ago, good for a day.
    pub(crate) fn list(&self, number: u64, minutes_ago: i64) -> CrlSpec {
        CrlSpec::new(number)
            .made_at(self.now.plus_seconds(-60 * minutes_ago))
            .until(self.now.plus_seconds(86_400))
    }

    /// Files of lists.
    pub(crate) fn files(&self, names: &[&str]) -> Sources {
        let file = |name: &&str| StatusSource::Lists(ListSource::File(self.path(name)));
        self.sources(names.iter().map(file).collect())
    }

    pub(crate) fn sources(&self, sources: Vec<StatusSource>) -> Sources {
        Sources {
            sources,
            crl_issuers: Vec::new(),
            guard: Guard::Alarm,
            freshest_crl: FreshestCrl::FetchedLists,
            limits: SourceLimits::DEFAULT,
        }
    }

    /// What was issued, written when the file was, good for an hour.
    pub(crate) fn issued(&self, name: &str) -> IssuedSource {
        IssuedSource {
            path: self.path(name),
            role: IssuedRole::Export,
            max_age_seconds: 3600,
            lag: Lag::TryLater,
        }
    }

    pub(crate) fn overlay(&self, name: &str) -> StatusSource {
        StatusSource::Overlay(self.path(name))
    }

    /// As after a start without a state directory.
    pub(crate) fn start(&self, sources: Sources) -> Refresher {
        Refresher::new(Arc::new(issuer_of(&self.ca)), sources, None, None)
    }

    /// As after a start: nothing is in memory, the state directory is as it was left.
    pub(crate) fn restart(&self, sources: Sources) -> Refresher {
        let state = StateDirectory::open(&self.path("state")).unwrap();
        Refresher::new(
            Arc::new(issuer_of(&self.ca)),
            sources,
            Some(Arc::new(state)),
            None,
        )
    }
}

pub(crate) fn says(refresher: &Refresher, serial: u8) -> Says {
    says_of(refresher, &[serial])
}

pub(crate) fn says_of(refresher: &Refresher, serial: &[u8]) -> Says {
    let Some(table) = refresher.issuer().table() else {
        return Says::TryLater;
    };
    let serial = SerialNumber::from_content(serial).unwrap();
    match (table.lookup(&serial), table.absence()) {
        (Lookup::Revoked(_), _) => Says::Revoked,
        (_, Absence::Unproven) | (Lookup::Absent, Absence::PerhapsIssued) => Says::TryLater,
        (Lookup::Absent, Absence::NeverIssued) => Says::NeverIssued,
        (Lookup::Issued, _) | (Lookup::Absent, Absence::NotRevoked) => Says::Good,
    }
}

/// What is said of each serial.
#[track_caller]
pub(crate) fn assert_says(refresher: &Refresher, expected: &[(u8, Says)]) {
    let said: Vec<(u8, Says)> = expected
        .iter()
        .map(|(serial, _)| (*serial, says(refresher, *serial)))
        .collect();
    assert_eq!(said, expected);
}

/// How a serial is revoked.
#[track_caller]
pub(crate) fn revocation(refresher: &Refresher, serial: u8) -> RevokedInfo {
    let table = refresher.issuer().table().expect("a table");
    match table.lookup(&SerialNumber::from_content(&[serial]).unwrap()) {
        Lookup::Revoked(info) => info,
        other => panic!("{other:?}"),
    }
}

/// thisUpdate of what is said of a serial.
#[track_caller]
pub(crate) fn known_since(refresher: &Refresher, serial: u8) -> Time {
    let table = refresher.issuer().table().expect("a table");
    let serial = SerialNumber::from_content(&[serial]).unwrap();
    table.known(&serial).window.this_update
}

/// The end of what is in use.
#[track_caller]
pub(crate) fn end(refresher: &Refresher) -> Time {
    refresher
        .issuer()
        .table()
        .expect("a table")
        .window()
        .next_update
}

/// The lists that went into use.
pub(crate) fn in_use(reports: &[Report]) -> Vec<&ListInUse> {
    let lists = reports.iter().filter_map(|report| match &report.event {
        Event::ListInUse(list) => Some(&**list),
        _ => None,
    });
    lists.collect()
}

/// What vanished with the one list that went into use.
#[track_caller]
pub(crate) fn vanished(reports: &[Report]) -> Vanished {
    match in_use(reports)[..] {
        [list] => list.vanished.expect("there was one before"),
        _ => panic!("{reports:?}"),
    }
}

/// What vanished with the scopes that were left.
pub(crate) fn left(reports: &[Report]) -> Vec<Vanished> {
    let left = reports.iter().filter_map(|report| match &report.event {
        Event::ScopeLeft { vanished, .. } => Some(*vanished),
        _ => None,
    });
    left.collect()
}

/// The gap that is reported.
pub(crate) fn gap(reports: &[Report]) -> Option<&DeltaGap> {
    reports.iter().find_map(|report| match &report.event {
        Event::Gap(gap) => Some(gap),
        _ => None,
    })
}

/// What is wrong, as sentences.
pub(crate) fn problems(refresher: &Refresher) -> Vec<String> {
    let problems = refresher.problems();
    problems
        .iter()
        .map(|problem| problem.error.to_string())
        .collect()
}

/// The one thing that is wrong.
#[track_caller]
pub(crate) fn problem(refresher: &Refresher) -> String {
    match &problems(refresher)[..] {
        [problem] => problem.clone(),
        problems => panic!("{problems:?}"),
    }
}
