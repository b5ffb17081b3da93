//! CRLs of every shape, and what stands beside them, as one issuer's answers: through `Refresher`, with signed lists in
//! real files (docs/conformance-rules.md §13, §14; docs/design.md §2, §7).

#![expect(
    clippy::unwrap_used,
    reason = "test code: a broken expectation must stop the test"
)]

mod delta;
mod directory;
mod forgotten;
mod guard;
mod indirect;
mod issued;
mod keeping;
mod merging;
mod named_elsewhere;
mod overlay;
mod overtaken;
mod partitions;
mod scope_change;
mod settling;
#[path = "../shared_site/mod.rs"]
mod shared_site;
mod site;
mod taken_back;
