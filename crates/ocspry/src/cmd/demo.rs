//! `ocspry demo`: a throw-away PKI, served like any other, with the client commands to try.
//!
//! From: `main`.  To: files in a directory (through `ocspry_ca`), then the same path as `serve`.  A second run uses the
//! files of the first, and renews what is over or in the last fifth of its life.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{
    AltName, CaConstraints, CaError, CaKey, CertificateAuthority, CertificateRequest, Expiry,
    FileAccess, HttpUrl, KeyAlgorithm, NameConstraints, Pointers, Profile, RevocationList,
    RevokedCertificate, RootRequest, Subject, certificate_to_pem, crl_to_pem, new_serial_number,
    write_file,
};
use ocspry_core::{Clock, OwnedCertificate, Revocation, SystemClock, crypto};
use ocspry_source::{CrlSigners, ListLoad, SourceLimits};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SubjectPublicKeyInfo;

use crate::certificate_file::CertificateFile;
use crate::cmd::serve;
use crate::config::{ConfigOrigin, ServeFlags};
use crate::shell;

/// What `demo` can be told.
#[derive(Debug, Args)]
pub(crate) struct DemoFlags {
    /// Directory for the files; they stay, and the next run uses them again
    #[arg(long, value_name = "DIR", default_value = "ocspry-demo", value_hint = ValueHint::DirPath)]
    dir: PathBuf,

    /// Port to listen on at 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8888)]
    port: u16,
}

/// Makes or renews the files, then serves them.
///
/// # Errors
/// The directory is somebody else's or cannot be written, or what keeps `serve` from starting.
pub(crate) fn run(flags: &DemoFlags) -> Result<ExitCode> {
    let pki = DemoPki {
        directory: &flags.dir,
        port: flags.port,
        now: SystemClock.now(),
    };
    let made = pki.bring_up_to_date()?;
    let path = |name: &str| flags.dir.join(name);
    let serve_flags = ServeFlags {
        port: Some(flags.port),
        ca: vec![path(INTERMEDIATE.certificate)],
        crl: vec![path(CRL)],
        ocsp_cert: vec![path(RESPONDER.certificate)],
        ocsp_key: vec![path(RESPONDER.key)],
        state_dir: Some(path("state")),
        control_socket: None,
        config: None,
        host: None,
        admin: None,
        ca_key: Vec::new(),
        ocsp_key_passphrase_file: None,
        cache_ttl: None,
        next_update: None,
        log_file: None,
    };
    let origin = ConfigOrigin::from_flags(serve_flags);
    serve::serve(origin, |addresses| try_it(&flags.dir, &made, addresses))
}

/// The file names of a certificate and its key.
#[derive(Clone, Copy)]
struct Names {
    certificate: &'static str,
    key: &'static str,
    common_name: &'static str,
    lifetime: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);
const ROOT: Names = Names {
    certificate: "root_ca.pem",
    key: "root_ca.key",
    common_name: "ocspry demo root CA",
    lifetime: Duration::from_secs(3650 * DAY.as_secs()),
};
const INTERMEDIATE: Names = Names {
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
const SERVER: Names = Names {
    certificate: "server.pem",
    key: "server.key",
    common_name: "server.demo.example",
    lifetime: Duration::from_secs(90 * DAY.as_secs()),
};
const REVOKED: Names = Names {
    certificate: "revoked.pem",
    key: "revoked.key",
    common_name: "revoked.demo.example",
    lifetime: Duration::from_secs(90 * DAY.as_secs()),
};
const CRL: &str = "crl.pem";
const CRL_LIFETIME: Duration = Duration::from_secs(7 * DAY.as_secs());

/// Marks a directory whose files may be replaced.
const MARKER: &str = "made-by-ocspry-demo.txt";
const MARKER_TEXT: &str = "\
Made by `ocspry demo`.  The keys in this directory protect nothing: use them for trying things out only.
Running `ocspry demo` again uses these files and renews what has expired.  Delete the directory when done.

root_ca.pem, root_ca.key                  the root CA
intermediate_ca.pem, intermediate_ca.key  the CA that issued the certificates below
ocsp.pem, ocsp.key                        the responder's certificate (OCSPSigning) and key
server.pem, server.key                    a server certificate: good
revoked.pem, revoked.key                  a server certificate: revoked, keyCompromise
crl.pem                                   the intermediate CA's CRL
state                                     what `serve` remembers across restarts
";

/// The files of the demo and the moment they are judged at.
struct DemoPki<'a> {
    directory: &'a Path,
    port: u16,
    now: Time,
}

impl DemoPki<'_> {
    /// Makes what is missing or no longer fits; returns the names of the files that were written.
    fn bring_up_to_date(&self) -> Result<Vec<&'static str>> {
        self.claim_directory()?;
        let mut made = Vec::new();
        let root = self.root(&mut made)?;
        let intermediate_profile = Profile::Intermediate(CaConstraints {
            path_len: Some(0),
            names: NameConstraints::default(),
        });
        let (certificate, key) =
            self.issued(&root, INTERMEDIATE, intermediate_profile, &mut made)?;
        let intermediate = CertificateAuthority::new(certificate, key)?;
        self.issued(&intermediate, RESPONDER, Profile::OcspResponder, &mut made)?;
        self.issued(&intermediate, SERVER, Profile::Server, &mut made)?;
        let (revoked, _) = self.issued(&intermediate, REVOKED, Profile::Server, &mut made)?;
        self.crl(&intermediate, &revoked, &mut made)?;
        Ok(made)
    }

    /// A directory with foreign files is left alone: theirs could have the names of ours.
    fn claim_directory(&self) -> Result<()> {
        let directory = self.directory.display();
        fs::create_dir_all(self.directory)
            .with_context(|| format!("the directory {directory} cannot be made"))?;
        if self.path(MARKER).exists() {
            return Ok(());
        }
        let mut entries = fs::read_dir(self.directory)
            .with_context(|| format!("the directory {directory} cannot be read"))?;
        if entries.next().is_some() {
            bail!(
                "the directory {directory} has files in it that `ocspry demo` did not make: choose another with --dir"
            );
        }
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

    fn root(&self, made: &mut Vec<&'static str>) -> Result<CertificateAuthority> {
        if let Some((certificate, key)) = self.kept(ROOT) {
            let view = certificate.view();
            if crypto::is_signed_by(&view, &view) && view.is_ca {
                return Ok(CertificateAuthority::new(certificate, key)?);
            }
        }
        let key = CaKey::generate(KeyAlgorithm::P256)?;
        key.write_pem(&self.path(ROOT.key), None)?;
        let request = RootRequest {
            expiry: Expiry::After(ROOT.lifetime),
            ..RootRequest::usual(subject(ROOT)?)
        };
        let root =
            CertificateAuthority::self_signed(key, &request, new_serial_number()?, self.now)?;
        self.write_certificate(ROOT, root.certificate(), made)?;
        Ok(root)
    }

    fn issued(
        &self,
        ca: &CertificateAuthority,
        names: Names,
        profile: Profile,
        made: &mut Vec<&'static str>,
    ) -> Result<(OwnedCertificate, CaKey)> {
        if let Some((certificate, key)) = self.kept(names)
            && crypto::is_signed_by(&certificate.view(), &ca.certificate().view())
        {
            return Ok((certificate, key));
        }
        let key = CaKey::generate(KeyAlgorithm::P256)?;
        key.write_pem(&self.path(names.key), None)?;
        let mut request =
            CertificateRequest::usual(subject(names)?, key.public_key().clone(), profile);
        request.expiry = Expiry::AtMost(names.lifetime);
        if request.profile == Profile::Server {
            request.alt_names.push(AltName::dns(names.common_name)?);
            request.pointers = self.pointers()?;
        }
        let certificate = ca.issue(&request, new_serial_number()?, self.now)?;
        self.write_certificate(names, &certificate, made)?;
        Ok((certificate, key))
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

    /// The responder that is started, unless its port is found only then.
    fn pointers(&self) -> Result<Pointers, CaError> {
        let mut pointers = Pointers::default();
        if self.port != 0 {
            let url = format!("http://127.0.0.1:{}/", self.port);
            pointers.ocsp.push(HttpUrl::parse(&url)?);
        }
        Ok(pointers)
    }

    /// A list that revokes the one certificate, and goes on counting from the one before.
    fn crl(
        &self,
        ca: &CertificateAuthority,
        revoked: &OwnedCertificate,
        made: &mut Vec<&'static str>,
    ) -> Result<()> {
        let serial_number = revoked.view().serial_number;
        let mut number = 0;
        // The list itself is backdated for slow clocks; what it says should not come after it.
        let backdated = self.now.plus_seconds(-600);
        let mut revocation_time = backdated;
        let signers = Arc::new(CrlSigners::new(ca.certificate().clone(), Vec::new()));
        let earlier = ListLoad::open(&self.path(CRL), &signers, &SourceLimits::DEFAULT);
        if let Ok(list) = earlier.and_then(|earlier| earlier.run(self.now)) {
            number = list
                .facts
                .crl_number
                .as_ref()
                .map_or(0, |number| last_eight_octets(number.octets()));
            let window = list.facts.window;
            match list.serials.lookup(&serial_number) {
                Some(Revocation::Revoked(_))
                    if self.has_life_left(window.this_update, window.next_update) =>
                {
                    return Ok(());
                }
                Some(Revocation::Revoked(info)) => revocation_time = info.revocation_time,
                Some(Revocation::Removed) | None => {}
            }
        }
        let list = RevocationList {
            number: number + 1,
            previous_this_update: None,
            next_update: self.now.plus_seconds(CRL_LIFETIME.as_secs() as i64),
            freshest: Vec::new(),
            scope: None,
        };
        let revoked = RevokedCertificate {
            serial_number,
            revoked: RevokedInfo {
                revocation_time,
                reason: Some(CrlReason::KeyCompromise),
                invalidity_date: None,
            },
        };
        let pem = crl_to_pem(&ca.crl(&list, [revoked], self.now)?)?;
        write_file(&self.path(CRL), pem.as_bytes(), FileAccess::Public)?;
        made.push(CRL);
        Ok(())
    }
}

fn subject(names: Names) -> Result<Subject, CaError> {
    Subject::new(names.common_name, Some("ocspry demo"))
}

/// Our own numbers are counters; of a longer one the end goes on counting.
fn last_eight_octets(number: &[u8]) -> u64 {
    number
        .iter()
        .fold(0u64, |value, octet| value << 8 | u64::from(*octet))
        & (u64::MAX >> 1)
}

/// The lines to paste, and what they will answer.
fn try_it(directory: &Path, made: &[&str], addresses: &[SocketAddr]) -> String {
    let file = |name: &str| shell::word(&directory.join(name));
    let url = addresses
        .first()
        .map(|address| format!("http://{address}/ocsp"))
        .unwrap_or_default();
    let line = |certificate: &str| {
        format!(
            "openssl ocsp -issuer {} -cert {} -url {url} -nonce -CAfile {}",
            file(INTERMEDIATE.certificate),
            file(certificate),
            file(ROOT.certificate),
        )
    };
    let files = match made {
        [] => format!(
            "The files in {} are those of the run before.",
            directory.display()
        ),
        made => format!("Written to {}: {}.", directory.display(), made.join(", ")),
    };
    let mut text = String::new();
    let _ = write!(
        text,
        "\n{files}\n\nTry it from another terminal in this directory (Ctrl-C here stops):\n\n\
         \x20 {}\n\
         \x20     Response verify OK\n\
         \x20     {}: good\n\n\
         \x20 {}\n\
         \x20     Response verify OK\n\
         \x20     {}: revoked, Reason: keyCompromise\n\n",
        line(SERVER.certificate),
        directory.join(SERVER.certificate).display(),
        line(REVOKED.certificate),
        directory.join(REVOKED.certificate).display(),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_795_240_800);
    const DAY_SECONDS: i64 = 86_400;

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
        let all = [
            "root_ca.pem",
            "intermediate_ca.pem",
            "ocsp.pem",
            "server.pem",
            "revoked.pem",
            "crl.pem",
        ];
        assert_eq!(bring_up_to_date(&directory, NOW).unwrap(), all);
        assert_eq!(
            bring_up_to_date(&directory, NOW.plus_seconds(DAY_SECONDS)).unwrap(),
            [""; 0]
        );
        let later = |days: i64| NOW.plus_seconds(days * DAY_SECONDS);
        assert_eq!(bring_up_to_date(&directory, later(6)).unwrap(), ["crl.pem"]);
        assert_eq!(
            bring_up_to_date(&directory, later(26)).unwrap(),
            ["ocsp.pem", "crl.pem"]
        );
        assert_eq!(bring_up_to_date(&directory, later(80)).unwrap(), all[2..]);
        assert_eq!(bring_up_to_date(&directory, later(3600)).unwrap(), all);
    }

    #[test]
    fn a_renewed_list_counts_on_and_keeps_the_revocation_time() {
        let directory = tempfile::tempdir().unwrap();
        let list = || {
            let ca = CertificateFile::read(&directory.path().join("intermediate_ca.pem")).unwrap();
            let signers = Arc::new(CrlSigners::new(ca.certificate, Vec::new()));
            let load = ListLoad::open(
                &directory.path().join(CRL),
                &signers,
                &SourceLimits::DEFAULT,
            );
            let list = load.unwrap().run(NOW).unwrap();
            let entries: Vec<_> = list.serials.iter().collect();
            (
                last_eight_octets(list.facts.crl_number.unwrap().octets()),
                entries,
            )
        };
        bring_up_to_date(directory.path(), NOW).unwrap();
        let (number, entries) = list();
        assert_eq!((number, entries.len()), (1, 1));
        let Revocation::Revoked(info) = entries[0].1 else {
            panic!("{entries:?}")
        };
        assert_eq!(info.reason, Some(CrlReason::KeyCompromise));
        bring_up_to_date(directory.path(), NOW.plus_seconds(6 * DAY_SECONDS)).unwrap();
        assert_eq!(list(), (2, entries));
    }

    #[test]
    fn a_lost_key_is_replaced_with_all_that_hangs_on_it() {
        let directory = tempfile::tempdir().unwrap();
        bring_up_to_date(directory.path(), NOW).unwrap();
        fs::remove_file(directory.path().join("intermediate_ca.key")).unwrap();
        let made = bring_up_to_date(directory.path(), NOW).unwrap();
        assert_eq!(
            made,
            [
                "intermediate_ca.pem",
                "ocsp.pem",
                "server.pem",
                "revoked.pem",
                "crl.pem"
            ]
        );
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

    #[test]
    fn the_lines_to_try_are_quoted_and_name_the_real_port() {
        let text = try_it(
            Path::new("my demo"),
            &["crl.pem"],
            &[SocketAddr::from(([127, 0, 0, 1], 4242))],
        );
        let line = "openssl ocsp -issuer 'my demo/intermediate_ca.pem' -cert 'my demo/server.pem' \
                    -url http://127.0.0.1:4242/ocsp -nonce -CAfile 'my demo/root_ca.pem'\n";
        assert!(text.contains(line), "{text}");
    }
}
