//! What a list of what was issued takes back (docs/design.md §3, §7): an older one that is put back, while it runs and across
//! a restart, is refused, held or at least said, never taken in silence.

use ocspry_source::{
    Event, Guard, HeldBack, IssuedRole, IssuedSource, Lag, Refresher, Report, Sources,
    StatusSource, TakenBack,
};
use ocspry_testkit::pem;

use crate::site::Says::{Good, NeverIssued, Revoked};
use crate::site::{Site, assert_says, end, problem, problems};

/// Guarded as `guard` says; good for a day, as the index would be alone.
fn only(issued: IssuedSource, guard: Guard, site: &Site) -> Sources {
    Sources {
        guard,
        ..site.sources(vec![StatusSource::Issued(issued)])
    }
}

fn record(site: &Site) -> IssuedSource {
    IssuedSource {
        role: IssuedRole::Record,
        ..site.issued("index.txt")
    }
}

/// Each serial with its status, and perhaps a reason; of certificates that hold for years.
fn index(lines: &[(u8, &str)]) -> String {
    let line = |(serial, reason): &(u8, &str)| match *reason {
        "V" => format!("V\t{UNEXPIRED}\t\t{serial:02X}\tunknown\t/CN=www\n"),
        reason => {
            format!("R\t{UNEXPIRED}\t260101000000Z,{reason}\t{serial:02X}\tunknown\t/CN=www\n")
        }
    };
    lines.iter().map(line).collect()
}

const UNEXPIRED: &str = "20490101000000Z";
const OLDER: &[(u8, &str)] = &[(1, "V"), (2, "V")];
const NEWER: &[(u8, &str)] = &[(1, "keyCompromise"), (2, "V"), (3, "V")];

fn taken_back(reports: &[Report]) -> Option<TakenBack> {
    reports.iter().find_map(|report| match report.event {
        Event::TakenBack(taken_back) => Some(taken_back),
        _ => None,
    })
}

/// The time of the file, this many minutes ago.
fn set_age(site: &Site, name: &str, minutes: i64) {
    let seconds = site.now.unix_seconds() - 60 * minutes;
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.try_into().unwrap());
    let file = std::fs::File::open(site.path(name)).unwrap();
    file.set_modified(time).unwrap();
}

/// An export of ten minutes ago.
fn exported(guard: Guard) -> (Site, Sources) {
    let site = Site::new();
    let sources = only(site.issued("index.txt"), guard, &site);
    site.put("index.txt", index(NEWER));
    set_age(&site, "index.txt", 10);
    (site, sources)
}

#[test]
fn an_older_index_put_back_is_used_with_an_alarm() {
    let site = Site::new();
    site.put("index.txt", index(NEWER));
    let mut refresher = site.start(only(record(&site), Guard::Alarm, &site));
    assert_eq!(taken_back(&refresher.refresh(site.now)), None);
    site.put("index.txt", index(OLDER));
    let gone = taken_back(&refresher.refresh(site.now)).unwrap();
    assert_eq!((gone.certificates, gone.revocations, gone.of), (1, 1, 3));
    assert_eq!((gone.unexpired, gone.is_held), (2, false));
    assert!(gone.is_alarming());
    assert_says(&refresher, &[(1, Good), (3, NeverIssued)]);
}

#[test]
fn a_refusing_guard_holds_what_an_older_index_takes_back_until_the_operator_accepts() {
    for is_restarted in [false, true] {
        let site = Site::new();
        let sources = only(record(&site), Guard::Refuse, &site);
        site.put("index.txt", index(NEWER));
        let mut refresher = site.restart(sources.clone());
        refresher.refresh(site.now);
        if is_restarted {
            refresher = site.restart(sources.clone());
        }
        site.put("index.txt", [index(OLDER), index(&[(4, "V")])].concat());
        let gone = taken_back(&refresher.refresh(site.now)).unwrap();
        assert!(gone.is_held, "{gone:?}");
        let holds: Vec<_> = refresher.holds().map(|hold| hold.what).collect();
        let what = HeldBack::TakenBack {
            certificates: 1,
            revocations: 1,
        };
        assert_eq!(holds, [what]);
        let held = [(1, Revoked), (2, Good), (3, Good), (4, Good)];
        assert_says(&refresher, &held);

        let mut again = site.restart(sources.clone());
        assert_eq!(taken_back(&again.refresh(site.now)), None);
        assert!(again.is_holding());
        assert_says(&again, &held);

        again.accept_held(site.now);
        let accepted = [(1, Good), (2, Good), (3, NeverIssued), (4, Good)];
        assert_says(&again, &accepted);
        let mut at_last = site.restart(sources);
        at_last.refresh(site.now);
        assert!(!at_last.is_holding());
        assert_says(&at_last, &accepted);
    }
}

#[test]
fn a_restart_knows_what_the_index_before_it_said_whatever_its_reasons() {
    let reasons = [
        (1, "keyCompromise"),
        (2, "keyTime,20251231235959Z"),
        (3, "CAkeyTime,20251231235959Z"),
        (4, "superseded"),
        (0xff, "unspecified"),
    ];
    let site = Site::new();
    let sources = only(site.issued("index.txt"), Guard::Alarm, &site);
    site.put("index.txt", index(&reasons));
    let mut refresher = site.restart(sources.clone());
    refresher.refresh(site.now);
    site.remove("index.txt");
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    let (before, after) = (
        refresher.issuer().table().unwrap(),
        restarted.issuer().table().unwrap(),
    );
    assert_eq!(before.window(), after.window());
    for serial in [&[1][..], &[2], &[3], &[4], &[0, 0xff], &[5]] {
        let serial = ocspry_wire::x509::SerialNumber::from_content(serial).unwrap();
        assert_eq!(before.lookup(&serial), after.lookup(&serial));
    }
}

#[test]
fn an_export_that_was_written_before_the_one_in_use_is_refused_also_after_a_restart() {
    let (site, sources) = exported(Guard::Alarm);
    let mut refresher = site.restart(sources.clone());
    refresher.refresh(site.now);
    site.put("index.txt", index(OLDER));
    set_age(&site, "index.txt", 20);
    for mut refresher in [site.restart(sources), refresher] {
        refresher.refresh(site.now);
        assert_says(&refresher, &[(1, Revoked), (3, Good)]);
        let problem = problem(&refresher);
        assert!(problem.contains("was written on"), "{problem}");
        refresher.refresh(site.now.plus_seconds(1));
        assert_eq!(problems(&refresher).len(), 1, "as long as it is there");
    }
}

#[test]
fn an_older_export_with_a_new_time_is_compared() {
    let (site, sources) = exported(Guard::Alarm);
    site.restart(sources.clone()).refresh(site.now);
    site.put("index.txt", index(OLDER));
    set_age(&site, "index.txt", 5);
    let mut refresher = site.restart(sources);
    let gone = taken_back(&refresher.refresh(site.now)).unwrap();
    assert!(gone.is_alarming() && !gone.is_held);
    assert_eq!(problems(&refresher).len(), 0);
    assert_says(&refresher, &[(1, Good), (3, NeverIssued)]);
}

#[test]
fn the_same_export_does_not_grow_older_when_its_time_is_set_back() {
    let (site, sources) = exported(Guard::Alarm);
    let mut refresher = site.restart(sources.clone());
    refresher.refresh(site.now);
    let window = refresher.issuer().table().unwrap().window();
    set_age(&site, "index.txt", 20);
    for mut refresher in [refresher, site.restart(sources)] {
        refresher.refresh(site.now);
        assert_eq!(refresher.issuer().table().unwrap().window(), window);
        assert_eq!(problems(&refresher).len(), 0);
    }
}

#[test]
fn a_lifted_hold_and_what_has_expired_are_no_alarm() {
    let expired = "R\t200101000000Z\t190101000000Z\t09\tunknown\t/CN=old\n\
                   V\t200101000000Z\t\t0A\tunknown\t/CN=old\n";
    let site = Site::new();
    let lines = [
        index(&[(1, "certificateHold"), (2, "V")]),
        expired.to_owned(),
    ];
    site.put("index.txt", lines.concat());
    let mut refresher = site.start(only(record(&site), Guard::Refuse, &site));
    refresher.refresh(site.now);
    site.put("index.txt", [index(OLDER), expired.to_owned()].concat());
    assert_eq!(
        taken_back(&refresher.refresh(site.now)),
        None,
        "a hold is lifted"
    );
    assert_says(&refresher, &[(1, Good), (9, Revoked), (10, Good)]);
    site.put("index.txt", index(OLDER));
    let gone = taken_back(&refresher.refresh(site.now)).unwrap();
    assert_eq!((gone.certificates, gone.unexpired), (2, 0));
    assert!(!gone.is_alarming() && !gone.is_held, "{gone:?}");
    assert_says(&refresher, &[(1, Good), (9, NeverIssued)]);
}

#[test]
fn certificates_that_expired_while_the_index_did_not_change_may_leave_it() {
    const YEARS: i64 = 25 * 366 * 86_400;
    let site = Site::new();
    let issued = IssuedSource {
        max_age_seconds: 2 * YEARS,
        ..record(&site)
    };
    site.put("index.txt", index(NEWER));
    let mut refresher = site.start(only(issued, Guard::Refuse, &site));
    refresher.refresh(site.now);
    // It is not read at every look any more.
    refresher.refresh(site.now.plus_seconds(10));
    let later = site.now.plus_seconds(YEARS);
    refresher.refresh(later);
    site.put("index.txt", index(&[(2, "V")]));
    let gone = taken_back(&refresher.refresh(later)).unwrap();
    assert_eq!((gone.certificates, gone.unexpired), (2, 0));
    assert!(!refresher.is_holding());
}

#[test]
fn a_list_of_serials_that_only_loses_looks_like_an_older_one() {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10));
    let sources = Sources {
        guard: Guard::Refuse,
        ..site.sources(vec![
            StatusSource::Lists(ocspry_source::ListSource::File(site.path("ca.crl"))),
            StatusSource::Issued(site.issued("index.txt")),
        ])
    };
    site.put("index.txt", "01\n02\n03\n");
    let mut refresher = site.restart(sources.clone());
    refresher.refresh(site.now);
    // One has gone, and one has come: expired ones leave such a list.
    site.put("index.txt", "02\n03\n04\n");
    let gone = taken_back(&refresher.refresh(site.now)).unwrap();
    assert_eq!(
        (gone.certificates, gone.undated, gone.has_news),
        (1, 1, true)
    );
    assert!(!gone.is_alarming());
    assert_says(&refresher, &[(1, NeverIssued), (4, Good)]);

    site.put("index.txt", "02\n03\n");
    let mut restarted = site.restart(sources);
    let gone = taken_back(&restarted.refresh(site.now)).unwrap();
    assert_eq!(
        (gone.certificates, gone.has_news, gone.is_held),
        (1, false, true)
    );
    assert_says(&restarted, &[(4, Good), (5, NeverIssued)]);
}

#[test]
fn a_certificate_that_leaves_the_directory_before_it_ends_is_an_alarm_also_after_a_restart() {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10));
    std::fs::create_dir(site.path("newcerts")).unwrap();
    for serial in [1, 2, 3] {
        let certificate = pem("CERTIFICATE", &site.ca.server("a.example", &[serial]));
        site.put(&format!("newcerts/{serial:02}.pem"), certificate);
    }
    let issued = IssuedSource {
        role: IssuedRole::Record,
        ..site.issued("newcerts")
    };
    let sources = Sources {
        guard: Guard::Refuse,
        ..site.sources(vec![
            StatusSource::Lists(ocspry_source::ListSource::File(site.path("ca.crl"))),
            StatusSource::Issued(issued),
        ])
    };
    site.restart(sources.clone()).refresh(site.now);
    site.remove("newcerts/02.pem");
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    let gone = taken_back(&restarted.refresh(site.now.plus_seconds(2))).unwrap();
    assert_eq!((gone.certificates, gone.of, gone.unexpired), (1, 3, 1));
    assert_says(&restarted, &[(2, Good), (4, NeverIssued)]);
}

#[test]
fn without_the_copy_it_is_said_that_nothing_could_be_compared() {
    let site = Site::new();
    let sources = only(record(&site), Guard::Alarm, &site);
    site.put("index.txt", index(NEWER));
    site.restart(sources.clone()).refresh(site.now);
    let folder = only_folder(&site);
    std::fs::remove_file(folder.join("last-good.txt")).unwrap();
    let mut unchanged = site.restart(sources.clone());
    let is_said = |reports: &[Report]| {
        let mut reports = reports.iter();
        reports.any(|report| matches!(report.event, Event::NotCompared(_)))
    };
    assert!(
        !is_said(&unchanged.refresh(site.now)),
        "it is the very list"
    );
    assert!(folder.join("last-good.txt").exists(), "written again");
    std::fs::write(folder.join("last-good.txt"), "# a list\n01\n").unwrap();
    site.put("index.txt", index(OLDER));
    assert!(is_said(&site.restart(sources).refresh(site.now)));
}

#[test]
fn damaged_marks_of_an_index_are_an_error_and_nothing_is_taken() {
    let site = Site::new();
    let sources = only(record(&site), Guard::Alarm, &site);
    site.put("index.txt", index(NEWER));
    site.restart(sources.clone()).refresh(site.now);
    let marks = only_folder(&site).join("marks.json");
    std::fs::write(&marks, "{").unwrap();
    site.put("index.txt", index(OLDER));
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    assert!(
        problem(&restarted).contains("is damaged"),
        "{}",
        problem(&restarted)
    );
    assert!(restarted.issuer().table().is_none());
    std::fs::remove_file(&marks).unwrap();
    restarted.refresh(site.now);
    assert_says(&restarted, &[(1, Good)]);
    assert_eq!(problems(&restarted).len(), 0);
}

#[test]
fn a_state_that_was_reset_takes_an_older_export_with_the_guard_alone() {
    let (site, sources) = exported(Guard::Refuse);
    let mut refresher = site.restart(sources);
    refresher.refresh(site.now);
    site.put("index.txt", index(OLDER));
    set_age(&site, "index.txt", 20);
    refresher.refresh(site.now);
    assert!(!refresher.is_holding());
    std::fs::remove_dir_all(only_folder(&site)).unwrap();
    refresher.forget_used(site.now);
    let gone = taken_back(&refresher.refresh(site.now)).unwrap();
    assert!(gone.is_held);
    assert_says(&refresher, &[(1, Revoked), (3, Good)]);
}

#[test]
fn a_configuration_that_changes_how_long_an_index_holds_remembers_it() {
    let site = Site::new();
    site.put("index.txt", index(NEWER));
    let mut old = site.start(only(record(&site), Guard::Refuse, &site));
    old.refresh(site.now);
    let issued = IssuedSource {
        max_age_seconds: 7200,
        ..record(&site)
    };
    let mut refresher = site.start(only(issued, Guard::Refuse, &site));
    refresher.carry_over(&old);
    site.put("index.txt", index(OLDER));
    assert!(taken_back(&refresher.refresh(site.now)).unwrap().is_held);
    assert_says(&refresher, &[(1, Revoked), (3, Good)]);
}

/// The same sources as after a restart, or as after a reload of the configuration with another `role`.
fn with_role(site: &Site, old: &Refresher, role: IssuedRole, is_restarted: bool) -> Refresher {
    let issued = IssuedSource {
        role,
        ..site.issued("index.txt")
    };
    let mut refresher = site.restart(only(issued, Guard::Alarm, site));
    if !is_restarted {
        refresher.carry_over(old);
    }
    refresher
}

#[test]
fn a_record_that_becomes_an_export_is_followed_by_what_was_written_after_it_not_after_it_was_read()
{
    for is_restarted in [true, false] {
        let site = Site::new();
        site.put("index.txt", index(OLDER));
        set_age(&site, "index.txt", 30);
        let mut old = site.restart(only(record(&site), Guard::Alarm, &site));
        old.refresh(site.now);
        assert_says(&old, &[(1, Good), (3, NeverIssued)]);

        site.put("index.txt", index(NEWER));
        set_age(&site, "index.txt", 10);
        let mut refresher = with_role(&site, &old, IssuedRole::Export, is_restarted);
        refresher.refresh(site.now);
        assert_eq!(problems(&refresher), [""; 0]);
        assert_says(&refresher, &[(1, Revoked), (3, Good)]);

        site.put("index.txt", index(OLDER));
        set_age(&site, "index.txt", 20);
        refresher.refresh(site.now);
        let problem = problem(&refresher);
        assert!(problem.contains("was written on"), "{problem}");
        assert_says(&refresher, &[(1, Revoked), (3, Good)]);
    }
}

#[test]
fn a_record_that_becomes_an_export_is_as_old_as_its_file_and_so_is_its_last_good_copy() {
    for (is_restarted, is_removed) in [(true, false), (true, true), (false, false)] {
        let site = Site::new();
        site.put("index.txt", index(NEWER));
        set_age(&site, "index.txt", 30);
        let mut old = site.restart(only(record(&site), Guard::Alarm, &site));
        old.refresh(site.now);
        if is_removed {
            site.remove("index.txt");
        }
        let mut refresher = with_role(&site, &old, IssuedRole::Export, is_restarted);
        refresher.refresh(site.now);
        assert_says(&refresher, &[(1, Revoked)]);
        // It holds for an hour.
        assert_eq!(end(&refresher), site.now.plus_seconds(1800));
    }
}

#[test]
fn an_export_that_becomes_a_record_is_used_however_old_its_file_is() {
    for is_restarted in [true, false] {
        let (site, sources) = exported(Guard::Alarm);
        let mut old = site.restart(sources);
        old.refresh(site.now);
        site.put("index.txt", index(OLDER));
        set_age(&site, "index.txt", 20);
        // Once more, so that the file is known not to have changed since.
        let settled = site.now.plus_seconds(60);
        old.refresh(settled);
        old.refresh(settled);
        assert!(problem(&old).contains("was written on"));

        let mut refresher = with_role(&site, &old, IssuedRole::Record, is_restarted);
        let gone = taken_back(&refresher.refresh(settled)).unwrap();
        assert!(gone.is_alarming(), "{gone:?}");
        assert_eq!(problems(&refresher), [""; 0]);
        assert_says(&refresher, &[(1, Good), (3, NeverIssued)]);
    }
}

#[test]
fn a_directory_whose_newest_certificate_is_removed_is_used_and_the_removal_noticed() {
    for is_restarted in [true, false] {
        let site = Site::new();
        site.put_list("ca.crl", &site.list(1, 10));
        std::fs::create_dir(site.path("newcerts")).unwrap();
        for (serial, minutes) in [(1, 30), (2, 20), (3, 10)] {
            let name = format!("newcerts/{serial:02}.pem");
            site.put(
                &name,
                pem("CERTIFICATE", &site.ca.server("a.example", &[serial])),
            );
            set_age(&site, &name, minutes);
        }
        let sources = site.sources(vec![
            StatusSource::Lists(ocspry_source::ListSource::File(site.path("ca.crl"))),
            StatusSource::Issued(site.issued("newcerts")),
        ]);
        let mut refresher = site.restart(sources.clone());
        refresher.refresh(site.now);
        assert_says(&refresher, &[(3, Good)]);
        site.remove("newcerts/03.pem");
        if is_restarted {
            refresher = site.restart(sources);
        }
        refresher.refresh(site.now);
        let gone = taken_back(&refresher.refresh(site.now.plus_seconds(2))).unwrap();
        assert_eq!((gone.certificates, gone.of, gone.unexpired), (1, 3, 1));
        assert_eq!(problems(&refresher), [""; 0]);
        assert_says(&refresher, &[(2, Good), (3, NeverIssued)]);
    }
}

#[test]
fn an_index_that_is_not_configured_for_a_while_is_remembered() {
    let (site, sources) = exported(Guard::Alarm);
    site.restart(sources.clone()).refresh(site.now);
    site.put("others.txt", index(NEWER));
    let others = only(site.issued("others.txt"), Guard::Alarm, &site);
    let mut without = site.restart(others);
    without.refresh(site.now);
    without.keep_now(site.now);

    site.put("index.txt", index(OLDER));
    set_age(&site, "index.txt", 20);
    let mut refresher = site.restart(sources);
    refresher.refresh(site.now);
    assert!(problem(&refresher).contains("was written on"));
    assert_says(&refresher, &[(1, Revoked), (3, Good)]);
}

/// An index that is kept as a record, beside a CRL.
fn recorded(site: &Site, guard: Guard, lag: Lag) -> Sources {
    site.put_list("ca.crl", &site.list(1, 10));
    site.put("index.txt", index(NEWER));
    let issued = IssuedSource {
        lag,
        ..record(site)
    };
    let mut sources = site.files(&["ca.crl"]);
    sources.guard = guard;
    sources.sources.push(StatusSource::Issued(issued));
    site.restart(sources.clone()).refresh(site.now);
    sources
}

#[test]
fn what_a_record_revoked_is_revoked_after_a_restart_until_it_is_read() {
    let site = Site::new();
    let sources = recorded(&site, Guard::Alarm, Lag::Good);
    site.remove("index.txt");
    let mut restarted = site.restart(sources.clone());
    restarted.refresh(site.now);
    let mut reloaded = site.restart(sources);
    reloaded.carry_over(&restarted);
    for refresher in [&mut restarted, &mut reloaded] {
        refresher.refresh(site.now);
        assert_says(refresher, &[(1, Revoked), (2, Good)]);
    }
    site.put("index.txt", index(OLDER));
    reloaded.refresh(site.now);
    assert_says(&reloaded, &[(1, Good), (2, Good)]);
}

#[test]
fn what_the_copy_of_an_export_revoked_is_revoked_though_a_later_one_could_not_be_kept() {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10));
    site.put("index.txt", index(NEWER));
    let issued = IssuedSource {
        lag: Lag::Good,
        ..site.issued("index.txt")
    };
    let mut sources = site.files(&["ca.crl"]);
    sources.sources.push(StatusSource::Issued(issued));
    let mut running = site.restart(sources.clone());
    running.refresh(site.now);
    std::fs::create_dir(only_folder(&site).join(".last-good.txt.tmp")).unwrap();
    site.put("index.txt", [index(NEWER), index(&[(4, "V")])].concat());
    set_age(&site, "index.txt", 0);
    running.refresh(site.now);
    site.remove("index.txt");
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    assert_says(&restarted, &[(1, Revoked), (4, Good)]);
}

#[test]
fn a_record_that_was_rewritten_a_moment_before_a_restart_lifts_no_revocation_before_the_guard_is_asked()
 {
    let site = Site::new();
    let sources = recorded(&site, Guard::Refuse, Lag::TryLater);
    std::fs::write(site.path("index.txt"), index(OLDER)).unwrap();
    let mut restarted = site.restart(sources);
    // At once, and when the file has stayed as it is for long.
    for seconds in [0, 60] {
        restarted.refresh(site.now.plus_seconds(seconds));
        assert_says(&restarted, &[(1, Revoked), (2, Good)]);
    }
    assert!(restarted.is_holding());
}

#[test]
fn the_first_list_after_a_restart_is_compared_though_the_record_cannot_be_read() {
    let site = Site::new();
    let sources = recorded(&site, Guard::Refuse, Lag::Good);
    site.put_list("ca.crl", &site.list(2, 8).revoke(&[2], None));
    site.restart(sources.clone()).refresh(site.now);
    site.remove("index.txt");
    site.put_list("ca.crl", &site.list(3, 6));
    let mut restarted = site.restart(sources);
    restarted.refresh(site.now);
    assert_says(&restarted, &[(1, Revoked), (2, Revoked)]);
}

#[test]
fn what_had_expired_by_a_clock_that_was_ahead_has_not_once_that_is_right() {
    let (site, sources) = exported(Guard::Refuse);
    let at = |seconds: i64| site.now.plus_seconds(3600 + seconds);
    let mut refresher = site.restart(sources);
    refresher.refresh(at(50 * 365 * 86_400));
    refresher.refresh(at(0));
    site.put("index.txt", index(OLDER));
    let gone = taken_back(&refresher.refresh(at(1))).unwrap();
    assert_eq!(
        (gone.revocations, gone.unexpired, gone.is_held),
        (1, 2, true)
    );
    assert_says(&refresher, &[(1, Revoked), (3, Good)]);
}

/// Where the one list of what was issued is remembered.
fn only_folder(site: &Site) -> std::path::PathBuf {
    let inner = |folder: std::path::PathBuf| {
        let mut entries = std::fs::read_dir(folder).unwrap();
        entries.next().unwrap().unwrap().path()
    };
    inner(inner(site.path("state/issuers")).join("issued"))
}
