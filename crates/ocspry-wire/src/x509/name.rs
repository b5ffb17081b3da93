//! Names for people (RFC 5280 §4.1.2.4 in the spelling of RFC 4514).
//!
//! From: the issuer and subject of certificates and CRLs.  To: start-up summaries, logs and errors.  Names are matched
//! by their bytes or hashes, never by this text; one in a CRL that is ours in another spelling is ours ([`is_same_name`]).
//! Nothing in the text can move a terminal's cursor or forge a log line.

use core::fmt::Write;

use crate::DerError;
use crate::der::read::whole;
use crate::der::{DerErrorKind, Reader, Tlv, tag};
use crate::hex::to_hex;

/// `CN=Example CA,O=Example` for people (RFC 4514 order and escapes; the attribute types of RFC 4514 §3, others dotted;
/// control characters escaped).  What is not a Name prints as `#` and hex.
pub fn display_name(name: &[u8]) -> String {
    let mut text = String::new();
    if write_name(&mut text, name).is_err() {
        return hex_string(name);
    }
    text
}

/// Whether two Names are one in different spellings (RFC 5280 §7.1): other string types, other case, other white space.
///
/// Each RelativeDistinguishedName has to match the one in its place, in any order of its attributes.  A value that is no
/// string has to be the same octets.  Characters are compared as they are, not after a compatibility mapping (RFC 4518
/// §2.3): names that differ by that alone are two.  What is not a Name is none.
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    match (folded(one), folded(other)) {
        (Ok(one), Ok(other)) => one == other,
        (Ok(_) | Err(_), _) => false,
    }
}

/// The attributes of a Name, so that they are equal for Names that are the same.
fn folded(name: &[u8]) -> Result<Vec<FoldedAttribute<'_>>, DerError> {
    let attributes = attributes(name)?.into_iter();
    let mut folded: Vec<_> = attributes.map(FoldedAttribute::of).collect();
    folded.sort();
    Ok(folded)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct FoldedAttribute<'a> {
    rdn: usize,
    attribute_type: &'a [u8],
    /// The octets, where it is no string.
    value: Result<String, &'a [u8]>,
}

impl<'a> FoldedAttribute<'a> {
    fn of(attribute: NameAttribute<'a>) -> FoldedAttribute<'a> {
        let fold = |text: String| {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ").to_lowercase()
        };
        FoldedAttribute {
            rdn: attribute.rdn,
            attribute_type: attribute.attribute_type.value,
            value: attribute.text().map(fold).ok_or(attribute.value.der),
        }
    }
}

/// One AttributeTypeAndValue of a Name (RFC 5280 §4.1.2.4).
#[derive(Clone, Copy, Debug)]
pub struct NameAttribute<'a> {
    /// Which RelativeDistinguishedName it stands in, counted from 0.
    pub rdn: usize,
    /// The OID of its type.
    pub attribute_type: Tlv<'a>,
    /// Its value, of any type.
    pub value: Tlv<'a>,
}

impl NameAttribute<'_> {
    /// The text of a string; None for other types and for octets that are no such string.
    pub fn text(&self) -> Option<String> {
        decode(self.value)
    }
}

/// The attributes of a whole Name, in its own order.
///
/// # Errors
/// When it is not one DER Name; an empty RelativeDistinguishedName among the reasons.
pub fn attributes(name: &[u8]) -> Result<Vec<NameAttribute<'_>>, DerError> {
    let mut rdns = Reader::inside(whole(name, tag::SEQUENCE)?);
    let mut attributes = Vec::new();
    let mut rdn = 0;
    while !rdns.is_empty() {
        let mut members = Reader::inside(rdns.read(tag::SET)?);
        loop {
            let mut fields = Reader::inside(members.read(tag::SEQUENCE)?);
            let attribute_type = fields.read(tag::OID)?;
            attribute_type.check_oid()?;
            let value = fields.read_any()?;
            fields.finish()?;
            attributes.push(NameAttribute {
                rdn,
                attribute_type,
                value,
            });
            if members.is_empty() {
                break;
            }
        }
        rdn += 1;
    }
    Ok(attributes)
}

/// RFC 4514 §2.1: the last RelativeDistinguishedName comes first.
fn write_name(text: &mut String, name: &[u8]) -> Result<(), DerError> {
    let attributes = attributes(name)?;
    for (index, rdn) in attributes.chunk_by(|a, b| a.rdn == b.rdn).rev().enumerate() {
        if index > 0 {
            text.push(',');
        }
        for (index, attribute) in rdn.iter().enumerate() {
            if index > 0 {
                text.push('+');
            }
            write_attribute(text, *attribute)?;
        }
    }
    Ok(())
}

fn write_attribute(text: &mut String, attribute: NameAttribute<'_>) -> Result<(), DerError> {
    match short_name(attribute.attribute_type.value) {
        Some(short) => text.push_str(short),
        None => text.push_str(&dotted(attribute.attribute_type)?),
    }
    text.push('=');
    match attribute.text() {
        Some(decoded) => write_escaped(text, &decoded),
        None => text.push_str(&hex_string(attribute.value.der)),
    }
    Ok(())
}

/// A value that is no string (RFC 4514 §2.4).
fn hex_string(der: &[u8]) -> String {
    format!("#{}", to_hex(der))
}

/// RFC 4514 §3.
fn short_name(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x09] => "STREET",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        _ => return None,
    })
}

/// `1.3.6.1.4.1.99999.1` from an OBJECT IDENTIFIER (X.690 §8.19).
///
/// # Errors
/// An arc of more than 64 bits.
pub fn dotted(oid: Tlv<'_>) -> Result<String, DerError> {
    let mut text = String::new();
    let mut number = 0_u64;
    let mut is_first = true;
    for &octet in oid.value {
        if number > u64::MAX >> 7 {
            return Err(oid.error(DerErrorKind::Value));
        }
        number = number << 7 | u64::from(octet & 0x7f);
        if octet >= 0x80 {
            continue;
        }
        // The first number holds the first two arcs (X.690 §8.19.4).
        let written = if is_first {
            let arc = (number / 40).min(2);
            write!(text, "{arc}.{}", number - arc * 40)
        } else {
            write!(text, ".{number}")
        };
        written.expect("writing to a String does not fail");
        (number, is_first) = (0, false);
    }
    Ok(text)
}

/// The text of a string type; None for other types and for octets that are not such a string.
fn decode(value: Tlv<'_>) -> Option<String> {
    const UTF8_STRING: u8 = 0x0c;
    const NUMERIC_STRING: u8 = 0x12;
    const PRINTABLE_STRING: u8 = 0x13;
    const TELETEX_STRING: u8 = 0x14;
    const IA5_STRING: u8 = 0x16;
    const VISIBLE_STRING: u8 = 0x1a;
    const UNIVERSAL_STRING: u8 = 0x1c;
    const BMP_STRING: u8 = 0x1e;
    let octets = value.value;
    match value.tag {
        UTF8_STRING => core::str::from_utf8(octets).ok().map(str::to_owned),
        NUMERIC_STRING | PRINTABLE_STRING | IA5_STRING | VISIBLE_STRING => octets
            .is_ascii()
            .then(|| octets.iter().copied().map(char::from).collect()),
        // In practice Latin-1, whatever T.61 says.
        TELETEX_STRING => Some(octets.iter().copied().map(char::from).collect()),
        UNIVERSAL_STRING => {
            let (units, []) = octets.as_chunks::<4>() else {
                return None;
            };
            units
                .iter()
                .map(|unit| char::from_u32(u32::from_be_bytes(*unit)))
                .collect()
        }
        BMP_STRING => {
            let (units, []) = octets.as_chunks::<2>() else {
                return None;
            };
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)))
                .collect::<Result<_, _>>()
                .ok()
        }
        _ => None,
    }
}

/// RFC 4514 §2.4; beyond it, every character that controls a terminal or the direction of text is written as hex pairs.
fn write_escaped(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', character]),
            '#' if index == 0 => text.push_str("\\#"),
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            _ if character.is_control() || is_invisible(character) => {
                for octet in character.encode_utf8(&mut [0; 4]).bytes() {
                    write!(text, "\\{octet:02X}").expect("writing to a String does not fail");
                }
            }
            _ => text.push(character),
        }
    }
}

/// Line separators, zero-width and directional characters.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::write::{push, push_nested};

    /// Type, string tag and value.
    type Attribute<'a> = (&'a [u8], u8, &'a [u8]);

    fn name(rdns: &[&[Attribute<'_>]]) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            for rdn in rdns {
                push_nested(out, tag::SET, |out| {
                    for (oid, string_tag, value) in *rdn {
                        push_nested(out, tag::SEQUENCE, |out| {
                            push(out, tag::OID, oid);
                            push(out, *string_tag, value);
                        });
                    }
                });
            }
        });
        der
    }

    #[test]
    fn object_identifiers_are_shown_with_dots() {
        let shown = |content: &[u8]| {
            let mut der = Vec::new();
            push(&mut der, tag::OID, content);
            dotted(Reader::new(&der).read(tag::OID).unwrap())
        };
        let cases: [(&[u8], &str); 4] = [
            (crate::der::oid::DELTA_CRL_INDICATOR, "2.5.29.27"),
            (crate::der::oid::RSA_ENCRYPTION, "1.2.840.113549.1.1.1"),
            (&[0x88, 0x37, 0x83, 0x80, 0x00], "2.999.49152"),
            (&[], ""),
        ];
        for (content, expected) in cases {
            assert_eq!(shown(content).as_deref(), Ok(expected));
        }
        assert!(shown(&[0xff; 200]).is_err());
    }

    const CN: &[u8] = &[0x55, 0x04, 0x03];
    const O: &[u8] = &[0x55, 0x04, 0x0a];

    fn common_name(string_tag: u8, value: &[u8]) -> String {
        display_name(&name(&[&[(CN, string_tag, value)]]))
    }

    #[test]
    fn the_most_specific_part_comes_first() {
        let der = name(&[
            &[(O, 0x0c, b"Example")],
            &[(CN, 0x0c, b"Example CA"), (O, 0x13, b"x")],
        ]);
        assert_eq!(display_name(&der), "CN=Example CA+O=x,O=Example");
        assert_eq!(display_name(&name(&[])), "");
    }

    #[test]
    fn attribute_types_without_a_name_are_dotted() {
        let email: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];
        assert_eq!(
            display_name(&name(&[&[(email, 0x16, b"a@b")]])),
            "1.2.840.113549.1.9.1=a@b"
        );
        assert_eq!(
            display_name(&name(&[&[(&[0x88, 0x37, 0x03], 0x16, b"a")]])),
            "2.999.3=a"
        );
    }

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(
            common_name(0x0c, br##"# a,b+c"d\e;<f> "##),
            r##"CN=\# a\,b\+c\"d\\e\;\<f\>\ "##
        );
        assert_eq!(common_name(0x0c, b" "), r"CN=\ ");
    }

    #[test]
    fn a_name_cannot_forge_a_log_line_or_turn_text_around() {
        assert_eq!(common_name(0x0c, b"a\nb\x1b[2J\0"), r"CN=a\0Ab\1B[2J\00");
        assert_eq!(
            common_name(0x0c, "a\u{202e}b\u{85}".as_bytes()),
            r"CN=a\E2\80\AEb\C2\85"
        );
    }

    #[test]
    fn every_string_type_is_shown_as_text_and_the_rest_as_hex() {
        assert_eq!(common_name(0x1e, &[0x00, 0x43, 0x20, 0xac]), "CN=C€");
        assert_eq!(common_name(0x1c, &[0, 0, 0, 0x43]), "CN=C");
        assert_eq!(common_name(0x14, &[0xe9]), "CN=é");
        assert_eq!(common_name(0x1e, &[0x00]), "CN=#1e0100");
        assert_eq!(common_name(0x0c, &[0xff]), "CN=#0c01ff");
        assert_eq!(common_name(0x13, &[0xff]), "CN=#1301ff");
        assert_eq!(common_name(0x02, &[0x05]), "CN=#020105");
    }

    #[test]
    fn names_in_other_string_types_case_or_spacing_are_the_same() {
        let ours = name(&[
            &[(O, 0x0c, b"Example")],
            &[(CN, 0x0c, b"Sub CA"), (O, 0x0c, b"x")],
        ]);
        for same in [
            name(&[
                &[(O, 0x13, b"EXAMPLE")],
                &[(CN, 0x13, b" sub  ca "), (O, 0x16, b"x")],
            ]),
            name(&[
                &[(O, 0x0c, b"Example")],
                &[(O, 0x0c, b"X"), (CN, 0x1e, b"\0S\0u\0b\0 \0C\0A")],
            ]),
        ] {
            assert!(is_same_name(&ours, &same), "{}", display_name(&same));
        }
        for other in [
            name(&[
                &[(O, 0x0c, b"Example")],
                &[(CN, 0x0c, b"SubCA"), (O, 0x0c, b"x")],
            ]),
            name(&[
                &[(O, 0x0c, b"Example")],
                &[(CN, 0x0c, b"Sub CA")],
                &[(O, 0x0c, b"x")],
            ]),
            name(&[
                &[(CN, 0x0c, b"Sub CA"), (O, 0x0c, b"x")],
                &[(O, 0x0c, b"Example")],
            ]),
            name(&[&[(O, 0x0c, b"Example")], &[(CN, 0x0c, b"Sub CA")]]),
            name(&[
                &[(O, 0x0c, b"Example")],
                &[(O, 0x0c, b"Sub CA"), (CN, 0x0c, b"x")],
            ]),
        ] {
            assert!(!is_same_name(&ours, &other), "{}", display_name(&other));
        }
        assert!(!is_same_name(&[0x31, 0], &[0x31, 0]), "no Name at all");
        let number = |octet| name(&[&[(CN, 0x02, &[octet])]]);
        assert!(is_same_name(&number(65), &number(65)) && !is_same_name(&number(65), &number(97)));
    }

    #[test]
    fn what_is_not_a_name_prints_as_hex() {
        assert_eq!(display_name(&[0x31, 0x00]), "#3100");
        assert_eq!(display_name(&[]), "#");
        assert_eq!(
            display_name(&[0x30, 0x02, 0x31, 0x00]),
            "#30023100",
            "an empty RelativeDistinguishedName"
        );
    }
}
