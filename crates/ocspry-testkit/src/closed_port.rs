//! A port at which every connection is refused, for as long as this lives: bound, so that nobody else gets it, and never
//! listened on.  From: tests of what a client does when the responder is down, or not up yet.

use rustix::fd::OwnedFd;
use rustix::net::sockopt::set_socket_reuseport;
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, bind, getsockname, socket};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// The port.
#[derive(Debug)]
pub struct ClosedPort {
    address: SocketAddr,
    _socket: OwnedFd,
}

impl ClosedPort {
    /// Takes a free port of 127.0.0.1.
    pub fn new() -> ClosedPort {
        ClosedPort::with(false)
    }

    /// One on which a program that consents to share it may listen: it is closed until then.
    pub fn to_share() -> ClosedPort {
        ClosedPort::with(true)
    }

    fn with(is_shared: bool) -> ClosedPort {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        set_socket_reuseport(&socket, is_shared).expect("an option of sockets");
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        bind(&socket, &any).expect("a free port");
        let address: SocketAddrAny = getsockname(&socket).expect("a bound address");
        ClosedPort {
            address: address.try_into().expect("an Internet address"),
            _socket: socket,
        }
    }

    /// Its number.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Default for ClosedPort {
    fn default() -> ClosedPort {
        ClosedPort::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_to_it_is_refused_and_the_port_is_taken() {
        let port = ClosedPort::new();
        let refused = std::net::TcpStream::connect(port.address).expect_err("refused");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let taken = std::net::TcpListener::bind(port.address).expect_err("taken");
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    }
}
