//! Lists with entries of several issuers, and lists that somebody else signs (RFC 5280 §5.3.3, §6.3.3 (b)).

use ocspry_source::Sources;
use ocspry_testkit::{Authority, KeyKind, ScopeSpec};

use crate::site::Says::{Good, Revoked, TryLater};
use crate::site::{Site, assert_says, in_use, owned, problem};

fn with_crl_issuer(sources: Sources, crl_issuer: &Authority) -> Sources {
    Sources {
        crl_issuers: vec![owned(crl_issuer)],
        ..sources
    }
}

#[test]
fn idp_06_in_an_indirect_list_the_named_issuer_holds_on_and_entries_of_others_are_not_ours() {
    let site = Site::new();
    let other = Authority::root("Other CA", KeyKind::P256);
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke(&[1], None)
        .revoke_of(&other.name, &[2])
        .revoke(&[3], None)
        .revoke_of(&site.ca.name, &[4])
        .revoke(&[5], None);
    site.put_list("ca.crl", &list);
    let mut refresher = site.start(site.files(&["ca.crl"]));
    let reports = refresher.refresh(site.now);
    assert_says(
        &refresher,
        &[
            (1, Revoked),
            (2, Good),
            (3, Good),
            (4, Revoked),
            (5, Revoked),
        ],
    );
    let facts = &in_use(&reports)[0].list.facts;
    assert_eq!((facts.entry_count, facts.foreign_count), (3, 2));
}

#[test]
fn idp_06_the_name_of_the_ca_in_another_spelling_is_that_of_the_ca() {
    let site = Site::new();
    let other = Authority::root("Other CA", KeyKind::P256);
    let respelled = |name: &[u8]| {
        let mut name = name.to_vec();
        let at = name
            .windows(2)
            .rposition(|pair| pair == [0x0c, 10])
            .unwrap();
        name[at] = 0x13;
        name[at + 2..].make_ascii_uppercase();
        name
    };
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke_of(&respelled(&site.ca.name), &[1])
        .revoke(&[2], None)
        .revoke_of(&other.name, &[3])
        .revoke_of(&respelled(&site.ca.name), &[4])
        .revoke_of(&site.ca.name, &[5]);
    site.put_list("ca.crl", &list);
    let mut refresher = site.start(site.files(&["ca.crl"]));
    let reports = refresher.refresh(site.now);
    let expected = [
        (1, Revoked),
        (2, Revoked),
        (3, Good),
        (4, Revoked),
        (5, Revoked),
    ];
    assert_says(&refresher, &expected);
    let facts = &in_use(&reports)[0].list.facts;
    assert_eq!(facts.foreign_count, 1);
    let defects: Vec<_> = facts.defects.found().collect();
    assert!(
        defects.contains(&("certificateIssuer spelled otherwise", 3)),
        "{defects:?}"
    );
}

#[test]
fn idp_06_idp_09_before_the_first_name_the_entries_are_those_of_whoever_issued_the_list() {
    let site = Site::new();
    let crl_issuer = Authority::root("CRL issuer", KeyKind::P256);
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke(&[1], None)
        .revoke_of(&site.ca.name, &[2])
        .revoke(&[3], None);
    site.put("indirect.crl", crl_issuer.crl(&list));
    let sources = with_crl_issuer(site.files(&["indirect.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good), (2, Revoked), (3, Revoked)]);
}

#[test]
fn idp_09_another_crl_issuer_counts_when_it_is_configured_and_not_otherwise() {
    let site = Site::new();
    let crl_issuer = site.ca.intermediate("CRL issuer", KeyKind::P256);
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke_of(&site.ca.name, &[1]);
    site.put("indirect.crl", crl_issuer.crl(&list));
    let mut refresher = site.start(site.files(&["indirect.crl"]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater)]);
    assert!(
        problem(&refresher).contains("CRL issuer"),
        "{}",
        problem(&refresher)
    );

    let sources = with_crl_issuer(site.files(&["indirect.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
}

#[test]
fn idp_09_a_list_of_another_crl_issuer_that_is_not_indirect_is_about_its_own_certificates() {
    let site = Site::new();
    let crl_issuer = site.ca.intermediate("CRL issuer", KeyKind::P256);
    site.put(
        "ca.crl",
        crl_issuer.crl(&site.list(1, 10).revoke(&[1], None)),
    );
    let sources = with_crl_issuer(site.files(&["ca.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, TryLater), (2, TryLater)]);
    assert!(
        problem(&refresher).contains("indirect"),
        "{}",
        problem(&refresher)
    );
}

#[test]
fn idp_09_the_lists_of_the_issuer_and_of_another_crl_issuer_are_added_up() {
    let site = Site::new();
    let crl_issuer = site.ca.intermediate("CRL issuer", KeyKind::P256);
    let indirect = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke_of(&site.ca.name, &[1]);
    site.put("indirect.crl", crl_issuer.crl(&indirect));
    site.put_list("ca.crl", &site.list(1, 5).revoke(&[2], None));
    let sources = with_crl_issuer(site.files(&["ca.crl", "indirect.crl"]), &crl_issuer);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);
}

#[test]
fn a_ca_with_a_new_key_signs_the_lists_of_the_old_one_when_that_key_is_configured() {
    let site = Site::new();
    let new_key = Authority::root("Example CA", KeyKind::P256);
    site.put_list("ca.crl", &site.list(1, 10).revoke(&[1], None));
    let sources = with_crl_issuer(site.files(&["ca.crl"]), &new_key);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    site.put(
        "ca.crl",
        new_key.crl(&site.list(2, 5).revoke(&[1], None).revoke(&[2], None)),
    );
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, Good)]);

    let mut unconfigured = site.start(site.files(&["ca.crl"]));
    unconfigured.refresh(site.now);
    assert_says(&unconfigured, &[(1, TryLater)]);
    assert!(
        problem(&unconfigured).contains("signature"),
        "{}",
        problem(&unconfigured)
    );
}

#[test]
fn a_reload_that_names_another_crl_issuer_judges_every_list_again() {
    let site = Site::new();
    let crl_issuer = Authority::root("CRL issuer", KeyKind::P256);
    let list = site
        .list(1, 10)
        .about(ScopeSpec::indirect())
        .revoke_of(&site.ca.name, &[2]);
    site.put("indirect.crl", crl_issuer.crl(&list));
    let without = || site.files(&["indirect.crl"]);

    let mut before = site.start(without());
    before.refresh(site.now);
    assert!(before.issuer().table().is_none());
    let mut named = site.start(with_crl_issuer(without(), &crl_issuer));
    named.carry_over(&before);
    named.refresh(site.now);
    assert_says(&named, &[(1, Good), (2, Revoked)]);

    let mut after = site.start(without());
    after.carry_over(&named);
    after.refresh(site.now);
    assert!(
        after.issuer().table().is_none(),
        "signed by nobody who may any more"
    );
}
