//! What the product's tests stand on: test PKIs, the real binary, real peers, and a client's check of every answer.
//!
//! A test makes a PKI ([`Authority`]), writes files, starts the binary ([`Ocspry`]), asks it with a real client
//! ([`Peer`]) or with raw bytes ([`HttpClient`]), and reads the verdict ([`Reply`]).  Signatures are checked here with
//! aws-lc-rs directly, not with the responder's own code, so that a mistake there cannot hide itself.
//!
//! Never shipped; a failed expectation panics with what was seen.

mod answer;
mod authority;
mod closed_port;
mod crl;
mod daemon;
mod encode;
mod http;
mod impostor;
mod key;
mod line_child;
mod mutation;
mod namespace;
mod nginx;
mod openssl;
mod peer;
mod process;
mod request;
mod vectors;
mod wait;

pub use answer::{Reply, SignedReply, SingleReply};
pub use authority::{Authority, CertificateSpec, Credential, now};
pub use closed_port::ClosedPort;
pub use crl::{CrlEntrySpec, CrlSpec, ScopeSpec, forge};
pub use daemon::{ForegroundPeer, Transport, on_free_port};
pub use encode::{element, pem, pem_to_der, sequence};
pub use http::{HttpClient, HttpResponse, base64_path, http_date, percent_encoded};
pub use impostor::{Impostor, Lie, OtherDelegate, crafted_response};
pub use key::{KeyKind, TestKey};
pub use line_child::LineChild;
pub use mutation::Mutator;
pub use namespace::Namespace;
pub use nginx::nginx_configuration;
pub use openssl::Openssl;
pub use peer::{DaemonGuard, Peer, Run, run_bounded};
pub use process::{Finished, LogMark, Ocspry, OcspryProcess, TerminationSignal};
pub use request::{RequestSpec, cert_id, extension, nonce_extension, preferring};
pub use vectors::cryptography_vectors;
pub use wait::{wait_for_some, wait_until};
