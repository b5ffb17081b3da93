//! Deltas that the complete lists in use name themselves: fetched, and never missed (RFC 5280 §5.2.6).
//!
//! From: `refresh`, when it is known which lists are in use.  To: feeds beside the configured ones, whose deltas go the same
//! way as those that the operator names.  What differs is what it means when there is none: the complete list alone is
//! whole until its nextUpdate, and whoever publishes it has news that we do not see.  So a named delta ends no answers:
//! they end with it while it is new, and when it runs out without a successor, it stays in use until the complete list
//! ends.

use std::collections::{BTreeMap, BTreeSet};

use ocspry_wire::Time;

use super::{Event, Fetch, Problem, Refresher, Report};
use crate::SourceError;
use crate::feed::{AskedBy, Feed, Found, ListSource};
use crate::fetch::CrlUrl;
use crate::fetched::FetchedVersion;
use crate::freshest::{FreshestCrl, NamedDeltas};
use crate::list::LoadedList;
use crate::slot::Slot;
use crate::state::SeriesKind;

/// The feeds that the operator wants, each with the number of its source.
pub(super) fn configured(feeds: &[(usize, Feed)]) -> impl Iterator<Item = &(usize, Feed)> {
    feeds.iter().filter(|(_, feed)| feed.is_configured())
}

/// What each complete list in use names, by its place, with the number of its source.
pub(super) type NamedByPlace = BTreeMap<String, (usize, NamedDeltas)>;

impl Refresher {
    /// When each URL was last fetched from, or said that nothing had changed; since the start.
    pub fn fetches(&self) -> impl Iterator<Item = Fetch> {
        let fetched = self
            .feeds
            .iter()
            .filter_map(|(source, feed)| match feed.source() {
                ListSource::Url(url) => Some((source, feed, url)),
                ListSource::File(_) | ListSource::Directory(_) => None,
            });
        fetched.map(|(source, feed, url)| Fetch {
            source: *source,
            url: url.to_string(),
            is_of_named_delta: !feed.is_configured(),
            last_success: feed.last_fetch(),
        })
    }

    /// Follows what the complete lists in use name, and nothing that none of them names any more.  Whether a list names what
    /// was followed for another one: what was fetched there, and was no delta of that, is to be read again.
    pub(super) fn follow_named(&mut self) -> bool {
        let Some(downloads) = self.downloads.clone() else {
            return false;
        };
        let (named, wanted) = self.find_named();
        let before = std::mem::replace(&mut self.named, named);
        let is_more = |place: &String, url: &CrlUrl| {
            let before = before.get(place);
            !before.is_some_and(|(_, before)| before.urls.contains(url))
        };
        let of_lists = self.named.iter();
        let urls =
            of_lists.flat_map(|(place, (_, named))| named.urls.iter().map(move |url| (place, url)));
        let more: Vec<&CrlUrl> = urls
            .filter(|(place, url)| is_more(place, url))
            .map(|(_, url)| url)
            .collect();
        // One that works is followed on, if it may lead further from now on.
        let is_wanted = |feed: &Feed| match feed.source() {
            ListSource::Url(url) => wanted.iter().any(|(_, wanted)| {
                wanted.is_same_url(url)
                    && wanted.leads_as_far_as(url)
                    && (url.leads_as_far_as(wanted) || !feed.has_failed())
            }),
            ListSource::File(_) | ListSource::Directory(_) => false,
        };
        let has_ended = |(_, feed): &mut (usize, Feed)| !(feed.is_configured() || is_wanted(feed));
        let ended: Vec<(usize, Feed)> = self.feeds.extract_if(.., has_ended).collect();
        let is_over = |place: &str| {
            ended.iter().any(|(_, feed)| feed.has_place(place))
                && !wanted.iter().any(|(_, url)| url.to_string() == place)
        };
        for slot in self.slots.values_mut() {
            slot.drop_waiting_if(&is_over);
        }
        let mut is_any_again = false;
        for (index, url) in wanted {
            let is_again = more.iter().any(|more| more.is_same_url(&url));
            let place = url.to_string();
            let same = self
                .feeds
                .iter()
                .position(|(_, feed)| feed.own_name() == place);
            let old = ended.iter().find(|(_, feed)| feed.has_place(&place));
            let position = same.unwrap_or(self.feeds.len());
            if same.is_none() {
                let source = ListSource::Url(url);
                let mut feed = Feed::new(source, AskedBy::List, Some(&downloads));
                if let Some((_, old)) = old {
                    // It may lead elsewhere from now on, and holds what it held.
                    feed.carry_over(old);
                }
                self.feeds.push((index, feed));
            }
            let (source_index, feed) = &mut self.feeds[position];
            *source_index = index;
            if is_again && (same.is_some() || old.is_some()) {
                feed.forget_seen();
                is_any_again = true;
            }
        }
        is_any_again
    }

    /// What each complete list in use names, without what the operator has named already; and each URL of all of them once,
    /// with the number of a source.
    fn find_named(&self) -> (NamedByPlace, Vec<(usize, CrlUrl)>) {
        let (mut by_place, mut all) = (NamedByPlace::new(), Vec::new());
        for (place, list) in self.slots.values().filter_map(Slot::complete_and_place) {
            let mut feeds = configured(&self.feeds);
            let Some((index, feed)) = feeds.find(|(_, feed)| feed.has_place(place)) else {
                continue;
            };
            let fetched_from = match (self.sources.freshest_crl, feed.source()) {
                (FreshestCrl::FetchedLists | FreshestCrl::AllLists, ListSource::Url(url)) => {
                    Some(url)
                }
                (FreshestCrl::AllLists, ListSource::File(_) | ListSource::Directory(_)) => None,
                (FreshestCrl::FetchedLists, ListSource::File(_) | ListSource::Directory(_))
                | (FreshestCrl::Ignored, _) => continue,
            };
            let mut named = NamedDeltas::of(list, fetched_from);
            named.urls.retain(|url| {
                let url = url.to_string();
                !configured(&self.feeds).any(|(_, feed)| feed.has_place(&url))
            });
            named.join(&mut all, *index);
            by_place.insert(place.to_owned(), (*index, named));
        }
        (by_place, all)
    }

    /// Starts to ask at every URL, now that it is known which lists are in use: who has one asks for another only.
    pub(super) fn begin_feeds(&mut self, now: Time) {
        let (slots, state) = (&self.slots, self.state.as_ref());
        let identity = self.issuer.identity();
        for (_, feed) in &mut self.feeds {
            feed.begin(now, |url| {
                let (key, list) = in_use_from(slots, url)?;
                let kept = state.and_then(|state| {
                    let series = state.series(identity, key, kind(list));
                    FetchedVersion::read(&series, url, list)
                });
                Some((list, kept))
            });
        }
    }

    /// Writes to the state directory which versions are in use.
    pub(super) fn keep_versions(&mut self) {
        let Some(state) = &self.state else {
            return;
        };
        for (_, feed) in &mut self.feeds {
            let Some((url, version)) = feed.take_unkept_version() else {
                continue;
            };
            if let Some((key, list)) = in_use_from(&self.slots, url)
                && version.is_of(list)
            {
                let series = state.series(self.issuer.identity(), key, kind(list));
                version.write(&series, url);
            }
        }
    }

    /// In a named place only a delta over a complete list in use counts: anything else would be a list that the operator
    /// never named, and could be missed.
    pub(super) fn refuse_what_is_no_named_delta(&self, found: &mut [(usize, Found)]) {
        for (position, found) in found {
            let (_, feed) = &self.feeds[*position];
            let (false, Ok(offer)) = (feed.is_configured(), &found.result) else {
                continue;
            };
            let slot = self.slots.get(offer.list.scope.key());
            let url = feed.own_name();
            if !offer.list.is_delta() {
                found.result = Err(SourceError::NotADelta { url });
            } else if slot.is_none_or(|slot| slot.complete().is_none()) {
                found.result = Err(SourceError::DeltaOfNoList { url });
            }
        }
    }

    /// The delta in use of a slot, if the operator names no place for it, and its end is before that of its complete list:
    /// where it came from, and its end.
    fn passing_delta<'a>(&self, slot: &'a Slot) -> Option<(&'a str, Time)> {
        let (complete, delta) = (slot.complete()?, slot.delta()?);
        let place = slot.delta_place()?;
        let is_configured = configured(&self.feeds).any(|(_, feed)| feed.has_place(place));
        let end = delta.next_update();
        (!is_configured && end < complete.next_update()).then_some((place, end))
    }

    /// Named deltas that run out without a successor stay in use for as long as their complete lists.
    pub(super) fn outlive_named_deltas(&mut self, now: Time) {
        let is_outlived = |slot: &Slot| {
            let passing = self.passing_delta(slot);
            passing.is_some_and(|(_, end)| outlived_at(end) <= now)
        };
        let outlived: Vec<bool> = self.slots.values().map(is_outlived).collect();
        for (slot, is_outlived) in self.slots.values_mut().zip(outlived) {
            slot.set_delta_outlived(is_outlived);
        }
    }

    /// When the next one does.
    pub(super) fn next_outlived(&self, now: Time) -> Option<Time> {
        let passing = self
            .slots
            .values()
            .filter_map(|slot| self.passing_delta(slot));
        let times = passing.map(|(_, end)| outlived_at(end));
        times.filter(|time| *time > now).min()
    }

    /// What is wrong with named deltas.
    pub(super) fn problems_of_named_deltas(&self) -> Vec<Problem> {
        let followed = self.feeds.iter().filter(|(_, feed)| !feed.is_configured());
        let of_feeds = followed.flat_map(|(index, feed)| {
            feed.problems().map(|(place, error)| Problem {
                source: Some(*index),
                place,
                error: error.clone(),
                is_of_named_delta: true,
            })
        });
        let outlived = self.slots.values().filter(|slot| slot.is_delta_outlived());
        let over = outlived.filter_map(|slot| {
            let (place, next_update) = self.passing_delta(slot)?;
            let mut feeds = configured(&self.feeds);
            let feed = feeds.find(|(_, feed)| slot.place().is_some_and(|at| feed.has_place(at)));
            Some(Problem {
                source: feed.map(|(index, _)| *index),
                place: place.to_owned(),
                error: SourceError::DeltaOver {
                    place: place.to_owned(),
                    next_update,
                },
                is_of_named_delta: true,
            })
        });
        of_feeds.chain(over).collect()
    }

    /// Reports where deltas are fetched from now on.
    pub(super) fn tell_named(&mut self, reports: &mut Vec<Report>) {
        let named: BTreeMap<String, NamedDeltas> = self
            .named
            .iter()
            .map(|(place, (_, named))| (place.clone(), named.clone()))
            .filter(|(_, named)| !named.is_nothing())
            .collect();
        let places: BTreeSet<&String> = self.told.named.keys().chain(named.keys()).collect();
        for place in places {
            let now = named.get(place);
            if now != self.told.named.get(place) {
                reports.push(Report {
                    place: place.clone(),
                    event: Event::Named(now.cloned().unwrap_or_default()),
                });
            }
        }
        self.told.named = named;
    }
}

/// The list in use that came from that URL, and the key of its scope.
fn in_use_from<'a>(
    slots: &'a BTreeMap<String, Slot>,
    url: &CrlUrl,
) -> Option<(&'a str, &'a LoadedList)> {
    let url = url.to_string();
    let mut lists = slots
        .iter()
        .flat_map(|(key, slot)| slot.lists().map(move |used| (key, used)));
    let (key, used) = lists.find(|(_, used)| used.place == url)?;
    Some((key, used.list))
}

fn kind(list: &LoadedList) -> SeriesKind {
    if list.is_delta() {
        SeriesKind::Delta
    } else {
        SeriesKind::Complete
    }
}

/// Answers stop up to a minute before the end of what they come from, and a look takes its time.
fn outlived_at(end: Time) -> Time {
    end.plus_seconds(-120)
}
