//! Whom a request is counted for.  From: `server`, the peer of a connection, and what the request says.  To: `admission` and
//! `core::responder`.
//!
//! A proxy in front brings everybody's requests: one that the operator trusts is not counted itself, and says in
//! X-Real-IP who asks.  From everybody else that header is what a client likes to say, and nobody looks at it.

use std::net::IpAddr;

use ipnet::IpNet;
use ocspry_core::{Client, Network};

/// The header in which a proxy says who asks.
pub(crate) const CLIENT_HEADER: &str = "x-real-ip";

/// The proxies that are believed; those that come by loopback are among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedPeers {
    networks: Vec<IpNet>,
}

impl TrustedPeers {
    /// Those in these networks, and loopback.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> TrustedPeers {
        TrustedPeers {
            networks: networks.into_iter().map(canonical).collect(),
        }
    }

    /// Whom a connection is counted for.
    pub(crate) fn peer(&self, peer: IpAddr) -> Client {
        let peer = peer.to_canonical();
        if peer.is_loopback() || self.networks.iter().any(|network| network.contains(&peer)) {
            return Client::Trusted;
        }
        Client::Of(network(peer))
    }

    /// Whom a request is counted for, whose values of [`CLIENT_HEADER`] are `named`; those are looked at only where the
    /// peer is trusted, and count only if there is one, which is one address.
    pub(crate) fn client<'a, Named>(&self, peer: IpAddr, named: impl FnOnce() -> Named) -> Client
    where
        Named: IntoIterator<Item = &'a [u8]>,
    {
        let peer = self.peer(peer);
        if let Client::Of(_) = peer {
            return peer;
        }
        let mut named = named().into_iter();
        let (Some(address), None) = (named.next(), named.next()) else {
            return peer;
        };
        let address = std::str::from_utf8(address).ok();
        match address.and_then(|address| address.trim().parse::<IpAddr>().ok()) {
            // Nobody is trusted because a client says so: a proxy may pass on what it was sent.
            Some(client) => Client::Of(network(client.to_canonical())),
            None => peer,
        }
    }
}

/// IPv4 as such: so peers are seen, whichever socket they came by.
fn canonical(network: IpNet) -> IpNet {
    let address = network.addr().to_canonical();
    match (network, address) {
        (IpNet::V6(mapped), IpAddr::V4(address)) => mapped
            .prefix_len()
            .checked_sub(MAPPED_BITS)
            .and_then(|length| IpNet::new(IpAddr::V4(address), length).ok())
            .unwrap_or(network),
        (IpNet::V4(_) | IpNet::V6(_), _) => network,
    }
}

/// An IPv4 address, or the /64 of an IPv6 one.
fn network(peer: IpAddr) -> Network {
    match peer {
        IpAddr::V4(address) => Network::V4(address.octets()),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, ..] = address.octets();
            Network::V6([a, b, c, d, e, f, g, h])
        }
    }
}

/// In front of an IPv4 address that is written as one of IPv6.
const MAPPED_BITS: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &TrustedPeers, peer: &str, named: &[&str]) -> Client {
        let values = named.iter().map(|value| value.as_bytes());
        trusted.client(peer.parse().unwrap(), || values.collect::<Vec<_>>())
    }

    const CLIENT: Client = Client::Of(Network::V4([192, 0, 2, 7]));

    #[test]
    fn a_trusted_proxy_says_who_asks_and_is_not_counted_itself() {
        for network in ["10.0.0.0/8", "::ffff:10.0.0.0/104"] {
            let trusted = TrustedPeers::new([network.parse().unwrap()]);
            for peer in [
                "127.0.0.1",
                "::1",
                "::ffff:127.0.0.1",
                "10.1.2.3",
                "::ffff:10.1.2.3",
            ] {
                assert_eq!(client(&trusted, peer, &[]), Client::Trusted, "{peer}");
                assert_eq!(client(&trusted, peer, &["192.0.2.7"]), CLIENT, "{peer}");
                assert_eq!(client(&trusted, peer, &[" ::ffff:192.0.2.7 "]), CLIENT);
            }
        }
    }

    #[test]
    fn what_is_no_single_address_names_nobody() {
        let trusted = TrustedPeers::default();
        for named in [
            &["unknown"][..],
            &["192.0.2.7, 192.0.2.8"],
            &["192.0.2.7", "192.0.2.8"],
            &["192.0.2.7:4711"],
            &["\u{fffd}"],
            &[""],
        ] {
            assert_eq!(client(&trusted, "127.0.0.1", named), Client::Trusted);
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let trusted = TrustedPeers::new(["10.0.0.0/8".parse().unwrap()]);
        for named in [&[][..], &["127.0.0.1"], &["192.0.2.8"]] {
            assert_eq!(client(&trusted, "192.0.2.7", named), CLIENT);
        }
    }

    #[test]
    fn an_ipv6_network_of_one_host_counts_as_one_address() {
        let trusted = TrustedPeers::default();
        let of = |peer| client(&trusted, peer, &[]);
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
