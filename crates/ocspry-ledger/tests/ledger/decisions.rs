//! What was decided holds: since when a certificate is revoked.

use ocspry_ledger::{IssuerEvidence, SeenRevocation};
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};

use crate::fixture::{NOW, Scene, act, entry, revoked, serial};

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
