//! The OCSP listener: HTTP/1.1 in front of [`ocspry_core::Responder`] (layer 3).  From: TCP.  To: `core::responder`, and back.
//!
//! Read in this order: [`listener`] (which sockets), [`server`] (one thread for each set of them) and `accept` (its accept loops),
//! `admission` (who may connect), `trusted_peers` (whom a request is counted for), `connection`, `framing`, `head`, `chunks` and `deadlines` (how a client may speak, and how long it may take), `ocsp` (one HTTP request), [`get_path`] (the
//! request in a URL), `endpoint_paths` (which issuer a URL names), `headers` (the head of a response, and what a cache may keep), [`exchange`] (for whoever wants to see it all); then `counts`, `sampling`, `metrics` and [`admin`] (what operators see).  RFC 6960 Appendix A, RFC 9919 §6 and §7, RFC 9110, RFC 9112.

mod accept;
pub mod admin;
mod admission;
mod chunks;
mod connection;
pub mod counts;
mod deadlines;
mod endpoint_paths;
pub mod exchange;
pub mod framing;
pub mod get_path;
pub mod head;
mod headers;
pub mod limits;
pub mod listener;
mod metrics;
mod ocsp;
mod published;
mod request_log;
mod sampling;
mod scratch;
pub mod server;
mod trusted_peers;
mod turn_clock;

pub use admin::{
    Admin, AdminError, AdminState, HoldReport, IssuerReport, LedgerLook, LedgerMeter, ListReport,
    NamedDeltaReport, OverlayReport, Problem, ProcessUsage, ProgramCounts, ReloadResult,
    SourceReport, StateKept,
};
pub use counts::ServerCounts;
pub use endpoint_paths::EndpointPaths;
pub use exchange::{Exchange, ExchangeReceiver, ExchangeSender, exchange_queue};
pub use limits::Limits;
pub use listener::{ListenError, Listeners, PortHolder};
pub use request_log::{RecordedAddresses, RequestLogSender, RequestRecord, request_log_queue};
pub use server::{DrainReport, Server, ServerMeter, ServerOptions, StartError};
pub use trusted_peers::TrustedPeers;
