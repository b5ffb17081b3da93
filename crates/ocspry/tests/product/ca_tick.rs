//! `ocspry ca tick`: what a timer does for a CA.

use crate::ledger_site::LedgerSite;
use crate::published_lists::site_with_index;
use ocspry_ledger::{Act, CrlUse, Ledger, LedgerPlace, PublishedCrl};
use ocspry_testkit::{Authority, CertificateSpec, KeyKind, TestKey, now};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;

/// What became of the CRL of the first CA, and why.
fn outcome(told: &Value) -> (&Value, &Value) {
    (&told["crls"][0]["outcome"], &told["crls"][0]["why"])
}

#[test]
fn the_first_tick_publishes_a_crl_and_the_next_one_finds_nothing_due() {
    let site = site_with_index();
    let told = site.json("ca tick --out-dir published --json");
    assert_eq!(
        outcome(&told),
        (&json!("published"), &json!("the first one")),
        "{told}"
    );
    let list = site.read("published/root.crl");
    site.done("crl check published/root.crl --ca published/root.cer");
    let shown = site.json("crl show published/root.crl --json");
    assert_eq!(
        (&shown["form"], &shown["entries"]),
        (&json!("der"), &json!(5))
    );

    let told = site.json("ca tick --out-dir published --json");
    assert_eq!(outcome(&told).0, "not-due", "{told}");
    assert_eq!(site.read("published/root.crl"), list);
}

#[test]
fn a_revocation_a_lost_file_and_another_dump_make_a_list_due() {
    let site = site_with_index();
    site.done("ca tick");
    let why = || {
        let told = site.json("ca tick --json");
        outcome(&told).1.clone()
    };
    assert_eq!(why(), json!(null));
    site.write(
        "more.txt",
        "R\t351231235959Z\t250202120000Z\t2001\tunknown\t/CN=more.example\n",
    );
    site.done("index import root more.txt");
    assert_eq!(why(), "there were revocations or releases");
    site.done("crl show published/root.crl --find 2001");
    assert_eq!(why(), json!(null));
    std::fs::remove_file(site.file("published/root.crl")).unwrap();
    assert_eq!(why(), "the file was not the last one");
    site.done("crl dump root --out elsewhere.crl");
    assert_eq!(why(), "the file was not the last one");
    assert_eq!(why(), json!(null));
}

#[test]
fn what_cannot_be_done_for_one_ca_is_told_and_the_others_go_on() {
    let site = LedgerSite::with_root();
    site.done("ca init other --subject /CN=Other --no-passphrase");
    std::fs::remove_file(site.file("root.key")).unwrap();
    let finished = site.run("ca tick --json");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("CA root: no CRL was published: "),
        "{finished:?}"
    );
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(told["crls"][0]["outcome"], "failed", "{told}");
    assert_eq!(told["crls"][1]["outcome"], "published", "{told}");
    site.done("crl check published/other.crl --ca published/other.cer");
}

/// A CA named c, with its key in c.key, and its certificate of today in new.pem; in old.pem one that ended, in short.pem one
/// that began later and has ended, in future.pem one of a month from now.
fn site_with_old_and_new() -> LedgerSite {
    let site = LedgerSite::empty();
    let key = TestKey::generate(KeyKind::P256);
    site.write("c.key", key.pkcs8_pem());
    let usual = CertificateSpec::authority("C");
    let old = CertificateSpec {
        serial: Some(vec![2]),
        not_before: now().plus_seconds(-900 * 86_400),
        not_after: now().plus_seconds(-86_400),
        ..usual.clone()
    };
    let short = CertificateSpec {
        serial: Some(vec![3]),
        not_before: now().plus_seconds(-7200),
        not_after: now().plus_seconds(-3600),
        ..usual.clone()
    };
    let future = CertificateSpec {
        serial: Some(vec![4]),
        not_before: now().plus_seconds(30 * 86_400),
        not_after: now().plus_seconds(900 * 86_400),
        ..usual.clone()
    };
    for (file, spec) in [
        ("new.pem", &usual),
        ("old.pem", &old),
        ("short.pem", &short),
        ("future.pem", &future),
    ] {
        let ca = Authority::root_from(spec, key.clone());
        site.write(file, ca.certificate_pem());
    }
    site
}

#[test]
fn a_ca_uses_its_newest_certificate_in_whatever_order_they_were_brought_along() {
    let site = site_with_old_and_new();
    site.done("ca import c --certificate new.pem --key c.key");
    let newest = site.json("ca show c --json");
    for file in ["old.pem", "new.pem", "old.pem"] {
        site.done(&format!("ca import c --certificate {file}"));
        let shown = site.json("ca show c --json");
        assert_eq!(shown["serial"], newest["serial"], "{file}");
        assert_eq!(shown["certificates"].as_array().unwrap().len(), 2, "{file}");
    }
    site.done("ca tick");
    site.done("crl check published/c.crl --ca new.pem");
}

#[test]
fn a_ca_goes_on_with_the_certificate_that_is_valid_until_the_one_of_later_begins() {
    let site = site_with_old_and_new();
    site.done("ca import c --certificate new.pem --key c.key");
    let valid = site.json("ca show c --json");
    for file in ["future.pem", "short.pem"] {
        site.done(&format!("ca import c --certificate {file}"));
        let shown = site.json("ca show c --json");
        assert_eq!(shown["serial"], valid["serial"], "{file}");
    }
    site.done("ca tick");
    site.done("crl check published/c.crl --ca new.pem");
    site.done("cert sign c --new-key --key a.key --subject /CN=a.example.com --out a.pem");
}

#[test]
fn the_crl_numbers_of_a_ca_that_is_brought_along_go_on_above_those_that_it_used() {
    let site = LedgerSite::with_root();
    for file in ["first.crl", "last.crl"] {
        site.done(&format!("crl dump root --out {file}"));
    }
    let import = "ca import root --certificate root.pem --key root.key --ledger second.db";
    let told = site.done(import).stderr;
    assert!(told.contains("begin with 1 here"), "{told}");
    // Told later is early enough, as long as none was signed.
    let told = site
        .done(&format!("{import} --crl last.crl --crl first.crl"))
        .stderr;
    assert!(!told.contains("begin with 1"), "{told}");
    let next = site.json("crl dump root --ledger second.db --out next.crl --json");
    assert_eq!(next["number"], "3");

    let foreign = LedgerSite::with_root();
    foreign.done("crl dump root --out foreign.crl");
    site.write("foreign.crl", foreign.read("foreign.crl"));
    let told = site.refused(&format!("{import} --crl foreign.crl"));
    assert!(told.contains("this CA did not sign it"), "{told}");
}

#[test]
fn a_ca_that_issues_but_whose_certificate_has_ended_fails_the_tick() {
    let site = site_with_old_and_new();
    site.done("ca import c --certificate old.pem --key c.key");
    let told = site.refused("ca tick");
    assert!(told.contains("its certificate has ended"), "{told}");
    // Of one that is out of use that was to be expected.
    site.done("ca edit c --disable");
    site.done("ca tick");
}

#[test]
fn a_tick_that_waits_for_another_one_finds_its_work_done() {
    let site = site_with_index();
    site.done("ca tick");
    let lock = std::fs::File::options()
        .write(true)
        .open(site.file("ledger.db.crl-lock"))
        .unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    std::fs::remove_file(site.file("published/root.crl")).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.run("ca tick --json"));
        // It says so on its own; whether it has done so yet does not matter to what must hold.
        assert!(!site.file("published/root.crl").exists());
        drop(lock);
        let finished = waiting.join().unwrap();
        assert_eq!(finished.code, Some(0), "{finished:?}");
    });
    assert!(site.file("published/root.crl").exists());

    let ticks = std::thread::scope(|scope| {
        std::fs::remove_file(site.file("published/root.crl")).unwrap();
        let both = [(); 2].map(|()| scope.spawn(|| site.json("ca tick --json")));
        both.map(|tick| tick.join().unwrap())
    });
    let mut outcomes = ticks
        .each_ref()
        .map(|told| outcome(told).0.as_str().unwrap());
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["not-due", "published"], "{ticks:?}");
}

/// What a tick leaves behind whose clock is a year ahead: a list with all that is revoked.
fn publish_a_year_ahead(site: &LedgerSite) {
    let mut ledger = Ledger::open(&LedgerPlace::Sqlite(site.file("ledger.db"))).unwrap();
    let ahead = now().plus_seconds(365 * 86_400);
    let act = Act::by("tests", ahead);
    let root = ledger.reader().issuer("root").unwrap().number;
    let number = ledger.reserve_crl_number(&act, root, CrlUse::Full).unwrap();
    let crl = PublishedCrl {
        number,
        base_number: None,
        this_update: ahead,
        next_update: ahead.plus_seconds(7 * 86_400),
        published: ahead,
        covers: ledger.reader().position().unwrap().sequence,
        entry_count: 1,
        sha256: [0; 32],
    };
    ledger.publish_crl(&act, root, &crl).unwrap();
}

/// A revoked certificate of 90 days, and one that ended long ago, both in a list.
fn site_with_a_list_of_the_future() -> LedgerSite {
    let site = LedgerSite::with_root();
    let end = now().plus_seconds(90 * 86_400).to_generalized();
    let end = String::from_utf8(end.to_vec()).unwrap();
    site.write(
        "index.txt",
        format!(
            "R\t{end}\t250101120000Z\t1001\tunknown\t/CN=gone.example\n\
             R\t200101000000Z\t190101120000Z\t1002\tunknown\t/CN=old.example\n"
        ),
    );
    site.done("index import root index.txt");
    site.done("ca tick");
    site.done("crl show published/root.crl --find 1001");
    publish_a_year_ahead(&site);
    site
}

#[test]
fn after_a_clock_that_was_ahead_a_list_is_due_at_once_and_that_is_told() {
    let site = site_with_a_list_of_the_future();
    let refused = site.refused("crl dump root --delta --out delta.crl");
    assert!(refused.contains("CRL 2 of CA root"), "{refused}");

    let finished = site.run("ca tick --json");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("the clock was ahead, or is behind now: CRL 2"),
        "{finished:?}"
    );
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(
        outcome(&told),
        (
            &json!("published"),
            &json!("the last one is of a time that has not come")
        ),
        "{told}"
    );
    let told = site.json("ca tick --json");
    assert_eq!(outcome(&told).0, "not-due", "{told}");
}

#[test]
fn a_list_of_the_future_takes_no_revoked_certificate_out_of_the_lists_that_follow() {
    let site = site_with_a_list_of_the_future();
    for file in ["third.crl", "fourth.crl"] {
        let said = site.json(&format!("crl dump root --out {file} --json"));
        assert_eq!(said["entries"], 1, "{said}");
        site.done(&format!("crl show {file} --find 1001"));
        let begins = said["this_update"].as_str().unwrap();
        assert!(
            begins < now().plus_seconds(60).to_string().as_str(),
            "{said}"
        );
    }
}

#[test]
fn what_ends_soon_is_told_however_much_is_revoked_or_another_ca_s_and_the_rest_is_counted() {
    let site = LedgerSite::with_root();
    site.done("ca init other --subject /CN=Other --no-passphrase");
    let end = |days: i64| {
        let end = now().plus_seconds(days * 86_400).to_generalized();
        String::from_utf8(end.to_vec()).unwrap()
    };
    let lines = |status: &str, first: u32| -> String {
        let line = |serial| format!("{status}\t{serial}\tunknown\t/CN=many.example\n");
        (first..first + 1000).map(line).collect()
    };
    let revoked = lines(&format!("R\t{}\t250101120000Z", end(5)), 1000);
    let (soon, late) = (end(20), end(25));
    let root = format!(
        "{revoked}V\t{soon}\t\t5001\tunknown\t/CN=soon.example\nV\t{late}\t\t5002\tunknown\t/CN=late.example\n"
    );
    site.write("root.txt", root);
    site.write("other.txt", lines(&format!("V\t{}\t", end(5)), 1000));
    site.done("index import root root.txt");
    site.done("index import other other.txt");

    let told = site.json("ca tick root --json");
    let ends = told["expiring"].as_array().unwrap();
    assert_eq!((ends.len(), &told["expiring_more"]), (2, &json!(0)));
    assert_eq!(ends[0]["what"], "5001 /CN=soon.example");
    let told = site.json("ca tick --json");
    let ends = told["expiring"].as_array().unwrap();
    assert_eq!((ends.len(), &told["expiring_more"]), (1000, &json!(2)));
    let said = site.done("ca tick").stdout;
    assert!(said.contains("and 2 more end until "), "{said}");
}

#[test]
fn what_ends_soon_is_told_unless_it_is_revoked() {
    let site = LedgerSite::with_root();
    let soon = now().plus_seconds(10 * 86_400).to_generalized();
    let soon = String::from_utf8(soon.to_vec()).unwrap();
    let index = format!(
        "V\t{soon}\t\t1001\tunknown\t/CN=soon.example\nR\t{soon}\t250101120000Z\t1002\tunknown\t/CN=revoked.example\n\
         V\t20511231235959Z\t\t1003\tunknown\t/CN=late.example\n"
    );
    site.write("index.txt", index);
    site.done("index import root index.txt");
    let told = site.json("ca tick --json");
    let ends = told["expiring"].as_array().unwrap();
    assert_eq!(ends.len(), 1, "{told}");
    assert!(
        ends[0]["what"].as_str().unwrap().contains("soon.example"),
        "{told}"
    );
    assert_eq!(site.json("ca tick --warn 5d --json")["expiring"], json!([]));
}

#[test]
fn a_responder_certificate_is_renewed_in_place_when_half_of_its_life_is_over() {
    let site = LedgerSite::with_root();
    site.done("cert sign root --new-key --key ocsp.key --ocsp --subject /CN=young --days 30 --out young.pem");
    // It is dated back by ten minutes, so that half of its life is over at once.
    let end = now().plus_seconds(540);
    site.done(&format!(
        "cert sign root --new-key --key old.key --ocsp --subject /CN=old --expires {end} --out old.pem"
    ));
    let young = site.read("young.pem");
    let before = site.read("old.pem");

    let told = site.json("ca tick --responder young.pem --responder old.pem --json");
    assert_eq!(told["responders"][0]["outcome"], "not-due", "{told}");
    assert_eq!(told["responders"][1]["outcome"], "renewed", "{told}");
    assert_eq!(site.read("young.pem"), young);
    assert_ne!(site.read("old.pem"), before);
    let shown = site.json("cert show old.pem --json");
    assert_eq!(shown["profile"], "ocsp", "{shown}");
    site.done("crl check published/root.crl --ca root.pem");
    let Some(text) = site.openssl_done("x509 -in old.pem -noout -text -pubkey") else {
        return;
    };
    assert!(
        text.contains("OCSP Signing") && text.contains("OCSP No Check"),
        "{text}"
    );
    let key = site.openssl_done("pkey -in old.key -pubout").unwrap();
    assert!(text.contains(&key), "the key stays: {text}");
}

#[test]
fn a_revoked_responder_certificate_is_not_renewed() {
    let site = LedgerSite::with_root();
    let end = now().plus_seconds(540);
    site.done(&format!(
        "cert sign root --new-key --key ocsp.key --ocsp --subject /CN=ocsp --expires {end} --out ocsp.pem"
    ));
    site.done("cert revoke ocsp.pem --reason keyCompromise --yes");
    let before = site.read("ocsp.pem");
    let said = site.refused("ca tick --responder ocsp.pem");
    assert!(
        said.contains("ocsp.pem was not renewed: it is revoked"),
        "{said}"
    );
    assert_eq!(site.read("ocsp.pem"), before);
}

/// A responder certificate whose half life is over at once: it is dated back by ten minutes.
fn make_old_responder(site: &LedgerSite) {
    let end = now().plus_seconds(540);
    site.done(&format!(
        "cert sign root --new-key --key ocsp.key --ocsp --subject /CN=ocsp --expires {end} --out ocsp.pem"
    ));
}

#[test]
fn a_responders_key_that_is_told_to_be_compromised_by_an_older_certificate_gets_no_other() {
    let site = LedgerSite::with_root();
    make_old_responder(&site);
    std::fs::copy(site.file("ocsp.pem"), site.file("first.pem")).unwrap();
    let end = now().plus_seconds(540);
    site.done(&format!(
        "cert renew ./first.pem --expires {end} --out ocsp.pem"
    ));
    let before = site.read("ocsp.pem");
    site.done("cert revoke ./first.pem --reason keyCompromise --yes");
    let said = site.refused("ca tick --responder ocsp.pem");
    assert!(
        said.contains("which is revoked for keyCompromise"),
        "{said}"
    );
    assert_eq!(site.read("ocsp.pem"), before);
}

#[test]
fn a_responder_certificate_that_cannot_be_put_in_its_place_is_not_signed() {
    let site = LedgerSite::with_root();
    make_old_responder(&site);
    // No file can be made beside it: its name, with something more, is longer than names get.
    let name = format!("{}.pem", "o".repeat(246));
    std::fs::rename(site.file("ocsp.pem"), site.file(&name)).unwrap();
    let before = site.read(&name);
    let signed = || site.json("cert list --json").as_array().unwrap().len();
    let signed_before = signed();
    for _ in 0..2 {
        let said = site.refused(&format!("ca tick --responder {name}"));
        assert!(said.contains("was not renewed: "), "{said}");
        assert!(said.contains("cannot write the file"), "{said}");
    }
    assert_eq!(signed(), signed_before);
    assert_eq!(site.read(&name), before);
}

#[test]
fn what_is_published_can_be_read_by_everybody_whatever_the_umask() {
    let site = LedgerSite::with_root();
    make_old_responder(&site);
    let run = site.shell("umask 077; $OCSPRY ca tick --responder ocsp.pem");
    assert_eq!(run.code, Some(0), "{run:?}");
    for (name, mode) in [
        ("published", 0o755),
        ("published/root.crl", 0o644),
        ("published/root.cer", 0o644),
        ("ocsp.pem", 0o644),
    ] {
        let metadata = std::fs::metadata(site.file(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn a_directory_that_is_there_keeps_its_mode() {
    let site = LedgerSite::with_root();
    let run = site.shell("umask 077; mkdir mine; $OCSPRY ca tick --out-dir mine");
    assert_eq!(run.code, Some(0), "{run:?}");
    let metadata = std::fs::metadata(site.file("mine")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_passphrase_from_a_pipe_opens_the_keys_of_several_cas() {
    let site = LedgerSite::empty();
    site.write("pass", "secret\n");
    for ca in ["root", "other"] {
        site.done(&format!(
            "ca init {ca} --subject /CN={ca} --passphrase-file pass"
        ));
    }
    let run = site.shell("cat pass | $OCSPRY ca tick --passphrase-fd 0");
    assert_eq!(run.code, Some(0), "{run:?}");
    for ca in ["root", "other"] {
        let published = format!("CA {ca}: CRL 1 published");
        assert!(run.stdout.contains(&published), "{run:?}");
    }
}
