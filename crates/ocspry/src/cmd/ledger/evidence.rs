//! What left a CA, as far as it is at hand: CRLs and certificates in files, and what a server has seen of the ledger.
//! From: paths.  To: `reconcile`.
//!
//! A file counts for the CA that signed it; whoever can write it but has no CA key can put nothing into the ledger.  A state
//! directory is signed by nobody: whoever can write it can have certificates revoked.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use ocspry_ca::BACKDATED_SECONDS;
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{
    CrlNumber, ImportEntry, IssuerEvidence, IssuerFacts, LedgerReader, Position, SeenRevocation,
};
use ocspry_signer::read_regular_file;
use ocspry_source::StateDirectory;
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::{CertificateList, SerialNumber, pem};

use crate::ca_choice::issued;
use crate::crl_at_hand::{OCTETS_MAX, signed};

/// What was found so far.
pub(super) struct Evidence<'a> {
    cas: &'a [IssuerFacts],
    /// Of each, the last list that the ledger knows.
    last: Vec<Option<CrlNumber>>,
    issuers: Vec<IssuerEvidence>,
    /// Of each, where a revocation stands already: lists of the same CA name mostly the same.
    places: Vec<HashMap<Said, usize>>,
    found: Found,
}

/// What is said of a certificate: which, since when, why, and since when it was not safe.
type Said = (SerialNumber, Time, Option<CrlReason>, Option<Time>);

/// How much it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// CRLs that a CA of the ledger signed.
    pub(super) crls: u64,
    /// Certificates that one issued.
    pub(super) certificates: u64,
    /// Files of a directory that are neither.
    pub(super) others: u64,
    /// CAs of which a server had kept what it saw.
    pub(super) states: u64,
}

impl<'a> Evidence<'a> {
    /// None yet, for these CAs of a ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) fn of(cas: &'a [IssuerFacts], reader: &LedgerReader) -> Result<Evidence<'a>> {
        let last = |ca: &IssuerFacts| -> Result<Option<CrlNumber>> {
            let lists = [
                reader.last_full_crl(ca.number)?,
                reader.last_delta_crl(ca.number)?,
            ];
            Ok(lists.into_iter().flatten().map(|crl| crl.number).max())
        };
        let none = |ca: &IssuerFacts| IssuerEvidence {
            issuer: ca.number,
            certificates: Vec::new(),
            revoked: Vec::new(),
            crl_numbers: Vec::new(),
        };
        Ok(Evidence {
            cas,
            last: cas.iter().map(last).collect::<Result<_>>()?,
            issuers: cas.iter().map(none).collect(),
            places: vec![HashMap::new(); cas.len()],
            found: Found::default(),
        })
    }

    /// All of it, in the order of the CAs.
    pub(super) fn issuers(&self) -> &[IssuerEvidence] {
        &self.issuers
    }

    /// How much it is.
    pub(super) fn found(&self) -> Found {
        self.found
    }

    /// Takes a file, or each file of a directory.
    ///
    /// # Errors
    /// It cannot be read; a file that was named is no evidence.
    pub(super) fn add_path(&mut self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            if !self.add_file(path)? {
                bail!(
                    "{}: neither a CRL nor a certificate that a CA of this ledger signed",
                    path.display()
                );
            }
            return Ok(());
        }
        for file in files_of(path)? {
            if !self.add_file(&file)? {
                self.found.others += 1;
            }
        }
        Ok(())
    }

    /// Takes what a server keeps in its state directory; gives the last fact that it had seen.
    ///
    /// # Errors
    /// It cannot be read; it is about another ledger than `own`, or about none.
    pub(super) fn add_state(&mut self, path: &Path, own: &Position) -> Result<u64> {
        // A path with a mistake in it is no state that is empty.
        if !path.is_dir() {
            bail!("the state directory {} does not exist", path.display());
        }
        let state = Arc::new(StateDirectory::open(path)?);
        let mut last = None;
        for (at, ca) in self.cas.iter().enumerate() {
            let kept = state.ledger(&to_hex(&ca.identity));
            let Some(seen) = kept.read()? else {
                continue;
            };
            let file = kept.position_path();
            let position: Position = seen
                .position
                .parse()
                .with_context(|| format!("{} cannot be used", file.display()))?;
            if position.identity != own.identity {
                bail!("{} is about another ledger", file.display());
            }
            // What is there was known when it was written, which may be long after thisUpdate of the answers.
            let written = fs::metadata(&file).and_then(|metadata| metadata.modified());
            let written = written.with_context(|| format!("{} cannot be read", file.display()))?;
            let known = whole_seconds(written).max(seen.this_update);
            for (serial_number, info) in &seen.revoked {
                let seen = known.max(info.revocation_time);
                self.add_seen(at, *serial_number, *info, seen);
            }
            self.found.states += 1;
            last = last.max(Some(position.sequence));
        }
        last.with_context(|| {
            format!(
                "{} holds nothing about a CA of this ledger; name the state directory of a server that is fed from it",
                path.display()
            )
        })
    }

    /// False when it is no evidence.
    fn add_file(&mut self, path: &Path) -> Result<bool> {
        let unreadable = || format!("{} cannot be read", path.display());
        let content = read_regular_file(path, OCTETS_MAX)
            .with_context(unreadable)?
            .content;
        if content.len() as u64 >= OCTETS_MAX {
            bail!("{} is larger than any CRL", path.display());
        }
        if !pem::is_pem(&content) {
            return Ok(self.add_der(&content));
        }
        let Ok(blocks) = pem::blocks(&content) else {
            return Ok(false);
        };
        let mut is_evidence = false;
        for block in blocks {
            is_evidence |= self.add_der(&block.der);
        }
        Ok(is_evidence)
    }

    fn add_der(&mut self, der: &[u8]) -> bool {
        self.add_certificate(der) || self.add_crl(der)
    }

    fn add_certificate(&mut self, der: &[u8]) -> bool {
        let Ok(certificate) = OwnedCertificate::from_der(der.to_owned()) else {
            return false;
        };
        let view = certificate.view();
        for (ca, evidence) in self.cas.iter().zip(&mut self.issuers) {
            // A root is in the ledger as the CA, not as one of its certificates.
            let is_its_own = ca.certificates.iter().any(|own| own.der() == der);
            if !is_its_own && issued(ca, &view) {
                evidence
                    .certificates
                    .push(ImportEntry::of(&certificate, None));
                self.found.certificates += 1;
                return true;
            }
        }
        false
    }

    fn add_crl(&mut self, der: &[u8]) -> bool {
        let mut revoked = Vec::new();
        let mut is_foreign = false;
        let list = CertificateList::from_der(der, |entry| {
            is_foreign |= entry.certificate_issuer.is_some();
            if let Some(serial_number) = SerialNumber::from_content(entry.serial_content)
                && !entry.remove_from_crl
            {
                revoked.push((serial_number, entry.revoked));
            }
        });
        let Ok(list) = list else { return false };
        let Some(at) = self.cas.iter().position(|ca| signed(ca, der, &list)) else {
            return false;
        };
        // The CAs here sign no indirect lists.
        if is_foreign {
            return false;
        }
        let number = list.extensions.crl_number.as_deref();
        let number = number.and_then(CrlNumber::from_content);
        // It is dated back; a release that the ledger has may be older than a list that it does not know.
        let seen = match number <= self.last[at] {
            true => list.header.this_update,
            false => list.header.this_update.plus_seconds(BACKDATED_SECONDS),
        };
        for (serial_number, info) in revoked {
            self.add_seen(at, serial_number, info, seen);
        }
        self.issuers[at].crl_numbers.extend(number);
        self.found.crls += 1;
        true
    }

    /// Once, as it was seen last: of a year's lists no more is held than they say.
    fn add_seen(&mut self, at: usize, serial_number: SerialNumber, info: RevokedInfo, seen: Time) {
        let revoked = &mut self.issuers[at].revoked;
        let RevokedInfo {
            revocation_time,
            reason,
            invalidity_date,
        } = info;
        let said = (serial_number, revocation_time, reason, invalidity_date);
        let place = *self.places[at].entry(said).or_insert(revoked.len());
        match revoked.get_mut(place) {
            Some(known) => known.seen = known.seen.max(seen),
            None => revoked.push(SeenRevocation {
                serial_number,
                info,
                seen,
            }),
        }
    }
}

fn whole_seconds(time: SystemTime) -> Time {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}

/// Not those of directories below it.
fn files_of(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("the directory {} cannot be read", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use ocspry_ledger::{Act, IssuerName, Ledger, LedgerPlace};
    use ocspry_testkit::{Authority, CrlSpec, KeyKind, now};

    use super::*;

    #[test]
    fn what_many_lists_say_is_held_once_as_it_was_seen_last() {
        let directory = tempfile::tempdir().unwrap();
        let place = LedgerPlace::Sqlite(directory.path().join("ledger.db"));
        let mut ledger = Ledger::create(&place).unwrap();
        let root = Authority::root("Root", KeyKind::P256);
        let certificate = OwnedCertificate::from_der(root.certificate.clone()).unwrap();
        let name = IssuerName::new("root").unwrap();
        let act = Act::by("tests", now());
        ledger.add_issuer(&act, &name, &certificate, &[]).unwrap();
        let cas = ledger.reader().issuers().unwrap();
        let mut evidence = Evidence::of(&cas, ledger.reader()).unwrap();
        let begin = now().plus_seconds(-86_400);
        let revoked = CrlSpec::new(0)
            .revoke(&[7], Some(CrlReason::CertificateHold))
            .revoke(&[8], None);
        for number in 1..=9 {
            let made_at = begin.plus_seconds(i64::try_from(number).unwrap());
            let list = CrlSpec {
                number: Some(number),
                ..revoked.clone()
            };
            assert!(evidence.add_der(&root.crl(&list.made_at(made_at))));
        }
        let [found] = evidence.issuers() else {
            panic!("one CA")
        };
        let seen_last = begin.plus_seconds(9 + BACKDATED_SECONDS);
        let seen: Vec<Time> = found.revoked.iter().map(|one| one.seen).collect();
        assert_eq!(seen, [seen_last; 2]);
        assert_eq!(found.crl_numbers.len(), 9);
    }
}
