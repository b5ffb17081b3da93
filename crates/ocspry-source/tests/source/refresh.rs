//! Which list is in use: order, time, restarts, and a state directory that fails.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ocspry_source::{Ended, Event, Served, SourceError, StateDirectory};
use ocspry_testkit::CrlSpec;

use crate::site::{
    Site, assert_in_use, assert_quiet, issuer_of, only, refresher, refused, swapped,
};

#[test]
fn a_newer_list_takes_over_and_the_same_one_changes_nothing() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.stateless();
    assert_eq!(swapped(refresher.refresh(site.now)).served, Served::Source);
    assert_quiet(refresher.refresh(site.now));
    site.put_list(&site.list(2, 5));
    swapped(refresher.refresh(site.now));
    assert_in_use(&refresher, 2);
}

#[test]
fn an_older_list_is_refused_and_said_once_and_its_going_is_said_too() {
    let site = Site::new();
    let good = site.ca.crl(&site.list(2, 5));
    site.put(&good);
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    site.put_list(&site.list(1, 10));
    assert!(refused(refresher.refresh(site.now)).contains("that of a list already used"));
    for later in [
        site.now,
        site.now.plus_seconds(300),
        site.now.plus_seconds(600),
    ] {
        assert_quiet(refresher.refresh(later));
    }
    assert!(!refresher.problems().is_empty());
    assert_in_use(&refresher, 2);
    site.put(&good);
    assert!(matches!(
        only(refresher.refresh(site.now.plus_seconds(900))),
        Event::Recovered
    ));
    assert!(refresher.problems().is_empty());
}

#[test]
fn under_one_this_update_the_higher_number_counts() {
    let site = Site::new();
    site.put_list(&site.list(2, 5));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    site.put_list(&site.list(1, 5));
    assert!(refused(refresher.refresh(site.now)).contains("its number 1 is below 2"));
    site.put_list(&site.list(3, 5));
    swapped(refresher.refresh(site.now));
    assert_in_use(&refresher, 3);
}

#[test]
fn a_lower_number_under_a_newer_this_update_is_held_until_the_list_in_use_has_run_out() {
    let site = Site::new();
    let end = site.now.plus_seconds(600);
    site.put_list(&site.list(5, 10).until(end));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    site.put_list(&site.list(1, 5));
    assert!(refused(refresher.refresh(site.now)).contains("stays until it runs out"));
    let later = site.now.plus_seconds(300);
    assert_quiet(refresher.refresh(later));
    assert_eq!(refresher.next_wake(later), Some(end));
    swapped(refresher.refresh(end));
    assert_in_use(&refresher, 1);
}

#[test]
fn a_held_list_is_used_at_once_when_the_operator_accepts_it_and_only_a_held_one() {
    let site = Site::new();
    let mut refresher = site.stateless();
    site.put_list(&site.list(5, 10));
    swapped(refresher.refresh(site.now));
    assert_quiet(refresher.accept_held(site.now));
    // A lower number under an older thisUpdate is never held.
    site.put_list(&site.list(4, 20));
    refused(refresher.refresh(site.now));
    assert_quiet(refresher.accept_held(site.now));
    assert_in_use(&refresher, 5);
    site.put_list(&site.list(1, 5));
    refused(refresher.refresh(site.now));
    swapped(refresher.accept_held(site.now));
    assert_in_use(&refresher, 1);
    // What is accepted once opens no door: the next lower number is held again.
    site.put_list(&site.list(0, 1));
    assert!(refused(refresher.refresh(site.now)).contains("stays until it runs out"));
    assert_in_use(&refresher, 1);
}

#[test]
fn a_list_without_a_number_is_not_compared_by_number() {
    let site = Site::new();
    site.put_list(&site.list(5, 10));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    site.put_list(&CrlSpec {
        number: None,
        ..site.list(1, 5)
    });
    swapped(refresher.refresh(site.now));
    assert_in_use(&refresher, 1);
}

#[test]
fn a_file_that_vanishes_changes_nothing() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    std::fs::remove_file(site.crl_path()).unwrap();
    assert!(refused(refresher.refresh(site.now)).contains("No such file"));
    assert_quiet(refresher.refresh(site.now));
    assert_in_use(&refresher, 1);
}

#[test]
fn a_list_from_the_future_waits_and_takes_over_when_its_time_comes() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    let start = site.now.plus_seconds(600);
    site.put_list(&site.list(2, -10));
    let event = only(refresher.refresh(site.now));
    assert!(
        matches!(event, Event::Waiting { until } if until == start),
        "{event:?}"
    );
    assert_eq!(refresher.next_wake(site.now), Some(start));
    let almost = start.plus_seconds(-1);
    assert_quiet(refresher.refresh(almost));
    assert_in_use(&refresher, 1);
    swapped(refresher.refresh(start));
    assert_in_use(&refresher, 2);
    assert_quiet(refresher.refresh(start));
}

#[test]
fn a_list_that_waits_is_not_lost_when_the_file_turns_bad() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    site.put_list(&site.list(2, -10));
    refresher.refresh(site.now);
    site.put(b"");
    assert!(refused(refresher.refresh(site.now)).contains("is empty"));
    let report = swapped(refresher.refresh(site.now.plus_seconds(600)));
    assert_eq!(report.served, Served::Waited);
    assert!(report.refused.is_none(), "said before: {report:?}");
    assert_in_use(&refresher, 2);
}

#[test]
fn a_list_that_waits_gives_way_to_what_the_operator_put_in_its_place() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    site.put_list(&site.list(3, -10));
    refresher.refresh(site.now);
    site.put_list(&site.list(2, 5));
    swapped(refresher.refresh(site.now));
    let later = site.now.plus_seconds(600);
    assert_quiet(refresher.refresh(later));
    assert_in_use(&refresher, 2);
}

#[test]
fn a_list_that_has_run_out_is_loaded_at_start_and_said_to_have_run_out() {
    let site = Site::new();
    let end = site.now.plus_seconds(-60);
    site.put_list(&site.list(1, 10).until(end));
    let mut refresher = site.stateless();
    let report = swapped(refresher.refresh(site.now));
    assert!(report.is_expired);
    assert_eq!(report.facts.window.next_update, end);
    assert_quiet(refresher.refresh(site.now));
    assert_eq!(refresher.next_wake(site.now), None);
}

#[test]
fn a_list_that_runs_out_in_use_is_said_once() {
    let site = Site::new();
    let end = site.now.plus_seconds(60);
    site.put_list(&site.list(1, 10).until(end));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    assert_eq!(refresher.next_wake(site.now), Some(end));
    let event = only(refresher.refresh(end));
    assert!(
        matches!(event, Event::Expired { next_update, ended: Ended::List } if next_update == end),
        "{event:?}"
    );
    assert_quiet(refresher.refresh(end));
    assert_eq!(refresher.next_wake(end), None);
}

#[test]
fn a_newer_list_that_has_run_out_still_replaces_the_one_in_use() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    site.put_list(&site.list(2, 5).until(site.now.plus_seconds(-60)));
    assert!(swapped(refresher.refresh(site.now)).is_expired);
    assert_in_use(&refresher, 2);
}

#[test]
fn after_a_restart_a_bad_file_is_refused_and_the_last_good_copy_serves() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    swapped(site.restarted().refresh(site.now));
    site.put(b"rubbish");
    let mut refresher = site.restarted();
    let report = swapped(refresher.refresh(site.now));
    assert_eq!(report.served, Served::LastGood);
    assert!(
        matches!(report.refused, Some(SourceError::NotACrl { .. })),
        "{report:?}"
    );
    assert_in_use(&refresher, 1);
    assert_quiet(refresher.refresh(site.now));
    site.put_list(&site.list(2, 5));
    swapped(refresher.refresh(site.now));
    assert_in_use(&refresher, 2);
}

#[test]
fn after_a_restart_an_older_file_is_refused_and_the_last_good_copy_serves() {
    let site = Site::new();
    site.put_list(&site.list(2, 5));
    swapped(site.restarted().refresh(site.now));
    site.put_list(&site.list(1, 10));
    let mut refresher = site.restarted();
    let report = swapped(refresher.refresh(site.now));
    assert_eq!(report.served, Served::LastGood);
    assert!(
        matches!(report.refused, Some(SourceError::Older { .. })),
        "{report:?}"
    );
    assert_in_use(&refresher, 2);
    assert_quiet(refresher.refresh(site.now));
}

#[test]
fn after_a_restart_an_older_file_is_refused_although_the_marks_were_not_written() {
    let site = Site::new();
    site.put_list(&site.list(2, 5));
    swapped(site.restarted().refresh(site.now));
    std::fs::remove_file(site.state_file("marks.json")).unwrap();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.restarted();
    assert_eq!(
        swapped(refresher.refresh(site.now)).served,
        Served::LastGood
    );
    assert_in_use(&refresher, 2);
    assert!(site.state_file("marks.json").exists(), "written again");
}

#[test]
fn after_a_restart_the_marks_may_lag_behind_the_last_good_copy() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    swapped(site.restarted().refresh(site.now));
    let old_marks = std::fs::read(site.state_file("marks.json")).unwrap();
    site.put_list(&site.list(3, 5));
    swapped(site.restarted().refresh(site.now));
    std::fs::write(site.state_file("marks.json"), &old_marks).unwrap();
    // Newer than the marks, older than the copy.
    site.put_list(&site.list(2, 7));
    let mut refresher = site.restarted();
    let report = swapped(refresher.refresh(site.now));
    assert_eq!(report.served, Served::LastGood);
    assert!(
        matches!(report.refused, Some(SourceError::Older { .. })),
        "{report:?}"
    );
    assert_in_use(&refresher, 3);
    assert_ne!(
        std::fs::read(site.state_file("marks.json")).unwrap(),
        old_marks
    );
}

#[test]
fn after_a_restart_the_marked_list_in_the_file_does_not_replace_a_newer_last_good_copy() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    swapped(site.restarted().refresh(site.now));
    let marked = std::fs::read(site.crl_path()).unwrap();
    let old_marks = std::fs::read(site.state_file("marks.json")).unwrap();
    site.put_list(&site.list(2, 5));
    swapped(site.restarted().refresh(site.now));
    // Cut off before the marks were written; and the file is again what they name.
    std::fs::write(site.state_file("marks.json"), &old_marks).unwrap();
    site.put(&marked);
    let mut refresher = site.restarted();
    let report = swapped(refresher.refresh(site.now));
    assert_eq!(report.served, Served::LastGood);
    let sentence = report.refused.expect("said why").to_string();
    let way_out = format!(
        "forgets the lists used so far ({})",
        site.state_folder().display()
    );
    assert!(
        sentence.contains("that of a list already used") && sentence.contains(&way_out),
        "{sentence}"
    );
    assert_in_use(&refresher, 2);
    assert_ne!(
        std::fs::read(site.state_file("last-good.crl")).unwrap(),
        marked
    );
}

#[test]
fn after_a_restart_a_last_good_copy_of_other_octets_is_written_anew() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    swapped(site.restarted().refresh(site.now));
    let copy = site.state_file("last-good.crl");
    let good = std::fs::read(&copy).unwrap();
    std::fs::write(&copy, ocspry_testkit::forge(&good)).unwrap();
    swapped(site.restarted().refresh(site.now));
    assert_eq!(std::fs::read(&copy).unwrap(), good);
}

/// Lists that neither thisUpdate nor number tells apart.
fn tied(site: &Site, number: Option<u64>, revoked: &[u8]) -> Vec<u8> {
    let list = CrlSpec::new(1)
        .made_at(site.now.plus_seconds(-600))
        .until(site.now.plus_seconds(86_400));
    let list = revoked
        .iter()
        .fold(list, |list, serial| list.revoke(&[*serial], None));
    site.ca.crl(&CrlSpec { number, ..list })
}

#[track_caller]
fn assert_revoked(refresher: &ocspry_source::Refresher, serials: &[u8]) {
    let table = refresher.issuer().table().expect("a list is in use");
    assert_eq!(table.entry_count(), serials.len());
    for serial in serials {
        let serial = ocspry_wire::x509::SerialNumber::from_content(&[*serial]).unwrap();
        assert!(matches!(
            table.lookup(&serial),
            ocspry_core::Lookup::Revoked(_)
        ));
    }
}

#[test]
fn of_two_lists_of_one_time_and_number_the_second_must_revoke_all_that_the_first_does() {
    for (first, second) in [(Some(1), Some(1)), (None, Some(1)), (Some(1), None)] {
        let site = Site::new();
        site.put(&tied(&site, first, &[1, 2]));
        let mut refresher = site.stateless();
        swapped(refresher.refresh(site.now));
        site.put(&tied(&site, second, &[1, 3]));
        let sentence = refused(refresher.refresh(site.now));
        assert!(
            sentence.contains("is not known to revoke all that one does (SHA-256 "),
            "{sentence}"
        );
        assert_revoked(&refresher, &[1, 2]);
        site.put(&tied(&site, second, &[1, 2, 3]));
        swapped(refresher.refresh(site.now));
        assert_revoked(&refresher, &[1, 2, 3]);
        site.put(&tied(&site, first, &[1, 2]));
        refused(refresher.refresh(site.now));
        assert_revoked(&refresher, &[1, 2, 3]);
    }
}

#[test]
fn after_a_restart_a_list_of_the_same_time_and_number_is_compared_with_the_last_good_copy() {
    let site = Site::new();
    site.put(&tied(&site, Some(1), &[1, 2]));
    swapped(site.restarted().refresh(site.now));

    site.put(&tied(&site, Some(1), &[1]));
    let mut refresher = site.restarted();
    let report = swapped(refresher.refresh(site.now));
    assert_eq!(report.served, Served::LastGood);
    assert!(
        matches!(report.refused, Some(SourceError::SameOrder { .. })),
        "{report:?}"
    );
    assert_revoked(&refresher, &[1, 2]);

    let old_marks = std::fs::read(site.state_file("marks.json")).unwrap();
    site.put(&tied(&site, Some(1), &[1, 2, 3]));
    let mut refresher = site.restarted();
    assert_eq!(swapped(refresher.refresh(site.now)).served, Served::Source);
    assert_revoked(&refresher, &[1, 2, 3]);

    // Cut off before the marks were written: the copy is what was in use.
    std::fs::write(site.state_file("marks.json"), &old_marks).unwrap();
    let mut refresher = site.restarted();
    assert_eq!(swapped(refresher.refresh(site.now)).served, Served::Source);
    std::fs::write(site.state_file("marks.json"), &old_marks).unwrap();
    site.put(b"");
    let mut refresher = site.restarted();
    swapped(refresher.refresh(site.now));
    assert_revoked(&refresher, &[1, 2, 3]);

    std::fs::remove_file(site.state_file("last-good.crl")).unwrap();
    site.put(&tied(&site, Some(1), &[1, 2]));
    let mut refresher = site.restarted();
    let sentence = refused(refresher.refresh(site.now));
    assert!(
        sentence.contains("forgets the lists used so far ("),
        "{sentence}"
    );
    assert!(refresher.issuer().table().is_none());
}

#[test]
fn after_a_restart_with_a_clock_that_is_behind_nothing_is_used_until_it_is_right() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    swapped(site.restarted().refresh(site.now));
    site.put(b"");
    let mut refresher = site.restarted();
    let sentence = refused(refresher.refresh(site.now.plus_seconds(-86_400)));
    assert!(
        sentence.contains("is the clock right?")
            && sentence.contains(&*site.state_folder().to_string_lossy()),
        "{sentence}"
    );
    assert!(refresher.issuer().table().is_none());
    assert_eq!(
        swapped(refresher.refresh(site.now)).served,
        Served::LastGood
    );
}

#[test]
fn after_a_restart_an_older_file_is_refused_although_the_last_good_copy_is_gone() {
    let site = Site::new();
    site.put_list(&site.list(2, 5));
    swapped(site.restarted().refresh(site.now));
    std::fs::remove_file(site.state_file("last-good.crl")).unwrap();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.restarted();
    assert!(refused(refresher.refresh(site.now)).contains("that of a list already used"));
    assert!(refresher.issuer().table().is_none());
}

#[test]
fn numbers_of_any_length_survive_a_restart() {
    for number in [0, 9, 10, 127, 128, 4096, u64::MAX] {
        let site = Site::new();
        site.put_list(&CrlSpec {
            number: Some(number),
            ..site.list(2, 5)
        });
        swapped(site.restarted().refresh(site.now));
        if let Some(lower) = number.checked_sub(1) {
            site.put_list(&CrlSpec {
                number: Some(lower),
                ..site.list(1, 5)
            });
            let report = swapped(site.restarted().refresh(site.now));
            let expected = format!("its number {lower} is below {number},");
            assert!(
                report.refused.unwrap().to_string().contains(&expected),
                "{number}"
            );
        }
        site.put_list(&CrlSpec {
            number: Some(number),
            ..site.list(3, 4)
        });
        assert_eq!(
            swapped(site.restarted().refresh(site.now)).served,
            Served::Source,
            "{number}"
        );
    }
}

#[test]
fn a_last_good_copy_that_was_tampered_with_is_not_used() {
    let site = Site::new();
    site.put_list(&site.list(2, 5));
    swapped(site.restarted().refresh(site.now));
    let copy = site.state_file("last-good.crl");
    let forged = ocspry_testkit::forge(&std::fs::read(&copy).unwrap());
    std::fs::write(&copy, forged).unwrap();
    site.put(b"");
    let mut refresher = site.restarted();
    let sentence = refused(refresher.refresh(site.now));
    assert!(
        sentence.contains("is empty") && sentence.contains("does not verify"),
        "{sentence}"
    );
    assert!(refresher.issuer().table().is_none());
    // The file alone is enough to go on.
    site.put_list(&site.list(3, 1));
    swapped(refresher.refresh(site.now));
    assert_in_use(&refresher, 3);
}

#[test]
fn after_a_restart_the_last_good_copy_serves_while_a_list_from_the_future_waits() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    swapped(site.restarted().refresh(site.now));
    site.put_list(&site.list(2, -10));
    let mut refresher = site.restarted();
    let report = swapped(refresher.refresh(site.now));
    let start = site.now.plus_seconds(600);
    assert_eq!(
        (report.served, report.waiting_until),
        (Served::LastGood, Some(start))
    );
    assert_in_use(&refresher, 1);
    swapped(refresher.refresh(start));
    assert_in_use(&refresher, 2);
}

#[test]
fn with_nothing_in_use_a_list_from_the_future_waits_too() {
    let site = Site::new();
    site.put_list(&site.list(2, -10));
    let mut refresher = site.restarted();
    assert!(matches!(
        only(refresher.refresh(site.now)),
        Event::Waiting { .. }
    ));
    assert!(refresher.issuer().table().is_none());
    swapped(refresher.refresh(site.now.plus_seconds(600)));
    assert_in_use(&refresher, 2);
}

#[test]
fn marks_that_cannot_be_read_stop_the_start_and_name_the_file() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    swapped(site.restarted().refresh(site.now));
    let marks = site.state_file("marks.json");
    let good = std::fs::read_to_string(&marks).unwrap();
    let damaged: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("half", good.as_bytes()[..good.len() / 2].to_vec()),
        (
            "another version",
            good.replace("\"version\": 1", "\"version\": 2").into(),
        ),
        (
            "no time",
            good.replace("\"this-update\": \"20", "\"this-update\": \"xx")
                .into(),
        ),
        (
            "an unknown key",
            good.replacen('{', "{\"surprise\": 1,", 1).into(),
        ),
        ("not text", vec![0xff, 0xfe, 0x00]),
    ];
    for (name, content) in damaged {
        std::fs::write(&marks, content).unwrap();
        let mut refresher = site.restarted();
        let sentence = refused(refresher.refresh(site.now));
        assert!(
            sentence.starts_with(&format!("state file {}: is damaged", marks.display())),
            "{name}: {sentence}"
        );
        assert!(refresher.issuer().table().is_none(), "{name}");
        assert_quiet(refresher.refresh(site.now));
        // As the sentence says.
        std::fs::remove_file(&marks).unwrap();
        swapped(refresher.refresh(site.now));
        assert_in_use(&refresher, 1);
    }
    if marks.exists() {
        std::fs::remove_file(&marks).unwrap();
    }
    std::fs::create_dir(&marks).unwrap();
    assert!(refused(site.restarted().refresh(site.now)).contains("cannot be read"));
}

#[test]
fn a_state_directory_that_cannot_be_written_is_reported_and_does_not_stop_the_swap() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    // A file where a folder must be: it stops root too.
    std::fs::create_dir(site.state_path()).unwrap();
    std::fs::write(site.state_path().join("issuers"), "").unwrap();
    let mut refresher = site.restarted();
    // Even the look into it fails; the list is used all the same once that is cleared.
    let event = only(refresher.refresh(site.now));
    assert!(
        matches!(event, Event::Refused(SourceError::StateRead { .. })),
        "{event:?}"
    );

    std::fs::remove_file(site.state_path().join("issuers")).unwrap();
    std::fs::create_dir(site.state_path().join("issuers")).unwrap();
    let folder = site.state_folder();
    std::fs::create_dir(&folder).unwrap();
    std::fs::create_dir(folder.join(".last-good.crl.tmp")).unwrap();
    let report = swapped(refresher.refresh(site.now));
    let error = report.state_error.expect("reported");
    assert!(matches!(error, SourceError::StateWrite { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("last-good.crl: cannot be kept (creating"),
        "{error}"
    );
    assert_in_use(&refresher, 1);
    let marks = std::fs::read_to_string(folder.join("marks.json")).unwrap();
    assert!(marks.contains("\"crl-number\": \"01\""), "{marks}");
    assert_eq!(
        refresher.next_wake(site.now),
        Some(site.now.plus_seconds(5)),
        "tried again soon"
    );
    assert_quiet(refresher.refresh(site.now));

    // Each failure doubles the wait, up to five minutes; in between nothing is tried.
    let mut now = site.now;
    for wait in [10, 20, 40, 80, 160, 300, 300] {
        now = refresher.next_wake(now).expect("another try");
        assert_quiet(refresher.refresh(now));
        assert_eq!(refresher.next_wake(now), Some(now.plus_seconds(wait)));
    }
    std::fs::remove_dir(folder.join(".last-good.crl.tmp")).unwrap();
    assert_quiet(refresher.refresh(now));
    let now = now.plus_seconds(300);
    assert!(matches!(only(refresher.refresh(now)), Event::Kept));
    assert_quiet(refresher.refresh(now));
    assert_eq!(
        refresher.next_wake(site.now),
        Some(site.now.plus_seconds(86_400))
    );
    std::fs::remove_file(site.crl_path()).unwrap();
    assert_eq!(
        swapped(site.restarted().refresh(site.now)).served,
        Served::LastGood
    );
}

#[test]
fn a_refresher_that_keeps_when_told_writes_nothing_before() {
    let site = Site::new();
    site.put_list(&site.list(1, 60));
    let mut refresher = site.restarted();
    refresher.keep_when_told();
    swapped(refresher.refresh(site.now));
    assert_quiet(refresher.refresh(site.now));
    assert_in_use(&refresher, 1);
    assert!(!site.state_folder().exists());
    assert_quiet(refresher.keep_now(site.now));
    assert!(site.state_folder().join("last-good.crl").exists());
    assert!(site.state_folder().join("marks.json").exists());
}

#[test]
fn the_state_directory_is_for_its_owner_only_and_leaves_nothing_half_written() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    swapped(site.restarted().refresh(site.now));
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = site.state_folder();
    for directory in [
        &site.state_path(),
        &site.state_path().join("issuers"),
        &folder,
    ] {
        assert_eq!(mode(directory), 0o700, "{}", directory.display());
    }
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["last-good.crl", "marks.json"]);
    assert_eq!(mode(&folder.join("marks.json")), 0o600);
}

#[test]
fn a_table_handed_over_at_a_reload_counts_as_the_one_in_use() {
    let site = Site::new();
    site.put_list(&site.list(2, 5));
    let mut before = site.stateless();
    swapped(before.refresh(site.now));
    let mut after = site.stateless();
    after.carry_over(&before);
    assert_quiet(after.refresh(site.now));
    site.put_list(&site.list(1, 10));
    assert!(refused(after.refresh(site.now)).contains("that of a list already used"));
    assert_in_use(&after, 2);
}

#[test]
fn a_list_that_waits_is_carried_over_at_a_reload() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    let mut before = site.restarted();
    swapped(before.refresh(site.now));
    site.put_list(&site.list(2, -10));
    before.refresh(site.now);
    site.put(b"");
    refused(before.refresh(site.now));

    let mut after = site.restarted();
    after.carry_over(&before);
    assert_quiet(after.refresh(site.now));
    assert_in_use(&after, 1);
    let start = site.now.plus_seconds(600);
    assert_eq!(after.next_wake(site.now), Some(start));
    assert_eq!(swapped(after.refresh(start)).served, Served::Waited);
    assert_in_use(&after, 2);
    // A reload that is refused leaves the one before as it was.
    assert_eq!(swapped(before.refresh(start)).served, Served::Waited);
}

#[test]
fn a_list_that_waits_is_not_carried_over_to_another_file_or_issuer() {
    let site = Site::new();
    let other = Site::new();
    site.put_list(&site.list(2, 5));
    let mut before = site.stateless();
    swapped(before.refresh(site.now));
    site.put_list(&site.list(3, -10));
    before.refresh(site.now);

    let moved = site.directory.path().join("moved.crl");
    std::fs::write(&moved, site.ca.crl(&site.list(1, 10))).unwrap();
    let mut elsewhere = refresher(&site.ca, &moved, None);
    elsewhere.carry_over(&before);
    assert!(refused(elsewhere.refresh(site.now)).contains("that of a list already used"));
    let start = site.now.plus_seconds(600);
    elsewhere.refresh(start);
    assert_in_use(&elsewhere, 2);

    let mut another = refresher(&other.ca, &site.crl_path(), None);
    another.carry_over(&before);
    assert!(another.issuer().table().is_none());
    assert_eq!(another.next_wake(site.now), None);
}

#[test]
fn damaged_marks_are_replaced_at_a_reload_and_the_refreshes_go_on() {
    let site = Site::new();
    site.put_list(&site.list(2, 5));
    let mut before = site.restarted();
    swapped(before.refresh(site.now));
    let marks = site.state_file("marks.json");
    for damaged in [&b""[..], b"{}", &[0xff]] {
        std::fs::write(&marks, damaged).unwrap();
        let mut after = site.restarted();
        after.carry_over(&before);
        let sentence = refused(after.refresh(site.now));
        let start = format!("state file {}: was damaged (", marks.display());
        assert!(sentence.starts_with(&start), "{sentence}");
        assert!(matches!(only(after.refresh(site.now)), Event::Recovered));
        assert_in_use(&after, 2);
    }
    // The marks are whole again, and remember.
    std::fs::remove_file(site.state_file("last-good.crl")).unwrap();
    site.put_list(&site.list(1, 10));
    assert!(refused(site.restarted().refresh(site.now)).contains("that of a list already used"));

    // Also when the file does not hold the list in use.
    std::fs::write(&marks, "").unwrap();
    let mut after = site.restarted();
    after.carry_over(&before);
    let sentences = refused(after.refresh(site.now));
    assert!(
        sentences.contains("that of a list already used") && sentences.contains("was damaged ("),
        "{sentences}"
    );
    assert!(refused(site.restarted().refresh(site.now)).contains("that of a list already used"));
    site.put_list(&site.list(3, 1));
    swapped(after.refresh(site.now));
    assert_in_use(&after, 3);
}

#[test]
fn two_issuers_of_one_state_directory_do_not_meet() {
    let site = Site::new();
    let other = Site::new();
    let state = Arc::new(StateDirectory::open(&site.state_path()).unwrap());
    for (site, number) in [(&site, 1), (&other, 2)] {
        site.put_list(&site.list(number, 10));
        let mut refresher = refresher(&site.ca, &site.crl_path(), Some(Arc::clone(&state)));
        swapped(refresher.refresh(site.now));
        assert_in_use(&refresher, number);
    }
    assert_ne!(
        issuer_of(&site.ca).identity(),
        issuer_of(&other.ca).identity()
    );
}
