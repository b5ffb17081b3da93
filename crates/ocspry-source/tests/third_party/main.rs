//! CRLs that others made, read as the service reads them: NIST's PKITS (2011), and pyca's odd lists.
//!
//! PKITS judges certificate paths; what is asked here is the status of one serial, as the table of its issuer has it.  The
//! table's word is what the answer path signs (`ocspry-core` proves that), so nothing is signed here.  Facts of the suite
//! stand in tables, by the number and name of its tests; where the verdict here is another than the suite's, the row
//! says why.

#![expect(
    clippy::unwrap_used,
    reason = "test code: a broken expectation must stop the test"
)]

mod deltas;
mod every_list;
mod names;
mod odd_lists;
mod pkits;
mod points;
mod revocation;
