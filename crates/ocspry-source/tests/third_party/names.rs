//! PKITS 4.3: names that RFC 5280 §7.1 calls the same, in other octets.
//!
//! Names are compared octet by octet here.  Of the suite's lists one has its issuer in another string type than the CA's
//! certificate; CAs that change the type issue themselves a certificate with the new name, which can be configured.

use crate::pkits::{Case, Pkits, Suite, Verdict};

const NAMES: &[Case] = &[
    Case::new(
        "4.3.6 UIDs",
        "ValidNameUIDsTest6EE",
        "UIDCACert",
        &["UIDCACRL"],
    ),
    Case::new(
        "4.3.7 mandatory attribute types",
        "ValidRFC3280MandatoryAttributeTypesTest7EE",
        "RFC3280MandatoryAttributeTypesCACert",
        &["RFC3280MandatoryAttributeTypesCACRL"],
    ),
    Case::new(
        "4.3.8 optional attribute types",
        "ValidRFC3280OptionalAttributeTypesTest8EE",
        "RFC3280OptionalAttributeTypesCACert",
        &["RFC3280OptionalAttributeTypesCACRL"],
    ),
    Case::new(
        "4.3.9 UTF8String",
        "ValidUTF8StringEncodedNamesTest9EE",
        "UTF8StringEncodedNamesCACert",
        &["UTF8StringEncodedNamesCACRL"],
    ),
    Case::new(
        "4.3.10 from PrintableString to UTF8String",
        "ValidRolloverfromPrintableStringtoUTF8StringTest10EE",
        "RolloverfromPrintableStringtoUTF8StringCACert",
        &["RolloverfromPrintableStringtoUTF8StringCACRL"],
    )
    .says(Verdict::NoTable)
    .against(Suite::NotRevoked, "names are compared octet by octet")
    .refusing("was issued by"),
    Case::new(
        "4.3.11 UTF8String in another case",
        "ValidUTF8StringCaseInsensitiveMatchTest11EE",
        "UTF8StringCaseInsensitiveMatchCACert",
        &["UTF8StringCaseInsensitiveMatchCACRL"],
    ),
];

#[test]
fn a_list_whose_issuer_is_the_ca_in_other_octets_is_refused() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(NAMES);
}
