//! Which addresses a download may connect to.
//!
//! From: `client`, for host names once they are resolved (what is checked is what is connected to, so a name cannot
//! change its mind in between), and for addresses written in a URL.  To: the connection, or an error that names the
//! address.  A URL that a stranger chose (a redirect, a URL found inside a list) must not reach what only this machine
//! can reach; nobody's URL may reach the cloud's metadata, which hands out credentials (RFC 6890, RFC 3927, RFC 4193).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far a download may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only what anybody on the Internet could reach as well.
    Public,
    /// Private networks and this machine too: the operator named the host.
    Inside,
}

impl Reach {
    /// Whether this address may be connected to.
    ///
    /// # Errors
    /// The address, and what it is.
    pub(super) fn check(self, address: IpAddr) -> Result<(), RefusedAddress> {
        let kind = match (self, kind(address)) {
            (_, Public) | (Reach::Inside, Inside(_)) => return Ok(()),
            (Reach::Public, Inside(kind)) | (_, Never(kind)) => kind,
        };
        Err(RefusedAddress { address, kind })
    }
}

/// An address that is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedAddress {
    /// Which.
    pub address: IpAddr,
    /// What it is, with its article.
    pub kind: &'static str,
}

impl fmt::Display for RefusedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.address, self.kind)
    }
}

impl std::error::Error for RefusedAddress {}

/// What an address is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddressKind {
    Public,
    /// For hosts that the operator named.
    Inside(&'static str),
    /// For nobody.
    Never(&'static str),
}

use AddressKind::{Inside, Never, Public};

fn kind(address: IpAddr) -> AddressKind {
    if METADATA.contains(&address) {
        return Never("where a cloud keeps the credentials of its machines");
    }
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [169, 254, ..] => Never("link-local"),
        [0, 0, 0, 0] => Never("no host's address"),
        [224..=239, ..] => Never("a multicast address"),
        [255, 255, 255, 255] => Never("the broadcast address"),
        [127, ..] => Inside("this machine"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Inside("private"),
        [100, 64..=127, ..] => Inside("shared behind a provider's NAT"),
        [198, 18..=19, ..] => Inside("for benchmarks"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Inside("for documentation"),
        [0, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Inside("reserved"),
        _ => Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> AddressKind {
    // What a translator or a tunnel would make of it counts, whoever runs that.
    if let Some(inner) = embedded_v4(address) {
        match kind(IpAddr::V4(inner)) {
            Never(kind) => return Never(kind),
            Inside(kind) => return Inside(kind),
            Public => {}
        }
    }
    match address.segments() {
        [0xfe80..=0xfebf, ..] => Never("link-local"),
        [0, 0, 0, 0, 0, 0, 0, 0] => Never("no host's address"),
        [0xff00..=0xffff, ..] => Never("a multicast address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Inside("this machine"),
        [0xfc00..=0xfdff, ..] => Inside("private (unique local)"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Inside("for documentation"),
        [0x2001, 2, 0, ..] => Inside("for benchmarks"),
        // Teredo, ORCHID and their neighbours, of which only a few reach anybody.
        [0x2001, 0..=0x01ff, ..] => Inside("reserved"),
        [0x2000..=0x3fff, ..] => Public,
        // IPv4-mapped, and NAT64 with the well-known prefix, of a public address.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Public,
        _ => Inside("reserved"),
    }
}

/// The IPv4 address inside: mapped and compatible (RFC 4291 §2.5.5), NAT64 (RFC 6052, and RFC 8215 in its /96 form),
/// 6to4 (RFC 3056), ISATAP (RFC 5214).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., g, h] = address.segments();
    let last = Some(joined(g, h));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => last,
        [0x64, 0xff9b, ..] => last,
        [0x2002, b, c, ..] => Some(joined(b, c)),
        [_, _, _, _, 0 | 0x0200, 0x5efe, ..] => last,
        _ => None,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

/// Metadata services outside the link-local ranges.
const METADATA: [IpAddr; 5] = [
    // AWS
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    // Google
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Alibaba
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(addresses: &str) -> Vec<(String, AddressKind)> {
        addresses
            .split_whitespace()
            .map(|text| (text.to_owned(), kind(text.parse().unwrap())))
            .collect()
    }

    #[test]
    fn what_anybody_can_reach_is_public() {
        let public = "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.167.0.1 198.17.0.1 \
            198.20.0.1 223.255.255.255 11.0.0.1 126.0.0.1 128.0.0.1 169.253.0.1 169.255.0.1 2606:4700::1111 \
            2001:4860:4860::8888 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2001:200::1";
        for (text, kind) in kinds(public) {
            assert_eq!(kind, Public, "{text}");
            assert_eq!(Reach::Public.check(text.parse().unwrap()), Ok(()), "{text}");
        }
    }

    #[test]
    fn crl_28_what_only_this_machine_can_reach_is_for_the_operators_own_host_only() {
        let inside = "127.0.0.1 127.255.255.255 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.255 \
            198.18.0.1 198.19.255.255 192.0.2.1 198.51.100.1 203.0.113.1 0.0.0.1 192.0.0.1 192.88.99.1 240.0.0.1 \
            255.255.255.254 ::1 fc00::1 fd12:3456::1 2001:db8::1 3fff::1 3fff:fff::1 2001:2::1 2001::1 2001:10::1 2001:20::1 \
            100::1 fec0::1 4000::1 5f00::1 e000::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::192.168.0.1 \
            64:ff9b:1::8.8.8.8 64:ff9b:1::10.0.0.1 2002:7f00:1::1 2002:a00:1::1 ::ffff:0:10.0.0.1 \
            2606:4700::5efe:10.0.0.1 ::8.8.8.8";
        for (text, kind) in kinds(inside) {
            let address = text.parse().unwrap();
            assert!(matches!(kind, Inside(_)), "{text}: {kind:?}");
            assert_eq!(Reach::Inside.check(address), Ok(()), "{text}");
            let refused = Reach::Public.check(address).unwrap_err();
            assert_eq!(refused.address, address);
        }
    }

    #[test]
    fn crl_28_link_local_and_metadata_addresses_are_for_nobody() {
        let never = "169.254.169.254 169.254.0.1 fe80::1 febf::1 fd00:ec2::254 fd20:ce::254 100.100.100.200 168.63.129.16 \
            192.0.0.192 0.0.0.0 :: 224.0.0.1 239.1.1.1 255.255.255.255 ff02::1 ::ffff:169.254.169.254 ::169.254.169.254 \
            64:ff9b::169.254.169.254 64:ff9b:1::169.254.169.254 2002:a9fe:a9fe::1 ::ffff:100.100.100.200 ::ffff:0.0.0.0 \
            fe80::5efe:1.2.3.4 2606:4700::5efe:169.254.169.254";
        for (text, kind) in kinds(never) {
            assert!(matches!(kind, Never(_)), "{text}: {kind:?}");
            for reach in [Reach::Inside, Reach::Public] {
                assert!(reach.check(text.parse().unwrap()).is_err(), "{text}");
            }
        }
    }
}
