//! What happens over months: half lives, ends, and steps that were cut off.

use std::fs;
use std::time::Duration;

use ocspry_ca::{
    CertificateAuthority, CertificateRequest, RootRequest, Subject, new_serial_number,
};
use ocspry_ca::{Expiry, SigningRequest};
use ocspry_core::{Policy, Revocation, RevokedSerialsBuilder, SourceInfo};
use ocspry_ledger::{Act, IssuerName, IssuerNumber, Ledger};
use ocspry_source::{FreshestCrl, Guard, Refresher, SourceLimits, Sources, StatusSource};
use ocspry_wire::ocsp::RevokedInfo;
use tempfile::TempDir;

use super::*;

const NOW: Time = Time::from_unix(1_795_240_800);
const DAY: i64 = 86_400;

fn day(count: i64) -> Time {
    NOW.plus_seconds(count * DAY)
}

/// A CA with a ledger, and the issuer that is fed from it.
struct Scene {
    directory: TempDir,
    authority: CertificateAuthority,
    ledger: Ledger,
    ca: IssuerNumber,
    refresher: Refresher,
    managed: ManagedResponder,
}

impl Scene {
    /// With a CA that ends after so many days.
    fn with_ca_of(days: u64) -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
        let root = RootRequest {
            expiry: Expiry::After(Duration::from_secs(days * 86_400)),
            ..RootRequest::usual(Subject::new("Root", None).unwrap())
        };
        let serial = new_serial_number().unwrap();
        let authority = CertificateAuthority::self_signed(key, &root, serial, NOW).unwrap();
        let place = LedgerPlace::Sqlite(directory.path().join("ledger.db"));
        let mut ledger = Ledger::create(&place).unwrap();
        let name = IssuerName::new("root").unwrap();
        let act = Act::by("tests", NOW);
        let certificate = authority.certificate();
        let ca = ledger.add_issuer(&act, &name, certificate, &[]).unwrap();
        let issuer = Issuer::new("site".to_owned(), certificate.clone(), Policy::DEFAULT);
        let sources = Sources {
            sources: vec![StatusSource::Ledger("root".to_owned())],
            crl_issuers: Vec::new(),
            guard: Guard::Alarm,
            freshest_crl: FreshestCrl::Ignored,
            limits: SourceLimits::DEFAULT,
        };
        let refresher = Refresher::new(Arc::new(issuer), sources, None, None);
        let managed = managed(&directory, &refresher);
        Scene {
            directory,
            authority,
            ledger,
            ca,
            refresher,
            managed,
        }
    }

    fn new() -> Scene {
        Scene::with_ca_of(3650)
    }

    /// As after a restart.
    fn start_again(&mut self) {
        self.refresher.issuer().set_credential(None);
        self.managed = managed(&self.directory, &self.refresher);
    }

    /// Signs what is asked for, as `ca tick` does, and follows the ledger.
    fn sign(&mut self, profile: Profile, now: Time) -> OwnedCertificate {
        let request = fs::read(self.directory.path().join("requests/root.csr")).unwrap();
        let key = SigningRequest::read(&request).unwrap();
        let subject = Subject::new("responder", None).unwrap();
        let request = CertificateRequest {
            expiry: Expiry::AtMost(Profile::OcspResponder.usual_lifetime()),
            ..CertificateRequest::usual(subject, key.public_key().clone(), profile)
        };
        let act = Act::by("tests", now);
        let serial = new_serial_number().unwrap();
        self.ledger.reserve_serial(&act, self.ca, &serial).unwrap();
        let certificate = self.authority.issue(&request, serial, now).unwrap();
        self.ledger
            .issue(&act, self.ca, &certificate, "ocsp")
            .unwrap();
        let sequence = self.ledger.reader().position().unwrap().sequence;
        self.refresher.joint().confirm_ledger(sequence, now);
        certificate
    }

    /// A first certificate, in use.
    fn begin(&mut self) -> OwnedCertificate {
        assert_awaits(self.managed.refresh(NOW), Why::First);
        let certificate = self.sign(Profile::OcspResponder, NOW);
        assert_swapped(self.managed.refresh(NOW));
        certificate
    }

    fn in_use(&self) -> Option<OwnedCertificate> {
        let credential = self.refresher.issuer().credential();
        credential.map(|credential| credential.certificate().clone())
    }

    fn kept(&self, name: &str) -> PathBuf {
        let state = StateDirectory::open(&self.directory.path().join("state")).unwrap();
        let identity = self.refresher.issuer().identity();
        state.responder_folder(identity).join(name)
    }
}

fn managed(directory: &TempDir, refresher: &Refresher) -> ManagedResponder {
    let config = ManagedConfig {
        ledger: LedgerPlace::Sqlite(directory.path().join("ledger.db")),
        ca: "root".to_owned(),
        requests: directory.path().join("requests"),
    };
    let state = StateDirectory::open(&directory.path().join("state")).unwrap();
    let joint = refresher.joint();
    let issuer = Arc::clone(refresher.issuer());
    ManagedResponder::new(config, issuer, Arc::clone(joint), Some(&state))
}

fn assert_awaits(report: CredentialReport, expected: Why) {
    match report {
        CredentialReport::Awaits(Awaited::Certificate { request: _, why }) => {
            assert_eq!(why, expected);
        }
        other => panic!("{other:?}"),
    }
}

fn assert_swapped(report: CredentialReport) {
    match report {
        CredentialReport::Swapped { warnings } => assert_eq!(warnings, []),
        other => panic!("{other:?}"),
    }
}

fn assert_refused(report: CredentialReport, expected: &str) {
    match report {
        CredentialReport::Refused { error, attempts: _ } => {
            assert!(error.to_string().contains(expected), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pair_is_followed_by_another_at_half_life_and_kept_until_its_answers_have_ended() {
    let mut scene = Scene::new();
    let first = scene.begin();
    let view = first.view();
    let (not_before, not_after) = (view.not_before, view.not_after);
    let half = not_before.plus_seconds(not_after.seconds_since(not_before) / 2);
    assert_eq!(scene.managed.next_wake(NOW), Some(half));
    let before = half.plus_seconds(-1);
    assert!(matches!(
        scene.managed.refresh(before),
        CredentialReport::Unchanged
    ));
    assert_awaits(scene.managed.refresh(half), Why::HalfLife);
    assert_eq!(scene.in_use(), Some(first.clone()));
    // Nobody signs, and it is said once.
    assert!(matches!(
        scene.managed.refresh(half),
        CredentialReport::Unchanged
    ));

    let second = scene.sign(Profile::OcspResponder, half);
    assert_ne!(second.view().public_key.der, first.view().public_key.der);
    assert_swapped(scene.managed.refresh(half));
    assert_eq!(scene.in_use(), Some(second.clone()));
    assert!(scene.kept("before.pem").exists());
    scene.managed.forget_stamps();
    scene.managed.refresh(not_after);
    assert!(scene.kept("before.pem").exists());
    scene.managed.refresh(not_after.plus_seconds(1));
    assert!(!scene.kept("before.pem").exists());
    assert_eq!(scene.managed.credentials.len(), 1);
    assert_eq!(scene.in_use(), Some(second));
}

#[test]
fn what_is_revoked_leaves_at_once_where_another_pair_signs_and_is_followed_where_none_does() {
    let mut scene = Scene::new();
    let first = scene.begin();
    scene.managed.refresh(day(16));
    let second = scene.sign(Profile::OcspResponder, day(16));
    assert_swapped(scene.managed.refresh(day(16)));
    let mut revoked = RevokedSerialsBuilder::new();
    for certificate in [&first, &second] {
        let info = RevokedInfo {
            revocation_time: day(16),
            reason: None,
            invalidity_date: None,
        };
        revoked.push(&certificate.view().serial_number, Revocation::Revoked(info));
    }
    let source = SourceInfo {
        origin: "the ledger".to_owned(),
        digest: [0; 32],
        crl_number: None,
        signature_algorithm: None,
    };
    let joint = scene.refresher.joint();
    joint.remember_ledger(revoked.build(), source, day(16));
    scene.refresher.refresh(day(16));
    assert_awaits(scene.managed.refresh(day(16)), Why::Revoked);
    assert!(!scene.kept("before.pem").exists());
    assert_eq!(scene.in_use(), Some(second), "until another one is there");
    let third = scene.sign(Profile::OcspResponder, day(17));
    assert_swapped(scene.managed.refresh(day(17)));
    assert_eq!(scene.in_use(), Some(third));
}

#[test]
fn a_certificate_that_ends_with_its_ca_is_not_followed_by_one_that_would_end_no_later() {
    let mut scene = Scene::with_ca_of(3);
    let certificate = scene.begin();
    let ca = scene.authority.certificate().view().not_after;
    assert_eq!(certificate.view().not_after, ca);
    assert_eq!(scene.managed.next_wake(NOW), None);
    let report = scene.managed.refresh(ca.plus_seconds(-60));
    assert!(matches!(report, CredentialReport::Unchanged), "{report:?}");
    assert!(!scene.managed.is_awaiting());
}

#[test]
fn a_certificate_that_no_client_would_take_leaves_the_pair_in_use() {
    let mut scene = Scene::new();
    let first = scene.begin();
    scene.managed.refresh(day(16));
    scene.sign(Profile::Client, day(16));
    assert_refused(
        scene.managed.refresh(day(16)),
        "lacks the extended key usage",
    );
    assert!(scene.managed.is_refused());
    assert_eq!(scene.in_use(), Some(first));
    let right = scene.sign(Profile::OcspResponder, day(17));
    assert_swapped(scene.managed.refresh(day(17)));
    assert_eq!(scene.in_use(), Some(right));
    assert_eq!(scene.managed.problem(), None);
}

#[test]
fn an_expired_pair_is_followed_by_another_after_a_long_sleep() {
    let mut scene = Scene::new();
    scene.begin();
    scene.start_again();
    assert_awaits(scene.managed.refresh(day(100)), Why::HalfLife);
    assert_eq!(scene.in_use(), None);
    let next = scene.sign(Profile::OcspResponder, day(100));
    assert_swapped(scene.managed.refresh(day(100)));
    assert_eq!(scene.in_use(), Some(next));
}

#[test]
fn a_change_of_pairs_that_was_cut_off_at_any_step_goes_on_after_a_restart() {
    let mut scene = Scene::new();
    scene.begin();
    scene.managed.refresh(day(16));
    let next = fs::read(scene.kept("next.key")).unwrap();
    let first = fs::read(scene.kept("in-use.pem")).unwrap();
    let second = scene.sign(Profile::OcspResponder, day(16));
    assert_swapped(scene.managed.refresh(day(16)));
    let whole = fs::read(scene.kept("in-use.pem")).unwrap();

    // Before the pair that was in use had stepped back, after it had, and when only the key was left behind.
    for [in_use, before] in [
        [Some(&first), None],
        [None, Some(&first)],
        [Some(&whole), Some(&first)],
    ] {
        for (name, content) in [
            ("in-use.pem", in_use),
            ("before.pem", before),
            ("next.key", Some(&next)),
        ] {
            let _ = fs::remove_file(scene.kept(name));
            if let Some(content) = content {
                fs::write(scene.kept(name), content).unwrap();
            }
        }
        scene.start_again();
        scene.managed.refresh(day(16));
        assert_eq!(scene.in_use(), Some(second.clone()));
        assert_eq!(scene.managed.credentials.len(), 2);
        assert_eq!(fs::read(scene.kept("before.pem")).unwrap(), first);
        assert!(!scene.kept("next.key").exists());
        assert!(!scene.directory.path().join("requests/root.csr").exists());
    }
}

#[test]
fn the_pair_before_signs_while_the_one_in_use_cannot_be_read_and_no_other_is_made() {
    let mut scene = Scene::new();
    let first = scene.begin();
    scene.managed.refresh(day(16));
    scene.sign(Profile::OcspResponder, day(16));
    assert_swapped(scene.managed.refresh(day(16)));
    let whole = fs::read(scene.kept("in-use.pem")).unwrap();
    fs::write(scene.kept("in-use.pem"), "no key").unwrap();
    let second = scene.in_use();
    assert_refused(scene.managed.refresh(day(16)), "in-use.pem");
    assert_eq!(scene.in_use(), second, "in memory it is as good as it was");

    scene.start_again();
    assert_swapped_to_before(&mut scene, &first);
    assert_refused(scene.managed.refresh(day(16)), "in-use.pem");
    assert!(!scene.kept("next.key").exists());
    fs::write(scene.kept("in-use.pem"), whole).unwrap();
    scene.managed.refresh(day(16));
    assert_eq!(scene.in_use(), second);
}

fn assert_swapped_to_before(scene: &mut Scene, first: &OwnedCertificate) {
    assert_swapped(scene.managed.refresh(day(16)));
    assert_eq!(scene.in_use().as_ref(), Some(first));
}
