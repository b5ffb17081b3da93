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
use crate::x509::SerialNumber;
use crate::x509::extension::{ExplicitFalse, Extension, Extensions};

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlEntry<'a> {
    /// Which: always the shortest form, as a request must write it, so that a needless leading octet hides no entry.
    pub serial_number: SerialNumber,
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
    pub(super) fn read(&mut self, entry: Tlv<'_>) -> Result<CrlEntry<'_>, CrlError> {
        let mut fields = Reader::inside(entry);
        let serial_number = read_serial(fields.read(tag::INTEGER)?, &mut self.defects)?;
        let revocation_time = read_time(fields.read_any()?, &mut self.defects)?;
        let mut says = Said {
            reason: None,
            remove_from_crl: false,
            invalidity_date: None,
        };
        if let Some(extensions) = fields.read_optional(tag::SEQUENCE)? {
            if let Ok([alone @ .., code]) = <&[u8; 12]>::try_from(extensions.value)
                && *alone == REASON_ALONE
            {
                says.note_reason(&[*code], &mut self.defects);
            } else {
                self.read_extensions(extensions, &mut says)?;
            }
        }
        fields.finish()?;
        Ok(CrlEntry {
            serial_number,
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

    /// crlEntryExtensions (RFC 5280 §5.3): those known here are understood, critical or not.
    #[inline(never)]
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

/// What an entry's extensions say.
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
fn read_serial(serial: Tlv<'_>, defects: &mut CrlDefects) -> Result<SerialNumber, CrlError> {
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
    SerialNumber::from_content(content).ok_or(CrlError::SerialTooLong {
        offset: serial.offset(),
    })
}

/// Octets of a serial number beyond which a CA breaks RFC 5280 §4.1.2.2.
const SERIAL_OCTETS_BY_STANDARD: usize = 20;

/// directoryName: `[4]`, EXPLICIT because Name is a CHOICE (RFC 5280 §4.2.1.6).
const DIRECTORY_NAME: u8 = tag::context(4);

/// Extensions that are one reasonCode of one octet, not critical, but for that octet: what most entries with extensions
/// have.  Reading these octets one by one takes as long as all the rest of the entry.
const REASON_ALONE: [u8; 11] = [
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
