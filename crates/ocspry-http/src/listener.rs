//! The listening sockets.  From: configuration (addresses, workers).  To: `server`, one set of sockets per worker.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};

/// Bound and listening sockets: for each worker one per address.
#[derive(Debug)]
pub struct Listeners {
    addresses: Vec<SocketAddr>,
    workers: Vec<Vec<TcpListener>>,
    holder: PortHolder,
}

/// Who else has the port: it decides how listening ends (ADR-0018).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortHolder {
    /// Nobody: with the sockets the port is closed.
    Alone,
    /// Another instance may listen beside this one, on sockets of its own, and takes what comes next.
    Beside,
    /// Who started this process holds the very sockets, with what waits on them, for the one that comes next.
    Parent,
}

/// Why we cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// No address was given.
    #[error("no address to listen on")]
    NoAddress,
    /// Somebody listens there already.
    #[error(
        "cannot listen on {address}: address in use; stop the program that listens there, or choose another port"
    )]
    AddressInUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Somebody listens there who does not let us in.
    #[error(
        "cannot listen on {address} beside the program that listens there: it is no `ocspry serve`, or runs as another user; stop it, or choose another port"
    )]
    NotShared {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Ports below 1024 need a privilege.
    #[error(
        "cannot listen on {address}: permission denied; choose a port from 1024 up, or grant CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// No interface has this address.
    #[error("cannot listen on {address}: this machine has no such address")]
    NoSuchAddress {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Anything else the kernel says.
    #[error("cannot listen on {address}: {source}")]
    Failed {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Listeners {
    /// Binds `addresses` for `workers` threads (at least one), and listens.
    ///
    /// Each worker gets a socket of its own for each address, and the kernel spreads connections over them (SO_REUSEPORT).  That
    /// option would also let a second instance share the port without a word; so the first socket of each address is bound
    /// without it, which fails if anybody listens there.  Port 0 is chosen by that first bind and shared by all workers.
    ///
    /// # Errors
    /// [`ListenError`], for the first address that cannot be had.
    pub fn bind(addresses: &[SocketAddr], workers: usize) -> Result<Listeners, ListenError> {
        Listeners::bind_as(PortHolder::Alone, addresses, workers)
    }

    /// The same beside whoever listens there already, if that one is of the same user and has bound its sockets as
    /// [`Listeners::bind`] or this does.
    ///
    /// # Errors
    /// As [`Listeners::bind`].
    pub fn bind_beside(addresses: &[SocketAddr], workers: usize) -> Result<Listeners, ListenError> {
        Listeners::bind_as(PortHolder::Beside, addresses, workers)
    }

    /// Takes sockets that listen already.  All workers share each of them, and so does whoever handed them over.
    ///
    /// # Errors
    /// One of them does not listen, the kernel does not tell their addresses, or it gives no more descriptors.
    pub fn inherit(sockets: Vec<TcpListener>, workers: usize) -> io::Result<Listeners> {
        let mut listeners = Listeners {
            addresses: Vec::with_capacity(sockets.len()),
            workers: Vec::with_capacity(workers.max(1)),
            holder: PortHolder::Parent,
        };
        for socket in &sockets {
            if !SockRef::from(socket).is_listener()? {
                let what = "it is a socket that does not listen";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
            socket.set_nonblocking(true)?;
            // Whoever hands over a socket that has no such option may have its answers a little later.
            let _ = send_at_once(socket);
            listeners.addresses.push(socket.local_addr()?);
        }
        for _ in 1..workers.max(1) {
            let of_worker = sockets.iter().map(TcpListener::try_clone);
            listeners
                .workers
                .push(of_worker.collect::<io::Result<_>>()?);
        }
        listeners.workers.push(sockets);
        Ok(listeners)
    }

    fn bind_as(
        holder: PortHolder,
        addresses: &[SocketAddr],
        workers: usize,
    ) -> Result<Listeners, ListenError> {
        if addresses.is_empty() {
            return Err(ListenError::NoAddress);
        }
        let mut listeners = Listeners {
            addresses: Vec::with_capacity(addresses.len()),
            workers: std::iter::repeat_with(Vec::new)
                .take(workers.max(1))
                .collect(),
            holder,
        };
        for &address in addresses {
            // [::] also takes IPv4 connections, unless an IPv4 address of the same port is to be bound beside it.
            let only_v6 = addresses
                .iter()
                .any(|other| other.is_ipv4() && other.port() == address.port());
            listeners
                .bind_one(address, only_v6)
                .map_err(|source| ListenError::new(address, source, holder))?;
        }
        Ok(listeners)
    }

    fn bind_one(&mut self, asked: SocketAddr, only_v6: bool) -> io::Result<()> {
        let first = new_socket(asked, only_v6)?;
        if self.holder == PortHolder::Beside {
            first.set_reuse_port(true)?;
        }
        first.bind(&asked.into())?;
        let address = first
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("the kernel gave a socket without an IP address"))?;
        first.set_reuse_port(true)?;
        let mut sockets = vec![first];
        while sockets.len() < self.workers.len() {
            let socket = new_socket(asked, only_v6)?;
            socket.set_reuse_port(true)?;
            socket.bind(&address.into())?;
            sockets.push(socket);
        }
        for (socket, worker) in sockets.into_iter().zip(&mut self.workers) {
            socket.listen(BACKLOG)?;
            worker.push(socket.into());
        }
        self.addresses.push(address);
        Ok(())
    }

    /// The addresses that clients can connect to, in the order asked for, with real ports.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Who else has the port.
    pub(crate) fn holder(&self) -> PortHolder {
        self.holder
    }

    /// How many workers they are for.
    pub fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// The addresses, and for each worker its sockets.
    pub(crate) fn into_parts(self) -> (Vec<SocketAddr>, Vec<Vec<TcpListener>>) {
        (self.addresses, self.workers)
    }
}

/// Connections that the kernel holds for us until we accept them (it also applies net.core.somaxconn).
pub(crate) const BACKLOG: i32 = 1024;

/// Whoever wants to connect from now on is not heard by this socket, whose port others share: a client tries again after
/// a second, and then the kernel, which has forgotten this socket, asks another one.  Handshakes under way are finished.
/// Without that, what arrives between the last accept and the close would be reset.
pub(crate) fn turn_away_newcomers(listener: &impl std::os::fd::AsFd) -> io::Result<()> {
    // Classic BPF over the TCP header: of the flags at octet 13, SYN without ACK is dropped, all else kept.
    const LOAD_OCTET: u16 = 0x30;
    const AND: u16 = 0x54;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    let filter = [
        SockFilter::new(LOAD_OCTET, 0, 0, 13),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&filter)
}

/// Answers are written whole: nothing is gained by waiting for more.  What a socket accepts has this from it.
fn send_at_once(listener: &impl std::os::fd::AsFd) -> io::Result<()> {
    SockRef::from(listener).set_tcp_nodelay(true)
}

fn new_socket(address: SocketAddr, only_v6: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    // The port can be had again at once after a stop, although old connections linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    send_at_once(&socket)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    Ok(socket)
}

impl ListenError {
    fn new(address: SocketAddr, source: io::Error, holder: PortHolder) -> ListenError {
        match source.kind() {
            io::ErrorKind::AddrInUse if holder == PortHolder::Beside => {
                ListenError::NotShared { address }
            }
            io::ErrorKind::AddrInUse => ListenError::AddressInUse { address },
            io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address },
            io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress { address },
            _ => ListenError::Failed { address, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1:0";

    #[test]
    fn all_workers_share_the_port_that_the_kernel_chose() {
        let listeners = Listeners::bind(&[LOOPBACK.parse().unwrap()], 3).unwrap();
        assert_eq!(listeners.local_addresses().len(), 1);
        let address = listeners.local_addresses()[0];
        assert_ne!(address.port(), 0);
        assert_eq!(listeners.worker_count(), 3);
        let (_, workers) = listeners.into_parts();
        for worker in workers {
            assert_eq!(worker.len(), 1);
            assert_eq!(worker[0].local_addr().unwrap().port(), address.port());
        }
    }

    #[test]
    fn ops_07_a_second_instance_on_the_port_is_refused_with_the_address_and_what_to_do() {
        let first = Listeners::bind(&[LOOPBACK.parse().unwrap()], 2).unwrap();
        let address = first.local_addresses()[0];
        let error = Listeners::bind(&[address], 2).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {address}: address in use; stop the program that listens there, or choose another port"
            )
        );
    }

    #[test]
    fn a_second_instance_is_let_in_where_it_asks_to_be_beside() {
        let first = Listeners::bind(&[LOOPBACK.parse().unwrap()], 2).unwrap();
        let address = first.local_addresses()[0];
        let beside = Listeners::bind_beside(&[address], 2).unwrap();
        assert_eq!(beside.local_addresses(), [address]);
        // Who does not ask for it is told as ever.
        assert!(Listeners::bind(&[address], 2).is_err());
    }

    #[test]
    fn who_asks_to_be_beside_a_program_that_shares_nothing_is_told_why_not() {
        // As one of another user would be: the kernel wants the consent of both.
        let stranger = TcpListener::bind(LOOPBACK).unwrap();
        let address = stranger.local_addr().unwrap();
        let error = Listeners::bind_beside(&[address], 2).unwrap_err();
        assert!(matches!(error, ListenError::NotShared { .. }), "{error}");
        assert!(error.to_string().contains("another user"), "{error}");
    }

    #[test]
    fn inherited_sockets_may_be_several_and_of_both_families() {
        let sockets: Vec<TcpListener> = [LOOPBACK, "[::1]:0"]
            .into_iter()
            .filter_map(|address| TcpListener::bind(address).ok())
            .collect();
        let addresses: Vec<SocketAddr> = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap())
            .collect();
        let listeners = Listeners::inherit(sockets, 2).unwrap();
        assert_eq!(listeners.local_addresses(), addresses);
        let (_, workers) = listeners.into_parts();
        for worker in workers {
            let its: Vec<_> = worker.iter().map(|it| it.local_addr().unwrap()).collect();
            assert_eq!(its, addresses);
        }
    }

    #[test]
    fn inherited_sockets_are_shared_by_all_workers_and_outlive_them() {
        let parent = TcpListener::bind(LOOPBACK).unwrap();
        let address = parent.local_addr().unwrap();
        let listeners = Listeners::inherit(vec![parent.try_clone().unwrap()], 3).unwrap();
        assert_eq!(listeners.local_addresses(), [address]);
        assert_eq!(listeners.worker_count(), 3);
        drop(listeners);
        assert!(std::net::TcpStream::connect(address).is_ok());
    }

    #[test]
    fn ops_06_the_port_is_free_again_at_once() {
        let address = Listeners::bind(&[LOOPBACK.parse().unwrap()], 2)
            .unwrap()
            .local_addresses()[0];
        assert_eq!(
            Listeners::bind(&[address], 2).unwrap().local_addresses(),
            [address]
        );
    }

    #[test]
    fn what_is_accepted_sends_at_once() {
        let bound = Listeners::bind(&[LOOPBACK.parse().unwrap()], 2).unwrap();
        let handed_over = vec![TcpListener::bind(LOOPBACK).unwrap()];
        let inherited = Listeners::inherit(handed_over, 1).unwrap();
        for listeners in [bound, inherited] {
            let address = listeners.local_addresses()[0];
            let _client = std::net::TcpStream::connect(address).unwrap();
            let (_, workers) = listeners.into_parts();
            let accepted = workers.iter().flatten().find_map(|socket| {
                socket.set_nonblocking(true).unwrap();
                socket.accept().ok()
            });
            let (stream, _) = accepted.expect("one of them has it");
            assert!(stream.nodelay().unwrap());
        }
    }

    #[test]
    fn no_address_and_an_address_of_another_machine_are_refused() {
        assert!(matches!(
            Listeners::bind(&[], 1),
            Err(ListenError::NoAddress)
        ));
        let elsewhere = "192.0.2.1:0".parse().unwrap();
        assert!(
            matches!(Listeners::bind(&[elsewhere], 1), Err(ListenError::NoSuchAddress { address }) if address == elsewhere)
        );
    }

    #[test]
    fn no_workers_means_one() {
        assert_eq!(
            Listeners::bind(&[LOOPBACK.parse().unwrap()], 0)
                .unwrap()
                .worker_count(),
            1
        );
    }
}
