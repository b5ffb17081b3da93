//! Why a download failed, for the operator: what, where, and what to do.  From: `client`, `spool`.  To: `SourceError::Fetch`.
//!
//! The sentences go on from "CRL URL: ".  Whatever a server chose is cut and escaped before it is shown.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address::RefusedAddress;

/// Why the CRL could not be downloaded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchProblem {
    /// The name has no address.
    #[error("its host name cannot be resolved: {problem}; check the name, and this machine's DNS")]
    Unresolved {
        /// What the resolver said.
        problem: String,
    },
    /// Every address of the host is one that must not be connected to.
    #[error(
        "{refused}, which is not connected to for this URL; name the CRL's real host, or, if the address is right and \
         private, allow private addresses for this source"
    )]
    Address {
        /// The last of them.
        refused: RefusedAddress,
    },
    /// A TLS server whose certificate does not prove that it is the host.
    #[error(
        "the server's certificate is not trusted: {problem}; if a CA of your own issued it, install that among the \
         system's CA certificates or name its file in SSL_CERT_FILE; or use the CA's http URL: a CRL is signed anyway"
    )]
    Untrusted {
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody listens there, no way there, no TLS.
    #[error("cannot connect: {problem}; is the server up, and may this machine reach it?")]
    Connect {
        /// What the system said.
        problem: String,
    },
    /// No connection in time.
    #[error(
        "cannot connect within {seconds} s; is the server up, and may this machine reach it?",
        seconds = after.as_secs_f32()
    )]
    ConnectTime {
        /// `FetchLimits::connect_timeout`.
        after: Duration,
    },
    /// There are no certificates to trust.
    #[error(
        "https cannot be used: {problem}; install the system's CA certificates (package ca-certificates), or use the CA's \
         http URL: a CRL is signed anyway"
    )]
    NoTrustStore {
        /// What is missing.
        problem: String,
    },
    /// The server stopped talking.
    #[error(
        "the server sent nothing for {seconds} s, after {bytes} octets; it is overloaded, or something on the way \
         swallows the answer",
        seconds = after.as_secs_f32()
    )]
    Silent {
        /// `FetchLimits::silence_timeout`.
        after: Duration,
        /// Octets of the list until then.
        bytes: u64,
    },
    /// The server talks, but does not come to an end.
    #[error(
        "the download was not complete after {seconds} s ({bytes} octets); the server or the way to it is too slow",
        seconds = after.as_secs_f32()
    )]
    Slow {
        /// `FetchLimits::total_timeout`.
        after: Duration,
        /// Octets of the list until then.
        bytes: u64,
    },
    /// More octets than are taken.
    #[error("the answer has {bytes} octets or more, above the limit of {bytes_max}; is it a CRL?")]
    TooLarge {
        /// What was announced, or had come.
        bytes: u64,
        /// `FetchLimits::bytes_max`.
        bytes_max: u64,
    },
    /// A list of no octets.
    #[error("the answer is empty; the server may be just writing the file, else tell the CA")]
    Empty,
    /// The connection ended too early, or the answer became nonsense on the way.
    #[error("the answer broke off after {bytes} octets: {problem}; it is tried again")]
    BrokeOff {
        /// Octets of the list until then.
        bytes: u64,
        /// What ended it.
        problem: String,
    },
    /// Not HTTP, or no answer at all.
    #[error("the server gave no HTTP answer: {problem}; is it a web server?")]
    NoAnswer {
        /// What came instead.
        problem: String,
    },
    /// A status other than 200 and 304.
    #[error("the server answered with HTTP status {status}; {hint}", hint = status_hint(*status))]
    Status {
        /// The status.
        status: u16,
    },
    /// 304 to a request that set no condition.
    #[error(
        "the server answered 304 (not modified), although it was asked for the whole list; a cache on the way is broken"
    )]
    NotModifiedUnasked,
    /// Compressed, although that was refused.
    #[error(
        "the server encoded the answer ({encoding}), although it was asked not to; make it send the list as it is"
    )]
    Encoded {
        /// The encodings, cut.
        encoding: String,
    },
    /// Too many redirects, or a loop of them.
    #[error("redirects more than {redirects_max} times; use the URL where it ends, if it ends")]
    Redirects {
        /// `FetchLimits::redirects_max`.
        redirects_max: usize,
    },
    /// A redirect without a URL that can be followed.
    #[error("redirects to {location}, which is not a URL; tell whoever runs the server")]
    RedirectUnusable {
        /// What stands there, cut.
        location: String,
    },
    /// A redirect to something else than http or https.
    #[error("redirects to a {scheme} URL; only http and https are followed")]
    RedirectScheme {
        /// The scheme.
        scheme: String,
    },
    /// A redirect with a user name or password.
    #[error("redirects to a URL that names a user; CRLs are fetched without a password")]
    RedirectUser,
    /// A redirect that gives up TLS.
    #[error(
        "redirects from https to {to}; that is not followed: use the http URL itself, if that is what you want"
    )]
    RedirectDowngrade {
        /// Where to.
        to: String,
    },
    /// What went wrong where a redirect led.
    #[error("redirects to {to}: {problem}")]
    Redirected {
        /// The URL that was asked last.
        to: String,
        /// What went wrong there.
        problem: Box<FetchProblem>,
    },
    /// The file that it is written to on the way.
    #[error(
        "the download cannot be written to {path}: {source}; make room there, or make it writable for this user"
    )]
    Spool {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

fn status_hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "it does not let this machine read the list: ask whoever runs it",
        404 | 410 => "is the URL right? Has the CA moved its list?",
        407 | 511 => "something on the way wants a login",
        429 | 500..=599 => "it is tried again",
        _ => "check the URL with: curl -v",
    }
}

/// What a stranger wrote, made fit for one line of a log: cut, and escaped.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Characters of a stranger's text that are shown.
const SHOWN_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_cut_and_escaped() {
        assert_eq!(shown("http://a/\n\u{1b}[1m"), "http://a/\\n\\u{1b}[1m");
        assert_eq!(shown(&"ä".repeat(300)).chars().count(), SHOWN_MAX + 1);
    }
}
