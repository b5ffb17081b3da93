//! Puts a PKCS#8 key under a passphrase (RFC 5958 §3) with PBES2 (RFC 8018 §6.2).  From: `file.rs`.  To: a key file that
//! `decrypt.rs` and every other PKI tool opens.
//!
//! PBKDF2 with HMAC-SHA256 rather than scrypt: all tools have it, also those of approved cryptography only, while OpenSSL
//! opens scrypt up to 32 MiB and no further.

use crate::{KeyError, Passphrase};
use aws_lc_rs::rand;
use ocspry_wire::der::{tag, write};
use pkcs8::der::Encode;
use pkcs8::pkcs5::pbes2::Parameters;
use zeroize::Zeroizing;

/// Iterations: OWASP's figure for HMAC-SHA256 of 2023, a fifth of a second.
const PBKDF2_ITERATIONS: u32 = 600_000;

/// Encrypts the DER of PKCS#8 with AES-256-CBC; returns the DER of EncryptedPrivateKeyInfo.
pub(crate) fn encrypt(pkcs8: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
    let octets = passphrase.octets();
    if octets.is_empty() {
        return Err(KeyError::PassphraseForNewKeyEmpty);
    }
    let failed = || KeyError::NotEncrypted;
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rand::fill(&mut salt).map_err(|_| failed())?;
    rand::fill(&mut iv).map_err(|_| failed())?;
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ITERATIONS, &salt, iv)
        .map_err(|_| failed())?;

    // Room for the padding of the last block from the start: a buffer that grows leaves the key behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(pkcs8.len() + AES_BLOCK));
    buffer.extend_from_slice(pkcs8);
    buffer.resize(pkcs8.len() + AES_BLOCK, 0);
    let encrypted = parameters
        .encrypt_in_place(octets, &mut buffer, pkcs8.len())
        .map_err(|_| failed())?;
    let parameters = parameters.to_der().map_err(|_| failed())?;

    let mut der = Vec::new();
    write::push_nested(&mut der, tag::SEQUENCE, |info| {
        write::push_nested(info, tag::SEQUENCE, |scheme| {
            write::push(scheme, tag::OID, crate::decrypt::PBES2);
            scheme.extend_from_slice(&parameters);
        });
        write::push(info, tag::OCTET_STRING, encrypted);
    });
    Ok(der)
}

/// Octets of a block of AES.
const AES_BLOCK: usize = 16;
