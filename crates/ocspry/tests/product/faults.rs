//! What breaks around the responder and must break no more than itself: a log nobody reads, a bad file beside a good
//! one, a file that never ends, a state directory from before a power loss.

use crate::site::{
    CONFIGURATION, GOOD, LATER, NOTICE_WAIT_MAX, REVOKED, Site, says_good, says_revoked,
};
use ocspry_testkit::{
    Authority, CertificateSpec, CrlSpec, KeyKind, Reply, RequestSpec, TerminationSignal, TestKey,
    cert_id, now, pem, wait_until,
};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_the_responder() {
    let site = Site::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let process = site.serve().stderr(writer).start();
    drop(reader);
    // Where the watch sees nothing: only the signal's work can bring it.
    let unseen = site.other_name_of("crl.pem");
    std::fs::write(unseen, site.ca.crl(&CrlSpec::new(11).revoke(LATER, None))).unwrap();
    process.signal(TerminationSignal::Reload);
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    process.signal(TerminationSignal::Reload);
    site.write_crl(&CrlSpec::new(12));
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_good);
    assert_eq!(process.stop().code, Some(0));
}

#[test]
fn a_bad_configuration_does_not_hold_up_a_list_that_came_with_it() {
    let site = Site::new();
    let list = |spec: &CrlSpec| pem("X509 CRL", &site.ca.crl(spec));
    // One rename brings both files, as when a Kubernetes volume turns.
    for (version, configuration, crl) in [
        ("version-1", CONFIGURATION.to_owned(), site.first_crl()),
        (
            "version-2",
            format!("{CONFIGURATION}validty = \"1h\"\n"),
            CrlSpec::new(11).revoke(LATER, None),
        ),
    ] {
        std::fs::create_dir(site.file(version)).unwrap();
        site.write(&format!("{version}/ocspry.toml"), configuration);
        site.write(&format!("{version}/crl.pem"), list(&crl));
    }
    std::fs::remove_file(site.file("crl.pem")).unwrap();
    symlink("version-1", site.file("..data")).unwrap();
    for name in ["ocspry.toml", "crl.pem"] {
        symlink(format!("..data/{name}"), site.file(name)).unwrap();
    }
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
    symlink("version-2", site.file("..data-new")).unwrap();
    std::fs::rename(site.file("..data-new"), site.file("..data")).unwrap();
    let line = process.wait_for_log("not reloaded", NOTICE_WAIT_MAX);
    assert!(line.contains("validty"), "{line}");
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
}

#[test]
fn a_pipe_in_place_of_a_key_stops_neither_lists_nor_the_end() {
    let site = Site::new();
    let process = site.serve().start();
    let mark = process.log_mark();
    let run = site.shell(None, "mkfifo -m 600 new.key && mv new.key ocsp.key");
    assert_eq!(run.code, Some(0), "{run:?}");
    process.wait_for_log_after(mark, "ocsp.key", NOTICE_WAIT_MAX);
    site.write_crl(&CrlSpec::new(11).revoke(LATER, None));
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    process.signal(TerminationSignal::Reload);
    process.wait_for_log_after(mark, "not reloaded", NOTICE_WAIT_MAX);
    assert_eq!(process.stop().code, Some(0));
}

#[test]
fn an_expired_signer_of_one_issuer_does_not_stop_a_reload_for_another() {
    let site = Site::new();
    let second = Authority::root("Second CA", KeyKind::P256);
    let key = TestKey::generate(KeyKind::P256);
    site.write("second.pem", second.certificate_pem());
    site.write("second.crl", second.crl(&CrlSpec::new(1)));
    site.write("second-ocsp.key", key.pkcs8_pem());
    let second_issuer = "[issuer.second]\ncertificate = \"second.pem\"\n\
         status = [{ crl = \"second.crl\" }]\n\
         responder = { certificate = \"second-ocsp.pem\", key = \"second-ocsp.key\" }\n";
    site.write("ocspry.toml", format!("{CONFIGURATION}{second_issuer}"));
    let serve = site.ocspry().args(["serve", "-c", "ocspry.toml"]);
    let mut spec = CertificateSpec::responder("Responder with seconds left");
    spec.not_after = now().plus_seconds(8);
    let certificate = second.issue(&spec, &key.public_key_info());
    site.write("second-ocsp.pem", pem("CERTIFICATE", &certificate));
    let process = serve.start();
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &second, GOOD)).der();
    let ask_second = || Reply::check(&process.connect().post(&request).unwrap().body, &second);
    assert!(says_good(&ask_second()));
    wait_until("the second signer has expired", NOTICE_WAIT_MAX, || {
        ask_second() == Reply::Error(ErrorStatus::TryLater)
    });
    site.replace(
        "ocspry.toml",
        format!("{CONFIGURATION}validity = \"2h\"\n{second_issuer}"),
    );
    process.signal(TerminationSignal::Reload);
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, |reply| match reply {
        Reply::Signed(signed) => {
            signed.singles[0].next_update == signed.produced_at.plus_seconds(7200)
        }
        Reply::Error(status) => panic!("{status:?} around a reload"),
    });
    assert_eq!(ask_second(), Reply::Error(ErrorStatus::TryLater));
}

#[test]
fn marks_from_before_a_power_loss_do_not_bring_an_older_list_back() {
    let site = Site::new();
    let state = site.file("state");
    let process = site.serve().start();
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
    process.stop();
    let older_list = std::fs::read(site.file("crl.pem")).unwrap();
    let marks = only_file_named(&state, "marks.json");
    let older_marks = std::fs::read(&marks).unwrap();
    let newer = CrlSpec::new(11).revoke(REVOKED, None).revoke(LATER, None);
    site.write_crl(&newer.made_at(now()));
    let process = site.serve().start();
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    wait_until("the newer list is kept", NOTICE_WAIT_MAX, || {
        std::fs::read(&marks).unwrap() != older_marks
    });
    process.stop();
    // The new list had reached the disk, its marks had not; and the file is the older one again.
    std::fs::write(&marks, older_marks).unwrap();
    site.replace("crl.pem", older_list);
    let process = site.serve().start();
    assert!(
        matches!(site.status(&process, LATER), CertStatus::Revoked(_)),
        "{}",
        process.log()
    );
}

fn only_file_named(directory: &Path, name: &str) -> PathBuf {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.file_name().is_some_and(|file| file == name) {
                found.push(path);
            }
        }
    }
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.remove(0)
}
