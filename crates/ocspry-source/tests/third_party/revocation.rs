//! PKITS 4.4, basic revocation, and 4.7, key usage: one CA, one list.

use crate::pkits::{COMPROMISED, Case, Pkits, Suite, Verdict};

const BASIC: &[Case] = &[
    Case::new("4.4.1 Missing CRL", "InvalidMissingCRLTest1EE", "NoCRLCACert", &[]).says(Verdict::NoTable),
    Case::new("4.4.2 Revoked CA", "RevokedsubCACert", "GoodCACert", &["GoodCACRL"]).says(COMPROMISED),
    Case::new("4.4.3 Revoked EE", "InvalidRevokedEETest3EE", "GoodCACert", &["GoodCACRL"]).says(COMPROMISED),
    Case::new("4.1.1 Valid signatures", "ValidCertificatePathTest1EE", "GoodCACert", &["GoodCACRL"]),
    Case::new(
        "4.4.4 Bad CRL signature",
        "InvalidBadCRLSignatureTest4EE",
        "BadCRLSignatureCACert",
        &["BadCRLSignatureCACRL"],
    )
    .says(Verdict::NoTable)
    // Its tampered octet is the number of unused bits of the signature.
    .refusing("is not a CRL: at octet 198"),
    Case::new(
        "4.4.5 Bad CRL issuer name",
        "InvalidBadCRLIssuerNameTest5EE",
        "BadCRLIssuerNameCACert",
        &["BadCRLIssuerNameCACRL"],
    )
    .says(Verdict::NoTable)
    .refusing("was issued by"),
    Case::new("4.4.6 Wrong CRL", "InvalidWrongCRLTest6EE", "WrongCRLCACert", &["WrongCRLCACRL"])
        .says(Verdict::NoTable)
        .refusing("was issued by"),
    Case::new(
        "4.4.7 Two CRLs",
        "ValidTwoCRLsTest7EE",
        "TwoCRLsCACert",
        &["TwoCRLsCABadCRL", "TwoCRLsCAGoodCRL"],
    )
    .refusing("was issued by"),
    Case::new(
        "4.4.8 Unknown CRL entry extension",
        "InvalidUnknownCRLEntryExtensionTest8EE",
        "UnknownCRLEntryExtensionCACert",
        &["UnknownCRLEntryExtensionCACRL"],
    )
    .says(Verdict::NoTable)
    .refusing("an entry has the critical extension 2.16.840.1.101.2.1.12.2"),
    Case::new(
        "4.4.9 Unknown CRL extension",
        "InvalidUnknownCRLExtensionTest9EE",
        "UnknownCRLExtensionCACert",
        &["UnknownCRLExtensionCACRL"],
    )
    .says(Verdict::NoTable)
    .refusing("has the critical extension 2.16.840.1.101.2.1.12.2"),
    Case::new(
        "4.4.10 Unknown CRL extension",
        "InvalidUnknownCRLExtensionTest10EE",
        "UnknownCRLExtensionCACert",
        &["UnknownCRLExtensionCACRL"],
    )
    .says(Verdict::NoTable)
    .refusing("has the critical extension 2.16.840.1.101.2.1.12.2"),
    Case::new(
        "4.4.11 Old CRL nextUpdate",
        "InvalidOldCRLnextUpdateTest11EE",
        "OldCRLnextUpdateCACert",
        &["OldCRLnextUpdateCACRL"],
    )
    .says(Verdict::Expired),
    Case::new(
        "4.4.12 pre2000 CRL nextUpdate",
        "Invalidpre2000CRLnextUpdateTest12EE",
        "pre2000CRLnextUpdateCACert",
        &["pre2000CRLnextUpdateCACRL"],
    )
    .says(Verdict::Expired),
    Case::new(
        "4.4.13 GeneralizedTime CRL nextUpdate",
        "ValidGeneralizedTimeCRLnextUpdateTest13EE",
        "GeneralizedTimeCRLnextUpdateCACert",
        &["GeneralizedTimeCRLnextUpdateCACRL"],
    ),
    Case::new(
        "4.4.16 Long serial number",
        "ValidLongSerialNumberTest16EE",
        "LongSerialNumberCACert",
        &["LongSerialNumberCACRL"],
    ),
    Case::new(
        "4.4.17 Long serial number",
        "ValidLongSerialNumberTest17EE",
        "LongSerialNumberCACert",
        &["LongSerialNumberCACRL"],
    ),
    Case::new(
        "4.4.18 Long serial number",
        "InvalidLongSerialNumberTest18EE",
        "LongSerialNumberCACert",
        &["LongSerialNumberCACRL"],
    )
    .says(COMPROMISED),
    Case::new(
        "4.4.19 Separate certificate and CRL keys",
        "ValidSeparateCertificateandCRLKeysTest19EE",
        "SeparateCertificateandCRLKeysCertificateSigningCACert",
        &["SeparateCertificateandCRLKeysCRL"],
    )
    .crl_issuers(&["SeparateCertificateandCRLKeysCRLSigningCert"]),
    Case::new(
        "4.4.19, the key for CRLs is not configured",
        "ValidSeparateCertificateandCRLKeysTest19EE",
        "SeparateCertificateandCRLKeysCertificateSigningCACert",
        &["SeparateCertificateandCRLKeysCRL"],
    )
    .says(Verdict::NoTable)
    .against(Suite::NotRevoked, "nothing but what is configured may sign lists")
    .refusing("keyUsage without cRLSign"),
    Case::new(
        "4.4.20 Separate certificate and CRL keys",
        "InvalidSeparateCertificateandCRLKeysTest20EE",
        "SeparateCertificateandCRLKeysCertificateSigningCACert",
        &["SeparateCertificateandCRLKeysCRL"],
    )
    .crl_issuers(&["SeparateCertificateandCRLKeysCRLSigningCert"])
    .says(COMPROMISED),
    Case::new(
        "4.4.21 Separate certificate and CRL keys, the certificate of the CRL key",
        "SeparateCertificateandCRLKeysCA2CRLSigningCert",
        "TrustAnchorRootCertificate",
        &["TrustAnchorRootCRL"],
    )
    .says(COMPROMISED),
    Case::new(
        "4.4.21 Separate certificate and CRL keys",
        "InvalidSeparateCertificateandCRLKeysTest21EE",
        "SeparateCertificateandCRLKeysCA2CertificateSigningCACert",
        &["SeparateCertificateandCRLKeysCA2CRL"],
    )
    .crl_issuers(&["SeparateCertificateandCRLKeysCA2CRLSigningCert"])
    .against(
        Suite::Undetermined,
        "the certificate of the CRL key is revoked; here the operator vouches for the keys that are configured",
    ),
];

const NEGATIVE_SERIALS: &[Case] = &[
    Case::new(
        "4.4.14 Negative serial number",
        "ValidNegativeSerialNumberTest14EE",
        "NegativeSerialNumberCACert",
        &["NegativeSerialNumberCACRL"],
    ),
    Case::new(
        "4.4.15 Negative serial number",
        "InvalidNegativeSerialNumberTest15EE",
        "NegativeSerialNumberCACert",
        &["NegativeSerialNumberCACRL"],
    )
    .says(COMPROMISED),
];

const KEY_USAGE: &[Case] = &[
    Case::new(
        "4.7.1 keyUsage critical, no keyCertSign",
        "InvalidkeyUsageCriticalkeyCertSignFalseTest1EE",
        "keyUsageCriticalkeyCertSignFalseCACert",
        &["keyUsageCriticalkeyCertSignFalseCACRL"],
    ),
    Case::new(
        "4.7.2 keyUsage not critical, no keyCertSign",
        "InvalidkeyUsageNotCriticalkeyCertSignFalseTest2EE",
        "keyUsageNotCriticalkeyCertSignFalseCACert",
        &["keyUsageNotCriticalkeyCertSignFalseCACRL"],
    ),
    Case::new(
        "4.7.3 keyUsage not critical",
        "ValidkeyUsageNotCriticalTest3EE",
        "keyUsageNotCriticalCACert",
        &["keyUsageNotCriticalCACRL"],
    ),
    Case::new(
        "4.7.4 keyUsage critical, no cRLSign",
        "InvalidkeyUsageCriticalcRLSignFalseTest4EE",
        "keyUsageCriticalcRLSignFalseCACert",
        &["keyUsageCriticalcRLSignFalseCACRL"],
    )
    .says(Verdict::NoTable)
    .refusing("keyUsage without cRLSign"),
    Case::new(
        "4.7.5 keyUsage not critical, no cRLSign",
        "InvalidkeyUsageNotCriticalcRLSignFalseTest5EE",
        "keyUsageNotCriticalcRLSignFalseCACert",
        &["keyUsageNotCriticalcRLSignFalseCACRL"],
    )
    .says(Verdict::NoTable)
    .refusing("keyUsage without cRLSign"),
];

#[test]
fn vec_01_basic_revocation_is_judged_as_pkits_4_4_does() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(BASIC);
}

/// 4.7.1 and 4.7.2 are invalid paths, since the key may not sign certificates; their lists are as good as any.
#[test]
fn vec_01_the_right_to_sign_lists_is_judged_as_pkits_4_7_does() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(KEY_USAGE);
}

/// The list names -1, not 255, whose octet is the same but for the leading zero.
#[test]
fn vec_02_a_negative_serial_is_another_than_the_positive_one_of_the_same_octet() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(NEGATIVE_SERIALS);
}
