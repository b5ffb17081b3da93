//! A certification request (PKCS#10, RFC 2986 §4) for a key that was made here.  From: whoever holds the key.  To: a CA,
//! which reads it with `csr.rs`.
//!
//! It asks for nothing but a certificate of its key: what that is for is the CA's choice.

use crate::file::to_pem;
use crate::{CaError, CaKey, Subject, signed};
use ocspry_wire::der::{tag, write};

impl CaKey {
    /// Asks for a certificate of this key, as PEM (RFC 7468 §7).
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn request_pem(&self, subject: &Subject) -> Result<String, CaError> {
        to_pem("CERTIFICATE REQUEST", &self.request(subject)?)
    }

    fn request(&self, subject: &Subject) -> Result<Vec<u8>, CaError> {
        let mut info = Vec::new();
        write::push_nested(&mut info, tag::SEQUENCE, |info| {
            write::push(info, tag::INTEGER, &[0]); // v1
            info.extend_from_slice(subject.der());
            info.extend_from_slice(self.public_key_info());
            write::push(info, tag::context(0), &[]); // attributes: none
        });
        signed::sign(&info, self)
    }
}
