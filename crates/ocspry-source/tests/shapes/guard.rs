//! What vanishes from a list (docs/design.md §7): counted, raised as an alarm, or held until the operator accepts it.

use ocspry_source::{Guard, Sources, StatusSource};
use ocspry_testkit::CrlSpec;
use ocspry_wire::ocsp::CrlReason;

use crate::site::Says::{Good, Revoked};
use crate::site::{Site, assert_says, in_use, problem, problems, says, says_of, vanished};

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
    assert!(refresher.is_holding());

    let mut restarted = site.restart(sources.clone());
    restarted.refresh(site.now);
    assert_says(
        &restarted,
        &[(1, Revoked), (20, Revoked), (30, Revoked), (31, Good)],
    );
    assert!(restarted.is_holding());

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
fn accepting_when_nothing_is_held_does_nothing() {
    let site = Site::new();
    let mut refresher = site.start(site.files(&["ca.crl"]));
    site.put_list("ca.crl", &site.list(1, 30).revoke(&[1], None));
    refresher.refresh(site.now);
    assert!(refresher.accept_held(site.now).is_empty());
    assert_says(&refresher, &[(1, Revoked)]);
}
