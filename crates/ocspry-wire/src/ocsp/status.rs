//! What is said of a certificate and of a request (RFC 6960 §4.2.1, RFC 5280 §5.3.1).
//!
//! From: CRL entries and responses that were read.  To: the status table, and the answer that is written.  The words of
//! the standards as closed enums, so that a status or reason that may not be sent cannot be written down.

use crate::Time;

/// OCSPResponseStatus: the outer status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseStatus {
    /// 0: a signed answer follows.
    Successful,
    /// 1, 2, 3, 5 or 6: nothing follows.
    Error(ErrorStatus),
}

/// Every OCSPResponseStatus but `successful` (4 is not used).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorStatus {
    /// 1: not an OCSPRequest.
    MalformedRequest,
    /// 2: inconsistent internal state.
    InternalError,
    /// 3: temporarily unable.
    TryLater,
    /// 5: requests must be signed.
    SigRequired,
    /// 6: not an issuer this responder may answer for.
    Unauthorized,
}

impl ErrorStatus {
    /// The whole OCSPResponse: `30 03 0A 01 xx` (RFC 6960 §2.3).
    pub const fn der(self) -> &'static [u8; 5] {
        match self {
            ErrorStatus::MalformedRequest => &[0x30, 0x03, 0x0a, 0x01, 0x01],
            ErrorStatus::InternalError => &[0x30, 0x03, 0x0a, 0x01, 0x02],
            ErrorStatus::TryLater => &[0x30, 0x03, 0x0a, 0x01, 0x03],
            ErrorStatus::SigRequired => &[0x30, 0x03, 0x0a, 0x01, 0x05],
            ErrorStatus::Unauthorized => &[0x30, 0x03, 0x0a, 0x01, 0x06],
        }
    }
}

/// CertStatus: the inner status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertStatus {
    /// Not revoked.
    Good,
    /// Revoked or on hold.
    Revoked(RevokedInfo),
    /// Not known to this responder.
    Unknown,
}

/// RevokedInfo, and the invalidity date that a CRL entry may carry beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedInfo {
    /// When it was revoked: the CRL entry's revocationDate, to the second.
    pub revocation_time: Time,
    /// Why; None where the source gives none (`unspecified` is left out: RFC 5280 §5.3.1).
    pub reason: Option<CrlReason>,
    /// Since when the key is known or suspected to be unsafe (RFC 5280 §5.3.2); goes into singleExtensions.
    pub invalidity_date: Option<Time>,
}

/// CRLReason (RFC 5280 §5.3.1): those that may stand in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CrlReason {
    /// 1.
    KeyCompromise = 1,
    /// 2.
    CaCompromise = 2,
    /// 3.
    AffiliationChanged = 3,
    /// 4.
    Superseded = 4,
    /// 5.
    CessationOfOperation = 5,
    /// 6.
    CertificateHold = 6,
    /// 9.
    PrivilegeWithdrawn = 9,
    /// 10.
    AaCompromise = 10,
}

impl CrlReason {
    /// Every reason, by its code.
    pub const ALL: [CrlReason; 8] = [
        CrlReason::KeyCompromise,
        CrlReason::CaCompromise,
        CrlReason::AffiliationChanged,
        CrlReason::Superseded,
        CrlReason::CessationOfOperation,
        CrlReason::CertificateHold,
        CrlReason::PrivilegeWithdrawn,
        CrlReason::AaCompromise,
    ];

    /// The code of RFC 5280 §5.3.1.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// From the code; None for 0 (unspecified), 7 (unused), 8 (removeFromCRL) and anything above 10.
    pub const fn from_code(code: u8) -> Option<CrlReason> {
        Some(match code {
            1 => CrlReason::KeyCompromise,
            2 => CrlReason::CaCompromise,
            3 => CrlReason::AffiliationChanged,
            4 => CrlReason::Superseded,
            5 => CrlReason::CessationOfOperation,
            6 => CrlReason::CertificateHold,
            9 => CrlReason::PrivilegeWithdrawn,
            10 => CrlReason::AaCompromise,
            _ => return None,
        })
    }

    /// The standard's word.
    pub const fn name(self) -> &'static str {
        match self {
            CrlReason::KeyCompromise => "keyCompromise",
            CrlReason::CaCompromise => "cACompromise",
            CrlReason::AffiliationChanged => "affiliationChanged",
            CrlReason::Superseded => "superseded",
            CrlReason::CessationOfOperation => "cessationOfOperation",
            CrlReason::CertificateHold => "certificateHold",
            CrlReason::PrivilegeWithdrawn => "privilegeWithdrawn",
            CrlReason::AaCompromise => "aACompromise",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sta_03_only_the_reasons_of_rfc_5280_that_may_be_answered_exist() {
        let known: Vec<u8> = (0..=u8::MAX)
            .filter(|code| CrlReason::from_code(*code).is_some())
            .collect();
        assert_eq!(known, [1, 2, 3, 4, 5, 6, 9, 10]);
        for code in known {
            assert_eq!(CrlReason::from_code(code).map(CrlReason::code), Some(code));
        }
    }

    #[test]
    fn err_03_err_10_an_error_is_five_octets_with_its_status_at_the_end() {
        for (status, code) in [
            (ErrorStatus::MalformedRequest, 1),
            (ErrorStatus::InternalError, 2),
            (ErrorStatus::TryLater, 3),
            (ErrorStatus::SigRequired, 5),
            (ErrorStatus::Unauthorized, 6),
        ] {
            assert_eq!(status.der(), &[0x30, 0x03, 0x0a, 0x01, code]);
        }
    }
}
