//! One feed in the place of another, step by step: each looks when the test says so.

use std::fs;

use ocspry_core::{Lookup, OwnedCertificate};
use ocspry_ledger::{Act, ImportEntry, IssuerName, IssuerNumber, Ledger};
use ocspry_testkit::{Authority, CertificateSpec, KeyKind};
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

use super::*;
use crate::assemble::{self, RunningIssuer};
use crate::config::{ConfigOrigin, Environment, ServeFlags};

#[derive(Debug)]
struct AlwaysNow;

impl Clock for AlwaysNow {
    fn now(&self) -> Time {
        NOW
    }
}

const NOW: Time = Time::from_unix(1_900_000_000);

/// A directory with a ledger of one CA, and a configuration of an issuer that is fed from it.
struct Scene {
    directory: tempfile::TempDir,
    ledger: Ledger,
    ca: IssuerNumber,
    config: Config,
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let spec = CertificateSpec {
            not_before: NOW.plus_seconds(-86_400),
            not_after: NOW.plus_seconds(86_400),
            ..CertificateSpec::authority("Ledger CA")
        };
        let ca = Authority::root_from(&spec, ocspry_testkit::TestKey::generate(KeyKind::P256));
        fs::write(path("ca.pem"), ca.certificate_pem()).unwrap();
        fs::write(path("ca.key"), ca.credential().key.pkcs8_pem()).unwrap();
        let place = LedgerPlace::Sqlite(path("ledger.db"));
        let mut ledger = Ledger::create(&place).unwrap();
        let certificate = OwnedCertificate::from_der(ca.certificate.clone()).unwrap();
        let name = IssuerName::new("ca").unwrap();
        let number = ledger.add_issuer(&act(), &name, &certificate, &[]).unwrap();
        let config = path("ocspry.toml");
        fs::write(&config, CONFIGURATION).unwrap();
        let origin = ConfigOrigin::File {
            path: config,
            flags: Box::new(ServeFlags::default()),
        };
        let config = origin.load(&Environment::of_process(), NOW).unwrap();
        let mut scene = Scene {
            directory,
            ledger,
            ca: number,
            config,
        };
        scene.issue(1);
        scene.issue(2);
        scene
    }

    fn issue(&mut self, octet: u8) {
        let entry = ImportEntry {
            serial_number: serial(octet),
            subject: "CN=host.example".to_owned(),
            not_before: None,
            not_after: NOW.plus_seconds(86_400),
            der: None,
            profile: None,
            revoked: None,
        };
        self.ledger
            .import(&act(), self.ca, [entry], |_| {})
            .unwrap();
    }

    fn revoke(&mut self, octet: u8) {
        let info = RevokedInfo {
            revocation_time: NOW,
            reason: Some(CrlReason::KeyCompromise),
            invalidity_date: None,
        };
        self.ledger
            .revoke(&act(), self.ca, &serial(octet), info)
            .unwrap();
    }

    fn feed(&self) -> LedgerFeed {
        LedgerFeed::open(&self.config, None, NOW).unwrap()
    }

    fn running(&self, feed: &LedgerFeed) -> RunningIssuer {
        let config = &self.config.issuers[0];
        let (running, look) = assemble::build(config, None, None, Some(feed), &[], NOW);
        assert!(running.can_answer(), "{look:?}");
        running
    }

    fn take_over(
        &self,
        new: &LedgerFeed,
        old: &LedgerFeed,
        running: &RunningIssuer,
    ) -> Result<(), NotTakenOver> {
        let clock: Arc<dyn Clock> = Arc::new(AlwaysNow);
        let kept = [(&running.config, &running.refresher)].into_iter();
        // Its threads end at once: here nobody looks but the test.
        new.stop();
        new.take_over(Some(old), kept, &clock, &Bell::new().0)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

const CONFIGURATION: &str = "version = 1
[listen]
ocsp = [\"127.0.0.1:0\"]
[issuer.ca]
certificate = \"ca.pem\"
status = [{ ledger = \"ca\" }]
responder = { ca-key = \"ca.key\" }
[ledger]
url = \"sqlite:ledger.db\"
";

fn act() -> Act {
    Act::by("tests", NOW)
}

fn serial(octet: u8) -> SerialNumber {
    SerialNumber::from_content(&[octet]).unwrap()
}

fn is_revoked(running: &RunningIssuer, octet: u8) -> bool {
    let table = running.issuer.table().unwrap();
    matches!(table.lookup(&serial(octet)), Lookup::Revoked(_))
}

#[test]
fn what_was_revoked_while_the_next_feed_was_made_ready_stays_so() {
    let mut scene = Scene::new();
    let old = scene.feed();
    let running = scene.running(&old);
    let new = scene.feed();
    scene.revoke(1);
    old.following().look(NOW);
    assert!(is_revoked(&running, 1));
    scene.take_over(&new, &old, &running).unwrap();
    assert!(is_revoked(&running, 1));

    // From here on it is the new one that feeds.
    assert!(old.following().snapshot().issuers.is_empty());
    scene.revoke(2);
    new.following().look(NOW);
    assert!(is_revoked(&running, 2));
}

#[test]
fn an_issuer_that_is_made_anew_is_brought_up_to_date_before_it_answers() {
    let mut scene = Scene::new();
    let old = scene.feed();
    let running = scene.running(&old);
    let new = scene.feed();
    let anew = scene.running(&new);
    scene.revoke(1);
    old.following().look(NOW);
    assert!(!is_revoked(&anew, 1));
    scene.take_over(&new, &old, &running).unwrap();
    assert!(is_revoked(&anew, 1));
}

#[test]
fn a_feed_that_cannot_read_what_is_in_use_takes_nothing_over() {
    let mut scene = Scene::new();
    let old = scene.feed();
    let running = scene.running(&old);
    let new = scene.feed();
    scene.revoke(1);
    old.following().look(NOW);
    fs::rename(scene.file("ledger.db"), scene.file("away.db")).unwrap();
    let refused = scene.take_over(&new, &old, &running).unwrap_err();
    assert!(refused.to_string().contains("is not there"), "{refused}");
    assert!(is_revoked(&running, 1));

    fs::rename(scene.file("away.db"), scene.file("ledger.db")).unwrap();
    scene.revoke(2);
    old.following().look(NOW);
    assert!(is_revoked(&running, 2));
}

#[test]
fn an_older_copy_is_no_news_for_a_feed_that_takes_over_without_a_state_directory() {
    let mut scene = Scene::new();
    let place = LedgerPlace::Sqlite(scene.file("ledger.db"));
    ocspry_ledger::backup(&place, &scene.file("older.db")).unwrap();
    let old = scene.feed();
    let running = scene.running(&old);
    scene.revoke(1);
    old.following().look(NOW);
    for name in ["ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(scene.file(name)).unwrap();
    }
    fs::rename(scene.file("older.db"), scene.file("ledger.db")).unwrap();
    let new = scene.feed();
    let refused = scene.take_over(&new, &old, &running).unwrap_err();
    assert!(
        refused.to_string().contains("it is an older copy"),
        "{refused}"
    );
    assert!(is_revoked(&running, 1));
}
