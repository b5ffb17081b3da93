//! `ocspry import django-ca`: CAs that PyPI's django-ca kept go on here, and those of its first versions.

use std::fs;

use ocspry_testkit::{Authority, CrlSpec, KeyKind, Peer, Run, pem, run_bounded};
use serde_json::{Value, json};

use crate::ledger_site::LedgerSite;
use crate::site::{assert_openssl_says, write_private};

/// db.sqlite3 and files/ as django_site.py makes them; None = no Python with django-ca.
pub(crate) fn site_with_django_ca() -> Option<LedgerSite> {
    let site = LedgerSite::empty();
    django(&site, "make")?;
    site.write("passphrase", "secret\n");
    Some(site)
}

fn django(site: &LedgerSite, what: &str) -> Option<()> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/product/django_site.py");
    python(site, &[script, what])
}

fn python(site: &LedgerSite, arguments: &[&str]) -> Option<()> {
    let mut python = Peer::Python.command()?;
    let run = run_bounded(python.args(arguments).current_dir(site.file(".")));
    assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
    Some(())
}

fn counts(told: &Value) -> (&Value, &Value, &Value) {
    (
        &told["entries"],
        &told["certificates"],
        &told["revocations"],
    )
}

/// What openssl hears of a certificate of root.
fn ask(site: &LedgerSite, url: &str, certificate: &str) -> Run {
    let line = format!(
        "ocsp -issuer root.pem -CAfile root.pem -cert {certificate} -url {url} -nonce -text"
    );
    site.openssl(&line).unwrap()
}

const IMPORT: &str = "import django-ca db.sqlite3 --passphrase-file passphrase --json";

#[test]
fn the_cas_of_django_ca_go_on_with_their_certificates_revocations_and_crl_numbers() {
    let Some(site) = site_with_django_ca() else {
        return;
    };
    if Peer::Openssl.find().is_none() {
        return;
    }
    let before = site.read("db.sqlite3");
    let said = site.refused("import django-ca db.sqlite3 --dry-run");
    assert!(
        said.contains("Sub-CA") && said.contains("encrypted"),
        "{said}"
    );
    // Both CAs have a responder's certificate of django-ca, too.
    let told = site.json(&format!("{IMPORT} --dry-run"));
    assert_eq!(counts(&told), (&json!(6), &json!(6), &json!(1)), "{told}");
    assert!(
        !site.file("ledger.db").exists(),
        "a dry run makes no ledger"
    );

    let told = site.json(IMPORT);
    assert_eq!(counts(&told), (&json!(6), &json!(6), &json!(1)), "{told}");
    assert_eq!(told["notes"], json!([]));
    let sequence = || site.json("ledger check --json")["sequence"].clone();
    let recorded = sequence();
    let again = site.json(IMPORT);
    assert_eq!(sequence(), recorded, "nothing is recorded twice");
    assert_eq!(counts(&again), (&json!(6), &json!(0), &json!(0)), "{again}");
    assert_eq!(site.read("db.sqlite3"), before, "it is only read");

    let cas = site.json("ca list --json");
    assert_eq!(
        (&cas[0]["name"], &cas[1]["name"], &cas[1]["parent"]),
        (&json!("root"), &json!("Sub-CA"), &json!("root")),
        "{cas}"
    );
    assert_eq!(cas[0]["ocsp_urls"], json!(["http://ocsp.example.com/"]));
    assert_eq!(
        cas[0]["issuer_urls"],
        json!(["http://ca.example.com/root.der"])
    );
    assert_eq!(
        cas[0]["crl_urls"],
        json!(["http://crl.example.com/root.crl"])
    );
    let listed = site.done("cert list --ca root").stdout;
    let line_of = |name: &str| listed.lines().find(|line| line.ends_with(name)).unwrap();
    assert!(line_of("CN=Sub").contains(" valid "), "{listed}");
    assert!(
        line_of("CN=web.example.com").contains(" valid "),
        "{listed}"
    );
    assert!(
        line_of("CN=gone.example.com").contains(" revoked "),
        "{listed}"
    );
    let shown = site.json("cert show ./web.pem --json");
    assert_eq!(shown["profile"], "server", "{shown}");

    let key = told["cas"][0]["key"].as_str().unwrap();
    site.write(
        "ocspry.toml",
        format!(
            "version = 1\n[listen]\nocsp = [\"127.0.0.1:0\"]\n[issuer.root]\ncertificate = \"root.pem\"\n\
             status = [{{ ledger = \"root\" }}]\nresponder = {{ ca-key = \"{key}\" }}\n[ledger]\nurl = \"sqlite:ledger.db\"\n"
        ),
    );
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    assert_openssl_says(&ask(&site, &process.url(), "web.pem"), "web.pem: good");
    let serial = cas[0]["serial"].as_str().unwrap().to_uppercase();
    let url = format!("{}django_ca/ocsp/{serial}/cert/", process.url());
    let run = ask(&site, &url, "gone.pem");
    assert_openssl_says(&run, "gone.pem: revoked");
    assert!(run.stdout.contains("Reason: keyCompromise"), "{run:?}");
    assert!(
        run.stdout.contains("Nov  1 00:00:00 2026 GMT"),
        "invalidityDate: {run:?}"
    );

    // django-ca numbers them from 0.
    assert_eq!(told["cas"][0]["crl_number"], "1");
    let dumped = site.json("crl dump root --out new.crl --json");
    assert_eq!(
        (&dumped["number"], &dumped["entries"]),
        (&json!("2"), &json!(1)),
        "{dumped}"
    );
    site.openssl_done("verify -crl_check -CAfile root.pem -CRLfile new.crl web.pem");
    let dumped = site.json("crl dump Sub-CA --passphrase-file passphrase --out sub.crl --json");
    assert_eq!(dumped["number"], "1", "{dumped}");
}

#[test]
fn what_django_ca_did_meanwhile_comes_along_when_it_is_run_again() {
    let Some(site) = site_with_django_ca() else {
        return;
    };
    site.json(IMPORT);
    django(&site, "go-on").unwrap();
    let told = site.json(IMPORT);
    assert_eq!(counts(&told), (&json!(7), &json!(1), &json!(2)), "{told}");
    site.done("cert show ./more.pem");
    let listed = site.done("cert list --ca root").stdout;
    for name in ["CN=Sub", "CN=web.example.com"] {
        let line = listed.lines().find(|line| line.ends_with(name)).unwrap();
        assert!(line.contains(" revoked "), "{listed}");
    }
    assert_eq!(site.json("ledger check --json")["whole"], true);
}

/// The tables of django-ca 1.2.1, as far as they matter.
const TABLES_OF_2016: &str = "
CREATE TABLE django_ca_certificateauthority (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT, created datetime NOT NULL, expires datetime NOT NULL, pub text NOT NULL,
    cn varchar(64) NOT NULL, serial varchar(48) NOT NULL UNIQUE, name varchar(32) NOT NULL UNIQUE, enabled bool NOT NULL,
    private_key_path varchar(256) NOT NULL, crl_url text NULL, issuer_url varchar(200) NULL, ocsp_url varchar(200) NULL,
    issuer_alt_name varchar(200) NULL, parent_id integer NULL REFERENCES django_ca_certificateauthority (id));
CREATE TABLE django_ca_certificate (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT, created datetime NOT NULL, expires datetime NOT NULL, csr text NOT NULL,
    pub text NOT NULL, cn varchar(64) NOT NULL, serial varchar(48) NOT NULL UNIQUE, revoked bool NOT NULL,
    revoked_date datetime NULL, revoked_reason varchar(32) NULL,
    ca_id integer NOT NULL REFERENCES django_ca_certificateauthority (id));
";

/// A database of 2016 on its way.
struct Old {
    root: Authority,
    sql: String,
}

impl Old {
    /// With a CA named `Old Root`, whose key is said to be at `key`.
    fn new(key: &str) -> Old {
        let mut old = Old {
            root: Authority::root("Old Root", KeyKind::P256),
            sql: TABLES_OF_2016.to_owned(),
        };
        let certificate = old.root.certificate_pem();
        old.authority("Old Root", "01", &certificate, key, "NULL");
        old
    }

    fn authority(&mut self, name: &str, serial: &str, certificate: &str, key: &str, parent: &str) {
        self.sql += &format!(
            "INSERT INTO django_ca_certificateauthority VALUES (NULL, '2016-04-21 20:39:00', '2026-04-21 20:39:00', \
             '{certificate}', 'cn', '{serial}', '{name}', 1, '{key}', \
             'http://crl.example.com/a\nhttps://crl.example.com/b\n', NULL, 'http://ocsp.example.com/', NULL, {parent});\n"
        );
    }

    /// A certificate of the root; `revoked` as three columns.
    fn issued(&mut self, name: &str, serial: u8, revoked: &str) {
        let certificate = pem("CERTIFICATE", &self.root.server(name, &[0x1A, serial]));
        self.row(name, &format!("1A:{serial:02X}"), &certificate, revoked);
    }

    fn row(&mut self, name: &str, serial: &str, certificate: &str, revoked: &str) {
        self.sql += &format!(
            "INSERT INTO django_ca_certificate VALUES (NULL, '2016-04-21 20:39:00', '2026-04-21 20:39:00', '', \
             '{certificate}', '{name}', '{serial}', {revoked}, 1);\n"
        );
    }

    /// Writes db.sqlite3, as a process of Django that did not end in peace; None = no Python.
    fn write(&self, site: &LedgerSite, journal_mode: &str) -> Option<()> {
        const MAKE: &str = "\
import os, sqlite3, sys
db = sqlite3.connect('db.sqlite3')
db.execute('PRAGMA journal_mode=' + sys.argv[1])
db.executescript(open('db.sql').read())
db.commit()
os._exit(0)";
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(site.file(&format!("db.sqlite3{ending}")));
        }
        site.write("db.sql", &self.sql);
        python(site, &["-c", MAKE, journal_mode])
    }
}

const VALID: &str = "0, NULL, NULL";

#[test]
fn a_database_of_the_first_versions_is_read_too_while_it_is_in_use() {
    let site = LedgerSite::empty();
    let key = site.file("01.key");
    let mut old = Old::new(key.to_str().unwrap());
    write_private(&key, old.root.key.pkcs8_pem().as_bytes());
    old.issued("web.example.com", 1, VALID);
    old.issued("none.example.com", 2, "1, '2016-05-01 08:00:00.123456', ''");
    old.issued(
        "gone.example.com",
        3,
        "1, '2016-05-02 08:00:00', 'keyCompromise'",
    );
    if old.write(&site, "wal").is_none() {
        return;
    }
    assert!(
        site.file("db.sqlite3-wal").exists(),
        "its last writes are in the log"
    );
    let told = site.json("import django-ca db.sqlite3 --json");
    assert_eq!(counts(&told), (&json!(3), &json!(3), &json!(2)), "{told}");
    assert_eq!(told["cas"][0]["key"], json!(key.display().to_string()));
    let notes = told["notes"].to_string();
    assert!(notes.contains("https://crl.example.com/b"), "{notes}");
    assert!(notes.contains("begin with 1"), "{notes}");

    let ca = site.json("ca show Old-Root --json");
    assert_eq!(ca["crl_urls"], json!(["http://crl.example.com/a"]));
    for (serial, revoked_at, reason) in [
        ("1A:02", "2016-05-01T08:00:00Z", "unspecified"),
        ("1A:03", "2016-05-02T08:00:00Z", "keyCompromise"),
    ] {
        let shown = site.json(&format!("cert show {serial} --json"));
        assert_eq!(
            (&shown["revoked_at"], &shown["reason"]),
            (&json!(revoked_at), &json!(reason))
        );
    }
    assert_eq!(
        site.json("crl dump Old-Root --out new.crl --json")["number"],
        "1"
    );
}

#[test]
fn crl_numbers_go_on_above_that_of_a_crl_that_is_named() {
    let site = LedgerSite::empty();
    let old = Old::new("gone.key");
    if old.write(&site, "delete").is_none() {
        return;
    }
    site.write("old.crl", pem("X509 CRL", &old.root.crl(&CrlSpec::new(41))));
    let stranger = Authority::root("Old Root", KeyKind::P256);
    site.write(
        "other.crl",
        pem("X509 CRL", &stranger.crl(&CrlSpec::new(99))),
    );
    let said = site.refused("import django-ca db.sqlite3 --crl other.crl");
    assert!(said.contains("other.crl"), "{said}");
    let told = site.json("import django-ca db.sqlite3 --crl old.crl --json");
    assert_eq!(told["cas"][0]["crl_number"], "41", "{told}");
    assert_eq!(site.json("ca show Old-Root --json")["crl_number"], "41");
}

#[test]
fn a_broken_row_is_named_and_nothing_of_the_database_is_recorded() {
    let site = LedgerSite::empty();
    let stranger = Authority::root("Old Root", KeyKind::P256);
    let foreign = pem("CERTIFICATE", &stranger.server("x", &[0x1A, 9]));
    let cases: [(&str, String, &str, &str); 5] = [
        ("1A:09", foreign, VALID, "did not sign it"),
        (
            "1A:09",
            "no certificate".to_owned(),
            VALID,
            "cannot be read",
        ),
        ("1A:08", String::new(), VALID, "another serial"),
        ("1A:09", String::new(), "1, NULL, ''", "since when"),
        (
            "1A:09",
            String::new(),
            "1, '2199-01-01 00:00:00', ''",
            "still to come",
        ),
    ];
    for (serial, certificate, revoked, problem) in cases {
        let mut old = Old::new("gone.key");
        old.issued("web.example.com", 1, VALID);
        let certificate = match certificate.as_str() {
            "" => pem("CERTIFICATE", &old.root.server("x", &[0x1A, 9])),
            _ => certificate,
        };
        old.row("broken.example.com", serial, &certificate, revoked);
        if old.write(&site, "delete").is_none() {
            return;
        }
        for line in [
            "import django-ca db.sqlite3 --dry-run",
            "import django-ca db.sqlite3",
        ] {
            let said = site.refused(line);
            let row =
                format!("row 2 of django_ca_certificate (broken.example.com, serial {serial})");
            assert!(
                said.contains(&row) && said.contains(problem),
                "{problem}: {said}"
            );
        }
        assert_eq!(site.json("ca list --json"), json!([]), "{problem}");
    }
}

#[test]
fn a_key_is_found_by_its_path_and_a_ca_without_one_signs_nothing() {
    let site = LedgerSite::empty();
    let old = Old::new("/nowhere/01.key");
    if old.write(&site, "delete").is_none() {
        return;
    }
    let key_of = |flags: &str| {
        let told = site.json(&format!("import django-ca db.sqlite3 --json {flags}"));
        (told["cas"][0]["key"].clone(), told["notes"].to_string())
    };
    let (key, notes) = key_of("");
    assert_eq!(key, Value::Null);
    assert!(notes.contains("no key at /nowhere/01.key"), "{notes}");
    let said = site.refused("crl dump Old-Root --out new.crl");
    assert!(said.contains("ca edit Old-Root --key"), "{said}");

    // Brought here from the machine where the absolute path was true.
    fs::create_dir(site.file("keys")).unwrap();
    let other = Authority::root("Other", KeyKind::P256);
    write_private(&site.file("keys/01.key"), other.key.pkcs8_pem().as_bytes());
    let said = site.refused("import django-ca db.sqlite3 --keys keys");
    assert!(said.contains("keys/01.key"), "{said}");
    write_private(
        &site.file("keys/01.key"),
        old.root.key.pkcs8_pem().as_bytes(),
    );
    let (key, _) = key_of("--keys keys --dry-run");
    assert!(key.as_str().unwrap().ends_with("keys/01.key"), "{key}");
    assert_eq!(key_of("--no-keys").0, Value::Null);
    key_of("--keys keys");
    site.done("crl dump Old-Root --out new.crl");
}

#[test]
fn cas_get_names_that_urls_can_have_and_a_revoked_one_is_disabled_and_revoked_above() {
    let site = LedgerSite::empty();
    let mut old = Old::new("gone.key");
    let sub = old.root.intermediate("Sub", KeyKind::P256);
    let serial = sub_serial(&sub);
    old.authority("Old-Root", &serial, &sub.certificate_pem(), "gone.key", "1");
    // As every version since 1.5 has them.
    old.sql += "ALTER TABLE django_ca_certificateauthority ADD COLUMN revoked bool;
         ALTER TABLE django_ca_certificateauthority ADD COLUMN revoked_date datetime;
         ALTER TABLE django_ca_certificateauthority ADD COLUMN revoked_reason varchar(32);
         UPDATE django_ca_certificateauthority SET revoked = 1, revoked_date = '2020-01-02 03:04:05', \
         revoked_reason = 'ca_compromise' WHERE id = 2;";
    if old.write(&site, "delete").is_none() {
        return;
    }
    let said = site.refused("import django-ca db.sqlite3");
    assert!(
        said.contains("Old-Root") && said.contains("--rename"),
        "{said}"
    );
    let told = site.json("import django-ca db.sqlite3 --rename Old-Root=issuing --json");
    assert_eq!(told["cas"][1]["ca"], "issuing", "{told}");
    let cas = site.json("ca list --json");
    assert_eq!(
        (&cas[0]["enabled"], &cas[1]["enabled"]),
        (&json!(true), &json!(false)),
        "{cas}"
    );
    let shown = site.json(&format!("cert show {serial} --json"));
    assert_eq!(
        (&shown["revoked_at"], &shown["reason"]),
        (&json!("2020-01-02T03:04:05Z"), &json!("cACompromise"))
    );

    // A parent that is none is a broken row.
    old.sql += "UPDATE django_ca_certificateauthority SET parent_id = 2 WHERE id = 2;";
    old.write(&site, "delete").unwrap();
    let said = site.refused("import django-ca db.sqlite3 --rename Old-Root=issuing");
    assert!(
        said.contains("row 2 of django_ca_certificateauthority"),
        "{said}"
    );
}

#[test]
fn a_ca_that_is_disabled_there_later_is_disabled_here_when_it_is_run_again() {
    let site = LedgerSite::empty();
    let mut old = Old::new("gone.key");
    old.sql +=
        "ALTER TABLE django_ca_certificateauthority ADD COLUMN revoked bool NOT NULL DEFAULT 0;
         ALTER TABLE django_ca_certificateauthority ADD COLUMN revoked_date datetime;
         ALTER TABLE django_ca_certificateauthority ADD COLUMN revoked_reason varchar(32);";
    let mut then = |sql: &str| {
        old.sql += sql;
        old.write(&site, "delete")?;
        Some(site.json("import django-ca db.sqlite3 --json"))
    };
    let enabled = || site.json("ca show Old-Root --json")["enabled"].clone();
    if then("").is_none() {
        return;
    }
    assert_eq!(enabled(), true);
    for disabled in [
        "enabled = 0",
        "enabled = 1, revoked = 1, revoked_date = '2020-01-02 03:04:05', revoked_reason = ''",
    ] {
        let update = format!("UPDATE django_ca_certificateauthority SET {disabled};");
        let told = then(&update).unwrap();
        assert_eq!(enabled(), false, "{disabled}: {told}");
        let notes = told["notes"].to_string();
        assert!(notes.contains("it was disabled there since"), "{notes}");
        let recorded = site.json("ledger check --json")["sequence"].clone();
        then("").unwrap();
        let again = site.json("ledger check --json")["sequence"].clone();
        assert_eq!(again, recorded, "nothing is recorded twice");
        site.done("ca edit Old-Root --enable");
    }
}

fn sub_serial(authority: &Authority) -> String {
    let view = ocspry_wire::x509::Certificate::from_der(&authority.certificate).unwrap();
    view.serial_number.to_string()
}

#[test]
fn what_is_no_database_of_django_ca_is_refused_with_what_to_do() {
    let site = LedgerSite::with_root();
    site.write("text", "not a database, but longer than the header that one has: all of a hundred octets of it, in fact\n");
    for (file, part) in [
        ("text", "is no SQLite database"),
        ("ledger.db", "has no table django_ca_certificateauthority"),
        ("nothing", "cannot be opened"),
        (".", "cannot be opened"),
    ] {
        let said = site.refused(&format!("import django-ca {file}"));
        assert!(said.contains(part) && said.contains(file), "{file}: {said}");
    }
}
