//! Where the deltas of a complete list are, by its own word: freshestCRL (RFC 5280 §5.2.6).
//!
//! From: a complete list in use, and where it came from.  To: `refresh/follow`, as URLs to fetch.  Whoever signed the list
//! chose these addresses, so that they are few, and lead no further than a redirect may.

use crate::fetch::{CrlUrl, CrlUrlError};
use crate::list::LoadedList;

/// Of which complete lists the deltas are fetched that they name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreshestCrl {
    /// Of those that were fetched themselves.  Who names files only has asked for no connection.
    #[default]
    FetchedLists,
    /// Of those in files and directories too.
    AllLists,
    /// Of none.
    Ignored,
}

impl FreshestCrl {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("crl-url", Self::FetchedLists),
        ("all", Self::AllLists),
        ("ignore", Self::Ignored),
    ];
}

/// What one complete list names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedDeltas {
    /// Where deltas are fetched.
    pub urls: Vec<CrlUrl>,
    /// URLs that cannot be.
    pub unusable: Vec<CrlUrlError>,
    /// URLs beyond the bounds.
    pub beyond_count: usize,
    /// Names of other kinds, as LDAP.
    pub other_count: u64,
}

impl NamedDeltas {
    /// By the word of this list, which came from that URL if it was fetched.
    pub(crate) fn of(list: &LoadedList, fetched_from: Option<&CrlUrl>) -> NamedDeltas {
        let mut named = NamedDeltas {
            other_count: list.freshest_crl_other_names,
            ..NamedDeltas::default()
        };
        for text in &list.freshest_crl {
            if named.urls.len() + named.unusable.len() == LIST_URLS_MAX {
                named.beyond_count += 1;
                continue;
            }
            match CrlUrl::found_in_list(text, fetched_from) {
                Ok(url) if named.urls.contains(&url) => {}
                Ok(url) => named.urls.push(url),
                Err(error) => named.unusable.push(error),
            }
        }
        named
    }

    /// Adds its URLs to those of all lists of an issuer, one of each with the number of its first source, which may lead as
    /// far as from any list that names it.  What there is no room for is taken away.
    pub(crate) fn join(&mut self, all: &mut Vec<(usize, CrlUrl)>, source: usize) {
        let count_before = self.urls.len();
        self.urls.retain(|url| {
            match all.iter().position(|(_, other)| other.is_same_url(url)) {
                Some(position) => all[position].1.lead_as_far_as(url),
                None if all.len() == ISSUER_URLS_MAX => return false,
                None => all.push((source, url.clone())),
            }
            true
        });
        self.beyond_count += count_before - self.urls.len();
    }

    /// Nothing is named.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == NamedDeltas::default()
    }
}

/// Most URLs of one list that are asked for its deltas.
const LIST_URLS_MAX: usize = 4;

/// Most such URLs of all lists of an issuer.
const ISSUER_URLS_MAX: usize = 64;
