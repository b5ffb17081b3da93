//! The dashboard: the state of the program as pages for people (design.md §7, Admin).
//!
//! From: `pages`, with the path and query of a GET, and a [`Snapshot`].  To: HTML, written on the server; it works without
//! JavaScript, and is looked at again every few seconds with it.  `overview`, `issuer` and `explain` are the pages, `health`
//! is how bad things are, `figures`, `requests` and `chart` how numbers look.
//!
//! What comes from outside (names, paths, error messages, the query) goes into a page by `maud`, which escapes it.  No page
//! changes anything, and none loads anything from elsewhere: a policy says so to the browser.

mod chart;
mod explain;
mod figures;
mod health;
mod issuer;
mod overview;
mod requests;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Response, StatusCode, Version};
use maud::{DOCTYPE, Markup, html};

use super::AdminState;
use super::snapshot::Snapshot;

/// Octets of path and query; a certificate in the query has about 3 KiB.
const TARGET_BYTES_MAX: usize = 16 * 1024;
/// Octets of a Host header field: a name has 253, a port 6.
const HOST_BYTES_MAX: usize = 260;

/// What the browser may do with a page: load its style and script from here, and send its forms here.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Answers a GET for one of the dashboard's paths; None: it has no such path.
pub(super) fn respond(head: &Parts, state: &AdminState) -> Option<Response<Full<Bytes>>> {
    let path = head.uri.path();
    let name = path.strip_prefix("/issuer/");
    match path {
        STYLE_PATH => return Some(file("text/css; charset=utf-8", STYLE)),
        SCRIPT_PATH => return Some(file("text/javascript; charset=utf-8", SCRIPT)),
        "/" | "/explain" => {}
        _ if name.is_some() => {}
        _ => return None,
    }
    let snapshot = Snapshot::take(state);
    let target = head.uri.path_and_query().map_or(0, |it| it.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Some(refuse(
            &snapshot,
            StatusCode::URI_TOO_LONG,
            "The address is too long",
            "At most 16 KiB: give the serial number instead of the certificate.",
        ));
    }
    if !has_sound_host(&head.headers, head.version) {
        return Some(refuse(
            &snapshot,
            StatusCode::BAD_REQUEST,
            "The request names no host",
            "One Host header field with a name or address is needed.",
        ));
    }
    Some(match name {
        None if path == "/" => page(StatusCode::OK, &overview::page(&snapshot, state)),
        None => explain::respond(head.uri.query().unwrap_or_default(), &snapshot, state),
        Some(name) => match snapshot.issuers.iter().find(|seen| seen.name() == name) {
            Some(seen) => page(StatusCode::OK, &issuer::page(&snapshot, seen, state)),
            None => refuse(
                &snapshot,
                StatusCode::NOT_FOUND,
                "There is no such issuer",
                "The overview names all that there are.",
            ),
        },
    })
}

/// A page of its own kind: title, heading, what stands in `<main>`.
struct Page<'a> {
    snapshot: &'a Snapshot,
    title: String,
    path: &'a str,
    main: Markup,
}

impl Page<'_> {
    fn text(&self) -> Markup {
        let snapshot = self.snapshot;
        let link = |path: &str, text: &str| {
            let current = (path == self.path).then_some("page");
            html! { li { a href=(path) aria-current=[current] { (text) } } }
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " – ocspry" }
                    link rel="stylesheet" href=(STYLE_PATH);
                    script src=(SCRIPT_PATH) defer {}
                }
                body {
                    a.skip href="#main" { "To the content" }
                    header {
                        nav aria-label="Pages" {
                            ul {
                                (link("/", "Overview"))
                                (link("/explain", "Explain a certificate"))
                                li { a href="/status" { "Status as JSON" } }
                            }
                        }
                        p #now data-live { "As of " (figures::moment(snapshot.now)) }
                        p #lost role="alert" {}
                        button #pause type="button" hidden { "Pause updates" }
                    }
                    main #main tabindex="-1" { (self.main) }
                    footer {
                        p #foot data-live {
                            "ocspry " (snapshot.version) ", up for "
                            (figures::seconds(i64::try_from(snapshot.uptime.as_secs()).unwrap_or(i64::MAX)))
                        }
                        noscript { p { "This page does not update itself without JavaScript: load it again." } }
                    }
                }
            }
        }
    }
}

fn page(status: StatusCode, page: &Page<'_>) -> Response<Full<Bytes>> {
    let body = page.text().into_string();
    protected(status, "text/html; charset=utf-8", Bytes::from(body))
}

fn refuse(
    snapshot: &Snapshot,
    status: StatusCode,
    what: &str,
    hint: &str,
) -> Response<Full<Bytes>> {
    let refusal = Page {
        snapshot,
        title: what.to_owned(),
        path: "",
        main: html! { h1 { (what) } p { (hint) } },
    };
    page(status, &refusal)
}

fn file(content_type: &'static str, text: &'static str) -> Response<Full<Bytes>> {
    protected(
        StatusCode::OK,
        content_type,
        Bytes::from_static(text.as_bytes()),
    )
}

fn protected(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = super::pages::page(status, content_type, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Exactly one, a name or address with or without a port (RFC 9112 §3.2); HTTP/1.0 has none.
fn has_sound_host(headers: &HeaderMap, version: Version) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        return version == Version::HTTP_10;
    };
    let host = host
        .to_str()
        .ok()
        .filter(|host| host.len() <= HOST_BYTES_MAX);
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    let is_sound = authority.is_some_and(|authority| !authority.as_str().contains('@'));
    is_sound && hosts.next().is_none()
}

const STYLE_PATH: &str = "/dashboard.css";
const SCRIPT_PATH: &str = "/dashboard.js";
const STYLE: &str = include_str!("dashboard.css");
const SCRIPT: &str = include_str!("dashboard.js");
