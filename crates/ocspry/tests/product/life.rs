//! Start and stop: what the start says, how signals end or renew it, and what a start that cannot work says.

use crate::site::{
    CONFIGURATION, GOOD, LATER, NOTICE_WAIT_MAX, OCSPRY, SERVE_FLAGS, Site, assert_openssl_says,
    says_revoked, write_private,
};
use ocspry_testkit::{
    Authority, CertificateSpec, ClosedPort, CrlSpec, HttpClient, KeyKind, Namespace, Peer, Reply,
    RequestSpec, TerminationSignal, base64_path, cert_id, now, pem, run_bounded, wait_for_some,
    wait_until,
};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

#[test]
fn the_start_says_what_is_served_by_whom_from_what_and_where() {
    let site = Site::new();
    let days_and_some = |days: i64| now().plus_seconds(days * 86_400 + 5400);
    site.write_crl(&site.first_crl().until(days_and_some(5)));
    let mut spec = CertificateSpec::responder("OCSP responder");
    spec.not_after = days_and_some(20);
    let responder = site.ca.issue_with_key(&spec, KeyKind::P256);
    site.write("ocsp.pem", responder.certificate_pem());
    site.write("ocsp.key", responder.key.pkcs8_pem());
    let process = site.serve().start();
    let summary = process.stdout();
    let address = format!("listening on http://127.0.0.1:{}/", process.port());
    for part in [
        "CN=Site Intermediate",
        "crl.pem",
        "number 10",
        "1 revoked",
        "CN=OCSP responder",
        // What is left of the list and of the signer.
        "(in 5 d 1 h)",
        "(in 20 d 1 h)",
    ] {
        assert!(summary.contains(part), "no {part:?} in:\n{summary}");
    }
    assert!(
        summary.lines().any(|line| line == address),
        "no line {address:?} in:\n{summary}"
    );
}

#[test]
fn sigterm_and_sigint_end_it_with_exit_code_0_idle_connections_notwithstanding() {
    for signal in [TerminationSignal::Terminate, TerminationSignal::Interrupt] {
        let site = Site::new();
        let process = site.serve().start();
        let mut idle = process.connect();
        site.ask(&mut idle, &site.request(GOOD)).single();
        let _silent = process.connect();
        process.signal(signal);
        let finished = process.finish(Duration::from_secs(10));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(idle.is_closed().unwrap_or(true));
    }
}

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let site = Site::new();
    let process = site.serve().start();
    let port = process.port();
    let request = site.request(GOOD);
    let (first, rest) = request.split_at(20);
    let mut client = process.connect();
    client
        .send(
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                request.len()
            )
            .as_bytes(),
        )
        .unwrap();
    // The interim answer shows that the request has begun.
    assert_eq!(client.receive(false).unwrap().status, 100);
    client.send(first).unwrap();
    process.signal(TerminationSignal::Terminate);
    // No new connection is taken: wait for that, it shows that the end has begun.
    process.wait_for_log("stopping", NOTICE_WAIT_MAX);
    wait_until("no new connection is taken", NOTICE_WAIT_MAX, || {
        HttpClient::connect(port).is_err()
    });
    client.send(rest).unwrap();
    let response = client.receive(true).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(
        Reply::check(&response.body, &site.ca).single().status,
        CertStatus::Good
    );
    assert_eq!(process.finish(Duration::from_secs(10)).code, Some(0));
}

#[test]
fn a_request_that_never_ends_does_not_hold_up_the_end() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    client
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 90\r\n\r\n")
        .unwrap();
    assert_eq!(client.receive(false).unwrap().status, 100);
    process.signal(TerminationSignal::Terminate);
    // At most 5 s of draining; without that bound, the request's own deadline would come 10 s after its start.
    let finished = process.finish(Duration::from_secs(8));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn the_same_port_can_be_taken_again_at_once() {
    // In a network of its own: nobody else takes the port in between.
    let (Some(namespace), Some(_)) = (Namespace::new(), Peer::Openssl.find()) else {
        return;
    };
    let site = Site::new();
    let ask = "openssl ocsp -issuer intermediate_ca.pem -cert server.pem \
               -url http://127.0.0.1:8888/ -nonce -CAfile root_ca.pem";
    for _ in 0..2 {
        let process = site
            .ocspry()
            .namespace(&namespace)
            .arg("serve")
            .args(SERVE_FLAGS)
            .start();
        assert_eq!(process.port(), 8888);
        let run = site.shell(Some(&namespace), ask);
        assert_openssl_says(&run, "server.pem: good");
        process.stop();
    }
}

#[test]
fn a_second_instance_on_the_port_says_so_in_one_line_and_ends_with_1() {
    let site = Site::new();
    let process = site.serve().start();
    let port = process.port().to_string();
    let second = site
        .ocspry()
        .env("STATE_DIRECTORY", site.file("state-2"))
        .arg("serve")
        .args(SERVE_FLAGS)
        .args(["--port", &port])
        .run();
    assert_eq!(second.code, Some(1), "{second:?}");
    let errors: Vec<_> = second
        .stderr
        .lines()
        .filter(|line| line.contains(&port))
        .collect();
    assert_eq!(errors.len(), 1, "{second:?}");
    assert!(errors[0].contains("in use"), "{second:?}");
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn a_missing_file_is_named_in_one_line() {
    for missing in ["intermediate_ca.pem", "crl.pem", "ocsp.pem", "ocsp.key"] {
        let site = Site::new();
        std::fs::remove_file(site.file(missing)).unwrap();
        let finished = site.serve().run();
        assert_eq!(finished.code, Some(1), "{missing}: {finished:?}");
        let lines: Vec<_> = finished
            .stderr
            .lines()
            .filter(|line| line.contains(missing))
            .collect();
        assert_eq!(lines.len(), 1, "{missing}: {finished:?}");
        assert!(lines[0].contains("No such file"), "{missing}: {finished:?}");
    }
}

#[test]
fn a_file_of_another_kind_is_named_with_what_it_is() {
    // The flag's file, what is put there, what the line must say.
    let mistakes = [
        ("intermediate_ca.pem", "ocsp.key", "holds a PRIVATE KEY"),
        ("intermediate_ca.pem", "crl.pem", "CRL"),
        ("crl.pem", "intermediate_ca.pem", "X509 CRL"),
        ("ocsp.pem", "ocsp.key", "holds a PRIVATE KEY"),
        ("ocsp.key", "ocsp.pem", "certificate"),
    ];
    for (file, content, sentence) in mistakes {
        let site = Site::new();
        let key = site.responder.key.pkcs8_pem();
        let key_body = key.lines().nth(1).expect("a line of the key").to_owned();
        site.write(file, std::fs::read(site.file(content)).unwrap());
        let finished = site.serve().run();
        assert_eq!(finished.code, Some(1), "{file}: {finished:?}");
        let said = finished
            .stderr
            .lines()
            .any(|line| line.contains(file) && line.contains(sentence));
        assert!(said, "{file} = {content}: {finished:?}");
        assert!(!finished.stderr.contains(&key_body), "{finished:?}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_how() {
    let site = Site::new();
    let cases: [&[&str]; 6] = [
        &["serve", "--no-such-flag"],
        &["serve", "-c", "ocspry.toml", "--ca", "intermediate_ca.pem"],
        &["serve"],
        &["serve", "--ca", "intermediate_ca.pem"],
        &[
            "serve",
            "--ca",
            "intermediate_ca.pem",
            "--crl",
            "crl.pem",
            "--port",
            "70000",
        ],
        &["no-such-verb"],
    ];
    for arguments in cases {
        let finished = site.ocspry().args(arguments).run();
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(
            finished.stderr.contains("--help"),
            "{arguments:?}: {finished:?}"
        );
        assert!(finished.stdout.is_empty(), "{arguments:?}: {finished:?}");
    }
}

#[test]
fn help_names_every_flag_and_its_default() {
    let site = Site::new();
    let finished = site.ocspry().args(["serve", "--help"]).run();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for part in [
        "--host",
        "127.0.0.1",
        "--port",
        "8888",
        "--ca ",
        "--crl",
        "--ocsp-cert",
        "--ocsp-key",
        "--ca-key",
        "--cache-ttl",
        "300",
        "--next-update",
        "--log-file",
        "--state-dir",
        "--ocsp-key-passphrase-file",
        "--config",
    ] {
        assert!(
            finished.stdout.contains(part),
            "no {part:?} in:\n{}",
            finished.stdout
        );
    }
}

#[test]
fn the_log_can_go_to_a_file() {
    let site = Site::new();
    let process = site.serve().args(["--log-file", "ocspry.log"]).start();
    site.write("crl.pem", b"not a list");
    wait_until("the refusal in the file", NOTICE_WAIT_MAX, || {
        std::fs::read_to_string(site.file("ocspry.log"))
            .is_ok_and(|log| log.contains("crl.pem: is not a CRL"))
    });
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    assert!(!process.log().contains("crl.pem"), "{}", process.log());
}

#[test]
fn sighup_reads_the_configuration_again_and_keeps_the_old_one_when_the_new_is_bad() {
    let site = Site::new();
    let configuration = |rest: &str| format!("{CONFIGURATION}{rest}");
    site.write("ocspry.toml", configuration(""));
    // Written to where the watch sees nothing, and the next poll is minutes away: what comes, comes by the signal.
    let unseen = site.other_name_of("ocspry.toml");
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    let life = |reply: &Reply| match reply {
        Reply::Signed(signed) => signed.singles[0]
            .next_update
            .seconds_since(signed.produced_at),
        Reply::Error(status) => panic!("{status:?} around a reload"),
    };
    let has_life = |hours: &i64| {
        let reply = site.ask(&mut process.connect(), &site.request(GOOD));
        life(&reply) == hours * 3600
    };
    let write = |hours: &i64| {
        let text = configuration(&format!("validity = \"{hours}h\"\n"));
        write_private(&unseen, text.as_bytes());
    };
    let hours = *first_unnoticed(&[4, 5, 6], write, has_life);
    process.signal(TerminationSignal::Reload);
    wait_until("the new life", NOTICE_WAIT_MAX, || has_life(&hours));

    write_private(&unseen, configuration("validty = \"1h\"\n").as_bytes());
    process.signal(TerminationSignal::Reload);
    // A look of its own may have met the file while it was written, and has said so.
    let line = process.wait_for_log("validty", NOTICE_WAIT_MAX);
    assert!(line.contains("not reloaded"), "{line}");
    assert!(has_life(&hours));

    write(&3);
    process.signal(TerminationSignal::Reload);
    wait_until("the life after the mistake", NOTICE_WAIT_MAX, || {
        has_life(&3)
    });
}

#[test]
fn a_sighup_with_nothing_changed_leaves_the_cached_answers() {
    let site = Site::new();
    let process = site.serve().start();
    let target = base64_path(&site.request(GOOD));
    let get = || process.connect().get(&target).unwrap().body;
    // The look that follows every start is over when a reload is: what is signed after it has nothing to wait for.
    let reload = || {
        let mark = process.log_mark();
        process.signal(TerminationSignal::Reload);
        process.wait_for_log_after(mark, "reloaded: 1 issuer", NOTICE_WAIT_MAX);
    };
    reload();
    let before = get();
    assert_eq!(get(), before, "the answer is cached");
    reload();
    assert_eq!(get(), before);
}

#[test]
fn a_new_configuration_is_tried_again_when_its_missing_file_arrives() {
    let site = Site::new();
    site.write("ocspry.toml", CONFIGURATION);
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    let mark = process.log_mark();
    site.replace(
        "ocspry.toml",
        CONFIGURATION.replace("intermediate_ca.pem", "arrives.pem"),
    );
    process.wait_for_log_after(mark, "not reloaded", NOTICE_WAIT_MAX);
    let mark = process.log_mark();
    site.replace("arrives.pem", site.ca.certificate_pem());
    process.wait_for_log_after(mark, "reloaded: 1 issuer", NOTICE_WAIT_MAX);

    let mark = process.log_mark();
    site.replace(
        "ocspry.toml",
        CONFIGURATION.replace("\"ocsp.key\"", "\"arrives.key\""),
    );
    process.wait_for_log_after(mark, "not reloaded", NOTICE_WAIT_MAX);
    let mark = process.log_mark();
    write_private(
        &site.file("arrives.key"),
        site.responder.key.pkcs8_pem().as_bytes(),
    );
    process.wait_for_log_after(mark, "reloaded: 1 issuer", NOTICE_WAIT_MAX);
}

#[test]
fn a_changed_configuration_file_is_read_again_by_itself() {
    let site = Site::new();
    site.write("ocspry.toml", CONFIGURATION);
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    let is_short = |reply: &Reply| match reply {
        Reply::Signed(signed) => {
            signed.singles[0].next_update == signed.produced_at.plus_seconds(3600)
        }
        Reply::Error(status) => panic!("{status:?} around a reload"),
    };
    assert!(!is_short(
        &site.ask(&mut process.connect(), &site.request(GOOD))
    ));
    site.replace("ocspry.toml", format!("{CONFIGURATION}validity = \"1h\"\n"));
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, is_short);
}

#[test]
fn the_service_manager_is_told_of_ready_reload_and_stop() {
    let site = Site::new();
    let socket = UnixDatagram::bind(site.file("notify")).unwrap();
    socket.set_read_timeout(Some(NOTICE_WAIT_MAX)).unwrap();
    let next = || {
        let mut message = [0; 512];
        let length = socket
            .recv(&mut message)
            .expect("a word to the service manager");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let process = site
        .serve()
        .env("NOTIFY_SOCKET", site.file("notify"))
        .start();
    assert!(next().contains("READY=1"));
    // Ready means that answers can be had.
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    process.signal(TerminationSignal::Reload);
    let reloading = next();
    assert!(
        reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="),
        "{reloading}"
    );
    assert!(next().contains("READY=1"));
    process.signal(TerminationSignal::Terminate);
    assert!(next().contains("STOPPING=1"));
    assert_eq!(process.finish(Duration::from_secs(10)).code, Some(0));
}

#[test]
fn the_service_manager_hears_of_ready_not_before_answers_can_be_had() {
    let site = Site::new();
    // A list that takes a while: whoever does not wait for it is early.
    let mut list = site.first_crl();
    for serial in 0..30_000_u32 {
        let octets = [&[0x31], serial.to_be_bytes().as_slice()].concat();
        list = list.revoke(&octets, None);
    }
    site.write_crl(&list);
    let socket = UnixDatagram::bind(site.file("notify")).unwrap();
    socket.set_read_timeout(Some(NOTICE_WAIT_MAX)).unwrap();
    let port = ClosedPort::to_share();
    let serve = site
        .ocspry()
        .env("NOTIFY_SOCKET", site.file("notify"))
        .arg("serve")
        .args(SERVE_FLAGS)
        .args(["--share-port", "--port", &port.port().to_string()]);
    std::thread::scope(|scope| {
        let process = scope.spawn(|| serve.start());
        let mut message = [0; 512];
        let length = socket.recv(&mut message).unwrap();
        assert!(message[..length].starts_with(b"READY=1"));
        // At once, and by whoever is told first.
        let mut client = HttpClient::connect(port.port()).expect("somebody listens");
        let reply = site.ask(&mut client, &site.request(GOOD));
        assert_eq!(reply.single().status, CertStatus::Good);
        drop(process.join().unwrap());
    });
}

#[test]
fn the_service_manager_hears_that_workers_turn_only_where_it_waits_for_that() {
    let site = Site::new();
    let socket = UnixDatagram::bind(site.file("notify")).unwrap();
    socket.set_read_timeout(Some(NOTICE_WAIT_MAX)).unwrap();
    let serve = || site.serve().env("NOTIFY_SOCKET", site.file("notify"));
    let next = || {
        let mut message = [0; 512];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let process = serve().env("WATCHDOG_USEC", "1200000").start();
    assert_eq!(next(), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1\n");
    }
    process.signal(TerminationSignal::Terminate);
    let end = wait_for_some(NOTICE_WAIT_MAX, || match next().as_str() {
        "WATCHDOG=1\n" => None,
        word => Some(word.to_owned()),
    });
    assert_eq!(end.as_deref(), Some("STOPPING=1\n"));
    assert_eq!(process.finish(Duration::from_secs(10)).code, Some(0));

    let process = serve().start();
    assert_eq!(next(), "READY=1\n");
    process.signal(TerminationSignal::Terminate);
    assert_eq!(next(), "STOPPING=1\n");
    assert_eq!(process.finish(Duration::from_secs(10)).code, Some(0));
}

#[test]
fn systemd_takes_the_units_that_ship() {
    let Some(mut verify) = Peer::SystemdAnalyze.command() else {
        return;
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let site = Site::new();
    let mut files = Vec::new();
    for name in [
        "ocspry.service",
        "ocspry.socket",
        "ocspry-tick.service",
        "ocspry-tick.timer",
    ] {
        let unit = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        // It looks for the programs, and that of a package is not here.
        let unit = unit.replace("/usr/local/bin/ocspry", OCSPRY);
        site.write(name, unit);
        files.push(site.file(name));
    }
    let run = run_bounded(verify.args(["verify", "--man=no"]).args(files));
    assert_eq!(run.code, Some(0), "{run:?}");
    // Other units of this machine may be complained of.
    assert!(!run.stderr.contains("ocspry"), "{run:?}");
    // By default five failed starts, which take half a second, are the last: too few for a share that is mounted late.
    let service = std::fs::read_to_string(format!("{folder}/ocspry.service")).unwrap();
    assert!(service.contains("\nStartLimitIntervalSec=0\n"), "{service}");
}

#[test]
fn sighup_reads_the_files_of_the_flags_again_and_keeps_old_ones_when_new_ones_are_bad() {
    let site = Site::new();
    let key = site.other_name_of("ocsp.key");
    let crl = site.other_name_of("crl.pem");
    let process = site.serve().start();
    write_private(&key, b"not a key");
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    process.signal(TerminationSignal::Reload);
    let line = process.wait_for_log("not reloaded", NOTICE_WAIT_MAX);
    assert!(line.contains("ocsp.key"), "{line}");
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);

    write_private(&key, site.responder.key.pkcs8_pem().as_bytes());
    write_private(&crl, b"not a list");
    let mark = process.log_mark();
    process.signal(TerminationSignal::Reload);
    process.wait_for_log_after(mark, "reloaded: 1 issuer", NOTICE_WAIT_MAX);
    process.wait_for_log_after(mark, "crl.pem: is not a CRL", NOTICE_WAIT_MAX);
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn sighup_looks_at_once_where_the_watch_sees_nothing() {
    let site = Site::new();
    let other_name = site.other_name_of("crl.pem");
    // The next poll is minutes away.
    let process = site.serve().start();
    let lists = [
        CrlSpec::new(11).revoke(LATER, None),
        CrlSpec::new(12),
        CrlSpec::new(13).revoke(LATER, None),
    ];
    let is_in_use = |list: &CrlSpec| {
        let reply = site.ask(&mut process.connect(), &site.request(LATER));
        says_revoked(&reply) != list.entries.is_empty()
    };
    let write = |list: &CrlSpec| std::fs::write(&other_name, site.ca.crl(list)).unwrap();
    let unnoticed = first_unnoticed(&lists, write, is_in_use);
    process.signal(TerminationSignal::Reload);
    wait_until("the list is in use", NOTICE_WAIT_MAX, || {
        is_in_use(unnoticed)
    });
}

/// Makes one change after the other until one stays unnoticed, and returns that: the look that follows every start and
/// reload may take the first.
fn first_unnoticed<T>(changes: &[T], make: impl Fn(&T), is_noticed: impl Fn(&T) -> bool) -> &T {
    const UNNOTICED_FOR: Duration = Duration::from_secs(1);
    let unnoticed = changes.iter().find(|change| {
        make(change);
        wait_for_some(UNNOTICED_FOR, || is_noticed(change).then_some(())).is_none()
    });
    unnoticed.expect("a change that nobody notices without a signal")
}

#[test]
fn a_log_file_that_was_moved_away_is_made_anew_on_sighup() {
    let site = Site::new();
    let process = site.serve().args(["--log-file", "ocspry.log"]).start();
    std::fs::rename(site.file("ocspry.log"), site.file("ocspry.log.1")).unwrap();
    process.signal(TerminationSignal::Reload);
    wait_until("a new log file", NOTICE_WAIT_MAX, || {
        std::fs::metadata(site.file("ocspry.log")).is_ok_and(|file| file.len() > 0)
    });
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn version_is_told() {
    let finished = Site::new().ocspry().arg("--version").run();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.starts_with("ocspry "), "{finished:?}");
}

#[test]
fn htp_22_it_starts_on_an_ipv6_address() {
    // The loopback of a new network has ::1, whatever the machine's has.
    let (Some(namespace), Some(_)) = (Namespace::new(), Peer::Openssl.find()) else {
        return;
    };
    let site = Site::new();
    let process = site
        .ocspry()
        .namespace(&namespace)
        .arg("serve")
        .args(SERVE_FLAGS)
        .args(["--host", "::1"])
        .start();
    let summary = process.stdout();
    assert!(
        summary.contains("listening on http://[::1]:8888/"),
        "{summary}"
    );
    let ask = "openssl ocsp -issuer intermediate_ca.pem -cert server.pem \
               -url 'http://[::1]:8888/' -nonce -CAfile root_ca.pem";
    let run = site.shell(Some(&namespace), ask);
    assert_openssl_says(&run, "server.pem: good");
}

#[test]
fn what_needs_a_restart_is_said_on_a_reload() {
    let site = Site::new();
    let configuration = |top: &str, address: &str| {
        format!("{top}{}", CONFIGURATION.replace("127.0.0.1:0", address))
    };
    site.write("ocspry.toml", configuration("", "127.0.0.1:0"));
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    for (what, top, address) in [
        ("the addresses to listen on", "", "127.0.0.2:0"),
        ("log file", "log-file = \"other.log\"\n", "127.0.0.1:0"),
        (
            "state directory",
            "state-dir = \"other-state\"\n",
            "127.0.0.1:0",
        ),
    ] {
        let mark = process.log_mark();
        site.replace("ocspry.toml", configuration(top, address));
        let line = process.wait_for_log_after(mark, "needs a restart", NOTICE_WAIT_MAX);
        assert!(line.contains(what) && line.contains("WARN"), "{line}");
        assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    }
}

#[test]
fn a_changed_ca_certificate_is_read_again_by_itself() {
    let site = Site::new();
    let process = site.serve().start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    // Another CA takes over: what it signed, and its own certificate last.
    let successor = Authority::root("Successor", KeyKind::P256);
    let responder = successor.responder(KeyKind::P256);
    let crl = successor.crl(&CrlSpec::new(1).revoke(GOOD, None));
    site.replace("crl.pem", pem("X509 CRL", &crl));
    site.replace("ocsp.key", responder.key.pkcs8_pem());
    site.replace("ocsp.pem", responder.certificate_pem());
    site.replace("intermediate_ca.pem", successor.certificate_pem());
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &successor, GOOD)).der();
    wait_until("the successor answers", NOTICE_WAIT_MAX, || {
        let body = process.connect().post(&request).unwrap().body;
        says_revoked(&Reply::check(&body, &successor))
    });
    process.wait_for_log("everything is read again", NOTICE_WAIT_MAX);
    let gone = site.ask(&mut process.connect(), &site.request(GOOD));
    assert_eq!(gone, Reply::Error(ErrorStatus::Unauthorized));
}
