//! Lists of several windows: what is parsed on one thread is hashed, and the next window read, on another.

use std::sync::{Arc, LazyLock};

use ocspry_core::crypto::sha256;
use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_source::{
    CrlSigners, ListLoad, ListReader, LoadedList, Progress, SourceError, SourceLimits, crl_issuer,
};
use ocspry_testkit::{Authority, CrlSpec, KeyKind, pem};
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::{CertificateList, SerialNumber};
use tempfile::NamedTempFile;

const COUNT: u32 = 70_000;
/// What is read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// A CA and its list of some 3 MiB, which is made once.
struct Long {
    ca: Authority,
    der: Vec<u8>,
}

static LONG: LazyLock<Long> = LazyLock::new(|| Long::new(KeyKind::P256));

impl Long {
    fn new(kind: KeyKind) -> Long {
        let ca = Authority::root("Example CA", kind);
        let now = ocspry_testkit::now();
        let list = CrlSpec::new(1)
            .made_at(now.plus_seconds(-60))
            .until(now.plus_seconds(86_400));
        let list = (0..COUNT).fold(list, |list, number| {
            list.revoke(&serial(number), reason(number))
        });
        let der = ca.crl(&list);
        assert!(der.len() > 2 * WINDOW_BYTES + WINDOW_BYTES / 2);
        Long { ca, der }
    }

    fn open(&self, file: &NamedTempFile, limits: &SourceLimits) -> ListLoad {
        let ca = OwnedCertificate::from_der(self.ca.certificate.clone()).unwrap();
        let signers = Arc::new(CrlSigners::new(ca, Vec::new()));
        ListLoad::open(file.path(), &signers, limits).unwrap()
    }

    fn load(&self, content: &[u8]) -> Result<LoadedList, SourceError> {
        let file = file_of(content);
        self.open(&file, &SourceLimits::DEFAULT)
            .run(ocspry_testkit::now())
    }

    /// The part that is signed.
    fn tbs(&self) -> &[u8] {
        let header = CertificateList::from_der(&self.der, |_| {}).unwrap().header;
        &self.der[header.tbs.start as usize..header.tbs.end as usize]
    }
}

fn file_of(content: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

/// In no order, of 20 octets each.
fn serial(number: u32) -> Vec<u8> {
    let scattered = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [&[0x5a; 8][..], &scattered.to_be_bytes(), &[7; 4]].concat()
}

fn reason(number: u32) -> Option<CrlReason> {
    number.is_multiple_of(3).then_some(CrlReason::Superseded)
}

#[test]
fn a_list_of_several_windows_is_whole_in_der_and_in_pem() {
    let block = pem("X509 CRL", &LONG.der).into_bytes();
    for content in [&LONG.der, &block] {
        let list = LONG.load(content).unwrap();
        assert_eq!(list.facts.digest, sha256(LONG.tbs()));
        assert_eq!(list.serials.len(), COUNT as usize);
        for number in 0..COUNT {
            let serial = SerialNumber::from_content(&serial(number)).unwrap();
            let Some(Revocation::Revoked(info)) = list.serials.lookup(&serial) else {
                panic!("{number} is lost");
            };
            assert_eq!(info.reason, reason(number), "{number}");
        }

        let file = file_of(content);
        assert_eq!(crl_issuer(file.path()).unwrap(), LONG.ca.name);
        let mut reader = ListReader::open(file.path(), &SourceLimits::DEFAULT).unwrap();
        let mut count = 0;
        while reader.step(|_| count += 1).unwrap().is_some() {}
        let read = reader.finish(|_| count += 1).unwrap();
        assert_eq!(count, COUNT);
        assert_eq!(read.digest, sha256(LONG.tbs()));
        assert_eq!(read.file_bytes, content.len() as u64);
        assert_eq!(read.is_pem, content == &block);
    }
}

#[test]
fn one_bit_turned_in_any_window_of_a_long_list_is_refused() {
    for window in 0..3 {
        let mut turned = LONG.der.clone();
        let from = window * WINDOW_BYTES + WINDOW_BYTES / 4;
        // The first octets of all serials are alike: the list is one as before, but for its signature.
        let place = turned[from..].windows(8).position(|seen| seen == [0x5a; 8]);
        turned[from + place.unwrap() + 7] ^= 1;
        let refused = LONG.load(&turned);
        assert!(
            matches!(refused, Err(SourceError::BadSignature { .. })),
            "{window}: {refused:?}"
        );
    }
}

#[test]
fn what_is_no_entry_in_a_later_window_is_refused_where_it_stands_and_stays_refused() {
    let mut broken = LONG.der.clone();
    let from = WINDOW_BYTES + WINDOW_BYTES / 2;
    let place = broken[from..].windows(8).position(|seen| seen == [0x5a; 8]);
    // The tag of a serial number.
    let at = from + place.unwrap() - 2;
    broken[at] = 0x04;
    let refused = LONG.load(&broken);
    assert!(
        matches!(refused, Err(SourceError::Malformed { offset, .. }) if offset == at),
        "{at}: {refused:?}"
    );

    let file = file_of(&broken);
    let mut reader = ListReader::open(file.path(), &SourceLimits::DEFAULT).unwrap();
    assert!(reader.step(|_| {}).is_ok());
    for _ in 0..3 {
        assert!(reader.step(|_| {}).is_err());
    }
}

#[test]
fn a_long_list_that_shrinks_or_grows_while_it_is_read_is_refused() {
    for (length, is_cut_off) in [
        (2 * WINDOW_BYTES + 5, true),
        (WINDOW_BYTES + 1, true),
        (LONG.der.len() + 1, false),
    ] {
        let file = file_of(&LONG.der);
        let mut load = LONG.open(&file, &SourceLimits::DEFAULT);
        assert!(matches!(load.step(), Ok(Progress::Reading { .. })));
        file.as_file().set_len(length as u64).unwrap();
        let refused = load.run(ocspry_testkit::now());
        assert!(
            match &refused {
                Err(SourceError::Truncated { .. }) => is_cut_off,
                Err(SourceError::Malformed { offset, .. }) =>
                    !is_cut_off && *offset == LONG.der.len(),
                _ => false,
            },
            "{length}: {refused:?}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_file_behind_the_first_window_is_said() {
    let file = file_of(&LONG.der);
    let limits = SourceLimits {
        crl_bytes_max: LONG.der.len() as u64,
        ..SourceLimits::DEFAULT
    };
    let mut load = LONG.open(&file, &limits);
    assert!(matches!(load.step(), Ok(Progress::Reading { .. })));
    file.as_file().set_len(limits.crl_bytes_max + 1).unwrap();
    let refused = load.run(ocspry_testkit::now());
    assert!(
        matches!(refused, Err(SourceError::TooLarge { .. })),
        "{refused:?}"
    );

    let mut text = pem("X509 CRL", &LONG.der).into_bytes();
    let place = 2 * WINDOW_BYTES + WINDOW_BYTES / 2;
    text[place] = b'!';
    let line = 1 + text[..place]
        .iter()
        .filter(|octet| **octet == b'\n')
        .count();
    let refused = LONG.load(&text);
    assert!(
        matches!(refused, Err(SourceError::Pem { line: found, .. }) if found == line),
        "{line}: {refused:?}"
    );
}

#[test]
fn a_block_without_an_end_is_called_that_before_what_it_holds_is_looked_at() {
    let text = pem("X509 CRL", &[0x04; 60]);
    let (block, _) = text.split_once("-----END").unwrap();
    let refused = LONG.load(block.as_bytes());
    assert!(
        matches!(refused, Err(SourceError::Pem { line: 1, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_long_list_signed_with_ed25519_is_kept_whole_up_to_the_limit() {
    let long = Long::new(KeyKind::Ed25519);
    let file = file_of(&long.der);
    let with = |ed25519_bytes_max| {
        let limits = SourceLimits {
            ed25519_bytes_max,
            ..SourceLimits::DEFAULT
        };
        long.open(&file, &limits).run(ocspry_testkit::now())
    };
    let bytes = long.tbs().len();
    assert_eq!(with(bytes).unwrap().serials.len(), COUNT as usize);
    for bytes_max in [bytes - 1, WINDOW_BYTES] {
        let refused = with(bytes_max);
        assert!(
            matches!(refused, Err(SourceError::TooLargeForEd25519 { .. })),
            "{refused:?}"
        );
    }
}
