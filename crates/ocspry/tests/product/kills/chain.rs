//! A ledger that lives on through many kills, and all that it ever let out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_ledger::{CrlNumber, IssuerNumber, LedgerPlace, LedgerReader};
use ocspry_testkit::{now, pem_to_der};
use ocspry_wire::x509::{CertificateList, SerialNumber};

use crate::ledger_site::LedgerSite;

/// Where lists are published.
const LISTS: [&str; 3] = ["published/root.crl", "root.crl", "delta.crl"];
/// Certificates that are written in place of others.
const CERTIFICATES: [&str; 2] = ["www.pem", "ocsp.pem"];
/// Certificates of a CA that are there to be revoked.
const POOL: u64 = 200;

/// What each chain begins with.
pub(super) fn template() -> LedgerSite {
    let site = LedgerSite::with_root();
    site.done("cert sign root --new-key --key first.key --subject /CN=first.example --out www.pem");
    site.write("www.csr", REQUEST);
    site.write("pool.txt", index(0, POOL, |_| false));
    site.done("index import root pool.txt");
    site.done("ca tick --out-dir published");
    site.done("crl dump root --out root.crl");
    site.done("ca init small --ledger small.db --no-passphrase --key small.key");
    site.done("ledger backup older.db --ledger small.db");
    site.done("ca edit small --ledger small.db --ocsp-url http://o.example/");
    site
}

/// Lines of an index of `openssl ca`, some of which are revoked.
pub(super) fn index(block: u64, count: u64, is_revoked: impl Fn(u64) -> bool) -> String {
    let line = |number| {
        let serial = serial_text(block, number);
        match is_revoked(number) {
            true => format!("R\t351231235959Z\t250101120000Z\t{serial}\tunknown\t/CN=a.example\n"),
            false => format!("V\t351231235959Z\t\t{serial}\tunknown\t/CN=a.example\n"),
        }
    };
    (0..count).map(line).collect()
}

/// One of a block of serial numbers.
pub(super) fn serial_text(block: u64, number: u64) -> String {
    format!("10{block:08X}{number:04X}")
}

/// A ledger, its directory, and what was seen of it.
pub(super) struct Chain {
    pub(super) site: LedgerSite,
    pub(super) root: IssuerNumber,
    /// Kills that it has seen.
    pub(super) kills: usize,
    named: u64,
    pool: u64,
    sequence: u64,
    revoked: HashSet<SerialNumber>,
    /// By serial number.
    certificates: HashMap<SerialNumber, Vec<u8>>,
    /// As they were last seen.
    files: HashMap<String, Vec<u8>>,
    lists: BTreeMap<CrlNumber, Vec<u8>>,
}

impl Chain {
    pub(super) fn new(template: &LedgerSite) -> Chain {
        let site = LedgerSite::copy_of(template);
        let place = LedgerPlace::Sqlite(site.file("ledger.db"));
        let root = LedgerReader::open(&place).unwrap().issuer("root").unwrap();
        let mut chain = Chain {
            site,
            root: root.number,
            kills: 0,
            named: 0,
            pool: 0,
            sequence: 0,
            revoked: HashSet::new(),
            certificates: HashMap::new(),
            files: HashMap::new(),
            lists: BTreeMap::new(),
        };
        chain.look();
        chain
    }

    /// A number that no other command of this chain has.
    pub(super) fn next_number(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    /// A certificate that is not revoked yet.
    pub(super) fn next_of_pool(&mut self) -> String {
        self.pool += 1;
        assert!(self.pool < POOL, "the pool is empty");
        serial_text(0, self.pool)
    }

    /// Writes a responder certificate that a tick will renew: dated back by ten minutes, half of its life is over at once.
    pub(super) fn make_responder(&self) {
        let end = now().plus_seconds(540);
        self.site.done(&format!(
            "cert sign root --csr www.csr --ocsp --subject /CN=ocsp --expires {end} --out ocsp.pem"
        ));
    }

    pub(super) fn reader(&self) -> LedgerReader {
        self.reader_of("ledger.db").unwrap()
    }

    /// None: there is no ledger yet, or none that is finished.
    pub(super) fn reader_of(&self, file: &str) -> Option<LedgerReader> {
        LedgerReader::open(&LedgerPlace::Sqlite(self.site.file(file))).ok()
    }

    pub(super) fn sequence(&self) -> u64 {
        self.reader().position().unwrap().sequence
    }

    /// `ocspry ledger check` says that it is whole.
    pub(super) fn check(&self, file: &str) {
        self.site.done(&format!("ledger check --ledger {file}"));
    }

    /// Looks at the ledger and at all files that it is behind: what holds after every command, killed or not.
    pub(super) fn look(&mut self) {
        let reader = self.reader();
        let sequence = reader.position().unwrap().sequence;
        assert!(sequence >= self.sequence, "facts are gone");
        self.sequence = sequence;
        let mut revoked = HashSet::new();
        reader
            .each_standing(self.root, sequence, |standing| {
                if matches!(standing.revocation, Revocation::Revoked(_)) {
                    revoked.insert(standing.serial_number);
                }
            })
            .unwrap();
        assert!(self.revoked.is_subset(&revoked), "revocations are gone");
        self.revoked = revoked;
        for file in CERTIFICATES {
            self.look_at_certificate(file);
        }
        for file in LISTS {
            self.look_at_list(file, &reader);
        }
        let litter = self.litter();
        let targets: HashSet<&str> = litter.iter().map(|name| target_of(name)).collect();
        assert_eq!(litter.len(), targets.len(), "{litter:?}");
    }

    /// A certificate that is there is whole, and in the ledger.
    pub(super) fn look_at_certificate(&mut self, file: &str) {
        if let Some(content) = self.news_of(file) {
            self.take_certificate(&content);
        }
    }

    /// A certificate in PEM that was let out.
    pub(super) fn take_certificate(&mut self, pem: &[u8]) {
        let der = pem_to_der(std::str::from_utf8(pem).unwrap());
        let certificate = OwnedCertificate::from_der(der.clone()).unwrap();
        let serial = certificate.view().serial_number;
        let recorded = self.reader().certificate(self.root, &serial).unwrap();
        let recorded = recorded.unwrap_or_else(|| panic!("serial {serial} is not in the ledger"));
        assert_eq!(recorded.der.as_ref(), Some(&der), "serial {serial}");
        if let Some(other) = self.certificates.insert(serial, der.clone()) {
            assert_eq!(other, der, "serial {serial} was used twice");
        }
    }

    /// A list that is there is whole; its number is above all that were seen; it names all that is revoked.
    fn look_at_list(&mut self, file: &str, reader: &LedgerReader) {
        let Some(content) = self.news_of(file) else {
            return;
        };
        let der = match content.starts_with(b"-----") {
            true => pem_to_der(std::str::from_utf8(&content).unwrap()),
            false => content,
        };
        self.site.done(&format!("crl check {file} --ca root.pem"));
        let list = CertificateList::from_der(&der, |_| {}).unwrap();
        let number = CrlNumber::from_content(&list.extensions.crl_number.unwrap()).unwrap();
        if let Some((last, _)) = self.lists.last_key_value() {
            assert!(number > *last, "{file} has number {number} after {last}");
        }
        match list.extensions.base_crl_number {
            None => assert_eq!(list.entry_count, self.revoked.len() as u64, "{file}"),
            Some(base) => {
                let last = reader.last_full_crl(self.root).unwrap().unwrap();
                assert_eq!(CrlNumber::from_content(&base), Some(last.number), "{file}");
            }
        }
        self.lists.insert(number, der);
    }

    /// The content of a file, where it is not what it was.
    fn news_of(&mut self, file: &str) -> Option<Vec<u8>> {
        let content = fs::read(self.site.file(file)).ok()?;
        if self.files.get(file) == Some(&content) {
            return None;
        }
        self.files.insert(file.to_owned(), content.clone());
        Some(content)
    }

    /// Files that have no name of their own yet.
    fn litter(&self) -> Vec<String> {
        let names = |directory: &Path| -> Vec<String> {
            let entries = fs::read_dir(directory).unwrap();
            let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
            entries.map(|entry| name(entry.unwrap())).collect()
        };
        let mut found = names(&self.site.file("."));
        found.extend(names(&self.site.file("published")));
        found.retain(|name| name.ends_with(".tmp"));
        found
    }

    /// What was let out at any time is still in the ledger as it was.
    pub(super) fn end(&self) {
        self.check("ledger.db");
        let reader = self.reader();
        for (serial, der) in &self.certificates {
            let recorded = reader.certificate(self.root, serial).unwrap();
            assert_eq!(recorded.and_then(|facts| facts.der).as_ref(), Some(der));
        }
        let highest = reader.highest_crl_number(self.root).unwrap();
        let last = self.lists.last_key_value().map(|(number, _)| *number);
        assert!(highest >= last, "{highest:?} is below {last:?}");
    }
}

/// `.NAME.RANDOM.tmp` becomes NAME.
fn target_of(name: &str) -> &str {
    name.rsplitn(3, '.').last().unwrap_or_default()
}

/// A request of a P-256 key for CN=www.example.com.
const REQUEST: &str = include_str!("www.csr");
