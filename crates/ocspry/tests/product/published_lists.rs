//! `ocspry crl dump`, `ocspry index dump` and `ocspry index import`: lists of a built-in CA, as openssl reads them.

use crate::ledger_site::LedgerSite;
use serde_json::json;

/// As `openssl ca` writes it: valid, expired, beyond 2050, escaped, and revoked in several ways.
pub(crate) const INDEX: &str = "\
V\t351231235959Z\t\t1001\tunknown\t/O=Example/CN=good.example
E\t200101000000Z\t\t1002\tunknown\t/CN=old.example
V\t20511231235959Z\t\t1003\tunknown\t/CN=b\\xC3\\xBCcher.example
R\t351231235959Z\t250101120000Z\t1004\tunknown\t/CN=gone.example
R\t351231235959Z\t250101120001Z,keyCompromise\t1005\tunknown\t/CN=stolen.example
R\t351231235959Z\t250101120002Z,keyTime,20241231000000Z\t1006\tunknown\t/CN=since.example
R\t351231235959Z\t250101120003Z,certificateHold\t1007\tunknown\t/CN=held.example
R\t20511231235959Z\t250101120004Z,CAkeyTime,20241231000000Z\t1008\tunknown\t/CN=ca.example
";

/// One more, revoked.
const MORE: &str = "R\t351231235959Z\t250202120000Z,superseded\t2001\tunknown\t/CN=more.example\n";

pub(crate) fn site_with_index() -> LedgerSite {
    let site = LedgerSite::with_root();
    site.write("index.txt", INDEX);
    site.done("index import root index.txt");
    site
}

#[test]
fn an_index_comes_back_octet_for_octet_as_it_was_imported() {
    let site = site_with_index();
    site.done("index dump root again.txt");
    assert_eq!(String::from_utf8(site.read("again.txt")).unwrap(), INDEX);
}

#[test]
fn an_import_says_before_what_it_would_add_and_adds_it_once() {
    let site = LedgerSite::with_root();
    site.write("index.txt", INDEX);
    let counts = |line: &str| {
        let said = site.json(line);
        (
            said["entries"].clone(),
            said["certificates"].clone(),
            said["revocations"].clone(),
        )
    };
    let all = (json!(8), json!(8), json!(5));
    assert_eq!(counts("index import root index.txt --dry-run --json"), all);
    assert_eq!(counts("index import root index.txt --dry-run --json"), all);
    assert_eq!(counts("index import root index.txt --json"), all);
    let nothing = (json!(8), json!(0), json!(0));
    assert_eq!(counts("index import root index.txt --json"), nothing);
}

#[test]
fn an_index_with_a_broken_line_is_refused_whole_and_the_line_is_named() {
    let site = LedgerSite::with_root();
    site.write(
        "index.txt",
        format!("{INDEX}V\tnever\t\t3001\tunknown\t/CN=x\n"),
    );
    let said = site.refused("index import root index.txt");
    assert!(said.contains("line 9") && said.contains("never"), "{said}");
    site.done("index dump root again.txt");
    assert_eq!(site.read("again.txt"), b"");
}

#[test]
fn stock_openssl_answers_good_and_revoked_from_a_dumped_index() {
    let site = site_with_index();
    site.done("index dump root index.dumped");
    for (serial, part) in [
        ("0x1001", "Cert Status: good"),
        ("0x1003", "Cert Status: good"),
        ("0x1004", "Cert Status: revoked"),
        ("0x1005", "Revocation Reason: keyCompromise"),
        ("0x1006", "Revocation Reason: keyCompromise"),
        ("0x1007", "Revocation Reason: certificateHold"),
        ("0x1008", "Revocation Reason: cACompromise"),
        ("0x9999", "Cert Status: unknown"),
    ] {
        let line = format!(
            "ocsp -index index.dumped -rsigner root.pem -rkey root.key -CA root.pem -issuer root.pem -serial {serial} \
             -resp_text"
        );
        let Some(said) = site.openssl_done(&line) else {
            return;
        };
        assert!(said.contains(part), "{serial}: {said}");
    }
}

#[test]
fn an_index_of_two_cas_with_one_serial_is_refused() {
    let site = site_with_index();
    site.done("ca init other --subject /CN=Other --no-passphrase");
    site.write("other.txt", MORE);
    site.done("index import other other.txt");
    site.done("index dump all.txt");
    assert_eq!(
        String::from_utf8(site.read("all.txt")).unwrap(),
        format!("{INDEX}{MORE}")
    );

    site.write("other.txt", INDEX);
    site.done("index import other other.txt");
    let said = site.refused("index dump all.txt");
    assert!(said.contains("both have a certificate of serial"), "{said}");
    let kept = String::from_utf8(site.read("all.txt")).unwrap();
    assert_eq!(kept, format!("{INDEX}{MORE}"), "the file of before stays");
}

#[test]
fn a_crl_names_what_is_revoked_and_openssl_verifies_it() {
    let site = site_with_index();
    let said = site.json("crl dump root --out root.crl --json");
    assert_eq!(
        (&said["number"], &said["entries"]),
        (&json!("1"), &json!(5)),
        "{said}"
    );
    let shown = site.json("crl show root.crl --json");
    assert_eq!(shown["by_reason"]["keyCompromise"], 2, "{shown}");
    assert_eq!(shown["by_reason"]["certificateHold"], 1, "{shown}");
    assert_eq!(shown["invalidity_dates"], 2, "{shown}");
    site.done("crl check root.crl --ca root.pem");
    let verified = site.openssl("crl -in root.crl -CAfile root.pem -noout -crlnumber");
    let Some(verified) = verified else { return };
    assert!(verified.stderr.contains("verify OK"), "{verified:?}");
    assert!(verified.stdout.contains("crlNumber=0x01"), "{verified:?}");
}

#[test]
fn a_number_is_used_once_also_where_the_list_was_lost() {
    let site = site_with_index();
    let number = |line: &str| site.json(line)["number"].clone();
    assert_eq!(number("crl dump root --out root.crl --json"), "1");
    site.refused("crl dump root --out nowhere/root.crl");
    assert_eq!(number("crl dump root --out root.crl --json"), "3");
    assert_eq!(site.json("ca show root --json")["crl_number"], "3");
    assert_eq!(site.json("ledger check --json")["whole"], true);
}

#[test]
fn a_delta_says_what_changed_since_the_last_complete_list() {
    let site = site_with_index();
    let said = site.refused("crl dump root --delta --out delta.crl");
    assert!(said.contains("no complete CRL"), "{said}");

    site.done("crl dump root --out root.crl");
    site.write("more.txt", MORE);
    site.done("index import root more.txt");
    let said = site.json("crl dump root --delta --form der --out delta.crl --json");
    assert_eq!(
        (&said["number"], &said["base_number"]),
        (&json!("2"), &json!("1")),
        "{said}"
    );
    let shown = site.json("crl show delta.crl --json");
    assert_eq!(shown["form"], "der");
    assert_eq!(
        (&shown["entries"], &shown["base_number"]),
        (&json!(1), &json!("1")),
        "{shown}"
    );
    assert_eq!(shown["by_reason"]["superseded"], 1, "{shown}");
}

#[test]
fn a_revoked_certificate_is_listed_once_after_it_ran_out_and_then_no_more() {
    let site = LedgerSite::with_root();
    site.write(
        "index.txt",
        "R\t200101000000Z\t190101120000Z\t1001\tunknown\t/CN=old.example\n",
    );
    site.done("index import root index.txt");
    let entries = || site.json("crl dump root --out root.crl --json")["entries"].clone();
    assert_eq!(entries(), 1);
    assert_eq!(entries(), 0);
}

#[test]
fn without_a_file_the_list_goes_to_standard_output() {
    let site = site_with_index();
    let dumped = site.done("crl dump root");
    assert!(
        dumped.stdout.starts_with("-----BEGIN X509 CRL-----\n"),
        "{dumped:?}"
    );
    assert!(
        dumped.stderr.contains("CRL 1 of CA root: 5 entries"),
        "{dumped:?}"
    );
}
