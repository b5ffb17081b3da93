//! PreferredSignatureAlgorithms: how a client would like the answer signed (RFC 6960 §4.4.7.1).
//!
//! From: requestExtensions.  To: `core::responder`, which follows the list as far as its keys and the operator allow.
//! PreferredSignatureAlgorithms ::= SEQUENCE OF SEQUENCE { sigIdentifier AlgorithmIdentifier, pubKeyAlgIdentifier
//! SMIMECapability OPTIONAL }.  The shape is checked with the request; what is not known here is passed over later.

use crate::DerError;
use crate::der::read::AlgorithmParameters;
use crate::der::{Reader, Tlv, tag};
use crate::x509::SignatureAlgorithm;

/// A client's list, best first; may be empty.
#[derive(Clone, Debug)]
pub struct PreferredSignatureAlgorithms<'a> {
    list: Reader<'a>,
}

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreferredSignatureAlgorithm<'a> {
    /// None: an algorithm that is not known here.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The kind of key, if the client names it: content octets of the algorithm's OID, and its parameters.
    public_key: Option<(&'a [u8], AlgorithmParameters<'a>)>,
}

impl<'a> PreferredSignatureAlgorithms<'a> {
    /// From extnValue.
    ///
    /// # Errors
    /// When it is not a list of algorithm identifiers.
    pub(crate) fn from_extension(extension_value: Tlv<'a>) -> Result<Self, DerError> {
        let list = Reader::inside(extension_value.only(tag::SEQUENCE)?);
        let mut entries = list.clone();
        while !entries.is_empty() {
            PreferredSignatureAlgorithm::read(&mut entries)?;
        }
        Ok(PreferredSignatureAlgorithms { list })
    }

    /// The entries, best first.
    pub fn iter(&self) -> impl Iterator<Item = PreferredSignatureAlgorithm<'a>> + use<'a> {
        let mut rest = self.list.clone();
        // `from_extension` has read these octets: the only error left is the end.
        core::iter::from_fn(move || PreferredSignatureAlgorithm::read(&mut rest).ok())
    }
}

impl<'a> PreferredSignatureAlgorithm<'a> {
    fn read(list: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = Reader::inside(list.read(tag::SEQUENCE)?);
        let signature = fields.read(tag::SEQUENCE)?;
        let (oid, _) = signature.algorithm_identifier()?;
        oid.check_oid()?;
        let public_key = match fields.read_optional(tag::SEQUENCE)? {
            None => None,
            Some(capability) => {
                let (oid, parameters) = capability.algorithm_identifier()?;
                oid.check_oid()?;
                Some((oid.value, parameters))
            }
        };
        fields.finish()?;
        Ok(PreferredSignatureAlgorithm {
            signature_algorithm: SignatureAlgorithm::from_der(signature.der),
            public_key,
        })
    }

    /// May a key of this kind make the signature?  `key_algorithm` and `curve` are content octets of OIDs, as in
    /// [`SubjectPublicKeyInfo`](crate::x509::SubjectPublicKeyInfo); a client that names no kind takes any.
    pub fn admits_key(&self, key_algorithm: &[u8], curve: Option<&[u8]>) -> bool {
        match self.public_key {
            None => true,
            Some((algorithm, parameters)) => {
                algorithm == key_algorithm
                    && match parameters {
                        AlgorithmParameters::Absent | AlgorithmParameters::Null => true,
                        AlgorithmParameters::Oid(named) => curve == Some(named),
                        AlgorithmParameters::Other => false,
                    }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::oid;
    use crate::der::read::whole;
    use crate::der::write::{push, push_nested};

    /// The OID of a key algorithm, and its encoded parameters.
    type KeyAlgorithm<'a> = (&'a [u8], &'a [u8]);

    /// An extnValue with these entries: signature algorithm, and the kind of key.
    fn value(entries: &[(&[u8], Option<KeyAlgorithm<'_>>)]) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::OCTET_STRING, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                for (signature, key) in entries {
                    push_nested(out, tag::SEQUENCE, |out| {
                        out.extend_from_slice(signature);
                        if let Some((algorithm, parameters)) = key {
                            push_nested(out, tag::SEQUENCE, |out| {
                                push(out, tag::OID, algorithm);
                                out.extend_from_slice(parameters);
                            });
                        }
                    });
                }
            });
        });
        der
    }

    fn read(der: &[u8]) -> Result<PreferredSignatureAlgorithms<'_>, DerError> {
        PreferredSignatureAlgorithms::from_extension(whole(der, tag::OCTET_STRING).unwrap())
    }

    #[test]
    fn alg_04_a_list_is_read_in_its_order_and_what_is_unknown_stays_in_place() {
        let private = &[0x30, 0x04, 0x06, 0x02, 0x2a, 0x03][..];
        let der = value(&[
            (private, None),
            (SignatureAlgorithm::RsaSha512.der(), None),
            (SignatureAlgorithm::EcdsaSha256.der(), None),
        ]);
        let found: Vec<_> = read(&der)
            .unwrap()
            .iter()
            .map(|entry| entry.signature_algorithm)
            .collect();
        let known = [
            None,
            Some(SignatureAlgorithm::RsaSha512),
            Some(SignatureAlgorithm::EcdsaSha256),
        ];
        assert_eq!(found, known);
    }

    #[test]
    fn alg_05_an_empty_list_is_a_list() {
        assert_eq!(read(&value(&[])).unwrap().iter().count(), 0);
    }

    #[test]
    fn a_client_may_name_the_kind_of_key() {
        let curve = |oid: &[u8]| {
            let mut der = Vec::new();
            push(&mut der, tag::OID, oid);
            der
        };
        let ecdsa = SignatureAlgorithm::EcdsaSha256.der();
        let admits = |named: KeyAlgorithm<'_>| {
            let der = value(&[(ecdsa, Some(named))]);
            let entry = read(&der).unwrap().iter().next().unwrap();
            entry.admits_key(oid::EC_PUBLIC_KEY, Some(oid::P256))
        };
        assert!(admits((oid::EC_PUBLIC_KEY, &[])));
        assert!(admits((oid::EC_PUBLIC_KEY, &curve(oid::P256))));
        assert!(!admits((oid::EC_PUBLIC_KEY, &curve(oid::P384))));
        assert!(!admits((oid::EC_PUBLIC_KEY, &[0x30, 0x00])));
        assert!(!admits((oid::RSA_ENCRYPTION, &[0x05, 0x00])));
    }

    #[test]
    fn what_is_not_such_a_list_is_malformed() {
        for bad in [
            &[0x04, 0x00][..],
            &[0x04, 0x02, 0x05, 0x00],
            &[0x04, 0x04, 0x30, 0x02, 0x30, 0x00],
            &[0x04, 0x06, 0x30, 0x04, 0x30, 0x02, 0x30, 0x00],
            &[0x04, 0x04, 0x30, 0x00, 0x30, 0x00],
        ] {
            assert!(read(bad).is_err(), "{bad:02x?}");
        }
        // Something behind the key's kind.
        let mut der = value(&[(SignatureAlgorithm::Ed25519.der(), Some((oid::ED25519, &[])))]);
        der.extend_from_slice(&[0x05, 0x00]);
        for place in [1, 3, 5] {
            der[place] += 2;
        }
        assert!(read(&der).is_err());
    }
}
