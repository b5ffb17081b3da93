//! A place whose list is about other certificates than the one before: the CA has changed how it divides them.

use ocspry_source::Unproven;
use ocspry_testkit::ScopeSpec;

use crate::site::Says::{Good, Revoked};
use crate::site::{Site, assert_says, end, problem, problems};

fn part(name: &str) -> ScopeSpec {
    ScopeSpec::part(&format!("http://crl.example/{name}.crl"))
}
