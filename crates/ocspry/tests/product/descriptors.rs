//! A process that may open few files: it says so and serves fewer connections; and one that has none left, which serves
//! whom it has, and whoever waits once there is one again.

use crate::admin::Watched;
use crate::site::{GOOD, LATER, NOTICE_WAIT_MAX, OCSPRY, REVOKED, SERVE_FLAGS, Site, says_revoked};
use ocspry_testkit::{HttpClient, Ocspry, OcspryProcess, RequestSpec, nonce_extension, wait_until};
use ocspry_wire::ocsp::{CertStatus, CrlReason};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Enough to start with, whatever the number of processors, and few beside.
const DESCRIPTORS_MAX: usize = 128;
/// Where so few files may be open that all of them could be for something else, a quarter is for connections.
const CONNECTIONS_LEAST: usize = DESCRIPTORS_MAX / 4;
/// What a server at its start says where files are too few.
const TOO_FEW: &str = "files may be open";

/// `serve`, begun by a shell that sets its limits of open files and becomes the program.
fn serve_with(site: &Site, ulimit: &str) -> Ocspry<'static> {
    Ocspry::new("/bin/sh")
        .directory(site.path())
        .env("STATE_DIRECTORY", site.file("state"))
        .args([
            "-c",
            &format!("{ulimit} && exec \"$@\""),
            "sh",
            OCSPRY,
            "serve",
        ])
        .args(SERVE_FLAGS)
        .args(["--port", "0"])
}

fn connections_max(watched: &Watched) -> usize {
    let page = watched.text("/metrics");
    let mut lines = page.lines();
    let value = lines.find_map(|line| line.strip_prefix("ocspry_connections_open_max "));
    value.expect("it is there").parse().unwrap()
}

fn check_good(site: &Site, client: &mut HttpClient, request: &[u8]) {
    let status = site.ask(client, request).single().status;
    assert_eq!(status, CertStatus::Good);
}

fn open_descriptors(process: &OcspryProcess) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.id()));
    open.map_or(usize::MAX, Iterator::count)
}

#[test]
fn with_few_files_it_says_so_and_lets_fewer_connections_in_so_that_lists_are_still_read() {
    let site = Site::new();
    let watched = Watched::of(serve_with(&site, &format!("ulimit -n {DESCRIPTORS_MAX}")));
    let process = &watched.process;
    let log = process.log();
    assert!(
        log.contains(TOO_FEW) && log.contains("raise the limit"),
        "{log}"
    );
    let connections_max = connections_max(&watched);
    assert!((CONNECTIONS_LEAST..DESCRIPTORS_MAX).contains(&connections_max));

    let mut kept = process.connect();
    check_good(&site, &mut kept, &site.request(GOOD));
    let crowd: Vec<HttpClient> = (0..DESCRIPTORS_MAX).map(|_| process.connect()).collect();
    wait_until("all places are taken", NOTICE_WAIT_MAX, || {
        // Whoever says nothing in a crowd has to go.
        check_good(&site, &mut kept, &site.request(GOOD));
        let page = watched.text("/metrics");
        page.contains(&format!("\nocspry_connections_open {connections_max}\n"))
    });
    // The next list, which is read from a file.
    let list = site.first_crl().revoke(LATER, Some(CrlReason::Superseded));
    site.write_crl(&list);
    wait_until("the new list is in use", NOTICE_WAIT_MAX, || {
        says_revoked(&site.ask(&mut kept, &site.request(LATER)))
    });
    assert!(says_revoked(&site.ask(&mut kept, &site.request(REVOKED))));
    assert_eq!(process.log_count("cannot accept connections"), 0);

    drop(crowd);
    wait_until("its descriptors are free again", NOTICE_WAIT_MAX, || {
        open_descriptors(process) < DESCRIPTORS_MAX / 2
    });
    check_good(&site, &mut process.connect(), &site.request(GOOD));
}

#[test]
fn what_a_shell_and_systemd_give_to_begin_with_is_raised_as_far_as_it_may_be() {
    let site = Site::new();
    let watched = Watched::of(serve_with(&site, "ulimit -Sn 1024"));
    let hard = getrlimit(Resource::Nofile).maximum;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", watched.process.id())).unwrap();
    let of_files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let of_files: Vec<_> = of_files.unwrap().split_whitespace().collect();
    assert_eq!(of_files[3], of_files[4], "soft and hard: {limits}");
    // 8 for each of 1,000 workers.
    if hard.is_none_or(|hard| hard > 16_384 + 96 + 8_000) {
        assert_eq!(connections_max(&watched), 16_384);
        assert_eq!(watched.process.log_count(TOO_FEW), 0);
    }
}

#[test]
fn without_a_file_descriptor_it_serves_whom_it_has_and_accepts_again_when_there_is_one() {
    let site = Site::new();
    let process = site.serve().start();
    let mut kept = process.connect();
    check_good(&site, &mut kept, &site.request(GOOD));
    // Something else takes them, which is not foreseen.
    let before = getrlimit(Resource::Nofile);
    let limit = |current: u64| {
        let limit = Rlimit {
            current: Some(current),
            maximum: before.maximum,
        };
        let pid = Pid::from_raw(process.id().try_into().unwrap());
        prlimit(pid, Resource::Nofile, limit).unwrap();
    };
    let in_use = open_descriptors(&process);
    limit(in_use as u64 + 16);
    // More than it can take; the kernel keeps the others for it.
    let crowd: Vec<HttpClient> = (0..DESCRIPTORS_MAX).map(|_| process.connect()).collect();
    process.wait_for_log("cannot accept connections", NOTICE_WAIT_MAX);
    let mut last = process.connect();

    // Whom it has is answered, from the cache and with a new signature.
    check_good(&site, &mut kept, &site.request(GOOD));
    let fresh = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(&[1; 16]));
    check_good(&site, &mut kept, &fresh.der());

    drop(crowd);
    check_good(&site, &mut last, &site.request(GOOD));
    check_good(&site, &mut process.connect(), &site.request(GOOD));
    wait_until("its descriptors are free again", NOTICE_WAIT_MAX, || {
        open_descriptors(&process) < in_use + 16
    });
}
