//! Our OCSP decoder beside another one: what both accept they read alike, and where one refuses a named rule says why.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_fuzz::differential::{compare_request, compare_response};

fuzz_target!(|input: &[u8]| {
    for verdict in [compare_request(input), compare_response(input)] {
        if let Err(reason) = verdict {
            panic!("{reason}");
        }
    }
});
