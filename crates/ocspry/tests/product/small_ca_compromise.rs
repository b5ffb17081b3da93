//! A CA whose key is in other hands: nothing is signed for it or by it any more, also not by what had begun before.

use std::fs;

use serde_json::json;

use crate::small_ca_office::Office;

/// A CA below the root, whose key has the passphrase `secret`.
fn with_sub() -> Option<Office> {
    let office = Office::with_root()?;
    office.write("secret.txt", "secret\n");
    office
        .done("ca init sub --parent root --passphrase-file secret.txt --key sub.key --out sub.pem");
    Some(office)
}

#[test]
fn a_stolen_key_gets_no_other_certificate() {
    let Some(office) = with_sub() else { return };
    office.done("ca compromise sub --since 2026-01-01 --yes");
    office.refused("ca renew sub", "CA sub is disabled");
    office.refused("ca renew sub", "ocspry ca renew sub --new-key");
    // Also where somebody lets it issue again.
    office.done("ca edit sub --enable");
    office.refused("ca renew sub", "of CA sub is revoked or on hold");

    let new = office.json("ca renew sub --new-key p-256 --as sub-2 --no-passphrase");
    assert_eq!(new["enabled"], true);
    office.done("ca compromise root --since 2026-01-01 --yes");
    office.refused("ca renew root", "CA root is disabled");
    let new = office.json("ca renew root --new-key p-256 --as root-2 --no-passphrase");
    assert_eq!(new["enabled"], true, "its replacement issues");
    office.done("cert sign root-2 --new-key --key a.key --subject /CN=a.example.com");
}

/// A second root signs the key of `sub` too, into cross.pem.
fn sign_cross(office: &Office) {
    office.done("ca init other --no-passphrase --out other.pem");
    office.openssl("req -new -key sub.key -passin pass:secret -subj /CN=sub -out sub.csr");
    office.done(CROSS);
}

const CROSS: &str =
    "cert sign other --csr sub.csr --profile intermediate --subject /CN=sub --out cross.pem";

#[test]
fn every_certificate_of_a_stolen_key_is_revoked_whichever_ca_of_the_ledger_signed_it() {
    for is_brought_along in [false, true] {
        let Some(office) = with_sub() else { return };
        sign_cross(&office);
        if is_brought_along {
            office.done("ca import sub --certificate cross.pem");
        }
        let done = office.json("ca compromise sub --since 2026-01-01 --yes");
        assert_eq!(done["own_certificates"], 2, "{done}");
        assert!(
            done["steps"][0]
                .as_str()
                .unwrap()
                .contains("root and other"),
            "{done}"
        );
        for file in ["./sub.pem", "./cross.pem"] {
            let shown = office.json(&format!("cert show {file}"));
            assert_eq!(shown["reason"], "cACompromise", "{file}");
        }
    }
}

#[test]
fn a_stolen_ca_that_came_into_the_ledger_before_its_parent_is_revoked_by_that() {
    let Some(office) = with_sub() else { return };
    let elsewhere = |line: &str| office.done(&format!("{line} --ledger second.db"));
    elsewhere("ca import issuing --certificate sub.pem");
    // With an index that does not name it.
    fs::create_dir(office.file("demoCA")).unwrap();
    fs::copy(office.file("root.pem"), office.file("demoCA/cacert.pem")).unwrap();
    office.write("demoCA/index.txt", "");
    elsewhere("import openssl-ca demoCA --name above");
    elsewhere("ca compromise issuing --since 2026-01-01 --yes");
    let shown = elsewhere("cert show ./sub.pem --json");
    assert!(shown.stdout.contains("cACompromise"), "{shown:?}");
}

#[test]
fn a_ca_that_is_brought_along_knows_those_below_it_that_came_before() {
    let Some(office) = with_sub() else { return };
    let elsewhere = |line: &str| office.done(&format!("{line} --ledger second.db"));
    elsewhere("ca import issuing --certificate sub.pem");
    elsewhere("ca import above --certificate root.pem");
    let shown = elsewhere("ca show issuing --json");
    assert!(shown.stdout.contains(r#""parent": "above""#), "{shown:?}");
    elsewhere("ca compromise above --since 2026-01-01 --yes");
    let shown = elsewhere("cert show ./sub.pem --json");
    assert!(shown.stdout.contains("cACompromise"), "{shown:?}");
}

#[test]
fn a_key_that_was_taken_back_gets_no_certificate_by_another_way_either() {
    let Some(office) = with_sub() else { return };
    sign_cross(&office);
    office.done("cert revoke ./cross.pem --reason keyCompromise --yes");
    let part = "of CA sub is revoked or on hold";
    office.refused("ca renew sub", part);
    office.refused(CROSS, part);
    office.refused(
        "cert sign root --csr sub.csr --subject /CN=a.example.com",
        part,
    );
    office.refused("cert renew ./sub.pem", "ocspry ca renew");
    office.done("ca edit sub --disable");
    office.refused(CROSS, "CA sub is disabled");
}

#[test]
fn a_ca_whose_certificate_was_taken_back_issues_nothing_also_by_a_copy_that_has_it_enabled() {
    let Some(office) = with_sub() else { return };
    office.done("ledger backup copy.db");
    office.done("ca compromise sub --since 2026-01-01 --yes");
    office.done("ca tick root");
    office.done("ledger restore copy.db --yes");
    office.done("ledger reconcile published");
    let sign = "cert sign sub --passphrase-file secret.txt --new-key --key a.key --subject /CN=a.example.com";
    office.refused(sign, "is revoked or on hold by root");
    assert!(!office.file("a.key").exists());
}

#[test]
fn a_ca_goes_on_by_the_certificate_that_is_left_unless_its_key_is_not_safe() {
    let Some(office) = with_sub() else { return };
    sign_cross(&office);
    office.done("ca import sub --certificate cross.pem");
    let sign = |name: &str| {
        format!(
            "cert sign sub --passphrase-file secret.txt --new-key --key {name}.key --subject /CN={name}.example.com"
        )
    };
    office.done("cert revoke ./cross.pem --reason superseded --yes");
    office.done(&sign("a"));
    office.done("cert revoke ./cross.pem --reason keyCompromise --yes");
    office.refused(&sign("b"), "is revoked or on hold by other");
    // A root that has itself among what it issued, as an index of `openssl ca` does.
    office.done("cert import root root.pem");
    let sign = |name: &str| {
        format!("cert sign root --new-key --key {name}.key --subject /CN={name}.example.com")
    };
    office.done("cert revoke --ca root --all --reason superseded --yes");
    office.done(&sign("c"));
    office.done("cert revoke ./root.pem --reason keyCompromise --yes");
    office.refused(&sign("d"), "is revoked or on hold by root");
}

#[test]
fn whoever_still_types_a_passphrase_renews_no_certificate_that_is_revoked_meanwhile() {
    let Some(office) = with_sub() else { return };
    office.done(
        "cert sign sub --passphrase-file secret.txt --new-key --key a.key --subject /CN=a.example.com --out a.pem",
    );
    let revoke = || {
        office.done("cert revoke ./a.pem --reason keyCompromise --yes");
    };
    let run = office.at_terminal_while("cert renew ./a.pem --out b.pem", &["secret"], revoke);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("is not renewed"), "{run:?}");
    assert!(!office.file("b.pem").exists());
}

#[test]
fn a_ca_with_a_certificate_on_hold_is_not_renewed_until_it_is_released() {
    let Some(office) = with_sub() else { return };
    office.done("cert revoke ./sub.pem --reason certificateHold --yes");
    office.refused("ca renew sub", "of CA sub is revoked or on hold");
    office.done("cert revoke ./sub.pem --release");
    office.done("ca renew sub");
}

#[test]
fn whoever_still_types_the_passphrase_of_a_ca_that_is_compromised_meanwhile_signs_nothing() {
    let Some(office) = with_sub() else { return };
    office.done("ca init other --passphrase-file secret.txt");
    for (ca, part) in [
        ("sub", "CA sub issues nothing"),
        ("other", "CA other is disabled"),
    ] {
        let compromise = || {
            office.done(&format!("ca compromise {ca} --since 2026-01-01 --yes"));
        };
        let line = format!(
            "cert sign {ca} --new-key --key {ca}-a.key --subject /CN=a.example.com --out a.pem"
        );
        let run = office.at_terminal_while(&line, &["secret"], compromise);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stdout.contains(part), "{run:?}");
        assert!(!office.file("a.pem").exists());
        assert_eq!(office.certificates().as_array().unwrap().len(), 1);
    }
}

#[test]
fn whoever_still_types_the_passphrase_of_a_parent_renews_no_ca_that_is_compromised_meanwhile() {
    let Some(office) = Office::open() else { return };
    office.write("secret.txt", "secret\n");
    office.done("ca init root --passphrase-file secret.txt");
    office.done("ca init sub --parent root --parent-passphrase-file secret.txt --no-passphrase");
    let compromise = || {
        office.done("ca compromise sub --since 2026-01-01 --yes");
    };
    let run = office.at_terminal_while("ca renew sub --out new.pem", &["secret"], compromise);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(!office.file("new.pem").exists(), "{run:?}");
    assert_eq!(office.certificates().as_array().unwrap().len(), 1);
}

#[test]
fn what_is_signed_while_somebody_types_the_name_of_a_compromised_ca_is_revoked_with_the_rest() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let sign = |name: &str| {
        office.done(&format!(
            "cert sign root --new-key --key {name}.key --subject /CN={name}.example.com --out {name}.pem"
        ));
    };
    sign("a");
    let run = office.at_terminal_while("ca compromise root --since 2026-01-01", &["root"], || {
        sign("b")
    });
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("revoked 2; it is recorded"), "{run:?}");
    assert_eq!(office.json("cert list --valid"), json!([]));
}

#[test]
fn what_is_signed_while_somebody_types_how_many_are_revoked_is_revoked_with_them() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let sign = |name: &str| {
        office.done(&format!(
            "cert sign root --new-key --key {name}.key --subject /CN={name}.example.com --out {name}.pem"
        ));
    };
    for (number, selected) in ["--all", "--profile server", "--issued-after 2026-01-01"]
        .iter()
        .enumerate()
    {
        sign(&format!("a{number}"));
        let line = format!("cert revoke --ca root {selected}");
        let run = office.at_terminal_while(&line, &["1"], || sign(&format!("b{number}")));
        assert_eq!(run.code, Some(0), "{selected}: {run:?}");
        assert!(
            run.stdout.contains("revoked 2; it is recorded"),
            "{selected}: {run:?}"
        );
        assert_eq!(office.json("cert list --valid"), json!([]), "{selected}");
    }
}
