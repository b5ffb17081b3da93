//! A process that has no file descriptor left: it serves whom it has, and whoever waits once there is one again.

use crate::site::{GOOD, NOTICE_WAIT_MAX, OCSPRY, SERVE_FLAGS, Site};
use ocspry_testkit::{HttpClient, Ocspry, RequestSpec, nonce_extension, wait_until};
use ocspry_wire::ocsp::CertStatus;

/// Enough to start with, whatever the number of processors, and few beside.
const DESCRIPTORS_MAX: usize = 128;

#[test]
fn without_a_file_descriptor_it_serves_whom_it_has_and_accepts_again_when_there_is_one() {
    let site = Site::new();
    // The shell lowers the hard limit, too, and becomes the program.
    let limited = format!("ulimit -n {DESCRIPTORS_MAX} && exec \"$@\"");
    let process = Ocspry::new("/bin/sh")
        .directory(site.path())
        .env("STATE_DIRECTORY", site.file("state"))
        .args(["-c", &limited, "sh", OCSPRY, "serve"])
        .args(SERVE_FLAGS)
        .args(["--port", "0"])
        .start();
    assert!(
        process.log().contains("raise the limit"),
        "{}",
        process.log()
    );

    let mut kept = process.connect();
    let good = |client: &mut HttpClient, request: &[u8]| {
        let status = site.ask(client, request).single().status;
        assert_eq!(status, CertStatus::Good);
    };
    good(&mut kept, &site.request(GOOD));
    // More than it can take; the kernel keeps the others for it.
    let crowd: Vec<HttpClient> = (0..DESCRIPTORS_MAX).map(|_| process.connect()).collect();
    process.wait_for_log("cannot accept connections", NOTICE_WAIT_MAX);
    let mut last = process.connect();

    // Whom it has is answered, from the cache and with a new signature.
    good(&mut kept, &site.request(GOOD));
    let fresh = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(&[1; 16]));
    good(&mut kept, &fresh.der());

    drop(crowd);
    good(&mut last, &site.request(GOOD));
    good(&mut process.connect(), &site.request(GOOD));
    let of_process = format!("/proc/{}/fd", process.id());
    wait_until("its descriptors are free again", NOTICE_WAIT_MAX, || {
        std::fs::read_dir(&of_process).is_ok_and(|open| open.count() < DESCRIPTORS_MAX / 2)
    });
}
