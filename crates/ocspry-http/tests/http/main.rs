//! The OCSP listener over real sockets: a `Server` on a port the kernel chose, a CA made for the test, raw bytes in, and every
//! answer checked as a client would check it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where; clippy exempts only test functions, not what they share"
)]

mod admin;
mod caching;
mod connections;
mod corpus;
mod dashboard;
mod deadlines;
mod fixture;
mod issuer_requests;
mod lifecycle;
mod load;
mod overload;
mod script;
