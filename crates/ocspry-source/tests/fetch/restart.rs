//! After a restart or a reload, a list that did not change is not fetched again: it is asked for by what is kept of it.

use std::path::PathBuf;
use std::time::Duration;

use ocspry_source::{FreshestCrl, ListSource};
use ocspry_testkit::{CrlSpec, ScopeSpec, wait_until};

use crate::publisher::{Follower, Publisher};

const LIST: &str = "/ca.crl";
const DELTA: &str = "/delta.crl";

fn published() -> Publisher {
    let publisher = Publisher::new();
    publisher.publish(LIST, &publisher.list(100, 60).revoke(&[1], None));
    publisher
}

/// As after a start: follows the list until the server has answered.
fn run(publisher: &Publisher) -> Follower {
    let mut follower = publisher.follow(publisher.crl_url(LIST));
    follower.until(publisher.now, |follower| !follower.refresher.is_pending());
    assert!(follower.is_revoked(1) && follower.is_good(2));
    assert_eq!(follower.problems(), [""; 0]);
    follower
}

/// What the state directory keeps of the issuer.
fn kept(publisher: &Publisher, name: &str) -> PathBuf {
    let issuers = publisher.directory.path().join("state/issuers");
    let issuer = std::fs::read_dir(issuers).unwrap().next().unwrap().unwrap();
    issuer.path().join(name)
}

#[test]
fn crl_28_after_a_restart_a_list_that_did_not_change_is_not_fetched_again() {
    let publisher = published();
    drop(run(&publisher));
    let mut follower = run(&publisher);
    assert_eq!(publisher.web.asked(LIST), [false, true]);
    // It stays known, for the next request and for the next restart.
    follower.until_after_fetch(publisher.now, |_| publisher.web.asked(LIST).len() == 3);
    drop(follower);
    drop(run(&publisher));
    assert_eq!(publisher.web.asked(LIST), [false, true, true, true]);

    let next = publisher
        .list(101, 10)
        .revoke(&[1], None)
        .revoke(&[3], None);
    publisher.publish(LIST, &next);
    assert!(run(&publisher).is_revoked(3));
    drop(run(&publisher));
    assert_eq!(
        publisher.web.asked(LIST),
        [false, true, true, true, true, true]
    );
}

#[test]
fn a_kept_list_that_the_server_still_has_is_no_last_good_copy_and_is_fetched_once_it_is_forgotten()
{
    let publisher = published();
    drop(run(&publisher));
    let mut follower = publisher.follow(publisher.crl_url(LIST));
    follower.look(publisher.now);
    let is_last_good = |follower: &Follower| {
        let mut lists = follower.refresher.lists();
        lists.next().unwrap().is_last_good
    };
    assert!(is_last_good(&follower), "nobody has answered");
    follower.until(publisher.now, |follower| !follower.refresher.is_pending());
    assert!(!is_last_good(&follower));

    // As `ocspry state reset --forget-list` does.
    let copy = kept(&publisher, "last-good.crl");
    std::fs::remove_dir_all(copy.parent().unwrap()).unwrap();
    follower.refresher.forget_used(publisher.now);
    let mut now = publisher.now;
    wait_until("it is kept again", Duration::from_secs(60), || {
        // A copy that could not be written is tried again after a while.
        now = now.plus_seconds(60);
        follower.look(now);
        copy.exists()
    });
    assert_eq!(publisher.web.asked(LIST), [false, true, false]);
    assert!(follower.is_revoked(1) && follower.is_good(2));
}

#[test]
fn crl_28_a_list_is_asked_for_by_its_tag_only_where_that_very_list_is_in_use() {
    let publisher = published();
    drop(run(&publisher));
    let text = std::fs::read_to_string(kept(&publisher, "fetched.json")).unwrap();
    let digest = text.split("\"sha256\": \"").nth(1).unwrap();
    let another = if digest.starts_with('0') { "1" } else { "0" };
    let of_another_list = text.replace(digest, &format!("{another}{}", &digest[1..]));
    for damaged in [
        "",
        "{",
        "{}",
        &text[..text.len() / 2],
        &of_another_list,
        &text.replace("/ca.crl", "/other.crl"),
        &text.replace("\"version\": 1", "\"version\": 2"),
        &text.replace("etag", "tag"),
    ] {
        std::fs::write(kept(&publisher, "fetched.json"), damaged).unwrap();
        drop(run(&publisher));
        assert_eq!(publisher.web.asked(LIST).last(), Some(&false), "{damaged}");
        // And it is mended.
        drop(run(&publisher));
        assert_eq!(publisher.web.asked(LIST).last(), Some(&true), "{damaged}");
    }
    for gone in ["fetched.json", "last-good.crl"] {
        std::fs::remove_file(kept(&publisher, gone)).unwrap();
        drop(run(&publisher));
        assert_eq!(publisher.web.asked(LIST).last(), Some(&false), "{gone}");
    }
}

#[test]
fn a_list_without_next_update_is_fetched_whole_each_time_since_it_counts_from_then() {
    let publisher = Publisher::new();
    let mut list = publisher.list(100, 60).revoke(&[1], None);
    list.next_update = None;
    publisher.publish(LIST, &list);
    let mut follower = run(&publisher);
    follower.until_after_fetch(publisher.now, |_| publisher.web.asked(LIST).len() == 2);
    drop(follower);
    drop(run(&publisher));
    assert_eq!(publisher.web.asked(LIST), [false, false, false]);
}

#[test]
fn crl_28_a_reload_asks_for_another_list_only() {
    let publisher = published();
    // File times are coarse: a file that has settled is not read again.
    let now = publisher.now.plus_seconds(60);
    let mut follower = publisher.follow(publisher.crl_url(LIST));
    follower.until(now, |follower| follower.is_revoked(1));
    // What is known is known without the state directory as well.
    std::fs::remove_file(kept(&publisher, "fetched.json")).unwrap();
    let source = ListSource::Url(publisher.crl_url(LIST));
    let choice = FreshestCrl::Ignored;
    let mut reloaded = publisher.refresher(vec![source], choice, &follower.downloads);
    reloaded.carry_over(&follower.refresher);
    follower.refresher = reloaded;
    follower.until(now, |_| publisher.web.asked(LIST).len() == 2);
    assert_eq!(publisher.web.asked(LIST), [false, true]);
    assert!(follower.is_revoked(1) && follower.is_good(2));
}

#[test]
fn crl_28_a_named_delta_is_asked_for_by_its_tag_too() {
    let publisher = Publisher::new();
    let delta = publisher.web.url(DELTA);
    publisher.publish(LIST, &publisher.list(100, 60).with_deltas_at(&[&delta]));
    let list = publisher.list(105, 10).over(100).revoke(&[2], None);
    publisher.publish(DELTA, &list);
    for _ in 0..2 {
        let asked_before = publisher.web.request_count();
        let mut follower = publisher.follow(publisher.crl_url(LIST));
        follower.until(publisher.now, |follower| {
            follower.is_revoked(2) && publisher.web.request_count() == asked_before + 2
        });
    }
    assert_eq!(publisher.web.asked(DELTA), [false, true]);
}

#[test]
fn a_place_that_still_has_its_list_misses_nothing_when_another_place_has_a_newer_one() {
    let publisher = Publisher::new();
    let part = |list: CrlSpec| list.about(ScopeSpec::users());
    let revoking = publisher.list(100, 60).revoke(&[1], None);
    publisher.publish(LIST, &part(revoking.clone()));
    drop(run(&publisher));
    let newer = publisher
        .list(101, 10)
        .revoke(&[1], None)
        .revoke(&[3], None);
    publisher.publish("/mirror.crl", &part(newer));
    let sources = [LIST, "/mirror.crl"].map(|path| ListSource::Url(publisher.crl_url(path)));
    let mut follower = publisher.follow_sources(sources.to_vec(), FreshestCrl::Ignored);
    follower.until(publisher.now, |follower| !follower.refresher.is_pending());
    follower.look(publisher.now);
    assert_eq!(publisher.web.asked(LIST), [false, true]);
    assert!(follower.is_revoked(3) && follower.is_good(2));
}

#[test]
fn a_place_that_still_has_an_older_list_of_a_scope_that_another_has_left_counts_as_none() {
    const MIRROR: &str = "/mirror.crl";
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}.crl"));
    for is_reloaded in [false, true] {
        let publisher = Publisher::new();
        let older = publisher.list(100, 60).about(part("1"));
        publisher.publish(MIRROR, &older.revoke(&[1], None));
        let sources = [LIST, MIRROR].map(|path| ListSource::Url(publisher.crl_url(path)));
        let choice = FreshestCrl::Ignored;
        let follow = || publisher.follow_sources(sources.to_vec(), choice);
        let mut follower = follow();
        follower.until(publisher.now, |follower| {
            follower.is_revoked(1) && !follower.refresher.is_pending()
        });
        follower.look(publisher.now);
        drop(follower);

        let mut follower = follow();
        follower.until(publisher.now, |follower| !follower.refresher.is_pending());
        assert_eq!(publisher.web.asked(MIRROR), [false, true]);
        let newer = publisher.list(101, 20).about(part("1"));
        let newer = newer.revoke(&[1], None).revoke(&[3], None);
        publisher.publish(LIST, &newer);
        follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(3));
        if is_reloaded {
            publisher.web.remove(MIRROR);
            let mut reloaded = publisher.refresher(sources.to_vec(), choice, &follower.downloads);
            reloaded.carry_over(&follower.refresher);
            follower.refresher = reloaded;
        }
        let other = publisher.list(1, 10).about(part("2"));
        publisher.publish(LIST, &other.revoke(&[2], None));
        follower.until_after_fetch(publisher.now, |follower| follower.is_revoked(2));
        // The part that was left stays, since no other proves without it what it does not revoke.
        assert!(follower.is_revoked(1) && follower.is_revoked(3));
    }
}

#[test]
fn a_delta_in_use_from_its_copy_stays_when_what_was_used_is_forgotten() {
    let choice = FreshestCrl::FetchedLists;
    for is_named in [true, false] {
        let publisher = Publisher::new();
        let delta = publisher.web.url(DELTA);
        let base = publisher.list(100, 60).revoke(&[1], None);
        let (base, urls) = if is_named {
            (base.with_deltas_at(&[&delta]), vec![LIST])
        } else {
            (base, vec![LIST, DELTA])
        };
        publisher.publish(LIST, &base);
        let list = publisher.list(105, 10).over(100).revoke(&[2], None);
        publisher.publish(DELTA, &list);
        let sources = urls.iter().map(|url| publisher.crl_url(url));
        let sources: Vec<ListSource> = sources.map(ListSource::Url).collect();
        let mut follower = publisher.follow_sources(sources.clone(), choice);
        follower.until(publisher.now, |follower| follower.is_revoked(2));
        follower.look(publisher.now);
        drop(follower);

        // The server still has both, and sends neither.
        let mut follower = publisher.follow_sources(sources, choice);
        follower.until(publisher.now, |follower| {
            let mut fetches = follower.refresher.fetches();
            fetches.all(|fetch| fetch.last_success.is_some())
        });
        assert_eq!(publisher.web.asked(DELTA), [false, true]);
        publisher.web.remove(DELTA);
        let copy = kept(&publisher, "last-good-delta.crl");
        std::fs::remove_dir_all(copy.parent().unwrap()).unwrap();
        follower.refresher.forget_used(publisher.now);
        follower.look(publisher.now);
        assert!(follower.is_revoked(2), "named: {is_named}");
        follower.until(publisher.now, |follower| follower.has_problem("404"));
        assert!(follower.is_revoked(2), "named: {is_named}");
    }
}

#[test]
fn a_place_that_still_has_an_older_list_than_the_one_that_another_place_left_proves_nothing() {
    let publisher = Publisher::new();
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}.crl"));
    let newer = publisher.list(101, 20).revoke(&[1], None);
    publisher.publish(LIST, &newer.about(part("1")));
    publisher.publish("/mirror.crl", &publisher.list(100, 60).about(part("1")));
    let sources = [LIST, "/mirror.crl"].map(|path| ListSource::Url(publisher.crl_url(path)));
    let mut follower = publisher.follow_sources(sources.to_vec(), FreshestCrl::Ignored);
    follower.until(publisher.now, |follower| !follower.refresher.is_pending());
    let other = publisher.list(1, 10).revoke(&[2], None);
    publisher.publish(LIST, &other.about(part("2")));
    for count in 2..5 {
        follower.until_after_fetch(publisher.now, |follower| {
            follower.is_revoked(2) && publisher.web.asked("/mirror.crl").len() == count
        });
        assert!(follower.is_revoked(1) && follower.is_good(3));
    }
    assert_eq!(
        publisher.web.asked("/mirror.crl"),
        [false, true, true, true]
    );
}
