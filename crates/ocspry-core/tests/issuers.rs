//! CertIDs find their issuer among many, and never another one.

mod fixture;

use fixture::authority;
use ocspry_core::{IssuerError, IssuerSet, NoncePolicy, Policy};
use ocspry_testkit::{KeyKind, RequestSpec, cert_id};
use ocspry_wire::ocsp::{HashAlgorithm, OcspRequest};
use std::sync::Arc;

const POLICY: Policy = Policy {
    validity: None,
    nonce: NoncePolicy::Echo,
    ..Policy::DEFAULT
};

#[test]
fn each_of_many_issuers_is_found_by_each_hash_even_when_names_are_shared() {
    let (authorities, issuers): (Vec<_>, Vec<_>) = (0..60)
        .map(|index| {
            // Every name is used by three keys: a CA that was re-keyed twice (MCA-02).
            let (ca, issuer) =
                authority(&format!("CA {}", index / 3), KeyKind::Ed25519, 99, POLICY);
            (ca, Arc::new(issuer))
        })
        .unzip();
    let set = IssuerSet::new(issuers).expect("distinct keys");
    for (index, ca) in authorities.iter().enumerate() {
        for hash in HashAlgorithm::ALL {
            let request = RequestSpec::one(cert_id(hash, ca, &[1])).der();
            let request = OcspRequest::from_der(&request).expect("well-formed");
            let found = set.find(&request.first.cert_id).expect("one of ours");
            assert_eq!(found.index(), index);
            assert_eq!(set.issuer(found).certificate().der(), ca.certificate);
        }
    }
}

#[test]
fn one_ca_given_twice_is_refused_by_both_names() {
    let (ca, first) = authority("CA", KeyKind::Ed25519, 99, POLICY);
    let certificate = ocspry_core::OwnedCertificate::from_der(ca.certificate).expect("well-formed");
    let second = ocspry_core::Issuer::new("again".to_owned(), certificate, POLICY);
    let refused = IssuerSet::new(vec![Arc::new(first), Arc::new(second)]).err();
    let expected = IssuerError::Duplicate {
        first: "CA".to_owned(),
        second: "again".to_owned(),
    };
    assert_eq!(refused, Some(expected));
}
