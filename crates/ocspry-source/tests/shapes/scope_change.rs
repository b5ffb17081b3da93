//! A place whose list is about other certificates than the one before: the CA has changed how it divides them.

use ocspry_source::Unproven;
use ocspry_testkit::{CrlSpec, ScopeSpec};

use crate::site::Says::{Good, Revoked};
use crate::site::{Site, assert_says, end, problem, problems};

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
