//! The CRL reader: any octets are a list whose entries can be walked, or an error inside the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_wire::x509::{CertificateList, CrlError, display_name};

fuzz_target!(|input: &[u8]| {
    let list = match CertificateList::from_der(input) {
        Ok(list) => list,
        Err(error) => return assert_inside(error, input),
    };
    assert!(list.tbs.len() + list.signature.len() < input.len());
    if let Some(number) = list.crl_number {
        assert!((1..=20).contains(&number.len()));
        assert!(number.len() == 1 || number[0] != 0);
    }
    let _ = display_name(list.issuer);

    let mut entries_count = 0_u64;
    let mut removed_count = 0_u64;
    let result = list.for_each_entry(|entry| {
        entries_count += 1;
        removed_count += u64::from(entry.remove_from_crl);
        assert!(
            entry.serial_number.is_minimal(),
            "a request could not name it"
        );
        assert!(!(entry.remove_from_crl && entry.revoked.reason.is_some()));
    });
    match result {
        Ok(defects) => {
            assert_eq!(defects.remove_from_crl, removed_count);
            for count in [
                defects.negative_serials,
                defects.long_serials,
                defects.non_minimal_serials,
            ] {
                assert!(count <= entries_count);
            }
            assert!(
                defects.unspecified_reasons + defects.undefined_reasons + removed_count
                    <= entries_count
            );
        }
        Err(error) => assert_inside(error, input),
    }
});

fn assert_inside(error: CrlError, input: &[u8]) {
    let offset = match error {
        CrlError::Der(error) => error.offset,
        CrlError::UnknownCriticalExtension { offset }
        | CrlError::UnknownCriticalEntryExtension { offset }
        | CrlError::SerialTooLong { offset } => offset,
        CrlError::AlgorithmMismatch
        | CrlError::Delta
        | CrlError::Partitioned
        | CrlError::Indirect => 0,
    };
    assert!(offset <= input.len(), "{error}");
}
