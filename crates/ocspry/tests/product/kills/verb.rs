//! The commands that are killed, what may be there then, and what is there once they were run again.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ocspry_ledger::CrlNumber;
use ocspry_testkit::{Finished, pem_to_der};

use super::chain::{Chain, index, serial_text};

/// A command of the CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Sign,
    SignPrinted,
    SignNewKey,
    Revoke,
    RevokeMany,
    DumpFull,
    DumpDelta,
    Tick,
    ImportIndex,
    ImportOpensslCa,
    Init,
    Backup,
    Restore,
}

impl Verb {
    pub(super) const ALL: [Verb; 13] = [
        Verb::Sign,
        Verb::SignPrinted,
        Verb::SignNewKey,
        Verb::Revoke,
        Verb::RevokeMany,
        Verb::DumpFull,
        Verb::DumpDelta,
        Verb::Tick,
        Verb::ImportIndex,
        Verb::ImportOpensslCa,
        Verb::Init,
        Verb::Backup,
        Verb::Restore,
    ];

    /// How many facts of the chain's ledger there may be more after it was cut off: as many as after each of its
    /// transactions, the last of which ends it.  None: it adds to another ledger, or it depends.
    fn facts(self) -> Option<&'static [u64]> {
        match self {
            Verb::Sign | Verb::SignPrinted | Verb::SignNewKey => Some(&[1, 2]),
            Verb::DumpFull | Verb::DumpDelta => Some(&[1, 2]),
            Verb::Tick => Some(&[1, 2, 3, 4]),
            Verb::Revoke => Some(&[1]),
            Verb::RevokeMany => Some(&[BATCH, REVOKED]),
            Verb::ImportIndex => Some(&[BATCH + BATCH / REVOKED_ONE_IN, IMPORTED_FACTS]),
            Verb::ImportOpensslCa | Verb::Init | Verb::Backup | Verb::Restore => None,
        }
    }

    /// Does it go on from where it was cut off?  The others begin anew.
    fn goes_on(self) -> bool {
        matches!(self, Verb::Revoke | Verb::RevokeMany | Verb::ImportIndex)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Sign => "cert sign --csr --out",
            Verb::SignPrinted => "cert sign --csr",
            Verb::SignNewKey => "cert sign --new-key --out",
            Verb::Revoke => "cert revoke SERIAL",
            Verb::RevokeMany => "cert revoke --from",
            Verb::DumpFull => "crl dump --out",
            Verb::DumpDelta => "crl dump --delta --out",
            Verb::Tick => "ca tick --responder",
            Verb::ImportIndex => "index import",
            Verb::ImportOpensslCa => "import openssl-ca",
            Verb::Init => "ca init",
            Verb::Backup => "ledger backup",
            Verb::Restore => "ledger restore",
        })
    }
}

/// Two batches: one of 4096, and one more.
const REVOKED: u64 = BATCH + 1;
/// Two batches: one of 4096, and four more.
const IMPORTED: u64 = BATCH + 4;
const BATCH: u64 = 4096;
const REVOKED_ONE_IN: u64 = 16;
/// With the revocation of the first of the last four.
const IMPORTED_FACTS: u64 = IMPORTED + BATCH / REVOKED_ONE_IN + 1;
/// In the index of a CA of openssl; beside it there is one more.
const LISTED: u64 = 20;

/// One run of a command, with all that it needs.
pub(super) struct Attempt {
    verb: Verb,
    /// What it makes is called so, or it is the serial number of what it revokes.
    name: String,
    /// File of the key that it makes, if it makes one.
    key: String,
    /// Its arguments.
    pub(super) line: String,
    sequence_before: u64,
}

impl Attempt {
    /// Makes ready what it needs.
    pub(super) fn begin(verb: Verb, chain: &mut Chain) -> Attempt {
        let number = chain.next_number();
        let name = match verb {
            Verb::Revoke => chain.next_of_pool(),
            _ => format!("n{number}"),
        };
        match verb {
            Verb::RevokeMany => {
                let serials = (0..REVOKED).map(|at| serial_text(number, at) + "\n");
                chain.site.write(&name, serials.collect::<String>());
                let file = format!("{name}.txt");
                chain.site.write(&file, index(number, REVOKED, |_| false));
                chain.site.done(&format!("index import root {file}"));
            }
            Verb::ImportIndex => {
                let lines = index(number, IMPORTED, |at| at % REVOKED_ONE_IN == 0);
                chain.site.write(&format!("{name}.txt"), lines);
            }
            Verb::Tick => {
                let serial = chain.next_of_pool();
                chain.site.done(&format!("cert revoke {serial} --yes"));
                chain.make_responder();
            }
            Verb::ImportOpensslCa => make_openssl_ca(chain, &name, number),
            Verb::Restore => {
                fs::create_dir(chain.site.file(&name)).unwrap();
                for ending in ["", "-wal", "-shm"] {
                    let from = chain.site.file(&format!("small.db{ending}"));
                    let to = chain.site.file(&format!("{name}/ledger.db{ending}"));
                    fs::copy(from, to).unwrap();
                }
            }
            Verb::Sign
            | Verb::SignPrinted
            | Verb::SignNewKey
            | Verb::Revoke
            | Verb::DumpFull
            | Verb::DumpDelta
            | Verb::Init
            | Verb::Backup => {}
        }
        // What it was made ready with has been seen before it begins.
        chain.look();
        Attempt {
            verb,
            line: line(verb, &name, &format!("{name}.key")),
            key: format!("{name}.key"),
            name,
            sequence_before: chain.sequence(),
        }
    }

    /// After it was killed: all of a step or nothing.
    pub(super) fn check_killed(&self, chain: &mut Chain, finished: &Finished) {
        chain.check("ledger.db");
        if let Some(facts) = self.verb.facts() {
            let more = chain.sequence() - self.sequence_before;
            assert!(more == 0 || facts.contains(&more), "{more} facts");
            if self.verb == Verb::Revoke && finished.stderr.contains("recorded") {
                assert_eq!(more, 1);
            }
        }
        self.check_files(chain, finished);
        chain.look();
    }

    /// What it made, as far as it is there.
    fn check_files(&self, chain: &mut Chain, finished: &Finished) {
        let name = &self.name;
        let is_there = |file: &str| chain.site.file(file).exists();
        match self.verb {
            Verb::SignPrinted => {
                if !finished.stdout.is_empty() {
                    chain.take_certificate(finished.stdout.as_bytes());
                }
            }
            Verb::SignNewKey => {
                let certificate = format!("{name}.pem");
                if is_there(&self.key) {
                    check_key(chain, &self.key);
                }
                assert!(
                    is_there(&self.key) || !is_there(&certificate),
                    "without its key"
                );
                chain.look_at_certificate(&certificate);
            }
            Verb::ImportOpensslCa => {
                let entries = imported(chain, name);
                let may_be = [None, Some(0), Some(LISTED), Some(LISTED + 1)];
                assert!(may_be.contains(&entries), "{entries:?} entries");
            }
            Verb::Init => {
                if is_there(&self.key) {
                    check_key(chain, &self.key);
                }
                let ca = made(chain, name);
                if ca.is_some() {
                    assert!(is_there(&self.key), "a CA without its key");
                    chain.check(&format!("{name}.db"));
                }
                if is_there(&format!("{name}.pem")) {
                    let pem = chain.site.read(&format!("{name}.pem"));
                    let der = pem_to_der(std::str::from_utf8(&pem).unwrap());
                    assert_eq!(ca, Some(der), "its certificate is out");
                }
            }
            Verb::Backup => {
                let file = format!("{name}.db");
                if is_there(&file) {
                    chain.check(&file);
                    assert_eq!(sequence_of(chain, &file), sequence_of(chain, "small.db"));
                }
            }
            Verb::Restore => {
                let file = format!("{name}/ledger.db");
                chain.check(&file);
                let sequence = sequence_of(chain, &file);
                let may_be = ["older.db", "small.db"].map(|file| sequence_of(chain, file));
                assert!(may_be.contains(&sequence), "{sequence} of {may_be:?}");
            }
            Verb::Sign
            | Verb::Revoke
            | Verb::RevokeMany
            | Verb::DumpFull
            | Verb::DumpDelta
            | Verb::Tick
            | Verb::ImportIndex => {}
        }
    }

    /// What one types then; None: it was done to its end.
    pub(super) fn again(&mut self, chain: &Chain) -> Option<String> {
        let is_done = match self.verb {
            Verb::Init => made(chain, &self.name).is_some(),
            Verb::Backup => chain.site.file(&format!("{}.db", self.name)).exists(),
            _ => false,
        };
        // A key is never overwritten.
        self.key = format!("{}-again.key", self.name);
        (!is_done).then(|| line(self.verb, &self.name, &self.key))
    }

    /// After a run to its end, the first one or the one after a kill.
    pub(super) fn check_done(&self, chain: &mut Chain, finished: &Finished) {
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let name = &self.name;
        self.check_files(chain, finished);
        chain.look();
        if let (Some(facts), true) = (self.verb.facts(), self.verb.goes_on()) {
            let more = chain.sequence() - self.sequence_before;
            assert_eq!(Some(&more), facts.last());
        }
        match self.verb {
            Verb::SignPrinted => assert!(!finished.stdout.is_empty()),
            Verb::SignNewKey => assert!(chain.site.file(&format!("{name}.pem")).exists()),
            Verb::ImportOpensslCa => {
                assert_eq!(imported(chain, name), Some(LISTED + 1));
                let reader = chain.reader();
                let issuer = reader.issuer(name).unwrap().number;
                let highest = reader.highest_crl_number(issuer).unwrap();
                assert_eq!(highest, Some(CrlNumber::from(9)));
            }
            Verb::Init => assert!(made(chain, name).is_some()),
            Verb::Backup => assert!(chain.site.file(&format!("{name}.db")).exists()),
            Verb::Restore => {
                let file = format!("{name}/ledger.db");
                assert_eq!(sequence_of(chain, &file), sequence_of(chain, "older.db"));
                let reader = chain.reader_of(&file).unwrap();
                assert!(reader.is_restored().unwrap(), "it is to be reconciled");
            }
            Verb::Sign
            | Verb::Revoke
            | Verb::RevokeMany
            | Verb::DumpFull
            | Verb::DumpDelta
            | Verb::Tick
            | Verb::ImportIndex => {}
        }
    }
}

fn line(verb: Verb, name: &str, key: &str) -> String {
    match verb {
        Verb::Sign => "cert sign root --csr www.csr --take-subject --out www.pem".to_owned(),
        Verb::SignPrinted => "cert sign root --csr www.csr --take-subject".to_owned(),
        Verb::SignNewKey => format!(
            "cert sign root --new-key --key {key} --subject /CN={name}.example --out {name}.pem"
        ),
        Verb::Revoke => format!("cert revoke {name} --reason superseded --yes"),
        Verb::RevokeMany => {
            format!("cert revoke --ca root --from {name} --reason superseded --yes")
        }
        Verb::DumpFull => "crl dump root --out root.crl".to_owned(),
        Verb::DumpDelta => "crl dump root --delta --form der --out delta.crl".to_owned(),
        Verb::Tick => "ca tick root --out-dir published --responder ocsp.pem".to_owned(),
        Verb::ImportIndex => format!("index import root {name}.txt"),
        Verb::ImportOpensslCa => format!("import openssl-ca {name} --name {name}"),
        Verb::Init => format!(
            "ca init {name} --ledger {name}.db --no-passphrase --key {key} --out {name}.pem"
        ),
        Verb::Backup => format!("ledger backup {name}.db --ledger small.db"),
        Verb::Restore => format!("ledger restore older.db --ledger {name}/ledger.db --yes"),
    }
}

/// A directory as `openssl ca` keeps it: an index, and one certificate that it lacks.
fn make_openssl_ca(chain: &Chain, name: &str, number: u64) {
    let site = &chain.site;
    for directory in ["newcerts", "private"] {
        fs::create_dir_all(site.file(&format!("{name}/{directory}"))).unwrap();
    }
    site.done(&format!(
        "ca init {name} --ledger {name}/own.db --no-passphrase --key {name}/private/cakey.pem --out {name}/cacert.pem"
    ));
    site.done(&format!(
        "cert sign {name} --ledger {name}/own.db --new-key --key {name}/a.key --subject /CN=a.example --out \
         {name}/newcerts/a.pem"
    ));
    site.write(
        &format!("{name}/index.txt"),
        index(number, LISTED, |at| at == 3),
    );
    site.write(&format!("{name}/crlnumber"), "0A\n");
}

/// How many certificates the ledger knows of an imported CA; None: it does not know the CA.
fn imported(chain: &Chain, name: &str) -> Option<u64> {
    let reader = chain.reader();
    let issuer = reader.issuer(name).ok()?.number;
    let pages = reader.pages(Some(issuer));
    Some(pages.map(|page| page.unwrap().len() as u64).sum())
}

/// The certificate of a CA that was made, in a ledger of its own.
fn made(chain: &Chain, name: &str) -> Option<Vec<u8>> {
    let reader = chain.reader_of(&format!("{name}.db"))?;
    let issuer = reader.issuer(name).ok()?;
    issuer
        .certificates
        .last()
        .map(|certificate| certificate.der().to_vec())
}

fn sequence_of(chain: &Chain, file: &str) -> u64 {
    let reader = chain.reader_of(file).unwrap();
    reader.position().unwrap().sequence
}

/// It is whole, and for its owner.
fn check_key(chain: &Chain, file: &str) {
    let text = String::from_utf8(chain.site.read(file)).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{file}");
    assert!(
        text.trim_end().ends_with("-----END PRIVATE KEY-----"),
        "{file}"
    );
    let mode = fs::metadata(chain.site.file(file))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "{file}");
}
