//! PKITS: its files, and how one of its tests is asked.
//!
//! From: the rows of `revocation`, `points`, `deltas` and `names`.  Through: a [`Refresher`] over the lists that the row
//! names.  To: a verdict, which must be that of the suite, or differ for the reason that the row gives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::{Absence, Issuer, Lookup, OwnedCertificate, Policy};
use ocspry_source::{
    Event, FreshestCrl, Guard, ListSource, Refresher, SourceLimits, Sources, StatusSource,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::CrlReason;

/// Where the suite lies.
pub(crate) struct Pkits {
    folder: PathBuf,
}

/// One test of the suite, as a question about one serial.
pub(crate) struct Case {
    /// Its number and name.
    pub(crate) test: &'static str,
    /// The certificate that is asked about, without `.crt`.
    pub(crate) certificate: &'static str,
    /// Who issued it.
    pub(crate) issuer: &'static str,
    /// Certificates that may sign lists besides the issuer.
    pub(crate) crl_issuers: &'static [&'static str],
    /// The configured lists, without `.crl`.
    pub(crate) lists: &'static [&'static str],
    /// What the suite says.
    pub(crate) suite: Suite,
    /// What is said here.
    pub(crate) here: Verdict,
    /// Why the two differ, where they do.
    pub(crate) difference: Option<&'static str>,
    /// Part of the sentence about the first list that is refused; empty: none is.
    pub(crate) refusal: &'static str,
}

/// What the suite says of the certificate's revocation status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// The path is valid.
    NotRevoked,
    /// The certificate is revoked.
    Revoked,
    /// It cannot be found out.
    Undetermined,
}

/// What the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    NotRevoked,
    Revoked(Option<CrlReason>),
    /// No list may be used: tryLater.
    NoTable,
    /// The lists are over: tryLater.
    Expired,
    /// Something is missing that could say revoked: tryLater.
    Unproven,
}

pub(crate) const COMPROMISED: Verdict = Verdict::Revoked(Some(CrlReason::KeyCompromise));
pub(crate) const HELD: Verdict = Verdict::Revoked(Some(CrlReason::CertificateHold));

impl Case {
    /// The certificate is not revoked, and its issuer's one list says so.
    pub(crate) const fn new(
        test: &'static str,
        certificate: &'static str,
        issuer: &'static str,
        lists: &'static [&'static str],
    ) -> Case {
        Case {
            test,
            certificate,
            issuer,
            crl_issuers: &[],
            lists,
            suite: Suite::NotRevoked,
            here: Verdict::NotRevoked,
            difference: None,
            refusal: "",
        }
    }

    pub(crate) const fn crl_issuers(mut self, crl_issuers: &'static [&'static str]) -> Case {
        self.crl_issuers = crl_issuers;
        self
    }

    /// As the suite says, too.
    pub(crate) const fn says(mut self, here: Verdict) -> Case {
        self.here = here;
        self.suite = here.in_the_suite();
        self
    }

    /// The suite says something else.
    pub(crate) const fn against(mut self, suite: Suite, why: &'static str) -> Case {
        self.suite = suite;
        self.difference = Some(why);
        self
    }

    pub(crate) const fn refusing(mut self, refusal: &'static str) -> Case {
        self.refusal = refusal;
        self
    }
}

impl Verdict {
    const fn in_the_suite(self) -> Suite {
        match self {
            Verdict::NotRevoked => Suite::NotRevoked,
            Verdict::Revoked(_) => Suite::Revoked,
            Verdict::NoTable | Verdict::Expired | Verdict::Unproven => Suite::Undetermined,
        }
    }
}

impl Pkits {
    /// None when the material is not here, which was said.
    pub(crate) fn find() -> Option<Pkits> {
        let folder = ocspry_testkit::cryptography_vectors()?.join("x509/PKITS_data");
        Some(Pkits { folder })
    }

    pub(crate) fn certificate(&self, name: &str) -> OwnedCertificate {
        certificate(&self.folder.join("certs").join(format!("{name}.crt")))
    }

    pub(crate) fn list(&self, name: &str) -> PathBuf {
        self.folder.join("crls").join(format!("{name}.crl"))
    }

    /// Every list, by its name without `.crl`, in order.
    pub(crate) fn lists(&self) -> Vec<String> {
        names_in(&self.folder.join("crls"))
    }

    /// Every certificate that can be read, and the names of those that cannot.
    pub(crate) fn certificates(&self) -> (Vec<OwnedCertificate>, Vec<String>) {
        let (mut certificates, mut unreadable) = (Vec::new(), Vec::new());
        for name in names_in(&self.folder.join("certs")) {
            let der = fs::read(self.folder.join("certs").join(format!("{name}.crt"))).unwrap();
            match OwnedCertificate::from_der(der) {
                Ok(certificate) => certificates.push(certificate),
                Err(_) => unreadable.push(name),
            }
        }
        (certificates, unreadable)
    }

    /// Asks every row, and says all that is wrong at once.
    #[track_caller]
    pub(crate) fn judge(&self, cases: &[Case]) {
        let wrong: Vec<String> = cases.iter().filter_map(|case| self.wrong(case)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn wrong(&self, case: &Case) -> Option<String> {
        let agrees = case.here.in_the_suite() == case.suite;
        assert_eq!(
            agrees,
            case.difference.is_none(),
            "{}: a difference has a reason",
            case.test
        );
        let mut refresher = self.refresher(case);
        let reports = refresher.refresh(NOW);
        let verdict = self.verdict(&refresher, case);
        let is_said_to_be_over = reports
            .iter()
            .any(|report| matches!(report.event, Event::Expired { .. }));
        let problem = refresher.problems().into_iter().next();
        let refusal = problem.map_or(String::new(), |problem| problem.error.to_string());
        let is_right = verdict == case.here
            && is_said_to_be_over == (verdict == Verdict::Expired)
            && refusal.is_empty() == case.refusal.is_empty()
            && refusal.contains(case.refusal);
        (!is_right).then(|| {
            let Case { test, here, .. } = case;
            format!("{test}: expected {here:?}, got {verdict:?}; refusal: {refusal}; {reports:?}")
        })
    }

    fn refresher(&self, case: &Case) -> Refresher {
        let issuer = Issuer::new(
            "pkits".to_owned(),
            self.certificate(case.issuer),
            Policy::DEFAULT,
        );
        let file = |name: &&str| StatusSource::Lists(ListSource::File(self.list(name)));
        let sources = Sources {
            sources: case.lists.iter().map(file).collect(),
            crl_issuers: case
                .crl_issuers
                .iter()
                .map(|name| self.certificate(name))
                .collect(),
            guard: Guard::default(),
            freshest_crl: FreshestCrl::FetchedLists,
            limits: SourceLimits::DEFAULT,
        };
        Refresher::new(Arc::new(issuer), sources, None, None)
    }

    fn verdict(&self, refresher: &Refresher, case: &Case) -> Verdict {
        let Some(table) = refresher.issuer().table() else {
            return Verdict::NoTable;
        };
        if table.window().next_update <= NOW {
            return Verdict::Expired;
        }
        let certificate = self.certificate(case.certificate);
        match table.lookup(&certificate.view().serial_number) {
            Lookup::Revoked(info) => Verdict::Revoked(info.reason),
            Lookup::Issued => panic!("{}: no list says what was issued", case.test),
            Lookup::Absent => match table.absence() {
                Absence::NotRevoked => Verdict::NotRevoked,
                Absence::Unproven => Verdict::Unproven,
                other => panic!("{}: {other:?}", case.test),
            },
        }
    }
}

pub(crate) fn certificate(path: &Path) -> OwnedCertificate {
    let octets = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let der = if octets.starts_with(b"-----") {
        ocspry_testkit::pem_to_der(&String::from_utf8(octets).unwrap())
    } else {
        octets
    };
    OwnedCertificate::from_der(der).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
}

fn names_in(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = files
        .map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.sort_unstable();
    names
}

/// 2026-01-01, while almost all lists of the suite hold: they run from 2010 to 2030.
pub(crate) const NOW: Time = Time::from_unix(1_767_225_600);
