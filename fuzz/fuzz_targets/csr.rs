//! The reader of certification requests (PKCS#10): any octets are a request, or an error inside the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_wire::x509::{CertificationRequest, SubjectPublicKeyInfo};

fuzz_target!(|input: &[u8]| {
    let request = match CertificationRequest::from_der(input) {
        Ok(request) => request,
        Err(error) => return assert!(error.offset <= input.len(), "{error}"),
    };
    let is_slice = |part: &[u8]| input.windows(part.len()).any(|window| window == part);
    assert!(is_slice(request.info) && is_slice(request.subject));
    let public_key = SubjectPublicKeyInfo::from_der(request.public_key.der);
    assert_eq!(public_key, Ok(request.public_key));
    let requested = request.requested;
    assert!(requested.others.len() <= ocspry_wire::x509::extension::EXTENSIONS_MAX);
    if let Some(names) = requested.subject_alt_name {
        assert!(is_slice(names) && names.first() == Some(&0x30));
    }
});
