//! Lists made to measure: every shape, every refusal, and that slices do not matter.

use proptest::prelude::*;

use super::*;
use crate::der::oid;
use crate::der::write::{push, push_header, push_nested};
use crate::ocsp::{CrlReason, RevokedInfo};
use crate::x509::SerialNumber;

mod entries;
mod extensions;
mod pieces;
mod scopes;

/// A Name and its DER.
const CA: &[u8] = b"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02CA";
const OTHER_CA: &[u8] = b"\x30\x10\x31\x0e\x30\x0c\x06\x03\x55\x04\x03\x0c\x05Other";
/// 1.2.3.4, which nobody knows.
const UNKNOWN: &[u8] = &[0x2a, 3, 4];
const CRITICAL: Option<u8> = Some(0xff);

/// What one entry was, with its borrowed parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    serial_number: SerialNumber,
    revoked: RevokedInfo,
    remove_from_crl: bool,
    certificate_issuer: Option<Vec<u8>>,
}

type Read = (Vec<Seen>, Result<CertificateList, CrlError>);

fn read(der: &[u8]) -> Read {
    let mut entries = Vec::new();
    let result = CertificateList::from_der(der, |entry| entries.push(seen(entry)));
    (entries, result)
}

/// In slices of so many octets.
fn read_in(der: &[u8], octets: usize) -> Read {
    let cuts: Vec<usize> = (0..der.len()).step_by(octets).collect();
    read_cut(der, &cuts)
}

/// In slices that end at these octets, and one with the rest.
fn read_cut(der: &[u8], cuts: &[usize]) -> Read {
    let mut entries = Vec::new();
    let mut parser = CrlParser::new();
    let mut at = 0;
    for &end in cuts.iter().chain([&der.len()]) {
        match parser.push(&der[at..end], |entry| entries.push(seen(entry))) {
            Ok(taken) => at += taken,
            Err(error) => {
                assert_eq!(parser.finish(), Err(error), "it stays refused");
                return (entries, Err(error));
            }
        }
        assert!(end - at < CrlParser::PIECE_MAX, "more than a piece is left");
    }
    (entries, parser.finish())
}

fn accepted(der: &[u8]) -> (Vec<Seen>, CertificateList) {
    let (entries, result) = read(der);
    assert_eq!(read_in(der, 7).1, result);
    (entries, result.unwrap())
}

fn seen(entry: CrlEntry<'_>) -> Seen {
    Seen {
        serial_number: SerialNumber::from_content(entry.serial_content).unwrap(),
        revoked: entry.revoked,
        remove_from_crl: entry.remove_from_crl,
        certificate_issuer: entry.certificate_issuer.map(<[u8]>::to_vec),
    }
}

fn serials(entries: &[Seen]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| entry.serial_number.to_string())
        .collect()
}

fn error(offset: usize, kind: DerErrorKind) -> CrlError {
    CrlError::Der(DerError { offset, kind })
}

/// Where this stands, once.
fn find(der: &[u8], part: &[u8]) -> usize {
    let mut found = der
        .windows(part.len())
        .enumerate()
        .filter(|(_, window)| *window == part);
    let (offset, _) = found.next().unwrap();
    assert_eq!(found.next(), None);
    offset
}

fn full() -> Vec<u8> {
    let date = extension(oid::INVALIDITY_DATE, None, b"\x18\x0f20251224120000Z");
    list(
        &[
            entry(&[0x12, 0x34], &[]),
            entry(&[5; 20], &[reason(1)]),
            entry(&[6; 16], &[reason(6), date]),
            entry(&[0x80], &[]),
            entry_at(tag::GENERALIZED_TIME, "20500101000000Z"),
        ],
        &[number(7), key_id(), extension(UNKNOWN, Some(0), &[])],
    )
}

fn indirect() -> Vec<u8> {
    list(
        &[
            entry(&[1], &[]),
            entry(&[2], &[certificate_issuer(&[OTHER_CA])]),
            entry(&[3], &[reason(3)]),
        ],
        &[number(7), scope(&[0x84, 1, 0xff])],
    )
}

fn delta() -> Vec<u8> {
    list(
        &[entry(&[1], &[reason(8)]), entry(&[2], &[])],
        &[
            number(9),
            base(7),
            key_id(),
            scope(b"\xa0\x0a\xa0\x08\x86\x06http:a\x82\x01\xff\x83\x02\x05\x60"),
            extension(oid::FRESHEST_CRL, None, &freshest()),
        ],
    )
}

fn empty() -> Vec<u8> {
    list(&[], &[number(7)])
}

fn version_1() -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push_nested(out, tag::SEQUENCE, |out| {
            out.extend_from_slice(ALGORITHM);
            out.extend_from_slice(CA);
            push(out, tag::UTC_TIME, b"260101000000Z");
            push(out, tag::SEQUENCE, &entry(&[7], &[]));
        });
        out.extend_from_slice(ALGORITHM);
        out.extend_from_slice(SIGNATURE);
    });
    der
}

/// A list around these entries and extensions, each already encoded.
fn list(entries: &[Vec<u8>], extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push_nested(out, tag::SEQUENCE, |out| {
            push(out, tag::INTEGER, &[1]);
            out.extend_from_slice(ALGORITHM);
            out.extend_from_slice(CA);
            push(out, tag::UTC_TIME, b"260101000000Z");
            push(out, tag::UTC_TIME, b"260201000000Z");
            if !entries.is_empty() {
                push(out, tag::SEQUENCE, &entries.concat());
            }
            if !extensions.is_empty() {
                out.extend(list_extensions(extensions));
            }
        });
        out.extend_from_slice(ALGORITHM);
        out.extend_from_slice(SIGNATURE);
    });
    der
}

/// How many octets follow the header of a list that has entries.
fn behind_header(der: &[u8]) -> usize {
    let mut outer =
        crate::der::Reader::inside(crate::der::read::whole(der, tag::SEQUENCE).unwrap());
    let mut fields = crate::der::Reader::inside(outer.read(tag::SEQUENCE).unwrap());
    for _ in 0..5 {
        fields.read_any().unwrap();
    }
    der.len() - fields.read(tag::SEQUENCE).unwrap().value_offset
}

fn list_extensions(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::context(0), |out| {
        push(out, tag::SEQUENCE, &extensions.concat());
    });
    der
}

fn entry(serial: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push(out, tag::INTEGER, serial);
        push(out, tag::UTC_TIME, b"260102030405Z");
        if !extensions.is_empty() {
            push(out, tag::SEQUENCE, &extensions.concat());
        }
    });
    der
}

fn entry_at(tag: u8, time: &str) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push(out, tag::INTEGER, &[1]);
        push(out, tag, time.as_bytes());
    });
    der
}

/// An entry of so many octets, most of them in an extension that nobody knows.
fn entry_of(octets: usize) -> Vec<u8> {
    let entry = |value: usize| entry(&[1], &[extension(UNKNOWN, None, &vec![0; value])]);
    let around = entry(60_000).len() - 60_000;
    let found = entry(octets - around);
    assert_eq!(found.len(), octets);
    found
}

fn extension(oid: &[u8], critical: Option<u8>, value: &[u8]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push(out, tag::OID, oid);
        if let Some(critical) = critical {
            push(out, tag::BOOLEAN, &[critical]);
        }
        push(out, tag::OCTET_STRING, value);
    });
    der
}

fn reason(code: u8) -> Vec<u8> {
    extension(oid::REASON_CODE, None, &[tag::ENUMERATED, 1, code])
}

fn number(number: u16) -> Vec<u8> {
    extension(oid::CRL_NUMBER, None, &integer(number))
}

fn base(number: u16) -> Vec<u8> {
    extension(oid::DELTA_CRL_INDICATOR, CRITICAL, &integer(number))
}

fn integer(number: u16) -> Vec<u8> {
    match number.to_be_bytes() {
        [0, low] => vec![tag::INTEGER, 1, low],
        [high, low] => vec![tag::INTEGER, 2, high, low],
    }
}

fn key_id() -> Vec<u8> {
    extension(
        oid::AUTHORITY_KEY_IDENTIFIER,
        None,
        &[0x30, 6, 0x80, 4, 9, 9, 9, 9],
    )
}

fn scope(fields: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    push_header(&mut value, tag::SEQUENCE, fields.len());
    value.extend_from_slice(fields);
    extension(oid::ISSUING_DISTRIBUTION_POINT, CRITICAL, &value)
}

/// Names as directoryNames.
fn certificate_issuer(names: &[&[u8]]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|name| directory_name(name)).collect();
    certificate_issuer_of(CRITICAL, &names)
}

fn certificate_issuer_of(critical: Option<u8>, names: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    push(&mut value, tag::SEQUENCE, names);
    extension(oid::CERTIFICATE_ISSUER, critical, &value)
}

fn directory_name(name: &[u8]) -> Vec<u8> {
    let mut der = Vec::new();
    push(&mut der, 0xa4, name);
    der
}

/// Two distribution points: one with three URIs, of which two are of use; one with another, and with reasons and a
/// cRLIssuer.
fn freshest() -> Vec<u8> {
    let point = |uris: &[&[u8]], more: &[u8]| {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push_nested(out, tag::context(0), |out| {
                push_nested(out, tag::context(0), |out| {
                    for uri in uris {
                        push(out, 0x86, uri);
                    }
                });
            });
            out.extend_from_slice(more);
        });
        der
    };
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        out.extend(point(
            &[
                b"http://example.com/a",
                b"ldap://example.com/b",
                b"http://example.com/\n",
            ],
            &[],
        ));
        out.extend(point(
            &[b"HTTPS://example.com/c"],
            &[&[0x81, 2, 1, 6, 0xa2, 2, 0x82, 0][..]].concat(),
        ));
    });
    der
}

const ALGORITHM: &[u8] = SignatureAlgorithm::EcdsaSha256.der();
const SIGNATURE: &[u8] = &[tag::BIT_STRING, 3, 0, 1, 2];
