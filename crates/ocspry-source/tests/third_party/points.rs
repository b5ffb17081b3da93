//! PKITS 4.14: distribution points, lists for some certificates or reasons only, indirect lists.
//!
//! A path validator sees the certificate, and looks for a list that fits the distribution point in it.  A responder sees a
//! serial: which lists there are, is in its configuration, and the operator vouches that they are all.  Where the suite
//! finds no list that fits a certificate, a responder with the issuer's lists cannot know.

use ocspry_wire::ocsp::CrlReason;

use crate::pkits::{COMPROMISED, Case, HELD, Pkits, Suite, Verdict};

const POINT_NOT_SEEN: &str = "the certificate names a distribution point that the issuer has no list for; it is not seen here";
const KIND_NOT_SEEN: &str = "the list leaves out certificates of this kind; of which kind the certificate is, is not seen here";

const POINTS: &[Case] = &[
    Case::new(
        "4.14.1",
        "ValiddistributionPointTest1EE",
        "distributionPoint1CACert",
        &["distributionPoint1CACRL"],
    ),
    Case::new(
        "4.14.2",
        "InvaliddistributionPointTest2EE",
        "distributionPoint1CACert",
        &["distributionPoint1CACRL"],
    )
    .says(COMPROMISED),
    Case::new(
        "4.14.3",
        "InvaliddistributionPointTest3EE",
        "distributionPoint1CACert",
        &["distributionPoint1CACRL"],
    )
    .against(Suite::Undetermined, POINT_NOT_SEEN),
    Case::new(
        "4.14.4",
        "ValiddistributionPointTest4EE",
        "distributionPoint1CACert",
        &["distributionPoint1CACRL"],
    ),
    Case::new(
        "4.14.5",
        "ValiddistributionPointTest5EE",
        "distributionPoint2CACert",
        &["distributionPoint2CACRL"],
    ),
    Case::new(
        "4.14.6",
        "InvaliddistributionPointTest6EE",
        "distributionPoint2CACert",
        &["distributionPoint2CACRL"],
    )
    .says(COMPROMISED),
    Case::new(
        "4.14.7",
        "ValiddistributionPointTest7EE",
        "distributionPoint2CACert",
        &["distributionPoint2CACRL"],
    ),
    Case::new(
        "4.14.8",
        "InvaliddistributionPointTest8EE",
        "distributionPoint2CACert",
        &["distributionPoint2CACRL"],
    )
    .against(Suite::Undetermined, POINT_NOT_SEEN),
    Case::new(
        "4.14.9",
        "InvaliddistributionPointTest9EE",
        "distributionPoint2CACert",
        &["distributionPoint2CACRL"],
    )
    .against(Suite::Undetermined, POINT_NOT_SEEN),
    Case::new(
        "4.14.10 no issuingDistributionPoint",
        "ValidNoissuingDistributionPointTest10EE",
        "NoissuingDistributionPointCACert",
        &["NoissuingDistributionPointCACRL"],
    ),
    Case::new(
        "4.14.11 onlyContainsUserCerts, a CA certificate",
        "InvalidonlyContainsUserCertsTest11EE",
        "onlyContainsUserCertsCACert",
        &["onlyContainsUserCertsCACRL"],
    )
    .against(Suite::Undetermined, KIND_NOT_SEEN),
    Case::new(
        "4.14.12 onlyContainsCACerts, a user certificate",
        "InvalidonlyContainsCACertsTest12EE",
        "onlyContainsCACertsCACert",
        &["onlyContainsCACertsCACRL"],
    )
    .against(Suite::Undetermined, KIND_NOT_SEEN),
    Case::new(
        "4.14.13 onlyContainsCACerts, a CA certificate",
        "ValidonlyContainsCACertsTest13EE",
        "onlyContainsCACertsCACert",
        &["onlyContainsCACertsCACRL"],
    ),
    Case::new(
        "4.14.14 onlyContainsAttributeCerts",
        "InvalidonlyContainsAttributeCertsTest14EE",
        "onlyContainsAttributeCertsCACert",
        &["onlyContainsAttributeCertsCACRL"],
    )
    .says(Verdict::NoTable)
    .refusing("covers attribute certificates only"),
];

const CA1_REASONS: &[&str] = &[
    "onlySomeReasonsCA1compromiseCRL",
    "onlySomeReasonsCA1otherreasonsCRL",
];
const CA4_REASONS: &[&str] = &[
    "onlySomeReasonsCA4compromiseCRL",
    "onlySomeReasonsCA4otherreasonsCRL",
];

const REASONS: &[Case] = &[
    Case::new(
        "4.14.15 some reasons, one list",
        "InvalidonlySomeReasonsTest15EE",
        "onlySomeReasonsCA1Cert",
        CA1_REASONS,
    )
    .says(COMPROMISED),
    Case::new(
        "4.14.16 some reasons, the other",
        "InvalidonlySomeReasonsTest16EE",
        "onlySomeReasonsCA1Cert",
        CA1_REASONS,
    )
    .says(HELD),
    Case::new(
        "4.14.15, the other list alone",
        "InvalidonlySomeReasonsTest15EE",
        "onlySomeReasonsCA1Cert",
        &["onlySomeReasonsCA1otherreasonsCRL"],
    )
    .says(Verdict::Unproven)
    .against(Suite::Revoked, "the list that names it is not configured"),
    Case::new(
        "4.14.17 reasons that no list is for",
        "InvalidonlySomeReasonsTest17EE",
        "onlySomeReasonsCA2Cert",
        &["onlySomeReasonsCA2CRL1", "onlySomeReasonsCA2CRL2"],
    )
    .says(Verdict::Unproven),
    Case::new(
        "4.14.18 all reasons at one point",
        "ValidonlySomeReasonsTest18EE",
        "onlySomeReasonsCA3Cert",
        &[
            "onlySomeReasonsCA3compromiseCRL",
            "onlySomeReasonsCA3otherreasonsCRL",
        ],
    ),
    Case::new(
        "4.14.19 a point for each reason",
        "ValidonlySomeReasonsTest19EE",
        "onlySomeReasonsCA4Cert",
        CA4_REASONS,
    ),
    Case::new(
        "4.14.20 a point for each reason",
        "InvalidonlySomeReasonsTest20EE",
        "onlySomeReasonsCA4Cert",
        CA4_REASONS,
    )
    .says(COMPROMISED),
    Case::new(
        "4.14.21 a point for each reason",
        "InvalidonlySomeReasonsTest21EE",
        "onlySomeReasonsCA4Cert",
        CA4_REASONS,
    )
    .says(Verdict::Revoked(Some(CrlReason::AffiliationChanged))),
];

const CA3_ISSUER: &[&str] = &["indirectCRLCA3cRLIssuerCert"];
const CA4_ISSUER: &[&str] = &["indirectCRLCA4cRLIssuerCert"];
const CA3_LISTS: &[&str] = &["indirectCRLCA3CRL", "indirectCRLCA3cRLIssuerCRL"];

const INDIRECT: &[Case] = &[
    Case::new(
        "4.14.22 indirectCRL",
        "ValidIDPwithindirectCRLTest22EE",
        "indirectCRLCA1Cert",
        &["indirectCRLCA1CRL"],
    ),
    Case::new(
        "4.14.23 indirectCRL",
        "InvalidIDPwithindirectCRLTest23EE",
        "indirectCRLCA1Cert",
        &["indirectCRLCA1CRL"],
    )
    .says(COMPROMISED),
    Case::new(
        "4.14.24 another issuer's",
        "ValidIDPwithindirectCRLTest24EE",
        "indirectCRLCA2Cert",
        &["indirectCRLCA1CRL"],
    )
    .crl_issuers(&["indirectCRLCA1Cert"]),
    Case::new(
        "4.14.25 the serial of another issuer's certificate",
        "ValidIDPwithindirectCRLTest25EE",
        "indirectCRLCA2Cert",
        &["indirectCRLCA1CRL"],
    )
    .crl_issuers(&["indirectCRLCA1Cert"]),
    Case::new(
        "4.14.26 a CRL issuer that there is none of",
        "InvalidIDPwithindirectCRLTest26EE",
        "indirectCRLCA2Cert",
        &["indirectCRLCA1CRL"],
    )
    .says(Verdict::NoTable)
    .refusing("was issued by"),
    Case::new(
        "4.14.27 not an indirect list",
        "InvalidcRLIssuerTest27EE",
        "indirectCRLCA2Cert",
        &["GoodCACRL"],
    )
    .crl_issuers(&["GoodCACert"])
    .says(Verdict::NoTable)
    .refusing("does not say indirectCRL"),
    Case::new(
        "4.14.28 cRLIssuer",
        "ValidcRLIssuerTest28EE",
        "indirectCRLCA3Cert",
        CA3_LISTS,
    )
    .crl_issuers(CA3_ISSUER),
    Case::new(
        "4.14.29 cRLIssuer, relative name",
        "ValidcRLIssuerTest29EE",
        "indirectCRLCA3Cert",
        CA3_LISTS,
    )
    .crl_issuers(CA3_ISSUER),
    Case::new(
        "4.14.30 cRLIssuer",
        "ValidcRLIssuerTest30EE",
        "indirectCRLCA4Cert",
        &["indirectCRLCA4cRLIssuerCRL"],
    )
    .crl_issuers(CA4_ISSUER),
    Case::new(
        "4.14.31 several issuers",
        "InvalidcRLIssuerTest31EE",
        "indirectCRLCA6Cert",
        &["indirectCRLCA5CRL"],
    )
    .crl_issuers(&["indirectCRLCA5Cert"])
    .says(COMPROMISED),
    Case::new(
        "4.14.32 several issuers",
        "InvalidcRLIssuerTest32EE",
        "indirectCRLCA6Cert",
        &["indirectCRLCA5CRL"],
    )
    .crl_issuers(&["indirectCRLCA5Cert"])
    .says(COMPROMISED),
    Case::new(
        "4.14.33 several issuers",
        "ValidcRLIssuerTest33EE",
        "indirectCRLCA6Cert",
        &["indirectCRLCA5CRL"],
    )
    .crl_issuers(&["indirectCRLCA5Cert"]),
    Case::new(
        "4.14.34 several issuers",
        "InvalidcRLIssuerTest34EE",
        "indirectCRLCA5Cert",
        &["indirectCRLCA5CRL"],
    )
    .says(COMPROMISED),
    Case::new(
        "4.14.35 a CRL issuer without such a list",
        "InvalidcRLIssuerTest35EE",
        "indirectCRLCA5Cert",
        &["indirectCRLCA5CRL"],
    )
    .against(Suite::Undetermined, POINT_NOT_SEEN),
];

#[test]
fn vec_04_lists_of_distribution_points_are_judged_as_pkits_4_14_does() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(POINTS);
}

#[test]
fn vec_04_lists_for_some_reasons_are_judged_as_pkits_4_14_does() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(REASONS);
}

#[test]
fn vec_04_indirect_lists_are_judged_as_pkits_4_14_does() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(INDIRECT);
}
