//! A line of the index that `openssl ca` keeps (`index.txt`), read and written as OpenSSL does.
//!
//! Six fields parted by tabs: status (V, R or E), expiry date, revocation date with reason, serial number in hex, file
//! name, subject.  A tab inside a field has a backslash before it; nothing else is escaped.  From: lines of such a file,
//! and what a CA knows.  To: a status source, an import, a file that `openssl ocsp -index` reads.

use crate::ocsp::{CrlReason, RevokedInfo};
use crate::x509::name::{attributes, dotted};
use crate::{DerError, Time};

/// What a line says; the fields that are not looked into are kept as they stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexLine<'a> {
    /// The first and the third field.
    pub status: IndexStatus<'a>,
    /// When the certificate expires.
    pub not_after: Time,
    /// Its serial number, in hex: see [`crate::x509::SerialNumber::from_hex`].
    pub serial: &'a [u8],
    /// Where the certificate is; OpenSSL always writes `unknown`.
    pub file_name: &'a [u8],
    /// Its subject, in the form of [`push_subject`]; with the backslashes before tabs.
    pub subject: &'a [u8],
}

/// V, E or R.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexStatus<'a> {
    /// Issued, and not revoked.
    Valid,
    /// OpenSSL has noted that it expired (`openssl ca -updatedb`); revoked ones stay R.
    Expired,
    /// Revoked.
    Revoked(IndexRevocation<'a>),
}

/// The third field: `date[,reason[,extra]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRevocation<'a> {
    /// When it was revoked.
    pub revocation_time: Time,
    /// The reason, if one is there.
    pub reason: Option<IndexReason<'a>>,
}

/// The second part of the third field, in OpenSSL's words; it does not mind their case, and so `CACompromise` is also the
/// standard's `cACompromise`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexReason<'a> {
    /// `unspecified`.
    Unspecified,
    /// A reason of RFC 5280 §5.3.1.
    Reason(CrlReason),
    /// `holdInstruction,OID or name`.
    HoldInstruction(&'a [u8]),
    /// `keyTime,date`: keyCompromise, and since when.
    KeyTime(Time),
    /// `CAkeyTime,date`: cACompromise, and since when.
    CaKeyTime(Time),
    /// `removeFromCRL`.
    RemoveFromCrl,
    /// A word that nobody defines, with all that follows it.
    Unknown(&'a [u8]),
}

/// Why a line is none; the octets are what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexError<'a> {
    /// A NUL octet, which no text has.
    Nul,
    /// Not six fields.
    FieldCount {
        /// How many it has.
        found: usize,
    },
    /// Neither V nor R nor E.
    Status(&'a [u8]),
    /// Not a time.
    Time(&'a [u8]),
    /// R without a revocation date.
    NoRevocationTime,
    /// V or E with one.
    NotRevoked(&'a [u8]),
}

impl<'a> IndexLine<'a> {
    /// Reads one line, without its end.
    ///
    /// # Errors
    /// When OpenSSL would not have written it.
    pub fn parse(line: &'a [u8]) -> Result<IndexLine<'a>, IndexError<'a>> {
        if line.contains(&0) {
            return Err(IndexError::Nul);
        }
        let [status, expiry, revocation, serial, file_name, subject] = fields(line)?;
        let not_after = time(expiry)?;
        let status = match status {
            b"V" if revocation.is_empty() => IndexStatus::Valid,
            b"E" if revocation.is_empty() => IndexStatus::Expired,
            b"V" | b"E" => return Err(IndexError::NotRevoked(revocation)),
            b"R" => IndexStatus::Revoked(IndexRevocation::parse(revocation)?),
            other => return Err(IndexError::Status(other)),
        };
        Ok(IndexLine {
            status,
            not_after,
            serial,
            file_name,
            subject,
        })
    }

    /// Appends it with its line end, as OpenSSL writes it.
    pub fn push(&self, out: &mut Vec<u8>) {
        let letter = match self.status {
            IndexStatus::Valid => b'V',
            IndexStatus::Expired => b'E',
            IndexStatus::Revoked(_) => b'R',
        };
        out.extend([letter, b'\t']);
        push_time(out, self.not_after);
        out.push(b'\t');
        if let IndexStatus::Revoked(revocation) = &self.status {
            revocation.push(out);
        }
        for field in [self.serial, self.file_name, self.subject] {
            out.push(b'\t');
            out.extend_from_slice(field);
        }
        out.push(b'\n');
    }
}

/// Exactly six, parted by tabs that no backslash stands before.
fn fields(line: &[u8]) -> Result<[&[u8]; FIELD_COUNT], IndexError<'_>> {
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
        Err(IndexError::FieldCount { found })
    }
}

/// UTCTime or GeneralizedTime, as text.
fn time(text: &[u8]) -> Result<Time, IndexError<'_>> {
    Time::from_utc_time(text)
        .or_else(|| Time::from_generalized(text))
        .ok_or(IndexError::Time(text))
}

/// As a certificate has it: UTCTime from 1950 to 2049, else GeneralizedTime (RFC 5280 §4.1.2.5).
fn push_time(out: &mut Vec<u8>, time: Time) {
    let generalized = time.to_generalized();
    let (year, ..) = time.civil();
    let start = match year {
        1950..=2049 => 2,
        _ => 0,
    };
    out.extend_from_slice(&generalized[start..]);
}

impl<'a> IndexRevocation<'a> {
    fn parse(field: &'a [u8]) -> Result<IndexRevocation<'a>, IndexError<'a>> {
        if field.is_empty() {
            return Err(IndexError::NoRevocationTime);
        }
        let mut parts = field.splitn(2, |octet| *octet == b',');
        let revocation_time = time(parts.next().unwrap_or_default())?;
        Ok(IndexRevocation {
            revocation_time,
            reason: parts.next().map(IndexReason::parse).transpose()?,
        })
    }

    fn push(&self, out: &mut Vec<u8>) {
        push_time(out, self.revocation_time);
        let Some(reason) = self.reason else { return };
        out.push(b',');
        match reason {
            IndexReason::Unspecified => out.extend_from_slice(UNSPECIFIED),
            IndexReason::Reason(reason) => {
                out.extend_from_slice(openssl_name(reason).as_bytes());
            }
            IndexReason::HoldInstruction(instruction) => {
                out.extend_from_slice(HOLD_INSTRUCTION);
                out.push(b',');
                out.extend_from_slice(instruction);
            }
            IndexReason::KeyTime(since) | IndexReason::CaKeyTime(since) => {
                out.extend_from_slice(match reason {
                    IndexReason::CaKeyTime(_) => CA_KEY_TIME,
                    _ => KEY_TIME,
                });
                out.push(b',');
                // Always GeneralizedTime: `openssl ca -crl_compromise` takes no other.
                out.extend_from_slice(&since.to_generalized());
            }
            IndexReason::RemoveFromCrl => out.extend_from_slice(REMOVE_FROM_CRL),
            IndexReason::Unknown(text) => out.extend_from_slice(text),
        }
    }
}

/// What a revocation looks like in an index.
///
/// OpenSSL's words cannot say everything: privilegeWithdrawn and aACompromise are none of them, and `openssl ocsp` refuses
/// to answer for a line that it cannot read, so these go without a reason; an invalidity date stands only beside
/// keyCompromise and cACompromise.
impl From<RevokedInfo> for IndexRevocation<'static> {
    fn from(info: RevokedInfo) -> IndexRevocation<'static> {
        let reason = match (info.reason, info.invalidity_date) {
            (None | Some(CrlReason::PrivilegeWithdrawn | CrlReason::AaCompromise), _) => None,
            (Some(CrlReason::KeyCompromise), Some(since)) => Some(IndexReason::KeyTime(since)),
            (Some(CrlReason::CaCompromise), Some(since)) => Some(IndexReason::CaKeyTime(since)),
            (Some(reason), _) => Some(IndexReason::Reason(reason)),
        };
        IndexRevocation {
            revocation_time: info.revocation_time,
            reason,
        }
    }
}

impl<'a> IndexReason<'a> {
    /// `reason[,extra]`; extra is since when the key is unsafe for keyTime and CAkeyTime, an OID or a name for
    /// holdInstruction.
    fn parse(text: &'a [u8]) -> Result<IndexReason<'a>, IndexError<'a>> {
        let mut parts = text.splitn(2, |octet| *octet == b',');
        let word = parts.next().unwrap_or_default();
        let extra = parts.next().unwrap_or_default();
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        Ok(if let Some(reason) = reason_named(word) {
            IndexReason::Reason(reason)
        } else if is(UNSPECIFIED) {
            IndexReason::Unspecified
        } else if is(HOLD_INSTRUCTION) {
            IndexReason::HoldInstruction(extra)
        } else if is(KEY_TIME) {
            IndexReason::KeyTime(time(extra)?)
        } else if is(CA_KEY_TIME) {
            IndexReason::CaKeyTime(time(extra)?)
        } else if is(REMOVE_FROM_CRL) {
            IndexReason::RemoveFromCrl
        } else {
            IndexReason::Unknown(text)
        })
    }
}

/// The reason with this name (RFC 5280 §5.3.1), in any case.
pub fn reason_named(word: &[u8]) -> Option<CrlReason> {
    CrlReason::ALL
        .into_iter()
        .find(|reason| word.eq_ignore_ascii_case(reason.name().as_bytes()))
}

/// OpenSSL's spelling, which differs from the standard's in the first letter of one.
fn openssl_name(reason: CrlReason) -> &'static str {
    match reason {
        CrlReason::CaCompromise => "CACompromise",
        CrlReason::AaCompromise => "AACompromise",
        other => other.name(),
    }
}

/// Appends a Name as the last field has it (OpenSSL's `X509_NAME_oneline`): `/O=Example/CN=www`, `+` before a further
/// attribute of the same RelativeDistinguishedName, a backslash before `/` and `+` in values, octets beyond ASCII as
/// `\xHH`.  A backslash itself is not escaped: what is written cannot be read back for certain.
///
/// # Errors
/// When it is no Name.
pub fn push_subject(out: &mut Vec<u8>, name: &[u8]) -> Result<(), DerError> {
    let mut rdn_before = None;
    for attribute in attributes(name)? {
        out.push(match rdn_before == Some(attribute.rdn) {
            true => b'+',
            false => b'/',
        });
        rdn_before = Some(attribute.rdn);
        match openssl_short_name(attribute.attribute_type.value) {
            Some(short) => out.extend_from_slice(short.as_bytes()),
            None => out.extend_from_slice(dotted(attribute.attribute_type)?.as_bytes()),
        }
        out.push(b'=');
        push_value(out, attribute.value.value);
    }
    Ok(())
}

fn push_value(out: &mut Vec<u8>, octets: &[u8]) {
    for octet in octets {
        match octet {
            b'/' | b'+' => out.extend([b'\\', *octet]),
            b' '..=b'~' => out.push(*octet),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                let (high, low) = (usize::from(octet >> 4), usize::from(octet & 0xf));
                out.extend([b'\\', b'x', DIGITS[high], DIGITS[low]]);
            }
        }
    }
}

/// OpenSSL's short name of an attribute type, by the content octets of its OID; None: it writes the OID with dots.
fn openssl_short_name(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x04] => "SN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "street",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x55, 0x04, 0x0c] => "title",
        [0x55, 0x04, 0x0d] => "description",
        [0x55, 0x04, 0x0f] => "businessCategory",
        [0x55, 0x04, 0x10] => "postalAddress",
        [0x55, 0x04, 0x11] => "postalCode",
        [0x55, 0x04, 0x12] => "postOfficeBox",
        [0x55, 0x04, 0x14] => "telephoneNumber",
        [0x55, 0x04, 0x29] => "name",
        [0x55, 0x04, 0x2a] => "GN",
        [0x55, 0x04, 0x2b] => "initials",
        [0x55, 0x04, 0x2c] => "generationQualifier",
        [0x55, 0x04, 0x2d] => "x500UniqueIdentifier",
        [0x55, 0x04, 0x2e] => "dnQualifier",
        [0x55, 0x04, 0x33] => "houseIdentifier",
        [0x55, 0x04, 0x41] => "pseudonym",
        [0x55, 0x04, 0x61] => "organizationIdentifier",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x03] => "mail",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x02] => "unstructuredName",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x08] => "unstructuredAddress",
        [
            0x2b,
            0x06,
            0x01,
            0x04,
            0x01,
            0x82,
            0x37,
            0x3c,
            0x02,
            0x01,
            0x01,
        ] => "jurisdictionL",
        [
            0x2b,
            0x06,
            0x01,
            0x04,
            0x01,
            0x82,
            0x37,
            0x3c,
            0x02,
            0x01,
            0x02,
        ] => "jurisdictionST",
        [
            0x2b,
            0x06,
            0x01,
            0x04,
            0x01,
            0x82,
            0x37,
            0x3c,
            0x02,
            0x01,
            0x03,
        ] => "jurisdictionC",
        _ => return None,
    })
}

const FIELD_COUNT: usize = 6;
const UNSPECIFIED: &[u8] = b"unspecified";
const HOLD_INSTRUCTION: &[u8] = b"holdInstruction";
const KEY_TIME: &[u8] = b"keyTime";
const CA_KEY_TIME: &[u8] = b"CAkeyTime";
const REMOVE_FROM_CRL: &[u8] = b"removeFromCRL";

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &IndexLine<'_>) -> String {
        let mut out = Vec::new();
        line.push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_form_of_a_line_is_written_as_it_was_read() {
        for line in [
            "V\t270131120000Z\t\t01\tunknown\t/CN=a",
            "E\t210101000000Z\t\t0ABC\tunknown\t/CN=a\\/b",
            "V\t20510101000000Z\t\t-80\tcerts/05.pem\t/CN=a\\\tb\\",
            "R\t270131120000Z\t261127075458Z\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t20500101000000Z\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,unspecified\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,CACompromise\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,AACompromise\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,certificateHold\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,holdInstruction,holdInstructionReject\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,keyTime,20251231235959Z\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,CAkeyTime,20251231235959Z\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,removeFromCRL\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,lostInTheSea\t02\tunknown\t/CN=a",
            "R\t270131120000Z\t261127075458Z,lost\\,in the sea\t02\tunknown\t/CN=a",
        ] {
            let read = IndexLine::parse(line.as_bytes()).unwrap();
            assert_eq!(written(&read), format!("{line}\n"));
        }
    }

    #[test]
    fn a_revocation_says_what_openssls_words_can_say() {
        let time = |text: &str| Time::from_generalized(text.as_bytes()).unwrap();
        let since = time("20260101000000Z");
        for (reason, invalidity_date, field) in [
            (None, None, ""),
            (None, Some(since), ""),
            (Some(CrlReason::Superseded), Some(since), ",superseded"),
            (Some(CrlReason::KeyCompromise), None, ",keyCompromise"),
            (
                Some(CrlReason::KeyCompromise),
                Some(since),
                ",keyTime,20260101000000Z",
            ),
            (Some(CrlReason::CaCompromise), None, ",CACompromise"),
            (
                Some(CrlReason::CaCompromise),
                Some(since),
                ",CAkeyTime,20260101000000Z",
            ),
            (Some(CrlReason::CertificateHold), None, ",certificateHold"),
            (Some(CrlReason::PrivilegeWithdrawn), None, ""),
            (Some(CrlReason::AaCompromise), Some(since), ""),
        ] {
            let info = RevokedInfo {
                revocation_time: time("20260202000000Z"),
                reason,
                invalidity_date,
            };
            let line = IndexLine {
                status: IndexStatus::Revoked(info.into()),
                not_after: time("20270101000000Z"),
                serial: b"01",
                file_name: b"unknown",
                subject: b"/CN=a",
            };
            assert_eq!(
                written(&line),
                format!("R\t270101000000Z\t260202000000Z{field}\t01\tunknown\t/CN=a\n")
            );
        }
    }
}
