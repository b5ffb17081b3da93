//! One URL followed over time: conditions, verdicts, retries, turns, and what is left when it ends.

use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use ocspry_source::{CrlUrl, FetchLimits, FetchProblem, Fetched, SourceError, Validators};
use ocspry_testkit::ClosedPort;

use crate::peer::{Peer, ok, say, stall};
use crate::{Follow, LIMITS, NOW, failure, fetcher, files};

const NOT_MODIFIED: &[u8] = b"HTTP/1.1 304 Not Modified\r\n\r\n";
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Has one list, and says so to whoever knows its tag.
fn conditional() -> Peer {
    Peer::start(|head, stream| {
        if head.contains("if-none-match: w/\"v1\"\r\n") {
            say(stream, NOT_MODIFIED);
        } else {
            let headers = format!("ETag: W/\"v1\"\r\nLast-Modified: {DATE}\r\n");
            say(stream, &ok(b"list one", &headers));
        }
    })
}

#[test]
fn crl_28_a_list_in_use_is_asked_for_by_its_tag_and_date() {
    let peer = conditional();
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    let url = CrlUrl::parse(&peer.url("/ca.crl")).unwrap();
    let mut follow = Follow::start(&fetcher, url, directory.path());

    let (octets, validators) = follow.next_list();
    assert_eq!(octets, b"list one");
    assert_eq!(validators.etag(), Some("W/\"v1\""));
    assert_eq!(validators.last_modified(), Some(DATE));
    follow.judge_and_ask(true);
    let outcome = follow.next();
    assert!(
        matches!(outcome, Fetched::NotModified { at: NOW }),
        "{outcome:?}"
    );
    // Still in use: the same conditions once more.
    follow.judge_and_ask(true);
    assert!(matches!(follow.next(), Fetched::NotModified { .. }));
    // No longer in use, for whatever reason: the whole list.
    follow.judge_and_ask(false);
    assert_eq!(follow.next_list().0, b"list one");

    let requests = peer.requests();
    assert_eq!(requests.len(), 4);
    for (index, head) in requests.iter().enumerate() {
        let is_conditional = index == 1 || index == 2;
        assert_eq!(head.contains("if-none-match: w/\"v1\"\r\n"), is_conditional);
        let date = format!("if-modified-since: {}\r\n", DATE.to_ascii_lowercase());
        assert_eq!(head.contains(&date), is_conditional, "{head}");
        assert!(head.starts_with("get /ca.crl http/1.1\r\n"), "{head}");
        assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
        let agent = format!("user-agent: ocspry/{}\r\n", env!("CARGO_PKG_VERSION"));
        assert!(head.contains(&agent), "{head}");
    }
    assert_eq!(files(directory.path()), [""; 0]);
}

#[test]
fn crl_28_validators_of_an_earlier_run_are_asked_by() {
    let peer = conditional();
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let kept = Validators::new(Some("W/\"v1\"".to_owned()), None);
    let mut follow = Follow::knowing(&fetcher, url, directory.path(), Some(kept));
    assert!(matches!(follow.next(), Fetched::NotModified { .. }));
    assert!(!peer.requests()[0].contains("if-modified-since"));
}

#[test]
fn crl_28_not_modified_without_having_been_asked_is_an_error() {
    let peer = Peer::saying(NOT_MODIFIED);
    let (problem, line) = failure(LIMITS, &peer.url("/"));
    assert!(
        matches!(problem, FetchProblem::NotModifiedUnasked),
        "{line}"
    );
}

#[test]
fn a_list_that_was_not_used_leaves_no_validators() {
    let peer = conditional();
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    for _ in 0..3 {
        assert_eq!(follow.next_list().0, b"list one");
        follow.judge_and_ask(false);
    }
}

#[test]
fn a_verdict_on_the_list_before_is_none_on_one_that_nobody_has_seen() {
    let peer = conditional();
    let fetcher = fetcher(LIMITS);
    for path in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let url = CrlUrl::parse(&peer.url(&format!("/{path}"))).unwrap();
        let mut follow = Follow::start(&fetcher, url, directory.path());
        follow.woken.recv().unwrap();
        // It was there already when somebody judged what came before it.
        follow.judge_and_ask(true);
        let outcome = follow.feed.take();
        assert!(matches!(outcome, Some(Fetched::New { .. })), "{outcome:?}");
        follow.judge_and_ask(false);
        assert!(matches!(follow.next(), Fetched::New { .. }), "not used");
    }
}

#[test]
fn failures_are_tried_again_after_ever_longer_waits_and_forgotten_after_a_success() {
    let limits = FetchLimits {
        retry_min: Duration::from_millis(2),
        retry_max: Duration::from_secs(3600),
        ..LIMITS
    };
    let closed = ClosedPort::new();
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(limits);
    let url = CrlUrl::parse(&closed.url()).unwrap();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    let mut waits = Vec::new();
    while waits.len() < 5 {
        follow.woken.recv_timeout(Duration::from_secs(60)).unwrap();
        // One that was not taken in time gives way to the next.
        if let Some(Fetched::Failed {
            error: SourceError::Fetch { .. },
            next_try_in,
            at: NOW,
        }) = follow.feed.take()
        {
            waits.push(next_try_in);
        }
    }
    for pair in waits.windows(2) {
        assert!(pair[1] >= pair[0] * 8 / 5, "{waits:?}");
    }

    let count = Arc::new(Mutex::new(0));
    let peer = Peer::start(move |_, stream| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count < 3 {
            say(stream, b"HTTP/1.1 503 X\r\n\r\n");
        } else {
            say(stream, &ok(b"a list", ""));
        }
    });
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    loop {
        follow.woken.recv_timeout(Duration::from_secs(60)).unwrap();
        if matches!(follow.feed.take(), Some(Fetched::New { .. })) {
            break;
        }
    }
}

#[test]
fn a_fetch_that_is_asked_for_does_not_wait_for_its_time() {
    let peer = Peer::saying("HTTP/1.1 503 X\r\n\r\n");
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    for count in 1..=3 {
        let Fetched::Failed { next_try_in, .. } = follow.next() else {
            panic!("a list from nowhere");
        };
        assert!(next_try_in >= Duration::from_secs(3600));
        assert_eq!(peer.requests().len(), count);
        follow.feed.fetch_now();
    }
}

#[test]
fn so_many_downloads_at_once_and_no_more() {
    const AT_ONCE: usize = 2;
    let turns = Arc::new((Mutex::new(Turns::default()), Condvar::new()));
    let counted = Arc::clone(&turns);
    let peer = Peer::start(move |_, stream| {
        let (turns, changed) = &*counted;
        let mut held = turns.lock().unwrap();
        held.now += 1;
        held.most = held.most.max(held.now);
        changed.notify_all();
        let is_first = !std::mem::replace(&mut held.has_begun, true);
        // Nobody is answered until one too many had the time to come.
        let time = Duration::from_millis(if is_first { 500 } else { 60_000 });
        let is_waiting = |turns: &mut Turns| turns.most <= AT_ONCE && !turns.is_open;
        let waited = changed.wait_timeout_while(held, time, is_waiting);
        let mut held = waited.unwrap().0;
        held.is_open = true;
        changed.notify_all();
        // Before the last octet: the client cannot be done yet.
        held.now -= 1;
        drop(held);
        say(stream, &ok(b"a list", ""));
    });
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(FetchLimits {
        at_once_max: AT_ONCE,
        ..LIMITS
    });
    let mut follows: Vec<Follow> = (0..12)
        .map(|index| {
            let url = CrlUrl::parse(&peer.url(&format!("/{index}"))).unwrap();
            Follow::start(&fetcher, url, directory.path())
        })
        .collect();
    for follow in &mut follows {
        assert_eq!(follow.next_list().0, b"a list");
    }
    let most = turns.0.lock().unwrap().most;
    assert!(most <= AT_ONCE, "{most}");
}

/// The connections of a server.
#[derive(Default)]
struct Turns {
    now: usize,
    most: usize,
    has_begun: bool,
    is_open: bool,
}

/// No limit ends these downloads within the time of a test.
const PATIENT: FetchLimits = FetchLimits {
    silence_timeout: Duration::from_secs(3600),
    total_timeout: Duration::from_secs(3600),
    ..LIMITS
};

/// Sends some octets of a list, tells the test, and tells it again when the client has hung up.
fn unfinished() -> (Peer, std::sync::mpsc::Receiver<&'static str>) {
    let (tell, told) = channel();
    let peer = Peer::start(move |_, stream| {
        say(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc",
        );
        tell.send("begun").unwrap();
        stall(stream);
        let _ = tell.send("hung up");
    });
    (peer, told)
}

#[test]
fn a_feed_dropped_while_downloading_hangs_up_and_leaves_no_file() {
    let (peer, told) = unfinished();
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(PATIENT);
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let follow = Follow::start(&fetcher, url, directory.path());
    let minute = Duration::from_secs(60);
    assert_eq!(told.recv_timeout(minute), Ok("begun"));
    drop(follow);
    assert_eq!(told.recv_timeout(minute), Ok("hung up"));
    assert_eq!(files(directory.path()), [""; 0]);
}

#[test]
fn a_fetcher_dropped_while_downloading_leaves_no_file_and_its_feeds_say_nothing_more() {
    let (peer, told) = unfinished();
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(PATIENT);
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok("begun"));
    drop(fetcher);
    assert_eq!(files(directory.path()), [""; 0]);
    assert!(follow.feed.take().is_none());
    follow.feed.fetch_now();
}

#[test]
fn left_overs_of_a_killed_run_go_at_start_and_a_download_in_use_stays() {
    let directory = tempfile::tempdir().unwrap();
    let left_over = directory.path().join(".fetch-1-0.tmp");
    std::fs::write(&left_over, "half a list").unwrap();
    let peer = Peer::saying(ok(b"a list", ""));
    let fetcher = fetcher(LIMITS);
    let start = || {
        let url = CrlUrl::parse(&peer.url("/")).unwrap();
        Follow::start(&fetcher, url, directory.path())
    };
    let Fetched::New { file, .. } = start().next() else {
        panic!("no list");
    };
    assert!(!left_over.exists());
    start().next_list();
    assert_eq!(std::fs::read(file.path()).unwrap(), b"a list");
    drop(file);
    assert_eq!(files(directory.path()), [""; 0]);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let peer = Peer::saying(ok(b"a list", ""));
    let fetcher = fetcher(LIMITS);
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let missing = std::path::Path::new("/nonexistent/state");
    let Fetched::Failed { error, .. } = Follow::start(&fetcher, url, missing).next() else {
        panic!("a list in no directory");
    };
    let line = error.to_string();
    assert!(line.contains("/nonexistent/state/.fetch-"), "{line}");
    assert!(line.contains("make room there"), "{line}");
}
