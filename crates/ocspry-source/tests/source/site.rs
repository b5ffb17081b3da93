//! One CA, one CRL file, one state directory.  To: the tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::Lookup;
use ocspry_source::{
    CrlFacts, Event, FreshestCrl, Guard, ListSource, Refresher, Report, Served, SourceError,
    SourceLimits, Sources, StateDirectory, StatusSource,
};
use ocspry_testkit::{Authority, CrlSpec};
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

pub(crate) use crate::shared_site::{Site, issuer_of};

impl Site {
    pub(crate) fn crl_path(&self) -> PathBuf {
        self.directory.path().join("ca.crl")
    }

    pub(crate) fn state_path(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn state_folder(&self) -> PathBuf {
        self.state_path()
            .join("issuers")
            .join(issuer_of(&self.ca).identity())
    }

    pub(crate) fn state_file(&self, name: &str) -> PathBuf {
        self.state_folder().join(name)
    }

    /// A list made some minutes ago, good for a day; serial N is revoked on list number N.
    pub(crate) fn list(&self, number: u8, minutes_ago: i64) -> CrlSpec {
        CrlSpec::new(number.into())
            .made_at(self.now.plus_seconds(-60 * minutes_ago))
            .until(self.now.plus_seconds(86_400))
            .revoke(&[number], None)
    }

    /// By rename, as it should be.
    pub(crate) fn put(&self, content: &[u8]) {
        let temporary = self.directory.path().join("new");
        std::fs::write(&temporary, content).unwrap();
        std::fs::rename(&temporary, self.crl_path()).unwrap();
    }

    pub(crate) fn put_list(&self, list: &CrlSpec) {
        self.put(&self.ca.crl(list));
    }

    /// As after a start without a state directory.
    pub(crate) fn stateless(&self) -> Refresher {
        refresher(&self.ca, &self.crl_path(), None)
    }

    /// As after a start: nothing is in memory, the state directory is as it was left.
    pub(crate) fn restarted(&self) -> Refresher {
        let state = StateDirectory::open(&self.state_path()).unwrap();
        refresher(&self.ca, &self.crl_path(), Some(Arc::new(state)))
    }
}

pub(crate) fn refresher(
    ca: &Authority,
    path: &Path,
    state: Option<Arc<StateDirectory>>,
) -> Refresher {
    let sources = Sources {
        sources: vec![StatusSource::Lists(ListSource::File(path.to_owned()))],
        crl_issuers: Vec::new(),
        guard: Guard::Alarm,
        freshest_crl: FreshestCrl::FetchedLists,
        limits: SourceLimits::DEFAULT,
    };
    Refresher::new(Arc::new(issuer_of(ca)), sources, state, None)
}

/// Whether the list with this number is in use: it revokes the serial of its own number, and no other does.
#[track_caller]
pub(crate) fn assert_in_use(refresher: &Refresher, number: u8) {
    let table = refresher.issuer().table().expect("a list is in use");
    let revoked: Vec<u8> = (1..=9)
        .filter(|serial| {
            let serial = SerialNumber::from_content(&[*serial]).unwrap();
            matches!(table.lookup(&serial), Lookup::Revoked(_))
        })
        .collect();
    assert_eq!(revoked, [number]);
}

/// What a look led to that put a list into use.
#[derive(Debug)]
pub(crate) struct Swapped {
    pub(crate) served: Served,
    pub(crate) facts: CrlFacts,
    pub(crate) is_expired: bool,
    pub(crate) refused: Option<SourceError>,
    pub(crate) waiting_until: Option<Time>,
    pub(crate) state_error: Option<SourceError>,
}

#[track_caller]
pub(crate) fn swapped(reports: Vec<Report>) -> Swapped {
    let list = reports.iter().find_map(|report| match &report.event {
        Event::ListInUse(list) => Some(list),
        _ => None,
    });
    let Some(list) = list else {
        panic!("not swapped: {reports:?}")
    };
    let mut swapped = Swapped {
        served: list.served,
        facts: list.list.facts.clone(),
        is_expired: false,
        refused: None,
        waiting_until: None,
        state_error: None,
    };
    for report in reports {
        match report.event {
            Event::Expired { .. } => swapped.is_expired = true,
            Event::Refused(error) => swapped.refused = Some(error),
            Event::Waiting { until } => swapped.waiting_until = Some(until),
            Event::NotKept(error) => swapped.state_error = Some(error),
            _ => {}
        }
    }
    swapped
}

/// The sentences of refusals that are reported for the first time; nothing else is.
#[track_caller]
pub(crate) fn refused(reports: Vec<Report>) -> String {
    assert!(!reports.is_empty(), "nothing is said");
    let sentences = reports.into_iter().map(|report| match report.event {
        Event::Refused(error) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    });
    sentences.collect::<Vec<_>>().join("\n")
}

/// Nothing that was not said before.
#[track_caller]
pub(crate) fn assert_quiet(reports: Vec<Report>) {
    assert!(reports.is_empty(), "{reports:?}");
}

/// The one thing that is said.
#[track_caller]
pub(crate) fn only(mut reports: Vec<Report>) -> Event {
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0).event
}
