//! The response reader: any octets are a response, or an error inside the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_wire::ocsp::{CertId, CertStatus, CrlReason, OcspResponse, ResponseStatus};
use ocspry_wire::x509::Certificate;

fuzz_target!(|input: &[u8]| {
    let response = match OcspResponse::from_der(input) {
        Ok(response) => response,
        Err(error) => return assert!(error.offset <= input.len(), "{error}"),
    };
    let Some(basic) = response.basic else {
        let ResponseStatus::Error(status) = response.status else {
            panic!("successful without a body")
        };
        return assert_eq!(input, status.der());
    };
    assert_eq!(response.status, ResponseStatus::Successful);
    assert!(!basic.responses.is_empty());
    for single in &basic.responses {
        assert_eq!(CertId::from_der(single.cert_id.der), Ok(single.cert_id));
        if let CertStatus::Revoked(info) = single.cert_status
            && let Some(reason) = info.reason
        {
            let again = CrlReason::from_code(reason.code());
            assert_eq!(again, Some(reason));
            assert!(!reason.name().is_empty());
        }
    }
    for certificate in &basic.certificates {
        let _ = Certificate::from_der(certificate);
    }
});
