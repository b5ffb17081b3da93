//! What was used is forgotten, as `ocspry state reset` does on a running responder (docs/reference/control.md): older lists
//! that lie there are taken, and what is in use is remembered again from then on.

use std::path::PathBuf;

use ocspry_source::{Refresher, Sources, Unproven};
use ocspry_wire::Time;

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{Site, assert_says, known_since};

/// The folder of the issuer in the state directory.
fn issuer_folder(site: &Site) -> PathBuf {
    let mut issuers = std::fs::read_dir(site.path("state/issuers")).unwrap();
    issuers.next().unwrap().unwrap().path()
}

#[test]
fn an_older_list_in_another_place_takes_over_from_nothing_that_is_still_in_its_place() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list(
        "newer-delta",
        &site.list(105, 10).over(100).revoke(&[2], None),
    );
    site.put_list("older-delta", &site.list(104, 15).over(100));
    site.put_list("newer", &site.list(105, 10).revoke(&[2], None));
    site.put_list("older", &site.list(104, 15));
    for names in [
        &["base", "newer-delta", "older-delta"][..],
        &["newer", "older"],
    ] {
        let mut refresher = site.start(site.files(names));
        refresher.refresh(site.now);
        refresher.forget_used(site.now);
        refresher.refresh(site.now);
        assert_says(&refresher, &[(2, Revoked), (3, Good)]);
    }
}

#[test]
fn a_delta_that_is_still_in_its_place_holds_back_complete_lists_before_it_again() {
    for is_reloaded in [false, true] {
        let site = Site::new();
        let sources = site.files(&["base", "delta"]);
        site.put_list("base", &site.list(100, 30));
        site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
        let mut refresher = site.restart(sources.clone());
        refresher.refresh(site.now);
        refresher.forget_used(site.now);
        if is_reloaded {
            site.remove("delta");
            let old = refresher;
            refresher = site.restart(sources);
            refresher.carry_over(&old);
        } else {
            refresher.refresh(site.now);
        }
        site.put_list("base", &site.list(105, 11));
        refresher.refresh(site.now);
        assert_says(&refresher, &[(2, Revoked), (3, Good)]);
    }
}

#[test]
fn a_delta_whose_place_is_gone_holds_back_complete_lists_before_it_once_one_came_that_it_fits() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    let mut refresher = site.start(site.files(&["base", "delta"]));
    refresher.refresh(site.now);
    site.remove("delta");
    refresher.forget_used(site.now);
    for base in [site.list(102, 20), site.list(105, 11)] {
        site.put_list("base", &base);
        refresher.refresh(site.now);
        assert_says(&refresher, &[(2, Revoked), (3, Good)]);
    }
}

#[test]
fn a_forgotten_delta_that_a_complete_list_has_overtaken_is_missed_no_more() {
    let site = Site::new();
    let sources = site.files(&["base", "delta"]);
    site.put_list("base", &site.list(100, 30));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    site.remove("delta");
    std::fs::remove_dir_all(issuer_folder(&site)).unwrap();
    running.forget_used(site.now);
    running.refresh(site.now);
    // A restart knows until then that it was there.
    let mut restarted = site.restart(sources.clone());
    restarted.refresh(site.now);
    assert_says(&restarted, &[(2, TryLater)]);

    site.put_list("base", &site.list(105, 11).revoke(&[1], None));
    running.refresh(site.now);
    let mut reloaded = site.restart(sources.clone());
    reloaded.carry_over(&running);
    let mut restarted = site.restart(sources);
    for refresher in [&mut running, &mut reloaded, &mut restarted] {
        refresher.refresh(site.now);
        assert_says(refresher, &[(1, Revoked), (2, Good), (3, Good)]);
    }
    assert!(!issuer_folder(&site).join("delta-marks.json").exists());
}

#[test]
fn what_is_in_use_is_kept_at_once_though_it_could_not_be_written_before() {
    let site = Site::new();
    site.put_list("base", &site.list(100, 60));
    let mut refresher = site.restart(site.files(&["base"]));
    refresher.refresh(site.now);
    let folder = issuer_folder(&site);
    std::fs::create_dir(folder.join(".last-good.crl.tmp")).unwrap();
    site.put_list("base", &site.list(101, 50));
    refresher.refresh(site.now);
    std::fs::remove_dir_all(&folder).unwrap();
    refresher.forget_used(site.now);
    refresher.refresh(site.now);
    assert!(folder.join("last-good.crl").exists());
}

/// More than a year on, as a wrong clock may say.
fn wrong_time(site: &Site) -> Time {
    site.now.plus_seconds(400 * 86_400)
}

#[test]
fn a_delta_that_a_wrong_clock_has_used_goes_and_waits_for_its_time() {
    let site = Site::new();
    let later = wrong_time(&site);
    let sources = site.files(&["base", "delta"]);
    site.put_list("base", &site.list(100, 60));
    let delta = site.list(105, 0).over(100).revoke(&[2], None);
    let delta = delta.made_at(later.plus_seconds(-60));
    site.put_list("delta", &delta.until(later.plus_seconds(86_400)));
    let mut running = site.restart(sources.clone());
    running.refresh(later);
    std::fs::remove_dir_all(issuer_folder(&site)).unwrap();
    running.forget_used(site.now);
    running.refresh(site.now);
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for refresher in [&mut running, &mut restarted] {
        assert_says(refresher, &[(2, Good)]);
        assert_eq!(known_since(refresher, 2), site.now.plus_seconds(-3600));
        assert_eq!(refresher.waiting_until(), Some(later.plus_seconds(-60)));
        site.put_list("base", &site.list(101, 1).revoke(&[3], None));
        refresher.refresh(site.now);
        assert_says(refresher, &[(3, Revoked)]);
    }
}

/// A complete list that revokes 2, and that a wrong clock took from the place of that name, and that was forgotten; what is
/// configured, and the issuer.
fn complete_from_a_wrong_clock(site: &Site, name: &str) -> (Sources, Refresher) {
    let later = wrong_time(site);
    let sources = site.files(&[name, "other"]);
    let list = site.list(105, 0).made_at(later.plus_seconds(-60));
    let list = list.until(later.plus_seconds(86_400));
    site.put_list(name, &list.revoke(&[2], None));
    let mut running = site.restart(sources.clone());
    running.refresh(later);
    std::fs::remove_dir_all(issuer_folder(site)).unwrap();
    running.forget_used(site.now);
    running.refresh(site.now);
    (sources, running)
}

#[test]
fn a_complete_list_that_a_wrong_clock_has_used_keeps_out_none_before_it() {
    for is_reloaded in [false, true] {
        let site = Site::new();
        let (sources, mut running) = complete_from_a_wrong_clock(&site, "base");
        if is_reloaded {
            let mut reloaded = site.restart(sources.clone());
            reloaded.carry_over(&running);
            running = reloaded;
        }
        running.refresh(site.now);
        assert_says(&running, &[(2, Revoked)]);
        // Where it still lies it is none that is remembered.
        site.put_list("base", &site.list(101, 1).revoke(&[3], None));
        running.refresh(site.now);
        assert_says(&running, &[(3, Revoked)]);
        site.remove("base");
        let mut restarted = site.restart(sources);
        restarted.refresh(site.now);
        assert_says(&restarted, &[(3, Revoked), (2, Good)]);
    }
}

#[test]
fn a_complete_list_that_a_wrong_clock_has_used_is_remembered_from_its_time_on() {
    let old = |site: &Site| {
        let list = site.list(101, 1).until(wrong_time(site).plus_seconds(3600));
        list.revoke(&[3], None)
    };
    for is_in_its_place in [true, false] {
        let site = Site::new();
        let (sources, mut running) = complete_from_a_wrong_clock(&site, "base");
        if !is_in_its_place {
            site.remove("base");
            running.refresh(site.now);
        }
        let later = wrong_time(&site);
        site.put_list("other", &old(&site));
        running.refresh(later);
        let mut restarted = site.restart(sources);
        restarted.refresh(later);
        assert_says(&running, &[(2, Revoked), (3, Good)]);
        // Where no file of it is left, its marks keep out what is older.
        let (two, three) = match is_in_its_place {
            true => (Revoked, Good),
            false => (TryLater, TryLater),
        };
        assert_says(&restarted, &[(2, two), (3, three)]);
    }
}

#[test]
fn a_complete_list_that_a_wrong_clock_has_used_takes_over_again_in_its_time() {
    let site = Site::new();
    let (_, mut running) = complete_from_a_wrong_clock(&site, "base");
    site.put_list("other", &site.list(101, 1).revoke(&[3], None));
    running.refresh(site.now);
    assert_says(&running, &[(2, Good), (3, Revoked)]);
    let begins = running.waiting_until().unwrap();
    assert_eq!(begins, wrong_time(&site).plus_seconds(-60));
    running.refresh(begins);
    assert_says(&running, &[(2, Revoked), (3, Good)]);
}

/// A delta that revokes 2 gave way to one that a wrong clock took, and that was forgotten; what is configured, and the issuer.
fn delta_before_a_wrong_clock(site: &Site) -> (Sources, Refresher) {
    let later = wrong_time(site);
    let sources = site.files(&["base", "delta"]);
    site.put_list(
        "base",
        &site.list(100, 60).until(later.plus_seconds(86_400)),
    );
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    // The certificate has expired by then.
    let delta = site.list(110, 0).over(100).revoke(&[3], None);
    let delta = delta.made_at(later.plus_seconds(-60));
    site.put_list("delta", &delta.until(later.plus_seconds(86_400)));
    running.refresh(later);
    assert_says(&running, &[(2, Good), (3, Revoked)]);
    std::fs::remove_dir_all(issuer_folder(site)).unwrap();
    running.forget_used(site.now);
    (sources, running)
}

#[test]
fn what_a_delta_revoked_before_one_that_a_wrong_clock_has_used_is_not_known_until_a_list_comes() {
    for comes in ["delta", "base"] {
        let site = Site::new();
        let (sources, mut running) = delta_before_a_wrong_clock(&site);
        running.refresh(site.now);
        let mut restarted = site.restart(sources.clone());
        restarted.refresh(site.now);
        let mut reloaded = site.restart(sources);
        reloaded.carry_over(&running);
        reloaded.refresh(site.now);
        let list = match comes {
            "delta" => site.list(105, 10).over(100),
            _ => site.list(106, 9),
        };
        for refresher in [&mut running, &mut restarted, &mut reloaded] {
            assert_says(refresher, &[(2, TryLater), (3, TryLater)]);
            assert_eq!(refresher.unproven(), Some(Unproven::DeltaLost));
        }
        // The very delta that was there, or a complete list made after it.
        site.put_list(comes, &list.revoke(&[2], None));
        for refresher in [&mut running, &mut restarted, &mut reloaded] {
            refresher.refresh(site.now);
            assert_says(refresher, &[(2, Revoked), (3, Good)]);
        }
    }
}

#[test]
fn of_two_deltas_that_a_wrong_clock_has_used_none_before_them_is_thought_to_be_known() {
    let site = Site::new();
    let later = wrong_time(&site);
    let (_, mut running) = delta_before_a_wrong_clock(&site);
    running.refresh(later);
    let delta = site.list(111, 0).over(100).made_at(later);
    site.put_list("delta", &delta.until(later.plus_seconds(86_400)));
    running.refresh(later);
    std::fs::remove_dir_all(issuer_folder(&site)).unwrap();
    running.forget_used(site.now);
    running.refresh(site.now);
    assert_says(&running, &[(2, TryLater)]);
    // Made before, it may be older than what was used.
    site.put_list("base", &site.list(106, 1).revoke(&[2], None));
    running.refresh(site.now);
    assert_says(&running, &[(2, Revoked), (3, TryLater)]);
    site.put_list("base", &site.list(107, 0).revoke(&[2], None));
    running.refresh(site.now);
    assert_says(&running, &[(2, Revoked), (3, Good)]);
}
