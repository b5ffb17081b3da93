//! Other people's OCSP clients against the real binary, and against an impostor that they must refuse.
//!
//! One module for each client.  `scene` has the responders that every client meets and the battery that each passes;
//! `matrix` keeps what was seen, for `cargo xtask interop` and docs/interop.md.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without stops it")]

mod eap;
mod gnutls;
mod java;
mod matrix;
mod nss;
mod openssl;
mod pkilint;
mod pyca;
mod scene;
#[path = "../product/site.rs"]
#[expect(dead_code, reason = "the product's tests use the rest")]
mod site;
mod stapling_apache;
mod stapling_haproxy;
mod stapling_nginx;
mod strongswan;
mod tls;
