//! Several lists of one scope, and several entries of one serial (docs/design.md §2).

use ocspry_source::ListSource::File;
use ocspry_source::StatusSource::Lists;
use ocspry_testkit::CrlEntrySpec;
use ocspry_wire::ocsp::CrlReason;

use crate::site::Says::{Good, Revoked};
use crate::site::{Site, assert_says, in_use, problems, revocation};

const HOLD: Option<CrlReason> = Some(CrlReason::CertificateHold);

#[test]
fn crl_23_of_two_complete_lists_of_one_time_the_higher_number_counts() {
    for names in [["a", "b"], ["b", "a"]] {
        let site = Site::new();
        site.put_list("a", &site.list(1, 10).revoke(&[1], HOLD).revoke(&[2], None));
        site.put_list("b", &site.list(2, 10).revoke(&[2], None));
        let mut refresher = site.start(site.files(&names));
        refresher.refresh(site.now);
        assert_says(&refresher, &[(1, Good), (2, Revoked)]);
        assert_eq!(problems(&refresher), [""; 0]);
    }
}

#[test]
fn crl_23_a_stale_second_copy_of_a_list_does_not_keep_a_released_hold() {
    let site = Site::new();
    let old = site.list(1, 20).revoke(&[1], HOLD).revoke(&[2], None);
    site.put_list("a", &old);
    site.put_list("b", &old);
    let sources = site.files(&["a", "b"]);
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    assert_says(&running, &[(1, Revoked), (2, Revoked)]);
    site.put_list("b", &site.list(2, 10).revoke(&[2], None));
    running.refresh(site.now);
    running.refresh(site.now.plus_seconds(60));
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for refresher in [&running, &restarted] {
        assert_says(refresher, &[(1, Good), (2, Revoked)]);
        // A mirror that is behind is no fault.
        assert_eq!(problems(refresher), [""; 0]);
    }
}

#[test]
fn crl_20_of_several_entries_for_one_serial_the_earliest_revocation_counts_and_they_are_counted() {
    let site = Site::new();
    let at = |hours: i64| site.now.plus_seconds(-3600 * hours);
    let entry = |serial: u8, hours: i64, reason| CrlEntrySpec {
        revocation_time: at(hours),
        ..CrlEntrySpec::new(&[serial], reason)
    };
    let mut list = site.list(1, 10);
    list.entries = vec![
        entry(1, 2, Some(CrlReason::Superseded)),
        entry(2, 9, None),
        entry(1, 5, Some(CrlReason::KeyCompromise)),
        entry(1, 3, None),
        // A hold that was made permanent is no hold.
        entry(3, 8, HOLD),
        entry(3, 7, Some(CrlReason::KeyCompromise)),
    ];
    site.put_list("ca.crl", &list);
    let mut refresher = site.start(site.sources(vec![Lists(File(site.path("ca.crl")))]));
    let reports = refresher.refresh(site.now);
    let first = revocation(&refresher, 1);
    assert_eq!(
        (first.revocation_time, first.reason),
        (at(5), Some(CrlReason::KeyCompromise))
    );
    assert_eq!(in_use(&reports)[0].list.facts.entry_count, 3);
    assert_eq!(in_use(&reports)[0].list.serials.duplicate_count(), 3);
    assert_eq!(refresher.issuer().table().unwrap().duplicate_count(), 3);
}
