//! What every kind of database must do, by the seam alone.

use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_ledger::{
    Act, CertificatePage, CrlNumber, CrlUse, FactKind, ImportEntry, IssuerName, Ledger, Origin,
    PublishedCrl, Refusal, Setting, check,
};
use ocspry_testkit::{Authority, KeyKind};
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};

use crate::fixture::{LEAF, NOW, ROOT, Scene, act, certificate, entry, revoked, serial};

/// Every test of the battery, over one kind of database.
macro_rules! battery {
    ($database:ident, $scene:expr, [$($test:ident),* $(,)?]) => {
        mod $database {
            $(#[test]
            fn $test() {
                super::$test($scene);
            })*
        }
    };
}

battery!(
    sqlite,
    crate::fixture::Scene::new(),
    [
        a_ca_is_known_by_name_and_key_and_only_once,
        a_renewed_certificate_of_the_same_key_joins_its_ca_and_another_does_not,
        a_ca_below_another_is_recorded_with_its_certificate_or_not_at_all,
        the_last_setting_counts_and_one_without_a_value_is_gone,
        a_serial_is_reserved_before_it_is_issued_and_given_out_once,
        what_was_issued_is_read_back_whole_and_in_order,
        certificates_are_found_by_what_they_were_issued_for_and_when,
        a_revocation_keeps_its_time_reason_and_invalidity_date,
        a_hold_is_released_or_made_final_and_nothing_else_is_taken_back,
        what_was_never_issued_cannot_be_revoked_and_neither_can_the_future,
        many_are_revoked_together_or_not_at_all,
        full_lists_and_deltas_share_one_sequence_of_numbers,
        numbers_that_others_used_are_passed_over,
        a_list_is_published_once_under_a_number_that_was_reserved,
        every_fact_says_who_recorded_it_why_and_when_and_when_it_was_published,
        facts_have_one_sequence_without_gaps_whatever_is_refused,
        an_import_adds_what_is_missing_and_can_be_run_again,
        what_was_revoked_elsewhere_after_a_release_here_is_imported,
        another_certificate_under_a_known_serial_is_refused,
        two_writers_share_one_sequence,
        texts_that_cannot_be_kept_are_refused,
        a_serial_has_one_number_whatever_zeros_stand_before_it,
    ]
);

fn a_ca_is_known_by_name_and_key_and_only_once(mut scene: Scene) {
    let root = OwnedCertificate::from_der(ROOT.certificate.clone()).unwrap();
    let known = scene.ledger.reader().issuer("root").unwrap();
    assert_eq!(known.number, scene.issuer);
    assert_eq!(known.certificates[0].der(), root.der());
    let core = ocspry_core::Issuer::new("x".into(), root.clone(), ocspry_core::Policy::DEFAULT);
    assert_eq!(ocspry_wire::hex::to_hex(&known.identity), core.identity());

    let mut add = |name: &str, certificate: &OwnedCertificate| {
        let name = IssuerName::new(name).unwrap();
        let added = scene.ledger.add_issuer(&act(), &name, certificate, &[]);
        added.map_err(|error| error.refusal().cloned())
    };
    let name = "root".to_owned();
    assert_eq!(
        add("second", &root),
        Err(Some(Refusal::IssuerTaken { name: name.clone() }))
    );
    let other = Authority::root("Other Root", KeyKind::P256).certificate;
    let other = OwnedCertificate::from_der(other).unwrap();
    assert_eq!(add("root", &other), Err(Some(Refusal::NameTaken { name })));
    add("other", &other).unwrap();
    let refusal = scene.ledger.reader().issuer("none").unwrap_err();
    assert!(matches!(
        refusal.refusal(),
        Some(Refusal::NoSuchIssuer { .. })
    ));
    assert!(IssuerName::new("../etc").is_err());
}

fn a_renewed_certificate_of_the_same_key_joins_its_ca_and_another_does_not(mut scene: Scene) {
    let mut spec = ocspry_testkit::CertificateSpec::authority("Test Root");
    spec.serial = Some(vec![0x77]);
    let renewed = ROOT.issue(&spec, &ROOT.key.public_key_info());
    let renewed = OwnedCertificate::from_der(renewed).unwrap();
    scene
        .ledger
        .add_issuer_certificate(&act(), "root", &renewed)
        .unwrap();
    let known = scene.ledger.reader().issuer("root").unwrap();
    let ders: Vec<_> = known.certificates.iter().map(|c| c.der()).collect();
    assert_eq!(ders, [&ROOT.certificate[..], renewed.der()]);

    let stranger = certificate(1);
    let refused = scene
        .ledger
        .add_issuer_certificate(&act(), "root", &stranger);
    assert!(matches!(
        refused.unwrap_err().refusal(),
        Some(Refusal::OtherIssuer { .. })
    ));
}

fn a_ca_below_another_is_recorded_with_its_certificate_or_not_at_all(mut scene: Scene) {
    let parent = scene.issuer;
    let below = |number: u64| {
        let mut spec = ocspry_testkit::CertificateSpec::authority("Below");
        spec.serial = Some(serial(number).content().to_vec());
        OwnedCertificate::from_der(ROOT.issue(&spec, &LEAF.public_key_info())).unwrap()
    };
    let [first, second] = [1, 2].map(below);
    let name = |text: &str| IssuerName::new(text).unwrap();
    let settings = [(Setting::Parent, "root")];
    let ledger = &mut scene.ledger;
    let early = ledger.issue_issuer(&act(), parent, &first, &name("below"), &settings);
    assert!(matches!(
        early.unwrap_err().refusal(),
        Some(Refusal::SerialNotReserved { .. })
    ));
    for number in [1, 2] {
        ledger
            .reserve_serial(&act(), parent, &serial(number))
            .unwrap();
    }
    let taken = ledger.issue_issuer(&act(), parent, &first, &name("root"), &settings);
    assert!(matches!(
        taken.unwrap_err().refusal(),
        Some(Refusal::NameTaken { .. })
    ));
    let issued = |ledger: &Ledger, number| {
        let serial = serial(number);
        ledger.reader().certificate(parent, &serial).unwrap()
    };
    assert_eq!(issued(ledger, 1), None, "no certificate without its CA");

    ledger
        .issue_issuer(&act(), parent, &first, &name("below"), &settings)
        .unwrap();
    let other = ledger.issue_issuer_certificate(&act(), parent, &second, "root");
    assert!(matches!(
        other.unwrap_err().refusal(),
        Some(Refusal::OtherIssuer { .. })
    ));
    assert_eq!(issued(ledger, 2), None);
    ledger
        .issue_issuer_certificate(&act(), parent, &second, "below")
        .unwrap();
    let known = ledger.reader().issuer("below").unwrap();
    assert_eq!(known.certificates, [first, second]);
    assert_eq!(known.settings[&Setting::Parent], "root");
    for number in [1, 2] {
        let facts = issued(ledger, number).unwrap();
        assert_eq!(facts.profile.as_deref(), Some("intermediate"));
    }
}

fn the_last_setting_counts_and_one_without_a_value_is_gone(mut scene: Scene) {
    let issuer = scene.issuer;
    for changes in [
        &[
            (Setting::OcspUrl, Some("http://old.example.com/")),
            (Setting::CrlUrl, Some("http://crl.example.com/")),
        ][..],
        &[
            (Setting::OcspUrl, Some("http://ocsp.example.com/")),
            (Setting::CrlUrl, None),
        ],
    ] {
        scene.ledger.set(&act(), issuer, changes).unwrap();
    }
    let settings = scene.ledger.reader().issuer("root").unwrap().settings;
    let ocsp_url = "http://ocsp.example.com/".to_owned();
    assert_eq!(
        settings.into_iter().collect::<Vec<_>>(),
        [(Setting::OcspUrl, ocsp_url)]
    );
}

fn a_serial_is_reserved_before_it_is_issued_and_given_out_once(mut scene: Scene) {
    let issuer = scene.issuer;
    let serial_1 = serial(1);
    let not_reserved = Refusal::SerialNotReserved { serial: serial_1 };
    let early = scene
        .ledger
        .issue(&act(), issuer, &certificate(1), "server")
        .unwrap_err();
    assert_eq!(early.refusal(), Some(&not_reserved));

    scene.issue(1);
    let again = scene
        .ledger
        .issue(&act(), issuer, &certificate(1), "server")
        .unwrap_err();
    assert_eq!(again.refusal(), Some(&not_reserved));
    scene
        .ledger
        .import(&act(), issuer, [entry(2, None)], |_| {})
        .unwrap();
    for number in [1, 2] {
        let serial = serial(number);
        let taken = scene
            .ledger
            .reserve_serial(&act(), issuer, &serial)
            .unwrap_err();
        assert_eq!(taken.refusal(), Some(&Refusal::SerialTaken { serial }));
    }
}

fn what_was_issued_is_read_back_whole_and_in_order(mut scene: Scene) {
    for number in [3, 1, 2] {
        scene.issue(number);
    }
    let reader = scene.ledger.reader();
    let facts = reader.certificate(scene.issuer, &serial(1)).unwrap();
    let facts = facts.unwrap();
    assert_eq!(facts.origin, Origin::Issued);
    assert_eq!(facts.subject, "CN=host-1.example.com");
    assert_eq!(facts.not_after, Some(NOW.plus_seconds(86_400)));
    assert_eq!(facts.profile.as_deref(), Some("server"));
    let der = facts.der.unwrap();
    assert_eq!(
        OwnedCertificate::from_der(der)
            .unwrap()
            .view()
            .serial_number,
        serial(1)
    );

    let mut page = CertificatePage {
        issuer: Some(scene.issuer),
        after: 0,
        count_max: 2,
    };
    let first = reader.certificates(&page).unwrap();
    page.after = first[1].sequence;
    let second = reader.certificates(&page).unwrap();
    let serials: Vec<_> = first
        .iter()
        .chain(&second)
        .map(|c| c.serial_number)
        .collect();
    assert_eq!(serials, [serial(3), serial(1), serial(2)]);
    assert_eq!(reader.certificate(scene.issuer, &serial(9)).unwrap(), None);
}

fn certificates_are_found_by_what_they_were_issued_for_and_when(mut scene: Scene) {
    for (number, profile) in [(1, "ocsp"), (2, "server"), (3, "ocsp")] {
        let (ledger, issuer) = (&mut scene.ledger, scene.issuer);
        ledger
            .reserve_serial(&act(), issuer, &serial(number))
            .unwrap();
        ledger
            .issue(&act(), issuer, &certificate(number), profile)
            .unwrap();
    }
    let reader = scene.ledger.reader();
    let found = |profile, after| {
        reader
            .certificates_for(scene.issuer, profile, after)
            .unwrap()
    };
    let both = found("ocsp", 0);
    let serials: Vec<_> = both.iter().map(|facts| facts.serial_number).collect();
    assert_eq!(serials, [serial(1), serial(3)]);
    assert!(both[0].der.is_some());
    assert_eq!(found("ocsp", both[0].sequence), both[1..]);
    assert_eq!(found("client", 0), []);
}

fn a_revocation_keeps_its_time_reason_and_invalidity_date(mut scene: Scene) {
    let serial = scene.issue(1);
    let info = RevokedInfo {
        revocation_time: NOW.plus_seconds(-5000),
        reason: Some(CrlReason::KeyCompromise),
        invalidity_date: Some(NOW.plus_seconds(-9000)),
    };
    let recorded = scene
        .ledger
        .revoke(&act(), scene.issuer, &serial, info)
        .unwrap();
    let standing = scene.ledger.reader().standing(scene.issuer, &serial);
    let standing = standing.unwrap().unwrap();
    assert_eq!(standing.revocation, Revocation::Revoked(info));
    assert_eq!(standing.sequence, recorded.last);
    assert_eq!(standing.not_after, Some(NOW.plus_seconds(86_400)));
}

fn a_hold_is_released_or_made_final_and_nothing_else_is_taken_back(mut scene: Scene) {
    let issuer = scene.issuer;
    let [held, ended, dead] = [1, 2, 3].map(|number| scene.issue(number));
    scene.revoke(&held, CrlReason::CertificateHold);
    scene.revoke(&ended, CrlReason::CertificateHold);
    scene.revoke(&ended, CrlReason::Superseded);
    scene.revoke(&dead, CrlReason::Superseded);

    scene.ledger.release(&act(), issuer, &held).unwrap();
    let standing = |scene: &Scene, serial| {
        let standing = scene.ledger.reader().standing(issuer, serial);
        standing.unwrap().unwrap().revocation
    };
    assert_eq!(standing(&scene, &held), Revocation::Removed);
    for serial in [ended, dead, held] {
        let refused = scene.ledger.release(&act(), issuer, &serial).unwrap_err();
        assert_eq!(refused.refusal(), Some(&Refusal::NotOnHold { serial }));
    }
    // Again on hold, after its release.
    scene.revoke(&held, CrlReason::CertificateHold);

    let again = revoked(CrlReason::CessationOfOperation);
    let refused = scene
        .ledger
        .revoke(&act(), issuer, &dead, again)
        .unwrap_err();
    assert_eq!(
        refused.refusal(),
        Some(&Refusal::AlreadyRevoked {
            serial: dead,
            since: NOW.plus_seconds(-60)
        })
    );
    scene.revoke(&dead, CrlReason::KeyCompromise);
    assert_eq!(
        standing(&scene, &dead),
        Revocation::Revoked(revoked(CrlReason::KeyCompromise))
    );
}

fn what_was_never_issued_cannot_be_revoked_and_neither_can_the_future(mut scene: Scene) {
    let issuer = scene.issuer;
    let unknown = serial(9);
    let info = revoked(CrlReason::Superseded);
    let refused = scene
        .ledger
        .revoke(&act(), issuer, &unknown, info)
        .unwrap_err();
    assert_eq!(
        refused.refusal(),
        Some(&Refusal::NoSuchCertificate { serial: unknown })
    );
    let known = scene.issue(1);
    let info = RevokedInfo {
        revocation_time: NOW.plus_seconds(1),
        ..info
    };
    let refused = scene
        .ledger
        .revoke(&act(), issuer, &known, info)
        .unwrap_err();
    assert!(matches!(
        refused.refusal(),
        Some(Refusal::FutureRevocation { .. })
    ));
    assert_eq!(
        scene.ledger.reader().standing(issuer, &known).unwrap(),
        None
    );
}

fn many_are_revoked_together_or_not_at_all(mut scene: Scene) {
    let issuer = scene.issuer;
    let list: Vec<_> = (1..=3)
        .map(|number| (scene.issue(number), revoked(CrlReason::CaCompromise)))
        .collect();
    let with_unknown = [&list[..], &[(serial(9), list[0].1)]].concat();
    scene
        .ledger
        .revoke_many(&act(), issuer, &with_unknown)
        .unwrap_err();
    assert_eq!(
        scene.ledger.reader().standing(issuer, &serial(1)).unwrap(),
        None
    );

    scene.revoke(&serial(2), CrlReason::Superseded);
    let done = scene.ledger.revoke_many(&act(), issuer, &list).unwrap();
    assert_eq!((done.revoked, done.already), (2, 1));
    let again = scene.ledger.revoke_many(&act(), issuer, &list).unwrap();
    assert_eq!((again.revoked, again.already), (0, 3));
    let mut standings = Vec::new();
    let reader = scene.ledger.reader();
    reader
        .each_standing(issuer, u64::MAX >> 1, |standing| {
            standings.push((standing.serial_number, standing.revocation));
        })
        .unwrap();
    let reason_of = |number| match number {
        2 => CrlReason::Superseded,
        _ => CrlReason::CaCompromise,
    };
    let expected = [1, 2, 3].map(|number| {
        (
            serial(number),
            Revocation::Revoked(revoked(reason_of(number))),
        )
    });
    assert_eq!(standings, expected);
}

fn full_lists_and_deltas_share_one_sequence_of_numbers(mut scene: Scene) {
    let issuer = scene.issuer;
    let numbers = [CrlUse::Full, CrlUse::Delta, CrlUse::Full].map(|used| {
        let number = scene.ledger.reserve_crl_number(&act(), issuer, used);
        number.unwrap().to_u64().unwrap()
    });
    assert_eq!(numbers, [1, 2, 3]);
}

fn numbers_that_others_used_are_passed_over(mut scene: Scene) {
    let issuer = scene.issuer;
    for number in [500, 20] {
        scene
            .ledger
            .pass_over_crl_numbers(&act(), issuer, CrlNumber::from(number))
            .unwrap();
    }
    let next = scene
        .ledger
        .reserve_crl_number(&act(), issuer, CrlUse::Full)
        .unwrap();
    assert_eq!(next, CrlNumber::from(501));
}

fn published(number: u64, covers: u64) -> PublishedCrl {
    PublishedCrl {
        number: CrlNumber::from(number),
        base_number: None,
        this_update: NOW,
        next_update: NOW.plus_seconds(86_400),
        published: NOW.plus_seconds(5),
        covers,
        entry_count: 0,
        sha256: [7; 32],
    }
}

fn a_list_is_published_once_under_a_number_that_was_reserved(mut scene: Scene) {
    let issuer = scene.issuer;
    let number = CrlNumber::from(1);
    let not_reserved = Some(Refusal::CrlNumberNotReserved { number });
    let crl = published(1, 2);
    let early = scene.ledger.publish_crl(&act(), issuer, &crl).unwrap_err();
    assert_eq!(early.refusal().cloned(), not_reserved);
    scene
        .ledger
        .reserve_crl_number(&act(), issuer, CrlUse::Full)
        .unwrap();
    scene.ledger.publish_crl(&act(), issuer, &crl).unwrap();
    let again = scene.ledger.publish_crl(&act(), issuer, &crl).unwrap_err();
    assert_eq!(again.refusal().cloned(), not_reserved);
    let reader = scene.ledger.reader();
    assert_eq!(reader.last_full_crl(issuer).unwrap(), Some(crl));
    assert_eq!(reader.last_delta_crl(issuer).unwrap(), None);
}

fn every_fact_says_who_recorded_it_why_and_when_and_when_it_was_published(mut scene: Scene) {
    let issuer = scene.issuer;
    let serial = scene.issue(1);
    let act_of_alice = Act {
        actor: "alice".into(),
        ticket: Some("INC-17".into()),
        requested: NOW.plus_seconds(-30),
        recorded: NOW,
    };
    let info = revoked(CrlReason::KeyCompromise);
    scene
        .ledger
        .revoke(&act_of_alice, issuer, &serial, info)
        .unwrap();
    let history = |scene: &Scene| scene.ledger.reader().history(issuer, &serial).unwrap();
    assert_eq!(history(&scene)[2].first_published, None);

    let covers = scene.ledger.reader().position().unwrap().sequence;
    scene
        .ledger
        .reserve_crl_number(&act(), issuer, CrlUse::Full)
        .unwrap();
    scene
        .ledger
        .publish_crl(&act(), issuer, &published(1, covers))
        .unwrap();
    let history = history(&scene);
    let kinds: Vec<_> = history.iter().map(|fact| fact.kind).collect();
    assert_eq!(
        kinds,
        [
            FactKind::SerialReserved,
            FactKind::Issued,
            FactKind::Revoked
        ]
    );
    assert_eq!(history[1].act, act());
    assert_eq!(history[2].act, act_of_alice);
    assert_eq!(history[2].effective, Some(info.revocation_time));
    assert_eq!(history[2].reason, Some(1));
    assert_eq!(history[2].first_published, Some(NOW.plus_seconds(5)));
}

fn facts_have_one_sequence_without_gaps_whatever_is_refused(mut scene: Scene) {
    let serial = scene.issue_revoked(1);
    for _ in 0..3 {
        let info = revoked(CrlReason::Superseded);
        scene
            .ledger
            .revoke(&act(), scene.issuer, &serial, info)
            .unwrap_err();
    }
    scene.issue(2);
    let facts = scene.ledger.reader().facts(0, 100).unwrap();
    let sequences: Vec<_> = facts.iter().map(|fact| fact.sequence).collect();
    assert_eq!(sequences, (1..=7).collect::<Vec<_>>());
    let report = check(&scene.place).unwrap();
    assert_eq!((report.facts, report.defects), (7, Vec::new()));
}

fn an_import_adds_what_is_missing_and_can_be_run_again(mut scene: Scene) {
    let issuer = scene.issuer;
    let held = revoked(CrlReason::CertificateHold);
    let of = |numbers: std::ops::Range<u64>| {
        numbers.map(move |number| entry(number, (number % 2 == 0).then_some(held)))
    };
    let first = scene
        .ledger
        .import(&act(), issuer, of(0..10), |_| {})
        .unwrap();
    assert_eq!((first.certificates, first.revocations), (10, 5));
    // What happened here since then is not undone by running it again.
    scene.ledger.release(&act(), issuer, &serial(0)).unwrap();
    let preview = scene.ledger.reader().preview_import(NOW, issuer, of(0..12));
    let mut told = Vec::new();
    let second = scene
        .ledger
        .import(&act(), issuer, of(0..12), |so_far| {
            told.push(so_far.entries)
        })
        .unwrap();
    assert_eq!((second.certificates, second.revocations), (2, 1));
    assert_eq!(preview.unwrap(), second, "it was told before");
    assert_eq!(told, [12]);
    let standing = scene.ledger.reader().standing(issuer, &serial(0)).unwrap();
    assert_eq!(standing.unwrap().revocation, Revocation::Removed);
    assert_eq!(check(&scene.place).unwrap().defects, []);
}

fn what_was_revoked_elsewhere_after_a_release_here_is_imported(mut scene: Scene) {
    let issuer = scene.issuer;
    let held = revoked(CrlReason::CertificateHold);
    let of = |info| (1..=4).map(move |number| entry(number, Some(info)));
    scene
        .ledger
        .import(&act(), issuer, of(held), |_| {})
        .unwrap();
    for number in 1..=4 {
        scene
            .ledger
            .release(&act(), issuer, &serial(number))
            .unwrap();
    }
    let with = |info: RevokedInfo, reason, seconds| RevokedInfo {
        reason,
        revocation_time: NOW.plus_seconds(seconds),
        ..info
    };
    let found = [
        // The hold that was released.
        entry(1, Some(held)),
        entry(2, Some(with(held, held.reason, 1))),
        entry(3, Some(with(held, Some(CrlReason::KeyCompromise), -3600))),
        entry(4, Some(with(held, None, -3600))),
    ];
    let imported = scene.ledger.import(&act(), issuer, found, |_| {}).unwrap();
    assert_eq!((imported.certificates, imported.revocations), (0, 3));
    let is_revoked = |number| {
        let found = scene.ledger.reader().revocation(issuer, &serial(number));
        found.unwrap().is_some()
    };
    assert_eq!([1, 2, 3, 4].map(is_revoked), [false, true, true, true]);
    assert_eq!(check(&scene.place).unwrap().defects, []);
}

fn another_certificate_under_a_known_serial_is_refused(mut scene: Scene) {
    let issuer = scene.issuer;
    scene.issue(1);
    let same = ImportEntry::of(&certificate(1), None);
    let mut other = entry(1, None);
    other.not_after = NOW;
    let mut forged = ImportEntry::of(&certificate(2), None);
    forged.serial_number = serial(3);
    for (entry, refusal) in [
        (other, Refusal::SerialConflict { serial: serial(1) }),
        (forged, Refusal::Certificate { serial: serial(3) }),
        // ECDSA signs differently each time.
        (same, Refusal::SerialConflict { serial: serial(1) }),
    ] {
        let preview = scene
            .ledger
            .reader()
            .preview_import(NOW, issuer, [entry.clone()]);
        assert_eq!(preview.unwrap_err().refusal(), Some(&refusal));
        let refused = scene.ledger.import(&act(), issuer, [entry], |_| {});
        assert_eq!(refused.unwrap_err().refusal(), Some(&refusal));
    }
}

fn two_writers_share_one_sequence(mut scene: Scene) {
    let mut other = scene.other();
    let issuer = scene.issuer;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20 {
                other
                    .reserve_serial(&act(), issuer, &serial(number))
                    .unwrap();
            }
        });
        for number in 100..120 {
            scene
                .ledger
                .reserve_serial(&act(), issuer, &serial(number))
                .unwrap();
        }
    });
    assert_eq!(scene.ledger.reader().position().unwrap().sequence, 2 + 40);
    let report = check(&scene.place).unwrap();
    assert_eq!((report.unissued, report.defects), (40, Vec::new()));
}

fn texts_that_cannot_be_kept_are_refused(mut scene: Scene) {
    for actor in ["", &"x".repeat(257)] {
        let refused = scene
            .ledger
            .reserve_serial(&Act::by(actor, NOW), scene.issuer, &serial(1))
            .unwrap_err();
        assert!(matches!(
            refused.refusal(),
            Some(Refusal::TextLength {
                what: "the actor",
                ..
            })
        ));
    }
    let long = "x".repeat(2049);
    let refused = scene
        .ledger
        .set(&act(), scene.issuer, &[(Setting::OcspUrl, Some(&long))])
        .unwrap_err();
    assert!(matches!(
        refused.refusal(),
        Some(Refusal::TextLength { .. })
    ));
    assert_eq!(scene.ledger.reader().position().unwrap().sequence, 2);
}

fn a_serial_has_one_number_whatever_zeros_stand_before_it(mut scene: Scene) {
    let serial = scene.issue(1);
    let padded = [&[0][..], serial.content()].concat();
    let padded = ocspry_wire::x509::SerialNumber::from_content(&padded).unwrap();
    scene.revoke(&padded, CrlReason::Superseded);
    let standing = scene.ledger.reader().standing(scene.issuer, &serial);
    assert!(standing.unwrap().is_some());
}
