//! What was issued (docs/design.md §4): beside a list it turns absence into "never issued", and an index is a source of
//! its own.

use std::sync::mpsc::channel;

use ocspry_source::{IssuedSource, Lag, ListSource, Progress, Sources, StatusSource, Unproven};

use crate::site::Says::{Good, NeverIssued, Revoked, TryLater};
use crate::site::{Site, assert_says, end};

fn with_issued(site: &Site, issued: IssuedSource) -> Sources {
    let mut sources = site.files(&["ca.crl"]);
    sources.sources.push(StatusSource::Issued(issued));
    sources
}

#[test]
fn a_serial_on_neither_list_was_never_issued() {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10).revoke(&[1], None));
    site.put("issued.txt", "01\n02\n");
    let mut refresher = site.start(with_issued(&site, site.issued("issued.txt")));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, NeverIssued)]);
    site.put("issued.txt", "01\n02\n03\n");
    refresher.refresh(site.now);
    assert_says(&refresher, &[(3, Good), (4, NeverIssued)]);
}

#[test]
fn a_stale_export_says_nothing_of_what_it_does_not_name() {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10).revoke(&[1], None));
    site.put("issued.txt", "01\n02\n");
    let mut refresher = site.start(with_issued(&site, site.issued("issued.txt")));
    refresher.refresh(site.now);
    let late = site.now.plus_seconds(3700);
    refresher.refresh(late);
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, TryLater)]);
    assert_eq!(refresher.unproven(), Some(Unproven::IssuedStale));
    // It is looked at again when something is to come, not at once and for ever.
    assert!(refresher.next_wake(late).is_none_or(|wake| wake > late));
}

#[test]
fn a_stale_export_with_lag_good_counts_as_if_it_were_not_there() {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10).revoke(&[1], None));
    site.put("issued.txt", "01\n02\n");
    let issued = IssuedSource {
        lag: Lag::Good,
        ..site.issued("issued.txt")
    };
    let mut refresher = site.start(with_issued(&site, issued));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(3, NeverIssued)]);
    refresher.refresh(site.now.plus_seconds(3700));
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, Good)]);
}

#[test]
fn a_list_of_what_was_issued_that_was_never_read_leaves_absence_open() {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10).revoke(&[1], None));
    let mut refresher = site.start(with_issued(&site, site.issued("issued.txt")));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, TryLater)]);
}

const INDEX: &str = "R\t20490101000000Z\t260101000000Z,keyCompromise\t01\tunknown\t/CN=a\n\
                     V\t20490101000000Z\t\t02\tunknown\t/CN=b\n";

#[test]
fn an_index_can_be_the_only_source() {
    let site = Site::new();
    site.put("index.txt", INDEX);
    let sources = site.sources(vec![StatusSource::Issued(site.issued("index.txt"))]);
    let mut refresher = site.start(sources);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good), (3, NeverIssued)]);
    assert!(end(&refresher) <= site.now.plus_seconds(3600 + 60));
}

#[test]
fn an_index_beside_a_list_adds_to_what_is_revoked() {
    let site = Site::new();
    site.put("index.txt", INDEX);
    site.put_list("ca.crl", &site.list(1, 10).revoke(&[2], None));
    let mut refresher = site.start(with_issued(&site, site.issued("index.txt")));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, NeverIssued)]);
}

#[test]
fn an_index_does_not_make_up_for_a_list_that_was_never_there() {
    let site = Site::new();
    site.put("index.txt", INDEX);
    let lists = StatusSource::Lists(ListSource::File(site.path("ca.crl")));
    let sources = vec![lists, StatusSource::Issued(site.issued("index.txt"))];
    let mut refresher = site.start(site.sources(sources));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, TryLater), (3, TryLater)]);
    site.put_list("ca.crl", &site.list(1, 10).revoke(&[2], None));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Revoked), (3, NeverIssued)]);
}

#[test]
fn how_far_the_load_of_an_index_is_is_told_while_nothing_is_in_use_and_not_beside_answers() {
    let site = Site::new();
    let sources = site.sources(vec![StatusSource::Issued(site.issued("index.txt"))]);
    let mut refresher = site.start(sources);
    let (told, heard) = channel();
    refresher.show_loads(Some(Box::new(move |path, progress| {
        told.send((path.to_owned(), progress)).unwrap();
    })));
    site.put("index.txt", INDEX.repeat(1000));
    refresher.refresh(site.now);
    let (paths, first): (Vec<_>, Vec<_>) = heard.try_iter().unzip();
    assert!(paths.iter().all(|path| *path == site.path("index.txt")));
    let bytes = INDEX.len() as u64 * 1000;
    let part = |read| Progress::Reading { read, of: bytes };
    assert_eq!(first.first(), Some(&part(64 * 1024)));
    assert_eq!(
        first[first.len() - 3..],
        [part(bytes), Progress::Sorting, Progress::Done]
    );

    site.put("index.txt", INDEX);
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Revoked), (2, Good)]);
    assert_eq!(heard.try_iter().count(), 0);
}

#[test]
fn an_index_that_is_away_for_a_moment_is_no_error_and_one_that_stays_away_is() {
    let site = Site::new();
    let row = "V\t20490101000000Z\t\t01\tunknown\t/CN=www\n";
    site.put("index.txt", row);
    let issued = StatusSource::Issued(site.issued("index.txt"));
    let mut refresher = site.start(site.sources(vec![issued]));
    refresher.refresh(site.now);
    assert_says(&refresher, &[(1, Good)]);
    // `openssl ca` moves it away, and the new one in.
    std::fs::rename(site.path("index.txt"), site.path("index.txt.old")).unwrap();
    let at = |seconds| site.now.plus_seconds(seconds);
    for seconds in [0, 1, 4] {
        let reports = refresher.refresh(at(seconds));
        assert!(reports.is_empty(), "{reports:?}");
        assert!(refresher.problems().is_empty());
        assert!(refresher.next_wake(at(seconds)) <= Some(at(5)));
    }
    site.put("index.txt", [row, &row.replace("\t01", "\t02")].concat());
    refresher.refresh(at(5));
    assert_says(&refresher, &[(1, Good), (2, Good)]);
    // A second time, for good: the time begins anew.
    std::fs::remove_file(site.path("index.txt")).unwrap();
    assert!(refresher.refresh(at(60)).is_empty());
    assert!(refresher.refresh(at(64)).is_empty());
    assert!(!refresher.refresh(at(65)).is_empty());
    assert_eq!(refresher.problems().len(), 1);
    assert!(refresher.next_wake(at(65)) > Some(at(66)));
    assert_says(&refresher, &[(1, Good), (2, Good), (3, NeverIssued)]);
}
