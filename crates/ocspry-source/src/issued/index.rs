//! A line of the index that `openssl ca` keeps (`index.txt`), read as OpenSSL reads it.
//!
//! Six fields parted by tabs: status (V, R or E), expiry date, revocation date with reason, serial number in hex, file
//! name, subject.  A tab inside a field has a backslash before it.  From: `issued`, line by line.  To: an [`IssuedEntry`].
//! Reasons go the way they go in a CRL: `unspecified` is none (RFC 5280 §5.3.1), removeFromCRL revokes nothing (ADR-0007).

use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};

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
    if line.contains(&0) {
        return Err(LineProblem::Nul);
    }
    let [status, expiry, revocation, serial, _file_name, _subject] = fields(line)?;
    let not_after = time(expiry)?;
    let (is_expired, revocation) = match status {
        b"V" | b"E" if revocation.is_empty() => (status == b"E", Revocation::NONE),
        b"V" | b"E" => {
            return Err(LineProblem::NotRevoked {
                content: shown(revocation),
            });
        }
        b"R" => (false, Revocation::parse(revocation)?),
        other => {
            return Err(LineProblem::Status {
                content: shown(other),
            });
        }
    };
    Ok(IndexLine {
        entry: IssuedEntry {
            serial_number: serials::from_index(serial)?,
            not_after: Some(not_after),
            revoked: revocation.revoked,
        },
        is_expired,
        oddity: revocation.oddity,
    })
}

/// Exactly six, parted by tabs that no backslash stands before.
fn fields(line: &[u8]) -> Result<[&[u8]; FIELD_COUNT], LineProblem> {
    let mut fields = [&[][..]; FIELD_COUNT];
    let mut found = 0;
    let mut start = 0;
    for end in 0..=line.len() {
        let is_end = match line.get(end) {
            Some(b'\t') => end == 0 || line[end - 1] != b'\\',
            Some(_) => false,
            None => true,
        };
        if is_end {
            if let Some(field) = fields.get_mut(found) {
                *field = &line[start..end];
            }
            found += 1;
            start = end + 1;
        }
    }
    if found == FIELD_COUNT {
        Ok(fields)
    } else {
        Err(LineProblem::FieldCount { found })
    }
}

/// UTCTime or GeneralizedTime, as text.
fn time(text: &[u8]) -> Result<Time, LineProblem> {
    Time::from_utc_time(text)
        .or_else(|| Time::from_generalized(text))
        .ok_or_else(|| LineProblem::IndexTime {
            content: shown(text),
        })
}

/// The third field: `date[,reason[,extra]]`.
struct Revocation {
    revoked: Option<RevokedInfo>,
    oddity: Option<Oddity>,
}

impl Revocation {
    const NONE: Revocation = Revocation {
        revoked: None,
        oddity: None,
    };

    fn parse(field: &[u8]) -> Result<Revocation, LineProblem> {
        if field.is_empty() {
            return Err(LineProblem::NoRevocationTime);
        }
        let mut parts = field.splitn(3, |octet| *octet == b',');
        let revocation_time = time(parts.next().unwrap_or_default())?;
        let reason = parts.next().map(IndexReason::of);
        // For keyTime and CAkeyTime since when the key is unsafe, for holdInstruction an OID.
        let extra = parts.next().unwrap_or_default();
        let mut info = RevokedInfo {
            revocation_time,
            reason: None,
            invalidity_date: None,
        };
        let mut oddity = None;
        match reason {
            None | Some(IndexReason::Unspecified) => {}
            Some(IndexReason::Reason(reason)) => info.reason = Some(reason),
            Some(IndexReason::KeyTime(reason)) => {
                info.reason = Some(reason);
                info.invalidity_date = Some(time(extra)?);
            }
            Some(IndexReason::RemoveFromCrl) => {
                return Ok(Revocation {
                    revoked: None,
                    oddity: Some(Oddity::RemoveFromCrl),
                });
            }
            Some(IndexReason::Unknown) => oddity = Some(Oddity::UnknownReason),
        }
        Ok(Revocation {
            revoked: Some(info),
            oddity,
        })
    }
}

/// The second part of the third field.
enum IndexReason {
    Unspecified,
    Reason(CrlReason),
    /// With a date of invalidity behind it.
    KeyTime(CrlReason),
    RemoveFromCrl,
    Unknown,
}

impl IndexReason {
    /// OpenSSL's words; it does not mind their case, and so `CACompromise` is also the standard's `cACompromise`.
    fn of(word: &[u8]) -> IndexReason {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if let Some(reason) = reason_named(word) {
            IndexReason::Reason(reason)
        } else if is("unspecified") {
            IndexReason::Unspecified
        } else if is("holdInstruction") {
            IndexReason::Reason(CrlReason::CertificateHold)
        } else if is("keyTime") {
            IndexReason::KeyTime(CrlReason::KeyCompromise)
        } else if is("CAkeyTime") {
            IndexReason::KeyTime(CrlReason::CaCompromise)
        } else if is("removeFromCRL") {
            IndexReason::RemoveFromCrl
        } else {
            IndexReason::Unknown
        }
    }
}

/// The reason with this name (RFC 5280 §5.3.1), in any case.
pub(crate) fn reason_named(word: &[u8]) -> Option<CrlReason> {
    (0..=LAST_REASON_CODE)
        .filter_map(CrlReason::from_code)
        .find(|reason| word.eq_ignore_ascii_case(reason.name().as_bytes()))
}

const FIELD_COUNT: usize = 6;
/// aACompromise.
const LAST_REASON_CODE: u8 = 10;

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
