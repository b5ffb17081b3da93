//! `/explain?of=…&issuer=…`: what an answer about a certificate would say, and why, by the same look-up as for a request but
//! on the admin thread.
//!
//! `of` is a serial number in hex, or a certificate in PEM, whose issuer is found by who signed it.  With a serial number
//! alone every issuer is asked.  Nothing is signed and nothing is kept.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use maud::{Markup, html};
use ocspry_core::crypto::is_signed_by;
use ocspry_core::{Explanation, NamedBy, NoncePolicy, Refusal, Revocation, Said, UnablePolicy};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, RevokedInfo};
use ocspry_wire::x509::certificate::display_name;
use ocspry_wire::x509::{Certificate, SerialNumber, pem};

use super::{Page, figures, page};
use crate::admin::snapshot::{IssuerSnapshot, Snapshot};
use crate::admin::{AdminState, IssuerReport};

/// Issuers that one page explains; with more, one has to be named.
const ISSUERS_MAX: usize = 20;

/// Answers a GET.
pub(super) fn respond(
    query: &str,
    snapshot: &Snapshot,
    state: &AdminState,
) -> Response<Full<Bytes>> {
    let mut of = String::new();
    let mut name = String::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "of" => of = value.into_owned(),
            "issuer" => name = value.into_owned(),
            _ => {}
        }
    }
    let of = of.trim();
    let asked = (!of.is_empty()).then(|| understand(of, &name, snapshot));
    let status = match &asked {
        Some(Err(_)) => StatusCode::BAD_REQUEST,
        Some(Ok(_)) | None => StatusCode::OK,
    };
    let problem = asked.as_ref().and_then(|asked| asked.as_ref().err());
    let chosen = (!name.is_empty()).then_some(name.as_str());
    let answers = Page {
        snapshot,
        title: "Explain a certificate".to_owned(),
        path: "/explain",
        main: html! {
            h1 { "Explain a certificate" }
            (form(snapshot, of, chosen, problem.map(String::as_str)))
            @if let Some(Ok(asked)) = &asked { (explained(asked, state)) }
        },
    };
    page(status, &answers)
}

/// What is asked about.
struct Asked<'a> {
    serial: SerialNumber,
    /// Of a certificate.
    subject: Option<String>,
    issuers: Vec<&'a IssuerSnapshot>,
}

/// # Errors
/// A sentence for the form.
fn understand<'a>(of: &str, name: &str, snapshot: &'a Snapshot) -> Result<Asked<'a>, String> {
    let named = |seen: &&IssuerSnapshot| name.is_empty() || seen.name() == name;
    let candidates: Vec<&IssuerSnapshot> = snapshot.issuers.iter().filter(named).collect();
    if candidates.is_empty() {
        return Err("There is no issuer of that name.".to_owned());
    }
    if !pem::is_pem(of.as_bytes()) {
        let serial = SerialNumber::from_text(of.as_bytes())
            .map_err(|error| format!("{error}: write it as 4D5E6F or 4d:5e:6f."))?;
        return Ok(Asked {
            serial,
            subject: None,
            issuers: candidates,
        });
    }
    let blocks = pem::blocks(of.as_bytes()).map_err(|_| "This PEM is damaged.".to_owned())?;
    let block = blocks.iter().find(|block| block.label == "CERTIFICATE");
    let block = block.ok_or("There is no CERTIFICATE in this PEM.")?;
    let certificate = Certificate::from_der(&block.der)
        .map_err(|error| format!("This is no certificate: {error}."))?;
    let signed_it = |seen: &&IssuerSnapshot| {
        is_signed_by(&certificate, &seen.report().issuer.certificate().view())
    };
    let issuers: Vec<&IssuerSnapshot> = candidates.into_iter().filter(signed_it).collect();
    if issuers.is_empty() {
        return Err(format!(
            "None of the issuers signed it; it says that {} did.",
            display_name(certificate.issuer)
        ));
    }
    Ok(Asked {
        serial: certificate.serial_number,
        subject: Some(display_name(certificate.subject)),
        issuers,
    })
}

/// A line for a serial number, which asks every issuer.
pub(super) fn short_form() -> Markup {
    html! {
        form.short action="/explain" method="get" role="search" aria-label="Explain a certificate" {
            label for="serial" { "Serial number" }
            input #serial name="of" maxlength="200" autocomplete="off" spellcheck="false" placeholder="4D:5E:6F";
            button type="submit" { "Explain" }
        }
    }
}

/// The whole form.
pub(super) fn form(
    snapshot: &Snapshot,
    of: &str,
    chosen: Option<&str>,
    problem: Option<&str>,
) -> Markup {
    html! {
        form action="/explain" method="get" {
            p {
                label for="of" { "Serial number in hex, or a certificate in PEM" }
                textarea #of name="of" rows="3" maxlength="9000" spellcheck="false" autocomplete="off"
                    aria-invalid=[problem.map(|_| "true")] aria-describedby=[problem.map(|_| "of-problem")] { (of) }
                @if let Some(problem) = problem { span #of-problem.wrong { "✕ " (problem) } }
            }
            p {
                label for="issuer" { "Issuer" }
                select #issuer name="issuer" {
                    option value="" { "every issuer" }
                    @for seen in &snapshot.issuers {
                        option value=(seen.name()) selected[chosen == Some(seen.name())] { (seen.name()) }
                    }
                }
                button type="submit" { "Explain" }
            }
        }
    }
}

fn explained(asked: &Asked<'_>, state: &AdminState) -> Markup {
    let mut explained: Vec<(&IssuerSnapshot, Explanation)> = asked
        .issuers
        .iter()
        .map(|seen| (*seen, seen.report().issuer.explain(&asked.serial, seen.now)))
        .collect();
    // Those that know it, first.
    explained.sort_by_key(|(_, explanation)| explanation.named_by.is_empty());
    let beyond = explained.len().saturating_sub(ISSUERS_MAX);
    html! {
        p { "Serial number " code { (asked.serial) } @if let Some(subject) = &asked.subject { ", " (subject) } }
        @for (seen, explanation) in explained.iter().take(ISSUERS_MAX) {
            section aria-labelledby={ "of-" (seen.name()) } {
                h2 #(format!("of-{}", seen.name())) {
                    a href={ "/issuer/" (seen.name()) } { (seen.name()) } ": " (word(&explanation.said))
                }
                (details(seen, explanation, &asked.serial, state))
            }
        }
        @if beyond > 0 { p { (figures::length(beyond)) " more issuers: choose one." } }
    }
}

fn word(said: &Result<Said, Refusal>) -> &'static str {
    match said {
        Ok(said) => match said.cert_status {
            CertStatus::Good => "good",
            CertStatus::Revoked(_) => "revoked",
            CertStatus::Unknown => "unknown",
        },
        Err(refusal) => match refusal.error_status() {
            ErrorStatus::MalformedRequest => "malformedRequest",
            ErrorStatus::InternalError => "internalError",
            ErrorStatus::TryLater => "tryLater",
            ErrorStatus::SigRequired => "sigRequired",
            ErrorStatus::Unauthorized => "unauthorized",
        },
    }
}

fn details(
    seen: &IssuerSnapshot,
    explanation: &Explanation,
    serial: &SerialNumber,
    state: &AdminState,
) -> Markup {
    let report = seen.report();
    let policy = report.issuer.policy();
    html! {
        dl {
            dt { "Named by" }
            dd {
                @if explanation.named_by.is_empty() { "no source" }
                @else { ul { @for part in &explanation.named_by { li { (named_by(part, report)) } } } }
            }
            @match &explanation.said {
                Ok(said) => {
                    @if let CertStatus::Revoked(info) = said.cert_status { dt { "Revoked" } dd { (revoked(&info)) } }
                    dt { "thisUpdate" } dd { (figures::moment(said.window.this_update)) }
                    dt { "nextUpdate" }
                    dd { (figures::moment(said.window.next_update)) ", set by " (said.limit) "; one from the cache may be earlier" }
                }
                Err(refusal) => {
                    dt { "Why" } dd { (refusal) }
                    @if policy.unable == UnablePolicy::Http503 && refusal.error_status() == ErrorStatus::TryLater {
                        dt { "Sent as" } dd { "HTTP 503" }
                    }
                }
            }
            @if policy.nonce == NoncePolicy::Required { dt { "Nonce" } dd { "without one: unauthorized" } }
            dt { "Ask it" }
            dd {
                @match endpoint_urls(state, seen.name()).first() {
                    Some(url) => pre { code { (lines(url, seen.name(), serial)) } },
                    None => "the OCSP listener is not there yet",
                }
            }
        }
    }
}

/// What a part of the table says, and where it comes from.
fn named_by(part: &NamedBy, report: &IssuerReport) -> Markup {
    let of_kinds = |kinds: &[&str]| {
        let sources = report.sources.iter();
        let names: Vec<&str> = sources
            .filter(|source| kinds.contains(&source.kind))
            .map(|source| source.name.as_str())
            .collect();
        names.join(" or ")
    };
    match part {
        NamedBy::Overlay(info) => {
            html! { "overlay " (of_kinds(&["overlay"])) ": revoked " (revoked(info)) }
        }
        NamedBy::Issued => html! { (of_kinds(&["issued", "ledger"])) ": issued" },
        NamedBy::List {
            serials,
            revocation,
        } => {
            let is_it = |list: &&crate::ListReport| {
                std::ptr::eq(list.serials.as_ptr(), &raw const **serials)
            };
            html! {
                @match report.lists.iter().find(is_it) {
                    Some(list) => {
                        @if list.is_delta { "delta CRL " } @else { "CRL " }
                        @if let Some(number) = &list.number { (number) " " }
                        "from " (list.place)
                    }
                    None => @match of_kinds(&["issued", "ledger"]).as_str() {
                        "" => "what the guard holds",
                        names => (names),
                    }
                }
                @match revocation {
                    Revocation::Revoked(info) => { ": revoked " (revoked(info)) }
                    Revocation::Removed => ": taken off the list (removeFromCRL)",
                }
            }
        }
    }
}

fn revoked(info: &RevokedInfo) -> Markup {
    html! {
        (figures::moment(info.revocation_time))
        @if let Some(reason) = info.reason { ", " (reason.name()) }
        @if let Some(date) = info.invalidity_date { ", invalid since " (figures::moment(date)) }
    }
}

/// Where the issuer can be asked: at each address its own endpoint.
pub(super) fn endpoint_urls(state: &AdminState, name: &str) -> Vec<String> {
    let Some(server) = state.server() else {
        return Vec::new();
    };
    let path = server.endpoint_paths().path_of(name);
    let addresses = server.addresses().iter();
    addresses
        .map(|address| format!("http://{address}{path}"))
        .collect()
}

/// What to type.  Names of issuers need no quotes in a shell or a URL: letters, digits, `-`, `_` and `.`.
fn lines(endpoint: &str, name: &str, serial: &SerialNumber) -> String {
    let base = endpoint
        .splitn(4, '/')
        .take(3)
        .collect::<Vec<&str>>()
        .join("/");
    // An address for all interfaces is none to connect to.
    let here = |url: &str| {
        url.replacen("//0.0.0.0:", "//127.0.0.1:", 1)
            .replacen("//[::]:", "//[::1]:", 1)
    };
    let (base, endpoint) = (here(&base), here(endpoint));
    format!(
        "curl -s {base}/ca/{name}.cer | openssl x509 -inform DER -out {name}.pem\n\
         openssl ocsp -issuer {name}.pem -serial 0x{serial} -url {endpoint} -CAfile {name}.pem -partial_chain -resp_text"
    )
}
