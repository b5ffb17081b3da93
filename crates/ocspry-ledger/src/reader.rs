//! A ledger to read from: what it says of CAs, certificates, revocations and CRLs.
//!
//! From: SQLite, in pages and short looks, so that a reader never holds anything back for long.  To: the commands of the
//! CA, `follow`, `check` and auditors.  Facts are never changed, so what was read up to some sequence stays true: a page
//! that is bounded by one belongs to the same moment as the page before it.  But for a restore, which puts another past in
//! its place: who may not mix the two reads within [one moment](LedgerReader::one_moment).

mod news;
pub(crate) mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, Transaction, params};

use crate::place::LedgerPlace;
use crate::sqlite::{self, sqlite_error};
use crate::{
    CertificateFacts, CrlNumber, Fact, IssuerFacts, IssuerName, IssuerNumber, LedgerError,
    Position, PublishedCrl, Refusal, Setting, Standing, schema,
};

/// A ledger that is only read; opens without any writer running.
#[derive(Debug)]
pub struct LedgerReader {
    connection: Connection,
    path: PathBuf,
}

/// Holds what is read to one moment.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Deferred: it begins with the first thing that is read.
    _transaction: Transaction<'a>,
}

/// Which certificates of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificatePage {
    /// Of one CA; None: of all.
    pub issuer: Option<IssuerNumber>,
    /// Those after this fact: 0, then the last `sequence` of the page before.
    pub after: u64,
    /// At most this many.
    pub count_max: u32,
}

impl LedgerReader {
    /// Opens it; never changes anything.
    ///
    /// # Errors
    /// It is missing, not a ledger, of a version that is too old or too new, damaged, or on another machine's disk.
    pub fn open(place: &LedgerPlace) -> Result<LedgerReader, LedgerError> {
        let LedgerPlace::Sqlite(path) = place;
        LedgerReader::open_knowing(path, schema::VERSION)
    }

    pub(crate) fn open_knowing(path: &Path, known: i64) -> Result<LedgerReader, LedgerError> {
        let connection = sqlite::open_to_read(path)?;
        schema::check_readable(&connection, path, known)?;
        Ok(LedgerReader::over(connection, path))
    }

    /// Until it is dropped, all that is read is of one moment, also when a backup is restored meanwhile.  Writers are not in
    /// its way, nor it in theirs; but their log grows until it ends.
    ///
    /// # Errors
    /// The database cannot be read, or it is read within a moment already.
    pub fn one_moment(&self) -> Result<Moment<'_>, LedgerError> {
        let transaction = self
            .connection
            .unchecked_transaction()
            .map_err(sqlite_error(&self.path))?;
        Ok(Moment {
            _transaction: transaction,
        })
    }

    /// Another process may have migrated it since it was opened.
    pub(crate) fn check_version(&self) -> Result<(), LedgerError> {
        schema::check_readable(&self.connection, &self.path, schema::VERSION)
    }

    /// Over a connection that is open already.
    pub(crate) fn over(connection: Connection, path: &Path) -> LedgerReader {
        LedgerReader {
            connection,
            path: path.to_owned(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn connection_mut(&mut self) -> (&mut Connection, &Path) {
        (&mut self.connection, &self.path)
    }

    /// The last fact.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn position(&self) -> Result<Position, LedgerError> {
        self.read(rows::head).map(|head| head.position)
    }

    /// Whether it was restored and not yet reconciled.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_restored(&self) -> Result<bool, LedgerError> {
        self.read(rows::head).map(|head| head.is_restored)
    }

    /// Whether what is there continues from where somebody read to.
    ///
    /// # Errors
    /// `OtherLedger`, `SequenceWentBack` or `HistoryDiffers` where it does not.
    pub fn check_continues(&self, from: &Position) -> Result<Continuation, LedgerError> {
        let head = self.position()?;
        let path = self.path.clone();
        if head.identity != from.identity {
            return Err(LedgerError::OtherLedger { path });
        }
        if from.sequence == 0
            || self.read(|db| rows::mark_at(db, from.sequence))? == Some(from.mark)
        {
            return Ok(Continuation::Unbroken);
        }
        let kept: Option<i64> = self.read(|db| {
            db.prepare_cached(include_str!("sql/reconciled_over.sql"))?
                .query_row(params![from.sequence.cast_signed()], |row| row.get(0))
        })?;
        let (seen, found) = (from.sequence, head.sequence);
        match kept {
            Some(kept) => Ok(Continuation::Reconciled {
                kept: kept.cast_unsigned().min(seen),
            }),
            None if found < seen => Err(LedgerError::SequenceWentBack { path, seen, found }),
            None => Err(LedgerError::HistoryDiffers { path, seen }),
        }
    }

    /// Every CA, in the order in which they were added.
    ///
    /// # Errors
    /// The database cannot be read, or a certificate in it.
    pub fn issuers(&self) -> Result<Vec<IssuerFacts>, LedgerError> {
        let issuers = self.all(include_str!("sql/issuers.sql"), [], |row| {
            Ok((rows::issuer(row, 0)?, row.get::<_, String>(1)?, row.get(2)?))
        })?;
        let facts = |(number, name, identity): (_, String, _)| {
            Ok(IssuerFacts {
                number,
                name: IssuerName::new(&name).map_err(|_| self.corrupt("the name of a CA"))?,
                identity,
                certificates: self.issuer_certificates(number)?,
                settings: self.settings(number)?,
            })
        };
        issuers.into_iter().map(facts).collect()
    }

    /// The CA of that name.
    ///
    /// # Errors
    /// `NoSuchIssuer`; the database cannot be read.
    pub fn issuer(&self, name: &str) -> Result<IssuerFacts, LedgerError> {
        let mut issuers = self.issuers()?;
        match issuers
            .iter()
            .position(|issuer| issuer.name.as_str() == name)
        {
            Some(at) => Ok(issuers.swap_remove(at)),
            None => Err(LedgerError::Refused {
                path: self.path.clone(),
                refusal: Box::new(Refusal::NoSuchIssuer {
                    name: name.to_owned(),
                }),
            }),
        }
    }

    /// What is known of one certificate.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn certificate(
        &self,
        issuer: IssuerNumber,
        serial: &SerialNumber,
    ) -> Result<Option<CertificateFacts>, LedgerError> {
        self.read(|db| rows::certificate_of(db, issuer, serial))
    }

    /// A page of certificates, in the order in which they were recorded.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn certificates(
        &self,
        page: &CertificatePage,
    ) -> Result<Vec<CertificateFacts>, LedgerError> {
        self.all(
            include_str!("sql/certificates.sql"),
            params![
                page.after.cast_signed(),
                page.issuer.map(|issuer| issuer.0.cast_signed()),
                page.count_max
            ],
            rows::certificate,
        )
    }

    /// The certificates of one CA that were issued for one profile, and are at hand, after some fact; a look at all that come
    /// after it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn certificates_for(
        &self,
        issuer: IssuerNumber,
        profile: &str,
        after: u64,
    ) -> Result<Vec<CertificateFacts>, LedgerError> {
        self.all(
            include_str!("sql/certificates_for.sql"),
            params![after.cast_signed(), issuer.0.cast_signed(), profile],
            rows::certificate,
        )
    }

    /// All certificates of one CA, or with None of all, in the order in which they were recorded: page by page, a megabyte
    /// or two each.  After an error nothing more comes.
    pub fn pages(
        &self,
        issuer: Option<IssuerNumber>,
    ) -> impl Iterator<Item = Result<Vec<CertificateFacts>, LedgerError>> {
        let mut after = Some(0);
        std::iter::from_fn(move || {
            let page = self.certificates(&CertificatePage {
                issuer,
                after: after?,
                count_max: PAGE_CERTIFICATES,
            });
            let last = page.as_ref().ok().and_then(|page| page.last());
            after = last.map(|last| last.sequence);
            (page.is_err() || after.is_some()).then_some(page)
        })
    }

    /// Certificates of these CAs that are not revoked, and whose validity ends after `after` and not after `until`: the first
    /// to end first, and how many there are.  A look at all certificates.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn expiring(
        &self,
        issuers: &[IssuerNumber],
        after: Time,
        until: Time,
        count_max: u32,
    ) -> Result<(Vec<CertificateFacts>, u64), LedgerError> {
        let issuers: Vec<String> = issuers.iter().map(|issuer| issuer.0.to_string()).collect();
        let issuers = format!("[{}]", issuers.join(","));
        let (after, until) = (after.unix_seconds(), until.unix_seconds());
        let first = self.all(
            include_str!("sql/expiring.sql"),
            params![issuers, after, until, count_max],
            rows::certificate,
        )?;
        if first.len() < count_max as usize {
            let count = first.len() as u64;
            return Ok((first, count));
        }
        let count = self.read(|db| {
            db.prepare_cached(include_str!("sql/count_expiring.sql"))?
                .query_row(params![issuers, after, until], |row| rows::unsigned(row, 0))
        })?;
        Ok((first, count))
    }

    /// The revocation of one certificate, or its hold; None: it is not revoked, or not any more.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn revocation(
        &self,
        issuer: IssuerNumber,
        serial: &SerialNumber,
    ) -> Result<Option<RevokedInfo>, LedgerError> {
        let standing = self.standing(issuer, serial)?;
        Ok(standing.and_then(|standing| match standing.revocation {
            Revocation::Revoked(info) => Some(info),
            Revocation::Removed => None,
        }))
    }

    /// The last word on whether one certificate is revoked; None: it never was.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn standing(
        &self,
        issuer: IssuerNumber,
        serial: &SerialNumber,
    ) -> Result<Option<Standing>, LedgerError> {
        self.read(|db| rows::standing_of(db, issuer, serial))
    }

    /// The last word, up to some fact, on each serial that was ever revoked; also on those that were released.  A full CRL
    /// names those revoked, a delta those whose `sequence` is after what its base covers.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn each_standing(
        &self,
        issuer: IssuerNumber,
        up_to: u64,
        mut each: impl FnMut(&Standing),
    ) -> Result<(), LedgerError> {
        let mut after: Option<SerialNumber> = None;
        loop {
            let page = self.all(
                include_str!("sql/standings.sql"),
                params![
                    issuer.0.cast_signed(),
                    after.as_ref().map_or(&[][..], SerialNumber::minimal),
                    up_to.cast_signed(),
                    PAGE
                ],
                rows::standing,
            )?;
            page.iter().for_each(&mut each);
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = Some(last.serial_number),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// The highest CRL number that was handed out or passed over.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn highest_crl_number(
        &self,
        issuer: IssuerNumber,
    ) -> Result<Option<CrlNumber>, LedgerError> {
        self.read(|db| rows::highest_crl_number(db, issuer))
    }

    /// The complete CRL that was published last.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last_full_crl(&self, issuer: IssuerNumber) -> Result<Option<PublishedCrl>, LedgerError> {
        self.last_crl(issuer, true, Time::MAX)
    }

    /// The complete CRL that was published last of those that have begun by `now`: none of a clock that was ahead.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last_full_crl_begun(
        &self,
        issuer: IssuerNumber,
        now: Time,
    ) -> Result<Option<PublishedCrl>, LedgerError> {
        self.last_crl(issuer, true, now)
    }

    /// The delta CRL that was published last.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last_delta_crl(
        &self,
        issuer: IssuerNumber,
    ) -> Result<Option<PublishedCrl>, LedgerError> {
        self.last_crl(issuer, false, Time::MAX)
    }

    fn last_crl(
        &self,
        issuer: IssuerNumber,
        is_full: bool,
        begun_by: Time,
    ) -> Result<Option<PublishedCrl>, LedgerError> {
        let which = params![issuer.0.cast_signed(), is_full, begun_by.unix_seconds()];
        self.read(|db| {
            db.prepare_cached(include_str!("sql/last_crl.sql"))?
                .query_row(which, rows::crl)
                .optional()
        })
    }

    /// A page of all facts after one, with who recorded them, why and when.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn facts(&self, after: u64, count_max: u32) -> Result<Vec<Fact>, LedgerError> {
        self.all(
            include_str!("sql/facts.sql"),
            params![after.cast_signed(), count_max],
            rows::fact,
        )
    }

    /// All facts about one serial.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn history(
        &self,
        issuer: IssuerNumber,
        serial: &SerialNumber,
    ) -> Result<Vec<Fact>, LedgerError> {
        self.all(
            include_str!("sql/history.sql"),
            params![issuer.0.cast_signed(), serial.minimal()],
            rows::fact,
        )
    }

    fn issuer_certificates(
        &self,
        issuer: IssuerNumber,
    ) -> Result<Vec<OwnedCertificate>, LedgerError> {
        let certificates = self.all(
            include_str!("sql/issuer_certificates.sql"),
            params![issuer.0.cast_signed()],
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        let parsed = |der| {
            OwnedCertificate::from_der(der).map_err(|_| self.corrupt("the certificate of a CA"))
        };
        certificates.into_iter().map(parsed).collect()
    }

    fn settings(&self, issuer: IssuerNumber) -> Result<BTreeMap<Setting, String>, LedgerError> {
        let rows = self.all(
            include_str!("sql/settings.sql"),
            params![issuer.0.cast_signed()],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)),
        )?;
        let mut settings = BTreeMap::new();
        for (name, value) in rows {
            match (Setting::from_name(&name), value) {
                (Some(setting), Some(value)) => settings.insert(setting, value),
                (Some(setting), None) => settings.remove(&setting),
                // A newer version has it.
                (None, _) => None,
            };
        }
        Ok(settings)
    }

    /// Every row that a statement gives.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        value: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        self.read(|db| db.prepare_cached(sql)?.query_map(values, value)?.collect())
    }

    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        read(&self.connection).map_err(sqlite_error(&self.path))
    }

    fn corrupt(&self, what: &str) -> LedgerError {
        LedgerError::Corrupt {
            path: self.path.clone(),
            problem: format!("{what} cannot be read"),
        }
    }
}

/// How what is there continues from where somebody read to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// All that was read is there.
    Unbroken,
    /// Some of it was lost, and put back as far as known.
    Reconciled {
        /// The facts up to this one may be of before.
        kept: u64,
    },
}

/// Rows that are read at once: some milliseconds.
const PAGE: u32 = 8192;
/// The same, with their certificates.
const PAGE_CERTIFICATES: u32 = 1024;
