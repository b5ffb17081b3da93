//! What vanishes from a list (docs/design.md §7): counted, raised as an alarm, or held until the operator accepts it.

use ocspry_source::{Guard, HeldBack, ListSource, Refresher, Sources, StatusSource};
use ocspry_testkit::{Authority, CrlSpec, KeyKind, ScopeSpec};
use ocspry_wire::Time;
use ocspry_wire::ocsp::CrlReason;

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{Site, assert_says, in_use, owned, problem, problems, says, says_of, vanished};

/// The one thing that is held, of ca.crl.
fn held(refresher: &Refresher) -> HeldBack {
    let holds: Vec<_> = refresher.holds().collect();
    assert_eq!(holds.len(), 1, "{holds:?}");
    assert!(holds[0].place.ends_with("ca.crl"), "{holds:?}");
    holds[0].what
}

fn revoking(list: CrlSpec, serials: impl IntoIterator<Item = u8>) -> CrlSpec {
    serials
        .into_iter()
        .fold(list, |list, serial| list.revoke(&[serial], None))
}

fn refusing(sources: Sources) -> Sources {
    Sources {
        guard: Guard::Refuse,
        ..sources
    }
}

/// Lines of an index: each serial of a certificate that holds for years, or that ended years ago.
fn index(serials: impl IntoIterator<Item = u8>, not_after: &str) -> String {
    let line = |serial: u8| format!("V\t{not_after}\t\t{serial:02X}\tunknown\t/CN=www\n");
    serials.into_iter().map(line).collect()
}

const EXPIRED: &str = "200101000000Z";
const UNEXPIRED: &str = "20490101000000Z";

fn with_index(site: &Site, names: &[&str]) -> Sources {
    let mut sources = site.files(names);
    sources
        .sources
        .push(StatusSource::Issued(site.issued("index.txt")));
    sources
}

#[test]
fn a_tenth_that_vanishes_each_week_is_accepted_and_counted_without_an_alarm() {
    for guard in [Guard::Alarm, Guard::Refuse] {
        let site = Site::new();
        let sources = Sources {
            guard,
            ..site.files(&["ca.crl"])
        };
        let mut refresher = site.start(sources);
        site.put_list("ca.crl", &revoking(site.list(1, 50), 1..=100));
        refresher.refresh(site.now);
        for week in 1..=4_u8 {
            let minutes_ago = 50 - i64::from(week);
            let list = revoking(
                site.list(1 + u64::from(week), minutes_ago),
                1 + 10 * week..=100,
            );
            site.put_list("ca.crl", &list);
            let gone = vanished(&refresher.refresh(site.now));
            assert_eq!((gone.count, gone.of), (10, 110 - 10 * usize::from(week)));
            assert!(!gone.is_alarming() && !gone.is_held, "{gone:?}");
        }
        assert_says(&refresher, &[(40, Good), (41, Revoked), (100, Revoked)]);
        assert_eq!(
            (refresher.is_holding(), problems(&refresher).len()),
            (false, 0)
        );
    }
}

#[test]
fn more_than_half_of_a_list_that_vanishes_is_used_with_an_alarm() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    site.put_list("ca.crl", &revoking(site.list(1, 30), 1..=20));
    refresher.refresh(site.now);
    site.put_list("ca.crl", &revoking(site.list(2, 20), 11..=20));
    assert!(!vanished(&refresher.refresh(site.now)).is_alarming());
    site.put_list("ca.crl", &revoking(site.list(3, 10), 17..=20));
    let gone = vanished(&refresher.refresh(site.now));
    assert_eq!((gone.count, gone.of), (6, 10));
    assert!(gone.is_alarming() && !gone.is_held, "{gone:?}");
    assert_says(&refresher, &[(16, Good), (17, Revoked)]);
}

#[test]
fn one_serial_that_vanishes_before_its_certificate_ends_is_an_alarm() {
    for (not_after, unexpired) in [(UNEXPIRED, 1), (EXPIRED, 0)] {
        let site = Site::new();
        site.put("index.txt", index(1..=20, not_after));
        let mut refresher = site.start(with_index(&site, &["ca.crl"]));
        site.put_list("ca.crl", &revoking(site.list(1, 30), 1..=20));
        refresher.refresh(site.now);
        site.put_list("ca.crl", &revoking(site.list(2, 20), 2..=20));
        let gone = vanished(&refresher.refresh(site.now));
        assert_eq!((gone.count, gone.unexpired), (1, unexpired));
        assert_eq!(gone.is_alarming(), unexpired > 0);
    }
}

#[test]
fn what_was_issued_is_known_when_the_first_list_after_a_restart_is_compared() {
    let site = Site::new();
    site.put("index.txt", index(1..=20, UNEXPIRED));
    site.put_list("ca.crl", &revoking(site.list(1, 30), 1..=20));
    let sources = refusing(with_index(&site, &["ca.crl"]));
    site.restart(sources.clone()).refresh(site.now);
    site.put_list("ca.crl", &revoking(site.list(2, 20), 2..=20));
    let mut refresher = site.restart(sources);
    let reports = refresher.refresh(site.now);
    let gone = in_use(&reports).last().unwrap().vanished.unwrap();
    assert_eq!((gone.unexpired, gone.is_held), (1, true));
    assert_says(&refresher, &[(1, Revoked)]);
}

#[test]
fn a_refusing_guard_holds_removals_and_lets_additions_through_until_the_operator_accepts() {
    let site = Site::new();
    let sources = refusing(site.files(&["ca.crl"]));
    let mut refresher = site.restart(sources.clone());
    site.put_list("ca.crl", &revoking(site.list(1, 30), 1..=20));
    refresher.refresh(site.now);
    site.put_list("ca.crl", &revoking(site.list(2, 20), [1, 2, 30]));
    let gone = vanished(&refresher.refresh(site.now));
    assert!(gone.is_alarming() && gone.is_held, "{gone:?}");
    assert_says(
        &refresher,
        &[(1, Revoked), (20, Revoked), (30, Revoked), (31, Good)],
    );
    assert_eq!(held(&refresher), HeldBack::Removals { count: 18 });

    let mut restarted = site.restart(sources.clone());
    restarted.refresh(site.now);
    assert_says(
        &restarted,
        &[(1, Revoked), (20, Revoked), (30, Revoked), (31, Good)],
    );
    assert_eq!(held(&restarted), HeldBack::Removals { count: 18 });

    // Further lists release nothing either.
    site.put_list("ca.crl", &revoking(site.list(3, 10), [1, 2, 30]));
    restarted.refresh(site.now);
    assert_says(&restarted, &[(20, Revoked)]);

    restarted.accept_held(site.now);
    assert_says(&restarted, &[(1, Revoked), (20, Good), (30, Revoked)]);
    assert!(!restarted.is_holding());
    let mut again = site.restart(sources);
    again.refresh(site.now);
    assert_says(&again, &[(1, Revoked), (20, Good), (30, Revoked)]);
    assert!(!again.is_holding());
}

#[test]
fn what_is_held_is_revoked_though_the_list_that_lacks_it_is_lost_and_another_speaks_of_all_certificates()
 {
    let site = Site::new();
    let other_key = Authority::root("Example CA", KeyKind::P256);
    let sources = Sources {
        crl_issuers: vec![owned(&other_key)],
        ..refusing(site.files(&["ca.crl", "other.crl"]))
    };
    site.put("other.crl", other_key.crl(&site.list(1, 30)));
    site.put_list("ca.crl", &revoking(site.list(1, 30), 1..=20));
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    site.put_list("ca.crl", &site.list(2, 20));
    running.refresh(site.now);
    assert_says(&running, &[(1, Revoked), (30, Good)]);
    site.remove("ca.crl");
    let mut issuers = std::fs::read_dir(site.path("state/issuers")).unwrap();
    let folder = issuers.next().unwrap().unwrap().path();
    let elsewhere = Sources {
        sources: site.files(&["other.crl"]).sources,
        ..sources.clone()
    };
    for (name, sources) in [
        ("last-good.crl", &sources),
        ("last-good.crl", &elsewhere),
        ("marks.json", &sources),
    ] {
        let _ = std::fs::remove_file(folder.join(name));
        let mut restarted = site.restart(sources.clone());
        restarted.keep_when_told();
        restarted.refresh(site.now);
        assert_says(&restarted, &[(1, Revoked)]);
        restarted.accept_held(site.now);
        assert!(!restarted.is_holding());
    }
}

#[test]
fn held_serials_of_every_sign_and_length_survive_a_restart() {
    let odd: [&[u8]; 6] = [
        &[0],
        &[0xff],
        &[0x80],
        &[0xff, 0x7f],
        &[0, 0x80],
        &[0x7f; 21],
    ];
    let site = Site::new();
    let sources = refusing(site.files(&["ca.crl"]));
    let list = odd
        .iter()
        .fold(site.list(1, 30), |list, serial| list.revoke(serial, None));
    site.put_list("ca.crl", &revoking(list, 1..=10));
    let mut refresher = site.restart(sources.clone());
    refresher.refresh(site.now);
    site.put_list("ca.crl", &site.list(2, 20));
    refresher.refresh(site.now);
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    for serial in odd {
        assert_eq!(says_of(&refresher, serial), Revoked, "{serial:02x?}");
        assert_eq!(
            says_of(&restarted, serial),
            Revoked,
            "{serial:02x?} after a restart"
        );
    }
    assert_eq!(says_of(&restarted, &[1]), Revoked);
    assert_eq!(says_of(&restarted, &[0, 0xff]), Good);
}

#[test]
fn a_hold_that_a_delta_lifted_does_not_come_back_when_the_next_complete_list_lacks_it() {
    let site = Site::new();
    site.put("index.txt", index(1..=20, UNEXPIRED));
    let hold = Some(CrlReason::CertificateHold);
    site.put_list(
        "base",
        &revoking(site.list(100, 40), 2..=20).revoke(&[1], hold),
    );
    site.put_list("delta", &site.list(101, 30).over(100).release(&[1]));
    let mut refresher = site.start(refusing(with_index(&site, &["base", "delta"])));
    refresher.refresh(site.now);
    assert_eq!(says(&refresher, 1), Good);
    site.put_list("base", &revoking(site.list(200, 20), 2..=20));
    let gone = vanished(&refresher.refresh(site.now));
    assert_eq!((gone.count, gone.is_alarming()), (0, false));
    assert_says(&refresher, &[(1, Good), (2, Revoked)]);
}

#[test]
fn what_a_delta_revoked_and_the_next_complete_list_lacks_has_vanished() {
    let site = Site::new();
    site.put("index.txt", index(1..=20, UNEXPIRED));
    site.put_list("base", &revoking(site.list(100, 40), 2..=20));
    site.put_list("delta", &site.list(101, 30).over(100).revoke(&[1], None));
    let mut refresher = site.start(refusing(with_index(&site, &["base", "delta"])));
    refresher.refresh(site.now);
    site.put_list("base", &revoking(site.list(200, 20), 2..=20));
    let gone = vanished(&refresher.refresh(site.now));
    assert_eq!(
        (gone.count, gone.of, gone.unexpired, gone.is_held),
        (1, 20, 1, true)
    );
    assert_says(&refresher, &[(1, Revoked), (2, Revoked)]);
}

#[test]
fn a_hold_that_the_next_complete_list_lifts_passes_the_guard_and_one_made_final_before_does_not() {
    let on_hold = Some(CrlReason::CertificateHold);
    for guard in [Guard::Alarm, Guard::Refuse] {
        let site = Site::new();
        let sources = Sources {
            guard,
            ..with_index(&site, &["base", "delta"])
        };
        site.put("index.txt", index(1..=5, UNEXPIRED));
        let holds = site.list(100, 30).revoke(&[1], on_hold);
        site.put_list("base", &holds.revoke(&[2], on_hold).revoke(&[3], None));
        let delta = site.list(101, 20).over(100).revoke(&[2], None);
        site.put_list("delta", &delta.revoke(&[4], on_hold));
        let mut refresher = site.start(sources);
        refresher.refresh(site.now);
        assert_says(&refresher, &[(1, Revoked), (2, Revoked), (4, Revoked)]);
        site.put_list("base", &site.list(102, 10).revoke(&[3], None));
        let gone = vanished(&refresher.refresh(site.now));
        assert_eq!((gone.count, gone.unexpired), (1, 1), "the second alone");
        assert_eq!(gone.is_held, guard == Guard::Refuse);
        assert_says(&refresher, &[(1, Good), (3, Revoked), (4, Good)]);
    }
}

#[test]
fn a_lower_number_under_a_newer_time_is_held_and_the_operator_may_take_it() {
    let site = Site::new();
    let sources = site.files(&["ca.crl"]);
    let mut refresher = site.restart(sources.clone());
    site.put_list("ca.crl", &site.list(9, 30).revoke(&[1], None));
    refresher.refresh(site.now);
    site.put_list("ca.crl", &site.list(2, 20).revoke(&[2], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    assert!(
        problem(&refresher).contains("its number 2 is below 9"),
        "{}",
        problem(&refresher)
    );

    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    assert_says(&restarted, &[(1, Revoked), (2, Good)]);
    assert!(restarted.is_holding());
    restarted.accept_held(site.now);
    assert_says(&restarted, &[(1, Good), (2, Revoked)]);
    assert_eq!(
        (restarted.is_holding(), problems(&restarted).len()),
        (false, 0)
    );
}

#[test]
fn a_list_that_was_held_and_is_not_there_any_more_is_not_accepted_and_is_held_when_it_comes_again()
{
    for is_removed in [false, true] {
        let site = Site::new();
        let mut refresher = site.start(site.files(&["ca.crl"]));
        let used = site.ca.crl(&site.list(10, 30).revoke(&[1], None));
        let held = site.ca.crl(&site.list(5, 20).revoke(&[2], None));
        site.put("ca.crl", &used);
        refresher.refresh(site.now);
        site.put("ca.crl", &held);
        refresher.refresh(site.now);
        let this_update = site.now.plus_seconds(-20 * 60);
        assert_eq!(
            self::held(&refresher),
            HeldBack::LowerNumber { this_update }
        );
        match is_removed {
            true => site.remove("ca.crl"),
            false => site.put("ca.crl", &used),
        }
        refresher.refresh(site.now);
        assert!(!refresher.is_holding());
        assert!(refresher.accept_held(site.now).is_empty());
        site.put("ca.crl", &held);
        refresher.refresh(site.now);
        assert!(refresher.is_holding());
        assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    }
}

#[test]
fn a_held_list_stays_held_when_an_earlier_one_of_another_place_is_taken_in_the_same_look() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["a.crl", "b.crl"]));
    site.put_list("a.crl", &site.list(10, 30).revoke(&[1], None));
    site.put_list("b.crl", &site.list(10, 30).revoke(&[1], None));
    refresher.refresh(site.now);
    site.put_list("a.crl", &site.list(5, 10).revoke(&[2], None));
    site.put_list("b.crl", &site.list(11, 20).revoke(&[3], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(2, Good), (3, Revoked)]);
    assert!(refresher.is_holding());
    refresher.accept_held(site.now);
    assert_says(&refresher, &[(2, Revoked), (3, Good)]);
    assert!(!refresher.is_holding());
}

/// Late enough for a file that has not changed to be known by its looks, and not read again.
fn settled(site: &Site, seconds: i64) -> Time {
    site.now.plus_seconds(3600 + seconds)
}

#[test]
fn of_several_lists_that_are_held_the_newest_is_taken_in_whatever_order_they_came() {
    let (b, c) = (("b.crl", 2, 30), ("c.crl", 3, 20));
    for order in [[&[b][..], &[c]], [&[c], &[b]], [&[b, c], &[]]] {
        let site = Site::new();
        let mut refresher = site.start(site.files(&["a.crl", "b.crl", "c.crl"]));
        site.put_list("a.crl", &site.list(10, 40).revoke(&[1], None));
        refresher.refresh(settled(&site, 0));
        for (seconds, held) in (1..).zip(order) {
            for (name, number, minutes_ago) in held {
                let list = revoking(
                    site.list(*number, *minutes_ago),
                    2..=u8::try_from(*number).unwrap(),
                );
                site.put_list(name, &list);
            }
            refresher.refresh(settled(&site, seconds));
        }
        refresher.accept_held(settled(&site, 3));
        for seconds in [3, 60] {
            assert_says(&refresher, &[(1, Good), (2, Revoked), (3, Revoked)]);
            refresher.refresh(settled(&site, seconds));
        }
        assert!(!refresher.is_holding());
    }
}

#[test]
fn a_list_that_was_held_is_measured_by_what_is_in_use_since() {
    let site = Site::new();
    std::fs::create_dir(site.path("crls")).unwrap();
    let lists = StatusSource::Lists(ListSource::Directory(site.path("crls")));
    let mut refresher = site.start(site.sources(vec![lists]));
    let part = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}.crl"));
    let put = |name: &str, of: &str, number, minutes_ago| {
        let list = site.list(number, minutes_ago).about(part(of));
        site.put_list(&format!("crls/{name}"), &list.revoke(&[1], None));
    };
    put("a", "a", 10, 40);
    put("b", "b", 10, 40);
    refresher.refresh(settled(&site, 0));
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    put("held", "a", 3, 30);
    refresher.refresh(settled(&site, 1));
    // One of its parts may be missing.
    assert_says(&refresher, &[(1, Revoked), (2, TryLater)]);
    put("newer", "a", 11, 20);
    refresher.refresh(settled(&site, 2));
    refresher.refresh(settled(&site, 3));
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    assert_eq!(problems(&refresher), [""; 0]);
}

#[test]
fn accepting_a_list_that_is_gone_since_the_last_look_accepts_nothing_that_comes_later() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    let used = site.ca.crl(&site.list(10, 30).revoke(&[1], None));
    let held = site.ca.crl(&site.list(5, 20).revoke(&[2], None));
    site.put("ca.crl", &used);
    refresher.refresh(site.now);
    site.put("ca.crl", &held);
    refresher.refresh(site.now);
    site.put("ca.crl", &used);
    refresher.accept_held(site.now);
    assert!(!refresher.is_holding());
    site.put("ca.crl", &held);
    refresher.refresh(site.now);
    assert!(refresher.is_holding());
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
}

#[test]
fn accepting_when_nothing_is_held_does_nothing() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    site.put_list("ca.crl", &site.list(1, 30).revoke(&[1], None));
    refresher.refresh(site.now);
    assert!(refresher.accept_held(site.now).is_empty());
    assert_says(&refresher, &[(1, Revoked)]);
}

#[test]
fn what_a_delta_takes_back_of_what_was_revoked_for_good_is_held_until_the_operator_accepts() {
    let site = Site::new();
    let sources = refusing(site.files(&["base", "delta"]));
    let mut refresher = site.restart(sources.clone());
    site.put_list("base", &revoking(site.list(100, 30), 1..=20));
    refresher.refresh(site.now);
    let delta = site.list(101, 20).over(100).revoke(&[30], None);
    site.put_list(
        "delta",
        &(1..=15).fold(delta, |delta, serial| delta.release(&[serial])),
    );
    let gone = vanished(&refresher.refresh(site.now));
    assert_eq!((gone.count, gone.of, gone.is_held), (15, 20, true));
    let mut restarted = site.restart(sources.clone());
    restarted.refresh(site.now);
    for refresher in [&refresher, &restarted] {
        assert_says(refresher, &[(1, Revoked), (16, Revoked), (30, Revoked)]);
        assert!(refresher.is_holding());
    }

    restarted.accept_held(site.now);
    let mut again = site.restart(sources);
    again.refresh(site.now);
    for refresher in [&restarted, &again] {
        assert_says(refresher, &[(1, Good), (16, Revoked), (30, Revoked)]);
        assert!(!refresher.is_holding());
    }
}

#[test]
fn holds_that_deltas_end_pass_the_guard() {
    let site = Site::new();
    site.put("index.txt", index(1..=21, UNEXPIRED));
    let hold = Some(CrlReason::CertificateHold);
    let base = (1..=20_u8).fold(site.list(100, 40), |list, serial| {
        list.revoke(&[serial], hold)
    });
    site.put_list("base", &base);
    site.put_list("delta", &site.list(101, 30).over(100).revoke(&[21], hold));
    let mut refresher = site.start(refusing(with_index(&site, &["base", "delta"])));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (20, Revoked), (21, Revoked)]);
    let release = site.list(102, 20).over(100);
    let release = (1..=20).fold(release, |delta, serial| delta.release(&[serial]));
    site.put_list("delta", &release);
    let gone = vanished(&refresher.refresh(site.now));
    assert_eq!((gone.count, gone.of), (0, 21));
    assert_says(&refresher, &[(1, Good), (20, Good), (21, Good)]);
    assert!(!refresher.is_holding());
}

#[test]
fn what_the_next_delta_does_not_name_any_more_and_the_complete_list_never_did_has_vanished() {
    let site = Site::new();
    site.put("index.txt", index(1..=20, UNEXPIRED));
    site.put_list("base", &revoking(site.list(100, 40), 1..=3));
    let delta = |number, minutes_ago| site.list(number, minutes_ago).over(100);
    site.put_list("delta", &revoking(delta(101, 30), [3, 4, 5]));
    let mut refresher = site.start(refusing(with_index(&site, &["base", "delta"])));
    refresher.refresh(site.now);
    site.put_list("delta", &revoking(delta(102, 20), [5]));
    let gone = vanished(&refresher.refresh(site.now));
    assert_eq!(
        (gone.count, gone.of, gone.unexpired, gone.is_held),
        (1, 5, 1, true)
    );
    assert_says(&refresher, &[(3, Revoked), (4, Revoked), (5, Revoked)]);
    refresher.accept_held(site.now);
    assert_says(&refresher, &[(3, Revoked), (4, Good), (5, Revoked)]);
}

#[test]
fn a_delta_that_waited_for_its_time_or_its_base_is_guarded_as_well() {
    let site = Site::new();
    site.put("index.txt", index(1..=20, UNEXPIRED));
    site.put_list("base", &revoking(site.list(100, 40), 1..=3));
    site.put_list("delta", &site.list(101, -10).over(100).release(&[1]));
    let mut refresher = site.start(refusing(with_index(&site, &["base", "delta"])));
    // Long after they were read: they are not read again.
    refresher.refresh(site.now.plus_seconds(60));
    let later = site.now.plus_seconds(600);
    let gone = vanished(&refresher.refresh(later));
    assert_eq!((gone.count, gone.is_held), (1, true));
    site.put_list("delta", &site.list(103, -11).over(102).release(&[2]));
    refresher.refresh(later.plus_seconds(60));
    site.put_list("base", &revoking(site.list(102, -11), 1..=3));
    refresher.refresh(later.plus_seconds(120));
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Revoked)]);
    refresher.accept_held(later.plus_seconds(120));
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Revoked)]);
}
