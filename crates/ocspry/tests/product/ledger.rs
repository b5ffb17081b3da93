//! `serve` on a ledger that somebody else writes: what is issued and revoked there is in the next answers; what happens to
//! its file is no client's trouble.

use crate::admin::Watched;
use crate::control::OtherUser;
use crate::site::{
    CONFIGURATION, GOOD, LATER, NOTICE_WAIT_MAX, OCSPRY, REVOKED, Site, assert_openssl_says,
    says_good, says_revoked,
};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{
    Act, CrlUse, IssuerEvidence, IssuerName, IssuerNumber, Ledger, LedgerPlace, PublishedCrl,
    SeenRevocation, backup,
};
use ocspry_testkit::{
    CrlSpec, HttpClient, LineChild, Ocspry, OcspryProcess, Peer, Reply, http_date, now, wait_until,
};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use std::fs;
use std::path::PathBuf;

/// A site whose CA has a ledger: server.pem and revoked.pem are in it, later.pem is not.
pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) ledger: Ledger,
    pub(crate) ca: IssuerNumber,
}

/// Where the ledger is, in the directory of the site.
pub(crate) const FILE: &str = "ledger.db";

impl Scene {
    pub(crate) fn new() -> Scene {
        let site = Site::new();
        let (ledger, ca) = empty_ledger(&site);
        let mut scene = Scene { site, ledger, ca };
        scene.issue("server.example", GOOD);
        scene.issue("revoked.example", REVOKED);
        scene.revoke(REVOKED, CrlReason::KeyCompromise);
        scene
    }

    /// With a copy, `older.db`, from before later.pem was issued and server.pem revoked, which its responder has seen.
    fn beyond_its_backup() -> (Scene, OcspryProcess) {
        let mut scene = Scene::new();
        let place = LedgerPlace::Sqlite(scene.file());
        backup(&place, &scene.site.file("older.db")).unwrap();
        let process = scene.serve().start();
        scene.issue("later.example", LATER);
        scene.revoke(GOOD, CrlReason::KeyCompromise);
        scene.wait_for(&process, GOOD, says_revoked);
        (scene, process)
    }

    pub(crate) fn issue(&mut self, name: &str, serial: &[u8]) {
        let certificate = self.site.ca.server(name, serial);
        let certificate = OwnedCertificate::from_der(certificate).unwrap();
        self.ledger
            .reserve_serial(&act(), self.ca, &number(serial))
            .unwrap();
        self.ledger
            .issue(&act(), self.ca, &certificate, "server")
            .unwrap();
    }

    pub(crate) fn revoke(&mut self, serial: &[u8], reason: CrlReason) {
        self.ledger
            .revoke(&act(), self.ca, &number(serial), info(reason))
            .unwrap();
    }

    /// `serve` with these sources, and more keys of the issuer.
    pub(crate) fn serve_from(&self, status: &str, more: &str) -> Ocspry<'static> {
        self.configure(status, more);
        self.site.ocspry().args(["serve", "-c", "ocspry.toml"])
    }

    fn configure(&self, status: &str, more: &str) {
        let configuration = CONFIGURATION.replace(
            "status = [{ crl = \"crl.pem\" }]",
            &format!("status = {status}"),
        );
        let ledger = format!("[ledger]\nurl = \"sqlite:{FILE}\"\n");
        let text = format!("{configuration}{more}\n{ledger}");
        self.site.write("ocspry.toml", text);
    }

    pub(crate) fn serve(&self) -> Ocspry<'static> {
        self.serve_from(STATUS, "")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.site.file(FILE)
    }

    /// Another file takes the ledger's place, as when a backup is copied back by hand.
    fn put_in_place(&self, copy: &str) {
        for ending in ["-wal", "-shm"] {
            let _ = fs::remove_file(self.site.file(&format!("{FILE}{ending}")));
        }
        fs::rename(self.site.file(copy), self.file()).unwrap();
    }

    /// Asks until the answer is as wanted, with a deadline that is no measure.
    pub(crate) fn wait_for(
        &self,
        process: &OcspryProcess,
        serial: &[u8],
        wanted: impl Fn(&Reply) -> bool,
    ) -> Reply {
        self.site
            .ask_until(process, serial, NOTICE_WAIT_MAX, wanted)
    }

    /// What the openssl client makes of the answer about a certificate.
    fn assert_openssl_sees(&self, process: &OcspryProcess, certificate: &str, status: &str) {
        let url = process.url();
        let run = self.site.openssl(&[
            "ocsp",
            "-issuer",
            "intermediate_ca.pem",
            "-cert",
            certificate,
            "-url",
            &url,
            "-CAfile",
            "root_ca.pem",
            "-no_nonce",
        ]);
        if let Some(run) = run {
            assert_openssl_says(&run, &format!("{certificate}: {status}"));
        }
    }
}

/// The ledger of a CA that has issued nothing.
pub(crate) fn empty_ledger(site: &Site) -> (Ledger, IssuerNumber) {
    let place = LedgerPlace::Sqlite(site.file(FILE));
    let mut ledger = Ledger::create(&place).unwrap();
    let certificate = OwnedCertificate::from_der(site.ca.certificate.clone()).unwrap();
    let name = IssuerName::new("corporate").unwrap();
    let ca = ledger.add_issuer(&act(), &name, &certificate, &[]);
    let ca = ca.unwrap();
    (ledger, ca)
}

pub(crate) const STATUS: &str = "[{ ledger = \"corporate\" }]";

pub(crate) fn act() -> Act {
    Act::by("tests", now())
}

pub(crate) fn number(serial: &[u8]) -> SerialNumber {
    SerialNumber::from_content(serial).unwrap()
}

fn info(reason: CrlReason) -> RevokedInfo {
    RevokedInfo {
        revocation_time: now(),
        reason: Some(reason),
        invalidity_date: None,
    }
}

pub(crate) fn is_try_later(reply: &Reply) -> bool {
    *reply == Reply::Error(ErrorStatus::TryLater)
}

pub(crate) fn this_update(reply: &Reply) -> Time {
    reply.clone().single().this_update
}

#[test]
fn dbs_04_a_revocation_is_in_the_next_answers_though_the_answer_before_was_cached() {
    let mut scene = Scene::new();
    let process = scene.serve().start();
    scene.assert_openssl_sees(&process, "server.pem", "good");
    scene.assert_openssl_sees(&process, "revoked.pem", "revoked");
    scene.assert_openssl_sees(&process, "later.pem", "unknown");

    // Hot: by the request's own octets at each worker, and by CertID.
    let mut client = process.connect();
    let request = scene.site.request(GOOD);
    let first = scene.site.ask(&mut client, &request);
    for _ in 0..50 {
        assert_eq!(scene.site.ask(&mut client, &request), first);
    }
    scene.revoke(GOOD, CrlReason::Superseded);
    scene.wait_for(&process, GOOD, says_revoked);
    // Once one worker says so, all do.
    for _ in 0..20 {
        assert!(says_revoked(
            &scene.site.ask(&mut process.connect(), &request)
        ));
    }
    scene.assert_openssl_sees(&process, "server.pem", "revoked");

    scene.issue("later.example", LATER);
    scene.wait_for(&process, LATER, says_good);
    scene.assert_openssl_sees(&process, "later.pem", "good");
}

#[test]
fn a_hold_that_is_lifted_is_good_again_and_this_update_does_not_go_back() {
    let mut scene = Scene::new();
    let process = scene.serve().start();
    scene.wait_for(&process, GOOD, says_good);
    scene.revoke(GOOD, CrlReason::CertificateHold);
    let held = scene.wait_for(&process, GOOD, says_revoked);
    scene
        .ledger
        .release(&act(), scene.ca, &number(GOOD))
        .unwrap();
    let released = scene.wait_for(&process, GOOD, says_good);
    assert!(
        this_update(&released) >= this_update(&held),
        "{held:?}\n{released:?}"
    );
}

#[test]
fn certificates_that_are_issued_empty_no_cache() {
    let mut scene = Scene::new();
    let process = scene.serve().start();
    let mut client = process.connect();
    let request = scene.site.request(GOOD);
    let first = client.post(&request).unwrap().body;
    scene.issue("later.example", LATER);
    scene.wait_for(&process, LATER, says_good);
    assert_eq!(client.post(&request).unwrap().body, first);
    // A revocation of another certificate does not, either.
    scene.revoke(LATER, CrlReason::Superseded);
    scene.wait_for(&process, LATER, says_revoked);
    assert_eq!(client.post(&request).unwrap().body, first);
}

#[test]
fn a_ledger_that_is_gone_for_a_while_changes_no_answer_and_is_followed_when_it_is_back() {
    let mut scene = Scene::new();
    let watched = Watched::of(scene.serve());
    let process = &watched.process;
    fs::rename(scene.file(), scene.site.file("away.db")).unwrap();
    process.wait_for_log("is not there", NOTICE_WAIT_MAX);
    scene.assert_openssl_sees(process, "server.pem", "good");
    scene.assert_openssl_sees(process, "revoked.pem", "revoked");
    let issuer = watched.issuer();
    assert_eq!(issuer["can_answer"], true, "{issuer}");
    let error = &issuer["sources"][0]["last_error"]["message"];
    assert!(error.as_str().unwrap().contains("is not there"), "{issuer}");

    fs::rename(scene.site.file("away.db"), scene.file()).unwrap();
    process.wait_for_log("can be read again", NOTICE_WAIT_MAX);
    scene.revoke(GOOD, CrlReason::Superseded);
    scene.wait_for(process, GOOD, says_revoked);
    wait_until("the problem is over", NOTICE_WAIT_MAX, || {
        watched.issuer()["sources"][0]["last_error"].is_null()
    });
    assert!(watched.issuer()["sources"][0]["ledger"]["sequence"].as_u64() > Some(0));
}

#[test]
fn a_file_that_is_no_ledger_changes_no_answer() {
    let scene = Scene::new();
    let process = scene.serve().start();
    fs::copy(scene.file(), scene.site.file("kept.db")).unwrap();
    scene.site.write("garbage.db", [0x55; 8192]);
    scene.put_in_place("garbage.db");
    process.wait_for_log("is not an ocspry ledger", NOTICE_WAIT_MAX);
    scene.assert_openssl_sees(&process, "server.pem", "good");
    scene.assert_openssl_sees(&process, "revoked.pem", "revoked");
}

/// Holds the locks that a reader of a database in WAL mode needs (SQLite: WAL_READ_LOCK and its neighbours).
const LOCK: &str = "
import fcntl, sys
wal_index = open(sys.argv[1], 'r+b')
fcntl.lockf(wal_index, fcntl.LOCK_EX, 8, 120)
print('locked', flush=True)
sys.stdin.readline()
";

#[test]
fn a_locked_ledger_changes_no_answer_and_is_followed_when_the_lock_is_gone() {
    let Some(python) = Peer::Python.find() else {
        return;
    };
    let mut scene = Scene::new();
    let process = scene.serve().start();
    let wal_index = scene.site.file(&format!("{FILE}-shm"));
    let mut locker = LineChild::start(
        std::process::Command::new(python)
            .args(["-c", LOCK])
            .arg(&wal_index),
    );
    locker.line_with("locked");
    // SQLite itself tries for some ten seconds before it gives up, and one failure is not told yet.
    process.wait_for_log("lock", 4 * NOTICE_WAIT_MAX);
    scene.assert_openssl_sees(&process, "server.pem", "good");
    locker.write("");
    drop(locker);
    scene.revoke(GOOD, CrlReason::Superseded);
    scene.wait_for(&process, GOOD, says_revoked);
}

#[test]
fn an_older_ledger_is_refused_also_after_a_restart_until_it_is_reconciled() {
    let (mut scene, process) = Scene::beyond_its_backup();
    let place = LedgerPlace::Sqlite(scene.file());
    scene.wait_for(&process, LATER, says_good);
    let reader = scene.ledger.reader();
    let seen = Some(reader.position().unwrap().sequence);
    let known = reader.revocation(scene.ca, &number(GOOD)).unwrap();

    fs::copy(scene.site.file("older.db"), scene.site.file("copy.db")).unwrap();
    scene.put_in_place("copy.db");
    process.wait_for_log("it is an older copy", NOTICE_WAIT_MAX);
    scene.assert_openssl_sees(&process, "server.pem", "revoked");
    scene.assert_openssl_sees(&process, "later.pem", "good");

    // What is known to be revoked is so after a restart, too; of the others nothing is known any more.
    process.stop();
    let process = scene.serve().start();
    scene.assert_openssl_sees(&process, "server.pem", "revoked");
    scene.assert_openssl_sees(&process, "revoked.pem", "revoked");
    scene.wait_for(&process, LATER, is_try_later);

    // A reconciliation without what is known here is not enough.
    scene.ledger = Ledger::open(&place).unwrap();
    scene.ledger.reconcile(&act(), &[], seen).unwrap();
    process.wait_for_log("was reconciled without 1 revocations", NOTICE_WAIT_MAX);
    let evidence = IssuerEvidence {
        issuer: scene.ca,
        certificates: Vec::new(),
        revoked: vec![SeenRevocation {
            serial_number: number(GOOD),
            info: known.unwrap(),
            seen: now(),
        }],
        crl_numbers: Vec::new(),
    };
    scene.ledger.reconcile(&act(), &[evidence], seen).unwrap();
    process.wait_for_log("can be read again", NOTICE_WAIT_MAX);
    scene.assert_openssl_sees(&process, "server.pem", "revoked");
    scene.assert_openssl_sees(&process, "later.pem", "unknown");
}

#[test]
fn what_serve_knew_to_be_revoked_is_put_back_from_its_state_directory() {
    let (mut scene, process) = Scene::beyond_its_backup();
    // Once the next fact is kept, so is this one.
    scene.wait_until_all_is_seen();

    let reconcile = |more: &[&str]| {
        let run = scene.site.ocspry().args(["ledger"]).args(more);
        run.args(["--ledger", FILE]).run()
    };
    let run = reconcile(&["restore", "older.db", "--yes"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    process.wait_for_log("was restored from a backup", NOTICE_WAIT_MAX);
    scene.assert_openssl_sees(&process, "server.pem", "revoked");

    let run = reconcile(&["reconcile", "--state-dir", "stat"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("stat does not exist"), "{run:?}");
    let run = reconcile(&["reconcile", "--state-dir", "state", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("\"revocations\": 1"), "{run:?}");
    process.wait_for_log("can be read again", NOTICE_WAIT_MAX);
    scene.assert_openssl_sees(&process, "server.pem", "revoked");
    scene.assert_openssl_sees(&process, "revoked.pem", "revoked");
    assert_eq!(process.log_count("was reconciled without"), 0);

    // The next restart finds nothing missing, either.
    process.stop();
    let process = scene.serve().start();
    scene.assert_openssl_sees(&process, "server.pem", "revoked");
}

#[test]
fn the_operator_can_let_go_what_was_seen_of_a_ledger() {
    let mut scene = Scene::new();
    let place = LedgerPlace::Sqlite(scene.file());
    backup(&place, &scene.site.file("older.db")).unwrap();
    let process = scene.serve().start();
    scene.revoke(GOOD, CrlReason::KeyCompromise);
    scene.wait_for(&process, GOOD, says_revoked);
    process.stop();
    scene.put_in_place("older.db");
    let process = scene.serve().start();
    scene.assert_openssl_sees(&process, "server.pem", "revoked");
    process.stop();
    let reset = ["state", "reset", "site", "-c", "ocspry.toml", "--yes"];
    let run = scene.site.ocspry().args(reset).run();
    assert_eq!(run.code, Some(0), "{run:?}");
    let process = scene.serve().start();
    scene.assert_openssl_sees(&process, "server.pem", "good");
}

#[test]
fn another_user_serves_without_any_writer_from_a_ledger_that_it_may_only_read() {
    let Some(other) = OtherUser::here() else {
        return;
    };
    let Scene {
        site,
        ledger,
        ca: _,
    } = Scene::new();
    drop(ledger);
    let scene_status = CONFIGURATION.replace("{ crl = \"crl.pem\" }", "{ ledger = \"corporate\" }");
    let ledger_table = format!("[ledger]\nurl = \"sqlite:{FILE}\"\n");
    site.write("ocspry.toml", format!("{scene_status}{ledger_table}"));
    let line = format!(
        "chmod 755 . && chgrp 65534 {FILE}* && chmod 640 {FILE}* && chmod 644 *.pem ocspry.toml \
         && chown 65534 ocsp.key && mkdir state && chown 65534 state"
    );
    let run = site.shell(None, &line);
    assert_eq!(run.code, Some(0), "{run:?}");
    let process = Ocspry::new(&other.setpriv)
        .args(OtherUser::BECOME)
        .arg(OCSPRY)
        .args(["serve", "-c", "ocspry.toml"])
        .directory(site.path())
        .env("STATE_DIRECTORY", site.file("state"))
        .start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    assert_eq!(site.status(&process, LATER), CertStatus::Unknown);
    assert_eq!(process.log_count("ERROR"), 0, "{}", process.log());

    // A writer that comes later is followed.
    let mut ledger = Ledger::open(&LedgerPlace::Sqlite(site.file(FILE))).unwrap();
    let ca = ledger.reader().issuer("corporate").unwrap().number;
    let revocation = info(CrlReason::Superseded);
    ledger
        .revoke(&act(), ca, &number(GOOD), revocation)
        .unwrap();
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_revoked);
}

#[test]
fn beside_a_crl_and_an_overlay_whoever_revokes_is_right() {
    let mut scene = Scene::new();
    scene
        .site
        .write_crl(&CrlSpec::new(10).revoke(LATER, Some(CrlReason::Superseded)));
    scene.issue("later.example", LATER);
    scene.site.write("overlay", "");
    let status = "[{ crl = \"crl.pem\" }, { ledger = \"corporate\" }, { overlay = \"overlay\" }]";
    let process = scene.serve_from(status, "").start();
    scene.assert_openssl_sees(&process, "server.pem", "good");
    scene.assert_openssl_sees(&process, "revoked.pem", "revoked");
    scene.assert_openssl_sees(&process, "later.pem", "revoked");
    assert_eq!(
        scene.site.status(&process, &[0x55, 0x55]),
        CertStatus::Unknown
    );
    scene.site.replace("overlay", "1a2b3c\n");
    scene.wait_for(&process, GOOD, says_revoked);
}

#[test]
fn a_ledger_that_cannot_be_read_at_the_start_makes_nothing_good_beside_a_crl() {
    let scene = Scene::new();
    fs::rename(scene.file(), scene.site.file("away.db")).unwrap();
    let status = "[{ crl = \"crl.pem\" }, { ledger = \"corporate\" }]";
    let process = scene.serve_from(status, "").start();
    process.wait_for_log("the ledger could not be read yet", NOTICE_WAIT_MAX);
    scene.wait_for(&process, GOOD, is_try_later);
    scene.assert_openssl_sees(&process, "revoked.pem", "revoked");
    fs::rename(scene.site.file("away.db"), scene.file()).unwrap();
    scene.wait_for(&process, GOOD, says_good);
}

#[test]
fn what_is_wrong_with_the_ledger_of_an_issuer_is_said_before_it_serves() {
    let scene = Scene::new();
    let check = |status: &str| {
        scene.configure(status, "");
        let run = scene.site.ocspry().args(["config", "check", "ocspry.toml"]);
        run.run()
    };
    let run = check(STATUS);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("CA corporate, up to fact"), "{run:?}");
    let run = check("[{ ledger = \"corporation\" }]");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("has no CA named corporation"),
        "{run:?}"
    );

    let mut ledger = Ledger::open(&LedgerPlace::Sqlite(scene.file())).unwrap();
    let root = OwnedCertificate::from_der(scene.site.root.certificate.clone()).unwrap();
    let name = IssuerName::new("root").unwrap();
    ledger.add_issuer(&act(), &name, &root, &[]).unwrap();
    let run = check("[{ ledger = \"root\" }]");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("another name or key"), "{run:?}");
    fs::remove_file(scene.file()).unwrap();
    let run = check(STATUS);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("is not there"), "{run:?}");
    let run = scene.serve().run();
    assert_eq!(run.code, Some(1), "{run:?}");
}

#[test]
fn a_reload_takes_up_a_ledger_and_goes_on_with_it() {
    let mut scene = Scene::new();
    let process = scene.serve_from("[{ crl = \"crl.pem\" }]", "").start();
    scene.assert_openssl_sees(&process, "later.pem", "good");
    let reload = || scene.site.ocspry().arg("reload").run();
    scene.configure(STATUS, "");
    let run = reload();
    assert_eq!(run.code, Some(0), "{run:?}");
    scene.assert_openssl_sees(&process, "later.pem", "unknown");
    scene.configure(STATUS, "nonce = \"ignore\"");
    assert_eq!(reload().code, Some(0));
    scene.revoke(GOOD, CrlReason::Superseded);
    scene.wait_for(&process, GOOD, says_revoked);
}

impl Scene {
    /// Publishes a CRL as the CA does: its number first, then the file, then the fact.
    fn publish(&mut self) -> (Vec<u8>, Time) {
        let crl_number = self
            .ledger
            .reserve_crl_number(&act(), self.ca, CrlUse::Full)
            .unwrap();
        let der = self.site.ca.crl(&CrlSpec::new(77));
        fs::create_dir_all(self.site.file("published")).unwrap();
        self.site.replace("published/corporate.crl", &der);
        let next_update = now().plus_seconds(3600);
        let crl = PublishedCrl {
            number: crl_number,
            base_number: None,
            this_update: now().plus_seconds(-600),
            next_update,
            published: now(),
            covers: 0,
            entry_count: 0,
            sha256: ocspry_core::crypto::sha256(&der),
        };
        self.ledger.publish_crl(&act(), self.ca, &crl).unwrap();
        (der, next_update)
    }
}

#[test]
fn the_published_crl_and_the_ca_certificate_are_handed_out_from_memory() {
    let mut scene = Scene::new();
    let (der, next_update) = scene.publish();
    let process = scene.serve().start();
    let get = |target: &str| {
        HttpClient::connect(process.port())
            .unwrap()
            .get(target)
            .unwrap()
    };
    wait_until("the CRL is handed out", NOTICE_WAIT_MAX, || {
        get("/crl/site.crl").status == 200
    });
    fs::remove_file(scene.site.file("published/corporate.crl")).unwrap();
    let crl = get("/crl/site.crl");
    assert_eq!(crl.body, der);
    assert_eq!(crl.header("content-type"), Some("application/pkix-crl"));
    assert_eq!(crl.header("expires"), Some(http_date(next_update).as_str()));
    assert!(crl.header("last-modified").is_some(), "{crl:?}");
    let cache_control = crl.header("cache-control").unwrap();
    let max_age = cache_control.strip_prefix("max-age=").unwrap();
    let max_age: i64 = max_age.split(',').next().unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&max_age), "{cache_control}");

    let certificate = get("/ca/site.cer");
    assert_eq!(certificate.status, 200);
    assert_eq!(certificate.body, scene.site.ca.certificate);
    assert_eq!(
        certificate.header("content-type"),
        Some("application/pkix-cert")
    );
    for (target, held) in [("/crl/site.crl", &crl), ("/ca/site.cer", &certificate)] {
        let etag = held.header("etag").unwrap();
        let ask = |method: &str, header: &str| {
            let mut client = process.connect();
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: a\r\n{header}Connection: close\r\n\r\n"
            );
            client.send(request.as_bytes()).unwrap();
            client.receive(false).unwrap()
        };
        let again = ask("GET", &format!("If-None-Match: {etag}\r\n"));
        assert_eq!(again.status, 304, "{again:?}");
        let head = ask("HEAD", "");
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("etag"), Some(etag));
        let length = held.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()));
    }
    for target in [
        "/crl/other.crl",
        "/crl/site",
        "/crl/../ocspry.toml.crl",
        "/ca/other.cer",
        "/ca/site.crl",
    ] {
        assert_eq!(get(target).status, 404, "{target}");
    }
}

impl Scene {
    /// Where `serve` keeps how far it has read the ledger.
    pub(crate) fn position_file(&self) -> PathBuf {
        let identity = ocspry_ledger::issuer_identity(
            &OwnedCertificate::from_der(self.site.ca.certificate.clone())
                .unwrap()
                .view(),
        );
        let folder = format!("state/issuers/{}/ledger", to_hex(&identity));
        self.site.file(&folder).join("position.txt")
    }

    /// Waits until `serve` has dealt with all that the ledger holds now.
    pub(crate) fn wait_until_all_is_seen(&mut self) {
        let kept = self.position_file();
        // The position is written before the files of CRLs are looked at: the second one tells of the first look.
        for serial in [&[0x11, 0x01][..], &[0x11, 0x02]] {
            self.issue("seen.example", serial);
            let position = self.ledger.reader().position().unwrap().to_string();
            wait_until("the position is kept", NOTICE_WAIT_MAX, || {
                fs::read_to_string(&kept).is_ok_and(|text| text.starts_with(&position))
            });
        }
    }
}

#[test]
fn a_crl_file_that_the_ledger_does_not_know_is_not_handed_out() {
    let mut scene = Scene::new();
    let (known, _) = scene.publish();
    let stranger = scene.site.ca.crl(&CrlSpec::new(78));
    scene.site.replace("published/corporate.crl", stranger);
    let process = scene.serve().start();
    scene.wait_until_all_is_seen();
    let get = || process.connect().get("/crl/site.crl").unwrap();
    assert_eq!(get().status, 404);
    scene.site.replace("published/corporate.crl", &known);
    wait_until("the CRL is handed out", NOTICE_WAIT_MAX, || {
        get().body == known
    });
}
