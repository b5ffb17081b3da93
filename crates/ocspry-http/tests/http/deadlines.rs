//! What a slow, silent or vanishing client can do: nothing to the others, and not for long.

use crate::fixture::{Fixture, GOOD, PATIENT};
use ocspry_core::SigningSpeed;
use ocspry_http::Limits;
use ocspry_testkit::Reply;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn a_connection_that_never_says_anything_is_closed() {
    let fixture = Fixture::start(Limits {
        idle: SHORT,
        ..PATIENT
    });
    let mut client = fixture.connect();
    assert!(client.is_closed().unwrap());
    assert_eq!(fixture.server.counts().connections_expired_total, 1);
}

#[test]
fn a_kept_connection_that_falls_silent_is_closed() {
    let fixture = Fixture::start(Limits {
        // Long enough for the request to come first.
        idle: Duration::from_secs(1),
        ..PATIENT
    });
    let mut client = fixture.connect();
    assert_eq!(
        client.post(&fixture.request(GOOD, &[])).unwrap().status,
        200
    );
    assert!(client.is_closed().unwrap());
}

#[test]
fn a_head_that_is_never_finished_ends_with_408() {
    let fixture = Fixture::start(Limits {
        request: SHORT,
        ..PATIENT
    });
    let mut client = fixture.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    let response = client.receive(true).unwrap();
    assert_eq!(response.status, 408);
    assert_eq!(response.header("connection"), Some("close"));
    assert!(client.is_closed().unwrap());
}

#[test]
fn htp_17_a_body_that_never_comes_ends_with_408() {
    let fixture = Fixture::start(Limits {
        request: SHORT,
        ..PATIENT
    });
    let mut client = fixture.connect();
    client
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
        .unwrap();
    assert_eq!(client.receive(true).unwrap().status, 408);
    assert!(client.is_closed().unwrap());
}

#[test]
fn an_octet_now_and_then_does_not_buy_time() {
    check_that_octets_do_not_buy_time(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a");
}

/// After `begun` the client goes on with this octet again and again: it gets 408 all the same.
pub(crate) fn check_that_octets_do_not_buy_time(begun: &[u8], octet: &[u8; 1]) {
    let fixture = Fixture::start(Limits {
        request: SHORT,
        ..PATIENT
    });
    let mut client = TcpStream::connect(fixture.server.local_addresses()[0]).unwrap();
    client.write_all(begun).unwrap();
    // The wait for an answer is the pause between two octets.
    client.set_read_timeout(Some(SHORT / 10)).unwrap();
    let mut answer = [0; 12];
    let mut octets_sent = 0;
    while client.read_exact(&mut answer).is_err() {
        octets_sent += 1;
        assert!(octets_sent < 1_000, "still connected");
        client.write_all(octet).unwrap();
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let fixture = Fixture::start(Limits {
        write: SHORT,
        ..PATIENT
    });
    let mut client = fixture.connect();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
        ocspry_testkit::base64_path(&fixture.request(GOOD, &[]))
    );
    let requests = request.repeat(200).into_bytes();
    // Until every buffer between us is full of answers.
    while client.send(&requests).is_ok() {}
    assert_eq!(fixture.server.counts().connections_expired_total, 1);
}

#[test]
fn an_answer_that_takes_too_long_to_sign_ends_the_connection() {
    let fixture = Fixture::start_with(
        Limits {
            // Long enough for the answer after the gate is open.
            answer: Duration::from_secs(1),
            ..PATIENT
        },
        SigningSpeed::Queued,
        1,
    );
    fixture.gate.close();
    let mut client = fixture.connect();
    assert!(client.post(&fixture.request(GOOD, &[])).is_err());
    assert_eq!(fixture.server.counts().connections_expired_total, 1);
    fixture.gate.open();
    let response = fixture.connect().post(&fixture.request(GOOD, &[])).unwrap();
    Reply::check(&response.body, &fixture.authority).single();
}

#[test]
fn a_refused_client_that_goes_on_sending_is_cut_off() {
    let fixture = Fixture::start(Limits {
        linger: SHORT,
        ..PATIENT
    });
    let mut client = fixture.connect();
    client
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000000\r\n\r\n")
        .unwrap();
    assert_eq!(client.receive(true).unwrap().status, 413);
    while client.send(&[0; 1024]).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn htp_13_silent_and_half_open_connections_block_nobody() {
    let fixture = Fixture::start(PATIENT);
    let mut silent: Vec<_> = (0..120).map(|_| fixture.connect()).collect();
    for (index, client) in silent.iter_mut().enumerate() {
        let begun = &b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n0k"[..index % 50];
        client.send(begun).unwrap();
    }
    let response = fixture.connect().post(&fixture.request(GOOD, &[])).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(fixture.server.counts().connections_expired_total, 0);
}

#[test]
fn htp_14_clients_that_vanish_do_no_harm() {
    let fixture = Fixture::start(PATIENT);
    let der = fixture.request(GOOD, &[]);
    let mut message = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        der.len()
    )
    .into_bytes();
    message.extend(&der);
    for length in 0..=message.len() {
        let mut client = fixture.connect();
        client.send(&message[..length]).unwrap();
    }
    let response = fixture.connect().post(&der).unwrap();
    assert_eq!(response.status, 200);
    wait_until(|| fixture.server.counts().connections_open == 0);
    assert_eq!(fixture.server.counts().panics_total, 0);
}

#[test]
fn connections_over_the_cap_are_closed_at_once_and_counted() {
    let fixture = Fixture::start(Limits {
        connections_max: 2,
        ..PATIENT
    });
    let mut kept = [fixture.connect(), fixture.connect()];
    for client in &mut kept {
        assert_eq!(client.get("/healthz").unwrap().status, 200);
    }
    let mut refused = TcpStream::connect(fixture.server.local_addresses()[0]).unwrap();
    assert!(matches!(refused.read(&mut [0]), Ok(0) | Err(_)));
    assert_eq!(fixture.server.counts().connections_refused_total, 1);
    let [first, mut second] = kept;
    assert_eq!(second.get("/healthz").unwrap().status, 200);
    drop(first);
    wait_until(|| fixture.server.counts().connections_open == 1);
    assert_eq!(fixture.connect().get("/healthz").unwrap().status, 200);
}

/// Until the server has noticed; a server that never does fails the test.
pub(crate) fn wait_until(is_so: impl FnMut() -> bool) {
    ocspry_testkit::wait_until("the server has noticed", NOTICED_WITHIN, is_so);
}

/// Far more than a slow machine takes.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);
