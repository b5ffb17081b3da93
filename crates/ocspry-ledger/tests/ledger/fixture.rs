//! A ledger in a directory of its own, with one CA.

use std::path::PathBuf;
use std::sync::LazyLock;

use ocspry_core::OwnedCertificate;
use ocspry_ledger::{Act, ImportEntry, IssuerName, IssuerNumber, Ledger, LedgerPlace};
use ocspry_testkit::{Authority, KeyKind, TestKey};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

/// One CA for all tests: keys take time.
pub(crate) static ROOT: LazyLock<Authority> =
    LazyLock::new(|| Authority::root("Test Root", KeyKind::P256));
/// The key of every certificate.
pub(crate) static LEAF: LazyLock<TestKey> = LazyLock::new(|| TestKey::generate(KeyKind::P256));

/// The moment of all tests.
pub(crate) const NOW: Time = Time::from_unix(1_900_000_000);

pub(crate) struct Scene {
    pub(crate) place: LedgerPlace,
    pub(crate) ledger: Ledger,
    pub(crate) issuer: IssuerNumber,
    pub(crate) directory: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let place = LedgerPlace::Sqlite(directory.path().join("ledger.db"));
        let mut ledger = Ledger::create(&place).unwrap();
        let issuer = add_root(&mut ledger);
        Scene {
            place,
            ledger,
            issuer,
            directory,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ledger.db")
    }

    /// A second writer, as another process would be.
    pub(crate) fn other(&self) -> Ledger {
        Ledger::open(&self.place).unwrap()
    }

    /// Reserves and issues one.
    pub(crate) fn issue(&mut self, number: u64) -> SerialNumber {
        let serial = serial(number);
        self.ledger
            .reserve_serial(&act(), self.issuer, &serial)
            .unwrap();
        self.ledger
            .issue(&act(), self.issuer, &certificate(number), "server")
            .unwrap();
        serial
    }

    pub(crate) fn revoke(&mut self, serial: &SerialNumber, reason: CrlReason) {
        self.ledger
            .revoke(&act(), self.issuer, serial, revoked(reason))
            .unwrap();
    }

    /// Issued and revoked.
    pub(crate) fn issue_revoked(&mut self, number: u64) -> SerialNumber {
        let serial = self.issue(number);
        self.revoke(&serial, CrlReason::Superseded);
        serial
    }
}

pub(crate) fn add_root(ledger: &mut Ledger) -> IssuerNumber {
    let certificate = OwnedCertificate::from_der(ROOT.certificate.clone()).unwrap();
    let name = IssuerName::new("root").unwrap();
    ledger.add_issuer(&act(), &name, &certificate, &[]).unwrap()
}

pub(crate) fn act() -> Act {
    Act::by("tests", NOW)
}

/// Content octets of one length, so that numbers sort as serials do.
pub(crate) fn serial(number: u64) -> SerialNumber {
    let octets = [&[0x10][..], &number.to_be_bytes()].concat();
    SerialNumber::from_content(&octets).unwrap()
}

pub(crate) fn certificate(number: u64) -> OwnedCertificate {
    let mut spec = ocspry_testkit::CertificateSpec::server(&format!("host-{number}.example.com"));
    spec.serial = Some(serial(number).content().to_vec());
    spec.not_before = NOW.plus_seconds(-86_400);
    spec.not_after = NOW.plus_seconds(86_400);
    OwnedCertificate::from_der(ROOT.issue(&spec, &LEAF.public_key_info())).unwrap()
}

pub(crate) fn revoked(reason: CrlReason) -> RevokedInfo {
    RevokedInfo {
        revocation_time: NOW.plus_seconds(-60),
        reason: Some(reason),
        invalidity_date: None,
    }
}

/// As an index names it: no certificate.
pub(crate) fn entry(number: u64, revoked: Option<RevokedInfo>) -> ImportEntry {
    ImportEntry {
        serial_number: serial(number),
        subject: format!("CN=host-{number}.example.com"),
        not_before: None,
        not_after: NOW.plus_seconds(86_400),
        der: None,
        profile: None,
        revoked,
    }
}
