//! A place whose list is about other certificates than the one before: the CA has changed how it divides them.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use ocspry_source::{Event, Guard, ListSource, Report, Sources, StatusSource, Unproven};
use ocspry_testkit::{CrlSpec, ScopeSpec};
use ocspry_wire::ocsp::CrlReason;

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{Site, assert_says, end, in_use, known_since, left, problem, problems};

fn part(name: &str) -> ScopeSpec {
    ScopeSpec::part(&format!("http://crl.example/{name}.crl"))
}

/// A list of one part of the certificates, in the one place.
fn put_part(site: &Site, name: &str, list: CrlSpec) {
    site.put_list("ca.crl", &list.about(part(name)));
}

#[test]
fn a_place_that_moves_on_to_a_list_of_another_scope_leaves_the_old_scope() {
    let site = Site::new();
    let soon = site.now.plus_seconds(3600);
    let sources = site.files(&["ca.crl"]);
    let mut running = site.restart(sources.clone());
    site.put_list(
        "ca.crl",
        &site
            .list(1, 20)
            .about(part("old"))
            .revoke(&[1], None)
            .until(soon),
    );
    running.refresh(site.now);
    assert_says(&running, &[(1, Revoked), (2, Good)]);
    let new = site.list(2, 10).about(part("new")).revoke(&[2], None);
    site.put_list("ca.crl", &new);
    running.refresh(site.now);
    let mut restarted = site.restart(sources.clone());
    restarted.refresh(site.now);
    site.remove("ca.crl");
    let mut without_file = site.restart(sources);
    without_file.refresh(site.now);
    for refresher in [&running, &restarted, &without_file] {
        assert_says(refresher, &[(1, Good), (2, Revoked), (3, Good)]);
        assert_eq!(end(refresher), site.now.plus_seconds(86_400));
    }
}

#[test]
fn a_list_of_another_scope_from_the_future_leaves_the_old_scope_in_its_time() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    put_part(&site, "old", site.list(1, 20).revoke(&[1], None));
    refresher.refresh(site.now);
    put_part(&site, "new", site.list(2, -10).revoke(&[2], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good)]);
    assert_eq!(refresher.unproven(), None::<Unproven>);
    refresher.refresh(site.now.plus_seconds(60));
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good)]);
    refresher.refresh(site.now.plus_seconds(600));
    assert_says(&refresher, &[(1, Good), (2, Revoked), (3, Good)]);
}

#[test]
fn an_older_list_of_another_scope_in_the_place_of_a_newer_one_is_refused() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    put_part(&site, "new", site.list(2, 10).revoke(&[2], None));
    refresher.refresh(site.now);
    put_part(&site, "old", site.list(1, 20).revoke(&[1], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good), (2, Revoked), (3, Good)]);
    assert!(
        problem(&refresher).contains("that of a list already used"),
        "{}",
        problem(&refresher)
    );
}

#[test]
fn a_scope_that_another_place_has_as_well_stays() {
    let site = Site::new();
    let old = site.list(1, 20).about(part("1")).revoke(&[1], None);
    site.put_list("a", &old);
    site.put_list("b", &old);
    let mut refresher = site.start(site.files(&["a", "b"]));
    refresher.refresh(site.now.plus_seconds(60));
    site.put_list("a", &site.list(1, 10).about(part("2")).revoke(&[2], None));
    refresher.refresh(site.now.plus_seconds(120));
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn a_list_from_the_future_that_gave_way_to_one_of_another_scope_does_not_take_over() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    put_part(&site, "old", site.list(1, 20).revoke(&[1], None));
    refresher.refresh(site.now);
    put_part(&site, "new", site.list(9, -10).revoke(&[2], None));
    refresher.refresh(site.now);
    assert!(refresher.waiting_until().is_some());
    put_part(&site, "old", site.list(2, 10).revoke(&[1], None));
    refresher.refresh(site.now);
    assert_eq!(refresher.waiting_until(), None);
    refresher.refresh(site.now.plus_seconds(600));
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good)]);
}

/// Sources whose removals are held, as files.
fn refusing(site: &Site, names: &[&str]) -> Sources {
    Sources {
        guard: Guard::Refuse,
        ..site.files(names)
    }
}

/// A list of all certificates that revokes 1 to 20.
fn full(site: &Site, number: u64, minutes_ago: i64) -> CrlSpec {
    let list = site.list(number, minutes_ago);
    (1..=20).fold(list, |list, serial| list.revoke(&[serial], None))
}

const OF_THE_FULL_LIST: [(u8, crate::site::Says); 3] = [(1, Revoked), (20, Revoked), (21, Good)];
const OF_THE_SHARD: [(u8, crate::site::Says); 3] = [(1, Revoked), (20, Good), (21, Good)];

#[test]
fn what_the_lists_of_other_shards_would_revoke_is_held_until_the_operator_accepts() {
    let site = Site::new();
    let sources = refusing(&site, &["ca.crl"]);
    let mut running = site.restart(sources.clone());
    site.put_list("ca.crl", &full(&site, 1, 20));
    running.refresh(site.now);
    put_part(&site, "0", site.list(2, 10).revoke(&[1], None));
    let gone = left(&running.refresh(site.now));
    assert_eq!((gone[0].count, gone[0].of, gone[0].is_held), (19, 20, true));
    assert_says(&running, &OF_THE_FULL_LIST);
    assert!(running.is_holding());
    assert_eq!(running.vanished_count(), 19);

    let mut restarted = site.restart(sources.clone());
    let reports = restarted.refresh(site.now);
    assert_eq!(left(&reports), []);
    assert_says(&restarted, &OF_THE_FULL_LIST);
    restarted.accept_held(site.now);
    assert_says(&restarted, &OF_THE_SHARD);
    assert!(!restarted.is_holding());

    let mut again = site.restart(sources);
    assert_eq!(left(&again.refresh(site.now)), []);
    assert_says(&again, &OF_THE_SHARD);
    assert!(!again.is_holding());
}

#[test]
fn a_place_that_moved_on_during_a_restart_is_guarded_as_well() {
    let site = Site::new();
    let sources = refusing(&site, &["ca.crl"]);
    site.put_list("ca.crl", &full(&site, 1, 20));
    site.restart(sources.clone()).refresh(site.now);
    put_part(&site, "0", site.list(2, 10).revoke(&[1], None));
    for _ in 0..2 {
        let mut restarted = site.restart(sources.clone());
        restarted.refresh(site.now);
        assert_says(&restarted, &OF_THE_FULL_LIST);
        assert!(restarted.is_holding());
    }
}

#[test]
fn what_is_held_goes_on_with_the_place_from_scope_to_scope() {
    let site = Site::new();
    let sources = refusing(&site, &["ca.crl"]);
    let mut running = site.restart(sources.clone());
    site.put_list("ca.crl", &full(&site, 1, 30));
    running.refresh(site.now);
    put_part(&site, "0", site.list(2, 20).revoke(&[1], None));
    running.refresh(site.now);
    put_part(&site, "1", site.list(3, 10).revoke(&[1], None));
    running.refresh(site.now);
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for refresher in [&mut running, &mut restarted] {
        assert_says(refresher, &OF_THE_FULL_LIST);
        refresher.accept_held(site.now);
        assert_says(refresher, &OF_THE_SHARD);
    }
}

#[test]
fn an_alarm_says_how_much_went_with_a_scope() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    site.put_list("ca.crl", &full(&site, 1, 20));
    refresher.refresh(site.now);
    put_part(&site, "0", site.list(2, 10).revoke(&[1], None));
    let gone = left(&refresher.refresh(site.now));
    assert_eq!(
        (gone[0].count, gone[0].of, gone[0].is_held),
        (19, 20, false)
    );
    assert!(gone[0].is_alarming());
    assert_says(&refresher, &OF_THE_SHARD);
}

#[test]
fn a_full_list_gives_way_to_its_shards_when_all_of_them_are_there() {
    let site = Site::new();
    let soon = site.now.plus_seconds(3600);
    let names = ["0", "1", "2", "3"];
    let shard = |shard: u8| {
        let list = site.list(2, 10).about(part(names[usize::from(shard)]));
        let serials = (1..=20).filter(|serial| serial % 4 == shard);
        serials.fold(list, |list, serial| list.revoke(&[serial], None))
    };
    let sources = refusing(&site, &names);
    let mut running = site.restart(sources.clone());
    site.put_list("0", &full(&site, 1, 20).until(soon));
    running.refresh(site.now);
    for (name, number) in names.into_iter().zip(0..3) {
        site.put_list(name, &shard(number));
        let mut restarted = site.restart(sources.clone());
        for refresher in [&mut running, &mut restarted] {
            refresher.refresh(site.now);
            assert_says(refresher, &OF_THE_FULL_LIST);
            assert_eq!(end(refresher), soon);
        }
    }
    site.put_list(names[3], &shard(3));
    let mut restarted = site.restart(sources);
    for refresher in [&mut restarted, &mut running] {
        let gone = left(&refresher.refresh(site.now));
        assert_eq!((gone[0].count, gone[0].of), (0, 20));
        assert_says(refresher, &OF_THE_FULL_LIST);
        assert_eq!(end(refresher), site.now.plus_seconds(86_400));
        assert!(!refresher.is_holding());
    }
}

#[test]
fn a_full_list_whose_shards_do_not_come_counts_until_it_ends_and_what_it_revoked_is_held() {
    let site = Site::new();
    let soon = site.now.plus_seconds(3600);
    let mut refresher = site.restart(refusing(&site, &["0", "1"]));
    site.put_list("0", &full(&site, 1, 20).until(soon));
    refresher.refresh(site.now);
    let shard = site.list(2, 10).about(part("0")).revoke(&[30], None);
    site.put_list("0", &shard);
    refresher.refresh(site.now);
    assert_says(&refresher, &OF_THE_FULL_LIST);
    assert_says(&refresher, &[(30, Revoked)]);
    // No answer is sent in the last minute of its list.
    let last_minute = soon.plus_seconds(-60);
    let wake = refresher.next_wake(site.now).unwrap();
    assert!((last_minute..soon).contains(&wake), "{wake}");
    refresher.refresh(wake);
    assert_says(&refresher, &[(1, Revoked), (21, TryLater), (30, Revoked)]);
    assert_eq!(end(&refresher), site.now.plus_seconds(86_400));
    assert!(refresher.is_holding());
}

#[test]
fn a_list_of_another_scope_that_is_refused_leaves_the_old_one_in_use() {
    let site = Site::new();
    let mut refresher = site.restart(site.files(&["ca.crl"]));
    put_part(&site, "0", site.list(9, 30));
    refresher.refresh(site.now);
    site.put_list("ca.crl", &full(&site, 1, 20));
    refresher.refresh(site.now);
    assert_says(&refresher, &OF_THE_FULL_LIST);
    put_part(&site, "0", site.list(2, 10));
    refresher.refresh(site.now);
    assert!(
        problem(&refresher).contains("its number 2 is below 9"),
        "{}",
        problem(&refresher)
    );
    assert_says(&refresher, &OF_THE_FULL_LIST);
}

#[test]
fn a_full_list_does_not_give_way_to_shards_of_which_one_is_older() {
    let site = Site::new();
    let mut refresher = site.start(refusing(&site, &["0", "1"]));
    site.put_list("0", &full(&site, 1, 20));
    refresher.refresh(site.now);
    site.put_list("1", &site.list(1, 60).about(part("1")).revoke(&[30], None));
    let shard = |number, minutes_ago, name| {
        let list = site.list(number, minutes_ago).about(part(name));
        (1..=20).fold(list, |list, serial| list.revoke(&[serial], None))
    };
    site.put_list("0", &shard(2, 10, "0"));
    assert_eq!(left(&refresher.refresh(site.now)), []);
    assert_eq!(known_since(&refresher, 40), site.now.plus_seconds(-20 * 60));
    assert_eq!(known_since(&refresher, 1), site.now.plus_seconds(-10 * 60));
    site.put_list("1", &site.list(2, 15).about(part("1")).revoke(&[30], None));
    assert_eq!(left(&refresher.refresh(site.now)).len(), 1);
    assert_eq!(known_since(&refresher, 40), site.now.plus_seconds(-15 * 60));
    assert_says(&refresher, &OF_THE_FULL_LIST);
}

#[test]
fn an_older_list_in_another_place_does_not_keep_a_scope_that_was_left_and_proves_nothing_without_it()
 {
    for is_directory in [false, true] {
        let site = Site::new();
        std::fs::create_dir(site.path("lists")).unwrap();
        let sources = if is_directory {
            let lists = ListSource::Directory(site.path("lists"));
            site.sources(vec![StatusSource::Lists(lists)])
        } else {
            site.files(&["lists/a", "lists/b"])
        };
        let soon = site.now.plus_seconds(3600);
        let mut refresher = site.start(sources);
        site.put_list("lists/a", &full(&site, 11, 20).until(soon));
        site.put_list("lists/b", &full(&site, 10, 30));
        refresher.refresh(site.now);
        let shard = site.list(1, 10).about(part("0")).revoke(&[30], None);
        site.put_list("lists/a", &shard);
        refresher.refresh(site.now);
        assert_says(&refresher, &OF_THE_FULL_LIST);
        assert_eq!(end(&refresher), soon);
        assert_eq!(problems(&refresher), [""; 0]);
        let reports = refresher.refresh(soon);
        assert_says(&refresher, &[(1, TryLater), (21, TryLater), (30, Revoked)]);
        assert_eq!(end(&refresher), site.now.plus_seconds(86_400));
        // The place that something is missing from is named.
        let place = site.path("lists/b").display().to_string();
        let is_refusal = |report: &Report| matches!(report.event, Event::Refused(_));
        assert!(
            reports
                .iter()
                .any(|report| report.place == place && is_refusal(report))
        );
        assert!(problem(&refresher).contains(&place));

        let shard = site.list(1, 5).about(part("1")).revoke(&[1], None);
        site.put_list("lists/b", &shard);
        refresher.refresh(soon);
        assert_says(&refresher, &[(1, Revoked), (21, Good), (30, Revoked)]);
        assert_eq!(problems(&refresher), [""; 0]);
    }
}

#[test]
fn an_older_list_in_another_place_is_no_problem_where_nothing_is_missing_for_it() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["a", "b", "missing"]));
    site.put_list("a", &site.list(11, 20).about(part("0")));
    site.put_list("b", &site.list(10, 30).about(part("0")));
    refresher.refresh(site.now);
    assert_eq!(refresher.unproven(), Some(Unproven::SourceMissing));
    assert!(problem(&refresher).contains("missing"));
    // Its scope is left for a list that proves all.
    site.put_list("a", &full(&site, 12, 10));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (21, Good)]);
    assert!(problem(&refresher).contains("missing"));
}

#[test]
fn a_place_that_catches_up_in_a_scope_that_another_has_left_keeps_it() {
    let site = Site::new();
    let newer = |minutes_ago| {
        let list = site.list(12, minutes_ago).about(part("1"));
        list.revoke(&[1], None).revoke(&[3], None)
    };
    for minutes_ago in [5, -10] {
        let mut refresher = site.start(site.files(&["a", "b"]));
        let old = site.list(11, 20).about(part("1")).revoke(&[1], None);
        site.put_list("a", &old);
        site.put_list("b", &site.list(10, 30).about(part("1")));
        refresher.refresh(site.now);
        site.put_list("a", &site.list(1, 10).about(part("2")).revoke(&[2], None));
        refresher.refresh(site.now);
        site.put_list("b", &newer(minutes_ago));
        refresher.refresh(site.now);
        assert_says(&refresher, &[(1, Revoked), (2, Revoked), (4, Good)]);
        refresher.refresh(site.now.plus_seconds(600));
        assert_says(
            &refresher,
            &[(1, Revoked), (2, Revoked), (3, Revoked), (4, Good)],
        );
        assert_eq!(problems(&refresher), [""; 0]);
    }
}

#[test]
fn an_older_list_does_not_bring_back_a_scope_that_was_left() {
    for keeps_state in [false, true] {
        let site = Site::new();
        let sources = site.files(&["a", "b"]);
        let soon = site.now.plus_seconds(3600);
        let mut refresher = if keeps_state {
            site.restart(sources)
        } else {
            site.start(sources)
        };
        let older = site.list(10, 30);
        site.put_list("a", &full(&site, 11, 20).until(soon));
        site.put_list("b", &older);
        refresher.refresh(site.now);
        site.put_list("a", &site.list(1, 10).about(part("0")));
        refresher.refresh(site.now);
        refresher.refresh(soon);
        assert_says(&refresher, &[(1, TryLater)]);
        for _ in 0..2 {
            // Another file of the same list, which is read.
            site.put_list("b", &older);
            refresher.refresh(soon);
            assert_says(&refresher, &[(1, TryLater)]);
        }
        site.put_list("b", &full(&site, 12, 5));
        refresher.refresh(soon);
        assert_says(&refresher, &OF_THE_FULL_LIST);
    }
}

#[test]
fn a_list_whose_scope_was_left_stays_in_memory_no_longer() {
    enum State {
        None,
        Kept,
        Refused,
    }
    for state in [State::None, State::Kept, State::Refused] {
        let site = Site::new();
        let sources = refusing(&site, &["ca.crl"]);
        let mut refresher = match state {
            State::None => site.start(sources),
            State::Kept | State::Refused => site.restart(sources),
        };
        site.put_list("ca.crl", &full(&site, 1, 20));
        let list = Arc::downgrade(&in_use(&refresher.refresh(site.now))[0].list);
        assert!(list.upgrade().is_some());
        if matches!(state, State::Refused) {
            let issuers = site.path("state/issuers");
            let issuer = std::fs::read_dir(issuers).unwrap().next().unwrap().unwrap();
            // Nothing is in it, nor can be.
            symlink("nowhere", issuer.path().join("scopes")).unwrap();
        }
        put_part(&site, "0", site.list(2, 10));
        let reports = refresher.refresh(site.now);
        assert_eq!(left(&reports).len(), 1);
        let is_unkept = |report: &Report| matches!(report.event, Event::NotKept(_));
        assert_eq!(
            reports.iter().any(is_unkept),
            matches!(state, State::Refused)
        );
        assert!(list.upgrade().is_none());
    }
}

/// The folder of the issuer in the state directory; nothing can be written to that of its scopes until the link in its place
/// is removed.
fn blocked_scopes(site: &Site) -> (PathBuf, PathBuf) {
    let mut issuers = std::fs::read_dir(site.path("state/issuers")).unwrap();
    let issuer = issuers.next().unwrap().unwrap().path();
    let link = issuer.join("scopes");
    symlink("nowhere", &link).unwrap();
    (issuer, link)
}

#[test]
fn a_list_whose_scope_was_left_stays_in_the_state_directory_until_what_is_held_of_it_is_there() {
    for names in [&["0"][..], &["0", "1"]] {
        let site = Site::new();
        let sources = refusing(&site, &["ca.crl"]);
        site.put_list("ca.crl", &full(&site, 1, 30));
        let mut running = site.restart(sources.clone());
        running.refresh(site.now);
        let (issuer, link) = blocked_scopes(&site);
        for (name, number) in names.iter().zip(2..) {
            let list = site.list(number, 30 - 5 * i64::try_from(number).unwrap());
            put_part(&site, name, list.revoke(&[1], None));
            running.refresh(site.now);
            assert_says(&running, &OF_THE_FULL_LIST);
        }
        let mut restarted = site.restart(sources.clone());
        restarted.refresh(site.now);
        assert_says(&restarted, &OF_THE_FULL_LIST);
        assert!(restarted.is_holding());

        std::fs::remove_file(link).unwrap();
        running.refresh(site.now.plus_seconds(300));
        assert!(!issuer.join("last-good.crl").exists());
        let mut restarted = site.restart(sources);
        restarted.refresh(site.now);
        assert_says(&restarted, &OF_THE_FULL_LIST);
    }
}

#[test]
fn a_list_whose_scope_was_left_leaves_the_state_directory_though_an_older_one_came_meanwhile() {
    let site = Site::new();
    let soon = site.now.plus_seconds(3600);
    let older = site.list(10, 30);
    site.put_list("a", &full(&site, 11, 20).until(soon));
    site.put_list("b", &older);
    let mut refresher = site.restart(site.files(&["a", "b"]));
    refresher.refresh(site.now);
    let (issuer, link) = blocked_scopes(&site);
    site.put_list("a", &site.list(1, 10).about(part("0")));
    refresher.refresh(site.now);
    refresher.refresh(soon);
    // What is remembered of the scope cannot be read just then, and the copy is not looked at.
    let (marks, aside) = (issuer.join("marks.json"), issuer.join("aside"));
    std::fs::rename(&marks, &aside).unwrap();
    std::fs::create_dir(&marks).unwrap();
    site.put_list("b", &older);
    refresher.refresh(soon);
    std::fs::remove_dir(&marks).unwrap();
    std::fs::rename(&aside, &marks).unwrap();
    assert!(issuer.join("last-good.crl").exists());
    std::fs::remove_file(link).unwrap();
    site.remove("b");
    refresher.refresh(soon.plus_seconds(300));
    assert!(!issuer.join("last-good.crl").exists());
}

#[test]
fn a_scope_that_was_left_is_entered_again_by_an_older_list_once_it_is_forgotten() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    site.put_list("ca.crl", &full(&site, 11, 20));
    refresher.refresh(site.now);
    put_part(&site, "0", site.list(1, 15));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good)]);
    refresher.forget_used(site.now);
    site.put_list("ca.crl", &full(&site, 10, 30));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked)]);
}

#[test]
fn a_delta_leaves_with_the_scope_of_its_base_and_what_it_revoked_has_vanished() {
    let site = Site::new();
    let sources = refusing(&site, &["ca.crl", "delta.crl"]);
    let mut running = site.restart(sources.clone());
    let soon = site.now.plus_seconds(3600);
    site.put_list("ca.crl", &full(&site, 100, 30));
    let delta = site.list(105, 20).over(100).until(soon);
    site.put_list("delta.crl", &delta.revoke(&[25], None));
    running.refresh(site.now);
    put_part(&site, "0", site.list(1, 10).revoke(&[1], None));
    let gone = left(&running.refresh(site.now));
    assert_eq!((gone[0].count, gone[0].of, gone[0].is_held), (20, 21, true));
    // Its delta is still there, and lies over nothing.
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for refresher in [&running, &restarted] {
        assert_says(refresher, &[(25, Revoked)]);
        assert_says(refresher, &OF_THE_FULL_LIST);
        assert_eq!(end(refresher), site.now.plus_seconds(86_400));
        assert_eq!(problems(refresher), [""; 0]);
    }
    running.accept_held(site.now);
    assert_says(&running, &[(25, Good)]);
    assert_says(&running, &OF_THE_SHARD);
}

#[test]
fn what_was_on_hold_in_a_scope_that_was_left_is_guarded_since_nobody_ended_it() {
    let site = Site::new();
    let full = (1..=20).fold(site.list(9, 20), |list, serial| {
        list.revoke(&[serial], Some(CrlReason::CertificateHold))
    });
    site.put_list("ca.crl", &full);
    let sources = Sources {
        guard: Guard::Refuse,
        ..site.files(&["ca.crl"])
    };
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    site.put_list(
        "ca.crl",
        &site.list(10, 10).about(part("a")).revoke(&[30], None),
    );
    let gone = left(&running.refresh(site.now));
    assert_eq!((gone[0].count, gone[0].is_held), (20, true));
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for refresher in [&mut running, &mut restarted] {
        assert_says(refresher, &[(1, Revoked), (30, Revoked), (40, Good)]);
    }
}
