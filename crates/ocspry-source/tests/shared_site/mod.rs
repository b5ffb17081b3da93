//! One CA, a directory of files, and an issuer with the policy that every one has by default.  To: the tests of `source` and
//! `shapes`, each with questions of its own (their `site.rs`).

use ocspry_core::{Issuer, NoncePolicy, OwnedCertificate, Policy};
use ocspry_testkit::{Authority, KeyKind};
use ocspry_wire::Time;
use tempfile::TempDir;

pub(crate) struct Site {
    pub(crate) directory: TempDir,
    pub(crate) ca: Authority,
    pub(crate) now: Time,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site {
            directory: TempDir::new().unwrap(),
            ca: Authority::root("Example CA", KeyKind::P256),
            now: ocspry_testkit::now(),
        }
    }
}

pub(crate) fn owned(authority: &Authority) -> OwnedCertificate {
    OwnedCertificate::from_der(authority.certificate.clone()).unwrap()
}

pub(crate) fn issuer_of(ca: &Authority) -> Issuer {
    let policy = Policy {
        validity: None,
        nonce: NoncePolicy::Echo,
        ..Policy::DEFAULT
    };
    Issuer::new("ca".to_owned(), owned(ca), policy)
}
