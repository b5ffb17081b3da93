//! `ocspry ca tick`: what a CA has to do by itself, run by a timer as the CA's own user.
//!
//! START HERE: [`run`].  For each CA whose key is at hand: a CRL where one is due (`due`), into a directory that everyone
//! may read, and the CA's certificate beside it; responder certificates that were named are renewed at half life
//! (`responder`), those that managed responders ask for are signed (`requests`); what ends soon is told.  Two ticks at once:
//! one waits, and then finds that nothing is due.

mod due;
mod requests;
mod responder;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{CRL_LIFETIME, FileAccess, write_file};
use ocspry_core::{Clock as _, SystemClock};
use ocspry_ledger::{Act, IssuerFacts, IssuerNumber, Ledger, LedgerReader, PublishedCrl};
use ocspry_wire::Time;
use ocspry_wire::x509::display_name;
use serde_json::{Value, json};

use self::due::{Due, Rhythm};
use self::requests::Requested;
use self::responder::Renewal;
use crate::audit::AuditTrail;
use crate::ca_choice;
use crate::ca_keys;
use crate::cmd::crl::dump::{lifetime, published_json};
use crate::config::published_beside;
use crate::crl_publishing::{self, ListKind, ListLock, ListOrder};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print, print_json, say};
use crate::passphrases::PassphraseFlags;
use crate::time_text::utc_and_distance;

/// How it is used.
pub(crate) const AFTER_HELP: &str = "\
A CRL is due when there is none, a day after the last one, and when something was revoked since; each names the
next one for seven days later.  NAME.crl and NAME.cer (DER) are written whole or not at all.

  * * * * *  ocspry ca tick --ledger /var/lib/ocspry-ca/ledger.db --out-dir /srv/crl     (crontab of the CA's user)

Exit codes: 0 all that was due is done, 1 something could not be done, came late or is of a time that has not come,
and why, 2 wrong usage.";

/// What `ca tick` can be told.
#[derive(Debug, Args)]
pub(crate) struct TickFlags {
    /// Only these CAs, by name or serial number [default: all]
    #[arg(value_name = "CA")]
    cas: Vec<String>,

    /// Where CRLs and CA certificates go [default: `published` beside the ledger]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out_dir: Option<PathBuf>,

    /// From now until a CRL says that the next one is due (nextUpdate) [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    lifetime: Option<Duration>,

    /// How old a CRL gets before the next one is made [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    every: Option<Duration>,

    /// A responder certificate to renew, with its key, when half of its life is over (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    responder: Vec<PathBuf>,

    /// Sign what managed responders ask for: NAME.csr of each CA, in a directory that the user of `serve` writes to (repeatable)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    responder_requests: Vec<PathBuf>,

    /// Tell which certificates end within this time [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    warn: Option<Duration>,

    /// Say what was done as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    passphrase: PassphraseFlags,

    #[command(flatten)]
    act: ActFlags,
}

/// How old a CRL gets: a day.
const EVERY: Duration = Duration::from_secs(86_400);

/// What ends within a month is told.
const WARN: Duration = Duration::from_secs(30 * 86_400);

/// Most certificates that are named of those that end soon.
const EXPIRING_MAX: u32 = 1000;

/// Does what is due.
///
/// # Errors
/// The ledger cannot be used, or a CA that was named is not in it.  What fails for one CA is told, and the others go on.
pub(crate) fn run(flags: &TickFlags) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    let path = ledger.reader().path().to_owned();
    let directory = out_dir(flags, &path)?;
    let lock = ListLock::wait(&path)?;
    // What another one did while this one waited is seen, and its time is before this one.
    let act = flags.act.act(SystemClock.now());
    let now = act.recorded;
    let audit = flags.act.audit_when_due(&flags.ledger, "ca tick", &act)?;
    let cas = match flags.cas.as_slice() {
        [] => ledger.reader().issuers()?,
        names => names
            .iter()
            .map(|name| ca_choice::ca(ledger.reader(), name))
            .collect::<Result<_>>()?,
    };
    let tick = Tick {
        flags,
        directory: &directory,
        lock: &lock,
        act: &act,
        audit: &audit,
    };
    let lists = cas
        .iter()
        .map(|ca| tick.list(&mut ledger, ca))
        .collect::<Vec<_>>();
    let renewals = flags
        .responder
        .iter()
        .map(|file| responder::renew(&mut ledger, file, &act, &flags.passphrase.source(), &audit))
        .collect::<Vec<_>>();
    let directories = &flags.responder_requests;
    let passphrase = flags.passphrase.source();
    let requested = cas
        .iter()
        .flat_map(|ca| requests::answer(&mut ledger, ca, directories, &act, &passphrase, &audit))
        .collect::<Vec<_>>();
    let report = Report {
        lists,
        renewals,
        requested,
        ends: ends(ledger.reader(), &cas, flags.warn.unwrap_or(WARN), now)?,
        directory: directory.clone(),
        now,
    };
    match flags.json {
        true => print_json(&report.json()),
        false => print(&report.text()),
    }
    // A timer's log and mail have the reason also where the report goes elsewhere.
    for problem in report.problems() {
        say(&format!("error: {problem}"));
    }
    Ok(match report.problems().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Made if it is not there, for everybody to read, whatever the umask: `serve` is another user.
fn out_dir(flags: &TickFlags, ledger: &Path) -> Result<PathBuf> {
    let directory = match &flags.out_dir {
        Some(directory) => directory.clone(),
        None => published_beside(ledger),
    };
    let made = match directory.is_dir() {
        true => Ok(()),
        false => fs::create_dir_all(&directory)
            .and_then(|()| fs::set_permissions(&directory, Permissions::from_mode(0o755))),
    };
    made.with_context(|| format!("the directory {} cannot be made", directory.display()))?;
    Ok(directory)
}

/// One run.
struct Tick<'a> {
    flags: &'a TickFlags,
    directory: &'a Path,
    lock: &'a ListLock,
    act: &'a Act,
    audit: &'a AuditTrail,
}

/// What became of the CRL of one CA.
struct ListReport {
    ca: String,
    outcome: Outcome,
    timing: Timing,
}

/// What is wrong with the time of the list before.
#[derive(Default)]
struct Timing {
    /// What should have been earlier.
    late: Option<String>,
    /// Its time has not come.
    ahead: Option<String>,
}

enum Outcome {
    Published {
        crl: PublishedCrl,
        due: Due,
    },
    NotDue {
        crl: PublishedCrl,
    },
    /// It publishes none here, and why that is no mistake.
    NotHere {
        why: &'static str,
    },
    Failed {
        error: String,
    },
}

impl Tick<'_> {
    fn list(&self, ledger: &mut Ledger, ca: &IssuerFacts) -> ListReport {
        let mut timing = Timing::default();
        let outcome = self
            .outcome(ledger, ca, &mut timing)
            .unwrap_or_else(|error| Outcome::Failed {
                error: format!("{error:#}"),
            });
        ListReport {
            ca: ca.name.as_str().to_owned(),
            outcome,
            timing,
        }
    }

    fn outcome(
        &self,
        ledger: &mut Ledger,
        ca: &IssuerFacts,
        timing: &mut Timing,
    ) -> Result<Outcome> {
        let now = self.act.recorded;
        let certificate = ca_keys::certificate_of(ca, now)?;
        if ca_keys::key_path(ledger.reader().path(), ca).is_none() {
            return Ok(Outcome::NotHere {
                why: "its key is not at hand",
            });
        }
        if now >= certificate.view().not_after {
            if ca_keys::is_enabled(ca) {
                let name = &ca.name;
                bail!(
                    "its certificate has ended: ocspry ca renew {name}, or if it is out of use: ocspry ca edit {name} \
                     --disable"
                );
            }
            return Ok(Outcome::NotHere {
                why: "its certificate has ended",
            });
        }
        self.keep_file(&format!("{}.cer", ca.name), certificate.der())?;
        let file = self.directory.join(format!("{}.crl", ca.name));
        let rhythm = Rhythm {
            every: self.flags.every.unwrap_or(EVERY),
            now,
        };
        let last = ledger.reader().last_full_crl(ca.number)?;
        if let Some(last) = &last {
            *timing = Timing {
                late: rhythm.late(last),
                ahead: rhythm.ahead(last),
            };
        }
        let due = match &last {
            None => Due::First,
            Some(last) => match rhythm.due(ledger.reader(), ca.number, last, &file)? {
                Some(due) => due,
                None => return Ok(Outcome::NotDue { crl: last.clone() }),
            },
        };
        let passphrase = self.flags.passphrase.source();
        let authority = ca_keys::open(ledger.reader().path(), ca, &passphrase, self.audit, now)?;
        let order = ListOrder {
            ca,
            authority: &authority,
            kind: ListKind::Full,
            lifetime: self.flags.lifetime.unwrap_or(CRL_LIFETIME),
            at_hand: slice::from_ref(&file),
        };
        let crl = crl_publishing::publish(ledger, self.lock, &order, self.act, |der| {
            Ok(write_file(&file, der, FileAccess::Published)?)
        })?;
        Ok(Outcome::Published { crl, due })
    }

    /// Written only where it is another one, so that nobody fetches it again for nothing.
    fn keep_file(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.directory.join(name);
        if fs::read(&path).is_ok_and(|there| there == content) {
            return Ok(());
        }
        Ok(write_file(&path, content, FileAccess::Published)?)
    }
}

/// A certificate that ends soon.
struct Expiring {
    ca: String,
    what: String,
    not_after: Time,
}

/// What ends within some time.
struct Ends {
    /// CAs, and certificates that are not revoked, the first to end first.
    first: Vec<Expiring>,
    /// Certificates that are not among them.
    more: u64,
    until: Time,
}

fn ends(reader: &LedgerReader, cas: &[IssuerFacts], within: Duration, now: Time) -> Result<Ends> {
    let seconds = i64::try_from(within.as_secs()).unwrap_or(i64::MAX / 2);
    let until = now.plus_seconds(seconds);
    let mut first = Vec::new();
    for ca in cas {
        let view = ca_keys::certificate_of(ca, now)?.view();
        if view.not_after <= until {
            first.push(Expiring {
                ca: ca.name.as_str().to_owned(),
                what: format!("the CA itself, {}", display_name(view.subject)),
                not_after: view.not_after,
            });
        }
    }
    let numbers: Vec<IssuerNumber> = cas.iter().map(|ca| ca.number).collect();
    let (certificates, count) = reader.expiring(&numbers, now, until, EXPIRING_MAX)?;
    let more = count - certificates.len() as u64;
    first.extend(certificates.into_iter().filter_map(|facts| {
        let ca = cas.iter().find(|ca| ca.number == facts.issuer)?;
        Some(Expiring {
            ca: ca.name.as_str().to_owned(),
            what: format!("{} {}", facts.serial_number, facts.subject),
            not_after: facts.not_after?,
        })
    }));
    Ok(Ends { first, more, until })
}

/// All that is told.
struct Report {
    lists: Vec<ListReport>,
    renewals: Vec<Renewal>,
    requested: Vec<Requested>,
    ends: Ends,
    directory: PathBuf,
    now: Time,
}

impl Report {
    /// Why the exit code is not 0.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for list in &self.lists {
            let ca = &list.ca;
            let Timing { late, ahead } = &list.timing;
            problems.extend(late.iter().map(|late| format!("CA {ca}: late: {late}")));
            problems.extend(ahead.iter().map(|ahead| format!("CA {ca}: {ahead}")));
            if let Outcome::Failed { error } = &list.outcome {
                problems.push(format!("CA {ca}: no CRL was published: {error}"));
            }
        }
        problems.extend(self.renewals.iter().filter_map(Renewal::problem));
        problems.extend(self.requested.iter().filter_map(Requested::problem));
        problems
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for ListReport {
            ca,
            outcome,
            timing: _,
        } in &self.lists
        {
            text += &match outcome {
                Outcome::Published { crl, due } => format!(
                    "CA {ca}: CRL {} published, {due}: {} entries, next update {}\n",
                    crl.number,
                    crl.entry_count,
                    utc_and_distance(crl.next_update, self.now)
                ),
                Outcome::NotDue { crl } => format!(
                    "CA {ca}: CRL {} goes on, next update {}\n",
                    crl.number,
                    utc_and_distance(crl.next_update, self.now)
                ),
                Outcome::NotHere { why } => format!("CA {ca}: no CRL: {why}\n"),
                Outcome::Failed { error: _ } => format!("CA {ca}: no CRL was published\n"),
            };
        }
        for renewal in &self.renewals {
            text += &format!("{}\n", renewal.text(self.now));
        }
        for requested in &self.requested {
            text += &format!("{}\n", requested.text(self.now));
        }
        for end in &self.ends.first {
            let when = utc_and_distance(end.not_after, self.now);
            text += &format!("ends {when}: {} (CA {})\n", end.what, end.ca);
        }
        if self.ends.more > 0 {
            let until = utc_and_distance(self.ends.until, self.now);
            text += &format!("and {} more end until {until}\n", self.ends.more);
        }
        text
    }

    fn json(&self) -> Value {
        let lists: Vec<Value> = self.lists.iter().map(ListReport::json).collect();
        let renewals: Vec<Value> = self.renewals.iter().map(Renewal::json).collect();
        let requests: Vec<Value> = self.requested.iter().map(Requested::json).collect();
        let expiring = self.ends.first.iter().map(
            |end| json!({ "ca": end.ca, "what": end.what, "not_after": end.not_after.to_string() }),
        );
        json!({
            "directory": self.directory.display().to_string(),
            "crls": lists,
            "responders": renewals,
            "requests": requests,
            "expiring": expiring.collect::<Vec<Value>>(),
            "expiring_more": self.ends.more,
            "problems": self.problems(),
        })
    }
}

impl ListReport {
    fn json(&self) -> Value {
        let crl = match &self.outcome {
            Outcome::Published { crl, due: _ } | Outcome::NotDue { crl } => {
                Some(published_json(&self.ca, crl))
            }
            Outcome::NotHere { .. } | Outcome::Failed { .. } => None,
        };
        let (outcome, why) = match &self.outcome {
            Outcome::Published { crl: _, due } => ("published", Some(due.to_string())),
            Outcome::NotDue { crl: _ } => ("not-due", None),
            Outcome::NotHere { why } => ("not-here", Some((*why).to_owned())),
            Outcome::Failed { error } => ("failed", Some(error.clone())),
        };
        let Timing { late, ahead } = &self.timing;
        json!({ "ca": self.ca, "outcome": outcome, "why": why, "late": late, "ahead": ahead, "crl": crl })
    }
}
