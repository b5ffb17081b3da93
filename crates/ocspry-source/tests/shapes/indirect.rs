//! Lists with entries of several issuers, and lists that somebody else signs (RFC 5280 §5.3.3, §6.3.3 (b)).

use std::path::PathBuf;

use ocspry_source::{Guard, ListSource, Refresher, Sources, StatusSource};
use ocspry_testkit::{Authority, KeyKind, ScopeSpec};

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{
    Site, assert_says, end, gap, in_use, known_since, left, owned, problem, problems,
};

fn with_crl_issuer(sources: Sources, crl_issuer: &Authority) -> Sources {
    Sources {
        crl_issuers: vec![owned(crl_issuer)],
        ..sources
    }
}

#[test]
fn idp_06_in_an_indirect_list_the_named_issuer_holds_on_and_entries_of_others_are_not_ours() {
    let site = Site::new();
    let other = Authority::root("Other CA", KeyKind::P256);
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke(&[1], None)
        .revoke_of(&other.name, &[2])
        .revoke(&[3], None)
        .revoke_of(&site.ca.name, &[4])
        .revoke(&[5], None);
    site.put_list("ca.crl", &list);
    let mut refresher = site.start(site.files(&["ca.crl"]));
    let reports = refresher.refresh(site.now);
    assert_says(
        &refresher,
        &[
            (1, Revoked),
            (2, Good),
            (3, Good),
            (4, Revoked),
            (5, Revoked),
        ],
    );
    let facts = &in_use(&reports)[0].list.facts;
    assert_eq!((facts.entry_count, facts.foreign_count), (3, 2));
}

#[test]
fn idp_06_the_name_of_the_ca_in_another_spelling_is_that_of_the_ca() {
    let site = Site::new();
    let other = Authority::root("Other CA", KeyKind::P256);
    let respelled = |name: &[u8]| {
        let mut name = name.to_vec();
        let at = name
            .windows(2)
            .rposition(|pair| pair == [0x0c, 10])
            .unwrap();
        name[at] = 0x13;
        name[at + 2..].make_ascii_uppercase();
        name
    };
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke_of(&respelled(&site.ca.name), &[1])
        .revoke(&[2], None)
        .revoke_of(&other.name, &[3])
        .revoke_of(&respelled(&site.ca.name), &[4])
        .revoke_of(&site.ca.name, &[5]);
    site.put_list("ca.crl", &list);
    let mut refresher = site.start(site.files(&["ca.crl"]));
    let reports = refresher.refresh(site.now);
    let expected = [
        (1, Revoked),
        (2, Revoked),
        (3, Good),
        (4, Revoked),
        (5, Revoked),
    ];
    assert_says(&refresher, &expected);
    let facts = &in_use(&reports)[0].list.facts;
    assert_eq!(facts.foreign_count, 1);
    let defects: Vec<_> = facts.defects.found().collect();
    assert!(
        defects.contains(&("certificateIssuer spelled otherwise", 3)),
        "{defects:?}"
    );
}

#[test]
fn idp_06_idp_09_before_the_first_name_the_entries_are_those_of_whoever_issued_the_list() {
    let site = Site::new();
    let crl_issuer = Authority::root("CRL issuer", KeyKind::P256);
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke(&[1], None)
        .revoke_of(&site.ca.name, &[2])
        .revoke(&[3], None);
    site.put("indirect.crl", crl_issuer.crl(&list));
    let sources = with_crl_issuer(site.files(&["indirect.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good), (2, Revoked), (3, Revoked)]);
}

#[test]
fn idp_09_another_crl_issuer_counts_when_it_is_configured_and_not_otherwise() {
    let site = Site::new();
    let crl_issuer = site.ca.intermediate("CRL issuer", KeyKind::P256);
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke_of(&site.ca.name, &[1]);
    site.put("indirect.crl", crl_issuer.crl(&list));
    let mut refresher = site.start(site.files(&["indirect.crl"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater)]);
    assert!(
        problem(&refresher).contains("CRL issuer"),
        "{}",
        problem(&refresher)
    );

    let sources = with_crl_issuer(site.files(&["indirect.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
}

#[test]
fn idp_09_a_list_of_another_crl_issuer_that_is_not_indirect_is_about_its_own_certificates() {
    let site = Site::new();
    let crl_issuer = site.ca.intermediate("CRL issuer", KeyKind::P256);
    site.put(
        "ca.crl",
        crl_issuer.crl(&site.list(1, 10).revoke(&[1], None)),
    );
    let sources = with_crl_issuer(site.files(&["ca.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater), (2, TryLater)]);
    assert!(
        problem(&refresher).contains("indirect"),
        "{}",
        problem(&refresher)
    );
}

#[test]
fn idp_09_the_lists_of_the_issuer_and_of_another_crl_issuer_are_added_up() {
    let site = Site::new();
    let crl_issuer = site.ca.intermediate("CRL issuer", KeyKind::P256);
    let indirect = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke_of(&site.ca.name, &[1]);
    site.put("indirect.crl", crl_issuer.crl(&indirect));
    site.put_list("ca.crl", &site.list(1, 5).revoke(&[2], None));
    let sources = with_crl_issuer(site.files(&["ca.crl", "indirect.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
}

#[test]
fn a_ca_with_a_new_key_signs_the_lists_of_the_old_one_when_that_key_is_configured() {
    let site = Site::new();
    let new_key = Authority::root("Example CA", KeyKind::P256);
    site.put_list("ca.crl", &site.list(1, 10).revoke(&[1], None));
    let sources = with_crl_issuer(site.files(&["ca.crl"]), &new_key);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    site.put(
        "ca.crl",
        new_key.crl(&site.list(2, 5).revoke(&[1], None).revoke(&[2], None)),
    );
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);

    let mut unconfigured = site.start(site.files(&["ca.crl"]));
    unconfigured.refresh(site.now);
    assert_says(&unconfigured, &[(1, TryLater)]);
    assert!(
        problem(&unconfigured).contains("signature"),
        "{}",
        problem(&unconfigured)
    );
}

/// The same CA with another key, whose list revokes 7, beside an older one of its own key that revokes 1.
fn site_with_two_keys() -> (Site, Authority) {
    let site = Site::new();
    let new_key = Authority::root("Example CA", KeyKind::P256);
    site.put_list("old.crl", &site.list(1, 70).revoke(&[1], None));
    site.put("new.crl", new_key.crl(&site.list(2, 10).revoke(&[7], None)));
    (site, new_key)
}

#[test]
fn the_lists_of_two_keys_of_one_ca_are_added_up() {
    for names in [["old.crl", "new.crl"], ["new.crl", "old.crl"]] {
        let (site, new_key) = site_with_two_keys();
        let sources = with_crl_issuer(site.files(&names), &new_key);
        let mut running = site.restart(sources.clone());
        running.refresh(site.now);
        let mut restarted = site.restart(sources.clone());
        restarted.refresh(site.now);
        site.remove("old.crl");
        site.remove("new.crl");
        let mut without_files = site.restart(sources.clone());
        without_files.refresh(site.now);
        for refresher in [&running, &restarted, &without_files] {
            assert_says(refresher, &[(1, Revoked), (7, Revoked), (9, Good)]);
        }
        assert_eq!(problems(&running), [""; 0]);

        // Each goes on by itself, whatever the numbers and times of the other.
        site.put_list("old.crl", &site.list(2, 60).revoke(&[2], None));
        site.put("new.crl", new_key.crl(&site.list(3, 5).revoke(&[8], None)));
        running.refresh(site.now.plus_seconds(60));
        assert_says(
            &running,
            &[(1, Good), (2, Revoked), (7, Good), (8, Revoked)],
        );
    }
}

#[test]
fn what_is_kept_of_the_own_key_stays_where_it_was() {
    let (site, new_key) = site_with_two_keys();
    site.restart(site.files(&["old.crl"])).refresh(site.now);
    let sources = with_crl_issuer(site.files(&["old.crl", "new.crl"]), &new_key);
    site.remove("old.crl");
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    assert_says(&restarted, &[(1, Revoked), (7, Revoked)]);
}

#[test]
fn another_certificate_of_the_same_key_signs_the_same_series() {
    let site = Site::new();
    site.put_list("a.crl", &site.list(1, 20).revoke(&[1], None));
    site.put_list("b.crl", &site.list(2, 10).revoke(&[2], None));
    let sources = with_crl_issuer(site.files(&["a.crl", "b.crl"]), &site.ca);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good), (2, Revoked)]);
}

#[test]
fn a_delta_is_laid_over_a_list_of_its_own_key_only() {
    let (site, new_key) = site_with_two_keys();
    let delta = site.list(5, 5).over(1).revoke(&[3], None);
    site.put("delta.crl", new_key.crl(&delta));
    let names = ["old.crl", "delta.crl"];
    let sources = with_crl_issuer(site.files(&names), &new_key);
    let mut refresher = site.start(sources);
    let reports = refresher.refresh(site.now);
    assert!(gap(&reports).is_some(), "{reports:?}");
    assert_says(&refresher, &[(1, Revoked), (3, Good)]);
    site.put("old.crl", new_key.crl(&site.list(4, 6).revoke(&[1], None)));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (3, Revoked)]);
}

#[test]
fn what_a_place_revoked_under_the_key_before_is_held_when_it_moves_on_to_another() {
    let site = Site::new();
    let new_key = Authority::root("Example CA", KeyKind::P256);
    let full = (1..=20).fold(site.list(9, 20), |list, serial| {
        list.revoke(&[serial], None)
    });
    site.put_list("ca.crl", &full);
    let sources = Sources {
        guard: Guard::Refuse,
        ..with_crl_issuer(site.files(&["ca.crl"]), &new_key)
    };
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    site.put("ca.crl", new_key.crl(&site.list(1, 10).revoke(&[30], None)));
    let gone = left(&refresher.refresh(site.now));
    assert_eq!((gone[0].count, gone[0].is_held), (20, true));
    assert_says(&refresher, &[(1, Revoked), (30, Revoked), (40, Good)]);
}

/// Nothing of the old key is renewed any more.
fn site_with_an_old_key() -> (Site, Authority, Sources) {
    let (site, new_key) = site_with_two_keys();
    std::fs::create_dir(site.path("lists")).unwrap();
    std::fs::rename(site.path("new.crl"), site.path("lists/new.crl")).unwrap();
    let soon = site.now.plus_seconds(3600);
    let old = (1..=20).fold(site.list(1, 70).until(soon), |list, serial| {
        list.revoke(&[serial], None)
    });
    site.put_list("lists/old.crl", &old);
    let lists = StatusSource::Lists(ListSource::Directory(site.path("lists")));
    let sources = Sources {
        guard: Guard::Refuse,
        ..with_crl_issuer(site.sources(vec![lists]), &new_key)
    };
    (site, new_key, sources)
}

#[test]
fn the_last_list_of_a_key_ends_no_answers_while_a_newer_one_of_another_is_there() {
    let (site, _, sources) = site_with_an_old_key();
    let soon = site.now.plus_seconds(3600);
    let mut running = site.restart(sources);
    running.refresh(site.now);
    assert_says(&running, &[(1, Revoked), (7, Revoked), (40, Good)]);
    assert_eq!(end(&running), soon);
    let gone_at = |refresher: &mut Refresher, minutes: i64| {
        let reports = refresher.refresh(soon.plus_seconds(60 * minutes));
        let gone = left(&reports);
        gone.iter().map(|gone| gone.count).collect::<Vec<usize>>()
    };
    // 7 is in both.
    assert_eq!(gone_at(&mut running, 0), [19]);
    assert_says(&running, &[(1, Revoked), (7, Revoked), (40, Good)]);
    assert!(end(&running) > soon);
    running.accept_held(soon.plus_seconds(60));
    for minutes in 2..4 {
        assert_eq!(gone_at(&mut running, minutes), [0; 0]);
        assert_says(&running, &[(1, Good), (7, Revoked), (40, Good)]);
        assert_eq!(problems(&running), [""; 0]);
    }
}

#[test]
fn a_list_of_another_key_that_has_ended_long_ago_is_passed_over() {
    let (site, _, sources) = site_with_an_old_key();
    let later = site.now.plus_seconds(7200);
    let mut refresher = site.start(sources);
    let reports = refresher.refresh(later);
    assert_eq!(in_use(&reports).len(), 1);
    assert_says(&refresher, &[(1, Good), (7, Revoked), (40, Good)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

/// The folder of the issuer in the state directory.
fn issuer_folder(site: &Site) -> PathBuf {
    let mut issuers = std::fs::read_dir(site.path("state/issuers")).unwrap();
    issuers.next().unwrap().unwrap().path()
}

#[test]
fn while_the_list_of_one_key_was_never_there_that_of_another_proves_nothing() {
    for missing in ["old.crl", "new.crl"] {
        let (site, new_key) = site_with_two_keys();
        let list = std::fs::read(site.path(missing)).unwrap();
        site.remove(missing);
        let sources = with_crl_issuer(site.files(&["old.crl", "new.crl"]), &new_key);
        let mut refresher = site.restart(sources);
        refresher.refresh(site.now);
        let (there, absent) = match missing {
            "old.crl" => (7, 1),
            _ => (1, 7),
        };
        assert_says(&refresher, &[(there, Revoked), (absent, TryLater)]);
        site.put(missing, list);
        refresher.refresh(site.now);
        assert_says(&refresher, &[(1, Revoked), (7, Revoked), (9, Good)]);
    }
}

#[test]
fn while_the_list_of_the_issuer_was_never_there_that_of_another_crl_issuer_proves_nothing() {
    let site = Site::new();
    let crl_issuer = Authority::root("CRL Issuer", KeyKind::P256);
    let indirect = site.list(1, 10).about(ScopeSpec::indirect());
    let indirect = indirect.revoke_of(&site.ca.name, &[7]);
    site.put("indirect.crl", crl_issuer.crl(&indirect));
    let sources = with_crl_issuer(site.files(&["own.crl", "indirect.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater), (7, Revoked)]);
    site.put_list("own.crl", &site.list(1, 20).revoke(&[1], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (7, Revoked), (9, Good)]);
}

#[test]
fn while_the_list_of_one_key_is_lost_that_of_another_proves_nothing() {
    let (site, new_key) = site_with_two_keys();
    std::fs::create_dir(site.path("lists")).unwrap();
    std::fs::rename(site.path("new.crl"), site.path("lists/new.crl")).unwrap();
    std::fs::rename(site.path("old.crl"), site.path("lists/old.crl")).unwrap();
    let lists = StatusSource::Lists(ListSource::Directory(site.path("lists")));
    let sources = with_crl_issuer(site.sources(vec![lists]), &new_key);
    site.restart(sources.clone()).refresh(site.now);
    site.remove("lists/old.crl");
    std::fs::remove_file(issuer_folder(&site).join("last-good.crl")).unwrap();
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    assert_says(&restarted, &[(1, TryLater), (7, Revoked)]);
}

#[test]
fn the_last_list_of_a_key_that_has_ended_and_is_gone_ends_no_answers() {
    let (site, new_key) = site_with_two_keys();
    let soon = site.now.plus_seconds(3600);
    site.put_list("old.crl", &site.list(1, 70).until(soon).revoke(&[1], None));
    let sources = with_crl_issuer(site.files(&["old.crl", "new.crl"]), &new_key);
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    site.remove("old.crl");
    running.refresh(soon);
    let mut restarted = site.restart(sources);
    for refresher in [&mut running, &mut restarted] {
        refresher.refresh(soon.plus_seconds(60));
        assert_says(refresher, &[(7, Revoked), (9, Good)]);
    }
}

#[test]
fn a_list_of_a_key_that_had_ended_by_a_clock_that_was_ahead_is_used_once_that_is_right() {
    for is_started_ahead in [true, false] {
        let (site, new_key) = site_with_two_keys();
        // Files that have not changed since are not read again.
        let at = |minutes: i64| site.now.plus_seconds(3600 + 60 * minutes);
        site.put_list(
            "old.crl",
            &site.list(1, 70).until(at(60)).revoke(&[1], None),
        );
        let sources = with_crl_issuer(site.files(&["old.crl", "new.crl"]), &new_key);
        let mut refresher = site.restart(sources);
        if !is_started_ahead {
            refresher.refresh(at(0));
        }
        refresher.refresh(at(120));
        assert_says(&refresher, &[(1, Good), (7, Revoked)]);
        refresher.refresh(at(1));
        assert_says(&refresher, &[(1, Revoked), (7, Revoked), (9, Good)]);
        assert_eq!(end(&refresher), at(60));
    }
}

#[test]
fn what_the_lists_of_two_keys_do_not_name_is_known_since_the_older_of_them() {
    let (site, new_key) = site_with_two_keys();
    let sources = with_crl_issuer(site.files(&["old.crl", "new.crl"]), &new_key);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    let since = |serial| known_since(&refresher, serial);
    assert_eq!(since(9), site.now.plus_seconds(-60 * 70));
    assert_eq!(since(7), site.now.plus_seconds(-60 * 10));
}

#[test]
fn a_reload_that_names_another_crl_issuer_judges_every_list_again() {
    let site = Site::new();
    let crl_issuer = Authority::root("CRL issuer", KeyKind::P256);
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke_of(&site.ca.name, &[2]);
    site.put("indirect.crl", crl_issuer.crl(&list));
    let without = || site.files(&["indirect.crl"]);

    let mut before = site.start(without());
    before.refresh(site.now);
    assert!(before.issuer().table().is_none());
    let mut named = site.start(with_crl_issuer(without(), &crl_issuer));
    named.carry_over(&before);
    named.refresh(site.now);
    assert_says(&named, &[(1, Good), (2, Revoked)]);

    let mut after = site.start(without());
    after.carry_over(&named);
    after.refresh(site.now);
    assert!(
        after.issuer().table().is_none(),
        "signed by nobody who may any more"
    );
}
