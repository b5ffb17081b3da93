//! Lists that are parts of a whole (RFC 5280 §5.2.5): they are added up, and one that is missing or ages counts for all.

use ocspry_source::{ListSource, Refresher, StatusSource, Unproven};
use ocspry_testkit::ScopeSpec;
use ocspry_wire::ocsp::CrlReason;

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{Site, assert_says, end, known_since, problem, problems};

const SHARDS: [&str; 4] = ["1.crl", "2.crl", "3.crl", "4.crl"];

/// Shard N revokes serial N.
fn put_shard(site: &Site, shard: usize) {
    let name = SHARDS[shard - 1];
    let scope = ScopeSpec::part(&format!("http://crl.example/{name}"));
    let list = site.list(1, 10).about(scope).revoke(&[shard as u8], None);
    site.put_list(name, &list);
}

fn all_shards(site: &Site) -> Refresher {
    (1..=4).for_each(|shard| put_shard(site, shard));
    site.restart(site.files(&SHARDS))
}

#[test]
fn idp_01_four_shards_are_added_up() {
    let site = Site::new();
    let mut refresher = all_shards(&site);
    refresher.refresh(site.now);
    assert_says(
        &refresher,
        &[
            (1, Revoked),
            (2, Revoked),
            (3, Revoked),
            (4, Revoked),
            (5, Good),
        ],
    );
    assert_eq!(refresher.unproven(), None);
}

#[test]
fn idp_08_without_one_of_four_shards_what_is_listed_is_revoked_and_nothing_is_good() {
    let site = Site::new();
    [1, 2, 4]
        .into_iter()
        .for_each(|shard| put_shard(&site, shard));
    let mut refresher = site.start(site.files(&SHARDS));
    refresher.refresh(site.now);
    assert_says(
        &refresher,
        &[(1, Revoked), (2, Revoked), (3, TryLater), (5, TryLater)],
    );
    assert_eq!(refresher.unproven(), Some(Unproven::SourceMissing));

    put_shard(&site, 3);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(3, Revoked), (5, Good)]);
}

#[test]
fn idp_08_a_bad_shard_in_a_directory_is_a_missing_one() {
    let site = Site::new();
    std::fs::create_dir(site.path("lists")).unwrap();
    for shard in 1..=4u8 {
        let scope = ScopeSpec::part(&format!("http://crl.example/{shard}.crl"));
        let list = site.list(1, 10).about(scope).revoke(&[shard], None);
        let der = site.ca.crl(&list);
        let der = if shard == 3 {
            ocspry_testkit::forge(&der)
        } else {
            der
        };
        site.put(&format!("lists/{shard}.crl"), der);
    }
    let directory = StatusSource::Lists(ListSource::Directory(site.path("lists")));
    let mut refresher = site.start(site.sources(vec![directory]));
    refresher.refresh(site.now);
    assert_says(
        &refresher,
        &[(1, Revoked), (3, TryLater), (4, Revoked), (5, TryLater)],
    );
}

#[test]
fn idp_08_a_shard_that_was_there_counts_by_its_last_good_copy_until_that_ends() {
    let site = Site::new();
    let soon = site.now.plus_seconds(3600);
    let mut running = all_shards(&site);
    let scope = ScopeSpec::part("http://crl.example/3.crl");
    site.put_list(
        "3.crl",
        &site.list(2, 5).about(scope).revoke(&[3], None).until(soon),
    );
    running.refresh(site.now);
    site.remove("3.crl");
    running.refresh(site.now);
    let mut restarted = site.restart(site.files(&SHARDS));
    restarted.refresh(site.now);
    for refresher in [&running, &restarted] {
        assert_says(refresher, &[(1, Revoked), (3, Revoked), (5, Good)]);
        assert_eq!(end(refresher), soon);
        assert!(problem(refresher).contains("No such file"));
    }
}

#[test]
fn idp_08_a_shard_whose_last_good_copy_is_lost_is_missing() {
    let site = Site::new();
    let mut running = site.restart({
        (1..=4).for_each(|shard| put_shard(&site, shard));
        site.sources(vec![directory(&site)])
    });
    running.refresh(site.now);
    assert_says(&running, &[(3, Revoked), (5, Good)]);
    site.remove("3.crl");
    for copy in copies(&site) {
        let octets = std::fs::read(&copy).unwrap();
        if octets.windows(5).any(|octets| octets == b"3.crl") {
            std::fs::remove_file(copy).unwrap();
        }
    }
    let mut restarted = site.restart(site.sources(vec![directory(&site)]));
    restarted.refresh(site.now);
    assert_says(&restarted, &[(1, Revoked), (3, TryLater), (5, TryLater)]);
}

fn directory(site: &Site) -> StatusSource {
    let path = site.directory.path().to_owned();
    StatusSource::Lists(ListSource::Directory(path))
}

/// The last good copies of all scopes.
fn copies(site: &Site) -> Vec<std::path::PathBuf> {
    let issuers = std::fs::read_dir(site.path("state/issuers")).unwrap();
    let scopes = issuers
        .flat_map(|issuer| std::fs::read_dir(issuer.unwrap().path().join("scopes")).unwrap());
    scopes
        .map(|scope| scope.unwrap().path().join("last-good.crl"))
        .collect()
}

#[test]
fn a_shard_from_the_future_is_missing_until_its_time_comes() {
    let site = Site::new();
    [1, 2, 4]
        .into_iter()
        .for_each(|shard| put_shard(&site, shard));
    let scope = ScopeSpec::part("http://crl.example/3.crl");
    site.put_list("3.crl", &site.list(1, -10).about(scope).revoke(&[3], None));
    let mut refresher = site.start(site.files(&SHARDS));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (3, TryLater), (5, TryLater)]);
    refresher.refresh(site.now.plus_seconds(600));
    assert_says(&refresher, &[(1, Revoked), (3, Revoked), (5, Good)]);
}

#[test]
fn idp_02_the_lists_of_users_and_of_cas_are_added_up() {
    let site = Site::new();
    site.put_list(
        "users",
        &site
            .list(1, 10)
            .about(ScopeSpec::users())
            .revoke(&[1], None),
    );
    let mut refresher = site.start(site.files(&["users", "cas"]));
    refresher.refresh(site.now);
    // Which of the two a serial is, its number does not tell.
    assert_says(&refresher, &[(1, Revoked), (2, TryLater), (3, TryLater)]);
    site.put_list(
        "cas",
        &site
            .list(1, 10)
            .about(ScopeSpec::authorities())
            .revoke(&[2], None),
    );
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
}

#[test]
fn idp_03_a_list_of_users_alone_is_a_list_like_others() {
    let site = Site::new();
    site.put_list(
        "users",
        &site
            .list(1, 10)
            .about(ScopeSpec::users())
            .revoke(&[1], None),
    );
    let mut refresher = site.start(site.files(&["users"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
}

#[test]
fn a_distribution_point_in_an_otherwise_full_list_changes_nothing() {
    let site = Site::new();
    let scope = ScopeSpec::part("http://crl.example/ca.crl");
    site.put_list("ca.crl", &site.list(1, 10).about(scope).revoke(&[1], None));
    let mut refresher = site.start(site.files(&["ca.crl"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn idp_04_a_list_of_attribute_certificates_says_nothing_about_certificates() {
    let site = Site::new();
    let scope = ScopeSpec {
        only_attributes: true,
        ..ScopeSpec::default()
    };
    site.put_list("ca.crl", &site.list(1, 10).about(scope).revoke(&[1], None));
    let mut refresher = site.start(site.files(&["ca.crl"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater), (2, TryLater)]);
    assert!(problem(&refresher).contains("attribute certificates"));
}

#[test]
fn idp_05_a_list_of_some_reasons_revokes_and_cannot_prove_anything_good() {
    let site = Site::new();
    let scope = ScopeSpec::reasons(&[CrlReason::KeyCompromise, CrlReason::CaCompromise]);
    let reason = Some(CrlReason::KeyCompromise);
    site.put_list(
        "ca.crl",
        &site.list(1, 10).about(scope).revoke(&[1], reason),
    );
    let mut refresher = site.start(site.files(&["ca.crl"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, TryLater)]);
    assert_eq!(refresher.unproven(), Some(Unproven::SomeReasons));
}

#[test]
fn idp_05_lists_of_both_halves_of_the_reasons_prove_what_is_good() {
    use CrlReason::{
        AaCompromise, AffiliationChanged, CaCompromise, CertificateHold, CessationOfOperation,
        KeyCompromise, PrivilegeWithdrawn, Superseded,
    };
    let site = Site::new();
    let first = ScopeSpec::reasons(&[KeyCompromise, CaCompromise, AaCompromise]);
    let second = [
        AffiliationChanged,
        Superseded,
        CessationOfOperation,
        CertificateHold,
        PrivilegeWithdrawn,
    ];
    site.put_list(
        "a",
        &site
            .list(1, 10)
            .about(first)
            .revoke(&[1], Some(KeyCompromise)),
    );
    let all_but_one = ScopeSpec::reasons(&second[1..]);
    site.put_list(
        "b",
        &site
            .list(1, 10)
            .about(all_but_one)
            .revoke(&[2], Some(Superseded)),
    );
    let mut refresher = site.start(site.files(&["a", "b"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, TryLater)]);
    site.put_list(
        "b",
        &site
            .list(2, 5)
            .about(ScopeSpec::reasons(&second))
            .revoke(&[2], Some(Superseded)),
    );
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
}

#[test]
fn idp_07_a_scope_with_a_field_that_nobody_knows_is_refused() {
    let site = Site::new();
    let scope = ScopeSpec {
        unknown_field: true,
        ..ScopeSpec::default()
    };
    site.put_list("ca.crl", &site.list(1, 10).about(scope).revoke(&[1], None));
    let mut refresher = site.start(site.files(&["ca.crl"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater), (2, TryLater)]);
    assert!(
        problem(&refresher).contains("not understood"),
        "{}",
        problem(&refresher)
    );
}

#[test]
fn what_is_revoked_is_as_new_as_its_list_and_what_is_not_as_the_oldest_part() {
    let site = Site::new();
    let minutes_ago = |minutes: i64| site.now.plus_seconds(-60 * minutes);
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}"));
    let mut refresher = site.start(site.files(&["1", "2"]));
    site.put_list("1", &site.list(1, 10).about(part("1")).revoke(&[1], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (3, TryLater)]);
    assert_eq!(known_since(&refresher, 1), minutes_ago(10));

    // An older part comes: nothing was called good before it did, and nothing revoked is known less well for it.
    site.put_list("2", &site.list(1, 60).about(part("2")).revoke(&[2], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
    for (serial, minutes) in [(1, 10), (2, 60), (3, 60)] {
        assert_eq!(known_since(&refresher, serial), minutes_ago(minutes));
    }
}

#[test]
fn an_older_part_beside_a_list_of_all_certificates_takes_no_thisupdate_back() {
    let site = Site::new();
    let minutes_ago = |minutes: i64| site.now.plus_seconds(-60 * minutes);
    let mut refresher = site.start(site.files(&["all", "part"]));
    site.put_list("all", &site.list(1, 10).revoke(&[1], None));
    refresher.refresh(site.now);
    let part = ScopeSpec::part("http://crl.example/1.crl");
    let list = site.list(1, 60).about(part);
    site.put_list("part", &list.revoke(&[1], None).revoke(&[2], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
    for (serial, minutes) in [(1, 10), (2, 60), (3, 10)] {
        assert_eq!(known_since(&refresher, serial), minutes_ago(minutes));
    }
}

#[test]
fn a_part_that_the_operator_adds_is_needed_from_then_on_and_thisupdate_is_its_own_if_it_is_older() {
    let site = Site::new();
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}"));
    site.put_list("1", &site.list(1, 10).about(part("1")).revoke(&[1], None));
    site.put_list("2", &site.list(1, 60).about(part("2")).revoke(&[2], None));
    let mut before = site.start(site.files(&["1"]));
    before.refresh(site.now);
    assert_eq!(known_since(&before, 3), site.now.plus_seconds(-600));
    let mut after = site.start(site.files(&["1", "2"]));
    after.carry_over(&before);
    after.refresh(site.now);
    assert_says(&after, &[(1, Revoked), (2, Revoked), (3, Good)]);
    assert_eq!(known_since(&after, 1), site.now.plus_seconds(-600));
    assert_eq!(known_since(&after, 3), site.now.plus_seconds(-3600));
}

#[test]
fn what_a_newer_part_or_an_overlay_takes_back_is_good_as_of_the_oldest_part_and_no_later() {
    let site = Site::new();
    let minutes_ago = |minutes: i64| site.now.plus_seconds(-60 * minutes);
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}"));
    let on_hold = Some(CrlReason::CertificateHold);
    let mut sources = site.files(&["1", "2"]);
    sources.sources.push(site.overlay("overlay"));
    site.put("overlay", "05\n");
    site.put_list("1", &site.list(1, 60).about(part("1")));
    let list = site.list(1, 10).about(part("2"));
    site.put_list("2", &list.revoke(&[2], on_hold).revoke(&[3], None));
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Revoked), (3, Revoked), (5, Revoked)]);
    for serial in [2, 3, 5] {
        assert_eq!(known_since(&refresher, serial), minutes_ago(10));
    }

    // The first shard might name them by now: that it does not is known as of an hour ago.
    site.put("overlay", "");
    site.put_list("2", &site.list(2, 5).about(part("2")));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Good), (3, Good), (5, Good)]);
    for serial in [2, 3, 5] {
        assert_eq!(known_since(&refresher, serial), minutes_ago(60));
    }

    // Once every part is as new, so is what rests on them.
    site.put_list("1", &site.list(2, 5).about(part("1")));
    refresher.refresh(site.now);
    assert_eq!(known_since(&refresher, 2), minutes_ago(5));
}

#[test]
fn what_an_overlay_or_an_index_revokes_is_as_new_as_the_newest_list_when_an_older_part_comes() {
    let site = Site::new();
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}"));
    let mut sources = site.files(&["1", "2"]);
    let issued = site.issued("index.txt");
    let beside = [site.overlay("overlay"), StatusSource::Issued(issued)];
    sources.sources.extend(beside);
    site.put("overlay", "05\n");
    let line = "R\t490101000000Z\t260101000000Z\t06\tunknown\t/CN=www\n";
    site.put("index.txt", line);
    site.put_list("1", &site.list(1, 10).about(part("1")));
    let mut refresher = site.start(sources);
    for minutes in [60, 30] {
        refresher.refresh(site.now);
        assert_says(&refresher, &[(5, Revoked), (6, Revoked)]);
        for serial in [5, 6] {
            assert_eq!(known_since(&refresher, serial), site.now.plus_seconds(-600));
        }
        site.put_list("2", &site.list(1, minutes).about(part("2")));
    }
}
