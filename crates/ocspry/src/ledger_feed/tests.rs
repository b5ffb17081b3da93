//! One feed in the place of another, step by step: each looks when the test says so.

use std::fs;

use ocspry_core::{Lookup, OwnedCertificate};
use ocspry_ledger::{
    Act, CrlUse, ImportEntry, IssuerName, IssuerNumber, Ledger, PublishedCrl, backup,
};
use ocspry_testkit::{Authority, CertificateSpec, KeyKind, TestKey};
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

/// A directory with a ledger of two CAs, and a configuration of an issuer for each that is fed from it.
struct Scene {
    directory: tempfile::TempDir,
    ledger: Ledger,
    /// The first one.
    ca: IssuerNumber,
    config: Config,
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let place = LedgerPlace::Sqlite(path("ledger.db"));
        let mut ledger = Ledger::create(&place).unwrap();
        let numbers = ["ca", "other"].map(|name| {
            let spec = CertificateSpec {
                not_before: NOW.plus_seconds(-86_400),
                not_after: NOW.plus_seconds(86_400),
                ..CertificateSpec::authority(name)
            };
            let ca = Authority::root_from(&spec, TestKey::generate(KeyKind::P256));
            fs::write(path(&format!("{name}.pem")), ca.certificate_pem()).unwrap();
            let key = ca.credential().key.pkcs8_pem();
            fs::write(path(&format!("{name}.key")), key).unwrap();
            let certificate = OwnedCertificate::from_der(ca.certificate).unwrap();
            let name = IssuerName::new(name).unwrap();
            ledger.add_issuer(&act(), &name, &certificate, &[]).unwrap()
        });
        let config = path("ocspry.toml");
        fs::write(&config, CONFIGURATION).unwrap();
        let origin = ConfigOrigin::File {
            path: config,
            flags: Box::new(ServeFlags::default()),
        };
        let config = origin.load(&Environment::default(), NOW).unwrap();
        let mut scene = Scene {
            directory,
            ledger,
            ca: numbers[0],
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
        self.running_at(0, feed)
    }

    fn running_at(&self, position: usize, feed: &LedgerFeed) -> RunningIssuer {
        let config = &self.config.issuers[position];
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

    /// Another file takes the ledger's place, as when a backup is copied back by hand.
    fn put_in_place(&self, copy: &str) {
        for name in ["ledger.db-wal", "ledger.db-shm"] {
            fs::remove_file(self.file(name)).unwrap();
        }
        fs::rename(self.file(copy), self.file("ledger.db")).unwrap();
    }

    /// Publishes what is no CRL, but has its digest in the ledger.
    fn publish(&mut self, content: &[u8]) {
        let number = self
            .ledger
            .reserve_crl_number(&act(), self.ca, CrlUse::Full)
            .unwrap();
        let crl = PublishedCrl {
            number,
            base_number: None,
            this_update: NOW,
            next_update: NOW.plus_seconds(3600),
            published: NOW,
            covers: 0,
            entry_count: 0,
            sha256: ocspry_core::crypto::sha256(content),
        };
        fs::create_dir_all(self.file("published")).unwrap();
        fs::write(self.file("published/ca.crl"), content).unwrap();
        self.ledger.publish_crl(&act(), self.ca, &crl).unwrap();
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
[issuer.other]
certificate = \"other.pem\"
status = [{ ledger = \"other\" }]
responder = { ca-key = \"other.key\" }
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
    backup(&place, &scene.file("older.db")).unwrap();
    let old = scene.feed();
    let running = scene.running(&old);
    scene.revoke(1);
    old.following().look(NOW);
    scene.put_in_place("older.db");
    let new = scene.feed();
    let refused = scene.take_over(&new, &old, &running).unwrap_err();
    assert!(
        refused.to_string().contains("it is an older copy"),
        "{refused}"
    );
    assert!(is_revoked(&running, 1));
}

#[test]
fn what_is_let_go_for_one_of_several_issuers_is_kept_again_with_the_next_look() {
    let mut scene = Scene::new();
    let state = Arc::new(StateDirectory::open(&scene.file("state")).unwrap());
    let feed = LedgerFeed::open(&scene.config, Some(&state), NOW).unwrap();
    let running = [0, 1].map(|position| scene.running_at(position, &feed));
    let kept = || {
        running.each_ref().map(|running| {
            let seen = state.ledger(running.issuer.identity()).read().unwrap();
            seen.map_or(0, |seen| seen.revoked.len())
        })
    };
    let work = || {
        feed.following().look(NOW);
        feed.work_beside();
    };
    scene.revoke(1);
    work();
    assert_eq!(kept(), [1, 0]);
    feed.forget(&scene.config.issuers[0]);
    assert_eq!(kept(), [0, 0]);
    scene.revoke(2);
    work();
    assert_eq!(kept(), [2, 0]);
}

#[test]
fn an_older_copy_is_taken_when_all_issuers_that_are_fed_from_it_were_let_go() {
    let mut scene = Scene::new();
    let place = LedgerPlace::Sqlite(scene.file("ledger.db"));
    backup(&place, &scene.file("older.db")).unwrap();
    let feed = scene.feed();
    let running = [0, 1].map(|position| scene.running_at(position, &feed));
    scene.revoke(1);
    feed.following().look(NOW);
    scene.put_in_place("older.db");
    for (position, is_still_known) in [(0, true), (1, false)] {
        feed.forget(&scene.config.issuers[position]);
        feed.following().look(NOW);
        assert_eq!(is_revoked(&running[0], 1), is_still_known, "{position}");
    }
}

#[test]
fn a_published_crl_is_handed_out_when_the_ledger_could_not_be_read_at_first() {
    let mut scene = Scene::new();
    scene.publish(b"one");
    let feed = scene.feed();
    let running = scene.running(&feed);
    let handed_out = || Some(running.issuer.published_crl()?.der.to_vec());
    feed.work_beside();
    assert_eq!(handed_out().unwrap(), b"one");

    scene.publish(b"two");
    feed.following().look(NOW);
    fs::rename(scene.file("ledger.db"), scene.file("away.db")).unwrap();
    feed.work_beside();
    assert_eq!(handed_out().unwrap(), b"one");
    fs::rename(scene.file("away.db"), scene.file("ledger.db")).unwrap();
    feed.work_beside();
    assert_eq!(handed_out().unwrap(), b"two");
}
