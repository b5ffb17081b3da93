//! What cannot be written to the state directory (docs/design.md §3): answers go on, it is said once, tried ever more rarely,
//! and said that it is over; lists in use, what the guard holds of them, and both of lists of what was issued.

use std::path::{Path, PathBuf};

use ocspry_source::{Event, Guard, IssuedSource, Refresher, Report, Sources, StatusSource};
use ocspry_wire::Time;

use crate::site::Says::{Good, Revoked};
use crate::site::{Site, assert_says};

/// What was told of keeping.
fn told(reports: &[Report]) -> Vec<&'static str> {
    let told = reports.iter().filter_map(|report| match report.event {
        Event::NotKept(_) => Some("not kept"),
        Event::Kept => Some("kept"),
        _ => None,
    });
    told.collect()
}

/// The file of that name cannot be written: a folder has the name that it has before it is whole.  It stops root too.
fn block(folder: &Path, name: &str) -> PathBuf {
    let temporary = folder.join(format!(".{name}.tmp"));
    std::fs::create_dir(&temporary).unwrap();
    temporary
}

/// A try failed just `now`, for the first time.  Each failure doubles the wait, up to five minutes; in between nothing is
/// tried.  Nothing is said before it works; returns when that was.
#[track_caller]
fn assert_tried_ever_more_rarely(refresher: &mut Refresher, blocked: &Path, now: Time) -> Time {
    let mut now = now;
    for wait in [5, 10, 20, 40, 80, 160, 300] {
        let again = refresher.next_wake(now);
        assert_eq!(again, Some(now.plus_seconds(wait)));
        now = now.plus_seconds(wait);
        assert_eq!(told(&refresher.refresh(now)), [""; 0]);
    }
    std::fs::remove_dir(blocked).unwrap();
    assert_eq!(told(&refresher.refresh(now.plus_seconds(299))), [""; 0]);
    let now = now.plus_seconds(300);
    assert_eq!(told(&refresher.refresh(now)), ["kept"]);
    assert_eq!(told(&refresher.refresh(now)), [""; 0]);
    now
}

/// The folder of the issuer in the state directory.
fn issuer_folder(site: &Site) -> PathBuf {
    only_entry(&site.path("state/issuers"))
}

fn only_entry(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(folder).unwrap();
    entries.next().unwrap().unwrap().path()
}

/// A list that revokes 1 to 20, in use and guarded.
fn guarded_list(site: &Site) -> (Sources, Refresher) {
    let sources = Sources {
        guard: Guard::Refuse,
        ..site.files(&["ca"])
    };
    let list = (1..=20).fold(site.list(1, 60), |list, serial| {
        list.revoke(&[serial], None)
    });
    site.put_list("ca", &list);
    let mut refresher = site.restart(sources.clone());
    refresher.refresh(site.now);
    (sources, refresher)
}

/// The guard holds the removals of a newer list, which cannot be written; last, the folder in the way.
#[track_caller]
fn removals_not_kept(site: &Site) -> (Sources, Refresher, PathBuf) {
    let (sources, mut refresher) = guarded_list(site);
    let blocked = block(&issuer_folder(site), "held-removals.txt");
    site.put_list("ca", &site.list(2, 50));
    assert_eq!(told(&refresher.refresh(site.now)), ["not kept"]);
    (sources, refresher, blocked)
}

#[test]
fn what_is_held_of_a_list_is_tried_ever_more_rarely_and_said_to_be_kept_at_last() {
    let site = Site::new();
    let (sources, mut refresher, blocked) = removals_not_kept(&site);
    assert_says(&refresher, &[(1, Revoked), (21, Good)]);
    // Without it the new list is not kept either: a restart would not know that something is held.
    let mut restarted = site.restart(sources.clone());
    restarted.refresh(site.now);
    assert_says(&restarted, &[(1, Revoked)]);

    let now = assert_tried_ever_more_rarely(&mut refresher, &blocked, site.now);
    site.remove("ca");
    let mut restarted = site.restart(sources);
    restarted.refresh(now);
    assert!(restarted.is_holding());
    assert_says(&restarted, &[(1, Revoked), (21, Good)]);
}

#[test]
fn removals_that_are_accepted_are_tried_at_once_and_a_second_failure_is_said() {
    let site = Site::new();
    let (_, mut refresher, blocked) = removals_not_kept(&site);
    std::fs::remove_dir(blocked).unwrap();
    assert_eq!(told(&refresher.accept_held(site.now)), ["kept"]);
    assert_says(&refresher, &[(1, Good)]);

    // More than half of ten vanish again, and cannot be written down; then they are, and cannot be removed.
    let list = (31..=50).fold(site.list(3, 40), |list, serial| {
        list.revoke(&[serial], None)
    });
    site.put_list("ca", &list);
    assert_eq!(told(&refresher.refresh(site.now)), [""; 0]);
    let folder = issuer_folder(&site);
    let blocked = block(&folder, "held-removals.txt");
    site.put_list("ca", &site.list(4, 30));
    assert_eq!(told(&refresher.refresh(site.now)), ["not kept"]);
    let now = assert_tried_ever_more_rarely(&mut refresher, &blocked, site.now);
    let held = folder.join("held-removals.txt");
    std::fs::remove_file(&held).unwrap();
    std::fs::create_dir(&held).unwrap();
    assert_eq!(told(&refresher.accept_held(now)), ["not kept"]);
    assert_says(&refresher, &[(31, Good)]);
    assert_eq!(refresher.next_wake(now), Some(now.plus_seconds(5)));
    std::fs::remove_dir(&held).unwrap();
    assert_eq!(told(&refresher.refresh(now.plus_seconds(5))), ["kept"]);
}

#[test]
fn what_is_held_in_addition_is_tried_at_once() {
    let site = Site::new();
    let (_, mut refresher) = guarded_list(&site);
    let blocked = block(&issuer_folder(&site), "held-removals.txt");
    let list = (31..=50).fold(site.list(2, 50), |list, serial| {
        list.revoke(&[serial], None)
    });
    site.put_list("ca", &list);
    assert_eq!(told(&refresher.refresh(site.now)), ["not kept"]);
    std::fs::remove_dir(blocked).unwrap();
    site.put_list("ca", &site.list(3, 40));
    assert_eq!(told(&refresher.refresh(site.now)), ["kept"]);
    assert_says(&refresher, &[(1, Revoked), (31, Revoked)]);
}

#[test]
fn a_clock_that_goes_back_does_not_keep_the_next_try_waiting() {
    let site = Site::new();
    let (_, mut refresher, blocked) = removals_not_kept(&site);
    std::fs::remove_dir(blocked).unwrap();
    let before = site.now.plus_seconds(-60);
    assert_eq!(told(&refresher.refresh(before)), ["kept"]);
}

#[test]
fn a_reload_tries_to_keep_a_list_at_once() {
    let site = Site::new();
    let sources = site.files(&["ca"]);
    site.put_list("ca", &site.list(1, 60));
    let mut old = site.restart(sources.clone());
    old.refresh(site.now);
    let blocked = block(&issuer_folder(&site), "last-good.crl");
    site.put_list("ca", &site.list(2, 50));
    assert_eq!(told(&old.refresh(site.now)), ["not kept"]);
    std::fs::remove_dir(blocked).unwrap();
    let mut refresher = site.restart(sources);
    refresher.carry_over(&old);
    assert_eq!(told(&refresher.refresh(site.now)), ["kept"]);
}

#[test]
fn a_reload_tries_what_is_held_of_a_list_at_once() {
    let site = Site::new();
    let (sources, old, blocked) = removals_not_kept(&site);
    std::fs::remove_dir(blocked).unwrap();
    let mut refresher = site.restart(sources);
    refresher.carry_over(&old);
    assert_eq!(told(&refresher.refresh(site.now)), ["kept"]);
}

#[test]
fn what_is_held_is_tried_at_once_when_what_was_used_is_forgotten() {
    let site = Site::new();
    let (_, mut refresher, _) = removals_not_kept(&site);
    std::fs::remove_dir_all(issuer_folder(&site)).unwrap();
    refresher.forget_used(site.now);
    assert_eq!(told(&refresher.refresh(site.now)), ["kept"]);
}

#[test]
fn a_list_that_is_kept_where_the_one_before_it_was_not_ends_that_failure() {
    let site = Site::new();
    site.put_list("ca", &site.list(1, 60));
    let mut refresher = site.restart(site.files(&["ca"]));
    refresher.refresh(site.now);
    for (number, minutes) in [(2, 50), (4, 30)] {
        let blocked = block(&issuer_folder(&site), "last-good.crl");
        site.put_list("ca", &site.list(number, minutes));
        assert_eq!(told(&refresher.refresh(site.now)), ["not kept"]);
        std::fs::remove_dir(blocked).unwrap();
        site.put_list("ca", &site.list(number + 1, minutes - 10));
        assert_eq!(told(&refresher.refresh(site.now)), ["kept"]);
    }
}

/// The only source, an index with two certificates; the first is revoked, or not.
fn guarded_index(site: &Site) -> Sources {
    let index = IssuedSource {
        max_age_seconds: 86_400,
        ..site.issued("index.txt")
    };
    Sources {
        guard: Guard::Refuse,
        ..site.sources(vec![StatusSource::Issued(index)])
    }
}

fn put_index(site: &Site, is_revoked: bool) {
    let first = if is_revoked {
        "R\t20490101000000Z\t260101000000Z,keyCompromise"
    } else {
        "V\t20490101000000Z\t"
    };
    let lines = format!("{first}\t01\tunknown\t/CN=a\nV\t20490101000000Z\t\t02\tunknown\t/CN=b\n");
    site.put("index.txt", lines);
}

#[test]
fn what_is_held_of_an_index_is_tried_ever_more_rarely_and_said_to_be_kept_at_last() {
    let site = Site::new();
    let sources = guarded_index(&site);
    put_index(&site, true);
    let mut refresher = site.restart(sources.clone());
    refresher.refresh(site.now);
    let folder = only_entry(&issuer_folder(&site).join("issued"));
    let blocked = block(&folder, "held-removals.txt");
    put_index(&site, false);
    assert_eq!(told(&refresher.refresh(site.now)), ["not kept"]);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    let now = assert_tried_ever_more_rarely(&mut refresher, &blocked, site.now);
    let mut restarted = site.restart(sources);
    restarted.refresh(now);
    assert!(restarted.is_holding());
    assert_says(&restarted, &[(1, Revoked), (2, Good)]);

    // It cannot be removed, a second failure.
    let held = folder.join("held-removals.txt");
    std::fs::remove_file(&held).unwrap();
    std::fs::create_dir(&held).unwrap();
    assert_eq!(told(&refresher.accept_held(now)), ["not kept"]);
    assert_eq!(refresher.next_wake(now), Some(now.plus_seconds(5)));
    std::fs::remove_dir(&held).unwrap();
    assert_eq!(told(&refresher.refresh(now.plus_seconds(5))), ["kept"]);
}

#[test]
fn a_copy_of_an_index_is_tried_ever_more_rarely_and_said_to_be_kept_at_last() {
    let site = Site::new();
    let sources = guarded_index(&site);
    put_index(&site, false);
    let mut refresher = site.restart(sources);
    refresher.refresh(site.now);
    let folder = only_entry(&issuer_folder(&site).join("issued"));
    let blocked = block(&folder, "last-good.txt");
    put_index(&site, true);
    assert_eq!(told(&refresher.refresh(site.now)), ["not kept"]);
    let now = assert_tried_ever_more_rarely(&mut refresher, &blocked, site.now);
    block(&folder, "last-good.txt");
    site.put("index.txt", "V\t20490101000000Z\t\t01\tunknown\t/CN=a\n");
    assert_eq!(told(&refresher.refresh(now)), ["not kept"], "and once more");
}

#[test]
fn a_reload_tries_what_is_kept_of_an_index_at_once_and_says_only_what_is_new() {
    let site = Site::new();
    let sources = guarded_index(&site);
    put_index(&site, true);
    let mut old = site.restart(sources.clone());
    old.refresh(site.now);
    let folder = only_entry(&issuer_folder(&site).join("issued"));
    let held_blocked = block(&folder, "held-removals.txt");
    let copy_blocked = block(&folder, "last-good.txt");
    put_index(&site, false);
    assert_eq!(told(&old.refresh(site.now)), ["not kept"]);
    let mut refresher = site.restart(sources.clone());
    refresher.carry_over(&old);
    assert_eq!(told(&refresher.refresh(site.now)), [""; 0]);
    std::fs::remove_dir(held_blocked).unwrap();
    let mut again = site.restart(sources.clone());
    again.carry_over(&refresher);
    assert_eq!(told(&again.refresh(site.now)), ["kept", "not kept"]);
    std::fs::remove_dir(copy_blocked).unwrap();
    let mut at_last = site.restart(sources);
    at_last.carry_over(&again);
    assert_eq!(told(&at_last.refresh(site.now)), ["kept"]);
}

#[test]
fn what_is_kept_of_an_index_is_tried_at_once_when_what_was_used_is_forgotten() {
    for name in ["held-removals.txt", "last-good.txt"] {
        let site = Site::new();
        put_index(&site, true);
        let mut refresher = site.restart(guarded_index(&site));
        refresher.refresh(site.now);
        let issuer = issuer_folder(&site);
        let folder = only_entry(&issuer.join("issued"));
        block(&folder, name);
        put_index(&site, false);
        assert_eq!(told(&refresher.refresh(site.now)), ["not kept"]);
        std::fs::remove_dir_all(issuer).unwrap();
        refresher.forget_used(site.now);
        assert_eq!(told(&refresher.refresh(site.now)), ["kept"]);
        assert!(folder.join(name).exists());
    }
}
