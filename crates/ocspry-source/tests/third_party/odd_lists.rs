//! pyca's odd lists: what becomes of each when it is offered under a CA of its issuer's name.
//!
//! Two have a certificate beside them.  For the others one is made that has the name and another key: a list that is right in
//! all else is refused for its signature, after all of it has been read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::{Issuer, OwnedCertificate, Policy};
use ocspry_source::{
    CrlSigners, FreshestCrl, Guard, ListLoad, ListSource, Refresher, SourceLimits, Sources,
    StatusSource, crl_issuer,
};
use ocspry_testkit::{cryptography_vectors, sequence};

use crate::pkits::{NOW, certificate};

/// The list, and the error that refuses it; none: it is used.
const VERDICTS: &[(&str, &str)] = &[
    ("crl_all_reasons.pem", "CertificateIssuer"),
    ("crl_almost_10k.pem", "BadSignature"),
    ("crl_bad_version.pem", "Malformed"),
    ("crl_delta_crl_indicator.pem", "BadSignature"),
    ("crl_dup_entry_ext.pem", "Malformed"),
    ("crl_empty.pem", "BadSignature"),
    ("crl_empty_no_sequence.der", "BadSignature"),
    ("crl_ian_aia_aki.pem", "BadSignature"),
    ("crl_idp_fullname_indirect_crl.pem", "BadSignature"),
    ("crl_idp_fullname_only.pem", "BadSignature"),
    ("crl_idp_fullname_only_aa.pem", "BadSignature"),
    ("crl_idp_fullname_only_user.pem", "BadSignature"),
    ("crl_idp_only_ca.pem", "BadSignature"),
    ("crl_idp_reasons_only.pem", "BadSignature"),
    ("crl_idp_relative_user_all_reasons.pem", "BadSignature"),
    ("crl_idp_relativename_only.pem", "BadSignature"),
    ("crl_inner_outer_mismatch.der", "AlgorithmMismatch"),
    ("crl_inval_cert_issuer_entry_ext.pem", "Malformed"),
    ("crl_inval_date_fractional_seconds.der", "NotACrl"),
    ("crl_invalid_time.der", "Malformed"),
    ("crl_issuer_invalid_printable_string.der", "BadSignature"),
    (
        "crl_md2_unknown_crit_entry_ext.pem",
        "UnknownCriticalEntryExtension",
    ),
    ("crl_no_next_update.pem", "BadSignature"),
    ("crl_unrecognized_extension.der", "BadSignature"),
    ("crl_unsupported_reason.pem", "BadSignature"),
    ("invalid_signature_crl.pem", "BadSignature"),
    ("valid_signature_crl.pem", ""),
];

#[test]
fn vec_06_every_odd_list_is_read_to_a_verdict() {
    let Some(folder) = custom() else { return };
    let files = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let mut names: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("crl_") || name.ends_with("_crl.pem"));
    names.sort_unstable();
    let known: Vec<&str> = VERDICTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known);
    let mut wrong = Vec::new();
    for (name, expected) in VERDICTS {
        let path = folder.join(name);
        let signers = Arc::new(CrlSigners::new(signer(&path), Vec::new()));
        let list =
            ListLoad::open(&path, &signers, &SourceLimits::DEFAULT).and_then(|load| load.run(NOW));
        let error = list.map_or_else(|error| format!("{error:?} {error}"), |_| String::new());
        if error.split([' ', '{']).next() != Some(expected) {
            wrong.push(format!("{name}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All of pyca's material in one directory, as somebody may point at it: lists, certificates, keys, requests.
#[test]
fn vec_06_a_directory_full_of_odd_files_is_looked_through() {
    let Some(folder) = custom() else { return };
    let issuer = certificate(&folder.join("valid_signature_cert.pem"));
    let sources = Sources {
        sources: vec![StatusSource::Lists(ListSource::Directory(folder))],
        crl_issuers: Vec::new(),
        guard: Guard::default(),
        freshest_crl: FreshestCrl::FetchedLists,
        limits: SourceLimits::DEFAULT,
    };
    let issuer = Arc::new(Issuer::new("odd".to_owned(), issuer, Policy::DEFAULT));
    let mut refresher = Refresher::new(issuer, sources, None, None);
    refresher.refresh(NOW);
    let places: Vec<&str> = refresher.lists().map(|list| list.place).collect();
    assert!(
        matches!(*places, [place] if place.ends_with("valid_signature_crl.pem")),
        "{places:?}"
    );
}

fn custom() -> Option<PathBuf> {
    Some(cryptography_vectors()?.join("x509/custom"))
}

/// The certificate that is to have signed the list: the one beside it, else the same key with the list's issuer as its name.
fn signer(path: &Path) -> OwnedCertificate {
    let original = certificate(&path.with_file_name("valid_signature_cert.pem"));
    let Ok(name) = crl_issuer(path) else {
        return original;
    };
    let view = original.view();
    let content = without_header(view.tbs);
    // The issuer's name is the same, and comes first.
    let start = content
        .windows(view.subject.len())
        .rposition(|part| part == view.subject)
        .unwrap();
    let end = start + view.subject.len();
    let tbs = sequence(&[&content[..start], &name, &content[end..]]);
    let behind = &without_header(view.der)[view.tbs.len()..];
    OwnedCertificate::from_der(sequence(&[&tbs, behind])).unwrap()
}

/// The content of an element whose length takes one octet, or more (X.690 §8.1.3).
fn without_header(der: &[u8]) -> &[u8] {
    let more = der[1].saturating_sub(0x80);
    &der[2 + usize::from(more)..]
}
