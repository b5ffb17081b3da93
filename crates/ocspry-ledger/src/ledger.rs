//! A ledger to write to: what a CA does, recorded before anyone sees it.  START HERE.
//!
//! Each function is one transaction, on the disk when it returns (design.md §3, rule 10): the serial of a certificate and
//! the number of a CRL are recorded before either is signed, a certificate before it leaves.  What contradicts the facts
//! that are there is refused, and nothing of it is recorded.  From: the commands of the CA.  To: the database, and from
//! there to `follow`.  Several processes may write: each waits for the others.

pub(crate) mod writing;

use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::{SerialNumber, display_name};
use rusqlite::{OptionalExtension as _, params};

use crate::decision::news_after;
use crate::fact::{check_text, issuer_identity};
use crate::place::LedgerPlace;
use crate::reader::{LedgerReader, rows};
use crate::{
    Act, CrlNumber, CrlUse, IssuerName, IssuerNumber, LedgerError, Origin, PublishedCrl, Refusal,
    Setting, schema, sqlite,
};
pub(crate) use writing::{CertificateRow, Restored, Writing};

/// A ledger that facts are added to.
#[derive(Debug)]
pub struct Ledger {
    reader: LedgerReader,
}

/// The facts that an act added: from the first to the last; none where the last is before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// What became of a list of revocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedMany {
    /// The facts.
    pub recorded: Recorded,
    /// How many were revoked now.
    pub revoked: u64,
    /// How many were revoked before, and are so since then.
    pub already: u64,
}

impl Ledger {
    /// Makes a new, empty ledger.
    ///
    /// # Errors
    /// `AlreadyThere`; `NetworkFileSystem`; the file cannot be made.
    pub fn create(place: &LedgerPlace) -> Result<Ledger, LedgerError> {
        let LedgerPlace::Sqlite(path) = place;
        sqlite::create(path, schema::MIGRATIONS)?;
        Ledger::open(place)
    }

    /// Opens one to write; never migrates it.
    ///
    /// # Errors
    /// It is missing, not a ledger, of another version, damaged, not writable, or on another machine's disk.
    pub fn open(place: &LedgerPlace) -> Result<Ledger, LedgerError> {
        let LedgerPlace::Sqlite(path) = place;
        let connection = sqlite::open_to_write(path)?;
        schema::check_writable(&connection, path)?;
        Ok(Ledger {
            reader: LedgerReader::over(connection, path),
        })
    }

    /// To read what is there.
    pub fn reader(&self) -> &LedgerReader {
        &self.reader
    }

    /// Adds a CA with its certificate.
    ///
    /// # Errors
    /// `NameTaken`, `IssuerTaken`; the database cannot be written.
    pub fn add_issuer(
        &mut self,
        act: &Act,
        name: &IssuerName,
        certificate: &OwnedCertificate,
        settings: &[(Setting, &str)],
    ) -> Result<IssuerNumber, LedgerError> {
        self.write(act, |writing| {
            add_issuer(writing, name, certificate, settings)
        })
        .map(|(issuer, _)| issuer)
    }

    /// Records the certificate of a new CA, which a CA of this ledger signed under a reserved serial: both in one, so that
    /// there is never a certificate of a CA that is none.
    ///
    /// # Errors
    /// `IssuerDisabled`, `SerialNotReserved`, `NameTaken`, `IssuerTaken`; the database cannot be written.
    pub fn issue_issuer(
        &mut self,
        act: &Act,
        parent: IssuerNumber,
        certificate: &OwnedCertificate,
        name: &IssuerName,
        settings: &[(Setting, &str)],
    ) -> Result<IssuerNumber, LedgerError> {
        self.write(act, |writing| {
            add_issued(writing, parent, certificate, INTERMEDIATE)?;
            add_issuer(writing, name, certificate, settings)
        })
        .map(|(issuer, _)| issuer)
    }

    /// Records another certificate of a CA, renewed with the same subject and key, which a CA of this ledger signed under a
    /// reserved serial.
    ///
    /// # Errors
    /// `SerialNotReserved`, `OtherIssuer`, `IssuerDisabled` of either; the database cannot be written.
    pub fn issue_issuer_certificate(
        &mut self,
        act: &Act,
        parent: IssuerNumber,
        certificate: &OwnedCertificate,
        name: &str,
    ) -> Result<(), LedgerError> {
        let issuer = self.same_issuer(name, certificate)?;
        self.write(act, |writing| {
            refuse_disabled(writing, issuer)?;
            add_issued(writing, parent, certificate, INTERMEDIATE)?;
            writing.add_issuer_certificate(issuer, certificate.der())
        })
        .map(|_| ())
    }

    /// Records another certificate of a root, which it signed itself with the same subject and key.
    ///
    /// # Errors
    /// `OtherIssuer`, `IssuerDisabled`; the database cannot be written.
    pub fn renew_root(
        &mut self,
        act: &Act,
        name: &str,
        certificate: &OwnedCertificate,
    ) -> Result<(), LedgerError> {
        let issuer = self.same_issuer(name, certificate)?;
        self.write(act, |writing| {
            refuse_disabled(writing, issuer)?;
            writing.add_issuer_certificate(issuer, certificate.der())
        })
        .map(|_| ())
    }

    /// Adds another certificate of a CA, renewed elsewhere with the same subject and key.
    ///
    /// # Errors
    /// `OtherIssuer`; the database cannot be written.
    pub fn add_issuer_certificate(
        &mut self,
        act: &Act,
        name: &str,
        certificate: &OwnedCertificate,
    ) -> Result<(), LedgerError> {
        let issuer = self.same_issuer(name, certificate)?;
        self.write(act, |writing| {
            writing.add_issuer_certificate(issuer, certificate.der())
        })
        .map(|_| ())
    }

    /// The CA of that name, if the certificate is one of it.
    fn same_issuer(
        &self,
        name: &str,
        certificate: &OwnedCertificate,
    ) -> Result<IssuerNumber, LedgerError> {
        let issuer = self.reader.issuer(name)?;
        if issuer.identity == issuer_identity(&certificate.view()) {
            return Ok(issuer.number);
        }
        let name = name.to_owned();
        Err(self.refused(Refusal::OtherIssuer { name }))
    }

    /// Sets something of a CA, or with None takes it back.
    ///
    /// # Errors
    /// `TextLength` beyond 2048 characters; the database cannot be written.
    pub fn set(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        changes: &[(Setting, Option<&str>)],
    ) -> Result<Recorded, LedgerError> {
        self.write(act, |writing| {
            for (setting, value) in changes {
                add_setting(writing, issuer, *setting, *value)?;
            }
            Ok(())
        })
        .map(|(_, recorded)| recorded)
    }

    /// Records a serial number that is about to be signed; it is never given out again.
    ///
    /// # Errors
    /// `IssuerDisabled`; `SerialTaken`: draw another one; the database cannot be written.
    pub fn reserve_serial(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        serial: &SerialNumber,
    ) -> Result<Recorded, LedgerError> {
        self.write(act, |writing| {
            refuse_disabled(writing, issuer)?;
            let is_taken = writing.read(|db| rows::is_reserved(db, issuer, serial))?
                || writing.read(|db| rows::is_known(db, issuer, serial))?;
            if is_taken {
                let serial = *serial;
                return Err(writing.refused(Refusal::SerialTaken { serial }));
            }
            writing.add_reservation(issuer, serial)
        })
        .map(|(_, recorded)| recorded)
    }

    /// Records a certificate that was signed under a reserved serial: before it leaves.
    ///
    /// # Errors
    /// `IssuerDisabled`, also where that was decided after its serial was reserved; `SerialNotReserved`; the database cannot be written.
    pub fn issue(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        certificate: &OwnedCertificate,
        profile: &str,
    ) -> Result<Recorded, LedgerError> {
        self.write(act, |writing| {
            add_issued(writing, issuer, certificate, profile)
        })
        .map(|(_, recorded)| recorded)
    }

    /// Revokes one certificate, or puts it on hold (`certificateHold`).
    ///
    /// One on hold can be revoked for good.  One revoked for another reason can be said to be so for keyCompromise, which
    /// is often found out later (CA/B BR 4.9.1.1).  Its revocationDate stays what it was, unless this one is earlier; an
    /// earlier one can also be said for the reason that is known.
    ///
    /// # Errors
    /// `NoSuchCertificate`, `AlreadyRevoked`, `FutureRevocation`; the database cannot be written.
    pub fn revoke(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        serial: &SerialNumber,
        info: RevokedInfo,
    ) -> Result<Recorded, LedgerError> {
        self.write(act, |writing| {
            match add_revocation(writing, act, issuer, serial, info)? {
                Before::NotRevoked => Ok(()),
                Before::Revoked(since) => {
                    let serial = *serial;
                    Err(writing.refused(Refusal::AlreadyRevoked { serial, since }))
                }
            }
        })
        .map(|(_, recorded)| recorded)
    }

    /// Revokes many in one transaction: all or none.  Those that are revoked already stay as they are and are counted, so
    /// that a list can be given again.
    ///
    /// # Errors
    /// `NoSuchCertificate`, `FutureRevocation`; the database cannot be written.
    pub fn revoke_many(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        revocations: &[(SerialNumber, RevokedInfo)],
    ) -> Result<RevokedMany, LedgerError> {
        let ((revoked, already), recorded) = self.write(act, |writing| {
            let (mut revoked, mut already) = (0, 0);
            for (serial, info) in revocations {
                match add_revocation(writing, act, issuer, serial, *info)? {
                    Before::NotRevoked => revoked += 1,
                    Before::Revoked(_) => already += 1,
                }
            }
            Ok((revoked, already))
        })?;
        Ok(RevokedMany {
            recorded,
            revoked,
            already,
        })
    }

    /// Releases a certificate from its hold.
    ///
    /// # Errors
    /// `NotOnHold`; the database cannot be written.
    pub fn release(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        serial: &SerialNumber,
    ) -> Result<Recorded, LedgerError> {
        self.write(act, |writing| {
            let standing = writing.read(|db| rows::standing_of(db, issuer, serial))?;
            match standing.map(|standing| standing.revocation) {
                Some(Revocation::Revoked(RevokedInfo {
                    reason: Some(CrlReason::CertificateHold),
                    ..
                })) => writing.add_revocation(issuer, serial, Revocation::Removed, act.recorded),
                Some(_) | None => {
                    let serial = *serial;
                    Err(writing.refused(Refusal::NotOnHold { serial }))
                }
            }
        })
        .map(|(_, recorded)| recorded)
    }

    /// Records the number of a CRL that is about to be signed: the next one of the CA, full or delta; it is never given out
    /// again.
    ///
    /// # Errors
    /// `CrlNumbersEnd`; the database cannot be written.
    pub fn reserve_crl_number(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        used: CrlUse,
    ) -> Result<CrlNumber, LedgerError> {
        self.write(act, |writing| {
            let number = match writing.read(|db| rows::highest_crl_number(db, issuer))? {
                None => CrlNumber::from(1),
                Some(number) => number
                    .plus(1)
                    .ok_or_else(|| writing.refused(Refusal::CrlNumbersEnd { number }))?,
            };
            writing.add_crl_number(issuer, &number, used)?;
            Ok(number)
        })
        .map(|(number, _)| number)
    }

    /// Passes over all CRL numbers up to this one, which others may have used; without effect where they are used up.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn pass_over_crl_numbers(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        up_to: CrlNumber,
    ) -> Result<Recorded, LedgerError> {
        self.write(act, |writing| pass_over(writing, issuer, &up_to))
            .map(|(_, recorded)| recorded)
    }

    /// Records a CRL that is published; its number was reserved before.
    ///
    /// # Errors
    /// `CrlNumberNotReserved`; the database cannot be written.
    pub fn publish_crl(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        crl: &PublishedCrl,
    ) -> Result<Recorded, LedgerError> {
        self.write(act, |writing| {
            let found: Option<(i64, bool)> = writing.read(|db| {
                db.prepare_cached(include_str!("sql/crl_number_use.sql"))?
                    .query_row(
                        params![issuer.0.cast_signed(), crl.number.octets()],
                        |row| Ok((row.get(0)?, row.get(1)?)),
                    )
                    .optional()
            })?;
            match found {
                Some((1 | 2, false)) => writing.add_crl(issuer, crl),
                Some(_) | None => {
                    let number = crl.number;
                    Err(writing.refused(Refusal::CrlNumberNotReserved { number }))
                }
            }
        })
        .map(|(_, recorded)| recorded)
    }

    /// One transaction; nothing of it is recorded when it fails.
    pub(crate) fn write<T>(
        &mut self,
        act: &Act,
        write: impl FnOnce(&mut Writing<'_>) -> Result<T, LedgerError>,
    ) -> Result<(T, Recorded), LedgerError> {
        let mut writing = self.begin(Restored::Refuse)?;
        let value = write(&mut writing)?;
        let recorded = writing.commit(act)?;
        Ok((value, recorded))
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self, restored: Restored) -> Result<Writing<'_>, LedgerError> {
        let (connection, path) = self.reader.connection_mut();
        Writing::begin(connection, path, restored)
    }

    fn refused(&self, refusal: Refusal) -> LedgerError {
        LedgerError::Refused {
            path: self.reader.path().to_owned(),
            refusal: Box::new(refusal),
        }
    }
}

/// Adds a CA with its certificate, unless its name or itself is there.
pub(crate) fn add_issuer(
    writing: &mut Writing<'_>,
    name: &IssuerName,
    certificate: &OwnedCertificate,
    settings: &[(Setting, &str)],
) -> Result<IssuerNumber, LedgerError> {
    let identity = issuer_identity(&certificate.view());
    let taken: Option<(String, [u8; 32])> = writing.read(|db| {
        db.prepare_cached(include_str!("sql/issuer_taken.sql"))?
            .query_row(params![name.as_str(), identity], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
    })?;
    match taken {
        Some((name, known)) if known == identity => {
            return Err(writing.refused(Refusal::IssuerTaken { name }));
        }
        Some((name, _)) => return Err(writing.refused(Refusal::NameTaken { name })),
        None => {}
    }
    let issuer = writing.add_issuer(name, &identity)?;
    writing.add_issuer_certificate(issuer, certificate.der())?;
    for (setting, value) in settings {
        add_setting(writing, issuer, *setting, Some(value))?;
    }
    Ok(issuer)
}

/// Adds a certificate that was signed under a reserved serial.
fn add_issued(
    writing: &mut Writing<'_>,
    issuer: IssuerNumber,
    certificate: &OwnedCertificate,
    profile: &str,
) -> Result<(), LedgerError> {
    refuse_disabled(writing, issuer)?;
    let view = certificate.view();
    let serial = view.serial_number;
    let is_reserved = writing.read(|db| rows::is_reserved(db, issuer, &serial))?;
    let known = writing.read(|db| rows::certificate_of(db, issuer, &serial))?;
    let is_issued = known.is_some_and(|known| known.origin != Origin::Named);
    if !is_reserved || is_issued {
        return Err(writing.refused(Refusal::SerialNotReserved { serial }));
    }
    writing.add_certificate(
        issuer,
        &CertificateRow {
            serial_number: &serial,
            origin: Origin::Issued,
            subject: &display_name(view.subject),
            not_before: Some(view.not_before),
            not_after: Some(view.not_after),
            profile: Some(profile),
            der: Some(certificate.der()),
        },
    )
}

/// What began while a CA issued ends here once it does not: no certificate of it is recorded, and so none leaves.
fn refuse_disabled(writing: &Writing<'_>, issuer: IssuerNumber) -> Result<(), LedgerError> {
    let found: Option<(String, Option<String>)> = writing.read(|db| {
        db.prepare_cached(include_str!("sql/setting_of.sql"))?
            .query_row(
                params![issuer.0.cast_signed(), Setting::Enabled.name()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
    })?;
    match found {
        Some((name, Some(value))) if value == "no" => {
            Err(writing.refused(Refusal::IssuerDisabled { name }))
        }
        Some(_) | None => Ok(()),
    }
}

/// The profile of the certificate of a CA.
const INTERMEDIATE: &str = "intermediate";

pub(crate) fn add_setting(
    writing: &mut Writing<'_>,
    issuer: IssuerNumber,
    setting: Setting,
    value: Option<&str>,
) -> Result<(), LedgerError> {
    if let Some(value) = value {
        check_text(setting.name(), value, SETTING_CHARACTERS_MAX)
            .map_err(|refusal| writing.refused(refusal))?;
    }
    writing.add_setting(issuer, setting.name(), value)
}

/// Passes over CRL numbers where they are not used up already.
pub(crate) fn pass_over(
    writing: &mut Writing<'_>,
    issuer: IssuerNumber,
    up_to: &CrlNumber,
) -> Result<(), LedgerError> {
    let highest = writing.read(|db| rows::highest_crl_number(db, issuer))?;
    match highest.is_none_or(|highest| highest < *up_to) {
        true => writing.add_crl_number(issuer, up_to, CrlUse::PassedOver),
        false => Ok(()),
    }
}

/// Long enough for a URL.
const SETTING_CHARACTERS_MAX: usize = 2048;

/// What a certificate was when its revocation was asked for.
enum Before {
    NotRevoked,
    Revoked(Time),
}

/// Adds a revocation where there is something to add.
fn add_revocation(
    writing: &mut Writing<'_>,
    act: &Act,
    issuer: IssuerNumber,
    serial: &SerialNumber,
    info: RevokedInfo,
) -> Result<Before, LedgerError> {
    if !writing.read(|db| rows::is_known(db, issuer, serial))? {
        let serial = *serial;
        return Err(writing.refused(Refusal::NoSuchCertificate { serial }));
    }
    if info.revocation_time > act.recorded {
        return Err(writing.refused(Refusal::FutureRevocation {
            serial: *serial,
            time: info.revocation_time,
            now: act.recorded,
        }));
    }
    let standing = writing.read(|db| rows::standing_of(db, issuer, serial))?;
    let Some(news) = news_after(standing.as_ref(), info) else {
        let since = standing.map_or(info.revocation_time, |standing| standing.effective);
        return Ok(Before::Revoked(since));
    };
    let since = news.revocation_time;
    writing.add_revocation(issuer, serial, Revocation::Revoked(news), since)?;
    Ok(Before::NotRevoked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImportEntry, check};

    #[test]
    fn a_full_disk_is_named_and_nothing_is_half_recorded() {
        let directory = tempfile::tempdir().unwrap();
        let place = LedgerPlace::Sqlite(directory.path().join("ledger.db"));
        let mut ledger = Ledger::create(&place).unwrap();
        let root = ocspry_testkit::Authority::root("Root", ocspry_testkit::KeyKind::P256);
        let root = OwnedCertificate::from_der(root.certificate).unwrap();
        let now = Time::from_unix(1_900_000_000);
        let act = Act::by("tests", now);
        let name = IssuerName::new("root").unwrap();
        let issuer = ledger.add_issuer(&act, &name, &root, &[]).unwrap();
        let entries = || {
            (0..1000_u16).map(|number| ImportEntry {
                serial_number: SerialNumber::from_content(&number.to_be_bytes()).unwrap(),
                subject: "CN=somebody".into(),
                not_before: None,
                not_after: now,
                der: None,
                profile: None,
                revoked: None,
            })
        };
        let limit = |ledger: &Ledger, pages: i64| {
            let set = |db: &rusqlite::Connection| {
                db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            };
            ledger.reader.read(set).unwrap();
        };

        // No more than it has: SQLite says the same as for a full disk.
        limit(&ledger, 1);
        let error = ledger.import(&act, issuer, entries(), |_| {}).unwrap_err();
        assert!(matches!(error, LedgerError::DiskFull { .. }), "{error}");
        let report = check(&place).unwrap();
        assert_eq!((report.sequence, report.defects), (2, Vec::new()));

        limit(&ledger, 1_000_000);
        ledger.import(&act, issuer, entries(), |_| {}).unwrap();
        let report = check(&place).unwrap();
        assert_eq!((report.sequence, report.defects), (1002, Vec::new()));
    }
}
