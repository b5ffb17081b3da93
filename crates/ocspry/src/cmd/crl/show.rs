//! `ocspry crl show FILE`: what a list says, whoever signed it.
//!
//! From: a file, read once, window by window (RFC 5280 §5).  To: standard output.  `tally` counts while it is read; a list
//! that is no list is named by what it is.  A list that could not be used because it holds something critical that is not
//! understood (RFC 5280 §5.2) is not shown either: what its entries mean is not known.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueHint};
use ocspry_core::{Clock, SystemClock};
use ocspry_source::{CrlNumber, ListReader, SourceLimits, UnverifiedList, serial_from_text};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::{
    CertificateList, IssuingDistributionPoint, SerialNumber, SignatureAlgorithm, display_name,
};
use serde_json::{Value, json};

use super::tally::{Counts, Finding, Tally};
use super::{defects_json, number_text, size_text};
use crate::load_bar::LoadBar;
use crate::summary::Paint;
use crate::text_table::Rows;
use crate::time_text::utc_and_distance;

/// What the exit code says, and how to write a serial.
pub(super) const AFTER_HELP: &str = "\
The signature is not verified: `ocspry crl check` does that.

Exit codes: 0 shown, and every serial asked for is in it, 1 it is no CRL or cannot be read,
2 wrong usage, 3 a serial asked for is not in it.";

/// What `crl show` can be told.
#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    /// The CRL, PEM or DER
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Say what it says of this serial instead: hex, colons and 0x allowed (repeatable)
    #[arg(long, value_name = "SERIAL", value_parser = serial_from_text)]
    find: Vec<SerialNumber>,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Shows a list.
///
/// # Errors
/// It cannot be read, or is no list.
pub(super) fn run(flags: ShowFlags) -> Result<ExitCode> {
    let mut tally = Tally::new(&flags.find);
    let mut bar = LoadBar::new(&flags.file, !flags.json);
    let mut reader = ListReader::open(&flags.file, &SourceLimits::DEFAULT)?;
    while let Some(progress) = reader.step(|entry| tally.add(&entry))? {
        bar.show(progress);
    }
    let read = reader.finish(|entry| tally.add(&entry))?;
    let counts = tally.counts(&read.list.header.issuer, &mut bar);
    drop(bar);
    let shown = Shown {
        file: flags.file.display().to_string(),
        read,
        counts,
        now: SystemClock.now(),
    };
    let text = match (flags.json, flags.find.is_empty()) {
        (true, _) => format!("{:#}\n", shown.json()),
        (false, true) => shown.text(),
        (false, false) => shown.findings_text(),
    };
    // Nobody may be reading.
    let _ = write!(io::stdout(), "{text}");
    let is_all_found = shown
        .counts
        .findings
        .iter()
        .all(|(_, found)| !found.is_empty());
    Ok(match is_all_found {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(NOT_FOUND),
    })
}

/// A list, and what was counted in it.
struct Shown {
    file: String,
    read: UnverifiedList,
    counts: Counts,
    now: Time,
}

impl Shown {
    fn list(&self) -> &CertificateList {
        &self.read.list
    }

    fn text(&self) -> String {
        let paint = Paint::for_stdout();
        let mut out = format!("{}\n{}", self.title(&paint), self.facts().text(&paint));
        self.write_reasons(&mut out, &paint);
        self.write_others(&mut out);
        self.write_defects(&mut out, &paint);
        out
    }

    fn title(&self, paint: &Paint) -> String {
        let issuer = display_name(&self.list().header.issuer);
        format!("{}: CRL of {}", self.file, paint.bold(&issuer))
    }

    fn facts(&self) -> Rows {
        let paint = Paint::for_stdout();
        let CertificateList {
            header,
            extensions,
            signature: _,
            entry_count,
            defects: _,
        } = self.list();
        let mut rows = Rows::default();
        let number = extensions.crl_number.as_deref().map(number_text);
        rows.add("number", number.unwrap_or_else(|| "none".to_owned()));
        let this_update = utc_and_distance(header.this_update, self.now);
        rows.add(
            "thisUpdate",
            match header.this_update > self.now {
                true => paint.warning(&format!("{this_update}: from the future")),
                false => this_update,
            },
        );
        rows.add(
            "nextUpdate",
            match header.next_update {
                None => paint.warning("none"),
                Some(next_update) => {
                    let text = utc_and_distance(next_update, self.now);
                    match next_update < self.now {
                        true => paint.error(&format!("{text}: expired")),
                        false => text,
                    }
                }
            },
        );
        if let Some(time) = extensions.next_publish {
            rows.add("next publish", utc_and_distance(time, self.now));
        }
        rows.add("scope", scope_text(self.list()));
        let algorithm = format!("{}, not verified", algorithm_name(self.list()));
        rows.add("signature", algorithm);
        if let Some(identifier) = &extensions.authority_key_id {
            rows.add("authority key", to_hex(identifier));
        }
        for url in &extensions.freshest_crl {
            rows.add("deltas at", url);
        }
        if let Some(time) = extensions.expired_certs_on_crl {
            rows.add(
                "keeps expired",
                format!("since {}", utc_and_distance(time, self.now)),
            );
        }
        let form = if self.read.is_pem { "PEM" } else { "DER" };
        rows.add(
            "file",
            format!(
                "{} {form} ({} octets of DER)",
                size_text(self.read.file_bytes),
                header.der_bytes
            ),
        );
        rows.add(
            "SHA-256",
            format!("{} (of the tbsCertList)", to_hex(&self.read.digest)),
        );
        let at_most = if self.counts.others_entries > 0 {
            "at most "
        } else {
            ""
        };
        rows.add(
            "in use",
            format!("{at_most}{} of memory", size_text(self.counts.table_bytes)),
        );
        rows.add("entries", entry_count.to_string());
        for (name, count) in [
            ("invalidity dates", self.counts.invalidity_dates),
            ("duplicates", self.counts.duplicates.unwrap_or(0)),
        ] {
            if count > 0 {
                rows.add(name, count.to_string());
            }
        }
        rows
    }

    fn write_reasons(&self, out: &mut String, paint: &Paint) {
        let total = self.list().entry_count;
        if total == 0 {
            return;
        }
        let head = format!("{:<22}{:>12}{:>9}", "reason", "entries", "share");
        let _ = writeln!(out, "\n  {}", paint.dim(&head));
        for (name, count) in self.counts.by_reason() {
            let share = format!("{:.1} %", count as f64 * 100.0 / total as f64);
            let _ = writeln!(out, "  {name:<22}{count:>12}{share:>9}");
        }
    }

    fn write_others(&self, out: &mut String) {
        if self.counts.others_entries == 0 {
            return;
        }
        let _ = writeln!(
            out,
            "\n  {} entries are about certificates of other issuers:",
            self.counts.others_entries
        );
        for (name, count) in &self.counts.others {
            let _ = writeln!(out, "  {count:>10}  {}", display_name(name));
        }
        if self.counts.others_unnamed > 0 {
            let _ = writeln!(out, "  {:>10}  others", self.counts.others_unnamed);
        }
    }

    fn write_defects(&self, out: &mut String, paint: &Paint) {
        let mut found = self.list().defects.found().peekable();
        if found.peek().is_none() {
            return;
        }
        let head = paint.warning("defects, tolerated:");
        let _ = writeln!(out, "\n  {head}");
        for (name, count) in found {
            let _ = writeln!(out, "  {count:>10}  {name}");
        }
    }

    /// One line for each entry of each serial asked for.
    fn findings_text(&self) -> String {
        let paint = Paint::for_stdout();
        let mut out = format!("{}\n", self.title(&paint));
        for (serial, found) in &self.counts.findings {
            if found.is_empty() {
                let hint = match self.list().extensions.base_crl_number {
                    Some(_) => "not in this delta; the complete CRL may name it",
                    None => "not in the list",
                };
                let _ = writeln!(out, "  {serial}: {hint}");
            }
            for finding in found {
                let _ = writeln!(out, "  {serial}: {}", self.finding_text(finding));
            }
        }
        out
    }

    fn finding_text(&self, finding: &Finding) -> String {
        let revoked = finding.revoked;
        let time = utc_and_distance(revoked.revocation_time, self.now);
        let mut text = match (finding.is_removed, revoked.reason) {
            (true, _) => format!("removed from the list {time}"),
            (false, Some(CrlReason::CertificateHold)) => format!("on hold since {time}"),
            (false, reason) => {
                let reason = reason.map_or("no reason given", CrlReason::name);
                format!("revoked {time}, {reason}")
            }
        };
        if let Some(date) = revoked.invalidity_date {
            let _ = write!(text, ", invalid since {}", utc_and_distance(date, self.now));
        }
        if let Some(issuer) = &finding.certificate_issuer {
            let _ = write!(text, ", a certificate of {}", display_name(issuer));
        }
        text
    }

    fn json(&self) -> Value {
        let CertificateList {
            header,
            extensions,
            signature: _,
            entry_count,
            defects,
        } = self.list();
        let time = |time: Time| time.to_string();
        let counts = &self.counts;
        let others: Vec<Value> = counts
            .others
            .iter()
            .map(|(name, count)| json!({ "issuer": display_name(name), "entries": count }))
            .collect();
        let findings: Vec<Value> = counts
            .findings
            .iter()
            .map(|(serial, found)| {
                json!({
                    "serial": serial.to_string(),
                    "found": !found.is_empty(),
                    "entries": found.iter().map(|finding| self.finding_json(finding)).collect::<Vec<Value>>(),
                })
            })
            .collect();
        let hex_number = |content: &Vec<u8>| CrlNumber::from_content(content).to_hex();
        json!({
            "file": self.file,
            "form": if self.read.is_pem { "pem" } else { "der" },
            "file_bytes": self.read.file_bytes,
            "der_bytes": header.der_bytes,
            "tbs_sha256": to_hex(&self.read.digest),
            "table_bytes": counts.table_bytes,
            "issuer": display_name(&header.issuer),
            "number": extensions.crl_number.as_deref().map(number_text),
            "number_hex": extensions.crl_number.as_ref().map(hex_number),
            "base_number": extensions.base_crl_number.as_deref().map(number_text),
            "this_update": time(header.this_update),
            "next_update": header.next_update.map(time),
            "expired": header.next_update.is_some_and(|end| end < self.now),
            "next_publish": extensions.next_publish.map(time),
            "scope": scope_json(self.list()),
            "signature_algorithm": header.signature_algorithm.map(SignatureAlgorithm::name),
            "signature_verified": false,
            "authority_key_id": extensions.authority_key_id.as_deref().map(to_hex),
            "freshest_crl": extensions.freshest_crl,
            "expired_certs_on_crl": extensions.expired_certs_on_crl.map(time),
            "entries": entry_count,
            "by_reason": counts.by_reason().map(|(name, count)| (name.to_owned(), json!(count)))
                .collect::<serde_json::Map<String, Value>>(),
            "invalidity_dates": counts.invalidity_dates,
            "removed": counts.removed(),
            "duplicates": counts.duplicates,
            "other_issuers_entries": counts.others_entries,
            "other_issuers": others,
            "defects": defects_json(defects),
            "find": findings,
        })
    }

    fn finding_json(&self, finding: &Finding) -> Value {
        let own = &self.list().header.issuer;
        json!({
            "status": match (finding.is_removed, finding.revoked.reason) {
                (true, _) => "removed",
                (false, Some(CrlReason::CertificateHold)) => "on-hold",
                (false, _) => "revoked",
            },
            "revocation_time": finding.revoked.revocation_time.to_string(),
            "reason": finding.revoked.reason.map(CrlReason::name),
            "invalidity_date": finding.revoked.invalidity_date.map(|date| date.to_string()),
            "certificate_issuer": display_name(finding.certificate_issuer.as_ref().unwrap_or(own)),
        })
    }
}

fn algorithm_name(list: &CertificateList) -> &'static str {
    let algorithm = list.header.signature_algorithm;
    algorithm.map_or("an unknown algorithm", SignatureAlgorithm::name)
}

/// Which certificates and reasons the list is about, in words.
fn scope_text(list: &CertificateList) -> String {
    let point = list.extensions.issuing_distribution_point.as_ref();
    let mut text = match &list.extensions.base_crl_number {
        Some(base) => format!("a delta over number {}: ", number_text(base)),
        None => String::new(),
    };
    text += match point.map(kind) {
        None | Some("all") => "all certificates of the issuer",
        Some("user") => "user certificates only",
        Some("ca") => "CA certificates only",
        Some(_) => "attribute certificates only",
    };
    let Some(point) = point else {
        return text;
    };
    match &point.uris[..] {
        [] if point.distribution_point.is_some() => {
            text.push_str(", the part of a named distribution point");
        }
        [] => {}
        uris => {
            let _ = write!(text, ", the part at {}", uris.join(" or "));
        }
    }
    if point.only_some_reasons.is_some() {
        let _ = write!(
            text,
            ", revoked for {} only",
            some_reasons(point).join(", ")
        );
    }
    if point.indirect_crl {
        text.push_str(", and certificates of other issuers (indirect)");
    }
    text
}

fn scope_json(list: &CertificateList) -> Value {
    let point = list.extensions.issuing_distribution_point.as_ref();
    let is_partial = |point: &IssuingDistributionPoint| {
        point.distribution_point.is_some() || point.only_some_reasons.is_some()
    };
    json!({
        "text": scope_text(list),
        "delta": list.extensions.base_crl_number.is_some(),
        "partial": point.is_some_and(is_partial),
        "uris": point.map(|point| &point.uris[..]).unwrap_or_default(),
        "certificates": point.map_or("all", kind),
        "only_some_reasons": point.filter(|point| point.only_some_reasons.is_some()).map(some_reasons),
        "indirect": point.is_some_and(|point| point.indirect_crl),
    })
}

/// The one kind of certificates that it is about.
fn kind(point: &IssuingDistributionPoint) -> &'static str {
    if point.only_contains_user_certs {
        "user"
    } else if point.only_contains_ca_certs {
        "ca"
    } else if point.only_contains_attribute_certs {
        "attribute"
    } else {
        "all"
    }
}

fn some_reasons(point: &IssuingDistributionPoint) -> Vec<&'static str> {
    let Some(flags) = point.only_some_reasons else {
        return Vec::new();
    };
    (0..=u8::MAX)
        .filter_map(CrlReason::from_code)
        .filter(|reason| flags.contains(*reason))
        .map(CrlReason::name)
        .collect()
}

/// The exit code when a serial asked for is not in the list.
const NOT_FOUND: u8 = 3;
