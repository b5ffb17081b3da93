//! CertificateList (RFC 5280 §5), read from one slice without a vector of entries.
//!
//! From: `ocspry-source`, which has the file's octets.  To: a callback per entry, which fills a status table.  The frame
//! and the list's own extensions are checked first: a list that is partial, a delta, or not understood gives no
//! entries.  Defects that real CAs emit and that change no meaning are taken and counted by name, never in silence.

use core::fmt;

use super::extension::{ExplicitFalse, Extensions};
use super::{SerialNumber, SignatureAlgorithm};
use crate::der::read::{is_minimal_integer, whole};
use crate::der::{DerErrorKind, Reader, Tlv, oid, tag};
use crate::ocsp::{CrlReason, RevokedInfo};
use crate::{DerError, Time};

/// Most octets of a cRLNumber (RFC 5280 §5.2.3).
pub const CRL_NUMBER_OCTETS_MAX: usize = 20;

/// Octets of a serial number beyond which a CA breaks RFC 5280 §4.1.2.2.
const SERIAL_OCTETS_BY_STANDARD: usize = 20;

/// A CRL whose frame has been checked; [`CertificateList::for_each_entry`] walks the list.
#[derive(Clone, Debug)]
pub struct CertificateList<'a> {
    /// The exact tbsCertList: what the signature covers.
    pub tbs: &'a [u8],
    /// The issuer's Name, whole SEQUENCE.
    pub issuer: &'a [u8],
    /// When the list was made.
    pub this_update: Time,
    /// When the next one is due; None in lists that break RFC 5280 §5.1.2.5.
    pub next_update: Option<Time>,
    /// cRLNumber's content octets without leading zeros (zero itself is one octet), if present; at most 20 octets.
    pub crl_number: Option<&'a [u8]>,
    /// keyIdentifier of the authorityKeyIdentifier, if present.
    pub authority_key_id: Option<&'a [u8]>,
    /// None: an algorithm not known here.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The signature's octets.
    pub signature: &'a [u8],
    entries: &'a [u8],
    entries_offset: usize,
    frame_defects: CrlDefects,
}

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlEntry {
    /// Which: always the shortest form, as a request must write it, so that a needless leading octet hides no entry.
    pub serial_number: SerialNumber,
    /// When and why.
    pub revoked: RevokedInfo,
    /// The entry says removeFromCRL: not revoked (RFC 5280 §6.3.3 (k)).
    pub remove_from_crl: bool,
}

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
    /// `critical FALSE` written out, in the list's extensions or an entry's.
    pub explicit_defaults: u64,
    /// No version field: a v1 list.
    pub missing_version: u64,
    /// revokedCertificates present, but without an entry.
    pub empty_revoked_certificates: u64,
}

/// Why a CRL cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlError {
    /// Not a CertificateList.
    Der(DerError),
    /// Inner and outer AlgorithmIdentifier differ (RFC 5280 §5.1.1.2).
    AlgorithmMismatch,
    /// A critical extension of the list that is not understood (at this octet).
    UnknownCriticalExtension {
        /// Where the extension starts.
        offset: usize,
    },
    /// A critical extension of an entry that is not understood (RFC 5280 §5.3).
    UnknownCriticalEntryExtension {
        /// Where the extension starts.
        offset: usize,
    },
    /// A delta CRL: not a complete list.
    Delta,
    /// An issuingDistributionPoint: the list covers part of the certificates only.
    Partitioned,
    /// certificateIssuer in an entry: an indirect CRL.
    Indirect,
    /// A serial of more octets than are carried.
    SerialTooLong {
        /// Where the INTEGER starts.
        offset: usize,
    },
}

impl<'a> CertificateList<'a> {
    /// Checks the frame and the list's own extensions (not the entries).
    ///
    /// # Errors
    /// Every [`CrlError`] but those about entries.
    pub fn from_der(input: &'a [u8]) -> Result<Self, CrlError> {
        let mut outer = Reader::inside(whole(input, tag::SEQUENCE)?);
        let tbs = outer.read(tag::SEQUENCE)?;
        let outer_algorithm = outer.read(tag::SEQUENCE)?;
        outer_algorithm.algorithm_identifier()?;
        let signature = outer.read(tag::BIT_STRING)?.bit_string_octets()?;
        outer.finish()?;

        let mut defects = CrlDefects::default();
        let mut fields = Reader::inside(tbs);
        match fields.read_optional(tag::INTEGER)? {
            None => defects.missing_version += 1,
            Some(version) if version.value == V2 => {}
            Some(version) => return Err(version.error(DerErrorKind::Value).into()),
        }
        let inner_algorithm = fields.read(tag::SEQUENCE)?;
        if inner_algorithm.der != outer_algorithm.der {
            return Err(CrlError::AlgorithmMismatch);
        }
        let issuer = fields.read(tag::SEQUENCE)?;
        let this_update = read_time(fields.read_any()?, &mut defects)?;
        let next_update = match fields.peek_tag() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => {
                Some(read_time(fields.read_any()?, &mut defects)?)
            }
            _ => None,
        };
        let entries = fields.read_optional(tag::SEQUENCE)?;
        let extensions = fields.read_optional(tag::context(0))?;
        fields.finish()?;
        if entries.is_some_and(|entries| entries.value.is_empty()) {
            defects.empty_revoked_certificates += 1;
        }

        let mut list = CertificateList {
            tbs: tbs.der,
            issuer: issuer.der,
            this_update,
            next_update,
            crl_number: None,
            authority_key_id: None,
            signature_algorithm: SignatureAlgorithm::from_der(outer_algorithm.der),
            signature,
            entries: entries.map_or(&[], |entries| entries.value),
            entries_offset: entries.map_or(0, |entries| entries.value_offset),
            frame_defects: defects,
        };
        if let Some(extensions) = extensions {
            list.read_extensions(extensions.only(tag::SEQUENCE)?)?;
        }
        Ok(list)
    }

    fn read_extensions(&mut self, extensions: Tlv<'a>) -> Result<(), CrlError> {
        let mut extensions = Extensions::inside(extensions, ExplicitFalse::Tolerated)?;
        while let Some(extension) = extensions.next()? {
            match extension.oid {
                oid::CRL_NUMBER => {
                    self.crl_number = Some(read_crl_number(extension.value.only(tag::INTEGER)?)?)
                }
                oid::AUTHORITY_KEY_IDENTIFIER => {
                    let mut fields = Reader::inside(extension.value.only(tag::SEQUENCE)?);
                    self.authority_key_id = fields
                        .read_optional(tag::context_primitive(0))?
                        .map(|id| id.value);
                }
                oid::DELTA_CRL_INDICATOR => return Err(CrlError::Delta),
                oid::ISSUING_DISTRIBUTION_POINT => return Err(CrlError::Partitioned),
                _ if extension.critical => {
                    return Err(CrlError::UnknownCriticalExtension {
                        offset: extension.offset,
                    });
                }
                _ => extension.pass_over()?,
            }
        }
        self.frame_defects.explicit_defaults += extensions.explicit_false_count();
        Ok(())
    }

    /// Walks the entries; calls `each` with every one; counts defects, those of the frame included.
    ///
    /// # Errors
    /// The first entry that cannot be used.  Entries before it have been handed out by then: publish nothing until this
    /// returns, and verify the signature over `tbs` as well.
    pub fn for_each_entry(&self, mut each: impl FnMut(CrlEntry)) -> Result<CrlDefects, CrlError> {
        let mut defects = self.frame_defects;
        let mut entries = Reader::at(self.entries, self.entries_offset);
        while !entries.is_empty() {
            let mut fields = Reader::inside(entries.read(tag::SEQUENCE)?);
            let serial_number = read_serial(fields.read(tag::INTEGER)?, &mut defects)?;
            let revocation_time = read_time(fields.read_any()?, &mut defects)?;
            let mut entry = CrlEntry {
                serial_number,
                revoked: RevokedInfo {
                    revocation_time,
                    reason: None,
                    invalidity_date: None,
                },
                remove_from_crl: false,
            };
            if let Some(extensions) = fields.read_optional(tag::SEQUENCE)? {
                entry.read_extensions(extensions, &mut defects)?;
            }
            fields.finish()?;
            each(entry);
        }
        Ok(defects)
    }
}

impl CrlEntry {
    /// crlEntryExtensions (RFC 5280 §5.3): reason and date are understood, critical or not.
    fn read_extensions(
        &mut self,
        extensions: Tlv<'_>,
        defects: &mut CrlDefects,
    ) -> Result<(), CrlError> {
        let mut extensions = Extensions::inside(extensions, ExplicitFalse::Tolerated)?;
        while let Some(extension) = extensions.next()? {
            match extension.oid {
                oid::REASON_CODE => {
                    self.read_reason(extension.value.only(tag::ENUMERATED)?, defects)?
                }
                oid::INVALIDITY_DATE => {
                    let date = extension.value.only(tag::GENERALIZED_TIME)?;
                    self.revoked.invalidity_date = Some(Time::from_generalized_tlv(date)?);
                }
                oid::CERTIFICATE_ISSUER => return Err(CrlError::Indirect),
                _ if extension.critical => {
                    return Err(CrlError::UnknownCriticalEntryExtension {
                        offset: extension.offset,
                    });
                }
                _ => extension.pass_over()?,
            }
        }
        defects.explicit_defaults += extensions.explicit_false_count();
        Ok(())
    }

    /// reasonCode (RFC 5280 §5.3.1).  A code without a meaning is left out: the certificate is revoked all the same.
    fn read_reason(&mut self, reason: Tlv<'_>, defects: &mut CrlDefects) -> Result<(), CrlError> {
        const UNSPECIFIED: u8 = 0;
        const REMOVE_FROM_CRL: u8 = 8;
        reason.check_integer()?;
        match *reason.value {
            [UNSPECIFIED] => defects.unspecified_reasons += 1,
            [REMOVE_FROM_CRL] => {
                self.remove_from_crl = true;
                defects.remove_from_crl += 1;
            }
            [code] => {
                self.revoked.reason = CrlReason::from_code(code);
                defects.undefined_reasons += u64::from(self.revoked.reason.is_none());
            }
            _ => defects.undefined_reasons += 1,
        }
        Ok(())
    }
}

/// userCertificate, whatever RFC 5280 §4.1.2.2 says of its size and sign, in the shortest form.
#[inline]
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

/// Time ::= CHOICE { UTCTime, GeneralizedTime }, UTCTime through 2049 (RFC 5280 §5.1.2.4).
#[inline]
fn read_time(choice: Tlv<'_>, defects: &mut CrlDefects) -> Result<Time, DerError> {
    if choice.tag == tag::GENERALIZED_TIME {
        let time = Time::from_generalized_tlv(choice)?;
        defects.early_generalized_times += u64::from(time < FIRST_GENERALIZED_TIME);
        return Ok(time);
    }
    if choice.tag != tag::UTC_TIME {
        return Err(choice.error(DerErrorKind::UnexpectedTag));
    }
    if let Some(time) = Time::from_utc_time(choice.value) {
        return Ok(time);
    }
    let time = Time::from_odd_utc_time(choice.value).ok_or(choice.error(DerErrorKind::Value))?;
    defects.odd_utc_times += 1;
    Ok(time)
}

/// CRLNumber ::= INTEGER (0..MAX), at most 20 octets (RFC 5280 §5.2.3).
fn read_crl_number(number: Tlv<'_>) -> Result<&[u8], DerError> {
    number.check_integer()?;
    let content = match number.value {
        [0x00, rest @ ..] if !rest.is_empty() => rest,
        [0x80..=0xff, ..] => return Err(number.error(DerErrorKind::Value)),
        content => content,
    };
    if content.len() > CRL_NUMBER_OCTETS_MAX {
        return Err(number.error(DerErrorKind::Value));
    }
    Ok(content)
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
            ("critical FALSE written out", explicit_defaults),
            ("no version", missing_version),
            ("empty revokedCertificates", empty_revoked_certificates),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
    }
}

impl From<DerError> for CrlError {
    fn from(error: DerError) -> Self {
        CrlError::Der(error)
    }
}

impl fmt::Display for CrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CrlError::Der(error) => write!(f, "not a CRL: {error}"),
            CrlError::AlgorithmMismatch => f.write_str(
                "the signature algorithm inside the signed part differs from the one outside",
            ),
            CrlError::UnknownCriticalExtension { offset } => {
                write!(
                    f,
                    "at octet {offset}: a critical CRL extension is not understood"
                )
            }
            CrlError::UnknownCriticalEntryExtension { offset } => {
                write!(
                    f,
                    "at octet {offset}: a critical extension of an entry is not understood"
                )
            }
            CrlError::Delta => f.write_str("this is a delta CRL; a complete one is needed"),
            CrlError::Partitioned => f.write_str(
                "this CRL has an issuingDistributionPoint: it covers only part of the certificates",
            ),
            CrlError::Indirect => {
                f.write_str("this is an indirect CRL: an entry names another certificate issuer")
            }
            CrlError::SerialTooLong { offset } => {
                write!(
                    f,
                    "at octet {offset}: a serial number has more octets than are carried"
                )
            }
        }
    }
}

impl core::error::Error for CrlError {}

/// Version ::= INTEGER { v1(0), v2(1) }; if present it is v2 (RFC 5280 §5.1.2.1).
const V2: &[u8] = &[1];

/// 2050-01-01T00:00:00Z.
const FIRST_GENERALIZED_TIME: Time = Time::from_unix(2_524_608_000);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::write::{push, push_nested};

    /// A list around these entries, each already encoded.
    fn list(entries: &[Vec<u8>]) -> Vec<u8> {
        let algorithm = SignatureAlgorithm::EcdsaSha256.der();
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                push(out, tag::INTEGER, V2);
                out.extend_from_slice(algorithm);
                push(out, tag::SEQUENCE, &[]);
                push(out, tag::UTC_TIME, b"260101000000Z");
                push(out, tag::SEQUENCE, &entries.concat());
            });
            out.extend_from_slice(algorithm);
            push(out, tag::BIT_STRING, &[0, 1, 2]);
        });
        der
    }

    fn entry(serial: &[u8], extension: Option<(&[u8], &[u8])>) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push(out, tag::INTEGER, serial);
            push(out, tag::UTC_TIME, b"260102030405Z");
            if let Some((oid, value)) = extension {
                push_nested(out, tag::SEQUENCE, |out| {
                    push_nested(out, tag::SEQUENCE, |out| {
                        push(out, tag::OID, oid);
                        push(out, tag::OCTET_STRING, value);
                    });
                });
            }
        });
        der
    }

    #[test]
    fn entries_come_in_order_and_stop_at_the_first_that_cannot_be_used() {
        let der = list(&[
            entry(&[1], None),
            entry(&[2], None),
            entry(&[3; 65], None),
            entry(&[4], None),
        ]);
        let list = CertificateList::from_der(&der).unwrap();
        let mut serials = Vec::new();
        let error = list
            .for_each_entry(|entry| serials.push(entry.serial_number.to_string()))
            .unwrap_err();
        assert_eq!(serials, ["01", "02"]);
        let CrlError::SerialTooLong { offset } = error else {
            panic!("{error}")
        };
        assert_eq!(
            der[offset..][..3],
            [tag::INTEGER, 65, 3],
            "the offset is that of the INTEGER"
        );
    }

    #[test]
    fn every_defect_is_counted_once_per_entry() {
        let unspecified: (&[u8], &[u8]) = (oid::REASON_CODE, &[0x0a, 0x01, 0x00]);
        let der = list(&[
            entry(&[0xff], Some(unspecified)),
            entry(&[0x80; 21], Some(unspecified)),
            entry(&[0x00, 0x01], None),
        ]);
        let defects = CertificateList::from_der(&der)
            .unwrap()
            .for_each_entry(|_| {})
            .unwrap();
        let found: Vec<_> = defects.found().collect();
        assert_eq!(
            found,
            [
                ("reasonCode unspecified", 2),
                ("negative serial", 2),
                ("serial of more than 20 octets", 1),
                ("serial with needless leading octets", 1),
            ]
        );
    }

    #[test]
    fn needless_octets_do_not_hide_an_entry() {
        let mut padded = vec![0x00; 100];
        padded.push(0x05);
        for (written, number) in [
            (&padded[..], &[0x05][..]),
            (&[0xff, 0xff, 0x80], &[0x80]),
            (&[0x00, 0x00, 0x80], &[0x00, 0x80]),
        ] {
            let der = list(&[entry(written, None)]);
            let mut serials = Vec::new();
            CertificateList::from_der(&der)
                .unwrap()
                .for_each_entry(|entry| serials.push(entry.serial_number))
                .unwrap();
            assert_eq!(serials, [SerialNumber::from_content(number).unwrap()]);
        }
    }
}
