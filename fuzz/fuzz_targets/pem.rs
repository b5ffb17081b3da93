//! The PEM reader: any octets are blocks, or an error that names one of their lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_wire::x509::pem::{PemError, blocks, is_pem};

fuzz_target!(|input: &[u8]| {
    let lines_count = input
        .iter()
        .filter(|octet| matches!(octet, b'\n' | b'\r'))
        .count()
        + 1;
    match blocks(input) {
        Ok(blocks) => {
            let octets_count: usize = blocks.iter().map(|block| block.der.len()).sum();
            assert!(octets_count <= input.len() / 4 * 3);
            if input.first() != Some(&0x30) {
                assert_eq!(is_pem(input), !blocks.is_empty());
            }
        }
        Err(PemError::NoEnd { line } | PemError::Body { line }) => {
            assert!((1..=lines_count).contains(&line))
        }
    }
});
