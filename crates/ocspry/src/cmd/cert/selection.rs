//! Which certificates shall be revoked: named one by one, by a file, or by what they have in common.
//!
//! Each is known to the ledger, and for each it is known whether it is revoked already.  From: the command line.
//! To: `revoke`, `ca compromise`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use ocspry_ca::BACKDATED_SECONDS;
use ocspry_core::Revocation;
use ocspry_ledger::{CertificateFacts, IssuerFacts, IssuerNumber, LedgerReader, revocation_news};
use ocspry_source::serial_from_text;
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;

use super::told::is_expired;
use crate::ca_choice::Chooser;

/// Certificates to revoke, by CA.
pub(crate) struct Selection {
    pub(crate) parts: Vec<Part>,
}

/// Those of one CA.
pub(crate) struct Part {
    pub(crate) ca: IssuerFacts,
    /// Those for which the revocation is news.
    pub(crate) serials: Vec<SerialNumber>,
    /// Their subjects, where there are only some.
    pub(crate) subjects: Vec<String>,
    /// How many are revoked already.
    pub(crate) already: u64,
}

impl Part {
    /// None yet.
    fn of(ca: IssuerFacts) -> Part {
        Part {
            ca,
            serials: Vec::new(),
            subjects: Vec::new(),
            already: 0,
        }
    }
}

impl Selection {
    pub(crate) fn count(&self) -> u64 {
        self.parts
            .iter()
            .map(|part| part.serials.len() as u64)
            .sum()
    }

    pub(crate) fn already(&self) -> u64 {
        self.parts.iter().map(|part| part.already).sum()
    }

    /// These, of some CAs, for which the revocation is news.
    pub(crate) fn of(parts: Vec<(IssuerFacts, Vec<SerialNumber>)>) -> Selection {
        let part = |(ca, serials)| Part {
            serials,
            ..Part::of(ca)
        };
        Selection {
            parts: parts.into_iter().map(part).collect(),
        }
    }

    /// Those that were named: serial numbers, and files with a certificate.
    ///
    /// # Errors
    /// One of them is not known.
    pub(crate) fn named(
        reader: &LedgerReader,
        ca: Option<&str>,
        names: &[String],
        told: RevokedInfo,
    ) -> Result<Selection> {
        let chooser = Chooser::new(reader, ca)?;
        let mut gathered = Gathered::default();
        for name in names {
            let chosen = chooser.certificate(name)?;
            gathered.add(reader, chosen.ca, &chosen.certificate, told)?;
        }
        Ok(gathered.into())
    }

    /// Those whose serial numbers stand in a file, one on each line; what follows a `#` is a comment.
    ///
    /// # Errors
    /// A line holds no serial number, or one that is not known.
    pub(crate) fn listed(
        reader: &LedgerReader,
        ca: Option<&str>,
        path: &Path,
        told: RevokedInfo,
    ) -> Result<Selection> {
        let chooser = Chooser::new(reader, ca)?;
        let file = File::open(path)
            .with_context(|| format!("the list {} cannot be opened", path.display()))?;
        let mut gathered = Gathered::default();
        for (index, line) in BufReader::new(file).lines().enumerate() {
            let place = || format!("{}: line {}", path.display(), index + 1);
            let line = line.with_context(place)?;
            let text = line.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let serial = serial_from_text(text)
                .map_err(|problem| anyhow!("{}: {text:?} {problem}", place()))?;
            let chosen = chooser.by_serial(&serial).with_context(place)?;
            gathered.add(reader, chosen.ca, &chosen.certificate, told)?;
        }
        if gathered.parts.is_empty() {
            bail!("{}: there is no serial number in it", path.display());
        }
        Ok(gathered.into())
    }

    /// Those of one CA that have not expired and have this in common.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) fn alike(
        reader: &LedgerReader,
        ca: IssuerFacts,
        alike: &Alike<'_>,
        told: RevokedInfo,
        now: Time,
    ) -> Result<Selection> {
        let position = reader.position()?;
        let mut revoked = HashMap::new();
        reader.each_standing(ca.number, position.sequence, |standing| {
            if let Revocation::Revoked(info) = standing.revocation {
                revoked.insert(standing.serial_number, info);
            }
        })?;
        let mut part = Part::of(ca);
        for page in reader.pages(Some(part.ca.number)) {
            for certificate in page? {
                if is_expired(&certificate, now) || !alike.matches(&certificate) {
                    continue;
                }
                match revocation_news(revoked.get(&certificate.serial_number), told) {
                    Some(_) => part.serials.push(certificate.serial_number),
                    None => part.already += 1,
                }
            }
        }
        Ok(Selection { parts: vec![part] })
    }
}

/// What certificates have in common.
pub(crate) struct Alike<'a> {
    pub(crate) profile: Option<&'a str>,
    pub(crate) issued_after: Option<Time>,
}

impl Alike<'_> {
    fn matches(&self, certificate: &CertificateFacts) -> bool {
        let is_of_profile = self
            .profile
            .is_none_or(|profile| certificate.profile.as_deref() == Some(profile));
        // Its notBefore lies before its issuing; of what is not known, the worse is true.
        let is_late = self.issued_after.is_none_or(|time| {
            certificate
                .not_before
                .is_none_or(|begin| begin.plus_seconds(BACKDATED_SECONDS) >= time)
        });
        is_of_profile && is_late
    }
}

/// Certificates that come one by one, of several CAs.
#[derive(Default)]
struct Gathered {
    parts: BTreeMap<IssuerNumber, Part>,
    /// A list may name one twice.
    seen: HashSet<(IssuerNumber, SerialNumber)>,
}

impl Gathered {
    fn add(
        &mut self,
        reader: &LedgerReader,
        ca: IssuerFacts,
        certificate: &CertificateFacts,
        told: RevokedInfo,
    ) -> Result<()> {
        if !self.seen.insert((ca.number, certificate.serial_number)) {
            return Ok(());
        }
        let part = self.parts.entry(ca.number).or_insert_with(|| Part::of(ca));
        let before = reader.revocation(certificate.issuer, &certificate.serial_number)?;
        if revocation_news(before.as_ref(), told).is_none() {
            part.already += 1;
            return Ok(());
        }
        if part.subjects.len() < SUBJECTS_SHOWN {
            part.subjects.push(certificate.subject.clone());
        }
        part.serials.push(certificate.serial_number);
        Ok(())
    }
}

impl From<Gathered> for Selection {
    fn from(gathered: Gathered) -> Selection {
        Selection {
            parts: gathered.parts.into_values().collect(),
        }
    }
}

/// More than a person reads before going on.
const SUBJECTS_SHOWN: usize = 20;
