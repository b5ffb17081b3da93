//! All 173 lists of PKITS: which load under the CA whose name they have, and why the others do not.
//!
//! Eight must be refused.  Two are signed with DSA, which is not supported, and one has its issuer's name in another
//! string type.  One more would be good, but its CA's certificate cannot be read, so that no issuer can be made of it.

use std::sync::Arc;

use ocspry_core::OwnedCertificate;
use ocspry_source::{CrlSigners, ListLoad, LoadedList, SourceError, SourceLimits, crl_issuer};
use ocspry_wire::x509::CrlDefects;

use crate::pkits::{NOW, Pkits};

/// Those that are refused, with the certificate that is to have signed them and a part of the sentence.  The one of 4.4.6
/// is the trust anchor's, and good as such.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "BadCRLIssuerNameCACRL",
        "BadCRLIssuerNameCACert",
        "was issued by",
    ),
    (
        "BadCRLSignatureCACRL",
        "BadCRLSignatureCACert",
        "is not a CRL: at octet 198",
    ),
    ("DSACACRL", "DSACACert", "unknown"),
    (
        "DSAParametersInheritedCACRL",
        "DSAParametersInheritedCACert",
        "unknown",
    ),
    (
        "RolloverfromPrintableStringtoUTF8StringCACRL",
        "RolloverfromPrintableStringtoUTF8StringCACert",
        "was issued by",
    ),
    ("TwoCRLsCABadCRL", "TwoCRLsCACert", "was issued by"),
    (
        "UnknownCRLEntryExtensionCACRL",
        "UnknownCRLEntryExtensionCACert",
        "an entry has the critical extension",
    ),
    (
        "UnknownCRLExtensionCACRL",
        "UnknownCRLExtensionCACert",
        "has the critical extension",
    ),
    (
        "keyUsageCriticalcRLSignFalseCACRL",
        "keyUsageCriticalcRLSignFalseCACert",
        "keyUsage without cRLSign",
    ),
    (
        "keyUsageNotCriticalcRLSignFalseCACRL",
        "keyUsageNotCriticalcRLSignFalseCACert",
        "keyUsage without cRLSign",
    ),
    (
        "onlyContainsAttributeCertsCACRL",
        "onlyContainsAttributeCertsCACert",
        "covers attribute certificates only",
    ),
];

/// Its CA's certificate has a tampered signature (PKITS 4.1.2), and the octet is the number of unused bits.
const WITHOUT_ISSUER: &str = "BadSignedCACRL";

/// The only one in which something had to be tolerated.
const WITH_A_NEGATIVE_SERIAL: &str = "NegativeSerialNumberCACRL";

/// Certificates that are none: two signatures with a tampered first octet.
const UNREADABLE: &[&str] = &["BadSignedCACert", "InvalidDSASignatureTest6EE"];

#[test]
fn vec_01_of_173_lists_11_are_refused_and_all_others_load_under_their_issuer() {
    let Some(pkits) = Pkits::find() else { return };
    let (certificates, unreadable) = pkits.certificates();
    assert_eq!(unreadable, UNREADABLE);
    let lists = pkits.lists();
    assert_eq!(lists.len(), 173);
    let mut wrong = Vec::new();
    for name in lists.iter().filter(|name| *name != WITHOUT_ISSUER) {
        let path = pkits.list(name);
        let refusal = REFUSED.iter().find(|(list, _, _)| list == name);
        let result = match refusal {
            Some((_, certificate, _)) => load(&pkits, name, vec![pkits.certificate(certificate)]),
            None => {
                let issuer = crl_issuer(&path).unwrap();
                let is_issuer =
                    |certificate: &&OwnedCertificate| certificate.view().subject == issuer;
                load(
                    &pkits,
                    name,
                    certificates.iter().filter(is_issuer).cloned().collect(),
                )
            }
        };
        let is_right = match (&result, refusal) {
            (Ok(list), None) => {
                let is_flawless = list.facts.defects == CrlDefects::default();
                is_flawless == (name != WITH_A_NEGATIVE_SERIAL)
            }
            (Err(error), Some((_, _, part))) => error.to_string().contains(part),
            (Ok(_), Some(_)) | (Err(_), None) => false,
        };
        if !is_right {
            let result = result
                .map(|list| list.facts)
                .map_err(|error| error.to_string());
            wrong.push(format!("{name}: {result:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// With these certificates, of one name; the first stands for the issuer.
fn load(
    pkits: &Pkits,
    name: &str,
    mut signers: Vec<OwnedCertificate>,
) -> Result<LoadedList, SourceError> {
    assert!(
        !signers.is_empty(),
        "{name}: no certificate has the name of its issuer"
    );
    let issuer = signers.remove(0);
    let signers = Arc::new(CrlSigners::new(issuer, signers));
    ListLoad::open(&pkits.list(name), &signers, &SourceLimits::DEFAULT)?.run(NOW)
}
