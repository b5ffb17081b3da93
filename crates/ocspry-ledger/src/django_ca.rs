//! The database of django-ca (SQLite), row by row, of all its versions since 2016.
//!
//! Here, since all SQL is; what the rows mean is for the reader to say.  Which columns there are is asked of the database:
//! what a version does not have reads as nothing.  Opened to read only and never changed; all that is read is of one moment,
//! also while django-ca writes.  From: a file.  To: `ocspry import django-ca`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params_from_iter};

/// Why the database cannot be read: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DjangoCaError {
    /// No file there, or it cannot be opened.
    #[error("{}: cannot be opened: {problem}; check the path and its permissions", path.display())]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// What the system or the database said.
        problem: String,
    },
    /// Not SQLite.
    #[error(
        "{}: is no SQLite database; name the file that django-ca's DATABASES names (a database of PostgreSQL or MySQL is \
         taken to SQLite first: manage.py dumpdata, loaddata)",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Another program's.
    #[error(
        "{}: has no table {table}, so that it is no database of django-ca; name the file that its DATABASES names",
        path.display()
    )]
    NoTable {
        /// The file.
        path: PathBuf,
        /// The first that is missing.
        table: &'static str,
    },
    /// A version from before there were several CAs, or one that is not known.
    #[error(
        "{}: table {table} has no column {column}, as every django-ca since 1.0 has it: bring it to a newer version first \
         (manage.py migrate)",
        path.display()
    )]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// Of which table.
        table: &'static str,
        /// The first that is missing.
        column: &'static str,
    },
    /// A field holds something else than it should.
    #[error("{}: row {row} of {table} cannot be read: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Of which table.
        table: &'static str,
        /// Its id.
        row: i64,
        /// What the database said.
        problem: String,
    },
    /// Locked, damaged, or broken off.
    #[error(
        "{}: the database says: {problem}; try again, on a copy if it stays so (sqlite3 FILE '.backup COPY')",
        path.display()
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// What it said.
        problem: String,
    },
}

/// What is the same of a CA and of what it issued.  Times are texts in UTC, as Django writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DjangoCertificate {
    /// Its id.
    pub row: i64,
    /// For people.
    pub common_name: String,
    /// In hex, with or without colons.
    pub serial: String,
    /// PEM or DER.
    pub certificate: Vec<u8>,
    /// Whether it is revoked.
    pub is_revoked: bool,
    /// When it was.
    pub revoked_date: Option<String>,
    /// Why, in the words of OpenSSL or of Python's cryptography.
    pub revoked_reason: Option<String>,
    /// Since when its key is not safe.
    pub compromised: Option<String>,
    /// What it was issued for.
    pub profile: Option<String>,
}

/// A CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DjangoAuthority {
    /// Its own certificate.
    pub certificate: DjangoCertificate,
    /// For people; unique.
    pub name: String,
    /// Whether it issues.
    pub is_enabled: bool,
    /// The row of the CA above it.
    pub parent: Option<i64>,
    /// Where its key is, to 1.27.
    pub private_key_path: Option<String>,
    /// The same in JSON, since 1.28.
    pub key_backend_options: Option<String>,
    /// URLs of its CRL, one in each line, to 1.27.
    pub crl_url: Option<String>,
    /// URL of its certificate, to 1.27.
    pub issuer_url: Option<String>,
    /// URL of its responder, to 1.27.
    pub ocsp_url: Option<String>,
    /// The last two in JSON, since 1.28.
    pub sign_authority_information_access: Option<String>,
    /// The first one in JSON, since 1.28.
    pub sign_crl_distribution_points: Option<String>,
    /// CRL numbers by scope in JSON, 1.13 to 2.0.
    pub crl_number: Option<String>,
    /// The highest number of its CRLs, since 2.1.
    pub crl_number_max: Option<u64>,
}

/// A database of django-ca that is open to read.
#[derive(Debug)]
pub struct DjangoCaDatabase {
    connection: Connection,
    path: PathBuf,
    authorities: Columns,
    certificates: Columns,
    lists: Columns,
}

impl DjangoCaDatabase {
    /// Opens it, and sees that it is one.
    ///
    /// # Errors
    /// [`DjangoCaError`]; another process holds it for longer than ten seconds.
    pub fn open(path: &Path) -> Result<DjangoCaDatabase, DjangoCaError> {
        let error = database_error(path);
        // Before SQLite, which says of a directory that it cannot be read, and of no file not that there is none.
        let problem = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => None,
            Ok(_) => Some("it is no file".to_owned()),
            Err(problem) => Some(problem.to_string()),
        };
        if let Some(problem) = problem {
            let path = path.to_owned();
            return Err(DjangoCaError::CannotOpen { path, problem });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(&error)?;
        connection.busy_timeout(WAIT).map_err(&error)?;
        for (setting, is_on) in [
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        ] {
            connection.set_db_config(setting, is_on).map_err(&error)?;
        }
        // Never committed: what is read from here on is of one moment.
        connection.execute_batch("BEGIN").map_err(&error)?;
        Ok(DjangoCaDatabase {
            authorities: Columns::of(&connection, path, AUTHORITIES, &NEEDED_OF_AUTHORITIES)?,
            certificates: Columns::of(&connection, path, CERTIFICATES, &NEEDED_OF_CERTIFICATES)?,
            lists: Columns::found(&connection, LISTS).map_err(&error)?,
            connection,
            path: path.to_owned(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this version counts its CRLs; those before 1.13 put no number into them.
    pub fn numbers_crls(&self) -> bool {
        self.lists.has("number") || self.authorities.has("crl_number")
    }

    /// All CAs, in the order in which they were added.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn authorities(&self) -> Result<Vec<DjangoAuthority>, DjangoCaError> {
        let mut found = Vec::new();
        let columns = &self.authorities;
        let sql = format!(
            "SELECT {}, {} FROM {AUTHORITIES} ORDER BY id",
            columns.select(&OF_BOTH),
            columns.select(&OF_AUTHORITIES)
        );
        self.each_row(AUTHORITIES, &sql, None, authority, |authority| {
            found.push(authority);
            Ok::<(), DjangoCaError>(())
        })?;
        for authority in &mut found {
            authority.crl_number_max = self.crl_number_max(authority.certificate.row)?;
        }
        Ok(found)
    }

    /// What a CA issued, in the order in which it did.
    ///
    /// # Errors
    /// A row cannot be read; or what `take` says.
    pub fn each_certificate<E: From<DjangoCaError>>(
        &self,
        authority: i64,
        take: impl FnMut(DjangoCertificate) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!(
            "SELECT {} FROM {CERTIFICATES} WHERE ca_id = ?1 ORDER BY id",
            self.certificates.select(&OF_BOTH)
        );
        self.each_row(CERTIFICATES, &sql, Some(authority), certificate, take)
    }

    /// A certificate of a CA that is not there.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn orphan(&self) -> Result<Option<DjangoCertificate>, DjangoCaError> {
        let sql = format!(
            "SELECT {} FROM {CERTIFICATES} WHERE ca_id IS NULL OR ca_id NOT IN (SELECT id FROM {AUTHORITIES}) LIMIT 1",
            self.certificates.select(&OF_BOTH)
        );
        let mut orphan = None;
        self.each_row(CERTIFICATES, &sql, None, certificate, |row| {
            orphan = Some(row);
            Ok::<(), DjangoCaError>(())
        })?;
        Ok(orphan)
    }

    fn crl_number_max(&self, authority: i64) -> Result<Option<u64>, DjangoCaError> {
        if !self.lists.has("number") {
            return Ok(None);
        }
        let sql = format!("SELECT max(number) FROM {LISTS} WHERE ca_id = ?1");
        let number: Option<i64> = self
            .connection
            .query_row(&sql, [authority], |row| row.get(0))
            .map_err(database_error(&self.path))?;
        Ok(number.and_then(|number| number.try_into().ok()))
    }

    /// Hands out rows whose first field is their id.
    fn each_row<T, E: From<DjangoCaError>>(
        &self,
        table: &'static str,
        sql: &str,
        authority: Option<i64>,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let error = database_error(&self.path);
        let mut statement = self.connection.prepare(sql).map_err(&error)?;
        let mut rows = statement
            .query(params_from_iter(authority))
            .map_err(&error)?;
        while let Some(row) = rows.next().map_err(&error)? {
            let value = read(row).map_err(|problem| DjangoCaError::Row {
                path: self.path.clone(),
                table,
                row: row.get(0).unwrap_or_default(),
                problem: problem.to_string(),
            })?;
            take(value)?;
        }
        Ok(())
    }
}

/// Of [`OF_BOTH`] and [`OF_AUTHORITIES`].
fn authority(row: &Row<'_>) -> rusqlite::Result<DjangoAuthority> {
    Ok(DjangoAuthority {
        certificate: certificate(row)?,
        name: row.get("name")?,
        is_enabled: row.get("enabled")?,
        parent: row.get("parent_id")?,
        private_key_path: row.get("private_key_path")?,
        key_backend_options: row.get("key_backend_options")?,
        crl_url: row.get("crl_url")?,
        issuer_url: row.get("issuer_url")?,
        ocsp_url: row.get("ocsp_url")?,
        sign_authority_information_access: row.get("sign_authority_information_access")?,
        sign_crl_distribution_points: row.get("sign_crl_distribution_points")?,
        crl_number: row.get("crl_number")?,
        crl_number_max: None,
    })
}

/// Of [`OF_BOTH`].
fn certificate(row: &Row<'_>) -> rusqlite::Result<DjangoCertificate> {
    let is_revoked: Option<bool> = row.get("revoked")?;
    let common_name: Option<String> = row.get("cn")?;
    let Octets(certificate) = row.get("pub")?;
    Ok(DjangoCertificate {
        row: row.get("id")?,
        common_name: common_name.unwrap_or_default(),
        serial: row.get("serial")?,
        certificate,
        is_revoked: is_revoked.unwrap_or(false),
        revoked_date: row.get("revoked_date")?,
        revoked_reason: row.get("revoked_reason")?,
        compromised: row.get("compromised")?,
        profile: row.get("profile")?,
    })
}

/// Text or binary, as the version has it.
struct Octets(Vec<u8>);

impl FromSql for Octets {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Octets> {
        match value {
            ValueRef::Text(octets) | ValueRef::Blob(octets) => Ok(Octets(octets.to_vec())),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => {
                Err(FromSqlError::InvalidType)
            }
        }
    }
}

/// The columns of a table, as far as this version of django-ca has them.
#[derive(Debug)]
struct Columns(BTreeSet<String>);

impl Columns {
    /// Those of a table that must be there.
    fn of(
        connection: &Connection,
        path: &Path,
        table: &'static str,
        needed: &[&'static str],
    ) -> Result<Columns, DjangoCaError> {
        let columns = Columns::found(connection, table).map_err(database_error(path))?;
        let path = path.to_owned();
        if columns.0.is_empty() {
            return Err(DjangoCaError::NoTable { path, table });
        }
        match needed.iter().find(|column| !columns.has(column)) {
            None => Ok(columns),
            Some(column) => Err(DjangoCaError::NoColumn {
                path,
                table,
                column,
            }),
        }
    }

    /// None of a table that is not there.
    fn found(connection: &Connection, table: &str) -> rusqlite::Result<Columns> {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let names = statement.query_map([table], |row| row.get(0))?;
        names.collect::<rusqlite::Result<_>>().map(Columns)
    }

    fn has(&self, column: &str) -> bool {
        self.0.contains(column)
    }

    /// What to select: NULL for those that are not there.
    fn select(&self, columns: &[&str]) -> String {
        let of = |column: &&str| match self.has(column) {
            true => (*column).to_owned(),
            false => format!("NULL AS {column}"),
        };
        columns.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

/// The database's word, as one of ours.
fn database_error(path: &Path) -> impl Fn(rusqlite::Error) -> DjangoCaError {
    move |error| {
        let path = path.to_owned();
        let problem = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => DjangoCaError::NotADatabase { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                DjangoCaError::CannotOpen { path, problem }
            }
            Some(_) | None => DjangoCaError::Database { path, problem },
        }
    }
}

const AUTHORITIES: &str = "django_ca_certificateauthority";
const CERTIFICATES: &str = "django_ca_certificate";
/// Since 2.1.
const LISTS: &str = "django_ca_certificaterevocationlist";

/// The id first.
const OF_BOTH: [&str; 9] = [
    "id",
    "cn",
    "serial",
    "pub",
    "revoked",
    "revoked_date",
    "revoked_reason",
    "compromised",
    "profile",
];
const OF_AUTHORITIES: [&str; 11] = [
    "name",
    "enabled",
    "parent_id",
    "private_key_path",
    "key_backend_options",
    "crl_url",
    "issuer_url",
    "ocsp_url",
    "sign_authority_information_access",
    "sign_crl_distribution_points",
    "crl_number",
];
const NEEDED_OF_AUTHORITIES: [&str; 5] = ["id", "name", "enabled", "serial", "pub"];
const NEEDED_OF_CERTIFICATES: [&str; 7] = [
    "id",
    "ca_id",
    "serial",
    "pub",
    "revoked",
    "revoked_date",
    "revoked_reason",
];

/// As long as Django itself waits, twice.
const WAIT: Duration = Duration::from_secs(10);
