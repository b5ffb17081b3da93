//! The crate as its users see it: real CAs, real files, real directories.

#![expect(
    clippy::unwrap_used,
    reason = "test code: a broken expectation must stop the test"
)]

mod crl_files;
mod issued;
mod long_lists;
mod openssl_ca;
mod overlay;
mod refresh;
#[path = "../shared_site/mod.rs"]
mod shared_site;
mod site;
mod watch;
