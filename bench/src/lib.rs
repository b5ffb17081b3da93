//! What the programs here share: servers under test, loads, children that are measured, and CRLs of any size.

pub mod asking;
pub mod ca_files;
pub mod child;
pub mod flags;
pub mod idle;
pub mod list;
pub mod list_file;
pub mod load;
pub mod made_list;
pub mod metrics;
pub mod peer_pki;
mod process_tree;
pub mod question;
pub mod random_serials;
pub mod raw_signing;
pub mod report;
pub mod server;
pub mod servers;
pub mod spread;
