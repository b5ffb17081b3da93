//! What was decided holds: of a CA that issues no more, and since when a certificate is revoked.

use ocspry_core::OwnedCertificate;
use ocspry_ledger::{CrlUse, IssuerEvidence, Ledger, Refusal, SeenRevocation, Setting};
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
