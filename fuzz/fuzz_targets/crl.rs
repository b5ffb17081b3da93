//! The CRL reader: any octets are a list whose entries can be walked, or an error inside the input; and the same of them
//! comes out when they are handed in in slices.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::{
    CertificateList, CrlEntry, CrlError, CrlParser, SerialNumber, display_name,
};

fuzz_target!(|input: &[u8]| {
    let mut entries = Vec::new();
    let result = CertificateList::from_der(input, |entry| entries.push(Entry::from(entry)));
    match &result {
        Ok(list) => check(list, &entries, input),
        Err(error) => assert!(error.offset().unwrap_or(0) <= input.len(), "{error}"),
    }
    for octets in [1, 7, 64] {
        let (pushed, in_slices) = read_in(input, octets);
        assert_eq!(pushed, entries, "entries, in slices of {octets}");
        assert_eq!(in_slices, result, "in slices of {octets}");
    }
});

/// What must hold of every list that was read.
fn check(list: &CertificateList, entries: &[Entry], input: &[u8]) {
    assert_eq!(list.header.der_bytes, input.len() as u64);
    let tbs = &list.header.tbs;
    assert!(tbs.start >= 2 && tbs.end < list.header.der_bytes);
    assert!(tbs.end + list.signature.len() as u64 <= list.header.der_bytes);
    let extensions = &list.extensions;
    for number in [&extensions.crl_number, &extensions.base_crl_number]
        .into_iter()
        .flatten()
    {
        assert!((1..=20).contains(&number.len()));
        assert!(number.len() == 1 || number[0] != 0);
    }
    let _ = display_name(&list.header.issuer);

    let scope = extensions.issuing_distribution_point.as_ref();
    let is_indirect = scope.is_some_and(|scope| scope.indirect_crl);
    let mut removed_count = 0_u64;
    let mut issuer = None;
    for entry in entries {
        removed_count += u64::from(entry.remove_from_crl);
        assert!(
            entry.serial_number.is_minimal(),
            "a request could not name it"
        );
        assert!(!(entry.remove_from_crl && entry.revoked.reason.is_some()));
        assert!(entry.certificate_issuer.is_none() || is_indirect);
        assert!(
            entry.certificate_issuer.is_some() || issuer.is_none(),
            "an issuer holds on"
        );
        issuer = entry.certificate_issuer.as_deref();
    }
    let entry_count = entries.len() as u64;
    assert_eq!(list.entry_count, entry_count);
    let defects = list.defects;
    if extensions.base_crl_number.is_some() {
        assert_eq!(defects.remove_from_crl, 0);
    } else {
        assert_eq!(defects.remove_from_crl, removed_count);
    }
    for count in [
        defects.negative_serials,
        defects.long_serials,
        defects.non_minimal_serials,
        defects.uncritical_certificate_issuers,
        defects.unspecified_reasons + defects.undefined_reasons + removed_count,
    ] {
        assert!(count <= entry_count);
    }
}

/// In slices of so many octets; what is not taken comes again.
fn read_in(input: &[u8], octets: usize) -> (Vec<Entry>, Result<CertificateList, CrlError>) {
    let mut entries = Vec::new();
    let mut parser = CrlParser::new();
    let (mut taken, mut end) = (0, 0);
    while end < input.len() {
        end = (end + octets).min(input.len());
        match parser.push(&input[taken..end], |entry| entries.push(Entry::from(entry))) {
            Ok(count) => taken += count,
            Err(error) => return (entries, Err(error)),
        }
        assert!(
            end - taken < CrlParser::PIECE_MAX,
            "more than a piece waits"
        );
    }
    (entries, parser.finish())
}

#[derive(Debug, PartialEq)]
struct Entry {
    serial_number: SerialNumber,
    revoked: RevokedInfo,
    remove_from_crl: bool,
    certificate_issuer: Option<Vec<u8>>,
}

impl From<CrlEntry<'_>> for Entry {
    fn from(entry: CrlEntry<'_>) -> Self {
        Entry {
            serial_number: SerialNumber::from_content(entry.serial_content)
                .expect("1 to 64 octets"),
            revoked: entry.revoked,
            remove_from_crl: entry.remove_from_crl,
            certificate_issuer: entry.certificate_issuer.map(<[u8]>::to_vec),
        }
    }
}
