//! What was seen, cell by cell.  From: the clients' tests.  To: the file that `OCSPRY_MATRIX` names, if any, which
//! `cargo xtask interop` prints as tables and compares with docs/interop.md.
//!
//! A line is one write of fields parted by tabs: `plan TABLE ROW COLUMN` for a cell that there must be, and
//! `seen TABLE ROW COLUMN VERDICT TEXT VERSION` for one that was seen.  Rows and columns stand in the order of the plan.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A client: one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// `openssl ocsp`.
    OpensslOcsp,
    /// GnuTLS.
    Ocsptool,
    /// The JDK, asking by POST.
    JavaPost,
    /// The JDK, asking by GET.
    JavaGet,
    /// A script over pyca/cryptography.
    Pyca,
    /// NSS.
    Ocspclnt,
    /// strongSwan.
    StrongswanPki,
    /// `openssl s_client -status` behind nginx that staples a file.
    OpensslTls,
    /// `curl --cert-status` behind the same.
    Curl,
    /// nginx that asks by itself, with curl behind it.
    Nginx,
    /// Apache httpd, likewise.
    Apache,
    /// HAProxy with the answer in a file, with curl behind it.
    HaproxyFile,
    /// HAProxy with the answer by its socket, with curl behind it.
    HaproxySocket,
    /// FreeRADIUS with `eapol_test`.
    FreeRadius,
}

impl Client {
    const ALL: &[Client] = &[
        Client::OpensslOcsp,
        Client::Ocsptool,
        Client::JavaPost,
        Client::JavaGet,
        Client::Pyca,
        Client::Ocspclnt,
        Client::StrongswanPki,
        Client::OpensslTls,
        Client::Curl,
        Client::Nginx,
        Client::Apache,
        Client::HaproxyFile,
        Client::HaproxySocket,
        Client::FreeRadius,
    ];

    /// As the row is called.
    fn name(self) -> &'static str {
        match self {
            Client::OpensslOcsp => "openssl ocsp",
            Client::Ocsptool => "GnuTLS ocsptool",
            Client::JavaPost => "Java PKIX, POST",
            Client::JavaGet => "Java PKIX, GET",
            Client::Pyca => "pyca/cryptography, own script",
            Client::Ocspclnt => "NSS ocspclnt",
            Client::StrongswanPki => "strongSwan pki",
            Client::OpensslTls => "openssl s_client -status",
            Client::Curl => "curl --cert-status",
            Client::Nginx => "nginx ssl_stapling",
            Client::Apache => "Apache SSLUseStapling",
            Client::HaproxyFile => "HAProxy, .ocsp file",
            Client::HaproxySocket => "HAProxy, set ssl ocsp-response",
            Client::FreeRadius => "FreeRADIUS EAP-TLS",
        }
    }
}

/// What a client must tell apart: a column of the table of verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    Good,
    Revoked,
    Unknown,
    ForgedSignature,
    Expired,
    ForeignDelegate,
}

impl Situation {
    const ALL: [Situation; 6] = [
        Situation::Good,
        Situation::Revoked,
        Situation::Unknown,
        Situation::ForgedSignature,
        Situation::Expired,
        Situation::ForeignDelegate,
    ];

    fn name(self) -> &'static str {
        match self {
            Situation::Good => "good",
            Situation::Revoked => "revoked",
            Situation::Unknown => "unknown",
            Situation::ForgedSignature => "forged signature",
            Situation::Expired => "expired answer",
            Situation::ForeignDelegate => "foreign delegate",
        }
    }
}

/// What may happen to a client, and it does one thing or another: a column of the table of reactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    Unknown,
    Unauthorized,
    TryLater,
    NoNonce,
    RefusedConnection,
}

impl Occasion {
    const ALL: [Occasion; 5] = [
        Occasion::Unknown,
        Occasion::Unauthorized,
        Occasion::TryLater,
        Occasion::NoNonce,
        Occasion::RefusedConnection,
    ];

    fn name(self) -> &'static str {
        match self {
            Occasion::Unknown => "unknown",
            Occasion::Unauthorized => "unauthorized",
            Occasion::TryLater => "tryLater",
            Occasion::NoNonce => "no nonce",
            Occasion::RefusedConnection => "refused connection",
        }
    }
}

const VERDICTS: &str = "verdicts";
const REACTIONS: &str = "reactions";
/// The table of what the linter says; a row for each class of answer.
pub(crate) const LINTER: &str = "linter";

/// The row of one client, cell by cell.
#[derive(Debug)]
pub(crate) struct Row {
    client: Client,
    version: String,
    red: Vec<String>,
}

impl Row {
    /// Runs all checks of a client; panics at their end when one of them has failed, so that the others are seen too.
    pub(crate) fn of(client: Client, version: &str, checks: impl FnOnce(&mut Row)) {
        let mut row = Row {
            client,
            version: version.to_owned(),
            red: Vec::new(),
        };
        checks(&mut row);
        assert!(row.red.is_empty(), "{}: red: {:?}", client.name(), row.red);
    }

    /// Green when `check` returns, which may have something to add; red when it panics.
    pub(crate) fn cell(&mut self, situation: Situation, check: impl FnOnce() -> Note) {
        let checked = catch_unwind(AssertUnwindSafe(check));
        let (verdict, note) = match checked {
            Ok(Note(note)) => ("green", note),
            Err(_) => {
                self.red.push(situation.name().to_owned());
                ("red", "")
            }
        };
        self.seen(VERDICTS, situation.name(), verdict, note);
    }

    /// The client cannot be brought into this situation, and why.
    pub(crate) fn impossible(&self, situation: Situation, reason: &str) {
        self.seen(VERDICTS, situation.name(), "impossible", reason);
    }

    /// What the client did, in its words or ours; red when `look` panics.
    pub(crate) fn reaction(&mut self, occasion: Occasion, look: impl FnOnce() -> String) {
        let looked = catch_unwind(AssertUnwindSafe(look));
        let (verdict, text) = match looked {
            Ok(text) => ("seen", text),
            Err(_) => {
                self.red.push(occasion.name().to_owned());
                ("red", String::new())
            }
        };
        self.seen(REACTIONS, occasion.name(), verdict, &text);
    }

    fn seen(&self, table: &str, column: &str, verdict: &str, text: &str) {
        let row = self.client.name();
        write(&["seen", table, row, column, verdict, text, &self.version]);
    }
}

/// The version of a Debian package, for a program that does not tell its own; empty where there is no such package.
pub(crate) fn package_version(package: &str) -> String {
    let mut query = std::process::Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${Package} ${Version}", package]);
    query.output().map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// What is to be said of a green cell; mostly nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note(pub(crate) &'static str);

/// Nothing to say.
pub(crate) const PLAIN: Note = Note("");

/// One line of the file, in one write, so that tests that run at the same time do not mix theirs.
pub(crate) fn write(fields: &[&str]) {
    let Some(path) = std::env::var_os("OCSPRY_MATRIX") else {
        return;
    };
    let fields: Vec<String> = fields
        .iter()
        .map(|field| field.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let line = format!("{}\n", fields.join("\t"));
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.write_all(line.as_bytes()).unwrap();
}

#[test]
fn every_client_has_a_name_of_its_own_and_all_its_cells_are_planned() {
    let mut names: Vec<&str> = Client::ALL.iter().map(|client| client.name()).collect();
    for name in &names {
        for situation in Situation::ALL {
            write(&["plan", VERDICTS, name, situation.name()]);
        }
        for occasion in Occasion::ALL {
            write(&["plan", REACTIONS, name, occasion.name()]);
        }
    }
    for class in crate::pkilint::classes() {
        write(&["plan", LINTER, &class, "pkilint"]);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Client::ALL.len());
}
