//! Who may connect.  From: `server`, after accept.  To: `connection`, a permit for as long as it is open.
//!
//! Two caps of [`Limits`](crate::Limits), over all workers: on connections, and on connections from one address.  They are looked at once per
//! connection, never per request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ocspry_core::{Client, Network};

/// The connections there are.
#[derive(Debug)]
pub(crate) struct Admission {
    connections_max: usize,
    connections_per_address_max: usize,
    open: AtomicUsize,
    /// At most `connections_max` entries.
    open_by_network: Mutex<HashMap<Network, usize>>,
}

impl Admission {
    /// Nobody is connected yet.
    pub(crate) fn new(connections_max: usize, connections_per_address_max: usize) -> Admission {
        Admission {
            connections_max,
            connections_per_address_max,
            open: AtomicUsize::new(0),
            open_by_network: Mutex::new(HashMap::new()),
        }
    }

    /// A permit for a connection from `peer`; None if a cap is reached.  A trusted one has the whole room.
    pub(crate) fn admit(self: &Arc<Self>, peer: Client) -> Option<Permit> {
        let admitted = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < self.connections_max).then_some(open + 1)
            });
        admitted.ok()?;
        // From here on the permit gives back what was counted, whatever happens.
        let mut permit = Permit {
            admission: Arc::clone(self),
            network: None,
        };
        if let Some(network) = peer.network() {
            let mut open_by_network = self.networks();
            let open = open_by_network.entry(network).or_insert(0);
            if *open >= self.connections_per_address_max {
                return None;
            }
            *open += 1;
            permit.network = Some(network);
        }
        Some(permit)
    }

    /// Whether who only keeps a connection must make room: more than three quarters of the places are taken.
    pub(crate) fn crowd(&self) -> Crowd {
        if self.open() > self.connections_max - self.connections_max / 4 {
            Crowd::Dense
        } else {
            Crowd::Sparse
        }
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.open_by_network
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How full the table of connections is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// There is room.
    Sparse,
    /// Nearly full.
    Dense,
}

/// One connection's place; given back on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    network: Option<Network>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        let Some(network) = self.network else { return };
        let mut open_by_network = self.admission.networks();
        if let Some(open) = open_by_network.get_mut(&network) {
            *open -= 1;
            if *open == 0 {
                open_by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrustedPeers;

    fn admit(admission: &Arc<Admission>, peer: &str) -> Option<Permit> {
        admission.admit(TrustedPeers::default().peer(peer.parse().unwrap()))
    }

    #[test]
    fn connections_over_the_cap_are_refused_until_one_is_closed() {
        let admission = Arc::new(Admission::new(2, 2));
        let first = admit(&admission, "192.0.2.1");
        let second = admit(&admission, "127.0.0.1");
        assert!(first.is_some() && second.is_some());
        assert!(admit(&admission, "192.0.2.2").is_none());
        assert_eq!(admission.open(), 2);
        drop(first);
        assert!(admit(&admission, "192.0.2.2").is_some());
    }

    #[test]
    fn more_than_three_quarters_of_the_places_are_a_crowd() {
        let admission = Arc::new(Admission::new(8, 8));
        let mut permits: Vec<_> = (0..6).map(|_| admit(&admission, "127.0.0.1")).collect();
        assert_eq!(admission.crowd(), Crowd::Sparse);
        permits.push(admit(&admission, "127.0.0.1"));
        assert_eq!(admission.crowd(), Crowd::Dense);
        permits.pop();
        assert_eq!(admission.crowd(), Crowd::Sparse);
        // One place: whoever has it fills the table.
        let narrow = Arc::new(Admission::new(1, 1));
        assert_eq!(narrow.crowd(), Crowd::Sparse);
    }

    #[test]
    fn one_address_gets_no_more_than_its_share() {
        let admission = Arc::new(Admission::new(10, 2));
        let first = admit(&admission, "192.0.2.1");
        let _second = admit(&admission, "::ffff:192.0.2.1");
        assert!(admit(&admission, "192.0.2.1").is_none());
        assert_eq!(admission.open(), 2);
        let _other = admit(&admission, "192.0.2.2").unwrap();
        drop(first);
        assert!(admit(&admission, "192.0.2.1").is_some());
    }

    #[test]
    fn an_ipv6_network_of_one_host_counts_as_one_address() {
        let admission = Arc::new(Admission::new(10, 1));
        let _first = admit(&admission, "2001:db8::1").unwrap();
        assert!(admit(&admission, "2001:db8::ffff:2").is_none());
        assert!(admit(&admission, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn loopback_has_no_share() {
        let admission = Arc::new(Admission::new(10, 1));
        let permits = ["127.0.0.1", "127.0.0.1", "::1", "::1", "::ffff:127.0.0.1"]
            .map(|peer| admit(&admission, peer));
        assert!(permits.iter().all(Option::is_some));
    }

    #[test]
    fn nothing_is_remembered_of_an_address_that_left() {
        let admission = Arc::new(Admission::new(10, 5));
        for host in 0..200 {
            drop(admit(&admission, &format!("192.0.2.{host}")).unwrap());
        }
        assert_eq!(admission.open(), 0);
        assert!(admission.networks().is_empty());
    }
}
