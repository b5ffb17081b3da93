//! Where an issuer's status comes from, each kind with a real client: directories, deltas, URLs, indexes, overlays, the
//! guard, and files that are none.

use crate::list_server::ListServer;
use crate::site::{
    CONFIGURATION, GOOD, LATER, NOTICE_WAIT_MAX, REVOKED, Site, assert_openssl_says, says_good,
    says_revoked,
};
use ocspry_testkit::{
    Authority, CertificateSpec, CrlSpec, KeyKind, LineChild, Ocspry, OcspryProcess, Peer, Reply,
    Run, ScopeSpec, now, pem, wait_until,
};
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus};
use std::fs::{self, File};
use std::os::unix::fs::symlink;

/// `serve` with these sources, and more keys of the issuer.
fn serve_from(site: &Site, status: &str, more: &str) -> Ocspry<'static> {
    let configuration = CONFIGURATION.replace(
        "status = [{ crl = \"crl.pem\" }]",
        &format!("status = {status}"),
    );
    site.write("ocspry.toml", format!("{configuration}{more}\n"));
    site.ocspry().args(["serve", "-c", "ocspry.toml"])
}

/// What the openssl client makes of the answer about a certificate; None = not installed.
fn openssl_asks(site: &Site, process: &OcspryProcess, certificate: &str) -> Option<Run> {
    let url = process.url();
    site.openssl(&[
        "ocsp",
        "-issuer",
        "intermediate_ca.pem",
        "-cert",
        certificate,
        "-url",
        &url,
        "-nonce",
        "-CAfile",
        "root_ca.pem",
    ])
}

fn assert_openssl_sees(site: &Site, process: &OcspryProcess, certificate: &str, status: &str) {
    if let Some(run) = openssl_asks(site, process, certificate) {
        assert_openssl_says(&run, &format!("{certificate}: {status}"));
    }
}

fn assert_openssl_hears(site: &Site, process: &OcspryProcess, certificate: &str, error: &str) {
    if let Some(run) = openssl_asks(site, process, certificate) {
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(
            said.contains(&format!("Responder Error: {error}")),
            "{run:?}"
        );
    }
}

fn is_try_later(reply: &Reply) -> bool {
    *reply == Reply::Error(ErrorStatus::TryLater)
}

#[test]
fn a_directory_of_lists_serves_what_fits_and_passes_over_the_rest() {
    let site = Site::new();
    fs::create_dir_all(site.file("lists/sub")).unwrap();
    site.write("lists/ca.crl", site.ca.crl(&site.first_crl()));
    site.write(
        "lists/sub/newer.crl",
        site.ca.crl(&CrlSpec::new(99).revoke(GOOD, None)),
    );
    site.write("lists/README", "lists are put here every hour\n");
    site.write("lists/ca.pem", site.ca.certificate_pem());
    let other = Authority::root("Another CA", KeyKind::P256);
    site.write("lists/other.crl", other.crl(&CrlSpec::new(50)));
    site.write("lists/.ca.crl.part", &site.ca.crl(&CrlSpec::new(60))[..100]);
    assert_eq!(site.shell(None, "mkfifo lists/pipe").code, Some(0));
    let process = serve_from(&site, "[{ crl-dir = \"lists\" }]", "").start();
    assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
    assert_openssl_sees(&site, &process, "server.pem", "good");
    assert_eq!(process.log_count("ERROR"), 0, "{}", process.log());

    // A list beside it that is newer takes over, whatever its name.
    site.write(
        "lists/a-newer.crl",
        site.ca
            .crl(&CrlSpec::new(11).revoke(REVOKED, None).revoke(LATER, None)),
    );
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    // Taken away again: what was known stays known.
    fs::remove_file(site.file("lists/a-newer.crl")).unwrap();
    fs::remove_file(site.file("lists/ca.crl")).unwrap();
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
}

#[test]
fn a_directory_of_lists_that_kubernetes_swaps_is_followed() {
    let site = Site::new();
    // As Kubernetes lays out a volume: ca.crl -> ..data/ca.crl, ..data -> a directory for each version.
    for (name, crl) in [
        ("..2026_1", site.first_crl()),
        ("..2026_2", CrlSpec::new(11).revoke(LATER, None)),
    ] {
        fs::create_dir_all(site.file("lists").join(name)).unwrap();
        site.write(&format!("lists/{name}/ca.crl"), site.ca.crl(&crl));
    }
    symlink("..2026_1", site.file("lists/..data")).unwrap();
    symlink("..data/ca.crl", site.file("lists/ca.crl")).unwrap();
    let process = serve_from(&site, "[{ crl-dir = \"lists\" }]", "").start();
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
    symlink("..2026_2", site.file("lists/..data_tmp")).unwrap();
    fs::rename(site.file("lists/..data_tmp"), site.file("lists/..data")).unwrap();
    fs::remove_dir_all(site.file("lists/..2026_1")).unwrap();
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    assert_openssl_sees(&site, &process, "revoked.pem", "good");
}

#[test]
fn a_delta_is_laid_over_its_base_and_waits_for_one_that_it_needs() {
    let site = Site::new();
    let delta = CrlSpec::new(11)
        .over(10)
        .revoke(LATER, Some(CrlReason::KeyCompromise));
    site.write("delta.crl", site.ca.crl(&delta));
    let sources = "[{ crl = \"crl.pem\" }, { crl = \"delta.crl\" }]";
    let process = serve_from(&site, sources, "").start();
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
    assert_openssl_sees(&site, &process, "server.pem", "good");
    process.wait_for_log("delta CRL 11 in use", NOTICE_WAIT_MAX);

    let mark = process.log_mark();
    let gap = CrlSpec::new(21).over(20).revoke(GOOD, None);
    site.replace("delta.crl", site.ca.crl(&gap));
    let line = process.wait_for_log_after(mark, "the delta CRL is not used yet", NOTICE_WAIT_MAX);
    assert!(line.contains("builds on number 20"), "{line}");
    assert_openssl_sees(&site, &process, "server.pem", "good");
    site.write_crl(&CrlSpec::new(20).revoke(REVOKED, None));
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_revoked);
    assert_openssl_sees(&site, &process, "server.pem", "revoked");
    assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
}

#[test]
fn a_list_is_fetched_from_its_url_and_outlives_the_server_and_a_restart() {
    let site = Site::new();
    let server = ListServer::start();
    let sources = format!("[{{ crl-url = \"{}\" }}]", server.url());
    let serve = || serve_from(&site, &sources, "");
    // Nothing is known yet, and nothing is made up.
    let process = serve().start();
    assert_openssl_hears(&site, &process, "server.pem", "trylater (3)");
    assert!(
        process.stdout().contains("not fetched yet"),
        "{}",
        process.stdout()
    );
    server.publish(site.ca.crl(&site.first_crl()));
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_good);
    assert_openssl_sees(&site, &process, "server.pem", "good");
    assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
    assert_eq!(server.statuses(), [200]);

    // A reload asks for it at once, and hears that it is the same.
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    wait_until("it is asked for again", NOTICE_WAIT_MAX, || {
        server.statuses() == [200, 304]
    });
    let next = CrlSpec::new(11).revoke(REVOKED, None).revoke(LATER, None);
    server.publish(site.ca.crl(&next));
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);

    drop(server);
    let mark = process.log_mark();
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    let line = process.wait_for_log_after(mark, "ERROR", NOTICE_WAIT_MAX);
    assert!(
        line.contains("ca.crl") && line.contains(" in use stays"),
        "{line}"
    );
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_eq!(process.stop().code, Some(0));

    // The last good copy serves from the first request on.
    let process = serve().start();
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_openssl_sees(&site, &process, "server.pem", "good");
    process.wait_for_log("the last good copy, in use", NOTICE_WAIT_MAX);
}

/// A TLS server of the files in `www`, which says that its name is localhost, and who says so; None = not installed.
fn tls_server(site: &Site) -> Option<(LineChild, String, Authority)> {
    let authority = Authority::root("TLS CA", KeyKind::P256);
    let server = authority.issue_with_key(&CertificateSpec::server("localhost"), KeyKind::P256);
    site.write("tls.pem", pem("CERTIFICATE", &server.certificate));
    site.write("tls.key", server.key.pkcs8_pem());
    fs::create_dir(site.file("www")).unwrap();
    let mut openssl = Peer::Openssl.command()?;
    openssl
        .args(["s_server", "-accept", "127.0.0.1:0", "-WWW"])
        .args(["-cert", "../tls.pem", "-key", "../tls.key"])
        .current_dir(site.file("www"));
    let mut process = LineChild::start(&mut openssl);
    let accept = process.line_with("ACCEPT ");
    let port = accept.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/ca.crl");
    Some((process, url, authority))
}

#[test]
fn a_list_is_fetched_by_https_from_a_server_that_the_system_trusts_and_from_no_other() {
    let site = Site::new();
    let Some((_server, url, authority)) = tls_server(&site) else {
        return;
    };
    site.write("tls-ca.pem", authority.certificate_pem());
    let another = Authority::root("Another CA", KeyKind::P256);
    site.write("another-ca.pem", another.certificate_pem());
    let sources = format!("[{{ crl-url = \"{url}\" }}]");
    let trusting =
        |roots: &str| serve_from(&site, &sources, "").env("SSL_CERT_FILE", site.file(roots));
    site.write("www/ca.crl", site.ca.crl(&site.first_crl()));

    let process = trusting("another-ca.pem").start();
    let line = process.wait_for_log("certificate is not trusted", NOTICE_WAIT_MAX);
    assert!(
        line.contains(&url) && line.contains("UnknownIssuer") && line.contains("SSL_CERT_FILE"),
        "{line}"
    );
    assert_openssl_hears(&site, &process, "server.pem", "trylater (3)");
    drop(process);

    let process = trusting("tls-ca.pem").start();
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_good);
    assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
    assert_eq!(process.log_count("ERROR"), 0, "{}", process.log());
    let next = CrlSpec::new(11).revoke(REVOKED, None).revoke(LATER, None);
    site.replace("www/ca.crl", site.ca.crl(&next));
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);

    // The trust is gone: what was fetched while it was there stays, and nothing newer comes.
    site.write("tls-ca.pem", another.certificate_pem());
    let newer = CrlSpec::new(12).revoke(GOOD, None);
    site.replace("www/ca.crl", site.ca.crl(&newer));
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    let line = process.wait_for_log("certificate is not trusted", NOTICE_WAIT_MAX);
    assert!(line.contains("what is in use stays"), "{line}");
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_openssl_sees(&site, &process, "server.pem", "good");
}

/// A CA of OpenSSL's own in the site's directory, with issued.pem and withdrawn.pem, which it revoked.
fn openssl_ca(site: &Site) -> Option<()> {
    Peer::Openssl.find()?;
    site.write(
        "ca.cnf",
        "[ca]\ndefault_ca = main\n[main]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n\
         certificate = intermediate_ca.pem\nprivate_key = ca.key\ndefault_md = sha256\ndefault_days = 30\n\
         policy = any\nunique_subject = no\n[any]\ncommonName = supplied\n[req]\ndistinguished_name = name\n[name]\n",
    );
    site.write("index.txt", "");
    site.write("serial", "5A01\n");
    for line in [
        "openssl req -config ca.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf",
        "openssl ca -batch -config ca.cnf -in leaf.csr -notext -out issued.pem",
        "openssl ca -batch -config ca.cnf -in leaf.csr -notext -out withdrawn.pem",
        "openssl ca -config ca.cnf -crl_reason keyCompromise -revoke withdrawn.pem",
    ] {
        let run = site.shell(None, line);
        assert_eq!(run.code, Some(0), "{line}: {run:?}");
    }
    Some(())
}

#[test]
fn an_index_of_openssl_ca_says_what_was_issued_revoked_and_never_issued() {
    let site = Site::new();
    let Some(()) = openssl_ca(&site) else { return };
    let sources = "[{ crl = \"crl.pem\" }, { issued = \"index.txt\", role = \"record\" }]";
    for (policy, never_issued) in [
        ("", "unknown"),
        ("never-issued = \"unknown\"", "unknown"),
        ("never-issued = \"revoked\"", "revoked"),
    ] {
        let process = serve_from(&site, sources, policy).start();
        assert_openssl_sees(&site, &process, "issued.pem", "good");
        assert_openssl_sees(&site, &process, "withdrawn.pem", "revoked");
        // On the CRL, and not in the index: revoked wins.
        assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
        assert_openssl_sees(&site, &process, "server.pem", never_issued);
    }
    let process = serve_from(&site, sources, "never-issued = \"unauthorized\"").start();
    assert_openssl_sees(&site, &process, "issued.pem", "good");
    assert_openssl_hears(&site, &process, "server.pem", "unauthorized (6)");
    // A certificate of today is known at once.
    let run = site.shell(
        None,
        "openssl ca -batch -config ca.cnf -in leaf.csr -notext -out today.pem",
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    site.ask_until(&process, &[0x5a, 0x03], NOTICE_WAIT_MAX, says_good);
    assert_openssl_sees(&site, &process, "today.pem", "good");
    // No index at all: nothing is said of what it alone would name.
    fs::remove_file(site.file("index.txt")).unwrap();
    drop(process);
    let process = serve_from(&site, sources, "").start();
    assert_openssl_hears(&site, &process, "server.pem", "trylater (3)");
    assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
}

#[test]
fn an_index_alone_is_a_source_like_a_list() {
    let site = Site::new();
    let Some(()) = openssl_ca(&site) else { return };
    let process = serve_from(&site, "[{ issued = \"index.txt\", role = \"record\" }]", "").start();
    assert_openssl_sees(&site, &process, "issued.pem", "good");
    assert_openssl_sees(&site, &process, "withdrawn.pem", "revoked");
    assert_openssl_sees(&site, &process, "server.pem", "unknown");
}

#[test]
fn an_overlay_revokes_at_once_one_or_all() {
    let site = Site::new();
    site.write("overlay", "# nothing yet\n");
    let sources = "[{ crl = \"crl.pem\" }, { overlay = \"overlay\" }]";
    let process = serve_from(&site, sources, "").start();
    assert_openssl_sees(&site, &process, "server.pem", "good");
    site.replace("overlay", "707172 keyCompromise\n");
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_openssl_sees(&site, &process, "server.pem", "good");
    site.replace("overlay", "all\n");
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_revoked);
    assert_openssl_sees(&site, &process, "server.pem", "revoked");
    // A word that is not understood takes nothing back.
    site.replace("overlay", "none of them\n");
    process.wait_for_log("ERROR", NOTICE_WAIT_MAX);
    assert_openssl_sees(&site, &process, "server.pem", "revoked");
}

#[test]
fn an_overlay_that_is_emptied_in_place_is_given_time_and_then_revokes_nothing() {
    let site = Site::new();
    site.write("overlay", "707172 keyCompromise\n");
    let sources = "[{ crl = \"crl.pem\" }, { overlay = \"overlay\" }]";
    let process = serve_from(&site, sources, "").start();
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    File::create(site.file("overlay")).unwrap();
    process.wait_for_log("what it takes back", NOTICE_WAIT_MAX);
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    // Nobody touches it again.
    process.wait_for_log("it revokes nothing any more", NOTICE_WAIT_MAX);
    assert_openssl_sees(&site, &process, "later.pem", "good");
}

#[test]
fn the_guard_keeps_what_vanished_revoked_until_it_is_accepted_also_over_a_restart() {
    let site = Site::new();
    let many = (1..=20u8).fold(CrlSpec::new(11).revoke(LATER, None), |crl, serial| {
        crl.revoke(&[serial], None)
    });
    site.write_crl(&many);
    let serve = || serve_from(&site, "[{ crl = \"crl.pem\" }]", "guard = \"refuse\"");
    let process = serve().start();
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    site.write_crl(&CrlSpec::new(12).revoke(GOOD, None));
    // What it adds counts, what it drops does not.
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_revoked);
    let line = process.wait_for_log("ocspry crl accept site", NOTICE_WAIT_MAX);
    assert!(
        line.contains("21 of 21 entries") && line.contains("they stay revoked"),
        "{line}"
    );
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_eq!(process.stop().code, Some(0));

    let process = serve().start();
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    let accept = site.ocspry().args(["crl", "accept", "site"]).run();
    assert_eq!(accept.code, Some(0), "{accept:?}");
    assert_openssl_sees(&site, &process, "later.pem", "good");
    assert_openssl_sees(&site, &process, "server.pem", "revoked");
    let again = site.ocspry().args(["crl", "accept", "site"]).run();
    assert!(
        format!("{}{}", again.stdout, again.stderr).contains("nothing is held"),
        "{again:?}"
    );
}

#[test]
fn an_older_index_put_back_over_a_restart_is_said_and_held_until_it_is_accepted() {
    let site = Site::new();
    let index = |status: &str| format!("{status}\t707172\tunknown\t/CN=later\n");
    site.write(
        "index.txt",
        index("R\t20490101000000Z\t260101000000Z,keyCompromise"),
    );
    let sources = "[{ crl = \"crl.pem\" }, { issued = \"index.txt\", role = \"record\" }]";
    let serve = || serve_from(&site, sources, "guard = \"refuse\"");
    let process = serve().start();
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_eq!(process.stop().code, Some(0));

    site.replace("index.txt", index("V\t20490101000000Z\t"));
    let process = serve().start();
    let line = process.wait_for_log("ocspry crl accept site", NOTICE_WAIT_MAX);
    let gone = "1 of 1 certificates are not called revoked any more, 1 of them not expired";
    assert!(line.contains("ERROR") && line.contains(gone), "{line}");
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    let accept = site.ocspry().args(["crl", "accept", "site"]).run();
    assert_eq!(accept.code, Some(0), "{accept:?}");
    assert_openssl_sees(&site, &process, "later.pem", "good");
}

#[test]
fn a_list_outlives_its_place_in_the_configuration_until_what_is_named_instead_is_there() {
    let site = Site::new();
    let part = |name: &str| {
        let point = ScopeSpec::part(&format!("http://crl.example/{name}.crl"));
        CrlSpec::new(1).about(point)
    };
    let old = (1..=20u8).fold(part("old").revoke(LATER, None), |crl, serial| {
        crl.revoke(&[serial], None)
    });
    site.write("old.crl", site.ca.crl(&old));
    let status = |name: &str| format!("[{{ crl = \"crl.pem\" }}, {{ crl = \"{name}\" }}]");
    let guard = "guard = \"refuse\"";
    let process = serve_from(&site, &status("old.crl"), guard).start();
    assert_openssl_sees(&site, &process, "later.pem", "revoked");

    let _ = serve_from(&site, &status("new.crl"), guard);
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    process.wait_for_log("new.crl: cannot be read", NOTICE_WAIT_MAX);
    assert_openssl_sees(&site, &process, "later.pem", "revoked");

    site.write("new.crl", site.ca.crl(&part("new").revoke(GOOD, None)));
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_revoked);
    let line = process.wait_for_log("ocspry crl accept site", NOTICE_WAIT_MAX);
    assert!(line.contains("in no CRL any more"), "{line}");
    assert!(
        process.log().contains("no configured source has it"),
        "{}",
        process.log()
    );
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
}

/// Octets that a process has read so far, from wherever (proc(5), rchar).
fn octets_read_by(process: &OcspryProcess) -> u64 {
    let counts = fs::read_to_string(format!("/proc/{}/io", process.id())).unwrap();
    let line = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[test]
fn what_is_no_file_or_too_large_is_refused_by_what_it_is_and_never_read() {
    const TEN_GIGABYTES: u64 = 10_000_000_000;
    let site = Site::new();
    File::create(site.file("sparse"))
        .unwrap()
        .set_len(TEN_GIGABYTES)
        .unwrap();
    site.write("empty", "");
    fs::create_dir(site.file("directory")).unwrap();
    assert_eq!(site.shell(None, "mkfifo pipe").code, Some(0));
    let bad = [
        ("pipe", "is a pipe, not a file"),
        ("directory", "is a directory, not a file"),
        ("empty", "is empty"),
        (
            "sparse",
            "has 10000000000 octets, more than the limit of 4294967296",
        ),
    ];
    // At the start there is nothing else to serve.
    for (name, reason) in bad {
        let started = serve_from(&site, &format!("[{{ crl = \"{name}\" }}]"), "").run();
        assert_eq!(started.code, Some(1), "{name}: {started:?}");
        assert!(started.stderr.contains(reason), "{name}: {started:?}");
    }
    // Put in the place of a good list, they change nothing.
    let process = serve_from(&site, "[{ crl = \"crl.pem\" }]", "").start();
    let before = octets_read_by(&process);
    for (name, reason) in bad {
        let mark = process.log_mark();
        if fs::metadata(site.file("crl.pem")).unwrap().is_dir() {
            fs::remove_dir(site.file("crl.pem")).unwrap();
        } else {
            fs::remove_file(site.file("crl.pem")).unwrap();
        }
        fs::rename(site.file(name), site.file("crl.pem")).unwrap();
        let line = process.wait_for_log_after(mark, reason, NOTICE_WAIT_MAX);
        assert!(line.contains(" in use stays"), "{line}");
        assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
        assert_openssl_sees(&site, &process, "server.pem", "good");
    }
    let read = octets_read_by(&process) - before;
    assert!(read < 100_000_000, "{read} octets were read");
    fs::remove_file(site.file("crl.pem")).unwrap();
    site.write(
        "crl.pem",
        pem(
            "X509 CRL",
            &site.ca.crl(&CrlSpec::new(12).revoke(LATER, None)),
        ),
    );
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
}

#[test]
fn lists_and_what_was_issued_are_added_up_and_a_missing_part_is_not_good() {
    let site = Site::new();
    let sources = "[{ crl = \"crl.pem\" }, { issued = \"serials.txt\", lag = \"try-later\" }]";
    site.write("serials.txt", "1A2B3C\n4D5E6F\n");
    let process = serve_from(&site, sources, "").start();
    assert_openssl_sees(&site, &process, "server.pem", "good");
    assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
    assert_openssl_sees(&site, &process, "later.pem", "unknown");
    drop(process);
    // An export of yesterday, not known from today, does not know what was issued since.
    fs::remove_dir_all(site.file("state")).unwrap();
    let yesterday = now().plus_seconds(-25 * 3600).unix_seconds().unsigned_abs();
    let yesterday = std::time::UNIX_EPOCH + std::time::Duration::from_secs(yesterday);
    let file = File::options()
        .write(true)
        .open(site.file("serials.txt"))
        .unwrap();
    file.set_modified(yesterday).unwrap();
    let process = serve_from(&site, sources, "").start();
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, is_try_later);
    assert_openssl_sees(&site, &process, "server.pem", "good");
    assert_openssl_hears(&site, &process, "later.pem", "trylater (3)");
    drop(process);
    let lagging = sources.replace("try-later", "good");
    let process = serve_from(&site, &lagging, "").start();
    assert_openssl_sees(&site, &process, "later.pem", "good");
}

#[test]
fn a_check_fetches_nothing_and_says_so() {
    let site = Site::new();
    let server = ListServer::start();
    let url = server.url();
    let configuration = CONFIGURATION.replace("crl = \"crl.pem\"", &format!("crl-url = \"{url}\""));
    site.write("ocspry.toml", configuration);
    let check = site.ocspry().args(["config", "check", "ocspry.toml"]).run();
    assert_eq!(check.code, Some(0), "{check:?}");
    let warning = format!("issuer site: {url} is not fetched by a check");
    assert!(check.stderr.contains(&warning), "{check:?}");
    assert!(check.stdout.contains("not fetched yet"), "{check:?}");
    assert_eq!(server.statuses(), [0u16; 0]);
}

#[test]
fn crl_25_a_delta_that_the_crl_itself_names_revokes_and_is_not_missed() {
    let site = Site::new();
    let (lists, deltas) = (ListServer::start(), ListServer::start());
    let named = |spec: CrlSpec| site.ca.crl(&spec.with_deltas_at(&[&deltas.url()]));
    lists.publish(named(site.first_crl()));
    let delta = CrlSpec::new(11)
        .over(10)
        .revoke(LATER, Some(CrlReason::KeyCompromise));
    deltas.publish(site.ca.crl(&delta));
    let source = format!("crl-url = \"{}\"", lists.url());

    // A place inside that nobody but the list named.
    let process = serve_from(&site, &format!("[{{ {source} }}]"), "").start();
    let line = process.wait_for_log("allow private addresses", NOTICE_WAIT_MAX);
    assert!(
        line.contains("WARN") && line.contains("answers go on"),
        "{line}"
    );
    assert_openssl_sees(&site, &process, "later.pem", "good");
    assert_eq!(deltas.statuses(), [0u16; 0]);
    drop(process);

    let allowing = format!("[{{ {source}, allow-private-redirects = true }}]");
    let process = serve_from(&site, &allowing, "").start();
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_openssl_sees(&site, &process, "revoked.pem", "revoked");
    assert_openssl_sees(&site, &process, "server.pem", "good");
    process.wait_for_log("delta CRL 11 in use", NOTICE_WAIT_MAX);

    drop(deltas);
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    process.wait_for_log("answers go on", NOTICE_WAIT_MAX);
    assert_openssl_sees(&site, &process, "later.pem", "revoked");
    assert_openssl_sees(&site, &process, "server.pem", "good");
    drop(process);

    let process = serve_from(&site, &allowing, "freshest-crl = \"ignore\"").start();
    assert_openssl_sees(&site, &process, "server.pem", "good");
    assert_eq!(process.log_count("deltas are fetched"), 0);
}
