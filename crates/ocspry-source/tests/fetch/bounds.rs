//! Servers that send too much, too little, too slowly, or something else.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ocspry_source::{CrlUrl, FetchLimits, FetchProblem};
use ocspry_testkit::ClosedPort;

use crate::peer::{Peer, drip, ok, say, say_for_ever, stall};
use crate::{Follow, LIMITS, failure, fetcher};

const SOON: Duration = Duration::from_millis(300);

#[test]
fn crl_28_a_server_that_drips_is_left_when_the_whole_time_is_over() {
    let peer = Peer::start(|_, stream| {
        say(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        );
        drip(stream);
    });
    let limits = FetchLimits {
        total_timeout: SOON,
        ..LIMITS
    };
    let (problem, line) = failure(limits, &peer.url("/"));
    assert!(
        matches!(problem, FetchProblem::Slow { bytes: 1.., after } if after == SOON),
        "{line}"
    );
    assert!(line.contains("not complete after 0.3 s"), "{line}");
}

#[test]
fn crl_28_a_server_that_stalls_in_the_middle_is_left_when_it_was_silent_for_too_long() {
    let peer = Peer::start(|_, stream| {
        say(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc",
        );
        stall(stream);
    });
    let limits = FetchLimits {
        silence_timeout: SOON,
        ..LIMITS
    };
    let (problem, line) = failure(limits, &peer.url("/"));
    assert!(
        matches!(problem, FetchProblem::Silent { bytes: 3, .. }),
        "{line}"
    );
}

#[test]
fn crl_28_a_server_that_never_answers_or_drips_its_head_is_left() {
    let limits = FetchLimits {
        connect_timeout: SOON,
        silence_timeout: SOON,
        ..LIMITS
    };
    let silent = Peer::start(|_, stream| stall(stream));
    let dripping = Peer::start(|_, stream| {
        say(stream, b"HTTP/1.1 200 OK\r\nX: ");
        drip(stream);
    });
    for peer in [silent, dripping] {
        let (problem, line) = failure(limits, &peer.url("/"));
        assert!(
            matches!(problem, FetchProblem::Silent { bytes: 0, .. }),
            "{line}"
        );
    }
}

#[test]
fn crl_28_ten_gigabytes_are_refused_when_they_are_announced() {
    let peer = Peer::start(|_, stream| {
        say(
            stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n",
        );
        stall(stream);
    });
    let (problem, line) = failure(FetchLimits::DEFAULT, &peer.url("/"));
    let FetchProblem::TooLarge { bytes, bytes_max } = problem else {
        panic!("{line}");
    };
    assert_eq!((bytes, bytes_max), (10 << 30, 1 << 30));
}

#[test]
fn crl_28_an_endless_body_ends_at_the_limit() {
    for head in ["Transfer-Encoding: chunked\r\n", "Connection: close\r\n"] {
        let peer = Peer::start(move |_, stream| {
            say(stream, format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes());
            say_for_ever(
                stream,
                format!("1000\r\n{}\r\n", "a".repeat(0x1000)).as_bytes(),
            );
        });
        let (problem, line) = failure(LIMITS, &peer.url("/"));
        let FetchProblem::TooLarge { bytes, bytes_max } = problem else {
            panic!("{line}");
        };
        assert!(
            bytes > bytes_max && bytes < bytes_max + (1 << 20),
            "{bytes}"
        );
    }
}

#[test]
fn a_list_of_exactly_the_limit_is_taken() {
    let body = vec![b'a'; 1 << 20];
    let peer = Peer::saying(ok(&body, ""));
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    assert_eq!(follow.next_list().0, body);
}

#[test]
fn crl_28_a_body_that_ends_too_early_is_no_list() {
    for answer in [
        "Content-Length: 1000\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n",
    ] {
        let peer = Peer::saying(format!("HTTP/1.1 200 OK\r\n{answer}"));
        let (problem, line) = failure(LIMITS, &peer.url("/"));
        assert!(
            matches!(problem, FetchProblem::BrokeOff { bytes: 3..=5, .. }),
            "{line}"
        );
    }
}

#[test]
fn an_empty_answer_is_no_list() {
    for answer in [
        "Content-Length: 0\r\n\r\n",
        "Connection: close\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let peer = Peer::saying(format!("HTTP/1.1 200 OK\r\n{answer}"));
        let (problem, line) = failure(LIMITS, &peer.url("/"));
        assert!(matches!(problem, FetchProblem::Empty), "{line}");
    }
}

#[test]
fn crl_28_an_encoded_answer_is_refused_by_name() {
    for (header, said) in [
        ("Content-Encoding: gzip", "(gzip)"),
        ("Content-Encoding: identity, br", "(identity, br)"),
        (
            "Content-Encoding: identity\r\nContent-Encoding: deflate",
            "(deflate)",
        ),
        ("Content-Encoding: \x1b[2J", "is it a web server"),
    ] {
        let peer = Peer::saying(ok(b"\x1f\x8b...", &format!("{header}\r\n")));
        let (_, line) = failure(LIMITS, &peer.url("/"));
        assert!(line.contains(said), "{line}");
    }
    let peer = Peer::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let (problem, line) = failure(LIMITS, &peer.url("/"));
    assert!(matches!(problem, FetchProblem::Encoded { .. }), "{line}");
}

#[test]
fn any_status_but_200_and_304_is_named_with_what_to_do() {
    for (status, said) in [
        (404, "status 404; is the URL right?"),
        (500, "status 500; it is tried again"),
        (503, "status 503; it is tried again"),
        (403, "status 403; it does not let this machine"),
        (206, "status 206; check the URL"),
        (204, "status 204"),
        (300, "status 300"),
        (302, "status 302"),
    ] {
        let peer = Peer::saying(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        let (problem, line) = failure(LIMITS, &peer.url("/"));
        assert!(
            matches!(problem, FetchProblem::Status { status: seen } if seen == status),
            "{line}"
        );
        assert!(line.contains(said), "{line}");
    }
}

#[test]
fn what_is_not_http_is_said_to_be_none() {
    let endless_head = || {
        Peer::start(|_, stream| {
            say(stream, b"HTTP/1.1 200 OK\r\n");
            say_for_ever(
                stream,
                b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
            );
        })
    };
    for peer in [
        Peer::saying("SSH-2.0-OpenSSH_9.2\r\n"),
        Peer::saying(""),
        Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        endless_head(),
    ] {
        let (problem, line) = failure(LIMITS, &peer.url("/"));
        assert!(matches!(problem, FetchProblem::NoAnswer { .. }), "{line}");
    }
}

#[test]
fn who_cannot_be_reached_is_said_so() {
    let closed = ClosedPort::new();
    let (problem, line) = failure(LIMITS, &closed.url());
    assert!(matches!(problem, FetchProblem::Connect { .. }), "{line}");
    assert!(line.contains("Connection refused"), "{line}");

    let url = answering_connections(|stream| say(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let (problem, line) = failure(LIMITS, &url.replace("http:", "https:"));
    assert!(
        matches!(
            problem,
            FetchProblem::Connect { .. } | FetchProblem::NoTrustStore { .. }
        ),
        "{line}"
    );

    // No name in the DNS is that long: the resolver knows without asking anybody.
    let (problem, line) = failure(LIMITS, &format!("http://{}/", "a".repeat(64)));
    assert!(matches!(problem, FetchProblem::Unresolved { .. }), "{line}");
}

#[test]
fn crl_28_a_server_that_never_agrees_on_tls_is_left() {
    let limits = FetchLimits {
        connect_timeout: SOON,
        ..LIMITS
    };
    let url = answering_connections(stall);
    let (problem, line) = failure(limits, &url.replace("http:", "https:"));
    assert!(
        matches!(
            problem,
            FetchProblem::ConnectTime { .. } | FetchProblem::NoTrustStore { .. }
        ),
        "{line}"
    );
}

/// A server that says something to one connection without having been asked; its URL.
fn answering_connections(answer: fn(&mut TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        answer(&mut stream);
        stall(&mut stream);
    });
    url
}

#[test]
fn an_http_1_0_server_is_understood() {
    let peer = Peer::saying("HTTP/1.0 200 OK\r\nServer: old\r\n\r\na list");
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    let url = CrlUrl::parse(&peer.url("/")).unwrap();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    assert_eq!(follow.next_list().0, b"a list");
}
