//! What the programs here share: servers under test, loads, children that are measured, and CRLs of any size.

pub mod ca_files;
pub mod child;
pub mod flags;
pub mod list;
pub mod list_file;
pub mod load;
pub mod made_list;
pub mod nginx;
pub mod question;
pub mod report;
pub mod server;
pub mod spread;
