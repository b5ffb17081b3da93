//! The request decoder: any octets are a request whose parts agree with each other, or an error inside the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_wire::der::write::push;
use ocspry_wire::der::{oid, tag};
use ocspry_wire::ocsp::{CertId, Nonce, OcspRequest};

fuzz_target!(|input: &[u8]| {
    let request = match OcspRequest::from_der(input) {
        Ok(request) => request,
        Err(error) => return assert!(error.offset <= input.len(), "{error}"),
    };
    assert!(is_inside(request.tbs_request, input));
    let singles: Vec<_> = request.single_requests().collect();
    assert_eq!(singles.len(), request.single_request_count);
    assert_eq!(singles[0], request.first);
    for single in singles {
        let cert_id = single.cert_id;
        assert!(is_inside(cert_id.der, request.tbs_request));
        assert_eq!(CertId::from_der(cert_id.der), Ok(cert_id));
        if let Some(hash) = cert_id.hash_algorithm {
            assert_eq!(cert_id.issuer_name_hash.len(), hash.digest_length());
            assert_eq!(cert_id.issuer_key_hash.len(), hash.digest_length());
            let holds = |part: &[u8]| cert_id.der.windows(part.len()).any(|window| window == part);
            assert!(holds(hash.oid()));
            assert!(hash.name().starts_with("SHA-"));
        }
        assert!(cert_id.serial_number.is_minimal());
    }
    if let Some(nonce) = request.nonce {
        assert!(is_inside(nonce.octets(), request.tbs_request));
        assert!((1..=128).contains(&nonce.octets().len()));
        let mut value = Vec::new();
        push(&mut value, tag::OCTET_STRING, nonce.octets());
        assert_eq!(Nonce::from_der(&value), Ok(nonce));
    }
    if let Some(preferred) = &request.preferred_signature_algorithms {
        for entry in preferred.iter() {
            // Who names a kind of key names one: never this and that.
            let admits = |algorithm, curve| entry.admits_key(algorithm, curve);
            let admits_rsa = admits(oid::RSA_ENCRYPTION, None);
            let admits_p256 = admits(oid::EC_PUBLIC_KEY, Some(oid::P256));
            assert!(!(admits_rsa && admits_p256) || admits(oid::ED25519, None));
        }
    }
    // A DER element has one length: nothing shorter and nothing longer is a request.
    assert!(OcspRequest::from_der(&input[..input.len() - 1]).is_err());
    assert!(OcspRequest::from_der(&[input, &[0]].concat()).is_err());
});

fn is_inside(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}
