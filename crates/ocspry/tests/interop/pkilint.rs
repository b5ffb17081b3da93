//! DigiCert's linter of OCSP responses: no finding at WARNING or above, on every class of answer that we give.

use crate::matrix::{self, LINTER};
use crate::scene::Scene;
use crate::site::{GOOD, REVOKED, Site};
use ocspry_testkit::{
    Authority, KeyKind, OcspryProcess, Peer, RequestSpec, cert_id, nonce_extension, now,
    run_bounded,
};
use ocspry_wire::ocsp::{CrlReason, HashAlgorithm};

/// Every class of answer, in the order in which [`answers`] makes them.
pub(crate) fn classes() -> Vec<String> {
    let mut classes = vec!["good".to_owned(), "revoked".to_owned()];
    for reason in CrlReason::ALL {
        classes.push(format!("revoked, {}", reason.name()));
    }
    for class in [
        "revoked, with an invalidity date",
        "unknown",
        "with a nonce of 1 octet",
        "with a nonce of 128 octets",
        "good, revoked and unknown in one",
    ] {
        classes.push(class.to_owned());
    }
    for kind in KeyKind::ALL {
        classes.push(format!("signed by a delegate, {kind:?}"));
        classes.push(format!("signed by the CA, {kind:?}"));
    }
    for class in ["malformedRequest", "unauthorized", "tryLater"] {
        classes.push(class.to_owned());
    }
    classes
}

#[test]
fn rsp_12_pkilint_finds_nothing_in_any_class_of_answer_and_does_find_a_window_that_runs_backwards()
{
    const VERSION: &str = "import importlib.metadata as m; print('pkilint', m.version('pkilint'))";
    let Some(version) = Peer::Python.version(&["-c", VERSION]) else {
        return;
    };
    let scene = Scene::new();
    let answers = answers(&scene);
    let classes = classes();
    assert_eq!(answers.len(), classes.len());
    let directory = tempfile::tempdir().unwrap();
    let mut python = Peer::Python.command().expect("found before");
    python.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/interop/lint.py"
    ));
    for (number, answer) in answers.iter().chain([&backwards(&answers[0])]).enumerate() {
        let file = directory.path().join(format!("{number}.der"));
        std::fs::write(&file, answer).unwrap();
        python.arg(file);
    }
    let run = run_bounded(&mut python);
    assert_eq!(run.code, Some(0), "{run:?}");
    let verdicts: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(verdicts.len(), classes.len() + 1, "{run:?}");
    let (bad, verdicts) = verdicts.split_last().unwrap();
    assert!(bad.contains("pkix.ocsp_negative_validity_period"), "{bad}");

    let mut found = Vec::new();
    for (class, line) in classes.iter().zip(verdicts) {
        let fields: Vec<&str> = line.split('\t').collect();
        let clean = fields[1] == "0";
        let verdict = if clean { "green" } else { "red" };
        matrix::write(&["seen", LINTER, class, "pkilint", verdict, "", &version]);
        if !clean {
            found.push(format!("{class}: {}", fields[2]));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// One answer of each class, as the program sends it.
fn answers(scene: &Scene) -> Vec<Vec<u8>> {
    let site = &scene.site;
    let one = |serial| RequestSpec::one(site.cert_id(serial));
    let mut answers = vec![post(&scene.ocspry, &one(GOOD))];

    // Serial numbers 40 00, 40 01 …: without a reason, with each of them, with an invalidity date.
    let mut crl = site.first_crl().revoke(&[0x40, 0x00], None);
    for (serial, reason) in (1..).zip(CrlReason::ALL) {
        crl = crl.revoke(&[0x40, serial], Some(reason));
    }
    crl = crl.revoke(&[0x40, 0x50], Some(CrlReason::KeyCompromise));
    let dated = crl.entries.last_mut().expect("just added");
    dated.invalidity_date = Some(now().plus_seconds(-7200));
    let many = Site::new();
    many.write_crl(&crl);
    let process = many.serve().start();
    for serial in (0..=8).chain([0x50]) {
        let cert_id = many.cert_id(&[0x40, serial]);
        answers.push(post(&process, &RequestSpec::one(cert_id)));
    }

    let stranger = Authority::root("A stranger", KeyKind::P256);
    let theirs = cert_id(HashAlgorithm::Sha256, &stranger, &[0x77]);
    answers.push(post(&scene.unknowing, &one(GOOD)));
    for octets in [1, 128] {
        let with_nonce = one(GOOD).with_extension(nonce_extension(&vec![7; octets]));
        answers.push(post(&scene.ocspry, &with_nonce));
    }
    let mut several = one(GOOD);
    several
        .cert_ids
        .extend([site.cert_id(REVOKED), theirs.clone()]);
    answers.push(post(&scene.ocspry, &several));

    for kind in KeyKind::ALL {
        let site = Site::with_keys(kind, kind);
        let request = RequestSpec::one(site.cert_id(REVOKED));
        answers.push(post(&site.serve().start(), &request));
        answers.push(post(&site.serve_by_ca().start(), &request));
    }

    let malformed = scene.ocspry.connect().post(&[0x30, 0x00]);
    answers.push(malformed.unwrap().body);
    answers.push(post(&scene.ocspry, &RequestSpec::one(theirs)));
    answers.push(post(&scene.stale, &one(GOOD)));
    answers
}

fn post(process: &OcspryProcess, request: &RequestSpec) -> Vec<u8> {
    let response = process.connect().post(&request.der()).unwrap();
    assert_eq!(response.status, 200, "{response:?}");
    response.body
}

/// The same answer with a nextUpdate in the last century: the last GeneralizedTime of a good answer without extensions.
fn backwards(answer: &[u8]) -> Vec<u8> {
    const GENERALIZED_TIME: [u8; 2] = [0x18, 0x0f];
    let mut backwards = answer.to_vec();
    // Before the signature, whose enclosed certificate may hold times too.
    let times: Vec<usize> = answer
        .windows(4)
        .enumerate()
        .filter(|(_, octets)| octets.starts_with(&GENERALIZED_TIME) && octets[2..] == *b"20")
        .map(|(at, _)| at + 2)
        .collect();
    let next_update = times[2];
    backwards[next_update..next_update + 2].copy_from_slice(b"19");
    backwards
}
