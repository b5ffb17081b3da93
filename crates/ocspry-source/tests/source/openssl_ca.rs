//! What `openssl ca` leaves behind: its index and its directory of certificates, read as they are.

use std::collections::BTreeMap;

use ocspry_core::OwnedCertificate;
use ocspry_source::{IssuedEntry, IssuedKind, IssuedLimits, read_issued};
use ocspry_testkit::{Openssl, pem_to_der};
use ocspry_wire::Time;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::Certificate;

const CONFIGURATION: &str = "\
[ca]
default_ca = main
[main]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = newcerts
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
";

/// What is done to a certificate, and what is to be read of it then.
type Revocation = (
    &'static str,
    Option<(Option<CrlReason>, Option<&'static str>)>,
);

const REVOCATIONS: [Revocation; 14] = [
    ("", None),
    ("-revoke", Some((None, None))),
    ("-crl_reason unspecified -revoke", Some((None, None))),
    (
        "-crl_reason keyCompromise -revoke",
        Some((Some(CrlReason::KeyCompromise), None)),
    ),
    (
        "-crl_reason CACompromise -revoke",
        Some((Some(CrlReason::CaCompromise), None)),
    ),
    (
        "-crl_reason affiliationChanged -revoke",
        Some((Some(CrlReason::AffiliationChanged), None)),
    ),
    (
        "-crl_reason superseded -revoke",
        Some((Some(CrlReason::Superseded), None)),
    ),
    (
        "-crl_reason cessationOfOperation -revoke",
        Some((Some(CrlReason::CessationOfOperation), None)),
    ),
    (
        "-crl_reason certificateHold -revoke",
        Some((Some(CrlReason::CertificateHold), None)),
    ),
    // Not revoked, as in a CRL (ADR-0007).
    ("-crl_reason removeFromCRL -revoke", None),
    (
        "-crl_hold holdInstructionReject -revoke",
        Some((Some(CrlReason::CertificateHold), None)),
    ),
    (
        "-crl_compromise 20260131120000Z -revoke",
        Some((Some(CrlReason::KeyCompromise), Some("2026-01-31T12:00:00Z"))),
    ),
    (
        "-crl_CA_compromise 20260131120000Z -revoke",
        Some((Some(CrlReason::CaCompromise), Some("2026-01-31T12:00:00Z"))),
    ),
    ("", None),
];

/// Issues one certificate for each of [`REVOCATIONS`] with serials from 0xFE on, and revokes it so.
fn openssl_ca() -> Option<Openssl> {
    let openssl = Openssl::find()?;
    openssl.write("ca.cnf", CONFIGURATION);
    openssl.write("index.txt", "");
    openssl.write("serial", "FE\n");
    openssl.write("crlnumber", "01\n");
    std::fs::create_dir(openssl.path("newcerts")).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl.run(&format!(
        "req -x509 -config ca.cnf {key} -keyout ca.key -out ca.pem -days 60 -subj /CN=OpenSSL-CA"
    ));
    openssl.run(&format!(
        "req -config ca.cnf {key} -keyout leaf.key -out leaf.csr -subj /CN=leaf"
    ));
    for (index, (revocation, _)) in REVOCATIONS.iter().enumerate() {
        let days = if index == 0 {
            "-enddate 20991231235959Z"
        } else {
            ""
        };
        openssl.run(&format!(
            "ca -batch -config ca.cnf -in leaf.csr -subj /CN=leaf{index} {days} -notext"
        ));
        if !revocation.is_empty() {
            openssl.run(&format!(
                "ca -config ca.cnf {revocation} {}",
                file_of(index)
            ));
        }
    }
    Some(openssl)
}

const FIRST_SERIAL: usize = 0xfe;

/// Named for the serial number in whole octets.
fn file_of(index: usize) -> String {
    let hex = format!("{:X}", FIRST_SERIAL + index);
    format!(
        "newcerts/{}{hex}.pem",
        if hex.len() % 2 == 0 { "" } else { "0" }
    )
}

fn der_of(openssl: &Openssl, name: &str) -> Vec<u8> {
    pem_to_der(&String::from_utf8(openssl.read(name)).unwrap())
}

fn serial_of(index: usize) -> Vec<u8> {
    // 00fe, 00ff, 0100, …
    u16::try_from(FIRST_SERIAL + index)
        .unwrap()
        .to_be_bytes()
        .to_vec()
}

fn entries(openssl: &Openssl, name: &str, kind: IssuedKind) -> BTreeMap<Vec<u8>, IssuedEntry> {
    let ca = OwnedCertificate::from_der(der_of(openssl, "ca.pem")).unwrap();
    let mut entries = BTreeMap::new();
    let facts = read_issued(&openssl.path(name), &ca, &IssuedLimits::DEFAULT, |entry| {
        entries.insert(entry.serial_number.content().to_vec(), entry);
    })
    .unwrap();
    assert_eq!(facts.kind, kind);
    assert_eq!(facts.issued, entries.len() as u64);
    entries
}

#[test]
fn dbs_01_an_index_of_openssl_ca_says_what_was_issued_and_revoked_when_and_why() {
    let started = ocspry_testkit::now();
    let Some(openssl) = openssl_ca() else { return };
    let found = entries(&openssl, "index.txt", IssuedKind::Index);
    assert_eq!(found.len(), REVOCATIONS.len());
    for (index, (what, expected)) in REVOCATIONS.iter().enumerate() {
        let entry = found[&serial_of(index)];
        let Some((reason, invalidity_date)) = expected else {
            assert_eq!(entry.revoked, None, "{what}");
            continue;
        };
        let info = entry.revoked.expect(what);
        let age = info.revocation_time.seconds_since(started);
        assert!((0..300).contains(&age), "{what}: {}", info.revocation_time);
        assert_eq!(info.reason, *reason, "{what}");
        let date = info.invalidity_date.map(|date| date.to_string());
        assert_eq!(date.as_deref(), *invalidity_date, "{what}");
    }
    let in_2099 = Time::from_generalized(b"20991231235959Z");
    assert_eq!(found[&serial_of(0)].not_after, in_2099);
}

#[test]
fn dbs_10_an_index_of_openssl_ca_and_the_crl_made_from_it_agree_on_every_serial() {
    let Some(openssl) = openssl_ca() else { return };
    openssl.run("ca -config ca.cnf -gencrl -out ca.crl");
    let der = der_of(&openssl, "ca.crl");
    let mut on_crl = BTreeMap::new();
    ocspry_wire::x509::CertificateList::from_der(&der, |entry| {
        if !entry.remove_from_crl {
            on_crl.insert(entry.serial_content.to_vec(), entry.revoked);
        }
    })
    .unwrap();
    let in_index: BTreeMap<_, _> = entries(&openssl, "index.txt", IssuedKind::Index)
        .into_iter()
        .filter_map(|(serial, entry)| Some((serial, entry.revoked?)))
        .collect();
    assert_eq!(in_index.len(), 11);
    assert_eq!(in_index, on_crl);
}

#[test]
fn the_directory_that_openssl_ca_fills_names_the_same_certificates_as_its_index() {
    let Some(openssl) = openssl_ca() else { return };
    let in_index = entries(&openssl, "index.txt", IssuedKind::Index);
    let in_directory = entries(&openssl, "newcerts", IssuedKind::Certificates);
    let dates = |entries: &BTreeMap<Vec<u8>, IssuedEntry>| -> Vec<_> {
        let dates = entries
            .iter()
            .map(|(serial, entry)| (serial.clone(), entry.not_after));
        dates.collect()
    };
    assert_eq!(dates(&in_directory), dates(&in_index));
}

#[test]
fn an_expired_certificate_in_an_updated_index_is_still_issued() {
    let Some(openssl) = openssl_ca() else { return };
    openssl.run("ca -batch -config ca.cnf -in leaf.csr -subj /CN=old -startdate 20200101000000Z -enddate 20200201000000Z -notext");
    openssl.run("ca -config ca.cnf -updatedb");
    assert!(
        openssl
            .read("index.txt")
            .split(|octet| *octet == b'\n')
            .any(|line| line.starts_with(b"E\t"))
    );
    let entry = entries(&openssl, "index.txt", IssuedKind::Index)[&serial_of(REVOCATIONS.len())];
    assert_eq!(entry.revoked, None);
    assert_eq!(entry.not_after, Time::from_generalized(b"20200201000000Z"));
}

#[test]
fn serials_as_openssl_x509_prints_them_are_a_list() {
    let Some(openssl) = openssl_ca() else { return };
    let mut list = String::new();
    for index in 0..REVOCATIONS.len() {
        let file = file_of(index);
        list += &openssl.run(&format!("x509 -in {file} -noout -serial"));
        // Read back with our own eyes.
        let der = der_of(&openssl, &file);
        let certificate = Certificate::from_der(&der).unwrap();
        assert_eq!(certificate.serial_number.content(), serial_of(index));
    }
    assert!(list.starts_with("serial=FE\n"), "{list}");
    openssl.write("serials.txt", &list);
    let found = entries(&openssl, "serials.txt", IssuedKind::Serials);
    let expected: Vec<_> = (0..REVOCATIONS.len()).map(serial_of).collect();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), expected);
}
