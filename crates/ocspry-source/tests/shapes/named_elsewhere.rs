//! A configuration that names other places than the one before: what was in use from the old ones.

use ocspry_source::{Event, Guard, LeftBy, ListSource, Refresher, Report, Sources, StatusSource};
use ocspry_testkit::{CrlSpec, ScopeSpec};

use crate::site::Says::{self, Good, Revoked};
use crate::site::{Site, assert_says, end, in_use, left, problem, problems};

fn part(list: CrlSpec, name: &str) -> CrlSpec {
    list.about(ScopeSpec::part(&format!("http://crl.example/{name}.crl")))
}

/// One part of the certificates, of which 1 to 20 are revoked.
fn twenty(site: &Site, number: u64, minutes_ago: i64) -> CrlSpec {
    let list = part(site.list(number, minutes_ago), "part");
    (1..=20).fold(list, |list, serial| list.revoke(&[serial], None))
}

fn refusing(sources: Sources) -> Sources {
    Sources {
        guard: Guard::Refuse,
        ..sources
    }
}

/// With these sources from here on, after a reload.
fn reloaded(site: &Site, before: &Refresher, sources: Sources) -> Refresher {
    let mut refresher = site.restart(sources);
    refresher.carry_over(before);
    refresher
}

fn by_whom(reports: &[Report]) -> Vec<LeftBy> {
    let left = reports.iter().filter_map(|report| match &report.event {
        Event::ScopeLeft { left_by, .. } => Some(*left_by),
        _ => None,
    });
    left.collect()
}

const AS_BEFORE: [(u8, Says); 4] = [(1, Revoked), (20, Revoked), (30, Revoked), (40, Good)];
const WITHOUT: [(u8, Says); 4] = [(1, Good), (20, Good), (30, Revoked), (40, Good)];

/// A full list, and a part of its own in `old`, both used.
fn site_with_two() -> (Site, Refresher) {
    let site = Site::new();
    site.put_list("full", &site.list(1, 20).revoke(&[30], None));
    site.put_list("old", &twenty(&site, 1, 20));
    let mut refresher = site.restart(refusing(site.files(&["full", "old"])));
    refresher.refresh(site.now);
    assert_says(&refresher, &AS_BEFORE);
    (site, refresher)
}

#[test]
fn a_list_stays_in_use_while_the_new_place_that_the_configuration_names_is_empty() {
    let (site, before) = site_with_two();
    let sources = refusing(site.files(&["full", "new"]));
    let mut running = reloaded(&site, &before, sources.clone());
    let mut restarted = site.restart(sources);
    for refresher in [&mut running, &mut restarted] {
        for minutes in 0..3 {
            let reports = refresher.refresh(site.now.plus_seconds(60 * minutes));
            assert_eq!(left(&reports), []);
            assert_says(refresher, &AS_BEFORE);
            assert!(problem(refresher).contains("new"), "{}", problem(refresher));
        }
    }
    let newer = part(site.list(2, 10), "part").revoke(&[1], None);
    site.put_list("new", &newer.revoke(&[20], None));
    for refresher in [&mut running, &mut restarted] {
        let reports = refresher.refresh(site.now.plus_seconds(300));
        assert_eq!(in_use(&reports)[0].vanished.unwrap().count, 18);
        assert_says(refresher, &AS_BEFORE);
        assert_eq!(problems(refresher), [""; 0]);
    }
}

#[test]
fn what_the_new_place_does_not_revoke_is_held() {
    let (site, before) = site_with_two();
    let sources = refusing(site.files(&["full", "new"]));
    site.put_list("new", &part(site.list(1, 10), "other"));
    let mut running = reloaded(&site, &before, sources.clone());
    let reports = running.refresh(site.now);
    assert_eq!(by_whom(&reports), [LeftBy::Operator]);
    let gone = left(&reports)[0];
    assert_eq!((gone.count, gone.of, gone.is_held), (20, 20, true));
    assert_says(&running, &AS_BEFORE);
    assert!(running.is_holding());
    let mut restarted = site.restart(sources);
    assert_eq!(left(&restarted.refresh(site.now)), []);
    for refresher in [&mut running, &mut restarted] {
        assert_says(refresher, &AS_BEFORE);
        refresher.accept_held(site.now);
        assert_says(refresher, &WITHOUT);
    }
}

#[test]
fn a_source_that_is_taken_out_goes_with_a_count() {
    for guard in [Guard::Alarm, Guard::Refuse] {
        let (site, before) = site_with_two();
        let sources = Sources {
            guard,
            ..site.files(&["full"])
        };
        let mut running = reloaded(&site, &before, sources.clone());
        let reports = running.refresh(site.now);
        assert_eq!(by_whom(&reports), [LeftBy::Operator]);
        assert_eq!(left(&reports)[0].count, 20);
        assert_eq!(running.vanished_count(), 20);
        let mut restarted = site.restart(sources);
        assert_eq!(left(&restarted.refresh(site.now)), []);
        let says = match guard {
            Guard::Alarm => WITHOUT,
            Guard::Refuse => AS_BEFORE,
        };
        assert_says(&running, &says);
        assert_says(&restarted, &says);
    }
}

#[test]
fn a_source_that_is_taken_out_during_a_restart_goes_with_a_count() {
    let (site, before) = site_with_two();
    drop(before);
    let mut restarted = site.restart(refusing(site.files(&["full"])));
    let reports = restarted.refresh(site.now);
    assert_eq!(left(&reports)[0].count, 20);
    assert_says(&restarted, &AS_BEFORE);
}

#[test]
fn shards_that_were_not_copied_to_the_new_directory_do_not_go_without_a_word() {
    let site = Site::new();
    let names = ["0", "1", "2", "3"];
    let directory = |name: &str| {
        std::fs::create_dir(site.path(name)).unwrap();
        let lists = ListSource::Directory(site.path(name));
        refusing(site.sources(vec![StatusSource::Lists(lists)]))
    };
    let (old, new) = (directory("s1"), directory("s2"));
    for (name, serial) in names.into_iter().zip(1..) {
        let shard = part(site.list(1, 20), name).revoke(&[serial], None);
        let shard = (0..10).fold(shard, |shard, more| {
            shard.revoke(&[100 + 10 * serial + more], None)
        });
        site.put_list(&format!("s1/{name}"), &shard);
    }
    site.restart(old).refresh(site.now);
    std::fs::copy(site.path("s1/0"), site.path("s2/0")).unwrap();
    let mut restarted = site.restart(new);
    let reports = restarted.refresh(site.now);
    let counts: Vec<usize> = left(&reports).iter().map(|gone| gone.count).collect();
    assert_eq!(counts, [11, 11, 11]);
    for serial in 1..=4 {
        assert_says(&restarted, &[(serial, Revoked)]);
    }
    assert_says(&restarted, &[(9, Good)]);
}

#[test]
fn a_list_that_another_configured_place_has_too_stays_in_use_without_a_word() {
    let (site, _) = site_with_two();
    std::fs::copy(site.path("old"), site.path("new")).unwrap();
    let both = refusing(site.files(&["full", "old", "new"]));
    let mut before = site.restart(both);
    before.refresh(site.now.plus_seconds(60));
    let sources = refusing(site.files(&["full", "new"]));
    let mut running = reloaded(&site, &before, sources);
    for minutes in 2..5 {
        let reports = running.refresh(site.now.plus_seconds(60 * minutes));
        assert!(reports.is_empty(), "{reports:?}");
        assert_says(&running, &AS_BEFORE);
    }
    let places: Vec<&str> = running.lists().map(|used| used.place).collect();
    assert!(places.contains(&&*site.path("new").display().to_string()));
}

#[test]
fn a_list_whose_new_place_stays_empty_goes_when_it_ends_and_what_it_revoked_is_held() {
    let site = Site::new();
    let soon = site.now.plus_seconds(3600);
    site.put_list("full", &site.list(1, 20).revoke(&[30], None));
    site.put_list("old", &twenty(&site, 1, 20).until(soon));
    let mut before = site.restart(refusing(site.files(&["full", "old"])));
    before.refresh(site.now);
    let sources = refusing(site.files(&["full", "new"]));
    let mut running = reloaded(&site, &before, sources);
    running.refresh(site.now);
    assert_eq!(end(&running), soon);
    let wake = running.next_wake(site.now).unwrap();
    assert!(wake <= soon, "{wake}");
    assert_eq!(left(&running.refresh(soon))[0].count, 20);
    assert_says(&running, &AS_BEFORE);
    assert!(end(&running) > soon);
}

#[test]
fn the_last_list_that_is_taken_out_goes_with_a_count() {
    let (site, before) = site_with_two();
    site.put("issued.txt", "01\n1e\n28\n");
    let issued = StatusSource::Issued(site.issued("issued.txt"));
    let sources = refusing(site.sources(vec![issued]));
    let mut running = reloaded(&site, &before, sources);
    let reports = running.refresh(site.now);
    let mut counts: Vec<usize> = left(&reports).iter().map(|gone| gone.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 20]);
    assert!(left(&reports).iter().all(|gone| !gone.is_held));
}
