//! Where servers may lead us, and where not.

use std::io::ErrorKind;
use std::net::TcpListener;

use ocspry_source::{CrlUrl, FetchProblem};

use crate::peer::{Peer, ok, say};
use crate::{Follow, LIMITS, failure, failure_of, fetcher};

/// Redirects everybody to this place.
fn redirecting_to(location: &str) -> Peer {
    Peer::saying(format!(
        "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn at_its_end(problem: &FetchProblem) -> &FetchProblem {
    match problem {
        FetchProblem::Redirected { problem, .. } => problem,
        other => other,
    }
}

/// Nobody has connected, and nobody is about to: the failure is known.
fn assert_untouched(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let accepted = listener.accept();
    assert!(
        matches!(&accepted, Err(error) if error.kind() == ErrorKind::WouldBlock),
        "{accepted:?}"
    );
}

#[test]
fn crl_28_a_redirect_to_a_private_address_is_refused_before_any_connection() {
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = inside.local_addr().unwrap().port();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
    ] {
        let peer = redirecting_to(&format!("http://{host}:{port}/"));
        let (problem, line) = failure(LIMITS, &peer.url("/"));
        assert!(
            matches!(at_its_end(&problem), FetchProblem::Address { .. }),
            "{line}"
        );
        assert!(
            line.contains("redirects to ") && line.contains("this machine"),
            "{line}"
        );
    }
    assert_untouched(&inside);
}

#[test]
fn crl_28_a_redirect_to_the_clouds_metadata_is_refused_even_where_private_addresses_are_allowed() {
    for host in [
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::ffff:a9fe:a9fe]",
    ] {
        let peer = redirecting_to(&format!("http://{host}/latest/meta-data/"));
        let url = CrlUrl::parse(&peer.url("/")).unwrap();
        for url in [url.clone(), url.allowing_private()] {
            let (problem, line) = failure_of(LIMITS, url);
            assert!(
                matches!(at_its_end(&problem), FetchProblem::Address { .. }),
                "{line}"
            );
        }
    }
}

#[test]
fn crl_28_a_url_found_in_a_list_does_not_reach_inside_unless_allowed() {
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = inside.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let url = CrlUrl::found_in_list(&format!("http://{host}:{port}/"), None).unwrap();
        let (problem, line) = failure_of(LIMITS, url);
        assert!(matches!(problem, FetchProblem::Address { .. }), "{line}");
    }
    assert_untouched(&inside);

    let peer = Peer::saying(ok(b"a list", ""));
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    let url = CrlUrl::found_in_list(&peer.url("/"), None)
        .unwrap()
        .allowing_private();
    assert_eq!(
        Follow::start(&fetcher, url, directory.path()).next_list().0,
        b"a list"
    );
}

#[test]
fn crl_28_a_redirect_to_another_scheme_is_refused() {
    for location in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/ca.crl",
        "ldap://127.0.0.1/",
    ] {
        let peer = redirecting_to(location);
        let (problem, line) = failure(LIMITS, &peer.url("/"));
        assert!(
            matches!(problem, FetchProblem::RedirectScheme { .. }),
            "{line}"
        );
    }
}

#[test]
fn crl_28_a_redirect_loop_ends_at_the_limit() {
    let peer = redirecting_to("/");
    let (problem, line) = failure(LIMITS, &peer.url("/"));
    assert!(
        matches!(problem, FetchProblem::Redirects { redirects_max: 3 }),
        "{line}"
    );
    assert_eq!(peer.requests().len(), 4);
}

#[test]
fn redirects_are_followed_without_a_word_about_where_they_came_from() {
    let target = Peer::saying(ok(b"a list", ""));
    let to = target.url("/b");
    let peer = Peer::start(move |head, stream| {
        let location = if head.starts_with("get /again ") {
            &to
        } else {
            "/again?x#y"
        };
        let answer = format!(
            "HTTP/1.1 301 Moved Permanently\r\nSet-Cookie: a=b\r\nLocation: {location}\r\n\r\n"
        );
        say(stream, answer.as_bytes());
    });
    let again = Peer::start({
        let to = peer.url("/again");
        move |_, stream| {
            let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\n\r\n");
            say(stream, answer.as_bytes());
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    // Other ports of the same host are other places; the operator allows them here.
    let url = CrlUrl::parse(&again.url("/a?secret=1"))
        .unwrap()
        .allowing_private();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    assert_eq!(follow.next_list().0, b"a list");
    let heads = [again.requests(), peer.requests(), target.requests()].concat();
    assert_eq!(heads.len(), 3);
    for (head, line) in heads.iter().zip(["/a?secret=1", "/again", "/b"]) {
        assert!(
            head.starts_with(&format!("get {line} http/1.1\r\n")),
            "{head}"
        );
        for header in ["referer:", "cookie:", "authorization:"] {
            assert!(!head.contains(header), "{head}");
        }
    }
}

#[test]
fn a_redirect_at_the_operators_own_place_is_followed() {
    let peer = Peer::start(|head, stream| {
        if head.starts_with("get /new ") {
            say(stream, &ok(b"a list", ""));
        } else {
            say(
                stream,
                b"HTTP/1.1 308 Permanent Redirect\r\nLocation: new\r\n\r\n",
            );
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(LIMITS);
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}/old", peer.address.port());
        let mut follow = Follow::start(&fetcher, CrlUrl::parse(&url).unwrap(), directory.path());
        assert_eq!(follow.next_list().0, b"a list");
    }
}
