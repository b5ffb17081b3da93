//! What a configuration amounts to, for people and as JSON.  From: `assemble`.  To: standard output.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;

use ocspry_core::CredentialKind;
use ocspry_source::{CrlNumber, StatusSource};
use ocspry_wire::Time;
use ocspry_wire::x509::certificate::display_name;
use serde_json::{Value, json};

use crate::assemble::RunningIssuer;
use crate::config::{ResponderConfig, ResponderFiles};
use crate::report::goes_on;
use crate::time_text::utc_and_distance;

/// One block for each issuer, and one for what they share.
pub(crate) fn text(issuers: &[RunningIssuer], state: Option<&Path>, now: Time) -> String {
    let paint = Paint::for_stdout();
    let mut out = issuers_text(issuers, now);
    let state = state.map_or_else(
        || paint.warning("none: the last good CRL is forgotten at a restart"),
        |path| path.display().to_string(),
    );
    line(&mut out, &paint, "state", &state);
    out
}

/// One block for each issuer, aligned.
pub(crate) fn issuers_text(issuers: &[RunningIssuer], now: Time) -> String {
    let paint = Paint::for_stdout();
    let mut out = String::new();
    for running in issuers {
        let subject = display_name(running.issuer.certificate().view().subject);
        line(
            &mut out,
            &paint,
            "issuer",
            &format!("{} ({})", paint.bold(&running.config.name), subject),
        );
        for (label, value) in list_lines(running, now, &paint)
            .into_iter()
            .chain(signer_lines(running, now, &paint))
        {
            line(&mut out, &paint, label, &value);
        }
        out.push('\n');
    }
    out
}

fn list_lines(running: &RunningIssuer, now: Time, paint: &Paint) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for used in running.refresher.lists() {
        let facts = &used.list.facts;
        let mut text = if used.is_last_good {
            paint.warning(&format!("last good copy of {}", used.place))
        } else {
            used.place.to_owned()
        };
        if let Some(number) = &facts.crl_number {
            let _ = write!(text, ", number {number}");
        }
        let _ = write!(text, ", {} revoked", facts.entry_count);
        let label = if used.list.is_delta() {
            "delta CRL"
        } else {
            "CRL"
        };
        lines.push((label, text));
    }
    for source in &running.config.sources {
        match &source.source {
            StatusSource::Lists(_) => {}
            StatusSource::Issued(_) | StatusSource::Overlay(_) => {
                lines.push((source.kind(), source.name()));
            }
            StatusSource::Ledger(name) => {
                let seen = running.refresher.joint().ledger_seen();
                let until = seen.map_or_else(
                    || paint.warning("not read yet"),
                    |seen| format!("up to fact {}", seen.sequence),
                );
                lines.push((source.kind(), format!("CA {name}, {until}")));
            }
        }
    }
    let Some(table) = running.issuer.table() else {
        let waits = if running.refresher.is_pending() {
            "not fetched yet"
        } else {
            "not in use"
        };
        let names = running.config.source_names();
        lines.push((
            "CRL",
            paint.error(&format!("{names}: {waits}, answers are tryLater")),
        ));
        return lines;
    };
    let window = table.window();
    let end = utc_and_distance(window.next_update, now);
    let end = if now > window.next_update {
        let then = running
            .issuer
            .stale(now)
            .map_or_else(|| "answers are tryLater".to_owned(), goes_on);
        paint.error(&format!("{end}: expired, {then}"))
    } else {
        end
    };
    lines.push(("thisUpdate", utc_and_distance(window.this_update, now)));
    lines.push(("nextUpdate", end));
    if let Some(unproven) = running.refresher.unproven() {
        lines.push(("unnamed", paint.error(&format!("tryLater: {unproven}"))));
    }
    lines
}

fn signer_lines(running: &RunningIssuer, now: Time, paint: &Paint) -> Vec<(&'static str, String)> {
    let Some(credential) = running.issuer.credential() else {
        let why = match running.credentials.awaited() {
            Some(awaited) => format!("not in use, answers are tryLater: {awaited}"),
            None => "not in use, answers are tryLater".to_owned(),
        };
        return vec![("signer", paint.error(&why))];
    };
    let certificate = credential.certificate().view();
    let who = match credential.kind() {
        CredentialKind::Issuer => "the CA itself".to_owned(),
        CredentialKind::Delegated => format!("delegate {}", display_name(certificate.subject)),
    };
    let end = utc_and_distance(credential.not_after(), now);
    let end = if now > credential.not_after() {
        paint.error(&format!("{end}: expired"))
    } else {
        end
    };
    vec![
        (
            "signer",
            format!("{who}, {}", credential.algorithm().name()),
        ),
        ("notAfter", end),
    ]
}

/// A cRLNumber in decimal as people count, in hex when it is longer than a counter gets.
pub(crate) fn crl_number(octets: &[u8]) -> String {
    CrlNumber::from_content(octets).to_string()
}

/// The facts of one issuer for programs; times as RFC 3339.
pub(crate) fn json(running: &RunningIssuer) -> Value {
    let list = running.issuer.table().map(|table| {
        let window = table.window();
        json!({
            "number": table.source().crl_number.as_deref().map(crl_number),
            "entries": table.entry_count(),
            "this_update": window.this_update.to_string(),
            "next_update": window.next_update.to_string(),
        })
    });
    let signer = running.issuer.credential().map(|credential| {
        json!({
            "kind": match credential.kind() {
                CredentialKind::Issuer => "issuer",
                CredentialKind::Delegated => "delegated",
            },
            "subject": display_name(credential.certificate().view().subject),
            "algorithm": credential.algorithm().name(),
            "not_after": credential.not_after().to_string(),
        })
    });
    let (certificate, key) = match &running.config.responder {
        ResponderConfig::Files(ResponderFiles::Delegated {
            certificate,
            key,
            passphrase: _,
        }) => (Some(certificate), Some(key)),
        ResponderConfig::Files(ResponderFiles::Issuer { key, passphrase: _ }) => (None, Some(key)),
        ResponderConfig::Managed(_) => (None, None),
    };
    json!({
        "name": running.config.name,
        "subject": display_name(running.issuer.certificate().view().subject),
        "certificate": running.config.certificate_path.display().to_string(),
        "sources": running.config.sources.iter().map(|source| {
            json!({ "kind": source.kind(), "name": source.name() })
        }).collect::<Vec<_>>(),
        "list": list,
        "responder_certificate": certificate.map(|path| path.display().to_string()),
        "responder_key": key.map(|path| path.display().to_string()),
        "signer": signer,
    })
}

fn line(out: &mut String, paint: &Paint, label: &str, value: &str) {
    // Padded before it is painted: escape sequences have no width.
    let _ = writeln!(out, "  {}  {value}", paint.dim(&format!("{label:<10}")));
}

/// Colours, on a terminal that wants them.
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    pub(crate) fn for_stdout() -> Paint {
        let wanted = !matches!(
            anstream::AutoStream::choice(&std::io::stdout()),
            anstream::ColorChoice::Never
        );
        Paint {
            on: wanted && std::io::stdout().is_terminal(),
        }
    }

    fn with(&self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    pub(crate) fn warning(&self, text: &str) -> String {
        self.with("33", text)
    }

    pub(crate) fn error(&self, text: &str) -> String {
        self.with("31", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crl_number_is_decimal_until_it_outgrows_a_counter() {
        assert_eq!(crl_number(&[0x10, 0x01]), "4097");
        assert_eq!(crl_number(&[]), "0");
        assert_eq!(crl_number(&[0xff; 8]), u64::MAX.to_string());
        assert_eq!(
            crl_number(&[0x01, 0, 0, 0, 0, 0, 0, 0, 0]),
            "0x010000000000000000"
        );
    }
}
