//! A complete list that took over from a delta made after it (RFC 5280 §5.2.4): what it is known by, across restarts, and
//! when the delta is missed.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use ocspry_source::{Refresher, Unproven};
use ocspry_wire::ocsp::CrlReason;

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{Site, assert_says, known_since, problems};

/// The folder of the issuer in the state directory.
fn issuer_folder(site: &Site) -> PathBuf {
    let issuers = std::fs::read_dir(site.path("state/issuers")).unwrap();
    issuers.last().unwrap().unwrap().path()
}

/// A delta revokes 2, and a complete list of its number, made before it, revokes it as well or not.
fn overtaken(site: &Site, refresher: &mut Refresher, is_all_in: bool) {
    site.put_list("base", &site.list(100, 60));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    refresher.refresh(site.now);
    let base = site.list(105, 12);
    let base = if is_all_in {
        base.revoke(&[2], None)
    } else {
        base
    };
    site.put_list("base", &base);
    refresher.refresh(site.now);
    assert_says(refresher, &[(2, Revoked), (3, Good)]);
    assert_eq!(problems(refresher).len(), usize::from(!is_all_in));
}

#[test]
fn a_delta_that_was_not_overtaken_is_missed_when_it_is_lost_whatever_the_number_of_the_complete_list()
 {
    for is_in_its_place in [false, true] {
        let site = Site::new();
        let sources = site.files(&["base", "delta"]);
        overtaken(&site, &mut site.restart(sources.clone()), false);
        std::fs::remove_file(issuer_folder(&site).join("last-good-delta.crl")).unwrap();
        if !is_in_its_place {
            site.remove("delta");
        }
        let mut restarted = site.restart(sources);
        restarted.refresh(site.now);
        assert_says(&restarted, &[(2, TryLater), (3, TryLater)]);
        assert_eq!(restarted.unproven(), Some(Unproven::DeltaLost));
    }
}

#[test]
fn no_complete_list_from_before_a_delta_follows_one_that_took_over_from_it() {
    let site = Site::new();
    let sources = site.files(&["base", "delta"]);
    let mut running = site.restart(sources.clone());
    overtaken(&site, &mut running, true);
    let since = known_since(&running, 3);
    // One lacks what the delta revoked, the other has another number, and is accepted.
    for base in [site.list(106, 11), site.list(5, 11).revoke(&[2], None)] {
        site.put_list("base", &base);
        let mut restarted = site.restart(sources.clone());
        for refresher in [&mut running, &mut restarted] {
            refresher.refresh(site.now);
            refresher.accept_held(site.now);
            assert_says(refresher, &[(2, Revoked), (3, Good)]);
            assert_eq!(known_since(refresher, 3), since);
        }
    }
    site.put_list("base", &site.list(106, 5));
    running.refresh(site.now);
    assert_says(&running, &[(2, Good)]);
}

#[test]
fn a_delta_that_was_overtaken_before_it_could_be_kept_leaves_its_time() {
    let site = Site::new();
    let sources = site.files(&["base", "delta"]);
    site.put_list("base", &site.list(100, 60));
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    let issuer = issuer_folder(&site);
    for name in [".last-good-delta.crl.tmp", ".delta-marks.json.tmp"] {
        std::fs::create_dir(issuer.join(name)).unwrap();
    }
    overtaken(&site, &mut running, true);
    assert!(!issuer.join("delta-marks.json").exists());
    site.remove("delta");
    let inode = || {
        std::fs::metadata(issuer.join("last-good.crl"))
            .unwrap()
            .ino()
    };
    let kept = inode();
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    assert_eq!(inode(), kept, "nothing is written again");
    for refresher in [&running, &restarted] {
        assert_says(refresher, &[(2, Revoked), (3, Good)]);
        assert_eq!(known_since(refresher, 3), site.now.plus_seconds(-600));
    }
}

#[test]
fn a_delta_that_was_overtaken_is_not_missed_where_only_the_marks_of_the_complete_list_are_gone() {
    for gone in [&["marks.json"][..], &["marks.json", "delta-marks.json"]] {
        let site = Site::new();
        let sources = site.files(&["base", "delta"]);
        let mut running = site.restart(sources.clone());
        overtaken(&site, &mut running, true);
        let since = known_since(&running, 3);
        let folder = issuer_folder(&site);
        for name in gone {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        site.remove("delta");
        site.restart(sources.clone()).refresh(site.now);
        // It is known from then on, whatever becomes of the copy.
        std::fs::remove_file(folder.join("last-good-delta.crl")).unwrap();
        let mut restarted = site.restart(sources);
        restarted.refresh(site.now);
        assert_says(&restarted, &[(2, Revoked), (3, Good)]);
        assert_eq!(known_since(&restarted, 3), since);
    }
}

#[test]
fn a_delta_whose_copy_says_more_than_the_complete_list_is_missed_where_the_marks_are_gone() {
    let site = Site::new();
    let sources = site.files(&["base", "delta"]);
    overtaken(&site, &mut site.restart(sources.clone()), false);
    for name in ["marks.json", "last-good.crl"] {
        std::fs::remove_file(issuer_folder(&site).join(name)).unwrap();
    }
    let mut restarted = site.restart(sources);
    for _ in 0..2 {
        restarted.refresh(site.now);
        assert_says(&restarted, &[(2, TryLater), (3, TryLater)]);
    }
}

#[test]
fn that_a_delta_was_overtaken_is_kept_though_another_instance_has_kept_the_complete_list() {
    let site = Site::new();
    let sources = site.files(&["base", "delta"]);
    let mut running = site.restart(sources.clone());
    running.keep_when_told();
    site.put_list("base", &site.list(100, 60));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], None));
    running.refresh(site.now);
    site.put_list("base", &site.list(105, 12).revoke(&[2], None));
    site.restart(site.files(&["base"])).refresh(site.now);
    running.keep_now(site.now);
    let mut reloaded = site.restart(sources.clone());
    reloaded.carry_over(&running);
    reloaded.refresh(site.now);
    site.remove("delta");
    std::fs::remove_file(issuer_folder(&site).join("last-good-delta.crl")).unwrap();
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for refresher in [&reloaded, &restarted] {
        assert_says(refresher, &[(2, Revoked), (3, Good)]);
    }
}

#[test]
fn a_complete_list_from_before_a_delta_does_not_take_over_from_it_without_the_hold_that_it_put() {
    let site = Site::new();
    let on_hold = Some(CrlReason::CertificateHold);
    let mut refresher = site.start(site.files(&["base", "delta"]));
    site.put_list("base", &site.list(100, 60));
    site.put_list("delta", &site.list(105, 10).over(100).revoke(&[2], on_hold));
    refresher.refresh(site.now);
    site.put_list("base", &site.list(105, 12));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked), (3, Good)]);
    assert_eq!(problems(&refresher).len(), 1);
}

#[test]
fn the_copy_of_a_delta_that_was_overtaken_is_read_once() {
    let site = Site::new();
    let sources = site.files(&["base", "delta"]);
    site.put_list("base", &site.list(100, 40));
    site.put_list("delta", &site.list(105, 30).over(100).revoke(&[2], None));
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    site.remove("delta");
    site.put_list("base", &site.list(110, 20).revoke(&[2], None));
    running.refresh(site.now);
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    // Whoever read it again would find this.
    let other = site.list(115, 10).over(100).revoke(&[3], None);
    let copy = issuer_folder(&site).join("last-good-delta.crl");
    std::fs::write(copy, site.ca.crl(&other)).unwrap();
    for refresher in [&mut running, &mut restarted] {
        refresher.refresh(site.now);
        assert_says(refresher, &[(2, Revoked), (3, Good)]);
    }
}

#[test]
fn the_copy_of_a_delta_that_its_complete_list_is_behind_is_used_once_that_comes() {
    let site = Site::new();
    let sources = site.files(&["base", "delta"]);
    site.put_list("base", &site.list(104, 40));
    site.put_list("delta", &site.list(105, 30).over(104).revoke(&[2], None));
    site.restart(sources.clone()).refresh(site.now);
    site.remove("delta");
    for name in ["marks.json", "last-good.crl"] {
        std::fs::remove_file(issuer_folder(&site).join(name)).unwrap();
    }
    site.put_list("base", &site.list(100, 60));
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    assert_says(&restarted, &[(2, TryLater)]);
    site.put_list("base", &site.list(104, 40));
    restarted.refresh(site.now);
    restarted.refresh(site.now);
    assert_says(&restarted, &[(2, Revoked), (3, Good)]);
}
