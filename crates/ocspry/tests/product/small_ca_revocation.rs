//! `ocspry cert revoke`, `list`, `show`, `renew`, `import`, and `ca compromise`: what becomes of certificates.

use std::fs;

use serde_json::{Value, json};

use crate::small_ca_office::Office;

/// Signs a certificate of the root; gives its serial number.
fn sign(office: &Office, name: &str, options: &str) -> String {
    let signed = office.json(&format!(
        "cert sign root --new-key --key {name}.key --subject /CN={name}.example.com --out {name}.pem {options}"
    ));
    signed["serial"].as_str().unwrap().to_owned()
}

/// `valid`, `revoked`, `on hold` or `expired`.
fn state(office: &Office, serial: &str) -> Value {
    office.json(&format!("cert show {serial}"))["state"].take()
}

#[test]
fn a_certificate_is_revoked_by_its_serial_or_its_file_with_time_reason_and_ticket() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let (a, b) = (sign(&office, "a", ""), sign(&office, "b", ""));
    office.refused(
        &format!("cert revoke {a}"),
        "without a terminal nobody can be asked: give --yes",
    );
    let spelled: Vec<String> = a
        .as_bytes()
        .chunks(2)
        .map(|two| String::from_utf8_lossy(two).to_uppercase())
        .collect();
    office.done(&format!(
        "cert revoke {} --yes --reason key-compromise --at 2026-01-02T03:04:05Z --invalidity-date 2026-01-01 --ticket INC-1",
        spelled.join(":")
    ));
    let shown = office.json(&format!("cert show {a}"));
    assert_eq!(shown["state"], "revoked");
    assert_eq!(shown["reason"], "keyCompromise");
    assert_eq!(shown["revoked_at"], "2026-01-02T03:04:05Z");
    assert_eq!(shown["invalidity_date"], "2026-01-01T00:00:00Z");
    let last = shown["history"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["ticket"]),
        (&json!("revoked"), &json!("INC-1"))
    );
    assert!(last["actor"].as_str().unwrap().contains("uid"), "{last}");

    office.done("cert revoke ./b.pem --yes");
    assert_eq!(state(&office, &b), "revoked");
    let revoked = office.json("cert list --revoked");
    assert_eq!(revoked.as_array().unwrap().len(), 2);
    assert_eq!(office.json("cert list --valid"), json!([]));
    let again = office.json("cert revoke ./b.pem --yes");
    assert_eq!(
        (&again["revoked"], &again["already"]),
        (&json!(0), &json!(1))
    );
    office.refused(
        "cert revoke 0102 --yes",
        "CA root has no certificate of serial 0102",
    );
    office.refused(
        "cert revoke ./root.pem --yes",
        "the ledger does not know it",
    );
    office.refused(
        "cert revoke xyz --yes",
        "a file is told by a dot or slash in its path",
    );
    office.refused(
        "cert revoke ./b.pem --yes --at 2099-01-01",
        "is later than now",
    );
}

#[test]
fn a_hold_is_released_and_nothing_else_is() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let serial = sign(&office, "a", "");
    office.done("cert revoke ./a.pem --yes --reason certificateHold");
    assert_eq!(state(&office, &serial), "on hold");
    office.done("cert revoke ./a.pem --release");
    assert_eq!(state(&office, &serial), "valid");
    office.refused(
        "cert revoke ./a.pem --release",
        "is not on hold; only a hold can be released",
    );
    office.done("cert revoke ./a.pem --yes --reason certificateHold");
    office.done("cert revoke ./a.pem --yes --reason superseded");
    assert_eq!(state(&office, &serial), "revoked");
    office.refused("cert revoke ./a.pem --release", "is not on hold");
    let run = office
        .command("cert revoke ./a.pem --reason removeFromCRL")
        .run();
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("a hold ends with --release"), "{run:?}");
}

#[test]
fn a_revocation_is_told_from_its_first_day_on_whatever_reason_turns_up_later() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let since = |name: &str| {
        let shown = office.json(&format!("cert show ./{name}.pem"));
        (shown["reason"].clone(), shown["revoked_at"].clone())
    };
    let first = "2026-01-02T03:04:05Z";
    for (name, reason) in [("a", "superseded"), ("b", "certificateHold")] {
        sign(&office, name, "");
        office.done(&format!(
            "cert revoke ./{name}.pem --reason {reason} --at {first} --yes"
        ));
        // Of a hold X.509 says so, of a key that is found to be compromised the CA/Browser Forum.
        let line = format!("cert revoke ./{name}.pem --reason keyCompromise --yes");
        office.done(&line);
        assert_eq!(since(name), (json!("keyCompromise"), json!(first)));
    }
    // An earlier day can be told.
    sign(&office, "c", "");
    office.done("cert revoke ./c.pem --reason superseded --yes");
    office.done(&format!(
        "cert revoke ./c.pem --reason keyCompromise --at {first} --yes"
    ));
    assert_eq!(since("c"), (json!("keyCompromise"), json!(first)));
    // Also for the reason that is known, and of what is graver by now.
    let earlier = "2026-01-01T00:00:00Z";
    for (reason, told, first) in [
        ("keyCompromise", earlier, earlier),
        ("superseded", "2025-12-31T00:00:00Z", "2025-12-31T00:00:00Z"),
        ("superseded", earlier, "2025-12-31T00:00:00Z"),
    ] {
        office.done(&format!(
            "cert revoke ./c.pem --reason {reason} --at {told} --yes"
        ));
        assert_eq!(since("c"), (json!("keyCompromise"), json!(first)));
    }
    // A hold that was released is over.
    sign(&office, "d", "");
    office.done(&format!(
        "cert revoke ./d.pem --reason certificateHold --at {first} --yes"
    ));
    office.done("cert revoke ./d.pem --release");
    office.done("cert revoke ./d.pem --reason superseded --yes");
    assert_ne!(since("d").1, json!(first));
}

#[test]
fn many_are_revoked_by_a_list_or_by_what_they_have_in_common_and_again_without_effect() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let servers = [sign(&office, "a", ""), sign(&office, "b", "")];
    let client = sign(&office, "c", "--profile client");
    office.write(
        "list.txt",
        &format!(
            "# found on a stolen laptop\n\n{0}  # the first\n0x{0}\n",
            servers[0]
        ),
    );
    let planned = office.json("cert revoke --from list.txt --dry-run");
    assert_eq!(
        (&planned["selected"], &planned["revoked"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(state(&office, &servers[0]), "valid");
    office.done("cert revoke --from list.txt --yes");
    assert_eq!(state(&office, &servers[0]), "revoked");

    office.write("bad.txt", &format!("{}\n0102\n", servers[1]));
    office.refused("cert revoke --from bad.txt --yes", "bad.txt: line 2");
    office.write("empty.txt", "# nothing\n");
    office.refused(
        "cert revoke --from empty.txt --yes",
        "there is no serial number in it",
    );
    assert_eq!(state(&office, &servers[1]), "valid", "all or none");

    let future = office.json("cert revoke --ca root --issued-after 2099-01-01 --dry-run");
    assert_eq!(future["selected"], 0);
    office.refused(
        "cert revoke --ca root --profile server --reason superseded",
        "give --yes",
    );
    let done =
        office.json("cert revoke --ca root --profile server --issued-after 2020-01-01 --yes");
    assert_eq!((&done["revoked"], &done["already"]), (&json!(1), &json!(1)));
    assert_eq!(state(&office, &client), "valid");
    let done = office.json("cert revoke --ca root --all --yes");
    assert_eq!((&done["revoked"], &done["already"]), (&json!(1), &json!(2)));
    let before = office.certificates();
    let done = office.json("cert revoke --ca root --all --yes");
    assert_eq!((&done["revoked"], &done["already"]), (&json!(0), &json!(3)));
    assert_eq!(office.certificates(), before);
    // A compromised key is often found out later.
    let done = office.json("cert revoke --ca root --all --reason keyCompromise --yes");
    assert_eq!(done["revoked"], 3);
}

#[test]
fn at_a_terminal_a_revocation_is_asked_about_and_that_of_many_by_their_number() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let serial = sign(&office, "a", "");
    sign(&office, "b", "");
    let run = office.at_terminal("cert revoke ./a.pem", &["n"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("nothing was changed"), "{run:?}");
    assert_eq!(state(&office, &serial), "valid");
    let run = office.at_terminal("cert revoke ./a.pem", &["y"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    sign(&office, "c", "");
    let run = office.at_terminal("cert revoke --ca root --all", &["y"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("Type 2 to go on"), "{run:?}");
    let run = office.at_terminal("cert revoke --ca root --all", &["2"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(office.json("cert list --valid"), json!([]));
}

#[test]
fn a_compromised_ca_issues_no_more_and_all_of_it_is_revoked_by_it_and_its_parent() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let sub = office.json("ca init sub --parent root --no-passphrase");
    office.done("cert sign sub --new-key --key a.key --subject /CN=a.example.com --out a.pem");
    let of_root = sign(&office, "r", "");
    office.refused("ca compromise sub --since 2026-01-01", "give --yes");
    office.done("ca compromise sub --since 2026-01-01 --dry-run");
    assert_eq!(office.json("ca show sub")["enabled"], true);
    let run = office.done("ca compromise sub --since 2026-01-01 --yes --ticket INC-2");
    for part in [
        "What is left to do",
        "ocspry ca tick",
        "never-issued = \"revoked\"",
    ] {
        assert!(run.stdout.contains(part), "{part}: {run:?}");
    }
    let leaf = office.json("cert show ./a.pem");
    assert_eq!(
        (&leaf["reason"], &leaf["invalidity_date"]),
        (&json!("cACompromise"), &json!("2026-01-01T00:00:00Z"))
    );
    assert_eq!(state(&office, sub["serial"].as_str().unwrap()), "revoked");
    assert_eq!(state(&office, &of_root), "valid");
    office.refused(
        "cert sign sub --new-key --key b.key --subject /CN=b.example.com",
        "is disabled",
    );
    let again = office.json("ca compromise sub --since 2026-01-01 --yes");
    assert_eq!(
        (&again["selected"], &again["already"]),
        (&json!(0), &json!(1))
    );
    let run = office.done("ca compromise root --since 2026-01-01 --dry-run");
    assert!(
        run.stdout.contains("remove it from every trust store"),
        "{run:?}"
    );
}

#[test]
fn a_certificate_is_renewed_for_its_key_or_another_but_not_when_it_is_revoked() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let old = sign(
        &office,
        "a",
        "--alt b.example.com --days 90 --profile server",
    );
    office.done(&format!("cert renew {old} --out a2.pem"));
    office.openssl("verify -CAfile root.pem -verify_hostname b.example.com a2.pem");
    let of = |what: &str| office.openssl(what);
    assert_eq!(
        of("x509 -in a.pem -noout -pubkey"),
        of("x509 -in a2.pem -noout -pubkey")
    );
    assert_eq!(
        of("x509 -in a.pem -noout -subject"),
        of("x509 -in a2.pem -noout -subject")
    );
    assert_ne!(
        of("x509 -in a.pem -noout -serial"),
        of("x509 -in a2.pem -noout -serial")
    );
    office.request("new", "");
    let renewed = office.json("cert renew ./a.pem --csr new.csr --days 10 --out a3.pem");
    assert_eq!(renewed["profile"], "server");
    assert_eq!(
        of("x509 -in a3.pem -noout -pubkey"),
        of("pkey -in new.key -pubout")
    );
    let run = office.done(&format!("cert show {old} --pem"));
    assert_eq!(
        run.stdout,
        fs::read_to_string(office.file("a.pem")).unwrap()
    );
    office.done(&format!("cert revoke {old} --yes"));
    office.refused(
        &format!("cert renew {old}"),
        "is revoked or on hold: it is not renewed",
    );
}

#[test]
fn certificates_that_were_signed_elsewhere_are_brought_along_once() {
    let Some(office) = Office::open() else { return };
    office.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout old.key -out old.pem -days 30 -subj /CN=Old");
    for name in ["a", "b"] {
        office.request(name, "");
        office.openssl(&format!(
            "x509 -req -in {name}.csr -CA old.pem -CAkey old.key -days 9 -out {name}.pem"
        ));
    }
    office.done("ca import old --certificate old.pem");
    office.refused(
        "cert revoke ./a.pem --yes",
        "bring it along first: ocspry cert import old ./a.pem",
    );
    let planned = office.json("cert import old a.pem b.pem --dry-run");
    assert_eq!(
        (&planned["looked_at"], &planned["added"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(office.certificates(), json!([]));
    office.refused("cert import old a.pem old.key", "old.key");
    // Of the same name, with another key.
    office.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 30 -subj /CN=Old");
    office.openssl("x509 -req -in a.csr -CA other.pem -CAkey other.key -days 9 -out stranger.pem");
    office.refused(
        "cert import old a.pem stranger.pem",
        "stranger.pem: CA old did not sign this certificate (CN=a.example.com); nothing was added",
    );
    office.done("cert import old a.pem --profile server");
    assert_eq!(office.json("cert import old a.pem b.pem")["added"], 1);
    assert_eq!(office.json("cert import old a.pem b.pem")["added"], 0);
    office.done("cert revoke ./b.pem --yes");
    assert_eq!(
        office.json("cert list --ca old --profile server")[0]["origin"],
        "imported"
    );
    assert_eq!(
        office.json("cert list --revoked")[0]["subject"],
        "CN=b.example.com"
    );
}
