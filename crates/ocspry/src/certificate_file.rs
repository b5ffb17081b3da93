//! Certificates from files, PEM or DER.  From: a path of the configuration.  To: `config`, `assemble`.
//!
//! The first certificate of a file is the one that is meant; a chain behind it is the habit of many tools, and counted
//! so that the caller can say that it is not used.

use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use ocspry_core::OwnedCertificate;
use ocspry_signer::read_regular_file;
use ocspry_wire::DerError;
use ocspry_wire::x509::pem;

/// Most octets of a certificate file that are read: room for a long chain.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One reading of a certificate file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFile {
    /// The first certificate.
    pub(crate) certificate: OwnedCertificate,
    /// Those behind it, as far as they parse.
    pub(crate) others: Vec<OwnedCertificate>,
}

/// Why a file gives no certificate.  Each message begins with the path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateFileError {
    /// The file cannot be opened or read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The file is larger than any certificate.
    #[error("{} is larger than {max} octets, so it is no certificate", path.display())]
    TooLarge { path: PathBuf, max: u64 },
    /// The file has no octets.
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    /// PEM armour that breaks off or holds something that is not base64.
    #[error("{} is broken PEM at line {line}", path.display())]
    Pem { path: PathBuf, line: usize },
    /// PEM of something else.
    #[error("{} holds a {label}, not a certificate", path.display())]
    OtherLabel { path: PathBuf, label: String },
    /// Neither PEM nor a DER certificate.
    #[error("{} is not a certificate, neither PEM nor DER ({:?} at octet {})", path.display(), source.kind, source.offset)]
    NotACertificate { path: PathBuf, source: DerError },
}

impl CertificateFileError {
    /// What to do about it.
    pub(crate) fn help(&self) -> Option<&'static str> {
        match self {
            CertificateFileError::Unreadable { path: _, source: _ } => {
                Some("check the path and its permissions")
            }
            CertificateFileError::TooLarge { path: _, max: _ }
            | CertificateFileError::OtherLabel { path: _, label: _ } => {
                Some("check whether two files were mixed up")
            }
            CertificateFileError::Empty { path: _ }
            | CertificateFileError::Pem { path: _, line: _ }
            | CertificateFileError::NotACertificate { path: _, source: _ } => {
                Some("write the certificate again, as PEM or DER")
            }
        }
    }
}

impl CertificateFile {
    /// Of several certificates only this one, counted from 0; the first where there are fewer.
    pub(crate) fn only(mut self, position: usize) -> CertificateFile {
        if let Some(other) = position.checked_sub(1)
            && other < self.others.len()
        {
            self.certificate = self.others.swap_remove(other);
        }
        self.others.clear();
        self
    }

    /// All its certificates, in their order.
    pub(crate) fn into_all(self) -> impl Iterator<Item = OwnedCertificate> {
        std::iter::once(self.certificate).chain(self.others)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`CertificateFileError`] when its first certificate cannot be had.
    pub(crate) fn read(path: &Path) -> Result<CertificateFile, CertificateFileError> {
        let unreadable = |source| CertificateFileError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut file = read_regular_file(path, FILE_BYTES_MAX + 1).map_err(unreadable)?;
        let bytes = mem::take(&mut *file.content);
        if bytes.is_empty() {
            return Err(CertificateFileError::Empty {
                path: path.to_owned(),
            });
        }
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(CertificateFileError::TooLarge {
                path: path.to_owned(),
                max: FILE_BYTES_MAX,
            });
        }
        let not_a_certificate = |source| CertificateFileError::NotACertificate {
            path: path.to_owned(),
            source,
        };
        if !pem::is_pem(&bytes) {
            let certificate = OwnedCertificate::from_der(bytes).map_err(not_a_certificate)?;
            return Ok(CertificateFile {
                certificate,
                others: Vec::new(),
            });
        }
        let blocks = pem::blocks(&bytes).map_err(|error| {
            let (pem::PemError::NoEnd { line } | pem::PemError::Body { line }) = error;
            CertificateFileError::Pem {
                path: path.to_owned(),
                line,
            }
        })?;
        let first_label = blocks.first().map(|block| block.label.clone());
        let mut certificates = blocks
            .into_iter()
            .filter(|block| {
                ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]
                    .contains(&block.label.as_str())
            })
            .map(|block| OwnedCertificate::from_der(block.der));
        match certificates.next() {
            Some(first) => Ok(CertificateFile {
                certificate: first.map_err(not_a_certificate)?,
                others: certificates.filter_map(Result::ok).collect(),
            }),
            None => Err(CertificateFileError::OtherLabel {
                path: path.to_owned(),
                label: first_label.unwrap_or_else(|| "text".to_owned()),
            }),
        }
    }
}
