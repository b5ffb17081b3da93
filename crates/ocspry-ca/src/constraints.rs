//! What a CA's certificate says about the CAs and names below it (RFC 5280 §4.2.1.9, §4.2.1.10).  From: command lines,
//! certificates to renew.  To: `issue.rs`.

use crate::alt_name::{ia5, is_dns_name};
use crate::{AltName, AltNameProblem, CaError, Subject};
use der::Encode as _;
use der::asn1::OctetString;
use ocspry_wire::x509::name::{self, NameAttribute};
use std::fmt;
use std::net::IpAddr;
use x509_cert::ext::pkix;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

/// The constraints of a CA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaConstraints {
    /// How many CAs may follow below it; None sets no limit.
    pub path_len: Option<u8>,
    /// Which names may stand in what it and those below it issue.
    pub names: NameConstraints,
}

/// nameConstraints; with no subtree at all, the extension is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameConstraints {
    /// Names of these kinds must lie in one of these subtrees.
    pub permitted: Vec<NameSubtree>,
    /// Names must lie in none of these.
    pub excluded: Vec<NameSubtree>,
}

impl NameConstraints {
    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    /// The first of these names that may not stand below: clients would refuse the certificate (RFC 5280 §6.1.3 (b), (c)).
    ///
    /// DNS names, email addresses, hosts of URIs, IP addresses and directory names are looked at; the subject is one of the
    /// last, unless it is empty, and its emailAddresses are email addresses (RFC 5280 §4.2.1.10).
    ///
    /// # Errors
    /// When the subject cannot be encoded.
    pub fn refused(
        &self,
        subject: &Subject,
        alt_names: &[AltName],
    ) -> Result<Option<AltName>, CaError> {
        let mut names = alt_names.to_vec();
        if !subject.is_empty() {
            names.push(AltName::directory(subject)?);
        }
        for address in subject.email_addresses() {
            names.push(ia5(
                &address,
                AltNameProblem::Email,
                GeneralName::Rfc822Name,
            )?);
        }
        let refused = names.into_iter().find(|name| {
            let mut permitted = self.permitted.iter().filter_map(|tree| tree.holds(name));
            let is_outside = permitted
                .next()
                .is_some_and(|first| !first && !permitted.any(|is_inside| is_inside));
            is_outside || self.excluded.iter().any(|tree| tree.meets(name))
        });
        Ok(refused)
    }

    /// The first of these commonNames that looks like a DNS name and may not stand below: OpenSSL takes it for one where a
    /// certificate that is not a CA's has no DNS name.
    ///
    /// # Errors
    /// When a name cannot be encoded.
    pub fn refused_host(
        &self,
        subject: &Subject,
        alt_names: &[AltName],
    ) -> Result<Option<AltName>, CaError> {
        let is_dns = |name: &AltName| matches!(name.0, GeneralName::DnsName(_));
        if alt_names.iter().any(is_dns) {
            return Ok(None);
        }
        let hosts = subject
            .common_names()
            .into_iter()
            .filter(|name| looks_like_host(name))
            .map(|name| ia5(&name, AltNameProblem::Dns, GeneralName::DnsName))
            .collect::<Result<Vec<_>, _>>()?;
        self.refused(&Subject::empty(), &hosts)
    }

    pub(crate) fn to_extension(&self) -> pkix::NameConstraints {
        let subtrees = |subtrees: &[NameSubtree]| {
            let subtrees: Vec<_> = subtrees
                .iter()
                .map(|subtree| GeneralSubtree {
                    base: subtree.0.clone(),
                    minimum: 0,
                    maximum: None,
                })
                .collect();
            (!subtrees.is_empty()).then_some(subtrees)
        };
        pkix::NameConstraints {
            permitted_subtrees: subtrees(&self.permitted),
            excluded_subtrees: subtrees(&self.excluded),
        }
    }

    /// None when a subtree has a minimum or maximum, which nobody implements (RFC 5280 §4.2.1.10 forbids them).
    pub(crate) fn from_extension(extension: pkix::NameConstraints) -> Option<NameConstraints> {
        let subtrees = |subtrees: Option<Vec<GeneralSubtree>>| {
            subtrees
                .unwrap_or_default()
                .into_iter()
                .map(|subtree| {
                    (subtree.minimum == 0 && subtree.maximum.is_none())
                        .then_some(NameSubtree(subtree.base))
                })
                .collect::<Option<Vec<_>>>()
        };
        Some(NameConstraints {
            permitted: subtrees(extension.permitted_subtrees)?,
            excluded: subtrees(extension.excluded_subtrees)?,
        })
    }
}

/// A part of the names of one kind; prints as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSubtree(GeneralName);

impl NameSubtree {
    /// Reads `DNS:example.com`, `email:example.com` (a host, `.` before it for those below it, or one address),
    /// `IP:192.0.2.0/24`, `URI:example.com`, `dirName:/O=Example`; without a prefix it is a network or a DNS name.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<NameSubtree, CaError> {
        let Some((kind, rest)) = text.split_once(':') else {
            return NameSubtree::of_shape(text);
        };
        let host = |rest: &str, kind, wrap: fn(_) -> _| {
            let bare = rest.strip_prefix('.').unwrap_or(rest);
            if is_dns_name(bare, rest.len()) {
                ia5(rest, kind, wrap).map(|name| NameSubtree(name.0))
            } else {
                Err(problem(text))
            }
        };
        match kind.to_ascii_lowercase().as_str() {
            "dns" => host(rest, AltNameProblem::Dns, GeneralName::DnsName),
            "email" if rest.contains('@') => Ok(NameSubtree(AltName::email(rest)?.0)),
            "email" => host(rest, AltNameProblem::Email, GeneralName::Rfc822Name),
            "uri" => host(
                rest,
                AltNameProblem::Uri,
                GeneralName::UniformResourceIdentifier,
            ),
            "ip" => network(rest).ok_or_else(|| problem(text)),
            "dirname" => Ok(NameSubtree(AltName::directory(&Subject::parse(rest)?)?.0)),
            _ => NameSubtree::of_shape(text),
        }
    }

    /// Does the name, or one that it stands for, lie in it?  A wildcard stands for all that have one label more (RFC 6125
    /// §6.4.3).
    fn meets(&self, name: &AltName) -> bool {
        let is_for_tree = match (&self.0, &name.0) {
            (GeneralName::DnsName(tree), GeneralName::DnsName(name)) => name
                .as_str()
                .strip_prefix("*.")
                .zip(tree.as_str().split_once('.'))
                .is_some_and(|(below, (label, rest))| {
                    !label.is_empty() && below.eq_ignore_ascii_case(rest)
                }),
            _ => false,
        };
        is_for_tree || self.holds(name) == Some(true)
    }

    /// Does the name lie in it?  None: it is of another kind, or of one that is not looked at.
    fn holds(&self, name: &AltName) -> Option<bool> {
        let lower = |text: &str| text.to_ascii_lowercase();
        match (&self.0, &name.0) {
            // Of no length: all of its kind; so a CA may issue none of it (CA/B BR 7.1.2.5.2).
            (GeneralName::DnsName(tree), GeneralName::DnsName(_))
            | (GeneralName::Rfc822Name(tree), GeneralName::Rfc822Name(_))
            | (
                GeneralName::UniformResourceIdentifier(tree),
                GeneralName::UniformResourceIdentifier(_),
            ) if tree.as_str().is_empty() => Some(true),
            (GeneralName::DnsName(tree), GeneralName::DnsName(name)) => {
                let name = lower(name.as_str());
                let bare = name.strip_prefix("*.").unwrap_or(&name);
                Some(match lower(tree.as_str()) {
                    // A wildcard's own names lie below what it stands on.
                    tree if tree.starts_with('.') => name.ends_with(&tree),
                    tree => bare == tree || bare.ends_with(&format!(".{tree}")),
                })
            }
            (GeneralName::Rfc822Name(tree), GeneralName::Rfc822Name(name)) => {
                let (local, host) = name.as_str().rsplit_once('@')?;
                Some(match tree.as_str().rsplit_once('@') {
                    Some((tree_local, tree_host)) => {
                        local == tree_local && host.eq_ignore_ascii_case(tree_host)
                    }
                    None => is_host_in(host, tree.as_str()),
                })
            }
            (
                GeneralName::UniformResourceIdentifier(tree),
                GeneralName::UniformResourceIdentifier(uri),
            ) => Some(uri_host(uri.as_str()).is_some_and(|host| is_host_in(host, tree.as_str()))),
            (GeneralName::IpAddress(tree), GeneralName::IpAddress(name)) => {
                let (tree, name) = (tree.as_bytes(), name.as_bytes());
                let (address, mask) = tree.split_at(tree.len() / 2);
                let is_inside = address
                    .iter()
                    .zip(mask)
                    .zip(name)
                    .all(|((address, mask), name)| name & mask == address & mask);
                // IPv4 and IPv6 are of one kind: a permitted network of the one permits no address of the other.
                Some(address.len() == name.len() && is_inside)
            }
            (GeneralName::DirectoryName(tree), GeneralName::DirectoryName(name)) => {
                let (tree, name) = (tree.to_der().ok()?, name.to_der().ok()?);
                Some(is_directory_name_in(&name, &tree))
            }
            _ => None,
        }
    }

    fn of_shape(text: &str) -> Result<NameSubtree, CaError> {
        match network(text) {
            Some(network) => Ok(network),
            None if text.contains(['/', ':']) => Err(problem(text)),
            None => NameSubtree::parse(&format!("DNS:{text}")),
        }
    }
}

/// Two labels or more, of letters, digits, `_`, and `-` not beside a dot or an end: as OpenSSL's `cn2dnsid` has it; and with
/// `*.` before it, as those who match names have it.
fn looks_like_host(name: &str) -> bool {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(is_letter)
    };
    bare.contains('.') && bare.split('.').all(is_label)
}

/// A host itself, or with `.` before it those below it (RFC 5280 §4.2.1.10, email and URI).
fn is_host_in(host: &str, tree: &str) -> bool {
    let (host, tree) = (host.to_ascii_lowercase(), tree.to_ascii_lowercase());
    match tree.starts_with('.') {
        true => host.ends_with(&tree),
        false => host == tree,
    }
}

/// Its first RelativeDistinguishedNames are those of the tree, each with the same attributes (RFC 5280 §7.1).
fn is_directory_name_in(name: &[u8], tree: &[u8]) -> bool {
    let (Ok(name), Ok(tree)) = (name::attributes(name), name::attributes(tree)) else {
        return false;
    };
    let mut rdns = name.chunk_by(|a, b| a.rdn == b.rdn);
    tree.chunk_by(|a, b| a.rdn == b.rdn).all(|wanted| {
        rdns.next().is_some_and(|rdn| {
            let is_there =
                |wanted: &NameAttribute<'_>| rdn.iter().any(|found| is_same(found, wanted));
            rdn.len() == wanted.len() && wanted.iter().all(is_there)
        })
    })
}

/// Strings without regard to case and to how much space there is, whatever their type; others octet for octet.
fn is_same(one: &NameAttribute<'_>, other: &NameAttribute<'_>) -> bool {
    let prepared = |text: String| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").to_lowercase()
    };
    one.attribute_type.value == other.attribute_type.value
        && match (one.text().map(prepared), other.text().map(prepared)) {
            (Some(one), Some(other)) => one == other,
            (None, None) => one.value.der == other.value.der,
            (Some(_), None) | (None, Some(_)) => false,
        }
}

/// The host of a URI with an authority (RFC 3986 §3.2).
fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    host_and_port.split(':').next()
}

/// `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.0/255.255.255.0`, or one address: address and mask (RFC 5280 §4.2.1.10).
fn network(text: &str) -> Option<NameSubtree> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let address = octets(address.parse().ok()?);
    let bits = address.len() * 8;
    let mask = match mask.map(|mask| (mask.parse::<usize>(), mask)) {
        None => prefix_mask(bits, bits),
        Some((Ok(length), _)) if length <= bits => prefix_mask(length, bits),
        Some((_, mask)) => octets(mask.parse().ok()?),
    };
    let is_contiguous = (0..=bits).any(|length| prefix_mask(length, bits) == mask);
    let has_host_bits = address.iter().zip(&mask).any(|(a, m)| a & !m != 0);
    if !is_contiguous || has_host_bits {
        return None;
    }
    let content = OctetString::new([address, mask].concat()).ok()?;
    Some(NameSubtree(GeneralName::IpAddress(content)))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn prefix_mask(length: usize, bits: usize) -> Vec<u8> {
    (0..bits / 8)
        .map(|index| match length.saturating_sub(index * 8).min(8) {
            0 => 0,
            ones => 0xff << (8 - ones),
        })
        .collect()
}

fn problem(text: &str) -> CaError {
    CaError::NameSubtree {
        text: text.to_owned(),
    }
}

impl fmt::Display for NameSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GeneralName::IpAddress(content) = &self.0 else {
            return write!(f, "{}", AltName(self.0.clone()));
        };
        let content = content.as_bytes();
        let (address, mask) = content.split_at(content.len() / 2);
        let length: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
        if let Ok(four) = <[u8; 4]>::try_from(address) {
            write!(f, "IP:{}/{length}", IpAddr::from(four))
        } else if let Ok(sixteen) = <[u8; 16]>::try_from(address) {
            write!(f, "IP:{}/{length}", IpAddr::from(sixteen))
        } else {
            f.write_str("IP:?")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_are_read_as_people_write_them() {
        for (text, shown) in [
            ("DNS:example.com", "DNS:example.com"),
            (".example.com", "DNS:.example.com"),
            ("example.com", "DNS:example.com"),
            ("email:example.com", "email:example.com"),
            ("email:a@example.com", "email:a@example.com"),
            ("URI:.example.com", "URI:.example.com"),
            ("IP:192.0.2.0/24", "IP:192.0.2.0/24"),
            ("10.0.0.0/255.0.0.0", "IP:10.0.0.0/8"),
            ("0.0.0.0/0", "IP:0.0.0.0/0"),
            ("2001:db8::/32", "IP:2001:db8::/32"),
            ("ip:192.0.2.7", "IP:192.0.2.7/32"),
            ("dirName:/O=Example", "dirName:O=Example"),
        ] {
            let subtree = NameSubtree::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(subtree.to_string(), shown);
            assert_eq!(NameSubtree::parse(shown).unwrap(), subtree);
        }
    }

    #[test]
    fn what_is_no_subtree_is_refused() {
        for text in [
            "",
            "DNS:*.example.com",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "10.0.0.0/255.0.255.0",
            "IP:example.com",
            "email:",
            "foo:bar",
        ] {
            assert!(NameSubtree::parse(text).is_err(), "{text}");
        }
    }
}
