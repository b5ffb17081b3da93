//! Opens an encrypted PKCS#8 key (RFC 5958 §3) with PBES2 (RFC 8018 §6.2).  From: `encoding.rs`.  To: `key_pair.rs`.
//!
//! PBES1 and the PKCS#12 schemes are refused: they end in DES, RC2 or RC4.  What the key derivation may cost is bounded
//! before it starts, because the counts come from the file.

use crate::encoding::{EncodedKey, malformed};
use crate::{KeyError, Passphrase};
use ocspry_wire::der::{Reader, read, tag};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier};
use std::path::Path;
use zeroize::Zeroizing;

/// Most iterations of PBKDF2: about a second.  OpenSSL writes 2048, careful people 600,000.
const PBKDF2_ITERATIONS_MAX: u64 = 10_000_000;

/// Most of scrypt's N·r·p: about a second and 256 MiB.  OpenSSL writes 16384·8·1 = 131,072.
const SCRYPT_COST_MAX: u64 = 1 << 21;

/// id-PBES2 (RFC 8018 Appendix C).
pub(crate) const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];

/// Decrypts to the DER of PKCS#8.
///
/// # Errors
/// When the scheme is old, unknown or too costly, or the passphrase is missing or wrong.
pub(crate) fn decrypt(
    key: &EncodedKey,
    passphrase: Option<&Passphrase>,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let unknown = || KeyError::UnknownEncryption {
        path: path.to_owned(),
        der: key.file_is_der,
    };

    let mut outer =
        Reader::inside(read::whole(&key.der, tag::SEQUENCE).map_err(|e| malformed(e, path))?);
    let mut algorithm = Reader::inside(outer.read(tag::SEQUENCE).map_err(|e| malformed(e, path))?);
    let scheme = algorithm
        .read(tag::OID)
        .map_err(|e| malformed(e, path))?
        .value;
    if scheme != PBES2 {
        let scheme = scheme_name(scheme).ok_or_else(unknown)?;
        return Err(KeyError::OldEncryption {
            path: path.to_owned(),
            scheme,
            der: key.file_is_der,
        });
    }

    let encrypted = EncryptedPrivateKeyInfoRef::try_from(&key.der[..]).map_err(|_| unknown())?;
    let EncryptionScheme::Pbes2(parameters) = &encrypted.encryption_algorithm else {
        return Err(unknown());
    };
    check_cost(&parameters.kdf, key.file_is_der, path)?;

    let passphrase = passphrase.ok_or_else(|| KeyError::PassphraseMissing {
        path: path.to_owned(),
    })?;
    let wrong = || KeyError::PassphraseWrong {
        path: path.to_owned(),
    };
    let mut buffer = Zeroizing::new(encrypted.encrypted_data.as_bytes().to_vec());
    let length = match parameters.decrypt_in_place(passphrase.octets(), &mut buffer) {
        Ok(plain) => plain.len(),
        Err(pkcs8::pkcs5::Error::DecryptFailed) => return Err(wrong()),
        Err(_) => return Err(unknown()),
    };
    buffer.truncate(length);
    // One wrong passphrase in 256 leaves padding that looks right, but not a whole SEQUENCE as well.
    read::whole(&buffer, tag::SEQUENCE).map_err(|_| wrong())?;
    Ok(buffer)
}

fn check_cost(kdf: &Kdf, der: bool, path: &Path) -> Result<(), KeyError> {
    let (kdf, cost, cost_max) = match kdf {
        Kdf::Pbkdf2(pbkdf2) => (
            "PBKDF2",
            u64::from(pbkdf2.iteration_count),
            PBKDF2_ITERATIONS_MAX,
        ),
        Kdf::Scrypt(scrypt) => {
            let cost = scrypt
                .cost_parameter
                .saturating_mul(u64::from(scrypt.block_size))
                .saturating_mul(u64::from(scrypt.parallelization));
            // The scrypt code takes the logarithm of N without asking whether it is 0.
            if cost == 0 {
                return Err(KeyError::UnknownEncryption {
                    path: path.to_owned(),
                    der,
                });
            }
            ("scrypt", cost, SCRYPT_COST_MAX)
        }
        _ => {
            return Err(KeyError::UnknownEncryption {
                path: path.to_owned(),
                der,
            });
        }
    };
    if cost > cost_max {
        return Err(KeyError::CostlyEncryption {
            path: path.to_owned(),
            kdf,
            cost,
            cost_max,
            der,
        });
    }
    Ok(())
}

/// The schemes of PKCS#5 version 1.5 and PKCS#12 by name, others by number; None when it is no object identifier.
fn scheme_name(oid: &[u8]) -> Option<String> {
    let dotted = ObjectIdentifier::from_bytes(oid).ok()?.to_string();
    let name = match dotted.as_str() {
        "1.2.840.113549.1.5.1" => "PBE-MD2-DES",
        "1.2.840.113549.1.5.3" => "PBE-MD5-DES",
        "1.2.840.113549.1.5.4" => "PBE-MD2-RC2-64",
        "1.2.840.113549.1.5.6" => "PBE-MD5-RC2-64",
        "1.2.840.113549.1.5.10" => "PBE-SHA1-DES",
        "1.2.840.113549.1.5.11" => "PBE-SHA1-RC2-64",
        "1.2.840.113549.1.12.1.1" => "PBE-SHA1-RC4-128",
        "1.2.840.113549.1.12.1.2" => "PBE-SHA1-RC4-40",
        "1.2.840.113549.1.12.1.3" => "PBE-SHA1-3DES",
        "1.2.840.113549.1.12.1.4" => "PBE-SHA1-2DES",
        "1.2.840.113549.1.12.1.5" => "PBE-SHA1-RC2-128",
        "1.2.840.113549.1.12.1.6" => "PBE-SHA1-RC2-40",
        _ => return Some(dotted),
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::KeyForm;
    use pkcs8::EncryptedPrivateKeyInfo;
    use pkcs8::der::Encode;
    use pkcs8::der::asn1::OctetStringRef;
    use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Parameters, Pbkdf2Params, ScryptParams};

    fn refuse(kdf: Kdf) -> KeyError {
        let parameters = Parameters {
            kdf,
            encryption: Cipher::Aes256Cbc { iv: [0; 16] },
        };
        let der = EncryptedPrivateKeyInfo {
            encryption_algorithm: parameters.into(),
            encrypted_data: OctetStringRef::new(&[0; 32]).unwrap(),
        }
        .to_der()
        .unwrap();
        let key = EncodedKey {
            form: KeyForm::EncryptedPkcs8,
            der: Zeroizing::new(der),
            ec_parameters: None,
            file_is_der: true,
        };
        let passphrase = Passphrase::from_bytes(Zeroizing::new(b"x".to_vec()));
        decrypt(&key, Some(&passphrase), Path::new("ocsp.key")).unwrap_err()
    }

    fn pbkdf2(iterations: u32) -> Kdf {
        Pbkdf2Params::hmac_sha256(iterations, b"salt")
            .unwrap()
            .into()
    }

    fn scrypt(cost_parameter: u64, block_size: u16, parallelization: u16) -> Kdf {
        let salt = b"salt"[..].try_into().unwrap();
        ScryptParams {
            salt,
            cost_parameter,
            block_size,
            parallelization,
            key_length: None,
        }
        .into()
    }

    #[test]
    fn a_derivation_that_costs_too_much_is_refused_before_it_starts() {
        for (kdf, cost) in [
            (pbkdf2(10_000_001), 10_000_001),
            (pbkdf2(100_000_000), 100_000_000),
            (scrypt(1 << 18, 16, 1), 1 << 22),
            (scrypt(1 << 14, 8, 17), 17 << 17),
            (scrypt(1 << 63, u16::MAX, u16::MAX), u64::MAX),
        ] {
            let error = refuse(kdf);
            assert!(
                matches!(error, KeyError::CostlyEncryption { cost: c, .. } if c == cost),
                "{error}"
            );
        }
    }

    #[test]
    fn a_usual_derivation_is_done() {
        for kdf in [pbkdf2(1), pbkdf2(2048), scrypt(1 << 10, 8, 1)] {
            let error = refuse(kdf);
            assert!(matches!(error, KeyError::PassphraseWrong { .. }), "{error}");
        }
    }

    #[test]
    fn counts_that_make_no_sense_are_refused() {
        for kdf in [
            scrypt(0, 8, 1),
            scrypt(1 << 14, 0, 1),
            scrypt(1 << 14, 8, 0),
            scrypt(1000, 8, 1),
        ] {
            let error = refuse(kdf);
            assert!(
                matches!(error, KeyError::UnknownEncryption { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_scheme_is_given_by_number() {
        assert_eq!(scheme_name(&[0x2a, 0x03]).unwrap(), "1.2.3");
        assert_eq!(scheme_name(&[]), None);
    }
}
