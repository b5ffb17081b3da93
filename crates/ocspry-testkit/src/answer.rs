//! Checks an OCSP answer as a careful client does: structure, signer, signature (RFC 6960 §3.2).
//!
//! From: `HttpClient`.  To: the test's own expectations.  Verifies with aws-lc-rs directly.

use crate::authority::Authority;
use aws_lc_rs::{digest, signature};
use ocspry_wire::Time;
use ocspry_wire::der::oid as known;
use ocspry_wire::ocsp::{
    BasicOcspResponse, CertStatus, ErrorStatus, OcspResponse, ResponderId, ResponseStatus,
};
use ocspry_wire::x509::{Certificate, SignatureAlgorithm, SubjectPublicKeyInfo};

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A signed answer whose signature and signer have been checked.
    Signed(SignedReply),
    /// One of the error bodies.
    Error(ErrorStatus),
}

/// A checked answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReply {
    /// producedAt.
    pub produced_at: Time,
    /// The echoed nonce.
    pub nonce: Option<Vec<u8>>,
    /// One line for each certificate.
    pub singles: Vec<SingleReply>,
    /// Enclosed certificates, DER.
    pub certificates: Vec<Vec<u8>>,
    /// The algorithm of the signature.
    pub signature_algorithm: SignatureAlgorithm,
}

/// One certificate's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleReply {
    /// The CertID, whole SEQUENCE.
    pub cert_id: Vec<u8>,
    /// good, revoked or unknown.
    pub status: CertStatus,
    /// thisUpdate.
    pub this_update: Time,
    /// nextUpdate.
    pub next_update: Time,
}

impl Reply {
    /// Reads a response body that `issuer` (or its delegate) must have signed; panics with the reason when it did not.
    pub fn check(body: &[u8], issuer: &Authority) -> Reply {
        match Self::try_check(body, issuer) {
            Ok(reply) => reply,
            Err(reason) => panic!("a client would reject this answer: {reason}: {body:02x?}"),
        }
    }

    /// As [`Reply::check`], with the reason as a value.
    pub fn try_check(body: &[u8], issuer: &Authority) -> Result<Reply, String> {
        let response =
            OcspResponse::from_der(body).map_err(|error| format!("not DER: {error:?}"))?;
        match (response.status, response.basic) {
            (ResponseStatus::Error(status), None) => {
                if body != status.der() {
                    return Err(format!(
                        "an error body that is not 30 03 0A 01 xx: {status:?}"
                    ));
                }
                Ok(Reply::Error(status))
            }
            (ResponseStatus::Successful, Some(basic)) => signed(&basic, issuer).map(Reply::Signed),
            (status, basic) => Err(format!(
                "{status:?} with responseBytes: {}",
                basic.is_some()
            )),
        }
    }

    /// The signed answer; panics on an error body.
    pub fn signed(self) -> SignedReply {
        match self {
            Reply::Signed(reply) => reply,
            Reply::Error(status) => panic!("expected a signed answer, got {status:?}"),
        }
    }

    /// The only line of a signed answer; panics on anything else.
    pub fn single(self) -> SingleReply {
        let reply = self.signed();
        assert_eq!(reply.singles.len(), 1, "expected one SingleResponse");
        reply.singles.into_iter().next().expect("one")
    }
}

fn signed(basic: &BasicOcspResponse<'_>, issuer: &Authority) -> Result<SignedReply, String> {
    let issuer_certificate =
        Certificate::from_der(&issuer.certificate).map_err(|error| format!("{error:?}"))?;
    let delegate = basic
        .certificates
        .first()
        .map(|der| Certificate::from_der(der).map_err(|error| format!("certs: {error:?}")))
        .transpose()?;
    let signer = delegate.as_ref().unwrap_or(&issuer_certificate);
    if let Some(delegate) = &delegate {
        check_delegate(delegate, &issuer_certificate, basic.produced_at)?;
    }
    let key_hash = digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        signer.public_key.key_bits,
    );
    match basic.responder_id {
        ResponderId::ByName(name) if name == signer.subject => {}
        ResponderId::ByKeyHash(hash) if hash == key_hash.as_ref() => {}
        ResponderId::ByName(_) | ResponderId::ByKeyHash(_) => {
            return Err("responderID does not name the signer".to_owned());
        }
    }
    let algorithm = SignatureAlgorithm::from_der(basic.signature_algorithm)
        .ok_or_else(|| "unknown signature algorithm".to_owned())?;
    verify(
        algorithm,
        &signer.public_key,
        basic.tbs_response_data,
        basic.signature,
    )?;
    let mut singles = Vec::new();
    for single in &basic.responses {
        let next_update = single
            .next_update
            .ok_or_else(|| "no nextUpdate".to_owned())?;
        if single.this_update > basic.produced_at || basic.produced_at > next_update {
            return Err(format!(
                "thisUpdate {} <= producedAt {} <= nextUpdate {} does not hold",
                single.this_update, basic.produced_at, next_update
            ));
        }
        singles.push(SingleReply {
            cert_id: single.cert_id.der.to_vec(),
            status: single.cert_status,
            this_update: single.this_update,
            next_update,
        });
    }
    Ok(SignedReply {
        produced_at: basic.produced_at,
        nonce: basic.nonce.map(<[u8]>::to_vec),
        singles,
        certificates: basic.certificates.iter().map(|der| der.to_vec()).collect(),
        signature_algorithm: algorithm,
    })
}

fn check_delegate(
    delegate: &Certificate<'_>,
    issuer: &Certificate<'_>,
    at: Time,
) -> Result<(), String> {
    if delegate.issuer != issuer.subject {
        return Err("the enclosed certificate is another CA's".to_owned());
    }
    let algorithm = delegate
        .signature_algorithm
        .ok_or("unknown algorithm on the delegate")?;
    verify(
        algorithm,
        &issuer.public_key,
        delegate.tbs,
        delegate.signature,
    )
    .map_err(|error| format!("the delegate's certificate: {error}"))?;
    if !delegate.has_ext_key_usage(known::KP_OCSP_SIGNING) {
        return Err("the delegate lacks OCSPSigning".to_owned());
    }
    if at < delegate.not_before || at > delegate.not_after {
        return Err("the delegate's certificate is out of date".to_owned());
    }
    Ok(())
}

fn verify(
    algorithm: SignatureAlgorithm,
    key: &SubjectPublicKeyInfo<'_>,
    message: &[u8],
    octets: &[u8],
) -> Result<(), String> {
    let verification: &dyn signature::VerificationAlgorithm = match algorithm {
        SignatureAlgorithm::RsaSha1 => return Err("signed with SHA-1".to_owned()),
        SignatureAlgorithm::RsaSha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        SignatureAlgorithm::RsaSha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        SignatureAlgorithm::RsaSha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        SignatureAlgorithm::EcdsaSha256 => match key.curve {
            Some(known::P256) => &signature::ECDSA_P256_SHA256_ASN1,
            Some(known::P384) => &signature::ECDSA_P384_SHA256_ASN1,
            _ => &signature::ECDSA_P521_SHA256_ASN1,
        },
        SignatureAlgorithm::EcdsaSha384 => match key.curve {
            Some(known::P256) => &signature::ECDSA_P256_SHA384_ASN1,
            Some(known::P384) => &signature::ECDSA_P384_SHA384_ASN1,
            _ => &signature::ECDSA_P521_SHA384_ASN1,
        },
        SignatureAlgorithm::EcdsaSha512 => &signature::ECDSA_P521_SHA512_ASN1,
        SignatureAlgorithm::Ed25519 => &signature::ED25519,
    };
    signature::UnparsedPublicKey::new(verification, key.key_bits)
        .verify(message, octets)
        .map_err(|_| format!("the {} signature does not verify", algorithm.name()))
}
