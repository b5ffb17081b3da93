//! A CA whose key is in other hands: nothing is signed for it or by it any more, also not by what had begun before.

use serde_json::json;

use crate::small_ca_office::Office;

/// A CA below the root, whose key has the passphrase `secret`.
fn with_sub() -> Option<Office> {
    let office = Office::with_root()?;
    office.write("secret.txt", "secret\n");
    office.done("ca init sub --parent root --passphrase-file secret.txt --out sub.pem");
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
    let compromise = || {
        office.done("ca compromise sub --since 2026-01-01 --yes");
    };
    let line = "cert sign sub --new-key --key a.key --subject /CN=a.example.com --out a.pem";
    let run = office.at_terminal_while(line, &["secret"], compromise);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("CA sub is disabled"), "{run:?}");
    assert!(!office.file("a.pem").exists());
    assert_eq!(office.certificates().as_array().unwrap().len(), 1);
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
