//! One entry of revokedCertificates (RFC 5280 §5.1.2.6, §5.3).  From: `parser.rs`, which found it whole.  To: the
//! callback.
//!
//! A list has millions of them: nothing is allocated, what nearly all look like comes first, and the rest is out of line.

use super::error::octet;
use super::{CrlDefects, CrlError, read_time};
use crate::Time;
use crate::der::read::is_minimal_integer;
use crate::der::{DerErrorKind, Reader, Tlv, oid, tag};
use crate::ocsp::{CrlReason, RevokedInfo};
use crate::x509::extension::{ExplicitFalse, Extension, Extensions};
use crate::x509::serial::SERIAL_OCTETS_MAX;

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlEntry<'a> {
    /// Which: content octets of its serial number, 1 to 64, always the shortest form, as a request must write it, so that
    /// a needless leading octet hides no entry.
    pub serial_content: &'a [u8],
    /// When and why.
    pub revoked: RevokedInfo,
    /// The entry says removeFromCRL: not revoked (RFC 5280 §6.3.3 (k)).  Only in a delta has it a meaning, and whether
    /// the list is one is known at its end.
    pub remove_from_crl: bool,
    /// Whose certificate, in an indirect CRL: DER of the Name that this entry, or the last one before it that named one,
    /// gives (RFC 5280 §5.3.3).  None: the issuer of the CRL.
    pub certificate_issuer: Option<&'a [u8]>,
}

/// Reads entries one after the other, and keeps what one leaves to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct EntryReader {
    pub(super) defects: CrlDefects,
    /// Where the slice that entries are read from starts, from the list's first octet.
    pub(super) start: u64,
    /// Where the first certificateIssuer stands, from the list's first octet.
    pub(super) first_certificate_issuer: Option<usize>,
    /// The Name that holds on; empty until an entry gives one.
    certificate_issuer: Vec<u8>,
}

impl EntryReader {
    #[inline(always)]
    pub(super) fn read<'a>(&'a mut self, entry: Tlv<'a>) -> Result<CrlEntry<'a>, CrlError> {
        let (serial_content, revocation_time, says) = match read_plain(entry.value) {
            Some((serial_content, revocation_time, code)) => {
                let mut says = Said::default();
                if let Some(code) = code {
                    says.note_reason(&[code], &mut self.defects);
                }
                (serial_content, revocation_time, says)
            }
            None => self.read_any(entry)?,
        };
        Ok(CrlEntry {
            serial_content,
            revoked: RevokedInfo {
                revocation_time,
                reason: says.reason,
                invalidity_date: says.invalidity_date,
            },
            remove_from_crl: says.remove_from_crl,
            certificate_issuer: (!self.certificate_issuer.is_empty())
                .then_some(&self.certificate_issuer),
        })
    }

    /// One that is not like most.
    #[inline(never)]
    fn read_any<'a>(&mut self, entry: Tlv<'a>) -> Result<(&'a [u8], Time, Said), CrlError> {
        let mut fields = Reader::inside(entry);
        let serial_content = read_serial(fields.read(tag::INTEGER)?, &mut self.defects)?;
        let revocation_time = read_time(fields.read_any()?, &mut self.defects)?;
        let mut says = Said::default();
        if let Some(extensions) = fields.read_optional(tag::SEQUENCE)? {
            self.read_extensions(extensions, &mut says)?;
        }
        fields.finish()?;
        Ok((serial_content, revocation_time, says))
    }

    /// crlEntryExtensions (RFC 5280 §5.3): those known here are understood, critical or not.
    fn read_extensions(&mut self, extensions: Tlv<'_>, says: &mut Said) -> Result<(), CrlError> {
        let mut extensions = Extensions::inside(extensions, ExplicitFalse::Tolerated)?;
        while let Some(extension) = extensions.next()? {
            match extension.oid {
                oid::REASON_CODE => {
                    let reason = extension.value.only(tag::ENUMERATED)?;
                    reason.check_integer()?;
                    says.note_reason(reason.value, &mut self.defects);
                }
                oid::INVALIDITY_DATE => {
                    let date = extension.value.only(tag::GENERALIZED_TIME)?;
                    says.invalidity_date = Some(Time::from_generalized_tlv(date)?);
                }
                oid::CERTIFICATE_ISSUER => self.read_certificate_issuer(extension)?,
                _ if extension.critical => {
                    return Err(CrlError::UnknownCriticalEntryExtension {
                        offset: extension.offset,
                    });
                }
                _ => extension.pass_over()?,
            }
        }
        self.defects.explicit_defaults += extensions.explicit_false_count();
        Ok(())
    }

    /// CertificateIssuer ::= GeneralNames (RFC 5280 §5.3.3).  The issuer's own name must be among them; with two
    /// directoryNames it cannot be told which one that is.
    fn read_certificate_issuer(&mut self, extension: Extension<'_>) -> Result<(), CrlError> {
        let unclear = CrlError::CertificateIssuerUnclear {
            offset: extension.offset,
        };
        let mut names = Reader::inside(extension.value.only(tag::SEQUENCE)?);
        let mut directory_name = None;
        while !names.is_empty() {
            let name = names.read_any()?;
            if name.tag == DIRECTORY_NAME
                && directory_name.replace(name.only(tag::SEQUENCE)?).is_some()
            {
                return Err(unclear);
            }
        }
        let directory_name = directory_name.ok_or(unclear)?;
        self.certificate_issuer.clear();
        self.certificate_issuer
            .extend_from_slice(directory_name.der);
        self.first_certificate_issuer
            .get_or_insert(octet(self.start, extension.offset));
        self.defects.uncritical_certificate_issuers += u64::from(!extension.critical);
        Ok(())
    }
}

/// What nearly all entries are, octet by octet in that order: a serial number that the standard allows, a UTCTime, and
/// perhaps a reasonCode of one octet, not critical.  To read their elements one by one takes twice as long.
#[inline(always)]
fn read_plain(value: &[u8]) -> Option<(&[u8], Time, Option<u8>)> {
    let (&[tag::INTEGER, length], rest) = value.split_first_chunk()? else {
        return None;
    };
    let (serial, rest) = rest.split_at_checked(usize::from(length))?;
    let is_plain = match *serial {
        [1..0x80, ..] | [0, 0x80..=0xff, ..] => serial.len() <= SERIAL_OCTETS_BY_STANDARD,
        _ => false,
    };
    let (&[tag::UTC_TIME, 13], rest) = rest.split_first_chunk()? else {
        return None;
    };
    let (time, rest) = rest.split_first_chunk::<13>()?;
    let code = match rest.split_last() {
        None => None,
        Some((code, before)) if *before == REASON_ALONE => Some(*code),
        Some(_) => return None,
    };
    let time = Time::from_utc_time(time)?;
    is_plain.then_some((serial, time, code))
}

/// What an entry's extensions say.
#[derive(Default)]
struct Said {
    reason: Option<CrlReason>,
    remove_from_crl: bool,
    invalidity_date: Option<Time>,
}

impl Said {
    /// reasonCode (RFC 5280 §5.3.1).  A code without a meaning is left out: the certificate is revoked all the same.
    #[inline(always)]
    fn note_reason(&mut self, code: &[u8], defects: &mut CrlDefects) {
        const UNSPECIFIED: u8 = 0;
        const REMOVE_FROM_CRL: u8 = 8;
        match *code {
            [UNSPECIFIED] => defects.unspecified_reasons += 1,
            [REMOVE_FROM_CRL] => {
                self.remove_from_crl = true;
                defects.remove_from_crl += 1;
            }
            [code] => {
                self.reason = CrlReason::from_code(code);
                defects.undefined_reasons += u64::from(self.reason.is_none());
            }
            _ => defects.undefined_reasons += 1,
        }
    }
}

/// userCertificate, whatever RFC 5280 §4.1.2.2 says of its size and sign, in the shortest form.
#[inline(always)]
fn read_serial<'a>(serial: Tlv<'a>, defects: &mut CrlDefects) -> Result<&'a [u8], CrlError> {
    let mut content = serial.value;
    if content.is_empty() {
        return Err(serial.error(DerErrorKind::Value).into());
    }
    if !is_minimal_integer(content) {
        defects.non_minimal_serials += 1;
        while !is_minimal_integer(content) {
            content = &content[1..];
        }
    }
    defects.negative_serials += u64::from(content[0] >= 0x80);
    defects.long_serials += u64::from(content.len() > SERIAL_OCTETS_BY_STANDARD);
    if content.len() > SERIAL_OCTETS_MAX {
        return Err(CrlError::SerialTooLong {
            offset: serial.offset(),
        });
    }
    Ok(content)
}

/// Octets of a serial number beyond which a CA breaks RFC 5280 §4.1.2.2.
const SERIAL_OCTETS_BY_STANDARD: usize = 20;

/// directoryName: `[4]`, EXPLICIT because Name is a CHOICE (RFC 5280 §4.2.1.6).
const DIRECTORY_NAME: u8 = tag::context(4);

/// crlEntryExtensions that are one reasonCode of one octet, not critical, but for that octet.
const REASON_ALONE: [u8; 13] = [
    tag::SEQUENCE,
    12,
    tag::SEQUENCE,
    10,
    tag::OID,
    3,
    0x55,
    0x1d,
    0x15,
    tag::OCTET_STRING,
    3,
    tag::ENUMERATED,
    1,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::read::whole;
    use crate::der::write::push;

    /// What an entry says, and what is counted of it.
    type Outcome = Result<(Vec<u8>, RevokedInfo, bool, CrlDefects), CrlError>;

    /// Checks that the short way says what the long way says; whether it was gone.
    fn same_both_ways(value: &[u8]) -> bool {
        let mut der = Vec::new();
        push(&mut der, tag::SEQUENCE, value);
        let entry = whole(&der, tag::SEQUENCE).unwrap();

        let mut reader = EntryReader::default();
        let read = reader.read(entry).map(|entry| {
            (
                entry.serial_content.to_vec(),
                entry.revoked,
                entry.remove_from_crl,
            )
        });
        let defects = reader.defects;
        let read: Outcome =
            read.map(|(serial, revoked, is_removed)| (serial, revoked, is_removed, defects));

        let mut reader = EntryReader::default();
        let any = reader.read_any(entry).map(|(serial, time, says)| {
            let revoked = RevokedInfo {
                revocation_time: time,
                reason: says.reason,
                invalidity_date: says.invalidity_date,
            };
            (serial.to_vec(), revoked, says.remove_from_crl)
        });
        let defects = reader.defects;
        let any: Outcome =
            any.map(|(serial, revoked, is_removed)| (serial, revoked, is_removed, defects));

        assert_eq!(read, any, "{value:02x?}");
        read_plain(entry.value).is_some()
    }

    fn value_of(serial: &[u8], time: (u8, &str), extensions: &[u8]) -> Vec<u8> {
        let mut value = Vec::new();
        push(&mut value, tag::INTEGER, serial);
        push(&mut value, time.0, time.1.as_bytes());
        value.extend_from_slice(extensions);
        value
    }

    fn reason(code: u8) -> Vec<u8> {
        [&REASON_ALONE[..], &[code]].concat()
    }

    const TIME: (u8, &str) = (tag::UTC_TIME, "260102030405Z");

    #[test]
    fn serials_of_every_length_and_sign_are_the_same_both_ways() {
        let starts = [0x00, 0x01, 0x7f, 0x80, 0xff];
        for length in (0..=22).chain([63, 64, 65, 127, 128, 129, 255, 256]) {
            for (first, second) in starts.iter().flat_map(|a| starts.map(|b| (*a, b))) {
                let mut serial = vec![0x55; length];
                for (place, octet) in serial.iter_mut().zip([first, second]) {
                    *place = octet;
                }
                let is_plain = same_both_ways(&value_of(&serial, TIME, &reason(1)));
                let is_by_standard = match serial[..] {
                    [] => false,
                    [first] => first > 0 && first < 0x80,
                    [first, second, ..] => first < 0x80 && (first > 0 || second >= 0x80),
                };
                assert_eq!(is_plain, is_by_standard && length <= 20, "{serial:02x?}");
            }
        }
    }

    #[test]
    fn every_reason_code_is_the_same_both_ways() {
        for code in 0..=255 {
            assert!(same_both_ways(&value_of(&[1], TIME, &reason(code))));
        }
    }

    #[test]
    fn times_of_every_kind_are_the_same_both_ways() {
        for (time, is_plain) in [
            ((tag::UTC_TIME, "491231235959Z"), true),
            ((tag::UTC_TIME, "500101000000Z"), true),
            ((tag::UTC_TIME, "240229000000Z"), true),
            ((tag::UTC_TIME, "250229000000Z"), false),
            ((tag::UTC_TIME, "260132000000Z"), false),
            ((tag::UTC_TIME, "260431000000Z"), false),
            ((tag::UTC_TIME, "260100000000Z"), false),
            ((tag::UTC_TIME, "261301000000Z"), false),
            ((tag::UTC_TIME, "260101240000Z"), false),
            ((tag::UTC_TIME, "260101000060Z"), false),
            ((tag::UTC_TIME, "2601010000000"), false),
            ((tag::UTC_TIME, "2601010000Z"), false),
            ((tag::UTC_TIME, "260101000000+0100"), false),
            ((tag::GENERALIZED_TIME, "20500101000000Z"), false),
            ((tag::GENERALIZED_TIME, "20260101000000Z"), false),
        ] {
            for extensions in [Vec::new(), reason(4)] {
                let found = same_both_ways(&value_of(&[1], time, &extensions));
                assert_eq!(found, is_plain, "{time:?}");
            }
        }
    }

    #[test]
    fn an_entry_with_any_octet_changed_left_out_or_put_in_is_the_same_both_ways() {
        for serial in [&[0x12, 0x34][..], &[0, 0x80, 1], &[0x5a; 20]] {
            for extensions in [Vec::new(), reason(1)] {
                let value = value_of(serial, TIME, &extensions);
                assert!(same_both_ways(&value));
                for at in 0..value.len() {
                    let (before, from_here) = value.split_at(at);
                    same_both_ways(before);
                    same_both_ways(&[before, &from_here[1..]].concat());
                    for octet in 0..=255 {
                        same_both_ways(&[before, &[octet], &from_here[1..]].concat());
                        same_both_ways(&[before, &[octet], from_here].concat());
                    }
                }
                assert!(!same_both_ways(&[&value[..], &[0]].concat()));
            }
        }
    }
}
