//! A subject's name (RFC 5280 §4.1.2.4), from what people type to DER.  From: command lines, certification requests,
//! certificates to renew.  To: `issue.rs`.
//!
//! Two spellings are read: `/O=Example/CN=www`, in the order of the name, as `openssl` has it; and `CN=www,O=Example`
//! (RFC 4514), whose first part is the name's last.  Strings are written as UTF8String, but for the few attributes to
//! which the standard gives another type.

use crate::CaError;
use der::asn1::{Any, Ia5StringRef, ObjectIdentifier, PrintableStringRef, SetOfVec, Utf8StringRef};
use der::{Decode, Encode};
use ocspry_wire::x509::{display_name, name};
use std::fmt;
use x509_cert::attr::AttributeTypeAndValue;

/// A name that can be written into a certificate: its DER.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    der: Vec<u8>,
}

impl Subject {
    /// organizationName, if given, and commonName.
    ///
    /// # Errors
    /// When one of them is empty, too long or holds a control character.
    pub fn new(common_name: &str, organization: Option<&str>) -> Result<Subject, CaError> {
        let organization = organization.map(|text| ("O", text));
        let parts = organization.into_iter().chain([("CN", common_name)]);
        let rdns = parts
            .map(|(attribute_type, text)| {
                let attribute =
                    AttributeKind::named(attribute_type).and_then(|kind| kind.attribute(text));
                attribute
                    .map(|attribute| vec![attribute])
                    .map_err(|problem| CaError::Subject {
                        text: text.to_owned(),
                        character: 1,
                        problem,
                    })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Subject::from_rdns(rdns)
    }

    /// Reads a name as people write it: `/CN=x/O=y`, or `CN=x,O=y` with the escapes of RFC 4514.
    ///
    /// # Errors
    /// When it is no name; the error says at which character.
    pub fn parse(text: &str) -> Result<Subject, CaError> {
        let rdns = Text::new(text).rdns();
        let rdns = rdns.map_err(|(index, problem)| CaError::Subject {
            text: text.to_owned(),
            character: text[..index].chars().count() + 1,
            problem,
        })?;
        Subject::from_rdns(rdns)
    }

    /// Takes a Name from a certification request or a certificate, octet for octet.
    ///
    /// # Errors
    /// When it is no Name, or an attribute is not a text that can be shown.
    pub fn from_der(der: &[u8]) -> Result<Subject, CaError> {
        let unfit = || CaError::SubjectDer {
            name: display_name(der),
        };
        let attributes = name::attributes(der).map_err(|_| unfit())?;
        let is_shown = |text: String| !text.is_empty() && !text.chars().any(char::is_control);
        if attributes
            .iter()
            .all(|attribute| attribute.text().is_some_and(is_shown))
        {
            Ok(Subject { der: der.to_vec() })
        } else {
            Err(unfit())
        }
    }

    /// No name at all: for certificates whose alternative names say everything (RFC 5280 §4.1.2.6).
    pub fn empty() -> Subject {
        Subject {
            der: vec![0x30, 0x00],
        }
    }

    /// Is there no attribute in it?
    pub fn is_empty(&self) -> bool {
        self.der == [0x30, 0x00]
    }

    /// The whole Name.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The last commonName, if it has any.
    pub fn common_name(&self) -> Option<String> {
        let attributes = name::attributes(&self.der).ok()?;
        let common_name = attributes
            .iter()
            .rfind(|attribute| attribute.attribute_type.value == COMMON_NAME)?;
        common_name.text()
    }

    /// Every commonName in it.
    pub(crate) fn common_names(&self) -> Vec<String> {
        self.texts(COMMON_NAME)
    }

    /// Every emailAddress in it.
    pub(crate) fn email_addresses(&self) -> Vec<String> {
        const CONTENT: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];
        self.texts(CONTENT)
    }

    /// Every attribute of this type, by the content octets of its identifier.
    fn texts(&self, content: &[u8]) -> Vec<String> {
        let attributes = name::attributes(&self.der).unwrap_or_default();
        attributes
            .iter()
            .filter(|attribute| attribute.attribute_type.value == content)
            .filter_map(|attribute| attribute.text())
            .collect()
    }

    fn from_rdns(rdns: Vec<Vec<AttributeTypeAndValue>>) -> Result<Subject, CaError> {
        let encode = |source| CaError::Encode {
            what: "the subject",
            source,
        };
        let mut name = Vec::new();
        for rdn in rdns {
            name.push(SetOfVec::try_from(rdn).map_err(encode)?);
        }
        Ok(Subject {
            der: name.to_der().map_err(encode)?,
        })
    }
}

/// As [`display_name`].
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&display_name(&self.der))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

/// What is wrong with a subject that was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectProblem {
    /// Nothing at all, or nothing between two separators.
    #[error("a part such as CN=name is missing here")]
    Missing,
    /// A part without `=`.
    #[error("{part:?} has no '='")]
    NoEquals {
        /// The part.
        part: String,
    },
    /// An attribute type that is not known.
    #[error(
        "{name:?} is no attribute type known here; C, ST, L, O, OU, CN, DC, UID and emailAddress are, or write its OID"
    )]
    UnknownType {
        /// What stands there.
        name: String,
    },
    /// Nothing behind `=`.
    #[error("{attribute_type} has no value")]
    Empty {
        /// The attribute type.
        attribute_type: String,
    },
    /// More characters than the standard allows (RFC 5280 Appendix A.1, upper bounds).
    #[error("{attribute_type} has {characters} characters; 1 to {characters_max} are allowed")]
    TooLong {
        /// The attribute type.
        attribute_type: String,
        /// How many were given.
        characters: usize,
        /// Most that are allowed.
        characters_max: usize,
    },
    /// Not a country.
    #[error("C takes the two letters of a country (ISO 3166), such as DE")]
    Country,
    /// A character that the attribute's string type does not have.
    #[error("{attribute_type} takes only {allowed}")]
    Alphabet {
        /// The attribute type.
        attribute_type: String,
        /// What its string type has.
        allowed: &'static str,
    },
    /// A control character.
    #[error("control characters have no place in a name")]
    Control,
    /// `\` before nothing.
    #[error("'\\' must stand before the character that it escapes, or before two hex digits")]
    Escape,
    /// A character that has to be escaped.
    #[error("{found:?} must have a '\\' before it")]
    Unescaped {
        /// The character.
        found: char,
    },
    /// Hex pairs that are no UTF-8.
    #[error("the escaped octets are not UTF-8")]
    NotUtf8,
    /// `#` and something that is no DER element.
    #[error("after '#' comes a DER element in hex")]
    Hex,
}

/// Where, in octets from the start, and what.
type Problem = (usize, SubjectProblem);

/// A name as typed, and how far it has been read.
struct Text<'a> {
    text: &'a str,
    at: usize,
    spelling: Spelling,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// `/O=y/CN=x`.
    Slashes,
    /// `CN=x,O=y`.
    Commas,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Text<'a> {
        match text.starts_with('/') {
            true => Text {
                text,
                at: 1,
                spelling: Spelling::Slashes,
            },
            false => Text {
                text,
                at: 0,
                spelling: Spelling::Commas,
            },
        }
    }

    /// The RelativeDistinguishedNames in the order in which a certificate has them.
    fn rdns(mut self) -> Result<Vec<Vec<AttributeTypeAndValue>>, Problem> {
        let mut rdns = vec![vec![self.attribute()?]];
        while let Some(separator) = self.next() {
            // A slash at the end is what people write behind a path.
            if separator == '/' && self.rest().is_empty() {
                break;
            }
            let attribute = self.attribute()?;
            match rdns.last_mut() {
                Some(rdn) if separator == '+' => rdn.push(attribute),
                _ => rdns.push(vec![attribute]),
            }
        }
        if self.spelling == Spelling::Commas {
            rdns.reverse();
        }
        Ok(rdns)
    }

    /// `type=value`, up to the separator behind it.
    fn attribute(&mut self) -> Result<AttributeTypeAndValue, Problem> {
        while self.rest().starts_with(' ') {
            self.at += 1;
        }
        let start = self.at;
        let type_length = self
            .rest()
            .find(|character| character == '=' || self.is_separator(character))
            .unwrap_or(self.rest().len());
        let attribute_type = self.rest()[..type_length].trim();
        if attribute_type.is_empty() {
            return Err((start, SubjectProblem::Missing));
        }
        self.at += type_length;
        if !self.rest().starts_with('=') {
            let part = attribute_type.to_owned();
            return Err((start, SubjectProblem::NoEquals { part }));
        }
        let kind = AttributeKind::named(attribute_type).map_err(|problem| (start, problem))?;
        self.at += 1;
        let value_start = self.at;
        let attribute = match self.value()? {
            Value::Text(text) => kind.attribute(&text),
            Value::Der(value) => Ok(AttributeTypeAndValue {
                oid: kind.oid,
                value,
            }),
        };
        attribute.map_err(|problem| (value_start, problem))
    }

    /// The value, without its escapes and without the blanks around it that are not escaped.
    fn value(&mut self) -> Result<Value, Problem> {
        while self.rest().starts_with(' ') {
            self.at += 1;
        }
        let start = self.at;
        if self.spelling == Spelling::Commas && self.rest().starts_with('#') {
            return self.hex_value();
        }
        let mut octets = Vec::new();
        // What a blank that is not escaped cannot shorten.
        let mut kept = 0;
        while let Some(character) = self.peek() {
            if self.is_separator(character) {
                break;
            }
            let at = self.at;
            self.at += character.len_utf8();
            match character {
                '\\' => {
                    octets.extend(self.escaped().ok_or((at, SubjectProblem::Escape))?);
                    kept = octets.len();
                }
                '"' | ';' | '<' | '>' if self.spelling == Spelling::Commas => {
                    return Err((at, SubjectProblem::Unescaped { found: character }));
                }
                ' ' => octets.push(b' '),
                other => {
                    octets.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    kept = octets.len();
                }
            }
        }
        octets.truncate(kept);
        let text = String::from_utf8(octets).map_err(|_| (start, SubjectProblem::NotUtf8))?;
        Ok(Value::Text(text))
    }

    /// What stands behind a backslash: two hex digits for an octet (RFC 4514 §3), else a character.
    fn escaped(&mut self) -> Option<Vec<u8>> {
        if self.spelling == Spelling::Commas
            && let Some(pair) = self.rest().get(..2)
            && let Ok(octet) = u8::from_str_radix(pair, 16)
            && pair.bytes().all(|digit| digit.is_ascii_hexdigit())
        {
            self.at += 2;
            return Some(vec![octet]);
        }
        self.next().map(|character| character.to_string().into())
    }

    /// `#` and the hex of a DER element (RFC 4514 §2.4).
    fn hex_value(&mut self) -> Result<Value, Problem> {
        let start = self.at;
        let length = self
            .rest()
            .find(|character| self.is_separator(character))
            .unwrap_or(self.rest().len());
        let digits = self.rest()[1..length].trim_end();
        self.at += length;
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
            return Err((start, SubjectProblem::Hex));
        };
        let octets: Option<Vec<u8>> = pairs
            .iter()
            .map(|pair| {
                let pair = str::from_utf8(pair).ok()?;
                let is_hex = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
                u8::from_str_radix(pair, 16).ok().filter(|_| is_hex)
            })
            .collect();
        octets
            .and_then(|octets| Any::from_der(&octets).ok())
            .map(Value::Der)
            .ok_or((start, SubjectProblem::Hex))
    }

    fn is_separator(&self, character: char) -> bool {
        match self.spelling {
            Spelling::Slashes => matches!(character, '/' | '+'),
            Spelling::Commas => matches!(character, ',' | '+'),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }
}

enum Value {
    Text(String),
    Der(Any),
}

/// An attribute type: what it is called, which strings it takes.
struct AttributeKind {
    name: String,
    oid: ObjectIdentifier,
    string: StringType,
    characters_max: usize,
}

#[derive(Clone, Copy)]
enum StringType {
    Utf8,
    Printable,
    Ia5,
    Country,
}

impl AttributeKind {
    /// By its short name in any case, or by its OID, with `OID.` before it or not.
    fn named(name: &str) -> Result<AttributeKind, SubjectProblem> {
        let known = ATTRIBUTES.iter().find(|(names, ..)| {
            names
                .split(' ')
                .any(|known| known.eq_ignore_ascii_case(name))
        });
        if let Some((names, oid, string, characters_max)) = known {
            return Ok(AttributeKind {
                name: names.split(' ').next().unwrap_or(names).to_owned(),
                oid: *oid,
                string: *string,
                characters_max: *characters_max,
            });
        }
        let dotted = match name.split_at_checked(4) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("OID.") => rest,
            _ => name,
        };
        let unknown = |_| SubjectProblem::UnknownType {
            name: name.to_owned(),
        };
        let oid = ObjectIdentifier::new(dotted).map_err(unknown)?;
        match ATTRIBUTES.iter().find(|(_, known, ..)| *known == oid) {
            Some((_, _, string, characters_max)) => Ok(AttributeKind {
                name: dotted.to_owned(),
                oid,
                string: *string,
                characters_max: *characters_max,
            }),
            None => Ok(AttributeKind {
                name: dotted.to_owned(),
                oid,
                string: StringType::Utf8,
                characters_max: UB_NAME,
            }),
        }
    }

    fn attribute(&self, text: &str) -> Result<AttributeTypeAndValue, SubjectProblem> {
        let attribute_type = || self.name.clone();
        let characters = text.chars().count();
        if characters == 0 {
            return Err(SubjectProblem::Empty {
                attribute_type: attribute_type(),
            });
        }
        if characters > self.characters_max {
            return Err(SubjectProblem::TooLong {
                attribute_type: attribute_type(),
                characters,
                characters_max: self.characters_max,
            });
        }
        if text.chars().any(char::is_control) {
            return Err(SubjectProblem::Control);
        }
        let alphabet = |allowed| {
            move |_| SubjectProblem::Alphabet {
                attribute_type: self.name.clone(),
                allowed,
            }
        };
        const PRINTABLE: &str = "letters, digits, blanks and '()+,-./:=?";
        let value = match self.string {
            StringType::Utf8 => Utf8StringRef::new(text)
                .map(Any::from)
                .map_err(alphabet("text"))?,
            StringType::Printable => PrintableStringRef::new(text)
                .map(Any::from)
                .map_err(alphabet(PRINTABLE))?,
            StringType::Ia5 => Ia5StringRef::new(text)
                .map(Any::from)
                .map_err(alphabet("ASCII"))?,
            StringType::Country => {
                if characters != 2 || !text.bytes().all(|octet| octet.is_ascii_alphabetic()) {
                    return Err(SubjectProblem::Country);
                }
                PrintableStringRef::new(&text.to_ascii_uppercase())
                    .map(Any::from)
                    .map_err(|_| SubjectProblem::Country)?
            }
        };
        Ok(AttributeTypeAndValue {
            oid: self.oid,
            value,
        })
    }
}

/// ub-name (RFC 5280 Appendix A.1).
const UB_NAME: usize = 32_768;

/// id-at-commonName, its content octets.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

const fn attribute(
    names: &'static str,
    oid: &'static str,
    string: StringType,
    characters_max: usize,
) -> (&'static str, ObjectIdentifier, StringType, usize) {
    (
        names,
        ObjectIdentifier::new_unwrap(oid),
        string,
        characters_max,
    )
}

/// Names (the first one is shown), OID, string type and upper bound: RFC 5280 Appendix A.1, X.520, RFC 4519, RFC 2985,
/// CA/B EV guidelines 9.2.
const ATTRIBUTES: &[(&str, ObjectIdentifier, StringType, usize)] = &[
    attribute("CN commonName", "2.5.4.3", StringType::Utf8, 64),
    attribute("O organizationName", "2.5.4.10", StringType::Utf8, 64),
    attribute(
        "OU organizationalUnitName",
        "2.5.4.11",
        StringType::Utf8,
        64,
    ),
    attribute("C countryName", "2.5.4.6", StringType::Country, 2),
    attribute("ST S stateOrProvinceName", "2.5.4.8", StringType::Utf8, 128),
    attribute("L localityName", "2.5.4.7", StringType::Utf8, 128),
    attribute("STREET streetAddress", "2.5.4.9", StringType::Utf8, 128),
    attribute("postalCode", "2.5.4.17", StringType::Utf8, 40),
    attribute(
        "emailAddress E EMAIL",
        "1.2.840.113549.1.9.1",
        StringType::Ia5,
        255,
    ),
    attribute(
        "DC domainComponent",
        "0.9.2342.19200300.100.1.25",
        StringType::Ia5,
        63,
    ),
    attribute(
        "UID userId",
        "0.9.2342.19200300.100.1.1",
        StringType::Utf8,
        256,
    ),
    attribute("serialNumber", "2.5.4.5", StringType::Printable, 64),
    attribute("SN surname", "2.5.4.4", StringType::Utf8, UB_NAME),
    attribute("GN givenName", "2.5.4.42", StringType::Utf8, UB_NAME),
    attribute("initials", "2.5.4.43", StringType::Utf8, UB_NAME),
    attribute("name", "2.5.4.41", StringType::Utf8, UB_NAME),
    attribute("title", "2.5.4.12", StringType::Utf8, 64),
    attribute("pseudonym", "2.5.4.65", StringType::Utf8, 128),
    attribute("dnQualifier", "2.5.4.46", StringType::Printable, 64),
    attribute("generationQualifier", "2.5.4.44", StringType::Utf8, UB_NAME),
    attribute("description", "2.5.4.13", StringType::Utf8, 1024),
    attribute("businessCategory", "2.5.4.15", StringType::Utf8, 128),
    attribute("organizationIdentifier", "2.5.4.97", StringType::Utf8, 256),
    attribute(
        "jurisdictionC jurisdictionCountryName",
        "1.3.6.1.4.1.311.60.2.1.3",
        StringType::Country,
        2,
    ),
    attribute(
        "jurisdictionST jurisdictionStateOrProvinceName",
        "1.3.6.1.4.1.311.60.2.1.2",
        StringType::Utf8,
        128,
    ),
    attribute(
        "jurisdictionL jurisdictionLocalityName",
        "1.3.6.1.4.1.311.60.2.1.1",
        StringType::Utf8,
        128,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Subject::parse(text)
            .unwrap_or_else(|error| panic!("{error}"))
            .to_string()
    }

    #[test]
    fn slashes_go_in_the_order_of_the_name_and_commas_in_the_other() {
        assert_eq!(shown("/C=de/O=Example/CN=www"), "CN=www,O=Example,C=DE");
        assert_eq!(shown("CN=www,O=Example,C=DE"), "CN=www,O=Example,C=DE");
        assert_eq!(
            Subject::parse("/O=y/CN=x").unwrap(),
            Subject::parse("CN=x,O=y").unwrap()
        );
        assert_eq!(shown("/CN=x/"), "CN=x");
        assert_eq!(shown("cn = x , o = y"), "CN=x,O=y");
        assert_eq!(shown("/CN=a+O=b"), "CN=a+O=b");
        assert_eq!(shown("OID.2.5.4.3=x,1.2.3.4=y"), "CN=x,1.2.3.4=y");
    }

    #[test]
    fn escapes_are_taken_out() {
        for (text, value) in [
            (r"CN=a\,b\+c\\d", "a,b+c\\d"),
            (r"CN=\ a \ ", " a  "),
            ("CN=  a b  ", "a b"),
            (r"CN=L\C3\BC", "Lü"),
            (r"CN=\#1=2", "#1=2"),
            (r"/CN=a\/b\+c\\d,e", "a/b+c\\d,e"),
            ("CN=#0c0178", "x"),
            ("/CN=#0c0178", "#0c0178"),
        ] {
            let subject = Subject::parse(text).unwrap();
            assert_eq!(subject.common_name().as_deref(), Some(value), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_place() {
        for (text, character, said) in [
            ("", 1, "missing"),
            ("/", 2, "missing"),
            ("CN=ü,", 6, "missing"),
            ("/CN=a//O=b", 7, "missing"),
            ("CN=ä,foo", 6, "\"foo\" has no '='"),
            ("CN=a,XY=b", 6, "\"XY\" is no attribute type"),
            ("CN=a,O=", 8, "O has no value"),
            ("CN=a,O=  ", 8, "O has no value"),
            ("C=DEU", 3, "C has 3 characters; 1 to 2"),
            ("C=D", 3, "two letters"),
            ("/emailAddress=ü@b", 15, "only ASCII"),
            ("serialNumber=a_b", 14, "only letters"),
            ("CN=a;O=b", 5, "';' must have"),
            ("CN=\"a\"", 4, "'\"' must have"),
            ("CN=a\\", 5, "'\\' must stand before"),
            ("CN=\\ff", 4, "not UTF-8"),
            ("CN=#0c", 4, "DER element"),
            ("CN=#+1", 4, "DER element"),
            ("CN=a\\00b", 4, "control characters"),
        ] {
            let error = Subject::parse(text).unwrap_err();
            let CaError::Subject {
                character: found,
                problem,
                ..
            } = &error
            else {
                panic!("{error}")
            };
            assert_eq!(*found, character, "{text}: {error}");
            assert!(problem.to_string().contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_of_others_is_kept_octet_for_octet_or_refused() {
        // BMPString "C"; UTF8String "a", NUL; INTEGER 5.
        for (value, is_kept) in [
            (&b"\x1e\x02\x00C"[..], true),
            (b"\x0c\x02a\x00", false),
            (b"\x02\x01\x05", false),
            (b"\x0c\x00", false),
        ] {
            let attribute = [&[0x30, 5 + value.len() as u8, 6, 3, 0x55, 4, 3], value].concat();
            let rdn = [&[0x31, attribute.len() as u8], &attribute[..]].concat();
            let der = [&[0x30, rdn.len() as u8], &rdn[..]].concat();
            match Subject::from_der(&der) {
                Ok(subject) => assert!(is_kept && subject.der() == der, "{value:?}"),
                Err(error) => assert!(!is_kept, "{value:?}: {error}"),
            }
        }
        assert!(Subject::from_der(&[0x30, 0x02, 0x31, 0x00]).is_err());
        assert!(
            Subject::from_der(Subject::empty().der())
                .unwrap()
                .is_empty()
        );
    }
}
