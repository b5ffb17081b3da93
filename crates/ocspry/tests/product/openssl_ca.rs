//! `ocspry import openssl-ca`: a CA that `openssl ca` kept goes on here.

use crate::ledger_site::LedgerSite;
use serde_json::json;

const CONFIG: &str = "\
[ca]
default_ca = demo
[demo]
database = demoCA/index.txt
serial = demoCA/serial
crlnumber = demoCA/crlnumber
new_certs_dir = demoCA/newcerts
certificate = demoCA/cacert.pem
private_key = demoCA/private/cakey.pem
default_md = sha256
default_days = 30
default_crl_days = 7
unique_subject = no
policy = any
[any]
organizationName = optional
commonName = supplied
";

/// demoCA with two certificates, one of them revoked, and a CRL; None = no openssl.
pub(crate) fn site_with_demo_ca() -> Option<LedgerSite> {
    let site = LedgerSite::empty();
    for directory in ["demoCA/newcerts", "demoCA/private"] {
        std::fs::create_dir_all(site.file(directory)).unwrap();
    }
    site.write("ca.cnf", CONFIG);
    site.write("demoCA/index.txt", "");
    site.write("demoCA/serial", "1001\n");
    site.write("demoCA/crlnumber", "0A10\n");
    site.openssl_done(
        "req -x509 -newkey rsa:2048 -nodes -keyout demoCA/private/cakey.pem -out demoCA/cacert.pem -subj /CN=Demo \
         -days 365",
    )?;
    for name in ["web", "gone"] {
        issue(&site, name)?;
    }
    site.openssl_done("ca -batch -config ca.cnf -revoke gone.pem -crl_reason keyCompromise")?;
    site.openssl_done("ca -batch -config ca.cnf -gencrl -out old.crl")?;
    Some(site)
}

fn issue(site: &LedgerSite, name: &str) -> Option<()> {
    site.openssl_done(&format!(
        "req -new -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /O=Example/CN={name}.example"
    ))?;
    site.openssl_done(&format!(
        "ca -batch -config ca.cnf -in {name}.csr -out {name}.pem"
    ))?;
    Some(())
}

#[test]
fn a_ca_of_openssl_goes_on_with_its_certificates_revocations_and_crl_numbers() {
    let Some(site) = site_with_demo_ca() else {
        return;
    };
    let told = site.json("import openssl-ca demoCA --name demo --dry-run --json");
    assert_eq!(
        (&told["certificates"], &told["revocations"]),
        (&json!(2), &json!(1)),
        "{told}"
    );
    assert!(
        !site.file("ledger.db").exists(),
        "a dry run makes no ledger"
    );

    let told = site.json("import openssl-ca demoCA --name demo --json");
    assert_eq!(
        (&told["certificates"], &told["with_certificate"]),
        (&json!(2), &json!(2)),
        "{told}"
    );
    assert_eq!(told["crl_number"], "2576");
    site.done("index dump demo again.txt");
    assert_eq!(site.read("again.txt"), site.read("demoCA/index.txt"));

    let dumped = site.json("crl dump demo --out new.crl --json");
    assert_eq!(
        (&dumped["number"], &dumped["entries"]),
        (&json!("2577"), &json!(1)),
        "{dumped}"
    );
    let verified = site
        .openssl("verify -crl_check -CAfile demoCA/cacert.pem -CRLfile new.crl web.pem")
        .unwrap();
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let refused = site
        .openssl("verify -crl_check -CAfile demoCA/cacert.pem -CRLfile new.crl gone.pem")
        .unwrap();
    assert!(
        refused.stderr.contains("certificate revoked"),
        "{refused:?}"
    );
}

#[test]
fn an_import_is_run_again_and_takes_what_is_new() {
    let Some(site) = site_with_demo_ca() else {
        return;
    };
    site.done("import openssl-ca demoCA --name demo");
    let told = site.json("import openssl-ca demoCA --name demo --json");
    assert_eq!(
        (&told["certificates"], &told["revocations"]),
        (&json!(0), &json!(0)),
        "{told}"
    );
    issue(&site, "more").unwrap();
    let told = site.json("import openssl-ca demoCA --name demo --json");
    assert_eq!(
        (&told["certificates"], &told["entries"]),
        (&json!(1), &json!(3)),
        "{told}"
    );
    assert_eq!(site.json("ledger check --json")["whole"], true);
}

#[test]
fn a_certificate_that_openssl_signed_and_did_not_list_is_taken_too() {
    let Some(site) = site_with_demo_ca() else {
        return;
    };
    let index = site.read("demoCA/index.txt");
    issue(&site, "cut").unwrap();
    site.write("demoCA/index.txt", &index);
    let told = site.json("import openssl-ca demoCA --name demo --json");
    assert_eq!(
        (&told["certificates"], &told["beside_index"]),
        (&json!(2), &json!(1)),
        "{told}"
    );
    site.done("cert show 1003");
}

#[test]
fn a_broken_index_or_another_key_leaves_no_ca_behind() {
    let Some(site) = site_with_demo_ca() else {
        return;
    };
    site.write("crlnumber.kept", site.read("demoCA/crlnumber"));
    site.write("demoCA/crlnumber", "many\n");
    let said = site.refused("import openssl-ca demoCA --name demo");
    assert!(said.contains("crlnumber"), "{said}");
    site.write("demoCA/crlnumber", site.read("crlnumber.kept"));

    let said = site.refused("import openssl-ca demoCA --name demo --key web.key");
    assert!(said.contains("web.key"), "{said}");

    let mut index = site.read("demoCA/index.txt");
    index.extend_from_slice(b"V\tbroken\n");
    site.write("demoCA/index.txt", index);
    let said = site.refused("import openssl-ca demoCA --name demo");
    assert!(said.contains("line 3"), "{said}");
    assert_eq!(site.json("ca list --json"), json!([]));
}

#[test]
fn a_file_that_is_not_the_certificate_of_its_line_refuses_all_and_the_line_is_named() {
    let Some(site) = site_with_demo_ca() else {
        return;
    };
    let gone = site.read("demoCA/newcerts/1002.pem");
    let refused = |part: &str| {
        let said = site.refused("import openssl-ca demoCA --name demo");
        assert!(
            said.contains("line 2") && said.contains("newcerts/1002.pem") && said.contains(part),
            "{said}"
        );
        let previewed = site.refused("import openssl-ca demoCA --name demo --dry-run");
        assert!(previewed.contains(part), "{previewed}");
    };
    // The line of 1002 is revoked: that is not said of 1001.
    site.write(
        "demoCA/newcerts/1002.pem",
        site.read("demoCA/newcerts/1001.pem"),
    );
    refused("is the certificate of serial 1001");
    site.openssl_done(
        "req -x509 -newkey rsa:2048 -nodes -keyout foreign.key -out demoCA/newcerts/1002.pem -subj /CN=Foreign \
         -set_serial 0x1002 -days 40",
    );
    let index = String::from_utf8(site.read("demoCA/index.txt")).unwrap();
    refused("ends at");
    let foreign = site
        .openssl_done("x509 -in demoCA/newcerts/1002.pem -noout -enddate -dateopt iso_8601")
        .unwrap();
    let digits: String = foreign.chars().filter(char::is_ascii_digit).collect();
    let line = index.lines().nth(1).unwrap();
    let end = line.split('\t').nth(1).unwrap();
    site.write(
        "demoCA/index.txt",
        index.replace(line, &line.replace(end, &format!("{}Z", &digits[2..]))),
    );
    refused("was not signed by this CA's key");

    site.write("demoCA/index.txt", index);
    site.write("demoCA/newcerts/1002.pem", gone);
    let told = site.json("import openssl-ca demoCA --name demo --json");
    assert_eq!(told["with_certificate"], 2, "{told}");
}

#[test]
fn a_certificate_that_is_known_by_its_line_is_not_said_to_be_brought_later() {
    let Some(site) = site_with_demo_ca() else {
        return;
    };
    site.done("ca import demo --certificate demoCA/cacert.pem --key demoCA/private/cakey.pem");
    site.done("index import demo demoCA/index.txt");
    let finished = site.run("cert import demo web.pem");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("web.pem: the ledger has it by its serial, without the certificate"),
        "{finished:?}"
    );
    for line in ["cert renew 1001", "cert show 1001 --pem"] {
        let said = site.refused(line);
        assert!(said.contains("the ledger takes none later"), "{said}");
    }
}
