//! Who asks, as far as it matters when more is asked for than can be signed.  From: the listener.  To: `waiting_line`.
//!
//! Plain octets: core knows no sockets and no addresses.

/// Whom a request is counted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Client {
    /// Nobody: this machine, or a proxy that the operator trusts and that names no client.
    #[default]
    Trusted,
    /// Everybody in this network.
    Of(Network),
}

impl Client {
    /// The network that is counted.
    pub fn network(self) -> Option<Network> {
        match self {
            Client::Trusted => None,
            Client::Of(network) => Some(network),
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 host may fill as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// An IPv4 address.
    V4([u8; 4]),
    /// The first half of an IPv6 address.
    V6([u8; 8]),
}
