//! The URL of a CRL: what may be asked for, and where a redirect may lead.
//!
//! From: the configuration, or freshestCRL inside a list.  To: `client`.  http and https only; nobody's password
//! in it; the host that the operator named may be private, whatever else is reached from there may not (RFC 5280 §8:
//! fetching must not follow a loop, nor reach where its author could not).

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

use super::address::{Reach, RefusedAddress};
use super::problem::{FetchProblem, shown};

/// The URL that one feed follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlUrl {
    url: Url,
    /// The places of the operator's own URLs, which may be private: of this one, or of the lists that name this one.
    own: BTreeSet<Url>,
    private: PrivateAddresses,
}

/// Whether redirects, and URLs found in lists, may lead to private addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrivateAddresses {
    Refused,
    Allowed,
}

impl CrlUrl {
    /// A URL that the operator wrote: its own host may be private, or this machine.
    ///
    /// # Errors
    /// [`CrlUrlError`]: not a URL that can be fetched.
    pub fn parse(text: &str) -> Result<CrlUrl, CrlUrlError> {
        let url = checked(text)?;
        Ok(CrlUrl {
            own: BTreeSet::from([place_of(&url)]),
            url,
            private: PrivateAddresses::Refused,
        })
    }

    /// A URL that stands in a list: it may lead as far as a redirect of the URL that the list was fetched from.  From a
    /// list that was not fetched, it may not lead to a private address.
    ///
    /// # Errors
    /// [`CrlUrlError`]: not a URL that can be fetched.
    pub fn found_in_list(text: &str, fetched_from: Option<&CrlUrl>) -> Result<CrlUrl, CrlUrlError> {
        Ok(CrlUrl {
            url: checked(text)?,
            own: fetched_from.map_or_else(BTreeSet::new, |from| from.own.clone()),
            private: fetched_from.map_or(PrivateAddresses::Refused, |from| from.private),
        })
    }

    /// Lets redirects, and a URL found in a list, lead to private addresses; to link-local ones still not.
    pub fn allowing_private(self) -> CrlUrl {
        CrlUrl {
            private: PrivateAddresses::Allowed,
            ..self
        }
    }

    /// Both ask for the same, however far each may lead.
    pub(crate) fn is_same_url(&self, other: &CrlUrl) -> bool {
        self.url == other.url
    }

    /// May lead as well wherever that one may, which asks for the same and stands in another list.
    pub(crate) fn lead_as_far_as(&mut self, other: &CrlUrl) {
        self.own.extend(other.own.iter().cloned());
        if other.private == PrivateAddresses::Allowed {
            self.private = PrivateAddresses::Allowed;
        }
    }

    /// It may lead wherever that one may.
    pub(crate) fn leads_as_far_as(&self, other: &CrlUrl) -> bool {
        self.private == PrivateAddresses::Allowed
            || (other.private == PrivateAddresses::Refused && other.own.is_subset(&self.own))
    }

    pub(super) fn first_hop(&self) -> &Url {
        &self.url
    }

    /// How far a download of this URL may reach at this hop of its way.
    pub(super) fn reach(&self, hop: &Url) -> Reach {
        let is_own = self.own.iter().any(|own| is_same_place(own, hop));
        if is_own || self.private == PrivateAddresses::Allowed {
            Reach::Inside
        } else {
            Reach::Public
        }
    }
}

impl FromStr for CrlUrl {
    type Err = CrlUrlError;

    fn from_str(text: &str) -> Result<CrlUrl, CrlUrlError> {
        CrlUrl::parse(text)
    }
}

impl fmt::Display for CrlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

/// A URL that can be fetched, as far as its text tells; without its fragment.
fn checked(text: &str) -> Result<Url, CrlUrlError> {
    if text.len() > URL_BYTES_MAX {
        return Err(CrlUrlError::TooLong { bytes: text.len() });
    }
    let mut url = Url::parse(text).map_err(|error| CrlUrlError::NotAUrl {
        text: shown(text),
        problem: error.to_string(),
    })?;
    if has_user(&url) {
        // Not shown: there may be a password in it.
        return Err(CrlUrlError::User {
            host: url.host_str().unwrap_or_default().to_owned(),
        });
    }
    if !is_fetched(url.scheme()) {
        return Err(CrlUrlError::Scheme {
            scheme: shown(url.scheme()),
            text: shown(text),
        });
    }
    if let Some(address) = literal_address(&url) {
        // Whether a private one is allowed shows when it is fetched; what never is can be said at once.
        Reach::Inside
            .check(address)
            .map_err(|refused| CrlUrlError::Address {
                text: shown(text),
                refused,
            })?;
    }
    url.set_fragment(None);
    Ok(url)
}

/// Why a text is not the URL of a CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlUrlError {
    /// Not a URL at all.
    #[error("{text}: is not a URL: {problem}; write it whole, as in http://crl.example.com/ca.crl")]
    NotAUrl {
        /// What was written, cut.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// LDAP, FTP, a file.
    #[error(
        "{text}: CRLs are fetched by http and https, not by {scheme}; use the CA's http URL, or name a file with `crl`"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
        /// What was written, cut.
        text: String,
    },
    /// A user name or password.
    #[error(
        "the URL at {host} names a user: CRLs are public and are fetched without a password; remove everything up to the @"
    )]
    User {
        /// The host.
        host: String,
    },
    /// An address that is never connected to.
    #[error("{text}: {refused}, which is never connected to; name the CRL's real host")]
    Address {
        /// What was written, cut.
        text: String,
        /// The address.
        refused: RefusedAddress,
    },
    /// Longer than any URL should be.
    #[error("the URL has {bytes} octets, more than the limit of {URL_BYTES_MAX}; is it a URL?")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// Where a redirect leads; a URL without fragment.
///
/// # Errors
/// The redirect is one that is not followed.
pub(super) fn redirected(from: &Url, location: &[u8]) -> Result<Url, FetchProblem> {
    let text = String::from_utf8_lossy(location);
    let unusable = || FetchProblem::RedirectUnusable {
        location: shown(&text),
    };
    if location.len() > URL_BYTES_MAX {
        return Err(unusable());
    }
    let mut to = from.join(&text).map_err(|_| unusable())?;
    if !is_fetched(to.scheme()) {
        return Err(FetchProblem::RedirectScheme {
            scheme: shown(to.scheme()),
        });
    }
    if has_user(&to) {
        return Err(FetchProblem::RedirectUser);
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(FetchProblem::RedirectDowngrade {
            to: shown(to.as_str()),
        });
    }
    to.set_fragment(None);
    Ok(to)
}

/// The address, where the URL names one instead of a host name.
pub(super) fn literal_address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}

/// Scheme, host and port.
fn place_of(url: &Url) -> Url {
    let mut place = url.clone();
    place.set_path("/");
    place.set_query(None);
    place
}

/// The same host and port; or the host's https where it was http, both at their usual ports.
fn is_same_place(own: &Url, other: &Url) -> bool {
    let port = Url::port_or_known_default;
    let is_upgrade = (own.scheme(), port(own)) == ("http", Some(80))
        && (other.scheme(), port(other)) == ("https", Some(443));
    own.host_str() == other.host_str() && (port(own) == port(other) || is_upgrade)
}

fn is_fetched(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Longest URL that is fetched or followed.
const URL_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_https_urls_are_taken_and_shown_whole_but_for_the_fragment() {
        let shown = |text| CrlUrl::parse(text).unwrap().to_string();
        assert_eq!(
            shown("http://crl.example.com/a.crl"),
            "http://crl.example.com/a.crl"
        );
        assert_eq!(
            shown("HTTPS://[::1]:8443/a?b=c#d"),
            "https://[::1]:8443/a?b=c"
        );
        assert_eq!(shown("http://0x7f.1/a"), "http://127.0.0.1/a");
    }

    #[test]
    fn crl_28_other_schemes_are_refused_with_what_to_do() {
        for (text, said) in [
            (
                "ldap://ldap.example.com/cn=CA?certificateRevocationList",
                "not by ldap",
            ),
            ("ftp://ftp.example.com/ca.crl", "not by ftp"),
            ("file:///etc/passwd", "not by file"),
            ("crl.example.com/ca.crl", "write it whole"),
            ("http://", "write it whole"),
            ("http://169.254.169.254/latest", "link-local"),
            ("http://[fe80::1]/a", "link-local"),
            ("http://[::ffff:169.254.169.254]/a", "link-local"),
            ("http://2852039166/a", "link-local"),
        ] {
            let error = CrlUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let long = format!("http://a/{}", "a".repeat(5000));
        assert_eq!(
            CrlUrl::parse(&long),
            Err(CrlUrlError::TooLong { bytes: 5009 })
        );
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_shown() {
        for text in [
            "http://joe:secret@a.example/",
            "http://secret@a.example/",
            "ftp://:secret@a.example/",
        ] {
            let error = CrlUrl::parse(text).unwrap_err().to_string();
            assert!(
                error.contains("a.example") && !error.contains("secret"),
                "{error}"
            );
        }
    }

    #[test]
    fn crl_28_only_the_place_that_the_operator_named_may_be_private() {
        let own = CrlUrl::parse("http://crl.internal/a.crl").unwrap();
        let reach = |url: &CrlUrl, hop| url.reach(&Url::parse(hop).unwrap());
        for (hop, expected) in [
            ("http://crl.internal/b.crl", Reach::Inside),
            ("https://crl.internal/b.crl", Reach::Inside),
            ("http://crl.internal:6379/", Reach::Public),
            ("https://crl.internal:80/", Reach::Inside),
            ("http://other.internal/a.crl", Reach::Public),
        ] {
            assert_eq!(reach(&own, hop), expected, "{hop}");
        }
        let of_a_file = CrlUrl::found_in_list("http://crl.internal/a.crl", None).unwrap();
        assert_eq!(
            reach(&of_a_file, "http://crl.internal/a.crl"),
            Reach::Public
        );
        let found = |text, from| CrlUrl::found_in_list(text, Some(from)).unwrap();
        // As if the operator's URL had redirected there.
        for (text, expected) in [
            ("http://crl.internal/delta.crl", Reach::Inside),
            ("http://other.internal/delta.crl", Reach::Public),
        ] {
            assert_eq!(reach(&found(text, &own), text), expected, "{text}");
        }
        let allowing = own.clone().allowing_private();
        let url = found("http://other.internal/delta.crl", &allowing);
        for url in [allowing, url] {
            assert_eq!(reach(&url, "http://third.internal/"), Reach::Inside);
        }
    }

    #[test]
    fn crl_28_a_url_in_several_lists_may_lead_at_each_hop_where_it_may_from_any_of_them() {
        let own = ["http://a.internal/1.crl", "http://b.internal/2.crl"];
        let own = own.map(|own| CrlUrl::parse(own).unwrap());
        let delta = "http://public.example/delta.crl";
        let found = |from| CrlUrl::found_in_list(delta, from).unwrap();
        for order in [[0, 1], [1, 0]] {
            let [mut url, other] = order.map(|index: usize| found(Some(&own[index])));
            url.lead_as_far_as(&found(None));
            url.lead_as_far_as(&other);
            for (hop, expected) in [
                ("http://a.internal/delta.crl", Reach::Inside),
                ("http://b.internal/delta.crl", Reach::Inside),
                ("http://c.internal/delta.crl", Reach::Public),
            ] {
                assert_eq!(url.reach(&Url::parse(hop).unwrap()), expected, "{hop}");
            }
            let allowing = own[0].clone().allowing_private();
            url.lead_as_far_as(&CrlUrl::found_in_list(delta, Some(&allowing)).unwrap());
            let anywhere = Url::parse("http://c.internal/delta.crl").unwrap();
            assert_eq!(url.reach(&anywhere), Reach::Inside);
        }
    }

    #[test]
    fn crl_28_a_redirect_leads_to_http_or_https_and_never_from_https_to_http() {
        let follow = |from, to: &str| redirected(&Url::parse(from).unwrap(), to.as_bytes());
        for (from, to, expected) in [
            ("http://a.example/x", "/y", "http://a.example/y"),
            ("http://a.example/x", "//b.example/y", "http://b.example/y"),
            (
                "http://a.example/x",
                "https://a.example/y#z",
                "https://a.example/y",
            ),
            ("https://a.example/x", "y", "https://a.example/y"),
        ] {
            assert_eq!(follow(from, to).unwrap().as_str(), expected);
        }
        assert!(matches!(
            follow("https://a.example/x", "http://a.example/x"),
            Err(FetchProblem::RedirectDowngrade { .. })
        ));
        for to in [
            "file:///etc/passwd",
            "ftp://a.example/x",
            "gopher://a.example/",
            "data:,x",
        ] {
            let refused = follow("http://a.example/x", to);
            assert!(
                matches!(refused, Err(FetchProblem::RedirectScheme { .. })),
                "{to}"
            );
        }
        for (to, said) in [
            ("http://joe:secret@b.example/", "names a user"),
            ("http://", "not a URL"),
        ] {
            let refused = follow("http://a.example/x", to).unwrap_err().to_string();
            assert!(
                refused.contains(said) && !refused.contains("secret"),
                "{refused}"
            );
        }
    }
}
