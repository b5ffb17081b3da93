//! freshestCRL: the deltas that a complete list names itself are fetched, within bounds, and never missed (RFC 5280 §5.2.6).

use std::collections::BTreeSet;
use std::net::TcpListener;

use ocspry_core::OwnedCertificate;
use ocspry_source::{CrlUrl, Event, FreshestCrl, ListSource, NamedDeltas};
use ocspry_testkit::{Authority, CrlSpec, KeyKind, ScopeSpec};

use crate::publisher::{Follower, Publisher, WebServer};

const BASE: &str = "/ca.crl";
const DELTA: &str = "/delta.crl";

/// A base of number 100 that revokes 1 and names a delta, which is not there yet.
fn published() -> Publisher {
    let publisher = Publisher::new();
    publisher.publish(BASE, &base(&publisher, 100, 60));
    publisher
}

fn base(publisher: &Publisher, number: u64, minutes_ago: i64) -> CrlSpec {
    let list = publisher.list(number, minutes_ago).revoke(&[1], None);
    list.with_deltas_at(&[&publisher.web.url(DELTA)])
}

fn delta(publisher: &Publisher, number: u64, over: u64, minutes_ago: i64) -> CrlSpec {
    let list = publisher.list(number, minutes_ago).over(over);
    list.revoke(&[2], None)
}

fn named(follower: &Follower) -> Vec<&NamedDeltas> {
    let events = follower.reports.iter().map(|report| &report.event);
    let named = events.filter_map(|event| match event {
        Event::Named(named) => Some(named),
        _ => None,
    });
    named.collect()
}

/// What was said of named deltas.
fn missing_news(follower: &Follower) -> Vec<String> {
    let events = follower.reports.iter().map(|report| &report.event);
    let missing = events.filter_map(|event| match event {
        Event::NewsMissing(error) => Some(error.to_string()),
        _ => None,
    });
    missing.collect()
}

fn is_refused(follower: &Follower) -> bool {
    let mut events = follower.reports.iter().map(|report| &report.event);
    events.any(|event| matches!(event, Event::Refused(_)))
}

#[test]
fn crl_25_a_delta_that_a_fetched_list_names_is_fetched_and_laid_over_it() {
    let publisher = published();
    publisher.publish(DELTA, &delta(&publisher, 105, 100, 10));
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.is_revoked(2));
    assert!(follower.is_revoked(1) && follower.is_good(3));
    assert_eq!(follower.problems(), [""; 0]);
    let urls = |named: &NamedDeltas| named.urls.iter().map(ToString::to_string).collect();
    let said: Vec<Vec<String>> = named(&follower).into_iter().map(urls).collect();
    assert_eq!(said, [vec![publisher.web.url(DELTA)]]);

    // The next one takes its place.
    let next = delta(&publisher, 106, 100, 5).revoke(&[3], None);
    publisher.publish(DELTA, &next);
    follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(3));
    // An older one does not.
    publisher.publish(DELTA, &delta(&publisher, 105, 100, 10));
    follower.until_after_fetch(publisher.now, |follower| {
        follower.has_problem("that of a list already used")
    });
    assert!(follower.is_revoked(3));
}

#[test]
fn crl_25_a_named_delta_that_builds_on_a_newer_list_has_that_fetched_at_once() {
    let publisher = published();
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.has_problem("404"));
    publisher.publish(BASE, &base(&publisher, 200, 20));
    publisher.publish(DELTA, &delta(&publisher, 205, 200, 10));
    // Only the delta is asked for: the base comes since the delta needs it.
    follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(2));
}

#[test]
fn crl_25_a_named_delta_that_is_not_there_takes_nothing_away() {
    let publisher = published();
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.is_revoked(1));
    assert!(!follower.refresher.is_pending() && follower.is_good(2));
    follower.until(publisher.now, |follower| follower.has_problem("404"));
    for _ in 0..3 {
        follower.look(publisher.now);
    }
    assert!(follower.is_revoked(1) && follower.is_good(2));
    assert_eq!(follower.end(), publisher.now.plus_seconds(86_400));
    assert!(!follower.refresher.is_pending());
    let said = missing_news(&follower);
    assert!(
        said.len() == 1 && said[0].contains(&publisher.web.url(DELTA)),
        "{said:?}"
    );
    assert!(!is_refused(&follower));
}

#[test]
fn crl_25_what_is_no_delta_of_this_list_is_refused_where_one_is_named_and_nothing_is_missed() {
    let other = Authority::root("Another CA", KeyKind::P256);
    let publisher = Publisher::new();
    // A part of the certificates: here a part that is missing would make all others unproven.
    let users = |list: CrlSpec| list.about(ScopeSpec::users());
    publisher.publish(BASE, &users(base(&publisher, 100, 60)));
    let complete = publisher.list(300, 1).revoke(&[2], None);
    let of_others = delta(&publisher, 105, 100, 10).about(ScopeSpec::authorities());
    for (octets, said) in [
        (
            publisher.ca.crl(&users(complete.clone())),
            "is a complete CRL",
        ),
        (publisher.ca.crl(&complete), "is a complete CRL"),
        (publisher.ca.crl(&of_others), "of another scope"),
        (other.crl(&delta(&publisher, 105, 100, 10)), "Another CA"),
        (b"<html>".to_vec(), ", not a CRL"),
    ] {
        publisher.web.put(DELTA, octets);
        let mut follower = publisher.follow(publisher.crl_url(BASE));
        follower.until(publisher.now, |follower| follower.has_problem(said));
        follower.look(publisher.now.plus_seconds(60));
        assert!(follower.is_revoked(1) && follower.is_good(2), "{said}");
        assert!(!is_refused(&follower), "{said}");
        assert_eq!(follower.refresher.lists().count(), 1);
    }
}

#[test]
fn crl_25_answers_end_with_a_named_delta_only_while_a_newer_one_may_come() {
    let publisher = published();
    let soon = publisher.now.plus_seconds(3600);
    publisher.publish(DELTA, &delta(&publisher, 105, 100, 10).until(soon));
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.is_revoked(2));
    assert_eq!(follower.end(), soon);

    // Nothing newer came: what it said stays, for as long as the complete list has.
    let wake = follower
        .refresher
        .next_wake(soon.plus_seconds(-600))
        .unwrap();
    assert!(wake <= soon.plus_seconds(-60), "before answers stop");
    follower.look(wake);
    let end = publisher.now.plus_seconds(86_400);
    assert_eq!(follower.end(), end);
    assert!(follower.has_problem("no newer one is there"));
    follower.look(soon.plus_seconds(3600));
    assert!(follower.is_revoked(2) && follower.is_good(3));
    let is_over = |event: &Event| matches!(event, Event::Expired { .. } | Event::Unproven(_));
    assert!(!follower.reports.iter().any(|report| is_over(&report.event)));

    let later = soon.plus_seconds(7200);
    let next = delta(&publisher, 106, 100, 5).until(later);
    publisher.publish(DELTA, &next);
    let now = soon.plus_seconds(3600);
    follower.until_after_fetch(now, |follower| follower.end() == later);
    assert_eq!(follower.problems(), [""; 0]);
    // The complete list ends all the same.
    follower.look(end);
    assert_eq!(follower.end(), end);
    assert!(follower.reports.iter().any(|report| is_over(&report.event)));
}

#[test]
fn crl_25_a_newer_list_that_names_another_place_or_none_is_followed_in_that() {
    let publisher = published();
    publisher.publish(DELTA, &delta(&publisher, 105, 100, 50));
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.is_revoked(2));

    let moved = publisher.list(200, 40);
    let moved = moved.with_deltas_at(&[&publisher.web.url("/moved.crl")]);
    publisher.publish(BASE, &moved);
    let of_moved = publisher.list(205, 30).over(200).revoke(&[3], None);
    publisher.publish("/moved.crl", &of_moved);
    follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(3));
    let asked = publisher.web.asked(DELTA).len();

    publisher.publish(BASE, &publisher.list(300, 20));
    follower.until_after_fetch(publisher.now, |follower| !follower.is_revoked(3));
    assert!(follower.is_good(2) && follower.is_good(3));
    assert!(named(&follower).last().unwrap().urls.is_empty());
    let asked_moved = publisher.web.asked("/moved.crl").len();
    publisher.publish(BASE, &publisher.list(301, 10).revoke(&[4], None));
    follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(4));
    assert_eq!(publisher.web.asked(DELTA).len(), asked);
    assert_eq!(publisher.web.asked("/moved.crl").len(), asked_moved);
}

#[test]
fn crl_25_crl_28_a_named_place_inside_is_not_asked_unless_private_addresses_are_allowed() {
    let publisher = Publisher::new();
    let elsewhere = WebServer::start();
    let metadata = "http://169.254.169.254/delta.crl";
    let list = publisher.list(100, 60);
    publisher.publish(
        BASE,
        &list.with_deltas_at(&[&elsewhere.url(DELTA), metadata]),
    );
    elsewhere.put(DELTA, publisher.ca.crl(&delta(&publisher, 105, 100, 10)));

    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.has_problem("127.0.0.1"));
    assert!(follower.is_good(2));
    assert!(follower.has_problem("allow private addresses"));
    assert_eq!(elsewhere.request_count(), 0);
    let unusable = &named(&follower)[0].unusable;
    assert!(
        unusable[0].to_string().contains("link-local"),
        "{unusable:?}"
    );

    let allowing = publisher.crl_url(BASE).allowing_private();
    let mut follower = publisher.follow(allowing);
    follower.until(publisher.now, |follower| follower.is_revoked(2));
    assert_eq!(elsewhere.request_count(), 1);
}

#[test]
fn crl_25_so_many_named_places_are_asked_and_no_more() {
    let publisher = Publisher::new();
    let mut uris: Vec<String> = (0..9)
        .map(|number| publisher.web.url(&format!("/{number}.crl")))
        .collect();
    uris.push("ldap://ldap.example/cn=delta".to_owned());
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    let list = publisher.list(100, 60).revoke(&[1], None);
    publisher.publish(BASE, &list.with_deltas_at(&uris));
    let third = publisher.list(105, 10).over(100).revoke(&[3], None);
    publisher.publish("/3.crl", &third);
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| {
        follower.is_revoked(3) && follower.problems().len() == 3
    });
    assert_eq!(publisher.web.request_count(), 5, "the base, and four more");
    let [named] = named(&follower)[..] else {
        panic!("{:?}", follower.reports)
    };
    assert_eq!((named.urls.len(), named.beyond_count), (4, 5));
    assert_eq!(named.other_count, 1);
}

#[test]
fn crl_25_a_list_in_a_file_has_its_deltas_fetched_only_where_that_is_wanted_and_never_from_inside()
{
    let publisher = Publisher::new();
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let url = format!("http://{}/delta.crl", inside.local_addr().unwrap());
    let path = publisher.directory.path().join("ca.crl");
    let list = publisher.list(100, 60).revoke(&[1], None);
    std::fs::write(&path, publisher.ca.crl(&list.with_deltas_at(&[&url]))).unwrap();
    for choice in [FreshestCrl::FetchedLists, FreshestCrl::Ignored] {
        let mut follower = publisher.follow_source(ListSource::File(path.clone()), choice);
        follower.look(publisher.now);
        assert!(follower.is_revoked(1) && named(&follower).is_empty());
    }
    let mut follower =
        publisher.follow_source(ListSource::File(path.clone()), FreshestCrl::AllLists);
    follower.until(publisher.now, |follower| follower.has_problem("127.0.0.1"));
    assert!(follower.is_revoked(1) && follower.is_good(2));
    assert_eq!(named(&follower).len(), 1);
    assert!(inside.accept().is_err(), "somebody connected");
}

#[test]
fn crl_25_a_named_delta_outlives_a_restart_and_a_reload_without_its_server() {
    let publisher = published();
    publisher.publish(DELTA, &delta(&publisher, 105, 100, 10));
    let source = ListSource::Url(publisher.crl_url(BASE));
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.is_revoked(2));
    publisher.web.remove(DELTA);

    let choice = FreshestCrl::FetchedLists;
    let mut reloaded = publisher.refresher(vec![source], choice, &follower.downloads);
    reloaded.carry_over(&follower.refresher);
    follower.refresher = reloaded;
    follower.until(publisher.now, |follower| follower.has_problem("404"));
    assert!(follower.is_revoked(2) && follower.is_good(3));

    drop(follower);
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.look(publisher.now);
    assert!(follower.is_revoked(2) && follower.is_good(3));
    follower.until(publisher.now, |follower| follower.has_problem("404"));
    assert!(follower.is_revoked(2) && follower.is_good(3));
}

#[test]
fn crl_25_a_named_delta_goes_with_its_list_when_the_place_of_that_moves_on_to_another_scope() {
    let publisher = published();
    publisher.publish(DELTA, &delta(&publisher, 105, 100, 50));
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.is_revoked(2));
    let issuers = publisher.directory.path().join("state/issuers");
    let issuer = std::fs::read_dir(issuers).unwrap().next().unwrap().unwrap();
    let kept = || {
        let files = std::fs::read_dir(issuer.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.collect::<BTreeSet<String>>()
    };
    let of_both = [
        "delta-fetched.json",
        "delta-marks.json",
        "fetched.json",
        "last-good-delta.crl",
        "last-good.crl",
        "marks.json",
    ];
    follower.look(publisher.now);
    assert_eq!(kept(), BTreeSet::from(of_both.map(ToOwned::to_owned)));

    let part = publisher.list(1, 40).about(ScopeSpec::users());
    publisher.publish(BASE, &part.revoke(&[3], None));
    follower.until_after_fetch(publisher.now, |follower| !follower.is_revoked(2));
    assert!(follower.is_revoked(3) && follower.is_good(1) && follower.is_good(2));
    assert!(named(&follower).last().unwrap().urls.is_empty());
    assert_eq!(follower.refresher.fetches().count(), 1);
    let marks_alone = ["delta-marks.json", "marks.json", "scopes"];
    assert_eq!(kept(), BTreeSet::from(marks_alone.map(ToOwned::to_owned)));
}

fn part(name: &str) -> ScopeSpec {
    ScopeSpec::part(&format!("http://crl.example/{name}.crl"))
}

#[test]
fn crl_25_a_place_that_two_lists_name_is_asked_once_and_as_far_as_either_may_lead() {
    for [near, far] in [["1", "2"], ["2", "1"]] {
        let publisher = Publisher::new();
        let elsewhere = WebServer::start();
        let list = |name: &str| {
            let list = publisher.list(100, 60).about(part(name));
            list.with_deltas_at(&[&publisher.web.url(DELTA)])
        };
        publisher.publish("/near.crl", &list(near));
        elsewhere.put("/far.crl", publisher.ca.crl(&list(far)));
        let of_far = delta(&publisher, 105, 100, 10).about(part(far));
        publisher.publish(DELTA, &of_far);
        let far_url = CrlUrl::parse(&elsewhere.url("/far.crl")).unwrap();
        let urls = [publisher.crl_url("/near.crl"), far_url];
        let sources = urls.map(ListSource::Url).to_vec();
        let mut follower = publisher.follow_sources(sources, FreshestCrl::FetchedLists);
        follower.until(publisher.now, |follower| follower.is_revoked(2));
        assert_eq!(follower.refresher.fetches().count(), 3);
        assert_eq!(follower.problems(), [""; 0]);
        follower.until_after_fetch(publisher.now, |_| publisher.web.request_count() == 4);
        assert_eq!(publisher.web.asked(DELTA).len(), 2);
    }
}

#[test]
fn crl_25_a_delta_fetched_for_one_list_is_looked_at_again_when_another_list_names_its_place() {
    let publisher = Publisher::new();
    let list = |name: &str| {
        let list = publisher.list(100, 60).about(part(name));
        list.with_deltas_at(&[&publisher.web.url(DELTA)])
    };
    publisher.publish(BASE, &list("1"));
    publisher.publish(DELTA, &delta(&publisher, 105, 100, 10).about(part("2")));
    let path = publisher.directory.path().join("2.crl");
    let sources = vec![
        ListSource::Url(publisher.crl_url(BASE)),
        ListSource::File(path.clone()),
    ];
    // File times are coarse: a file that has settled is not read again.
    let now = publisher.now.plus_seconds(60);
    let mut follower = publisher.follow_sources(sources, FreshestCrl::AllLists);
    let url = publisher.web.url(DELTA);
    follower.until(now, |follower| follower.has_problem(&url));
    assert!(!follower.is_revoked(2));
    std::fs::write(&path, publisher.ca.crl(&list("2"))).unwrap();
    follower.look(now);
    assert!(follower.is_revoked(2) && follower.is_good(3));
    assert_eq!(follower.problems(), [""; 0]);
    assert_eq!(publisher.web.asked(DELTA).len(), 1);
}

#[test]
fn crl_25_a_delta_from_the_future_waits_on_when_another_list_that_named_its_place_does_no_more() {
    let publisher = Publisher::new();
    let begins = publisher.now.plus_seconds(600);
    let list = |number, name| publisher.list(number, 60).about(part(name));
    let url = publisher.web.url(DELTA);
    publisher.publish(BASE, &list(100, "1").with_deltas_at(&[&url]));
    let of_file = delta(&publisher, 105, 100, 0).about(part("2"));
    publisher.publish(DELTA, &of_file.made_at(begins));
    let path = publisher.directory.path().join("2.crl");
    let in_file = list(100, "2").with_deltas_at(&[&url]);
    std::fs::write(&path, publisher.ca.crl(&in_file)).unwrap();
    let fetched = ListSource::Url(publisher.crl_url(BASE));
    let sources = vec![fetched, ListSource::File(path.clone())];
    let mut follower = publisher.follow_sources(sources, FreshestCrl::AllLists);
    let waits = |follower: &Follower| follower.refresher.waiting_until() == Some(begins);
    follower.until(publisher.now, waits);
    // From the file alone it leads no more to where it is.
    let next = publisher.list(101, 50).about(part("1"));
    publisher.publish(BASE, &next.revoke(&[1], None));
    follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(1));
    follower.until(publisher.now, |follower| follower.has_problem("127.0.0.1"));
    assert!(waits(&follower));
    follower.look(begins);
    assert!(follower.is_revoked(2) && follower.is_good(3));
    // Its file was still there to be kept.
    drop(follower);
    let fetched = ListSource::Url(publisher.crl_url(BASE));
    let sources = vec![fetched, ListSource::File(path)];
    let mut restarted = publisher.follow_sources(sources, FreshestCrl::AllLists);
    restarted.look(begins);
    assert!(restarted.is_revoked(2));
}

#[test]
fn crl_25_places_that_many_lists_name_count_once_against_the_bound() {
    let publisher = Publisher::new();
    let lists = publisher.directory.path().join("lists");
    std::fs::create_dir(&lists).unwrap();
    let shared = ["/a", "/b", "/c"].map(|path| publisher.web.url(path));
    for number in 10..40 {
        let name = number.to_string();
        let own = publisher.web.url(&format!("/{name}"));
        let [a, b, c] = &shared;
        let list = publisher.list(1, 60).about(part(&name));
        let list = list.with_deltas_at(&[a, b, c, &own]);
        std::fs::write(lists.join(name), publisher.ca.crl(&list)).unwrap();
    }
    let source = ListSource::Directory(lists);
    let mut follower = publisher.follow_source(source, FreshestCrl::AllLists);
    follower.look(publisher.now);
    assert_eq!(follower.refresher.fetches().count(), 33);
    assert!(named(&follower).iter().all(|named| named.beyond_count == 0));
}

#[test]
fn crl_25_each_part_of_a_partitioned_list_has_the_delta_that_it_names() {
    let publisher = Publisher::new();
    let names = ["1", "2"];
    for (name, serial) in names.into_iter().zip([1, 2]) {
        let delta_path = format!("/{name}-delta.crl");
        let list = publisher.list(100, 60).about(part(name));
        let list = list.with_deltas_at(&[&publisher.web.url(&delta_path)]);
        publisher.publish(&format!("/{name}.crl"), &list);
        let delta = publisher.list(105, 10).over(100).about(part(name));
        publisher.publish(&delta_path, &delta.revoke(&[serial], None));
    }
    let urls = names.map(|name| publisher.crl_url(&format!("/{name}.crl")));
    let sources = urls.map(ListSource::Url).to_vec();
    let mut follower = publisher.follow_sources(sources, FreshestCrl::FetchedLists);
    follower.until(publisher.now, |follower| {
        follower.is_revoked(1) && follower.is_revoked(2)
    });
    assert!(follower.is_good(3));
    assert_eq!(follower.refresher.lists().count(), 4);
    assert_eq!(follower.problems(), [""; 0]);
}

#[test]
fn crl_25_idp_09_an_indirect_list_of_another_crl_issuer_has_the_delta_that_it_names() {
    let mut publisher = Publisher::new();
    let crl_issuer = Authority::root("CRL issuer", KeyKind::P256);
    let certificate = OwnedCertificate::from_der(crl_issuer.certificate.clone()).unwrap();
    publisher.crl_issuers.push(certificate);
    let list = publisher.list(100, 60).about(ScopeSpec::indirect());
    let list = list.revoke_of(&publisher.ca.name, &[1]);
    let list = list.with_deltas_at(&[&publisher.web.url(DELTA)]);
    publisher.web.put(BASE, crl_issuer.crl(&list));
    let delta = publisher.list(105, 10).over(100);
    let delta = delta.about(ScopeSpec::indirect());
    // The first is of the CRL issuer itself.
    let delta = delta.revoke(&[3], None).revoke_of(&publisher.ca.name, &[2]);
    publisher.web.put(DELTA, crl_issuer.crl(&delta));
    let mut follower = publisher.follow(publisher.crl_url(BASE));
    follower.until(publisher.now, |follower| follower.is_revoked(2));
    assert!(follower.is_revoked(1) && follower.is_good(3));
    assert_eq!(follower.problems(), [""; 0]);

    // The CA's own delta is of another scope.
    let of_ca = publisher.list(106, 5).over(100).revoke(&[4], None);
    publisher.publish(DELTA, &of_ca);
    let url = publisher.web.url(DELTA);
    follower.until_after_fetch(publisher.now, |follower| follower.has_problem(&url));
    assert!(follower.is_revoked(2) && follower.is_good(4));
}
