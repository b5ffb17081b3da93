//! Small constructors over the wire crate's DER writer, and PEM armour.  To: certificates, CRLs and requests made here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ocspry_wire::Time;
use ocspry_wire::der::{tag, write};

/// One element.
pub fn element(identifier: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write::push(&mut out, identifier, content);
    out
}

/// A SEQUENCE of the given elements.
pub fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(tag::SEQUENCE, &elements.concat())
}

/// An OBJECT IDENTIFIER from its content octets.
pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    element(tag::OID, content)
}

/// An INTEGER from its content octets, taken as they are.
pub(crate) fn integer(content: &[u8]) -> Vec<u8> {
    element(tag::INTEGER, content)
}

/// The content octets of a non-negative INTEGER.
pub(crate) fn unsigned_content(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let first = bytes
        .iter()
        .position(|&octet| octet != 0)
        .unwrap_or(bytes.len() - 1);
    let mut content = Vec::new();
    if bytes[first] & 0x80 != 0 {
        content.push(0);
    }
    content.extend_from_slice(&bytes[first..]);
    content
}

/// BOOLEAN TRUE.
pub(crate) fn boolean_true() -> Vec<u8> {
    element(tag::BOOLEAN, &[0xff])
}

/// A BIT STRING without unused bits.
pub(crate) fn bit_string(octets: &[u8]) -> Vec<u8> {
    let mut content = vec![0];
    content.extend_from_slice(octets);
    element(tag::BIT_STRING, &content)
}

/// UTCTime up to 2049, GeneralizedTime after it (RFC 5280 §4.1.2.5).
pub(crate) fn x509_time(time: Time) -> Vec<u8> {
    let text = time.to_generalized();
    if (1950..2050).contains(&time.civil().0) {
        element(tag::UTC_TIME, &text[2..])
    } else {
        element(tag::GENERALIZED_TIME, &text)
    }
}

/// GeneralizedTime.
pub(crate) fn generalized_time(time: Time) -> Vec<u8> {
    element(tag::GENERALIZED_TIME, &time.to_generalized())
}

/// A Name of one commonName (UTF8String).
pub(crate) fn common_name(text: &str) -> Vec<u8> {
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    const UTF8_STRING: u8 = 0x0c;
    let attribute = sequence(&[&oid(COMMON_NAME), &element(UTF8_STRING, text.as_bytes())]);
    sequence(&[&element(tag::SET, &attribute)])
}

/// An Extension (RFC 5280 §4.2); `value` goes into the OCTET STRING.
pub(crate) fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { boolean_true() } else { Vec::new() };
    sequence(&[
        &oid(identifier),
        &critical,
        &element(tag::OCTET_STRING, value),
    ])
}

/// `der` in PEM armour (RFC 7468), 64 characters a line.
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The first block of a PEM text.
pub fn pem_to_der(text: &str) -> Vec<u8> {
    let blocks = ocspry_wire::x509::pem::blocks(text.as_bytes()).expect("PEM");
    blocks.into_iter().next().expect("a block").der
}
