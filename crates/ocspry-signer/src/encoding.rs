//! Finds the one private key in a file and says how it is encoded.  From: `file.rs`.  To: `decrypt.rs`, `key_pair.rs`.
//!
//! PEM says what a block is by its label (RFC 7468; the older labels of OpenSSL too); DER is told by its shape:
//!
//! | Form | DER |
//! |---|---|
//! | PKCS#8 (RFC 5958) | `SEQUENCE { INTEGER, SEQUENCE, OCTET STRING … }` |
//! | encrypted PKCS#8 (RFC 5958 §3) | `SEQUENCE { SEQUENCE, OCTET STRING }` |
//! | PKCS#1 (RFC 8017 A.1.2) | `SEQUENCE { INTEGER 0, nine INTEGERs in all … }` |
//! | SEC1 (RFC 5915) | `SEQUENCE { INTEGER 1, OCTET STRING … }` |

use crate::{KeyError, NotAKey};
use ocspry_wire::der::{Reader, read, tag};
use ocspry_wire::x509::{Certificate, pem};
use ocspry_wire::{DerError, DerErrorKind};
use std::path::Path;
use zeroize::Zeroizing;

/// The forms a private key comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// PrivateKeyInfo, or OneAsymmetricKey.
    Pkcs8,
    /// EncryptedPrivateKeyInfo.
    EncryptedPkcs8,
    /// RSAPrivateKey.
    Pkcs1,
    /// ECPrivateKey.
    Sec1,
}

/// The one private key of a file.
pub(crate) struct EncodedKey {
    /// How it is encoded.
    pub(crate) form: KeyForm,
    /// Its DER.
    pub(crate) der: Zeroizing<Vec<u8>>,
    /// The curve of an `EC PARAMETERS` block beside it: DER of ECParameters.
    pub(crate) ec_parameters: Option<Vec<u8>>,
    /// The file itself is DER.
    pub(crate) file_is_der: bool,
}

/// Finds the private key in the content of a file.
///
/// # Errors
/// When there is none, or more than one, or it is cut off; `path` is for the message.
pub(crate) fn find_key(content: &[u8], path: &Path) -> Result<EncodedKey, KeyError> {
    if content.iter().all(u8::is_ascii_whitespace) {
        return Err(KeyError::Empty {
            path: path.to_owned(),
        });
    }
    if pem::is_pem(content) {
        return find_in_pem(content, path);
    }
    let not_a_key = |found| KeyError::NotAKey {
        path: path.to_owned(),
        found,
    };
    if content.first() != Some(&tag::SEQUENCE) {
        return Err(not_a_key(NotAKey::Unrecognized));
    }
    match shape_of(content) {
        Ok(Shape::Key(form)) => Ok(EncodedKey {
            form,
            der: Zeroizing::new(content.to_vec()),
            ec_parameters: None,
            file_is_der: true,
        }),
        Ok(Shape::Dsa) => Err(dsa_key(path)),
        Ok(Shape::Other(found)) => Err(not_a_key(found)),
        Err(error) => Err(malformed(error, path)),
    }
}

fn find_in_pem(content: &[u8], path: &Path) -> Result<EncodedKey, KeyError> {
    let broken = |error| match error {
        pem::PemError::NoEnd { .. } => KeyError::Truncated {
            path: path.to_owned(),
        },
        pem::PemError::Body { line } => KeyError::BrokenPem {
            path: path.to_owned(),
            line,
        },
    };
    let mut keys = Vec::new();
    let mut ec_parameters = None;
    let mut other = None;
    for block in pem::Blocks::new(content) {
        let block = block.map_err(broken)?;
        let der = Zeroizing::new(block.der);
        let form = match block.label.as_str() {
            "PRIVATE KEY" => KeyForm::Pkcs8,
            "ENCRYPTED PRIVATE KEY" => KeyForm::EncryptedPkcs8,
            "RSA PRIVATE KEY" => KeyForm::Pkcs1,
            "EC PRIVATE KEY" => KeyForm::Sec1,
            "DSA PRIVATE KEY" => return Err(dsa_key(path)),
            "EC PARAMETERS" => {
                ec_parameters = Some(der.to_vec());
                continue;
            }
            label => {
                other = other.or(Some(not_a_key_by_label(label)));
                continue;
            }
        };
        keys.push((form, der, block.encrypted_headers));
    }

    let count = keys.len();
    let Some((form, der, encrypted_headers)) = keys.pop() else {
        let parameters_only = ec_parameters.map(|_| NotAKey::EcParameters);
        let found = other.or(parameters_only).unwrap_or(NotAKey::OtherPem);
        return Err(KeyError::NotAKey {
            path: path.to_owned(),
            found,
        });
    };
    if count > 1 {
        return Err(KeyError::SeveralKeys {
            path: path.to_owned(),
            count,
        });
    }
    if encrypted_headers {
        return Err(KeyError::OldEncryption {
            path: path.to_owned(),
            scheme: "Proc-Type: 4,ENCRYPTED".to_owned(),
            der: false,
        });
    }
    Ok(EncodedKey {
        form,
        der,
        ec_parameters,
        file_is_der: false,
    })
}

fn not_a_key_by_label(label: &str) -> NotAKey {
    match label {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => NotAKey::Certificate,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => NotAKey::CertificateRequest,
        "X509 CRL" => NotAKey::Crl,
        "PUBLIC KEY" | "RSA PUBLIC KEY" => NotAKey::PublicKey,
        "OPENSSH PRIVATE KEY" => NotAKey::OpenSsh,
        "PKCS12" => NotAKey::Pkcs12,
        _ => NotAKey::OtherPem,
    }
}

fn dsa_key(path: &Path) -> KeyError {
    KeyError::Unsupported {
        path: path.to_owned(),
        algorithm: "a DSA key".to_owned(),
    }
}

/// What a DER file looks like from outside.
enum Shape {
    Key(KeyForm),
    Dsa,
    Other(NotAKey),
}

fn shape_of(content: &[u8]) -> Result<Shape, DerError> {
    let mut outer = Reader::inside(read::whole(content, tag::SEQUENCE)?);
    let first = outer.read_any()?;
    let second = outer.peek_tag();
    Ok(match (first.tag, second) {
        // PFX ::= SEQUENCE { version INTEGER (3), authSafe ContentInfo … } (RFC 7292 §4)
        (tag::INTEGER, Some(tag::SEQUENCE)) if first.value == [3] => Shape::Other(NotAKey::Pkcs12),
        (tag::INTEGER, Some(tag::SEQUENCE)) => Shape::Key(KeyForm::Pkcs8),
        (tag::INTEGER, Some(tag::OCTET_STRING)) => Shape::Key(KeyForm::Sec1),
        (tag::INTEGER, Some(tag::INTEGER)) => {
            let mut count = 1;
            while outer.read_optional(tag::INTEGER)?.is_some() {
                count += 1;
            }
            match count {
                2 => Shape::Other(NotAKey::PublicKey), // RSAPublicKey: n, e
                6 => Shape::Dsa, // version, p, q, g, y, x, as OpenSSL writes them
                _ => Shape::Key(KeyForm::Pkcs1),
            }
        }
        (tag::SEQUENCE, Some(tag::OCTET_STRING)) => Shape::Key(KeyForm::EncryptedPkcs8),
        (tag::SEQUENCE, Some(tag::BIT_STRING)) => Shape::Other(NotAKey::PublicKey),
        (tag::SEQUENCE, Some(tag::SEQUENCE)) => {
            Shape::Other(match Certificate::from_der(content) {
                Ok(_) => NotAKey::Certificate,
                Err(_) => NotAKey::SignedObject,
            })
        }
        _ => Shape::Other(NotAKey::Unrecognized),
    })
}

/// A DER error inside a key, as an error of the file.
pub(crate) fn malformed(error: DerError, path: &Path) -> KeyError {
    match error.kind {
        DerErrorKind::Truncated => KeyError::Truncated {
            path: path.to_owned(),
        },
        _ => KeyError::Malformed {
            path: path.to_owned(),
            offset: error.offset,
        },
    }
}
