//! What a list may get wrong without being refused, by name.  From: the readers of a list's parts.  To: logs.
//!
//! RFC 5280 §5 forbids each of these to the CA; each is seen in lists of real CAs, and none changes what a list says.

/// Defects tolerated, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrlDefects {
    /// reasonCode 0 written out.
    pub unspecified_reasons: u64,
    /// reasonCode 7, 11 or above: left out.
    pub undefined_reasons: u64,
    /// removeFromCRL in a complete list.
    pub remove_from_crl: u64,
    /// Negative serials.
    pub negative_serials: u64,
    /// Serials of more than 20 octets.
    pub long_serials: u64,
    /// Serials with needless leading octets.
    pub non_minimal_serials: u64,
    /// GeneralizedTime before 2050.
    pub early_generalized_times: u64,
    /// UTCTime without seconds, or with an offset instead of `Z`.
    pub odd_utc_times: u64,
    /// FALSE written out where it is the DEFAULT: `critical` of an extension, a field of an issuingDistributionPoint.
    pub explicit_defaults: u64,
    /// No version field: a v1 list.
    pub missing_version: u64,
    /// revokedCertificates present, but without an entry.
    pub empty_revoked_certificates: u64,
    /// No cRLNumber (RFC 5280 §5.2.3).
    pub missing_crl_number: u64,
    /// No authorityKeyIdentifier (RFC 5280 §5.2.1).
    pub missing_authority_key_id: u64,
    /// A deltaCRLIndicator that is not critical (RFC 5280 §5.2.4).
    pub uncritical_delta_indicators: u64,
    /// An issuingDistributionPoint that is not critical (RFC 5280 §5.2.5).
    pub uncritical_scopes: u64,
    /// An issuingDistributionPoint without a field (RFC 5280 §5.2.5).
    pub empty_scopes: u64,
    /// certificateIssuer that is not critical (RFC 5280 §5.3.3).
    pub uncritical_certificate_issuers: u64,
    /// Entries under a certificateIssuer that is the issuer's name in another spelling (RFC 5280 §4.1.2.6, §7.1); whoever knows
    /// the issuer counts them.
    pub respelled_certificate_issuers: u64,
    /// freshestCRL, expiredCertsOnCRL or Microsoft's next publish that cannot be read and is not critical: left out.
    pub unreadable_extensions: u64,
}

impl CrlDefects {
    /// Names and counts of what was found, for logs; nothing for a list without defects.
    pub fn found(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let CrlDefects {
            unspecified_reasons,
            undefined_reasons,
            remove_from_crl,
            negative_serials,
            long_serials,
            non_minimal_serials,
            early_generalized_times,
            odd_utc_times,
            explicit_defaults,
            missing_version,
            empty_revoked_certificates,
            missing_crl_number,
            missing_authority_key_id,
            uncritical_delta_indicators,
            uncritical_scopes,
            empty_scopes,
            uncritical_certificate_issuers,
            respelled_certificate_issuers,
            unreadable_extensions,
        } = *self;
        [
            ("reasonCode unspecified", unspecified_reasons),
            ("undefined reasonCode", undefined_reasons),
            ("removeFromCRL in a complete list", remove_from_crl),
            ("negative serial", negative_serials),
            ("serial of more than 20 octets", long_serials),
            ("serial with needless leading octets", non_minimal_serials),
            ("GeneralizedTime before 2050", early_generalized_times),
            ("UTCTime without seconds or Z", odd_utc_times),
            ("default FALSE written out", explicit_defaults),
            ("no version", missing_version),
            ("empty revokedCertificates", empty_revoked_certificates),
            ("no cRLNumber", missing_crl_number),
            ("no authorityKeyIdentifier", missing_authority_key_id),
            (
                "deltaCRLIndicator not critical",
                uncritical_delta_indicators,
            ),
            ("issuingDistributionPoint not critical", uncritical_scopes),
            ("empty issuingDistributionPoint", empty_scopes),
            (
                "certificateIssuer not critical",
                uncritical_certificate_issuers,
            ),
            (
                "certificateIssuer spelled otherwise",
                respelled_certificate_issuers,
            ),
            ("unreadable extension left out", unreadable_extensions),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
    }
}
