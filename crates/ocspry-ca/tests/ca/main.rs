//! What the CA makes and takes, as real tools see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod crl;
mod csr;
mod index;
mod issued;
mod keys;
mod pki;
mod profiles;
mod renewal;
