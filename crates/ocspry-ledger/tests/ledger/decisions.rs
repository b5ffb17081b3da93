//! What was decided holds: of a CA that issues no more, and since when a certificate is revoked.

use ocspry_core::OwnedCertificate;
use ocspry_ledger::{
    Act, CrlUse, IssuerEvidence, IssuerNumber, Ledger, Refusal, SeenRevocation, Setting,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};

use crate::fixture::{NOW, ROOT, Scene, act, certificate, entry, revoked, serial};

#[test]
fn a_ca_that_is_disabled_issues_nothing_also_under_a_serial_that_it_reserved() {
    let mut scene = Scene::new();
    let issuer = scene.issuer;
    let ledger = &mut scene.ledger;
    let set = |ledger: &mut Ledger, value| {
        let enabled = [(Setting::Enabled, value)];
        ledger.set(&act(), issuer, &enabled).unwrap();
    };
    ledger.reserve_serial(&act(), issuer, &serial(1)).unwrap();
    set(ledger, Some("no"));
    let refused = [
        ledger.issue(&act(), issuer, &certificate(1), "server"),
        ledger.reserve_serial(&act(), issuer, &serial(2)),
    ];
    let name = "root".to_owned();
    let expected = Refusal::IssuerDisabled { name };
    for refused in refused {
        assert_eq!(refused.unwrap_err().refusal(), Some(&expected));
    }
    let root = OwnedCertificate::from_der(ROOT.certificate.clone()).unwrap();
    let renewed = ledger.renew_root(&act(), "root", &root);
    assert_eq!(renewed.unwrap_err().refusal(), Some(&expected));
    // It goes on revoking, and numbering CRLs.
    ledger
        .import(&act(), issuer, [entry(3, None)], |_| {})
        .unwrap();
    let info = revoked(CrlReason::Superseded);
    ledger.revoke(&act(), issuer, &serial(3), info).unwrap();
    ledger
        .reserve_crl_number(&act(), issuer, CrlUse::Full)
        .unwrap();
    for value in [Some("yes"), None] {
        set(ledger, Some("no"));
        set(ledger, value);
        let number = if value.is_some() { 4 } else { 5 };
        ledger
            .reserve_serial(&act(), issuer, &serial(number))
            .unwrap();
    }
    ledger
        .issue(&act(), issuer, &certificate(1), "server")
        .unwrap();
}

#[test]
fn a_revocation_date_only_moves_back_whoever_says_so() {
    let mut scene = Scene::new();
    let issuer = scene.issuer;
    let at = |seconds, reason| RevokedInfo {
        revocation_time: NOW.plus_seconds(seconds),
        ..revoked(reason)
    };
    let compromised = |seconds| at(seconds, CrlReason::KeyCompromise);
    for (number, before) in [(1, CrlReason::Superseded), (2, CrlReason::CertificateHold)] {
        for (more, told, expected) in [(10, -50, -100), (20, -200, -200)] {
            let number = number + more;
            for of in [number, number + 100, number + 200] {
                scene.issue(of);
                let info = at(-100, before);
                scene
                    .ledger
                    .revoke(&act(), issuer, &serial(of), info)
                    .unwrap();
            }
            let ledger = &mut scene.ledger;
            ledger
                .revoke(&act(), issuer, &serial(number), compromised(told))
                .unwrap();
            let listed = entry(number + 100, Some(compromised(told)));
            ledger.import(&act(), issuer, [listed], |_| {}).unwrap();
            let seen = SeenRevocation {
                serial_number: serial(number + 200),
                info: compromised(told),
                seen: NOW,
            };
            let evidence = IssuerEvidence {
                issuer,
                certificates: Vec::new(),
                revoked: vec![seen],
                crl_numbers: Vec::new(),
            };
            ledger.reconcile(&act(), &[evidence], None).unwrap();
            for of in [number, number + 100, number + 200] {
                let found = ledger.reader().revocation(issuer, &serial(of)).unwrap();
                assert_eq!(found, Some(compromised(expected)), "{of}");
            }
        }
    }
}

/// Somebody saw it.
fn evidence(issuer: IssuerNumber, number: u64, info: RevokedInfo, seen: Time) -> IssuerEvidence {
    let serial_number = serial(number);
    IssuerEvidence {
        issuer,
        certificates: Vec::new(),
        revoked: vec![SeenRevocation {
            serial_number,
            info,
            seen,
        }],
        crl_numbers: Vec::new(),
    }
}

#[test]
fn an_earlier_date_is_taken_also_for_the_reason_that_is_known() {
    let mut scene = Scene::new();
    let issuer = scene.issuer;
    let at = |seconds, reason| RevokedInfo {
        revocation_time: NOW.plus_seconds(seconds),
        ..revoked(reason)
    };
    use CrlReason::{CertificateHold, KeyCompromise, Superseded};
    for (more, before, told) in [
        (10, Superseded, Superseded),
        (20, KeyCompromise, Superseded),
        (30, CertificateHold, CertificateHold),
        (40, Superseded, CertificateHold),
    ] {
        let numbers = [more + 1, more + 2, more + 3];
        for number in numbers {
            scene.issue(number);
            let info = at(-50, before);
            scene
                .ledger
                .revoke(&act(), issuer, &serial(number), info)
                .unwrap();
        }
        let [typed, imported, seen] = numbers;
        let ledger = &mut scene.ledger;
        // Twice, and a later one without effect.
        for seconds in [-100, -100, -70] {
            let info = at(seconds, told);
            let revoked = ledger
                .revoke_many(&act(), issuer, &[(serial(typed), info)])
                .unwrap();
            assert_eq!(revoked.revoked + revoked.already, 1);
            ledger
                .import(&act(), issuer, [entry(imported, Some(info))], |_| {})
                .unwrap();
            let evidence = evidence(issuer, seen, info, NOW);
            ledger.reconcile(&act(), &[evidence], None).unwrap();
        }
        for number in numbers {
            let found = ledger.reader().revocation(issuer, &serial(number)).unwrap();
            assert_eq!(found, Some(at(-100, before)), "{number}");
            let history = ledger.reader().history(issuer, &serial(number)).unwrap();
            let said = history.iter().filter(|fact| fact.reason.is_some()).count();
            assert_eq!(said, 2, "{number}: only what is new is recorded");
        }
    }
}

#[test]
fn since_when_a_key_is_not_safe_is_not_forgotten_by_a_graver_reason_and_only_moves_back_by_the_same()
 {
    let mut scene = Scene::new();
    let issuer = scene.issuer;
    let since = |seconds: i64| Some(NOW.plus_seconds(seconds));
    let suspected = |reason, invalidity_date| RevokedInfo {
        invalidity_date,
        ..revoked(reason)
    };
    use CrlReason::{CertificateHold, KeyCompromise, Superseded};
    let mut said = [
        (CertificateHold, since(-500), since(-500)),
        (KeyCompromise, None, since(-500)),
        (KeyCompromise, since(-400), since(-500)),
        (KeyCompromise, since(-600), since(-600)),
        (Superseded, since(-700), since(-600)),
    ]
    .into_iter();
    let (reason, first, _) = said.next().unwrap();
    scene.issue(1);
    scene
        .ledger
        .revoke(&act(), issuer, &serial(1), suspected(reason, first))
        .unwrap();
    for (reason, told, expected) in said {
        let listed = entry(1, Some(suspected(reason, told)));
        let listed = ocspry_ledger::ImportEntry {
            not_after: certificate(1).view().not_after,
            ..listed
        };
        scene
            .ledger
            .import(&act(), issuer, [listed], |_| {})
            .unwrap();
        let found = scene
            .ledger
            .reader()
            .revocation(issuer, &serial(1))
            .unwrap();
        assert_eq!(found, Some(suspected(KeyCompromise, expected)), "{told:?}");
    }
}

#[test]
fn a_release_by_a_clock_that_was_ahead_lifts_no_hold_that_came_after_it() {
    let mut scene = Scene::new();
    let issuer = scene.issuer;
    let hold = revoked(CrlReason::CertificateHold);
    for number in [1, 2] {
        scene.issue(number);
        scene.revoke(&serial(number), CrlReason::CertificateHold);
        let ahead = Act::by("tests", NOW.plus_seconds(86_400));
        scene
            .ledger
            .release(&ahead, issuer, &serial(number))
            .unwrap();
    }
    // Lost, or said elsewhere: it is on hold again.
    let ledger = &mut scene.ledger;
    ledger
        .reconcile(&act(), &[evidence(issuer, 1, hold, NOW)], None)
        .unwrap();
    ledger
        .import(&act(), issuer, [entry(2, Some(hold))], |_| {})
        .unwrap();
    for number in [1, 2] {
        let found = ledger.reader().revocation(issuer, &serial(number)).unwrap();
        assert_eq!(found, Some(hold), "{number}");
        // Released by the right clock, it stays so.
        ledger.release(&act(), issuer, &serial(number)).unwrap();
    }
    let earlier = NOW.plus_seconds(-1);
    ledger
        .reconcile(&act(), &[evidence(issuer, 1, hold, earlier)], None)
        .unwrap();
    ledger
        .import(&act(), issuer, [entry(2, Some(hold))], |_| {})
        .unwrap();
    for number in [1, 2] {
        let found = ledger.reader().revocation(issuer, &serial(number)).unwrap();
        assert_eq!(found, None, "{number}");
    }
}
