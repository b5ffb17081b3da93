//! The index of `openssl ca`, read, written again and used by OpenSSL.

use crate::pki::*;
use ocspry_ca::{
    CaError, CaKey, IndexReader, IndexRow, IndexSubject, KeyAlgorithm, Profile, Subject,
    write_index,
};
use ocspry_core::OwnedCertificate;
use ocspry_testkit::Openssl;
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::openssl_index::{IndexReason, IndexStatus};
use ocspry_wire::x509::pem;
use std::fs;

const CONFIGURATION: &str = "[ca]\ndefault_ca=c\n\
    [c]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ncertificate=ca.pem\nprivate_key=ca.key\n\
    default_md=sha256\npolicy=p\ndefault_days=30\nunique_subject=no\n\
    [p]\n[req]\ndistinguished_name=dn\n[dn]\n";

/// Subjects whose characters some program has stumbled over; `openssl req -subj` takes them without blanks here.
const SUBJECTS: [&str; 8] = [
    "/CN=plain",
    r"/C=DE/O=a\/b\+c\\d/CN=x=y,z",
    "/CN=ü€/O=q+OU=r",
    "/CN=tab\u{1}here/emailAddress=a@b",
    r"/DC=com/UID=u/street=s/serialNumber=7/CN=x\\",
    "/1.2.3.4=own/CN=6",
    "/GN=g/SN=s/title=t/CN=7",
    "/CN=gone",
];

/// A CA of `openssl ca` with a certificate for each subject: two revoked, one on hold, one expired, one until 2051.
fn openssl_ca(openssl: &Openssl) {
    openssl.write("ca.cnf", CONFIGURATION);
    openssl.write("index.txt", "");
    openssl.write("serial", "0A7E\n");
    openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key");
    openssl.run("req -x509 -new -config ca.cnf -key ca.key -subj /CN=CA -days 3650 -out ca.pem");
    for (index, subject) in SUBJECTS.iter().enumerate() {
        let dates = match index {
            1 => "-enddate 20510101000000Z",
            7 => "-startdate 20200101000000Z -enddate 20210101000000Z",
            _ => "",
        };
        openssl.run(&format!(
            "req -new -utf8 -multivalue-rdn -config ca.cnf -key ca.key -subj {subject} -out {index}.csr"
        ));
        openssl.run(&format!(
            "ca -batch -notext -config ca.cnf -preserveDN -in {index}.csr -out {index}.pem {dates}"
        ));
    }
    for (index, reason) in [
        (0, "-crl_compromise 20251231235959Z"),
        (1, "-crl_reason CACompromise"),
        (2, "-crl_hold holdInstructionReject"),
        (3, ""),
        (4, "-crl_CA_compromise 20251231235959Z"),
    ] {
        openssl.run(&format!("ca -config ca.cnf -revoke {index}.pem {reason}"));
    }
    openssl.run("ca -config ca.cnf -updatedb");
}

#[test]
fn an_index_of_openssl_ca_comes_back_octet_for_octet() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl_ca(&openssl);
    let index = openssl.read("index.txt");
    let mut reader = IndexReader::new(&index[..]);
    let (mut raw, mut rows) = (Vec::new(), Vec::new());
    let mut statuses = String::new();
    let mut number = 0;
    while let Some(entry) = reader.next_entry().unwrap() {
        // Once as it stands there, and once from what a book would keep: the subject's DER, the revocation.
        entry.line.push(&mut raw);
        let certificate = openssl.read(&format!("{number}.pem"));
        let certificate = pem::blocks(&certificate).unwrap().remove(0).der;
        let certificate = OwnedCertificate::from_der(certificate).unwrap();
        let view = certificate.view();
        assert_eq!(entry.serial_number, view.serial_number);
        assert_eq!(entry.line.not_after, view.not_after);
        let info = |reason, invalidity_date| match entry.line.status {
            IndexStatus::Revoked(revocation) => Some(RevokedInfo {
                revocation_time: revocation.revocation_time,
                reason,
                invalidity_date,
            }),
            IndexStatus::Valid | IndexStatus::Expired => None,
        };
        let (letter, revoked) = match entry.line.status {
            IndexStatus::Valid => ('V', None),
            IndexStatus::Expired => ('E', None),
            IndexStatus::Revoked(revocation) => match revocation.reason {
                None => ('R', info(None, None)),
                Some(IndexReason::Reason(reason)) => ('r', info(Some(reason), None)),
                Some(IndexReason::KeyTime(since)) => {
                    ('k', info(Some(CrlReason::KeyCompromise), Some(since)))
                }
                Some(IndexReason::CaKeyTime(since)) => {
                    ('c', info(Some(CrlReason::CaCompromise), Some(since)))
                }
                // What an index alone can say is kept by keeping the line.
                Some(IndexReason::HoldInstruction(b"holdInstructionReject")) => ('h', None),
                other => panic!("{other:?}"),
            },
        };
        statuses.push(letter);
        if letter == 'h' {
            entry.line.push(&mut rows);
        } else {
            let row = IndexRow {
                serial_number: entry.serial_number,
                not_after: entry.line.not_after,
                revoked,
                subject: IndexSubject::Name(view.subject),
            };
            let now = match letter {
                'E' => view.not_after.plus_seconds(1),
                _ => view.not_after,
            };
            row.push(&mut rows, now).unwrap();
        }
        number += 1;
    }
    assert_eq!(statuses, "krhRcVVE");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert_eq!(text(&raw), text(&index));
    assert_eq!(text(&rows), text(&index));
}

#[test]
fn openssl_goes_on_with_an_index_that_was_written_here() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let names = ["good", "stolen", "withdrawn"];
    let certificates = names.map(|name| issue(&ca, name, &key, (Profile::Client, Vec::new())));
    let info = |reason| {
        Some(RevokedInfo {
            revocation_time: NOW.plus_seconds(-60),
            reason: Some(reason),
            invalidity_date: Some(NOW.plus_seconds(-3600)),
        })
    };
    let revoked = [
        None,
        info(CrlReason::KeyCompromise),
        info(CrlReason::PrivilegeWithdrawn),
    ];
    let rows = certificates
        .iter()
        .zip(revoked)
        .map(|(certificate, revoked)| IndexRow {
            serial_number: certificate.view().serial_number,
            not_after: Time::MAX,
            revoked,
            subject: IndexSubject::Name(certificate.view().subject),
        });
    write_index(&openssl.path("index.txt"), rows, NOW).unwrap();
    openssl.write_certificate("ca.pem", ca.certificate());
    ca.key().write_pem(&openssl.path("ca.key"), None).unwrap();
    openssl.write("ca.cnf", CONFIGURATION);
    // `openssl ocsp` answers from it without a network.
    for (name, certificate, said) in [
        ("good", &certificates[0], "good"),
        ("stolen", &certificates[1], "revoked"),
        ("withdrawn", &certificates[2], "revoked"),
    ] {
        openssl.write_certificate("c.pem", certificate);
        openssl.run("ocsp -issuer ca.pem -cert c.pem -no_nonce -reqout req.der");
        openssl.run(
            "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin req.der -respout resp.der -ndays 1",
        );
        let text = openssl.run("ocsp -respin resp.der -noverify -resp_text");
        assert!(
            text.contains(&format!("Cert Status: {said}")),
            "{name}: {text}"
        );
        let has_reason = text.contains("Revocation Reason: keyCompromise");
        assert_eq!(has_reason, name == "stolen", "{text}");
    }
    // And `openssl ca` reads it, finds nothing expired, and would write it anew.
    let before = openssl.read("index.txt");
    openssl.run("ca -config ca.cnf -updatedb");
    assert_eq!(openssl.read("index.txt"), before);
    assert_eq!(
        fs::read_to_string(openssl.path("index.txt"))
            .unwrap()
            .lines()
            .count(),
        3
    );
}

#[test]
fn a_line_that_openssl_would_not_write_is_named() {
    let long = format!(
        "V\t270131120000Z\t\t01\tunknown\t/CN={}",
        "x".repeat(70_000)
    );
    for (index, said) in [
        (
            "V\t270131120000Z\t\t01\tunknown\t/CN=a\nx\n",
            "line 2 has 1 fields",
        ),
        ("# comment\n\n", "line 2 has 1 fields"),
        (
            "X\t270131120000Z\t\t01\tunknown\t/CN=a\n",
            "line 1 \"X\" is no status",
        ),
        (
            "V\tsoon\t\t01\tunknown\t/CN=a",
            "line 1 \"soon\" is not a time",
        ),
        (
            "V\t270131120000Z\t\t0x1\tunknown\t/CN=a",
            "line 1 \"0x1\" is not a serial number",
        ),
        (
            "V\t270131120000Z\t\t01\tunknown\t/CN=a\0",
            "line 1 holds a NUL octet",
        ),
        (&long, "line 1 is longer than 65536 octets"),
    ] {
        let mut reader = IndexReader::new(index.as_bytes());
        let error = loop {
            match reader.next_entry() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{said}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, CaError::IndexLine { .. }));
        assert!(error.to_string().starts_with(said), "{error}");
    }
}

#[test]
fn an_index_that_cannot_be_written_whole_leaves_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index.txt");
    fs::write(&path, "old").unwrap();
    let good = Subject::parse("/CN=a").unwrap();
    let row = |subject| IndexRow {
        serial_number: serial(&[1]),
        not_after: Time::MAX,
        revoked: None,
        subject,
    };
    let rows = [
        row(IndexSubject::Name(good.der())),
        row(IndexSubject::Name(b"\x31\x00")),
    ];
    let error = write_index(&path, rows, NOW).unwrap_err();
    assert!(matches!(error, CaError::IndexSubject { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    let rows = [row(IndexSubject::Text(b"/CN=\\xFF"))];
    write_index(&path, rows, NOW).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written, "V\t99991231235959Z\t\t01\tunknown\t/CN=\\xFF\n");
}
