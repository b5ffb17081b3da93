//! What is wrong with a list that was fetched is said of its URL: the operator has never heard of the file that it lies in.

use ocspry_source::{FreshestCrl, ListSource};
use ocspry_testkit::{Authority, KeyKind, ScopeSpec};

use crate::publisher::{Follower, Publisher};

const LIST: &str = "/ca.crl";

#[test]
fn what_is_wrong_with_a_fetched_list_is_said_of_its_url_and_once_however_often_it_is_fetched() {
    let publisher = Publisher::new();
    publisher.publish(LIST, &publisher.list(5, 10));
    let mut follower = publisher.follow(publisher.crl_url(LIST));
    follower.until(publisher.now, |follower| follower.is_good(1));

    let other = Authority::root("Other CA", KeyKind::P256);
    let list = publisher.ca.crl(&publisher.list(6, 5));
    // Its version is no INTEGER any more.
    let mut damaged = list.clone();
    let version = list.windows(3).position(|octets| octets == [2, 1, 1]);
    damaged[version.unwrap()] = 0x0c;
    let bad: [(Vec<u8>, &str); 6] = [
        (Vec::new(), "is empty"),
        (b"<html>".to_vec(), "is a web page"),
        (list[..list.len() - 5].to_vec(), "is cut off"),
        (damaged, "openssl crl -noout -text"),
        (other.crl(&publisher.list(6, 5)), "was issued by"),
        (publisher.ca.crl(&publisher.list(4, 20)), "its thisUpdate"),
    ];
    for (octets, problem) in bad {
        publisher.web.put(LIST, octets);
        follower.until_after_fetch(publisher.now, |follower| follower.has_problem(problem));
        let problems = follower.problems();
        let begin = format!("CRL {}: ", publisher.web.url(LIST));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&begin), "{problems:?}");
        let file = format!("{}/", publisher.directory.path().display());
        let without_hint = problems[0].split("`ocspry state reset").next();
        assert!(!without_hint.unwrap().contains(&file), "{problems:?}");

        let told = follower.reports.len();
        follower.after_one_more_fetch(publisher.now);
        assert_eq!(follower.problems(), problems);
        assert_eq!(follower.reports.len(), told, "{:?}", follower.reports);
    }
}

#[test]
fn a_fetched_list_that_is_the_last_good_copy_and_no_more_the_newest_is_called_by_both_names() {
    let publisher = Publisher::new();
    publisher.publish(LIST, &publisher.list(5, 10));
    let mut follower = publisher.follow(publisher.crl_url(LIST));
    follower.until(publisher.now, |follower| follower.is_good(1));
    drop(follower);

    // As after a run whose disk had room for the marks of a newer list, but not for that.
    let issuers = publisher.directory.path().join("state/issuers");
    let folder = std::fs::read_dir(issuers).unwrap().next().unwrap();
    let folder = folder.unwrap().path();
    let marks = std::fs::read_to_string(folder.join("marks.json")).unwrap();
    let mut marks: serde_json::Value = serde_json::from_str(&marks).unwrap();
    let newer = publisher.now.to_generalized();
    marks["this-update"] = String::from_utf8_lossy(&newer).into();
    marks["sha256"] = "00".repeat(32).into();
    std::fs::write(folder.join("marks.json"), marks.to_string()).unwrap();

    let mut follower = publisher.follow(publisher.crl_url(LIST));
    let url = format!("CRL {}: its thisUpdate", publisher.web.url(LIST));
    follower.until(publisher.now, |follower| follower.has_problem(&url));
    let copy = folder.join("last-good.crl");
    let copy = format!("CRL {}: its thisUpdate", copy.display());
    let problems = follower.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for name in [url, copy] {
        assert!(follower.has_problem(&name), "{problems:?}");
    }
}

#[test]
fn an_older_list_of_a_scope_that_was_left_is_called_by_its_url() {
    const MIRROR: &str = "/mirror.crl";
    let publisher = Publisher::new();
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}.crl"));
    let soon = publisher.now.plus_seconds(3600);
    publisher.publish(LIST, &publisher.list(11, 20).about(part("1")).until(soon));
    publisher.publish(MIRROR, &publisher.list(10, 30).about(part("1")));
    let sources = [LIST, MIRROR].map(|path| ListSource::Url(publisher.crl_url(path)));
    let mut follower = publisher.follow_sources(sources.to_vec(), FreshestCrl::Ignored);
    follower.until(publisher.now, |follower| follower.is_good(1));
    let other = publisher.list(1, 10).about(part("2")).revoke(&[2], None);
    publisher.publish(LIST, &other);
    follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(2));
    follower.look(soon);
    let url = format!("CRL {}: its thisUpdate", publisher.web.url(MIRROR));
    assert!(follower.has_problem(&url), "{:?}", follower.problems());
}

#[test]
fn a_place_that_still_has_an_older_list_of_a_scope_that_was_left_is_named_though_nothing_was_fetched_there()
 {
    const MIRROR: &str = "/mirror.crl";
    let publisher = Publisher::new();
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}.crl"));
    publisher.publish(MIRROR, &publisher.list(10, 30).about(part("1")));
    let sources = [LIST, MIRROR].map(|path| ListSource::Url(publisher.crl_url(path)));
    let follow = || publisher.follow_sources(sources.to_vec(), FreshestCrl::Ignored);
    let in_use = |follower: &Follower| follower.refresher.lists().count() == 1;
    let mut follower = follow();
    follower.until(publisher.now, in_use);
    follower.look(publisher.now);
    drop(follower);

    let mut follower = follow();
    follower.until(publisher.now, |follower| !follower.refresher.is_pending());
    assert_eq!(publisher.web.asked(MIRROR), [false, true]);
    let soon = publisher.now.plus_seconds(3600);
    publisher.publish(LIST, &publisher.list(11, 20).about(part("1")).until(soon));
    follower.until_after_fetch(publisher.now, |follower| follower.end() == soon);
    let other = publisher.list(1, 10).about(part("2")).revoke(&[2], None);
    publisher.publish(LIST, &other);
    follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(2));
    assert_eq!(follower.problems(), [""; 0]);
    follower.look(soon);
    assert!(follower.refresher.unproven().is_some());
    let url = format!("CRL {}: ", publisher.web.url(MIRROR));
    assert!(follower.has_problem(&url), "{:?}", follower.problems());
}
