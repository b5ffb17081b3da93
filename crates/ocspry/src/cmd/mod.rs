//! The verbs of the command line.  From: `main`.  To: everything below.

pub(crate) mod audit;
pub(crate) mod ca;
pub(crate) mod cert;
pub(crate) mod config;
pub(crate) mod crl;
pub(crate) mod demo;
pub(crate) mod healthcheck;
pub(crate) mod import;
pub(crate) mod index;
pub(crate) mod ledger;
pub(crate) mod ocsp;
pub(crate) mod old_lines;
pub(crate) mod papers;
pub(crate) mod reload;
pub(crate) mod serve;
pub(crate) mod state;
pub(crate) mod tick;
