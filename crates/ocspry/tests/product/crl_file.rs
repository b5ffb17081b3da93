//! The CRL file over its life: replaced, replaced badly, older, from the future, run out, and after a restart.

use crate::site::{GOOD, LATER, NOTICE_WAIT_MAX, REVOKED, Site, says_good, says_revoked};
use ocspry_testkit::{
    Authority, CrlSpec, KeyKind, OcspryProcess, Reply, forge, now, pem, wait_for_some, wait_until,
};
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn a_crl_replaced_under_load_fails_no_request_and_counts_from_the_next_answers_on() {
    const CLIENTS: usize = 4;
    let site = Site::new();
    let process = site.serve().start();
    let revoked_seen = AtomicBool::new(false);
    let stop = AtomicBool::new(false);
    let answers = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (site, process) = (&site, &process);
            let (revoked_seen, stop, answers) = (&revoked_seen, &stop, &answers);
            scope.spawn(move || {
                // Odd clients open a connection for each request, even ones keep theirs.
                let mut connection = process.connect();
                let requests = [GOOD, REVOKED, LATER].map(|serial| site.request(serial));
                while !stop.load(Ordering::SeqCst) {
                    if client % 2 == 1 {
                        connection = process.connect();
                    }
                    let must_be_revoked = revoked_seen.load(Ordering::SeqCst);
                    let later = site.ask(&mut connection, &requests[2]);
                    if says_revoked(&later) {
                        revoked_seen.store(true, Ordering::SeqCst);
                    } else {
                        assert!(says_good(&later), "{later:?}");
                        assert!(!must_be_revoked, "good again after revoked");
                    }
                    if client % 2 == 1 {
                        connection = process.connect();
                    }
                    let index = usize::from(client >= CLIENTS / 2);
                    let other = site.ask(&mut connection, &requests[index]);
                    assert_eq!(says_revoked(&other), index == 1, "{other:?}");
                    answers.fetch_add(2, Ordering::SeqCst);
                }
            });
        }
        let guard = StopOnDrop(&stop);
        wait_for_answers(&answers, 200, NOTICE_WAIT_MAX);
        site.write_crl(
            &CrlSpec::new(11)
                .revoke(REVOKED, Some(CrlReason::KeyCompromise))
                .revoke(LATER, Some(CrlReason::Superseded)),
        );
        wait_until("the certificate is revoked", NOTICE_WAIT_MAX, || {
            revoked_seen.load(Ordering::SeqCst)
        });
        let seen = answers.load(Ordering::SeqCst);
        wait_for_answers(&answers, seen + 200, NOTICE_WAIT_MAX);
        drop(guard);
    });
}

#[test]
fn a_crl_written_in_place_is_picked_up_too() {
    let site = Site::new();
    let process = site.serve().start();
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
    let crl = CrlSpec::new(11).revoke(REVOKED, None).revoke(LATER, None);
    site.write("crl.pem", pem("X509 CRL", &site.ca.crl(&crl)));
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
}

#[test]
fn the_table_of_a_list_that_was_replaced_leaves_memory() {
    const ENTRIES: u32 = 300_000;
    let list = |number: u64| {
        (0..ENTRIES).fold(CrlSpec::new(number), |list, entry| {
            let mut serial = [0x42; 20];
            serial[..4].copy_from_slice(&(0x4000_0000 | entry.wrapping_mul(40_503)).to_be_bytes());
            list.revoke(&serial, None)
        })
    };
    let site = Site::new();
    site.write_crl(&list(10));
    // What is given back leaves the process, also where it is small.
    let process = site.serve().env("MALLOC_MMAP_THRESHOLD_", "65536").start();
    let resident_kib = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().trim().split(' ').next().unwrap();
        number.parse::<u64>().unwrap()
    };
    // The table takes about as much, and a young file is read once more after the start.
    let table_kib = u64::from(ENTRIES) * 22 / 1024;
    let settled = |kib_max: u64| {
        wait_for_some(NOTICE_WAIT_MAX, || {
            (resident_kib() <= kib_max).then_some(())
        })
    };
    let before_kib = resident_kib();
    for number in [11_u64, 12] {
        let mark = process.log_mark();
        site.write_crl(&list(number));
        process.wait_for_log_after(mark, &format!("CRL {number} in use"), NOTICE_WAIT_MAX);
    }
    let is_given_back = settled(before_kib + table_kib / 2).is_some();
    assert!(is_given_back, "{} KiB, {before_kib} before", resident_kib());
}

#[test]
fn a_crl_behind_turned_symbolic_links_is_picked_up() {
    let site = Site::new();
    // As Kubernetes lays out a volume: crl.pem -> ..data/crl.pem, ..data -> a directory for each version.
    let versions = [
        ("version-1", site.first_crl()),
        ("version-2", CrlSpec::new(11).revoke(LATER, None)),
    ];
    for (name, crl) in &versions {
        std::fs::create_dir(site.file(name)).unwrap();
        site.write(&format!("{name}/crl.pem"), site.ca.crl(crl));
    }
    std::fs::remove_file(site.file("crl.pem")).unwrap();
    symlink("version-1", site.file("..data")).unwrap();
    symlink("..data/crl.pem", site.file("crl.pem")).unwrap();
    let process = site.serve().start();
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
    symlink("version-2", site.file("..data-new")).unwrap();
    std::fs::rename(site.file("..data-new"), site.file("..data")).unwrap();
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
}

#[test]
fn a_crl_is_noticed_by_polling_where_the_watch_sees_nothing() {
    let site = Site::new();
    let other_name = site.other_name_of("crl.pem");
    let process = site.serve().args(["--cache-ttl", "1"]).start();
    let replace = |crl: &CrlSpec| std::fs::write(&other_name, site.ca.crl(crl)).unwrap();
    // More than once: the first may be seen by the look that follows the start.
    for number in [11, 13] {
        replace(&CrlSpec::new(number).revoke(LATER, None));
        site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
        replace(&CrlSpec::new(number + 1));
        site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_good);
    }
}

/// Contents that must never replace a good list: what, the file, and a part of the sentence that says why.
fn bad_lists(site: &Site) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    // Every one of them is newer than the list in use and would make REVOKED good.
    let newer = CrlSpec::new(20);
    let good = site.ca.crl(&newer);
    let other_ca = Authority::root("Another CA", KeyKind::P256);
    let mut same_name = ocspry_testkit::CertificateSpec::authority("Site Intermediate");
    same_name.serial = Some(vec![0x09]);
    let impostor =
        Authority::root_from(&same_name, ocspry_testkit::TestKey::generate(KeyKind::P256));
    let mut critical = newer.clone();
    critical.unknown_critical_extension = true;
    let mut critical_entry = newer.clone().revoke(LATER, None);
    critical_entry.entries[0].unknown_critical_extension = true;
    let pem_of = |der: &[u8]| pem("X509 CRL", der).into_bytes();
    vec![
        ("empty", Vec::new(), "empty"),
        (
            "a truncated DER list",
            good[..good.len() / 2].to_vec(),
            "octet",
        ),
        (
            "a truncated PEM list",
            pem_of(&good)[..200].to_vec(),
            "has no end",
        ),
        ("text", b"this is not a list\n".to_vec(), "CRL"),
        (
            "a certificate",
            site.ca.certificate_pem().into_bytes(),
            "CERTIFICATE",
        ),
        (
            "another CA's list",
            pem_of(&other_ca.crl(&newer)),
            "Another CA",
        ),
        (
            "a list signed by another key of the same name",
            pem_of(&impostor.crl(&newer)),
            "signature",
        ),
        ("a forged list", pem_of(&forge(&good)), "signature"),
        (
            "a list with an unknown critical extension",
            pem_of(&site.ca.crl(&critical)),
            "critical",
        ),
        (
            "a list with an unknown critical entry extension",
            pem_of(&site.ca.crl(&critical_entry)),
            "critical",
        ),
        (
            "an older list",
            pem_of(
                &site
                    .ca
                    .crl(&newer.clone().made_at(now().plus_seconds(-3600))),
            ),
            "thisUpdate",
        ),
    ]
}

#[test]
fn a_bad_replacement_is_refused_with_a_reason_and_the_old_list_stays() {
    let site = Site::new();
    let good = std::fs::read(site.file("crl.pem")).unwrap();
    let process = site.serve().start();
    for (what, content, reason) in bad_lists(&site) {
        let refused_before = refusals(&process.log(), reason);
        site.replace("crl.pem", content);
        wait_for_lines(&process, |log| refusals(log, reason) > refused_before, what);
        assert!(
            matches!(site.status(&process, REVOKED), CertStatus::Revoked(_)),
            "{what}"
        );
        assert_eq!(site.status(&process, GOOD), CertStatus::Good, "{what}");
        // The good one comes back, which is said too.
        let recovered_before = process.log_count("again");
        site.replace("crl.pem", &good);
        wait_for_lines(&process, |log| count(log, "again") > recovered_before, what);
    }
}

fn wait_for_lines(process: &OcspryProcess, wanted: impl Fn(&str) -> bool, what: &str) {
    let found = wait_for_some(NOTICE_WAIT_MAX, || wanted(&process.log()).then_some(()));
    assert!(
        found.is_some(),
        "{what}: not in the log:\n{}",
        process.log()
    );
}

fn count(log: &str, part: &str) -> usize {
    log.lines().filter(|line| line.contains(part)).count()
}

/// Lines of a log that name crl.pem and give this reason.
fn refusals(log: &str, reason: &str) -> usize {
    log.lines()
        .filter(|line| line.contains("crl.pem") && line.contains(reason))
        .count()
}

#[test]
fn a_bad_list_at_start_is_refused_in_one_line_that_names_it() {
    let site = Site::new();
    for (index, (what, content, reason)) in bad_lists(&site).into_iter().enumerate() {
        if what == "an older list" {
            continue; // Older than nothing.
        }
        site.replace("crl.pem", content);
        let state = site.file(&format!("state-{index}"));
        let finished = site.serve().env("STATE_DIRECTORY", state).run();
        assert_eq!(finished.code, Some(1), "{what}: {finished:?}");
        let line = last_line(&finished.stderr);
        assert!(
            line.contains("crl.pem") && line.contains(reason),
            "{what}: {reason:?}: {finished:?}"
        );
    }
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

#[test]
fn a_missing_list_is_refused_at_start_and_survived_later() {
    let site = Site::new();
    let process = site.serve().start();
    std::fs::remove_file(site.file("crl.pem")).unwrap();
    let line = process.wait_for_log("No such file", NOTICE_WAIT_MAX);
    assert!(
        line.contains("crl.pem") && line.contains(" in use stays"),
        "{line}"
    );
    assert!(matches!(
        site.status(&process, REVOKED),
        CertStatus::Revoked(_)
    ));
    drop(process);
    let finished = site
        .serve()
        .env("STATE_DIRECTORY", site.file("another-state"))
        .run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        last_line(&finished.stderr).contains("crl.pem"),
        "{finished:?}"
    );
}

#[test]
fn after_a_restart_on_a_bad_list_the_last_good_one_still_answers() {
    let site = Site::new();
    let process = site.serve().start();
    site.write_crl(&CrlSpec::new(11).revoke(REVOKED, None).revoke(LATER, None));
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    process.stop();
    let newer = site.ca.crl(&CrlSpec::new(20));
    site.replace("crl.pem", pem("X509 CRL", &forge(&newer)));
    let process = site.serve().start();
    wait_for_lines(
        &process,
        |log| refusals(log, "signature") > 0,
        "the forged list",
    );
    assert!(matches!(
        site.status(&process, LATER),
        CertStatus::Revoked(_)
    ));
    assert!(matches!(
        site.status(&process, REVOKED),
        CertStatus::Revoked(_)
    ));
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn after_a_restart_an_older_list_is_still_refused() {
    let site = Site::new();
    let process = site.serve().start();
    site.write_crl(&CrlSpec::new(11).revoke(REVOKED, None).revoke(LATER, None));
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    process.stop();
    site.write_crl(&site.first_crl().made_at(now().plus_seconds(-7200)));
    let process = site.serve().start();
    assert!(
        matches!(site.status(&process, LATER), CertStatus::Revoked(_)),
        "{}",
        process.log()
    );
    wait_for_lines(
        &process,
        |log| refusals(log, "is before") > 0,
        "the older list",
    );
}

#[test]
fn without_a_state_directory_it_serves_and_warns() {
    let site = Site::new();
    let process = ocspry_testkit::Ocspry::new(crate::site::OCSPRY)
        .directory(site.path())
        .arg("serve")
        .args(crate::site::SERVE_FLAGS)
        .args(["--port", "0"])
        .start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    let warning = process.wait_for_log("state directory", NOTICE_WAIT_MAX);
    assert!(warning.contains("WARN"), "{warning}");
}

#[test]
fn the_state_directory_can_be_named_and_is_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let process = site.serve().args(["--state-dir", "named-state"]).start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    let mode = std::fs::metadata(site.file("named-state"))
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o700);
    assert!(std::fs::read_dir(site.file("named-state")).unwrap().count() > 0);
    assert!(!site.file("state").exists());
    drop(process);
    // A named one that cannot be used is an error, not a warning.
    let finished = site.serve().args(["--state-dir", "crl.pem"]).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        last_line(&finished.stderr).contains("crl.pem"),
        "{finished:?}"
    );
}

#[test]
fn crl_14_a_list_from_the_future_waits_and_takes_over_when_its_time_comes() {
    let site = Site::new();
    let process = site.serve().start();
    let from = now().plus_seconds(3);
    let crl = CrlSpec::new(11)
        .revoke(REVOKED, None)
        .revoke(LATER, None)
        .made_at(from);
    site.write_crl(&crl);
    let line = process.wait_for_log("from the future", NOTICE_WAIT_MAX);
    assert!(
        line.contains("crl.pem") && line.contains(" in use stays"),
        "{line}"
    );
    let before = site.ask(&mut process.connect(), &site.request(LATER));
    if now() < from {
        assert!(says_good(&before), "{before:?}");
    }
    let after = site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    assert!(now() >= from);
    assert_eq!(after.single().this_update, from);
}

#[test]
fn err_09_a_list_that_runs_out_means_try_later_and_a_new_one_ends_that() {
    let site = Site::new();
    let serve = site.serve();
    site.write_crl(&site.first_crl().until(now().plus_seconds(8)));
    let process = serve.start();
    let first = site.ask(&mut process.connect(), &site.request(GOOD));
    assert!(says_good(&first), "{first:?}");
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, |reply| {
        *reply == Reply::Error(ErrorStatus::TryLater)
    });
    process.wait_for_log("tryLater", NOTICE_WAIT_MAX);
    let fresh = CrlSpec::new(11)
        .revoke(REVOKED, None)
        .made_at(now().plus_seconds(-1));
    site.write_crl(&fresh);
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_good);
}

#[test]
fn crl_13_an_expired_list_at_start_means_try_later_and_says_so() {
    let site = Site::new();
    let crl = site
        .first_crl()
        .made_at(now().plus_seconds(-100))
        .until(now().plus_seconds(-10));
    site.write_crl(&crl);
    let process = site.serve().start();
    for serial in [GOOD, REVOKED] {
        let reply = site.ask(&mut process.connect(), &site.request(serial));
        assert_eq!(reply, Reply::Error(ErrorStatus::TryLater));
    }
    let line = process.wait_for_log("tryLater", NOTICE_WAIT_MAX);
    assert!(
        line.contains("crl.pem") && line.contains("expired"),
        "{line}"
    );
    assert!(process.stdout().contains("expired"), "{}", process.stdout());
}

#[test]
fn a_newer_list_that_has_run_out_means_try_later_and_never_the_older_verdict() {
    let site = Site::new();
    let process = site.serve().start();
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
    let crl = CrlSpec::new(11).revoke(LATER, None);
    site.write_crl(
        &crl.made_at(now().plus_seconds(-50))
            .until(now().plus_seconds(-10)),
    );
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, |reply| {
        *reply == Reply::Error(ErrorStatus::TryLater)
    });
}

#[test]
fn a_list_from_the_future_alone_means_try_later_until_its_time_comes() {
    let site = Site::new();
    let from = now().plus_seconds(3);
    site.write_crl(&site.first_crl().made_at(from));
    let process = site.serve().start();
    let first = site.ask(&mut process.connect(), &site.request(GOOD));
    if now() < from {
        assert_eq!(first, Reply::Error(ErrorStatus::TryLater));
    }
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_good);
    assert!(now() >= from);
}

#[test]
fn a_list_with_a_lower_number_is_refused() {
    let site = Site::new();
    let process = site.serve().start();
    let lower = CrlSpec::new(9)
        .revoke(LATER, None)
        .made_at(now().plus_seconds(-5));
    site.write_crl(&lower);
    let line = process.wait_for_log("number 9 is below", NOTICE_WAIT_MAX);
    assert!(line.contains("crl.pem"), "{line}");
    assert!(matches!(
        site.status(&process, REVOKED),
        CertStatus::Revoked(_)
    ));
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
}

#[test]
fn pem_with_text_around_it_and_der_are_both_taken() {
    let site = Site::new();
    let crl = site.ca.crl(&site.first_crl());
    let armoured = pem("X509 CRL", &crl);
    let forms: [(&str, Vec<u8>); 4] = [
        ("DER", crl.clone()),
        (
            "text around",
            format!("Issuer: Site\r\n\r\n{armoured}\n\n-- the end --\n").into_bytes(),
        ),
        ("CRLF", armoured.replace('\n', "\r\n").into_bytes()),
        (
            "a byte order mark",
            format!("\u{feff}{armoured}").into_bytes(),
        ),
    ];
    for (index, (what, content)) in forms.into_iter().enumerate() {
        site.replace("crl.pem", content);
        let state = site.file(&format!("state-{index}"));
        let process = site.serve().env("STATE_DIRECTORY", state).start();
        assert!(
            matches!(site.status(&process, REVOKED), CertStatus::Revoked(_)),
            "{what}"
        );
        assert_eq!(site.status(&process, GOOD), CertStatus::Good, "{what}");
    }
}

#[test]
fn cid_04_cid_06_negative_and_long_serials_on_a_list_revoke_exactly_themselves() {
    let negative: &[u8] = &[0x80];
    let long: Vec<u8> = std::iter::once(0).chain([0xff; 20]).collect();
    let site = Site::new();
    site.write_crl(&CrlSpec::new(11).revoke(negative, None).revoke(&long, None));
    let process = site.serve().start();
    for serial in [negative, &long] {
        let status = site.status(&process, serial);
        assert!(matches!(status, CertStatus::Revoked(_)), "{serial:02x?}");
    }
    // 128 is not -128, and 20 octets of FF are -1, not 2^160 - 1.
    for serial in [&[0x00, 0x80][..], &[0x7f], &[0x01; 20], &[0x00, 0xff]] {
        assert_eq!(
            site.status(&process, serial),
            CertStatus::Good,
            "{serial:02x?}"
        );
    }
}

#[test]
fn every_entry_of_a_large_unsorted_list_is_found_and_its_neighbours_are_not() {
    const ENTRIES: u32 = 20_000;
    // An odd multiplier visits every residue once, in no order; even serials only, so that odd ones are neighbours.
    let serial = |index: u32| {
        let value = 2 * (index.wrapping_mul(7_919) % ENTRIES);
        [&[0x01][..], &value.to_be_bytes()].concat()
    };
    let site = Site::new();
    let mut crl = CrlSpec::new(11);
    for index in 0..ENTRIES {
        crl = crl.revoke(&serial(index), None);
    }
    site.write_crl(&crl);
    let process = site.serve().start();
    assert!(
        process.stdout().contains("20000 revoked"),
        "{}",
        process.stdout()
    );
    let mut client = process.connect();
    for index in [0, 1, ENTRIES / 2, ENTRIES - 2, ENTRIES - 1]
        .into_iter()
        .chain((0..ENTRIES).step_by(997))
    {
        let listed = serial(index);
        let mut neighbour = listed.clone();
        neighbour[4] |= 1;
        assert!(
            says_revoked(&site.ask(&mut client, &site.request(&listed))),
            "{index}"
        );
        assert!(
            says_good(&site.ask(&mut client, &site.request(&neighbour))),
            "{index}"
        );
    }
}

#[test]
fn an_empty_list_makes_everything_good() {
    let site = Site::new();
    site.write_crl(&CrlSpec::new(11));
    let process = site.serve().start();
    assert_eq!(site.status(&process, REVOKED), CertStatus::Good);
}

#[test]
fn a_list_without_next_update_counts_for_a_day() {
    let site = Site::new();
    let mut crl = site.first_crl();
    crl.next_update = None;
    site.write_crl(&crl);
    let started = now();
    let process = site.serve().start();
    let single = site
        .ask(&mut process.connect(), &site.request(GOOD))
        .single();
    assert_eq!(single.status, CertStatus::Good);
    assert!(
        single.next_update <= now().plus_seconds(86_400),
        "{single:?}"
    );
    assert!(
        single.next_update >= started.plus_seconds(80_000),
        "{single:?}"
    );
}

fn wait_for_answers(answers: &AtomicU64, wanted: u64, wait_max: Duration) {
    wait_until(&format!("{wanted} answers"), wait_max, || {
        answers.load(Ordering::SeqCst) >= wanted
    });
}

/// Ends the client threads also when the main thread's expectation breaks.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
