//! An alternative name (RFC 5280 §4.2.1.6), from what people type to DER.  From: command lines, certification requests.
//! To: `issue.rs`.

use crate::{CaError, Subject};
use der::asn1::{Any, Ia5String, ObjectIdentifier, Utf8StringRef};
use der::{Decode, Encode};
use std::fmt;
use std::net::IpAddr;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

/// Most names that are taken from one request.
const NAMES_MAX: usize = 256;

/// One alternative name; prints as it is typed (`DNS:www.example.com`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AltName(pub(crate) GeneralName);

impl AltName {
    /// Reads a name: `DNS:`, `IP:`, `email:`, `URI:`, `dirName:`, `RID:`, `UPN:` and `otherName:OID;UTF8:text` say what
    /// it is, in any case; without one of these it is told by its shape.
    ///
    /// # Errors
    /// When it is no such name.
    pub fn parse(text: &str) -> Result<AltName, CaError> {
        let Some((kind, rest)) = text.split_once(':') else {
            return AltName::of_shape(text);
        };
        match kind.to_ascii_lowercase().as_str() {
            "dns" => AltName::dns(rest),
            "ip" => match rest.parse() {
                Ok(address) => Ok(AltName::ip(address)),
                Err(_) => Err(problem(text, AltNameProblem::Ip)),
            },
            "email" => AltName::email(rest),
            "uri" => AltName::uri(rest),
            "dirname" => AltName::directory(&Subject::parse(rest)?),
            "rid" => match ObjectIdentifier::new(rest) {
                Ok(oid) => Ok(AltName(GeneralName::RegisteredId(oid))),
                Err(_) => Err(problem(text, AltNameProblem::Oid)),
            },
            "upn" => AltName::upn(rest),
            "othername" => AltName::other(rest),
            _ => AltName::of_shape(text),
        }
    }

    /// An address, a URL, an email address, else a DNS name.
    fn of_shape(text: &str) -> Result<AltName, CaError> {
        if let Ok(address) = text.parse() {
            Ok(AltName::ip(address))
        } else if text.contains("://") {
            AltName::uri(text)
        } else if text.contains('@') {
            AltName::email(text)
        } else {
            AltName::dns(text)
        }
    }

    /// A DNS name, `*.` in front allowed.
    ///
    /// # Errors
    /// When it is none; names beyond ASCII are written as `xn--…`.
    pub fn dns(name: &str) -> Result<AltName, CaError> {
        if is_dns_name(name.strip_prefix("*.").unwrap_or(name), name.len()) {
            ia5(name, AltNameProblem::Dns, GeneralName::DnsName)
        } else {
            Err(problem(name, AltNameProblem::Dns))
        }
    }

    /// An IP address.
    pub fn ip(address: IpAddr) -> AltName {
        AltName(GeneralName::from(address))
    }

    /// An email address: a mailbox of ASCII characters at a host (RFC 5280 §4.2.1.6).
    ///
    /// # Errors
    /// When it is none.
    pub fn email(address: &str) -> Result<AltName, CaError> {
        let is_mailbox = address.rsplit_once('@').is_some_and(|(local, host)| {
            let is_local =
                |octet: u8| octet.is_ascii_graphic() && !b"@,;:\\\"<>()[]".contains(&octet);
            (1..=64).contains(&local.len())
                && local.bytes().all(is_local)
                && is_dns_name(host, host.len())
        });
        if is_mailbox {
            ia5(address, AltNameProblem::Email, GeneralName::Rfc822Name)
        } else {
            Err(problem(address, AltNameProblem::Email))
        }
    }

    /// An absolute URI.
    ///
    /// # Errors
    /// When it has no scheme, or characters that a URI does not have.
    pub fn uri(uri: &str) -> Result<AltName, CaError> {
        let has_scheme = uri.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
                && !rest.is_empty()
        });
        if has_scheme && uri.bytes().all(|octet| octet.is_ascii_graphic()) {
            ia5(
                uri,
                AltNameProblem::Uri,
                GeneralName::UniformResourceIdentifier,
            )
        } else {
            Err(problem(uri, AltNameProblem::Uri))
        }
    }

    /// A user principal name, which Windows logs in by: otherName 1.3.6.1.4.1.311.20.2.3.
    ///
    /// # Errors
    /// When it is not of the form `user@domain`.
    pub fn upn(name: &str) -> Result<AltName, CaError> {
        let is_name = name.split_once('@').is_some_and(|(user, domain)| {
            !user.is_empty() && !domain.is_empty() && !domain.contains('@')
        });
        if !is_name || name.chars().any(char::is_control) {
            return Err(problem(name, AltNameProblem::Upn));
        }
        other_name(UPN, name)
    }

    /// directoryName.
    ///
    /// # Errors
    /// When the name cannot be encoded.
    pub fn directory(name: &Subject) -> Result<AltName, CaError> {
        let name = Decode::from_der(name.der()).map_err(encode_error)?;
        Ok(AltName(GeneralName::DirectoryName(name)))
    }

    /// `OID;UTF8:text`, as OpenSSL has it.
    fn other(text: &str) -> Result<AltName, CaError> {
        let parts = text
            .split_once(';')
            .and_then(|(oid, value)| Some((ObjectIdentifier::new(oid).ok()?, value)));
        let value = parts.and_then(|(oid, value)| {
            let (kind, value) = value.split_once(':')?;
            kind.eq_ignore_ascii_case("UTF8").then_some((oid, value))
        });
        match value {
            Some((oid, value)) if !value.is_empty() && !value.chars().any(char::is_control) => {
                other_name(oid, value)
            }
            Some(_) | None => Err(problem(text, AltNameProblem::Other)),
        }
    }

    /// The names of a GeneralNames SEQUENCE from a request, each held to the rules for one that is typed.
    ///
    /// # Errors
    /// When it cannot be read, has more than 256 names, or a name is of a kind that is not known here.
    pub fn from_general_names(der: &[u8]) -> Result<Vec<AltName>, CaError> {
        let names = SubjectAltName::from_der(der)
            .map_err(|_| CaError::RequestedNames)?
            .0;
        if names.is_empty() || names.len() > NAMES_MAX {
            return Err(CaError::RequestedNames);
        }
        names.into_iter().map(AltName::checked).collect()
    }

    fn checked(name: GeneralName) -> Result<AltName, CaError> {
        match &name {
            GeneralName::DnsName(text) => AltName::dns(text.as_str()),
            GeneralName::Rfc822Name(text) => AltName::email(text.as_str()),
            GeneralName::UniformResourceIdentifier(text) => AltName::uri(text.as_str()),
            GeneralName::IpAddress(octets) if matches!(octets.as_bytes().len(), 4 | 16) => {
                Ok(AltName(name))
            }
            GeneralName::DirectoryName(directory) => {
                Subject::from_der(&directory.to_der().map_err(encode_error)?)?;
                Ok(AltName(name))
            }
            GeneralName::OtherName(other) if other.type_id == UPN => {
                match Utf8StringRef::try_from(&other.value) {
                    Ok(text) => AltName::upn(text.as_str()),
                    Err(_) => Err(CaError::RequestedNames),
                }
            }
            GeneralName::OtherName(_) | GeneralName::RegisteredId(_) => Ok(AltName(name)),
            GeneralName::IpAddress(_) | GeneralName::EdiPartyName(_) => {
                Err(CaError::RequestedNames)
            }
        }
    }
}

impl fmt::Display for AltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            GeneralName::DnsName(text) => write!(f, "DNS:{text}"),
            GeneralName::Rfc822Name(text) => write!(f, "email:{text}"),
            GeneralName::UniformResourceIdentifier(text) => write!(f, "URI:{text}"),
            GeneralName::RegisteredId(oid) => write!(f, "RID:{oid}"),
            GeneralName::IpAddress(octets) => {
                let octets = octets.as_bytes();
                if let Ok(four) = <[u8; 4]>::try_from(octets) {
                    write!(f, "IP:{}", IpAddr::from(four))
                } else if let Ok(sixteen) = <[u8; 16]>::try_from(octets) {
                    write!(f, "IP:{}", IpAddr::from(sixteen))
                } else {
                    f.write_str("IP:?")
                }
            }
            GeneralName::OtherName(other) => match Utf8StringRef::try_from(&other.value) {
                Ok(text) if other.type_id == UPN => write!(f, "UPN:{}", text.as_str()),
                Ok(text) => write!(
                    f,
                    "otherName:{};UTF8:{}",
                    other.type_id,
                    text.as_str().escape_debug()
                ),
                Err(_) => write!(f, "otherName:{};(not UTF-8)", other.type_id),
            },
            GeneralName::DirectoryName(name) => {
                let der = name.to_der().map_err(|_| fmt::Error)?;
                write!(f, "dirName:{}", ocspry_wire::x509::display_name(&der))
            }
            GeneralName::EdiPartyName(_) => f.write_str("ediPartyName"),
        }
    }
}

/// What is wrong with a name that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AltNameProblem {
    /// Not a DNS name.
    #[error(
        "a DNS name has letters, digits, '-' and '.', at most 253 of them, '*.' in front if at all; \
         write others in their xn-- form"
    )]
    Dns,
    /// Not an address.
    #[error("an IP address looks like 192.0.2.1 or 2001:db8::1")]
    Ip,
    /// Not an email address.
    #[error("an email address looks like name@example.com, in ASCII")]
    Email,
    /// Not a URI.
    #[error("a URI looks like https://example.com/x, in ASCII without blanks")]
    Uri,
    /// Not a user principal name.
    #[error("a user principal name looks like user@domain")]
    Upn,
    /// Not an OID.
    #[error("an object identifier looks like 1.3.6.1.4.1.99999")]
    Oid,
    /// Not an otherName.
    #[error("write an otherName as otherName:1.2.3;UTF8:text")]
    Other,
}

fn problem(text: &str, problem: AltNameProblem) -> CaError {
    CaError::AltName {
        text: text.to_owned(),
        problem,
    }
}

/// Labels of letters, digits and `-`, parted by dots; `length` is that of the whole, `*.` included.
pub(crate) fn is_dns_name(name: &str, length: usize) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    };
    length <= 253 && name.split('.').all(is_label)
}

pub(crate) fn ia5(
    text: &str,
    kind: AltNameProblem,
    wrap: impl FnOnce(Ia5String) -> GeneralName,
) -> Result<AltName, CaError> {
    match Ia5String::new(text) {
        Ok(text) => Ok(AltName(wrap(text))),
        Err(_) => Err(problem(text, kind)),
    }
}

fn other_name(type_id: ObjectIdentifier, text: &str) -> Result<AltName, CaError> {
    let value = Utf8StringRef::new(text).map_err(encode_error)?;
    Ok(AltName(GeneralName::OtherName(OtherName {
        type_id,
        value: Any::from(value),
    })))
}

fn encode_error(source: der::Error) -> CaError {
    CaError::Encode {
        what: "an alternative name",
        source,
    }
}

/// szOID_NT_PRINCIPAL_NAME.
const UPN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_by_its_prefix_or_by_its_shape() {
        for (text, shown) in [
            ("www.example.com", "DNS:www.example.com"),
            ("*.example.com", "DNS:*.example.com"),
            ("dns:localhost", "DNS:localhost"),
            ("192.0.2.1", "IP:192.0.2.1"),
            ("2001:DB8::1", "IP:2001:db8::1"),
            ("IP:::1", "IP:::1"),
            ("a@example.com", "email:a@example.com"),
            ("email:a@b", "email:a@b"),
            ("https://example.com/x", "URI:https://example.com/x"),
            ("URI:urn:a:b", "URI:urn:a:b"),
            ("UPN:a@corp.local", "UPN:a@corp.local"),
            ("RID:1.2.3", "RID:1.2.3"),
            ("otherName:1.2.3;UTF8:x", "otherName:1.2.3;UTF8:x"),
            ("dirName:/O=x/CN=y", "dirName:CN=y,O=x"),
        ] {
            let name = AltName::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(name.to_string(), shown);
            assert_eq!(AltName::parse(shown).unwrap(), name);
        }
    }

    #[test]
    fn a_name_that_no_client_would_match_is_refused() {
        use AltNameProblem as Problem;
        let long_label = "x".repeat(64);
        let long_name = vec!["x".repeat(63); 4].join(".");
        for (text, expected) in [
            ("", Problem::Dns),
            ("a b", Problem::Dns),
            ("müller.example", Problem::Dns),
            ("a..b", Problem::Dns),
            (".a", Problem::Dns),
            ("a.", Problem::Dns),
            ("a.*.b", Problem::Dns),
            ("foo:bar", Problem::Dns),
            (&long_label, Problem::Dns),
            (&long_name, Problem::Dns),
            ("IP:1.2.3", Problem::Ip),
            ("email:a", Problem::Email),
            ("a@b@c", Problem::Email),
            ("@b", Problem::Email),
            ("ä@b", Problem::Email),
            ("URI:a", Problem::Uri),
            ("http://a b/", Problem::Uri),
            ("http://ä/", Problem::Uri),
            ("UPN:a", Problem::Upn),
            ("RID:a", Problem::Oid),
            ("otherName:1.2.3;BOOL:x", Problem::Other),
        ] {
            let error = AltName::parse(text).unwrap_err();
            let CaError::AltName { problem, .. } = error else {
                panic!("{text}: {error}")
            };
            assert_eq!(problem, expected, "{text}");
        }
    }

    #[test]
    fn requested_names_are_held_to_the_same_rules() {
        let names = |content: &[u8]| [&[0x30, content.len() as u8], content].concat();
        let taken =
            AltName::from_general_names(&names(b"\x82\x01a\x87\x04\x7f\x00\x00\x01")).unwrap();
        assert_eq!(taken[1].to_string(), "IP:127.0.0.1");
        for content in [
            &b""[..],
            b"\x82\x03a\x00b",
            b"\x87\x03\x7f\x00\x00",
            b"\xa3\x00",
            b"\x81\x01a",
        ] {
            assert!(
                AltName::from_general_names(&names(content)).is_err(),
                "{content:?}"
            );
        }
    }
}
