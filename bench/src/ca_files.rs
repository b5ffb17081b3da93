//! A CA and its delegate as files, made once in a directory and found there again.  To: `ocspry serve`, `ocspry crl check`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ocspry_testkit::{Authority, Credential, KeyKind, TestKey, pem_to_der};

/// A CA, its P-256 delegate, and where they are.
pub struct CaFiles {
    /// The CA.
    pub ca: Authority,
    /// Who signs the answers.
    pub delegate: Credential,
    directory: PathBuf,
}

impl CaFiles {
    /// The CA that lives in the directory; made, if there is none.
    pub fn open(directory: &Path, name: &str, kind: KeyKind) -> Result<CaFiles> {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let read = |name: &str| std::fs::read_to_string(directory.join(name));
        let (ca, delegate) = match read("ca.key") {
            Ok(key) => {
                let key = TestKey::from_pkcs8_der(&pem_to_der(&key), kind);
                let ca = Authority::existing(pem_to_der(&read("ca.pem")?), key);
                let delegate = Credential {
                    certificate: pem_to_der(&read("ocsp.pem")?),
                    key: TestKey::from_pkcs8_der(&pem_to_der(&read("ocsp.key")?), KeyKind::P256),
                };
                (ca, delegate)
            }
            Err(_) => {
                let ca = Authority::root(name, kind);
                let delegate = ca.responder(KeyKind::P256);
                std::fs::write(directory.join("ca.pem"), ca.certificate_pem())?;
                std::fs::write(directory.join("ocsp.pem"), delegate.certificate_pem())?;
                write_key(&directory.join("ocsp.key"), &delegate.key)?;
                // Last: where it is, all is.
                write_key(&directory.join("ca.key"), &ca.key)?;
                (ca, delegate)
            }
        };
        Ok(CaFiles {
            ca,
            delegate,
            directory: directory.to_owned(),
        })
    }

    /// One of its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What `ocspry serve` is told, to answer from this list.  It forgets what an earlier one kept.
    pub fn serve_arguments(&self, list: &Path) -> Result<Vec<String>> {
        let state = self.path("state");
        if state.exists() {
            std::fs::remove_dir_all(&state)?;
        }
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        Ok(vec![
            "serve".to_owned(),
            "--port=0".to_owned(),
            flag("ca", &self.path("ca.pem")),
            flag("crl", list),
            flag("ocsp-cert", &self.path("ocsp.pem")),
            flag("ocsp-key", &self.path("ocsp.key")),
            flag("state-dir", &state),
            flag("log-file", &self.path("serve.log")),
        ])
    }
}

/// For the owner alone, so that no key draws a warning.
fn write_key(path: &Path, key: &TestKey) -> Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    Ok(file.write_all(key.pkcs8_pem().as_bytes())?)
}

/// The key kinds of these CAs, by the word on the command line.
pub fn key_kind(word: &str) -> Result<KeyKind> {
    match word {
        "p256" => Ok(KeyKind::P256),
        "rsa" => Ok(KeyKind::Rsa2048),
        _ => anyhow::bail!("{word}: p256 or rsa"),
    }
}
