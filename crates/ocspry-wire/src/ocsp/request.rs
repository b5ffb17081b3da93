//! OCSPRequest (RFC 6960 §4.1).
//!
//! From: the octets of a POST body or a GET path.  To: `core::responder`, which answers.  The whole request is checked
//! before anything is believed; nothing is copied but the serial number; what does not concern us (the requestor's name
//! and signature) must have the right shape and is then left alone (RFC 9919 §3.1.2).

use super::{CertId, Nonce, PreferredSignatureAlgorithms};
use crate::der::read::whole;
use crate::der::{DerError, Reader, Tlv, oid, tag};
use crate::x509::extension::{ExplicitFalse, Extensions};

/// Most CertIDs answered in one response, unless the operator says otherwise.
pub const CERT_IDS_MAX: usize = 16;

/// A request whose every octet has been checked; borrows from the input.
#[derive(Clone, Debug)]
pub struct OcspRequest<'a> {
    /// The exact tbsRequest SEQUENCE.
    pub tbs_request: &'a [u8],
    /// The first Request of the list (there is at least one).
    pub first: SingleRequest<'a>,
    /// How many Requests the list holds (1.. ; may be more than are answered: the caller refuses).
    pub single_request_count: usize,
    /// The nonce, if any.
    pub nonce: Option<Nonce<'a>>,
    /// How the client would like the answer signed (RFC 6960 §4.4.7.1), if it says so.
    pub preferred_signature_algorithms: Option<PreferredSignatureAlgorithms<'a>>,
    /// The encoded Requests after the first.
    rest: &'a [u8],
}

/// One Request: which certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SingleRequest<'a> {
    /// The certificate asked about.
    pub cert_id: CertId<'a>,
}

impl<'a> OcspRequest<'a> {
    /// Decodes strictly; allocates nothing.
    ///
    /// # Errors
    /// When it is not one DER OCSPRequest with nothing behind it: among others a version written out (X.690 §11.5), an
    /// empty requestList, a critical extension that is not understood (RFC 6960 §4.1.2), an extension twice, a nonce
    /// that breaks RFC 9654 §2.1.
    pub fn from_der(input: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Reader::inside(whole(input, tag::SEQUENCE)?);
        let tbs_request = outer.read(tag::SEQUENCE)?;
        if let Some(signature) = outer.read_optional(tag::context(0))? {
            check_signature(signature)?;
        }
        outer.finish()?;

        let mut fields = Reader::inside(tbs_request);
        // A version written out is not DER, since v1 is the default and there is no other: it fails as a requestList.
        if let Some(requestor_name) = fields.read_optional(tag::context(1))? {
            let mut general_name = Reader::inside(requestor_name);
            general_name.read_any()?;
            general_name.finish()?;
        }

        let mut list = Reader::inside(fields.read(tag::SEQUENCE)?);
        let first = SingleRequest::read(&mut list)?;
        let rest = list.remaining();
        let mut single_request_count = 1;
        while !list.is_empty() {
            SingleRequest::read(&mut list)?;
            single_request_count += 1;
        }

        let known = match fields.read_optional(tag::context(2))? {
            Some(extensions) => KnownExtensions::read(extensions.only(tag::SEQUENCE)?)?,
            None => KnownExtensions {
                nonce: None,
                preferred_signature_algorithms: None,
            },
        };
        fields.finish()?;
        Ok(OcspRequest {
            tbs_request: tbs_request.der,
            first,
            single_request_count,
            nonce: known.nonce,
            preferred_signature_algorithms: known.preferred_signature_algorithms,
            rest,
        })
    }

    /// The Requests in order (all of them).
    pub fn single_requests(&self) -> impl Iterator<Item = SingleRequest<'a>> + '_ {
        let mut rest = Reader::new(self.rest);
        // `from_der` has read these octets: the only error left is the end.
        core::iter::once(self.first).chain(core::iter::from_fn(move || {
            SingleRequest::read(&mut rest).ok()
        }))
    }
}

/// What is taken from requestExtensions.
struct KnownExtensions<'a> {
    nonce: Option<Nonce<'a>>,
    preferred_signature_algorithms: Option<PreferredSignatureAlgorithms<'a>>,
}

impl<'a> KnownExtensions<'a> {
    /// Nonce, preferred signature algorithms, and acceptable responses: there is one kind, basic, and everyone takes it
    /// (RFC 6960 §4.4.3).
    fn read(list: Tlv<'a>) -> Result<Self, DerError> {
        let mut known = KnownExtensions {
            nonce: None,
            preferred_signature_algorithms: None,
        };
        let mut extensions = Extensions::inside(list, ExplicitFalse::Refused)?;
        while let Some(extension) = extensions.next()? {
            match extension.oid {
                oid::OCSP_NONCE => known.nonce = Some(Nonce::from_extension(extension.value)?),
                oid::OCSP_RESPONSE => {
                    extension.value.only(tag::SEQUENCE)?;
                }
                oid::OCSP_PREFERRED_SIGNATURE_ALGORITHMS => {
                    known.preferred_signature_algorithms = Some(
                        PreferredSignatureAlgorithms::from_extension(extension.value)?,
                    );
                }
                _ => extension.pass_over()?,
            }
        }
        Ok(known)
    }
}

impl<'a> SingleRequest<'a> {
    #[inline]
    fn read(list: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = Reader::inside(list.read(tag::SEQUENCE)?);
        let cert_id = CertId::from_tlv(fields.read(tag::SEQUENCE)?)?;
        if let Some(extensions) = fields.read_optional(tag::context(0))? {
            check_single_extensions(extensions.only(tag::SEQUENCE)?)?;
        }
        fields.finish()?;
        Ok(SingleRequest { cert_id })
    }
}

/// singleRequestExtensions: the service locator is known, and followed by nobody (RFC 6960 §4.4.6).
fn check_single_extensions(list: Tlv<'_>) -> Result<(), DerError> {
    let mut extensions = Extensions::inside(list, ExplicitFalse::Refused)?;
    while let Some(extension) = extensions.next()? {
        match extension.oid {
            oid::OCSP_SERVICE_LOCATOR => {
                extension.value.only(tag::SEQUENCE)?;
            }
            _ => extension.pass_over()?,
        }
    }
    Ok(())
}

/// The shape of `[0] EXPLICIT Signature`: algorithm, bits, and certificates if any.
fn check_signature(signature: Tlv<'_>) -> Result<(), DerError> {
    let mut fields = Reader::inside(signature.only(tag::SEQUENCE)?);
    let (algorithm, _) = fields.read(tag::SEQUENCE)?.algorithm_identifier()?;
    algorithm.check_oid()?;
    fields.read(tag::BIT_STRING)?.bit_string_octets()?;
    if let Some(certificates) = fields.read_optional(tag::context(0))? {
        let mut certificates = Reader::inside(certificates.only(tag::SEQUENCE)?);
        while !certificates.is_empty() {
            certificates.read(tag::SEQUENCE)?;
        }
    }
    fields.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::DerErrorKind;
    use crate::der::write::{push, push_nested};
    use proptest::prelude::*;

    fn push_single(out: &mut Vec<u8>, serial: &[u8], extensions: &[u8]) {
        push_nested(out, tag::SEQUENCE, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                push_nested(out, tag::SEQUENCE, |out| push(out, tag::OID, oid::SHA1));
                push(out, tag::OCTET_STRING, &[1; 20]);
                push(out, tag::OCTET_STRING, &[2; 20]);
                push(out, tag::INTEGER, serial);
            });
            if !extensions.is_empty() {
                push_nested(out, tag::context(0), |out| {
                    push(out, tag::SEQUENCE, extensions)
                });
            }
        });
    }

    fn request(serials: &[&[u8]], extensions: &[u8]) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                push_nested(out, tag::SEQUENCE, |out| {
                    for serial in serials {
                        push_single(out, serial, &[]);
                    }
                });
                if !extensions.is_empty() {
                    push_nested(out, tag::context(2), |out| {
                        push(out, tag::SEQUENCE, extensions)
                    });
                }
            });
        });
        der
    }

    fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push(out, tag::OID, oid);
            if critical {
                push(out, tag::BOOLEAN, &[0xff]);
            }
            push(out, tag::OCTET_STRING, value);
        });
        der
    }

    #[test]
    fn requests_come_in_the_order_they_were_asked() {
        let der = request(&[&[1], &[2], &[3]], &[]);
        let request = OcspRequest::from_der(&der).unwrap();
        let serials: Vec<_> = request
            .single_requests()
            .map(|single| single.cert_id.serial_number.to_string())
            .collect();
        assert_eq!(serials, ["01", "02", "03"]);
        assert_eq!(request.single_request_count, 3);
    }

    #[test]
    fn an_error_says_where_it_is() {
        let critical = extension(&[0x2a, 0x03], true, &[]);
        let der = request(&[&[1]], &critical);
        let error = OcspRequest::from_der(&der).unwrap_err();
        assert_eq!(error.kind, DerErrorKind::UnknownCriticalExtension);
        assert_eq!(error.offset, der.len() - critical.len());
    }

    #[test]
    fn a_broken_request_behind_good_ones_spoils_them_all() {
        let der = request(&[&[1], &[2], &[0x00, 0x03]], &[]);
        assert_eq!(
            OcspRequest::from_der(&der).unwrap_err().kind,
            DerErrorKind::Value
        );
    }

    proptest! {
        #[test]
        fn what_was_asked_is_what_is_read(
            serials in proptest::collection::vec(proptest::collection::vec(0x01_u8..0x80, 1..=64), 1..20),
            nonce in proptest::collection::vec(any::<u8>(), 1..=128),
            critical in any::<bool>(),
        ) {
            let mut value = Vec::new();
            push(&mut value, tag::OCTET_STRING, &nonce);
            let slices: Vec<&[u8]> = serials.iter().map(Vec::as_slice).collect();
            let der = request(&slices, &extension(oid::OCSP_NONCE, critical, &value));
            let request = OcspRequest::from_der(&der).unwrap();
            prop_assert_eq!(request.nonce.map(Nonce::octets), Some(&nonce[..]));
            let found: Vec<_> = request.single_requests().map(|single| single.cert_id.serial_number.content().to_vec()).collect();
            prop_assert_eq!(found, serials);
            for length in 0..der.len() {
                prop_assert!(OcspRequest::from_der(&der[..length]).is_err());
            }
        }
    }
}
