//! A line of the index that `openssl ca` keeps (`index.txt`), as status.
//!
//! From: `issued`, line by line, read by `ocspry_wire::openssl_index`.  To: an [`IssuedEntry`].  Reasons go the way they go
//! in a CRL: `unspecified` is none (RFC 5280 §5.3.1), removeFromCRL revokes nothing (ADR-0007).

use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::openssl_index::{self, IndexError, IndexReason, IndexRevocation, IndexStatus};

use super::IssuedEntry;
use super::serials;
use crate::noted::Oddity;
use crate::text_file::{LineProblem, shown};

/// What a line says.
pub(super) struct IndexLine {
    pub(super) entry: IssuedEntry,
    /// OpenSSL has noted that it expired (`openssl ca -updatedb`); revoked ones stay R.
    pub(super) is_expired: bool,
    /// Something about its reason.
    pub(super) oddity: Option<Oddity>,
}

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Result<IndexLine, LineProblem> {
    let line = openssl_index::IndexLine::parse(line).map_err(problem)?;
    let (is_expired, revocation) = match line.status {
        IndexStatus::Valid => (false, Revocation::NONE),
        IndexStatus::Expired => (true, Revocation::NONE),
        IndexStatus::Revoked(revocation) => (false, Revocation::of(revocation)),
    };
    Ok(IndexLine {
        entry: IssuedEntry {
            serial_number: serials::from_index(line.serial)?,
            not_after: Some(line.not_after),
            revoked: revocation.revoked,
        },
        is_expired,
        oddity: revocation.oddity,
    })
}

fn problem(error: IndexError<'_>) -> LineProblem {
    match error {
        IndexError::Nul => LineProblem::Nul,
        IndexError::FieldCount { found } => LineProblem::FieldCount { found },
        IndexError::Status(field) => LineProblem::Status {
            content: shown(field),
        },
        IndexError::Time(text) => LineProblem::IndexTime {
            content: shown(text),
        },
        IndexError::NoRevocationTime => LineProblem::NoRevocationTime,
        IndexError::NotRevoked(field) => LineProblem::NotRevoked {
            content: shown(field),
        },
    }
}

/// The third field.
struct Revocation {
    revoked: Option<RevokedInfo>,
    oddity: Option<Oddity>,
}

impl Revocation {
    const NONE: Revocation = Revocation {
        revoked: None,
        oddity: None,
    };

    fn of(revocation: IndexRevocation<'_>) -> Revocation {
        let mut info = RevokedInfo {
            revocation_time: revocation.revocation_time,
            reason: None,
            invalidity_date: None,
        };
        let mut oddity = None;
        match revocation.reason {
            None | Some(IndexReason::Unspecified) => {}
            Some(IndexReason::Reason(reason)) => info.reason = Some(reason),
            Some(IndexReason::HoldInstruction(_)) => info.reason = Some(CrlReason::CertificateHold),
            Some(IndexReason::KeyTime(since)) => {
                info.reason = Some(CrlReason::KeyCompromise);
                info.invalidity_date = Some(since);
            }
            Some(IndexReason::CaKeyTime(since)) => {
                info.reason = Some(CrlReason::CaCompromise);
                info.invalidity_date = Some(since);
            }
            Some(IndexReason::RemoveFromCrl) => {
                return Revocation {
                    revoked: None,
                    oddity: Some(Oddity::RemoveFromCrl),
                };
            }
            Some(IndexReason::Unknown(_)) => oddity = Some(Oddity::UnknownReason),
        }
        Revocation {
            revoked: Some(info),
            oddity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRY: &str = "2027-01-31T12:00:00Z";

    fn revoked(field: &str) -> Result<(Option<RevokedInfo>, Option<Oddity>), LineProblem> {
        let line = format!("R\t270131120000Z\t{field}\t1A\tunknown\t/CN=a");
        let line = parse(line.as_bytes())?;
        assert_eq!(line.entry.not_after.unwrap().to_string(), EXPIRY);
        Ok((line.entry.revoked, line.oddity))
    }

    #[test]
    fn every_reason_that_openssl_writes_is_understood_in_any_case() {
        for (words, reason, invalidity_date) in [
            ("", None, None),
            (",unspecified", None, None),
            (",keyCompromise", Some(CrlReason::KeyCompromise), None),
            (",CACompromise", Some(CrlReason::CaCompromise), None),
            (",cacompromise", Some(CrlReason::CaCompromise), None),
            (
                ",affiliationChanged",
                Some(CrlReason::AffiliationChanged),
                None,
            ),
            (",superseded", Some(CrlReason::Superseded), None),
            (
                ",cessationOfOperation",
                Some(CrlReason::CessationOfOperation),
                None,
            ),
            (",certificateHold", Some(CrlReason::CertificateHold), None),
            (
                ",privilegeWithdrawn",
                Some(CrlReason::PrivilegeWithdrawn),
                None,
            ),
            (",AACompromise", Some(CrlReason::AaCompromise), None),
            (
                ",holdInstruction,holdInstructionReject",
                Some(CrlReason::CertificateHold),
                None,
            ),
            (
                ",holdInstruction,1.2.840.10040.2.3",
                Some(CrlReason::CertificateHold),
                None,
            ),
            (
                ",keyTime,20251231235959Z",
                Some(CrlReason::KeyCompromise),
                Some("2025-12-31T23:59:59Z"),
            ),
            (
                ",CAkeyTime,20251231235959Z",
                Some(CrlReason::CaCompromise),
                Some("2025-12-31T23:59:59Z"),
            ),
        ] {
            let (info, oddity) = revoked(&format!("260101000000Z{words}")).unwrap();
            let info = info.unwrap();
            assert_eq!(info.revocation_time.to_string(), "2026-01-01T00:00:00Z");
            assert_eq!(info.reason, reason, "{words}");
            let date = info.invalidity_date.map(|date| date.to_string());
            assert_eq!(date.as_deref(), invalidity_date, "{words}");
            assert_eq!(oddity, None);
        }
    }

    #[test]
    fn a_reason_that_nobody_defines_revokes_all_the_same() {
        let (info, oddity) = revoked("20260101000000Z,lostInTheSea").unwrap();
        assert_eq!(info.unwrap().reason, None);
        assert_eq!(oddity, Some(Oddity::UnknownReason));
    }

    #[test]
    fn remove_from_crl_is_not_revoked_as_in_a_crl() {
        let found = revoked("260101000000Z,removeFromCRL").unwrap();
        assert_eq!(found, (None, Some(Oddity::RemoveFromCrl)));
    }

    #[test]
    fn valid_and_expired_lines_are_issued_and_not_revoked() {
        for (status, is_expired) in [("V", false), ("E", true)] {
            let line = format!("{status}\t20991231235959Z\t\tABC\tunknown\t/CN=a");
            let line = parse(line.as_bytes()).unwrap();
            assert_eq!(line.entry.serial_number.to_string(), "0abc");
            assert_eq!(line.entry.revoked, None);
            let not_after = line.entry.not_after.unwrap();
            assert_eq!(not_after.to_string(), "2099-12-31T23:59:59Z");
            assert_eq!(line.is_expired, is_expired);
        }
    }

    #[test]
    fn a_tab_with_a_backslash_before_it_belongs_to_its_field() {
        let line = parse(b"V\t270131120000Z\t\t01\tunknown\t/CN=a\\\tb\\").unwrap();
        assert_eq!(line.entry.serial_number.content(), [1]);
    }

    #[test]
    fn negative_serials_have_a_minus_sign() {
        let line = parse(b"V\t270131120000Z\t\t-80\tunknown\t/CN=a").unwrap();
        assert_eq!(line.entry.serial_number.content(), [0x80]);
    }

    #[test]
    fn a_line_that_openssl_would_not_write_is_refused_by_name() {
        for (line, expected) in [
            ("V\t270131120000Z\t\t01\tunknown", "has 5 fields"),
            ("V\t270131120000Z\t\t01\tunknown\t/CN=a\t", "has 7 fields"),
            ("", "has 1 fields"),
            ("\t\t\t\t\t", "\"\" is not a time"),
            (
                "S\t270131120000Z\t\t01\tunknown\t/CN=a",
                "\"S\" is no status",
            ),
            (
                "v\t270131120000Z\t\t01\tunknown\t/CN=a",
                "\"v\" is no status",
            ),
            ("V\t\t\t01\tunknown\t/CN=a", "\"\" is not a time"),
            (
                "V\t270231120000Z\t\t01\tunknown\t/CN=a",
                "\"270231120000Z\" is not a time",
            ),
            ("V\t2701311200Z\t\t01\tunknown\t/CN=a", "is not a time"),
            (
                "V\t270131120000Z\t260101000000Z\t01\tunknown\t/CN=a",
                "its status is not R",
            ),
            (
                "E\t270131120000Z\t260101000000Z\t01\tunknown\t/CN=a",
                "its status is not R",
            ),
            (
                "R\t270131120000Z\t\t01\tunknown\t/CN=a",
                "without a revocation date",
            ),
            (
                "R\t270131120000Z\tnever\t01\tunknown\t/CN=a",
                "\"never\" is not a time",
            ),
            (
                "R\t270131120000Z\t260101000000Z,keyTime\t01\tunknown\t/CN=a",
                "\"\" is not a time",
            ),
            (
                "R\t270131120000Z\t260101000000Z,keyTime,soon\t01\tunknown\t/CN=a",
                "\"soon\" is not a time",
            ),
            (
                "V\t270131120000Z\t\t\tunknown\t/CN=a",
                "\"\" is not a serial number",
            ),
            (
                "V\t270131120000Z\t\t0:1\tunknown\t/CN=a",
                "is not a serial number",
            ),
            (
                "V\t270131120000Z\t\t0x1\tunknown\t/CN=a",
                "is not a serial number",
            ),
            (
                "V\t270131120000Z\t\t01\tunknown\t/CN=\0",
                "holds a NUL octet",
            ),
        ] {
            let problem = parse(line.as_bytes()).err().expect(line).to_string();
            assert!(problem.contains(expected), "{line}: {problem}");
        }
    }
}
