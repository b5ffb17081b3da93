//! A directory of lists: every one in it that fits the issuer, whatever else lies there.

use std::os::unix::fs::symlink;
use std::sync::mpsc::channel;

use ocspry_source::{ListSource, Progress, Refresher, Sources, StatusSource};
use ocspry_testkit::{Authority, CrlSpec, KeyKind, ScopeSpec, forge};

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{Site, assert_says, gap, in_use, owned, problem, problems};

/// The directory `crls`, which is made.
fn directory(site: &Site) -> Sources {
    std::fs::create_dir_all(site.path("crls")).unwrap();
    site.sources(vec![StatusSource::Lists(ListSource::Directory(
        site.path("crls"),
    ))])
}

#[test]
fn lists_of_others_certificates_junk_hidden_files_and_directories_are_passed_over() {
    let site = Site::new();
    let sources = directory(&site);
    let other = Authority::root("Other CA", KeyKind::P256);
    site.put_list("crls/ca.crl", &site.list(1, 10).revoke(&[1], None));
    site.put(
        "crls/other.crl",
        other.crl(&site.list(9, 5).revoke(&[2], None)),
    );
    site.put("crls/ca.pem", site.ca.certificate_pem());
    site.put("crls/ca.der", &site.ca.certificate);
    site.put("crls/README", "Lists of the Example CA.\n");
    site.put_list("crls/.hidden.crl", &site.list(9, 5).revoke(&[3], None));
    std::fs::create_dir(site.path("crls/old")).unwrap();
    site.put_list("crls/old/ca.crl", &site.list(9, 5).revoke(&[4], None));
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good), (4, Good)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn a_list_of_the_issuer_that_is_no_good_is_said_though_the_others_count() {
    let site = Site::new();
    let sources = directory(&site);
    site.put_list("crls/a.crl", &site.list(1, 10).revoke(&[1], None));
    site.put("crls/b.crl", forge(&site.ca.crl(&site.list(2, 5))));
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    assert!(
        problem(&refresher).contains("signature"),
        "{}",
        problem(&refresher)
    );
}

#[test]
fn lists_that_are_not_about_the_issuers_certificates_are_passed_over() {
    let site = Site::new();
    let crl_issuer = site.ca.intermediate("CRL issuer", KeyKind::P256);
    let sources = Sources {
        crl_issuers: vec![owned(&crl_issuer)],
        ..directory(&site)
    };
    let attributes = ScopeSpec {
        only_attributes: true,
        ..ScopeSpec::default()
    };
    site.put_list("crls/ca.crl", &site.list(1, 10).revoke(&[1], None));
    site.put_list(
        "crls/attributes.crl",
        &site.list(1, 10).about(attributes).revoke(&[2], None),
    );
    // The CRL issuer has certificates of its own.
    site.put(
        "crls/crl-issuer.crl",
        crl_issuer.crl(&site.list(1, 10).revoke(&[3], None)),
    );
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn all_lists_that_fit_are_added_up_and_of_one_scope_the_newest_counts() {
    let site = Site::new();
    let sources = directory(&site);
    site.put_list(
        "crls/1.crl",
        &site.list(1, 20).revoke(&[1], None).revoke(&[2], None),
    );
    site.put_list("crls/2.crl", &site.list(2, 10).revoke(&[1], None));
    site.put_list(
        "crls/2-delta.crl",
        &site.list(3, 5).over(2).revoke(&[3], None),
    );
    site.put_list(
        "crls/cas.crl",
        &site
            .list(1, 5)
            .about(ScopeSpec::authorities())
            .revoke(&[4], None),
    );
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(
        &refresher,
        &[
            (1, Revoked),
            (2, Good),
            (3, Revoked),
            (4, Revoked),
            (5, Good),
        ],
    );
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn a_directory_whose_files_are_swapped_by_one_symlink_is_followed() {
    let site = Site::new();
    let sources = directory(&site);
    let version = |name: &str, serial: u8, number: u64, minutes_ago: i64| {
        std::fs::create_dir(site.path(&format!("crls/{name}"))).unwrap();
        let list = site.list(number, minutes_ago).revoke(&[serial], None);
        site.put_list(&format!("crls/{name}/ca.crl"), &list);
    };
    version("..2026_01", 1, 1, 10);
    symlink("..2026_01", site.path("crls/..data")).unwrap();
    symlink("..data/ca.crl", site.path("crls/ca.crl")).unwrap();
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);

    version("..2026_02", 2, 2, 5);
    symlink("..2026_02", site.path("crls/..data_tmp")).unwrap();
    std::fs::rename(site.path("crls/..data_tmp"), site.path("crls/..data")).unwrap();
    std::fs::remove_dir_all(site.path("crls/..2026_01")).unwrap();
    refresher.refresh(site.now.plus_seconds(60));
    assert_says(&refresher, &[(1, Good), (2, Revoked)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn a_directory_that_is_gone_changes_nothing_and_is_said() {
    let site = Site::new();
    let sources = directory(&site);
    site.put_list("crls/ca.crl", &site.list(1, 10).revoke(&[1], None));
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    std::fs::remove_dir_all(site.path("crls")).unwrap();
    refresher.refresh(site.now.plus_seconds(60));
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    assert!(problem(&refresher).contains("No such file"));
}

#[test]
fn of_two_lists_from_the_future_each_takes_over_in_its_time() {
    let site = Site::new();
    let sources = directory(&site);
    site.put_list("crls/1.crl", &site.list(1, 10).revoke(&[1], None));
    site.put_list("crls/2.crl", &site.list(2, -10).revoke(&[2], None));
    site.put_list("crls/3.crl", &site.list(3, -20).revoke(&[3], None));
    let mut refresher = site.start(sources);
    let at = |minutes: i64| site.now.plus_seconds(minutes * 60);
    refresher.refresh(at(1));
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good)]);
    assert_eq!(refresher.waiting_until(), Some(at(10)));
    refresher.refresh(at(10));
    assert_says(&refresher, &[(1, Good), (2, Revoked), (3, Good)]);
    refresher.refresh(at(15));
    refresher.refresh(at(20));
    assert_says(&refresher, &[(1, Good), (2, Good), (3, Revoked)]);
}

#[test]
fn a_list_from_the_future_or_a_delta_without_its_base_that_is_removed_waits_no_more() {
    let site = Site::new();
    let mut sources = directory(&site);
    sources.sources.extend(site.files(&["next.crl"]).sources);
    let at = |minutes: i64| site.now.plus_seconds(minutes * 60);
    site.put_list("crls/1.crl", &site.list(10, 10).revoke(&[1], None));
    site.put_list("crls/delta.crl", &site.list(12, 5).over(11));
    site.put_list("crls/2.crl", &site.list(20, -10).revoke(&[2], None));
    site.put_list("next.crl", &site.list(20, -20).revoke(&[3], None));
    let mut refresher = site.start(sources);
    let reports = refresher.refresh(at(1));
    assert!(gap(&reports).is_some(), "{reports:?}");
    assert_eq!(refresher.waiting_until(), Some(at(10)));

    site.remove("crls/2.crl");
    site.remove("crls/delta.crl");
    refresher.refresh(at(2));
    // Of several that wait the first is known, and then the next.
    assert_eq!(refresher.waiting_until(), Some(at(20)));
    site.put_list("crls/1.crl", &site.list(11, -2).revoke(&[1], None));
    let reports = refresher.refresh(at(3));
    assert_eq!(in_use(&reports).len(), 1, "the delta is gone: {reports:?}");
    site.remove("next.crl");
    refresher.refresh(at(4));
    assert_eq!(refresher.waiting_until(), None);
    for minutes in [10, 20] {
        refresher.refresh(at(minutes));
        assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good)]);
    }
}

#[test]
fn a_list_from_the_future_that_is_renamed_or_whose_directory_cannot_be_read_waits_on() {
    let site = Site::new();
    let sources = directory(&site);
    let at = |minutes: i64| site.now.plus_seconds(minutes * 60);
    site.put_list("crls/1.crl", &site.list(1, 10).revoke(&[1], None));
    site.put_list("crls/2.crl", &site.list(2, -10).revoke(&[2], None));
    let mut refresher = site.start(sources);
    refresher.refresh(at(1));
    std::fs::rename(site.path("crls/2.crl"), site.path("crls/3.crl")).unwrap();
    refresher.refresh(at(2));
    assert_eq!(refresher.waiting_until(), Some(at(10)));
    std::fs::rename(site.path("crls"), site.path("away")).unwrap();
    refresher.refresh(at(3));
    assert_eq!(refresher.waiting_until(), Some(at(10)));
    refresher.refresh(at(10));
    assert_says(&refresher, &[(1, Good), (2, Revoked)]);
}

#[test]
fn a_file_is_read_once_though_another_that_waited_has_gone() {
    let site = Site::new();
    let mut refresher = site.start(directory(&site));
    let (told, heard) = channel();
    refresher.show_loads(Some(Box::new(move |path, progress| {
        if progress == Progress::Done {
            told.send(path.to_owned()).unwrap();
        }
    })));
    site.put_list("crls/waits", &site.list(1, -10));
    refresher.refresh(site.now);
    assert!(refresher.waiting_until().is_some());
    assert_eq!(heard.try_iter().count(), 1);
    site.remove("crls/waits");
    site.put_list("crls/another", &site.list(1, 10).revoke(&[1], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    let read: Vec<_> = heard.try_iter().collect();
    assert_eq!(read, [site.path("crls/another")]);
}

/// A list that another key of the same name signed, which it calls so.
fn by_another_key(site: &Site, key_id: &[u8]) -> Vec<u8> {
    let other = Authority::root("Example CA", KeyKind::P256);
    let part = ScopeSpec::part("http://crl.example/other.crl");
    let list = CrlSpec {
        authority_key_id: Some(key_id.to_vec()),
        ..site.list(1, 10).about(part)
    };
    other.crl(&list.revoke(&[7], None))
}

/// A directory with a part of the certificates, which is signed as it should be, and that list.
fn with_part(site: &Site, other: &[u8]) -> Refresher {
    let sources = directory(site);
    let part = ScopeSpec::part("http://crl.example/own.crl");
    let own = site.list(1, 10).about(part).revoke(&[1], None);
    site.put_list("crls/own", &own);
    site.put("crls/other", other);
    site.start(sources)
}

#[test]
fn a_list_of_another_key_of_the_ca_is_somebody_elses() {
    let site = Site::new();
    let mut refresher = with_part(&site, &by_another_key(&site, b"another key"));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (7, Good), (9, Good)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn a_list_that_is_badly_signed_is_missing_where_it_names_a_key_that_is_configured() {
    for is_as_in_lists in [true, false] {
        let site = Site::new();
        let certificate = owned(&site.ca);
        let key_id = match is_as_in_lists {
            // As the lists call it that the key did sign, whatever its certificate says.
            true => site.list(1, 1).authority_key_id.unwrap(),
            false => certificate.view().subject_key_id.unwrap().to_vec(),
        };
        let mut refresher = with_part(&site, &by_another_key(&site, &key_id));
        refresher.refresh(site.now);
        assert_says(&refresher, &[(1, Revoked), (7, TryLater), (9, TryLater)]);
        assert!(problem(&refresher).contains("signature"));
    }
}

#[test]
fn where_the_newest_of_many_lists_is_held_the_best_of_the_others_is_used() {
    let site = Site::new();
    let sources = directory(&site);
    let list = |number, minutes_ago, serial| site.list(number, minutes_ago).revoke(&[serial], None);
    site.put_list("crls/a", &list(20, 60, 1));
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    // Two that began to count anew, and two that go on; oldest first, and newest first.
    for (name, made) in [
        ("b", list(21, 50, 2)),
        ("c", list(22, 40, 3)),
        ("d", list(1, 30, 4)),
        ("e", list(2, 20, 5)),
    ] {
        site.put_list(&format!("crls/{name}"), &made);
    }
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good), (2, Good), (3, Revoked), (5, Good)]);
}
