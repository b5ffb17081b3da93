//! PKITS 4.15: delta lists over their base.

use crate::pkits::{COMPROMISED, Case, Pkits, Verdict};

const CA1: &[&str] = &["deltaCRLCA1CRL", "deltaCRLCA1deltaCRL"];
const CA2: &[&str] = &["deltaCRLCA2CRL", "deltaCRLCA2deltaCRL"];
const CA3: &[&str] = &["deltaCRLCA3CRL", "deltaCRLCA3deltaCRL"];

const DELTAS: &[Case] = &[
    Case::new(
        "4.15.1 deltaCRLIndicator, no base",
        "InvaliddeltaCRLIndicatorNoBaseTest1EE",
        "deltaCRLIndicatorNoBaseCACert",
        &["deltaCRLIndicatorNoBaseCACRL"],
    )
    .says(Verdict::NoTable),
    Case::new(
        "4.15.2 on neither list",
        "ValiddeltaCRLTest2EE",
        "deltaCRLCA1Cert",
        CA1,
    ),
    Case::new(
        "4.15.3 on the base only",
        "InvaliddeltaCRLTest3EE",
        "deltaCRLCA1Cert",
        CA1,
    )
    .says(COMPROMISED),
    Case::new(
        "4.15.4 on the delta only",
        "InvaliddeltaCRLTest4EE",
        "deltaCRLCA1Cert",
        CA1,
    )
    .says(COMPROMISED),
    Case::new(
        "4.15.5 on hold, then removed",
        "ValiddeltaCRLTest5EE",
        "deltaCRLCA1Cert",
        CA1,
    ),
    Case::new(
        "4.15.6 on hold, then revoked",
        "InvaliddeltaCRLTest6EE",
        "deltaCRLCA1Cert",
        CA1,
    )
    .says(COMPROMISED),
    Case::new(
        "4.15.7 removed, and never on the base",
        "ValiddeltaCRLTest7EE",
        "deltaCRLCA1Cert",
        CA1,
    ),
    Case::new(
        "4.15.8 base newer than the delta needs",
        "ValiddeltaCRLTest8EE",
        "deltaCRLCA2Cert",
        CA2,
    ),
    Case::new(
        "4.15.9 base newer than the delta needs",
        "InvaliddeltaCRLTest9EE",
        "deltaCRLCA2Cert",
        CA2,
    )
    .says(COMPROMISED),
    Case::new(
        "4.15.10 base too old for the delta, and over",
        "InvaliddeltaCRLTest10EE",
        "deltaCRLCA3Cert",
        CA3,
    )
    .says(Verdict::Expired),
];

#[test]
fn vec_03_deltas_are_laid_over_their_base_as_pkits_4_15_does() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(DELTAS);
}

/// The base alone, and both in the other order.
#[test]
fn vec_03_the_order_of_base_and_delta_does_not_matter() {
    let Some(pkits) = Pkits::find() else { return };
    pkits.judge(&[
        Case::new(
            "4.15.5, the delta first",
            "ValiddeltaCRLTest5EE",
            "deltaCRLCA1Cert",
            &["deltaCRLCA1deltaCRL", "deltaCRLCA1CRL"],
        ),
        Case::new(
            "4.15.4, the delta first",
            "InvaliddeltaCRLTest4EE",
            "deltaCRLCA1Cert",
            &["deltaCRLCA1deltaCRL", "deltaCRLCA1CRL"],
        )
        .says(COMPROMISED),
        Case::new(
            "4.15.5, the base alone",
            "ValiddeltaCRLTest5EE",
            "deltaCRLCA1Cert",
            &["deltaCRLCA1CRL"],
        )
        .says(crate::pkits::HELD)
        .against(
            crate::pkits::Suite::NotRevoked,
            "the delta that lifts the hold is not configured",
        ),
    ]);
}
