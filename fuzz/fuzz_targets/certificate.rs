//! The certificate reader and the names it shows: any octets are a certificate, or an error inside the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_wire::x509::{Certificate, SubjectPublicKeyInfo, display_name};

fuzz_target!(|input: &[u8]| {
    assert_printable(&display_name(input));
    let certificate = match Certificate::from_der(input) {
        Ok(certificate) => certificate,
        Err(error) => return assert!(error.offset <= input.len(), "{error}"),
    };
    assert_eq!(certificate.der, input);
    let public_key = SubjectPublicKeyInfo::from_der(certificate.public_key.der);
    assert_eq!(public_key, Ok(certificate.public_key));
    assert_printable(&display_name(certificate.subject));
    assert_printable(&display_name(certificate.issuer));
    if certificate.ext_key_usage.is_none() {
        assert!(!certificate.has_ext_key_usage(&[]));
    }
});

fn assert_printable(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
