//! Certificates that managed responders ask for (RFC 6960 §4.2.2.2).  From: `NAME.csr` in a directory that the user of
//! `serve` writes to, one for each CA.  To: the ledger, from which `serve` takes the certificate.
//!
//! Who can write there gets a responder certificate of that CA, for a key that is theirs, and nothing else: of a request only
//! the key counts.  One key gets one certificate: while more than half of its life is left, there is no other.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use ocspry_ca::{
    CertificateRequest, KeyAlgorithm, NotGranted, Profile, PublicKey, SigningRequest, Subject,
};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{Act, IssuerFacts, Ledger, LedgerReader};
use ocspry_signer::read_regular_file_of_others;
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;
use serde_json::{Value, json};

use crate::audit::AuditTrail;
use crate::ca_keys;
use crate::cmd::ca::sign_reserved;
use crate::managed_responder::renewal_due;
use crate::passphrases::PassphraseSource;
use crate::time_text::utc_and_distance;

/// What became of one request.
pub(super) struct Requested {
    file: PathBuf,
    outcome: Outcome,
}

enum Outcome {
    Signed(Certified),
    /// The key has a certificate.
    Certified(Certified),
    Failed {
        error: String,
    },
}

/// A certificate of the key that is asked for.
struct Certified {
    serial_number: SerialNumber,
    not_after: Time,
}

/// Looks for a request to this CA in each directory, and signs what is asked for.
pub(super) fn answer(
    ledger: &mut Ledger,
    ca: &IssuerFacts,
    directories: &[PathBuf],
    act: &Act,
    passphrase: &PassphraseSource,
    audit: &AuditTrail,
) -> Vec<Requested> {
    let answered = directories.iter().filter_map(|directory| {
        let file = directory.join(format!("{}.csr", ca.name));
        let outcome = match read(&file, directory) {
            Ok(None) => return None,
            Ok(Some(request)) => sign(ledger, ca, &request, act, passphrase, audit),
            Err(error) => Err(error),
        };
        Some(Requested {
            file,
            outcome: outcome.unwrap_or_else(|error| Outcome::Failed {
                error: format!("{error:#}"),
            }),
        })
    });
    answered.collect()
}

/// None: there is none.
fn read(file: &Path, directory: &Path) -> Result<Option<SigningRequest>> {
    let content = match read_regular_file_of_others(file, OCTETS_READ) {
        Ok(read) => read.content,
        Err(error) if error.kind() == io::ErrorKind::NotFound && directory.is_dir() => {
            return Ok(None);
        }
        Err(error) => return Err(anyhow!(error).context("it cannot be read")),
    };
    Ok(Some(SigningRequest::read(&content)?))
}

fn sign(
    ledger: &mut Ledger,
    ca: &IssuerFacts,
    request: &SigningRequest,
    act: &Act,
    passphrase: &PassphraseSource,
    audit: &AuditTrail,
) -> Result<Outcome> {
    let key = request.public_key();
    check(ca, request, act.recorded)?;
    if let Some(certified) = certified(ledger.reader(), ca, key, act.recorded)? {
        return Ok(Outcome::Certified(certified));
    }
    let authority = ca_keys::open_to_issue(ledger.reader(), ca, passphrase, audit, act.recorded)?;
    let profile = Profile::OcspResponder;
    let profile_name = profile.name();
    let request = CertificateRequest::usual(subject(ca)?, key.clone(), profile);
    let prepared = authority.prepare(&request, act.recorded)?;
    let certificate = sign_reserved(ledger, act, ca.number, &prepared)?;
    ledger.issue(act, ca.number, &certificate, profile_name)?;
    Ok(Outcome::Signed(Certified::of(&certificate)))
}

/// Nothing that it asks for is given; who asks to be a CA, or with another kind of key, is no responder.
fn check(ca: &IssuerFacts, request: &SigningRequest, now: Time) -> Result<()> {
    let mut asked = request.not_granted().iter();
    if let Some(asked) = asked.find(|asked| NotGranted::is_for_a_ca(asked)) {
        bail!("it asks for {asked}, and a responder does not get that");
    }
    let own = ca_keys::certificate_of(ca, now)?.view().public_key.der;
    let wanted = KeyAlgorithm::of_responder(&PublicKey::from_der(own)?);
    if KeyAlgorithm::of_responder(request.public_key()) != wanted {
        bail!(
            "its key is {}, and who can check this CA's signatures may not be able to check those: responders of it have {wanted}",
            request.public_key().kind()
        );
    }
    Ok(())
}

/// The certificate of a key with more than half of its life left, or that ends when the CA does.
fn certified(
    reader: &LedgerReader,
    ca: &IssuerFacts,
    key: &PublicKey,
    now: Time,
) -> Result<Option<Certified>> {
    let ca_not_after = ca_keys::certificate_of(ca, now)?.view().not_after;
    for facts in reader.certificates_for(ca.number, Profile::OcspResponder.name(), 0)? {
        let serial = facts.serial_number;
        let parsed = facts
            .der
            .and_then(|der| OwnedCertificate::from_der(der).ok());
        let Some(certificate) = parsed.filter(|it| it.view().public_key.der == key.der()) else {
            continue;
        };
        if reader.revocation(ca.number, &serial)?.is_some() {
            bail!("its key had the certificate {serial}, which is revoked: it gets no other");
        }
        if renewal_due(&certificate, ca_not_after).is_none_or(|due| now < due) {
            return Ok(Some(Certified::of(&certificate)));
        }
    }
    Ok(None)
}

impl Certified {
    fn of(certificate: &OwnedCertificate) -> Certified {
        let view = certificate.view();
        Certified {
            serial_number: view.serial_number,
            not_after: view.not_after,
        }
    }
}

/// `CN=root OCSP responder`, where that is short enough for a commonName.
fn subject(ca: &IssuerFacts) -> Result<Subject> {
    let named = Subject::new(&format!("{} OCSP responder", ca.name), None);
    Ok(named.or_else(|_| Subject::new("OCSP responder", None))?)
}

/// More than any request has: what is longer is refused by its reader.
const OCTETS_READ: u64 = 1 << 20;

impl Requested {
    /// Why nothing was signed although it was asked for.
    pub(super) fn problem(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Failed { error } => Some(format!(
                "responder request {} was not signed: {error}",
                self.file.display()
            )),
            Outcome::Signed(_) | Outcome::Certified(_) => None,
        }
    }

    /// For people.
    pub(super) fn text(&self, now: Time) -> String {
        let file = self.file.display();
        match &self.outcome {
            Outcome::Signed(certified) => {
                let end = utc_and_distance(certified.not_after, now);
                let serial = certified.serial_number;
                format!("request {file}: signed, serial {serial}, until {end}")
            }
            Outcome::Certified(certified) => {
                let serial = certified.serial_number;
                format!("request {file}: its key has the certificate {serial} already")
            }
            Outcome::Failed { error: _ } => format!("request {file}: not signed"),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let (outcome, certified, why) = match &self.outcome {
            Outcome::Signed(certified) => ("signed", Some(certified), None),
            Outcome::Certified(certified) => ("certified", Some(certified), None),
            Outcome::Failed { error } => ("failed", None, Some(error)),
        };
        json!({
            "file": self.file.display().to_string(),
            "outcome": outcome,
            "serial": certified.map(|certified| certified.serial_number.to_string()),
            "not_after": certified.map(|certified| certified.not_after.to_string()),
            "why": why,
        })
    }
}
