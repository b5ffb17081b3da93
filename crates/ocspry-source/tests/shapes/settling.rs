//! An overlay or a list of what was issued that is rewritten in place, as a shell or an editor does it: empty at first, then
//! half there.  Nothing that it said is taken back before it has stayed as it is for a while.

use std::time::{Duration, UNIX_EPOCH};

use ocspry_source::{Event, Guard, Refresher, Report, Sources, StatusSource};

use ocspry_wire::Time;

use crate::site::Says::{Good, NeverIssued, Revoked};
use crate::site::{Site, assert_says};

/// The beginning: what the file system says of files that are written now is later than all that happens here.
fn at(site: &Site, seconds: i64) -> Time {
    site.now.plus_seconds(seconds - 60)
}

/// Written in place, so many seconds after the beginning.
fn write(site: &Site, name: &str, content: &str, seconds: i64) {
    std::fs::write(site.path(name), content).unwrap();
    let written = at(site, seconds).unix_seconds();
    let written = UNIX_EPOCH + Duration::from_secs(written.try_into().unwrap());
    let file = std::fs::File::open(site.path(name)).unwrap();
    file.set_modified(written).unwrap();
}

/// A look so many seconds after the beginning.
fn look(site: &Site, refresher: &mut Refresher, seconds: i64) -> Vec<Report> {
    refresher.refresh(at(site, seconds))
}

fn with_overlay(content: &str) -> (Site, Refresher) {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10));
    write(&site, "overlay", content, -40);
    let mut sources = site.files(&["ca.crl"]);
    sources.sources.push(site.overlay("overlay"));
    let mut refresher = site.start(sources);
    look(&site, &mut refresher, 0);
    (site, refresher)
}

fn with_issued(guard: Guard, content: &str) -> (Site, Sources) {
    let site = Site::new();
    site.put_list("ca.crl", &site.list(1, 10));
    write(&site, "issued", content, -40);
    let mut sources = site.files(&["ca.crl"]);
    sources.guard = guard;
    let issued = StatusSource::Issued(site.issued("issued"));
    sources.sources.push(issued);
    (site, sources)
}

fn is_taken_back(reports: &[Report]) -> bool {
    let mut events = reports.iter().map(|report| &report.event);
    events.any(|event| matches!(event, Event::TakenBack(_)))
}

#[test]
fn an_overlay_that_is_rewritten_in_place_takes_nothing_back_on_the_way() {
    let (site, mut refresher) = with_overlay("20 superseded\n21\n");
    for (content, seconds) in [("", 0), ("22\n", 3), ("20 superseded\n", 4)] {
        write(&site, "overlay", content, seconds);
        look(&site, &mut refresher, seconds);
        assert_says(&refresher, &[(0x20, Revoked), (0x21, Revoked), (1, Good)]);
    }
    // What it said in between, and what it does not say any more, goes together, by itself.
    assert_says(&refresher, &[(0x22, Revoked)]);
    let wake = refresher.next_wake(at(&site, 4));
    assert_eq!(wake, Some(at(&site, 6)));
    look(&site, &mut refresher, 6);
    assert_says(&refresher, &[(0x20, Revoked), (0x21, Good), (0x22, Good)]);
    assert!(refresher.next_wake(at(&site, 6)) > wake);
}

#[test]
fn what_an_overlay_adds_in_place_counts_at_once() {
    let (site, mut refresher) = with_overlay("20\n");
    write(&site, "overlay", "20\n21\n", 0);
    look(&site, &mut refresher, 0);
    assert_says(&refresher, &[(0x20, Revoked), (0x21, Revoked)]);
    write(&site, "overlay", "all\n", 1);
    look(&site, &mut refresher, 1);
    assert_says(&refresher, &[(0x20, Revoked), (0x55, Revoked)]);
    write(&site, "overlay", "20\n", 10);
    look(&site, &mut refresher, 10);
    assert_says(&refresher, &[(0x20, Revoked), (0x55, Revoked)]);
    look(&site, &mut refresher, 12);
    assert_says(&refresher, &[(0x20, Revoked), (0x55, Good)]);
}

#[test]
fn an_overlay_that_became_empty_is_given_five_seconds_more_and_is_said() {
    let (site, mut refresher) = with_overlay("20\n");
    write(&site, "overlay", "", 0);
    for seconds in [0, 2, 6] {
        look(&site, &mut refresher, seconds);
        assert_says(&refresher, &[(0x20, Revoked)]);
        let wake = refresher.next_wake(at(&site, seconds));
        assert_eq!(wake, Some(at(&site, 7)));
    }
    let reports = look(&site, &mut refresher, 7);
    assert_says(&refresher, &[(0x20, Good)]);
    assert!(matches!(
        reports[..],
        [Report {
            event: Event::OverlayEmptied,
            ..
        }]
    ));
}

#[test]
fn an_overlay_that_was_written_before_and_is_moved_here_counts_at_once() {
    let (site, mut refresher) = with_overlay("20\n21\n");
    write(&site, "overlay", "21\n", -20);
    look(&site, &mut refresher, 0);
    assert_says(&refresher, &[(0x20, Good), (0x21, Revoked)]);
}

#[test]
fn a_clock_of_a_file_server_that_is_ahead_delays_nothing() {
    let (site, mut refresher) = with_overlay("20\n21\n");
    write(&site, "overlay", "21\n", 3600);
    look(&site, &mut refresher, 0);
    assert_says(&refresher, &[(0x20, Revoked), (0x21, Revoked)]);
    look(&site, &mut refresher, 2);
    assert_says(&refresher, &[(0x20, Good), (0x21, Revoked)]);
}

#[test]
fn a_list_of_serials_that_is_rewritten_in_place_takes_nothing_back_on_the_way() {
    let (site, sources) = with_issued(Guard::Alarm, "11\n12\n13\n14\n");
    let mut refresher = site.restart(sources);
    look(&site, &mut refresher, 0);
    let mut parts = ["11\n", "15\n", "11\n12\n13\n"].into_iter().zip(10..);
    for (content, seconds) in parts.by_ref() {
        write(&site, "issued", content, seconds);
        assert!(!is_taken_back(&look(&site, &mut refresher, seconds)));
        assert_says(
            &refresher,
            &[(0x12, Good), (0x14, Good), (0x16, NeverIssued)],
        );
    }
    assert_says(&refresher, &[(0x15, Good)]);
    let wake = refresher.next_wake(at(&site, 12));
    assert_eq!(wake, Some(at(&site, 14)));
    assert!(is_taken_back(&look(&site, &mut refresher, 14)));
    assert_says(
        &refresher,
        &[(0x12, Good), (0x14, NeverIssued), (0x15, NeverIssued)],
    );
}

#[test]
fn an_index_that_is_half_written_neither_lifts_a_revocation_nor_is_held_for_it() {
    let line = |status: &str, serial: &str| format!("{status}\t{serial}\tunknown\t/CN=a\n");
    let revoked = line("R\t490101000000Z\t260101000000Z", "11");
    let valid = line("V\t490101000000Z\t", "12");
    let whole = [valid.clone(), revoked.clone()].concat();
    let (site, sources) = with_issued(Guard::Refuse, &whole);
    let mut refresher = site.restart(sources);
    look(&site, &mut refresher, 0);
    write(&site, "issued", &valid, 10);
    look(&site, &mut refresher, 10);
    assert_says(&refresher, &[(0x11, Revoked), (0x12, Good)]);
    write(
        &site,
        "issued",
        &[valid, revoked, line("V\t490101000000Z\t", "13")].concat(),
        11,
    );
    look(&site, &mut refresher, 11);
    assert_says(&refresher, &[(0x11, Revoked), (0x12, Good), (0x13, Good)]);
    look(&site, &mut refresher, 20);
    assert!(!refresher.is_holding());
}

#[test]
fn a_restart_while_a_list_is_rewritten_goes_by_the_copy_until_it_is_whole() {
    let (site, sources) = with_issued(Guard::Alarm, "11\n12\n");
    look(&site, &mut site.restart(sources.clone()), 0);
    write(&site, "issued", "11\n", 10);
    let mut restarted = site.restart(sources);
    look(&site, &mut restarted, 10);
    assert_says(
        &restarted,
        &[(0x11, Good), (0x12, Good), (0x13, NeverIssued)],
    );
    look(&site, &mut restarted, 12);
    assert_says(&restarted, &[(0x11, Good), (0x12, NeverIssued)]);
}

/// A directory of certificates that were written long ago.
fn with_certificates(serials: &[u8]) -> (Site, Refresher) {
    let (site, sources) = with_issued(Guard::Alarm, "");
    site.remove("issued");
    std::fs::create_dir(site.path("issued")).unwrap();
    for serial in serials {
        put_certificate(&site, *serial);
    }
    let mut refresher = site.start(sources);
    look(&site, &mut refresher, 0);
    (site, refresher)
}

fn put_certificate(site: &Site, serial: u8) {
    let certificate = site.ca.server("a.example", &[serial]);
    site.put(&format!("issued/{serial}"), certificate);
}

#[test]
fn a_directory_that_is_filled_anew_takes_nothing_back_on_the_way_whatever_the_times_of_its_files() {
    let (site, mut refresher) = with_certificates(&[1, 2]);
    site.remove("issued/1");
    for seconds in [10, 11] {
        look(&site, &mut refresher, seconds);
        assert_says(&refresher, &[(1, Good), (2, Good), (3, NeverIssued)]);
    }
    let wake = refresher.next_wake(at(&site, 11));
    assert_eq!(wake, Some(at(&site, 12)));
    assert!(is_taken_back(&look(&site, &mut refresher, 12)));
    assert_says(&refresher, &[(1, NeverIssued), (2, Good)]);
}

#[test]
fn a_directory_that_never_stays_as_it_is_is_taken_after_a_minute() {
    let (site, mut refresher) = with_certificates(&[1, 2]);
    site.remove("issued/1");
    for (serial, seconds) in (3..).zip(10..=70) {
        put_certificate(&site, serial);
        let is_taken_back = is_taken_back(&look(&site, &mut refresher, seconds));
        assert_eq!(is_taken_back, seconds == 70, "{seconds}");
    }
    assert_says(&refresher, &[(1, NeverIssued), (2, Good), (63, Good)]);
}
