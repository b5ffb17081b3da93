//! The files of the demo: two CAs and what they issued, as their ledger knows it.
//!
//! From: `demo`.  To: a directory that nobody else has files in.  What is whole and has life left stays; a CA that is not is
//! begun anew with its ledger, since all else hangs on it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ocspry_ca::{
    AltName, CRL_LIFETIME, CaConstraints, CaError, CaKey, CertificateAuthority, CertificateRequest,
    Expiry, FileAccess, KeyAlgorithm, NameConstraints, Profile, RootRequest, Subject,
    certificate_to_pem, crl_to_pem, new_serial_number, write_file,
};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{Act, IssuerFacts, IssuerName, Ledger, LedgerPlace, Setting};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SubjectPublicKeyInfo;

use crate::ca_choice;
use crate::certificate_file::CertificateFile;
use crate::cmd::ca::sign_reserved;
use crate::crl_publishing::{self, ListKind, ListLock, ListOrder};

/// The file names of a certificate and its key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) certificate: &'static str,
    key: &'static str,
    common_name: &'static str,
    lifetime: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);
pub(super) const ROOT: Names = Names {
    certificate: "root_ca.pem",
    key: "root_ca.key",
    common_name: "ocspry demo root CA",
    lifetime: Duration::from_secs(3650 * DAY.as_secs()),
};
pub(super) const INTERMEDIATE: Names = Names {
    certificate: "intermediate_ca.pem",
    key: "intermediate_ca.key",
    common_name: "ocspry demo intermediate CA",
    lifetime: Duration::from_secs(1825 * DAY.as_secs()),
};
const RESPONDER: Names = Names {
    certificate: "ocsp.pem",
    key: "ocsp.key",
    common_name: "ocspry demo responder",
    lifetime: Duration::from_secs(30 * DAY.as_secs()),
};
pub(super) const SERVER: Names = Names {
    certificate: "server.pem",
    key: "server.key",
    common_name: "server.demo.example",
    lifetime: Duration::from_secs(90 * DAY.as_secs()),
};
pub(super) const REVOKED: Names = Names {
    certificate: "revoked.pem",
    key: "revoked.key",
    common_name: "revoked.demo.example",
    lifetime: Duration::from_secs(90 * DAY.as_secs()),
};
/// The CA's book.
pub(super) const LEDGER: &str = "ledger.db";
/// What `serve` is told.
pub(super) const CONFIGURATION: &str = "ocspry.toml";
/// The intermediate CA's CRL, for who wants to feed a responder by it.
const CRL: &str = "crl.pem";
/// The same, where `serve` finds it.
const PUBLISHED_CRL: &str = "published/intermediate.crl";
/// The CAs' names in the ledger.
const ROOT_NAME: &str = "root";
const INTERMEDIATE_NAME: &str = "intermediate";

/// Marks a directory whose files may be replaced.
const MARKER: &str = "made-by-ocspry-demo.txt";
const MARKER_TEXT: &str = "\
Made by `ocspry demo`.  The keys in this directory protect nothing: use them for trying things out only.
Running `ocspry demo` again uses these files and renews what has expired.  Delete the directory when done.

root_ca.pem, root_ca.key                  the root CA
intermediate_ca.pem, intermediate_ca.key  the CA that issued the certificates below
ledger.db                                 what the CAs issued and revoked: ocspry cert list --ledger ledger.db
ocsp.pem, ocsp.key                        the responder's certificate (OCSPSigning) and key
server.pem, server.key                    a server certificate: good
revoked.pem, revoked.key                  a server certificate: revoked, keyCompromise
crl.pem                                   the intermediate CA's CRL; in published/ it is handed out at /crl/intermediate.crl
ocspry.toml                               the configuration of `serve`
state                                     what `serve` remembers across restarts
";

/// The files of the demo and the moment they are judged at.
pub(super) struct DemoPki<'a> {
    pub(super) directory: &'a Path,
    pub(super) port: u16,
    pub(super) now: Time,
}

/// The CA that issues, and its ledger.
struct Office {
    ledger: Ledger,
    facts: IssuerFacts,
    authority: CertificateAuthority,
}

impl DemoPki<'_> {
    /// Makes what is missing or no longer fits; returns the names of the files that were written.
    pub(super) fn bring_up_to_date(&self) -> Result<Vec<&'static str>> {
        self.claim_directory()?;
        let mut made = Vec::new();
        let mut office = match self.kept_office()? {
            Some(office) => office,
            None => self.new_office(&mut made)?,
        };
        self.issued(&mut office, RESPONDER, Profile::OcspResponder, &mut made)?;
        self.issued(&mut office, SERVER, Profile::Server, &mut made)?;
        self.issued(&mut office, REVOKED, Profile::Server, &mut made)?;
        self.publish(&mut office, &mut made)?;
        let configuration = configuration(self.port);
        write_file(
            &self.path(CONFIGURATION),
            configuration.as_bytes(),
            FileAccess::Public,
        )?;
        Ok(made)
    }

    /// A directory with foreign files is left alone: theirs could have the names of ours.
    fn claim_directory(&self) -> Result<()> {
        let directory = self.directory.display();
        fs::create_dir_all(self.directory)
            .with_context(|| format!("the directory {directory} cannot be made"))?;
        if !self.path(MARKER).exists() {
            let mut entries = fs::read_dir(self.directory)
                .with_context(|| format!("the directory {directory} cannot be read"))?;
            if entries.next().is_some() {
                bail!(
                    "the directory {directory} has files in it that `ocspry demo` did not make: choose another with --dir"
                );
            }
        }
        // Also over that of an earlier version, which explains other files.
        write_file(
            &self.path(MARKER),
            MARKER_TEXT.as_bytes(),
            FileAccess::Public,
        )?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn place(&self) -> LedgerPlace {
        LedgerPlace::Sqlite(self.path(LEDGER))
    }

    fn act(&self) -> Act {
        Act::by("ocspry demo", self.now)
    }

    /// The CAs of an earlier run, if both are whole and the ledger knows them.
    fn kept_office(&self) -> Result<Option<Office>> {
        if !self.path(LEDGER).exists() {
            return Ok(None);
        }
        let ledger = Ledger::open(&self.place()).with_context(|| {
            format!(
                "delete the directory {} to begin anew",
                self.directory.display()
            )
        })?;
        let known = ledger.reader().issuers()?;
        let mut kept = None;
        for (name, names) in [(ROOT_NAME, ROOT), (INTERMEDIATE_NAME, INTERMEDIATE)] {
            let facts = known.iter().find(|ca| ca.name.as_str() == name);
            let (Some(facts), Some((certificate, key))) = (facts, self.kept(names)) else {
                return Ok(None);
            };
            if facts.certificates.last() != Some(&certificate) {
                return Ok(None);
            }
            kept = Some((facts.clone(), CertificateAuthority::new(certificate, key)?));
        }
        Ok(kept.map(|(facts, authority)| Office {
            ledger,
            facts,
            authority,
        }))
    }

    /// New CAs with a new ledger.
    fn new_office(&self, made: &mut Vec<&'static str>) -> Result<Office> {
        for ending in ["", "-wal", "-shm"] {
            let path = self.path(&format!("{LEDGER}{ending}"));
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("{} cannot be removed", path.display()));
                }
                Ok(()) | Err(_) => {}
            }
        }
        let mut ledger = Ledger::create(&self.place())?;
        let key = self.new_key(ROOT)?;
        let request = RootRequest {
            expiry: Expiry::After(ROOT.lifetime),
            ..RootRequest::usual(subject(ROOT)?)
        };
        let root =
            CertificateAuthority::self_signed(key, &request, new_serial_number()?, self.now)?;
        let settings = [(Setting::Key, ROOT.key)];
        let name = IssuerName::new(ROOT_NAME)?;
        let root_number = ledger.add_issuer(&self.act(), &name, root.certificate(), &settings)?;
        self.write_certificate(ROOT, root.certificate(), made)?;

        let key = self.new_key(INTERMEDIATE)?;
        let profile = Profile::Intermediate(CaConstraints {
            path_len: Some(0),
            names: NameConstraints::default(),
        });
        let mut request =
            CertificateRequest::usual(subject(INTERMEDIATE)?, key.public_key().clone(), profile);
        request.expiry = Expiry::AtMost(INTERMEDIATE.lifetime);
        let prepared = root.prepare(&request, self.now)?;
        let certificate = sign_reserved(&mut ledger, &self.act(), root_number, &prepared)?;
        let name = IssuerName::new(INTERMEDIATE_NAME)?;
        let url = format!("http://127.0.0.1:{}/", self.port);
        let mut settings = vec![
            (Setting::Key, INTERMEDIATE.key),
            (Setting::Parent, ROOT_NAME),
        ];
        // A port that is found only later can stand in no certificate.
        if self.port != 0 {
            settings.push((Setting::OcspUrl, &url));
        }
        ledger.issue_issuer(&self.act(), root_number, &certificate, &name, &settings)?;
        self.write_certificate(INTERMEDIATE, &certificate, made)?;
        let facts = ledger.reader().issuer(INTERMEDIATE_NAME)?;
        let authority = CertificateAuthority::new(certificate, key)?;
        Ok(Office {
            ledger,
            facts,
            authority,
        })
    }

    fn new_key(&self, names: Names) -> Result<CaKey> {
        let key = CaKey::generate(KeyAlgorithm::P256)?;
        key.write_pem(&self.path(names.key), None)?;
        Ok(key)
    }

    /// A certificate that the ledger knows and that is good, or, for [`REVOKED`], is not.
    fn issued(
        &self,
        office: &mut Office,
        names: Names,
        profile: Profile,
        made: &mut Vec<&'static str>,
    ) -> Result<()> {
        let wants_revoked = names == REVOKED;
        let ca = office.facts.number;
        if let Some((certificate, _)) = self.kept(names) {
            let serial = certificate.view().serial_number;
            let reader = office.ledger.reader();
            if reader.certificate(ca, &serial)?.is_some()
                && reader.revocation(ca, &serial)?.is_some() == wants_revoked
            {
                return Ok(());
            }
        }
        let key = self.new_key(names)?;
        let mut request =
            CertificateRequest::usual(subject(names)?, key.public_key().clone(), profile);
        request.expiry = Expiry::AtMost(names.lifetime);
        if request.profile == Profile::Server {
            request.alt_names.push(AltName::dns(names.common_name)?);
            request.pointers = ca_choice::pointers(&office.facts)?;
        }
        let profile = request.profile.name();
        let prepared = office.authority.prepare(&request, self.now)?;
        let act = self.act();
        let certificate = sign_reserved(&mut office.ledger, &act, ca, &prepared)?;
        office.ledger.issue(&act, ca, &certificate, profile)?;
        if wants_revoked {
            let info = RevokedInfo {
                revocation_time: self.now,
                reason: Some(CrlReason::KeyCompromise),
                invalidity_date: None,
            };
            let serial = certificate.view().serial_number;
            office.ledger.revoke(&act, ca, &serial, info)?;
        }
        self.write_certificate(names, &certificate, made)
    }

    /// The pair of an earlier run, if it is whole and has more than a fifth of its life left.
    fn kept(&self, names: Names) -> Option<(OwnedCertificate, CaKey)> {
        let certificate = CertificateFile::read(&self.path(names.certificate))
            .ok()?
            .certificate;
        let key = CaKey::load(&self.path(names.key), None).ok()?;
        let view = certificate.view();
        let fits = SubjectPublicKeyInfo::from_der(key.public_key_info())
            .is_ok_and(|public| public.key_bits == view.public_key.key_bits);
        (fits && self.has_life_left(view.not_before, view.not_after)).then_some((certificate, key))
    }

    fn has_life_left(&self, start: Time, end: Time) -> bool {
        start <= self.now && self.now < end.plus_seconds(-(end.seconds_since(start) / 5))
    }

    fn write_certificate(
        &self,
        names: Names,
        certificate: &OwnedCertificate,
        made: &mut Vec<&'static str>,
    ) -> Result<()> {
        let pem = certificate_to_pem(certificate.der())?;
        write_file(
            &self.path(names.certificate),
            pem.as_bytes(),
            FileAccess::Public,
        )?;
        made.push(names.certificate);
        Ok(())
    }

    /// The next CRL, where the last one is gone, nearly over, or older than what was just made.
    fn publish(&self, office: &mut Office, made: &mut Vec<&'static str>) -> Result<()> {
        let (path, published) = (self.path(CRL), self.path(PUBLISHED_CRL));
        let last = office.ledger.reader().last_full_crl(office.facts.number)?;
        let is_kept = last.is_some_and(|last| {
            self.has_life_left(last.this_update, last.next_update)
                && path.exists()
                && published.exists()
        });
        if is_kept && made.is_empty() {
            return Ok(());
        }
        if let Some(directory) = published.parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("the directory {} cannot be made", directory.display()))?;
        }
        let lock = ListLock::wait(&self.path(LEDGER))?;
        let order = ListOrder {
            ca: &office.facts,
            authority: &office.authority,
            kind: ListKind::Full,
            lifetime: CRL_LIFETIME,
            at_hand: std::slice::from_ref(&published),
        };
        crl_publishing::publish(&mut office.ledger, &lock, &order, &self.act(), |der| {
            write_file(&published, der, FileAccess::Public)?;
            let pem = crl_to_pem(der)?;
            Ok(write_file(&path, pem.as_bytes(), FileAccess::Public)?)
        })?;
        made.push(CRL);
        Ok(())
    }
}

fn subject(names: Names) -> Result<Subject, CaError> {
    Subject::new(names.common_name, Some("ocspry demo"))
}

/// One issuer, fed from the ledger.
fn configuration(port: u16) -> String {
    format!(
        "\
# Written by `ocspry demo` at each start.
version = 1
state-dir = \"state\"

[listen]
ocsp = [\"127.0.0.1:{port}\"]

[ledger]
url = \"sqlite:{LEDGER}\"

[issuer.{INTERMEDIATE_NAME}]
certificate = \"{certificate}\"
status = [{{ ledger = \"{INTERMEDIATE_NAME}\" }}]
responder = {{ certificate = \"{responder}\", key = \"{key}\" }}
",
        certificate = INTERMEDIATE.certificate,
        responder = RESPONDER.certificate,
        key = RESPONDER.key,
    )
}

#[cfg(test)]
mod tests {
    use ocspry_wire::x509::CertificateList;

    use super::*;

    const NOW: Time = Time::from_unix(1_795_240_800);
    const DAY_SECONDS: i64 = 86_400;
    const ALL: [&str; 6] = [
        "root_ca.pem",
        "intermediate_ca.pem",
        "ocsp.pem",
        "server.pem",
        "revoked.pem",
        "crl.pem",
    ];

    fn bring_up_to_date(directory: &Path, now: Time) -> Result<Vec<&'static str>> {
        DemoPki {
            directory,
            port: 8888,
            now,
        }
        .bring_up_to_date()
    }

    #[test]
    fn a_second_run_writes_only_what_is_in_the_last_fifth_of_its_life() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("new");
        assert_eq!(bring_up_to_date(&directory, NOW).unwrap(), ALL);
        assert_eq!(
            bring_up_to_date(&directory, NOW.plus_seconds(DAY_SECONDS)).unwrap(),
            [""; 0]
        );
        let later = |days: i64| NOW.plus_seconds(days * DAY_SECONDS);
        assert_eq!(bring_up_to_date(&directory, later(6)).unwrap(), [CRL]);
        assert_eq!(
            bring_up_to_date(&directory, later(26)).unwrap(),
            ["ocsp.pem", CRL]
        );
        assert_eq!(bring_up_to_date(&directory, later(80)).unwrap(), ALL[2..]);
        assert_eq!(bring_up_to_date(&directory, later(3600)).unwrap(), ALL);
    }

    #[test]
    fn a_renewed_list_counts_on_and_keeps_the_revocation() {
        let directory = tempfile::tempdir().unwrap();
        let list = || {
            let der = fs::read(directory.path().join(PUBLISHED_CRL)).unwrap();
            let mut entries = Vec::new();
            let list = CertificateList::from_der(&der, |entry| {
                entries.push((entry.serial_content.to_vec(), entry.revoked));
            })
            .unwrap();
            let number = list.extensions.crl_number.unwrap();
            (number, entries)
        };
        bring_up_to_date(directory.path(), NOW).unwrap();
        let (number, entries) = list();
        assert_eq!((number.as_slice(), entries.len()), (&[1][..], 1));
        bring_up_to_date(directory.path(), NOW.plus_seconds(6 * DAY_SECONDS)).unwrap();
        assert_eq!(list(), (vec![2], entries));
    }

    #[test]
    fn a_lost_key_or_ledger_of_the_ca_begins_all_of_it_anew() {
        let directory = tempfile::tempdir().unwrap();
        bring_up_to_date(directory.path(), NOW).unwrap();
        for lost in [INTERMEDIATE.key, LEDGER] {
            fs::remove_file(directory.path().join(lost)).unwrap();
            assert_eq!(bring_up_to_date(directory.path(), NOW).unwrap(), ALL);
        }
    }

    #[test]
    fn a_server_certificate_that_somebody_revoked_is_replaced_by_a_good_one() {
        let directory = tempfile::tempdir().unwrap();
        bring_up_to_date(directory.path(), NOW).unwrap();
        let place = LedgerPlace::Sqlite(directory.path().join(LEDGER));
        let mut ledger = Ledger::open(&place).unwrap();
        let ca = ledger.reader().issuer(INTERMEDIATE_NAME).unwrap().number;
        let server = CertificateFile::read(&directory.path().join(SERVER.certificate)).unwrap();
        let serial = server.certificate.view().serial_number;
        let info = RevokedInfo {
            revocation_time: NOW,
            reason: None,
            invalidity_date: None,
        };
        ledger
            .revoke(&Act::by("somebody", NOW), ca, &serial, info)
            .unwrap();
        let made = bring_up_to_date(directory.path(), NOW).unwrap();
        assert_eq!(made, ["server.pem", CRL]);
    }

    #[test]
    fn a_directory_with_foreign_files_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mine = directory.path().join("root_ca.pem");
        fs::write(&mine, "mine").unwrap();
        let error = bring_up_to_date(directory.path(), NOW)
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("did not make: choose another with --dir"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(mine).unwrap(), "mine");
    }
}
