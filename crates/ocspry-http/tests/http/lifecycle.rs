//! How the server stops, how its responder is replaced, and that one panic ends one connection only.

use crate::deadlines::wait_until;
use crate::fixture::{Fixture, GOOD, PATIENT};

use ocspry_core::{Clock, IssuerSet, PoolLimits, Responder, SigningPool, SigningSpeed};
use ocspry_http::{DrainReport, Limits, Listeners, Server};
use ocspry_testkit::{HttpClient, Reply};
use ocspry_wire::ocsp::ErrorStatus;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn ops_05_idle_connections_are_closed_at_once() {
    let fixture = Fixture::start(PATIENT);
    let mut kept = fixture.connect();
    assert_eq!(kept.get("/healthz").unwrap().status, 200);
    let mut silent = fixture.connect();
    wait_until(|| fixture.server.counts().connections_open == 2);
    assert_eq!(
        fixture.server.drain(LONG),
        DrainReport { connections_cut: 0 }
    );
    assert!(kept.is_closed().unwrap());
    assert!(silent.is_closed().unwrap_or(true));
}

#[test]
fn a_worker_that_hangs_turns_no_more_and_the_others_do() {
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Inline, 2);
    let meter = fixture.server.meter();
    let before = meter.turns();
    wait_until(|| (0..2).all(|worker| meter.turns()[worker] > before[worker]));
    // The key hangs, and the worker with it: it signs itself.
    fixture.gate.close();
    let mut client = fixture.connect();
    send_post(&mut client, &fixture.request(GOOD, &[]));
    wait_until(|| fixture.gate.waiting() == 1);
    let at_hang = meter.turns();
    wait_until(|| (0..2).any(|worker| meter.turns()[worker] > at_hang[worker] + 20));
    let turns = meter.turns();
    let hung = (0..2).filter(|worker| turns[*worker] == at_hang[*worker]);
    assert_eq!(hung.count(), 1, "{at_hang:?} {turns:?}");
    fixture.gate.open();
    assert_eq!(client.receive(true).unwrap().status, 200);
    let opened = meter.turns();
    wait_until(|| (0..2).all(|worker| meter.turns()[worker] > opened[worker]));
}

#[test]
fn a_client_that_has_just_come_when_the_server_stops_may_still_ask() {
    // Longer than a slow machine takes to stop listening.
    let fixture = Fixture::start(Limits {
        new_in_drain: Duration::from_secs(10),
        ..PATIENT
    });
    let der = fixture.request(GOOD, &[]);
    let mut silent = fixture.connect();
    let mut new = fixture.connect();
    wait_until(|| fixture.server.counts().connections_open == 2);
    let (port, authority) = (fixture.port(), fixture.authority.clone());
    let Fixture { server, .. } = fixture;
    let drain = std::thread::spawn(move || server.drain(LONG));
    wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_err());
    let response = new.post(&der).unwrap();
    Reply::check(&response.body, &authority).single();
    assert!(new.is_closed().unwrap());
    // Who says nothing is let go without waiting for the end of the drain.
    assert!(silent.is_closed().unwrap_or(true));
    assert_eq!(drain.join().unwrap(), DrainReport { connections_cut: 0 });
}

#[test]
fn inherited_sockets_keep_what_waits_on_them_for_the_next_server() {
    let fixture = Fixture::start(PATIENT);
    let parent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = parent.local_addr().unwrap().port();
    let start = || {
        let sockets = vec![parent.try_clone().unwrap()];
        let listeners = Listeners::inherit(sockets, 2).unwrap();
        let clock = Arc::clone(&fixture.clock) as Arc<dyn Clock>;
        Server::start(listeners, Arc::clone(&fixture.responder), clock, PATIENT).unwrap()
    };
    let first = start();
    assert_eq!(
        HttpClient::connect(port)
            .unwrap()
            .get("/healthz")
            .unwrap()
            .status,
        200
    );
    first.drain(LONG);
    // Nobody takes it now.
    let mut waiting = HttpClient::connect(port).unwrap();
    send_post(&mut waiting, &fixture.request(GOOD, &[]));
    let second = start();
    assert_eq!(waiting.receive(true).unwrap().status, 200);
    second.drain(LONG);
}

#[test]
fn a_request_in_flight_is_answered_and_its_connection_closed() {
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Queued, 2);
    fixture.gate.close();
    let der = fixture.request(GOOD, &[]);
    let (port, gate, authority) = (
        fixture.port(),
        fixture.gate.clone(),
        fixture.authority.clone(),
    );
    let mut in_flight = fixture.connect();
    send_post(&mut in_flight, &der);
    wait_until(|| gate.waiting() == 1);
    let Fixture { server, .. } = fixture;
    let drain = std::thread::spawn(move || server.drain(LONG));
    // The listener is closed first.
    wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_err());
    gate.open();
    let response = in_flight.receive(true).unwrap();
    Reply::check(&response.body, &authority).single();
    assert_eq!(response.header("connection"), Some("close"));
    assert!(in_flight.is_closed().unwrap());
    assert_eq!(drain.join().unwrap(), DrainReport { connections_cut: 0 });
}

#[test]
fn what_is_not_finished_in_time_is_cut() {
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Queued, 1);
    fixture.gate.close();
    let gate = fixture.gate.clone();
    let mut stuck = fixture.connect();
    send_post(&mut stuck, &fixture.request(GOOD, &[]));
    wait_until(|| gate.waiting() == 1);
    let Fixture {
        server, responder, ..
    } = fixture;
    assert_eq!(
        server.drain(Duration::from_millis(30)),
        DrainReport { connections_cut: 1 }
    );
    assert!(stuck.receive(true).is_err());
    gate.open();
    drop(responder);
}

#[test]
fn ops_06_the_port_can_be_had_again_after_a_drain() {
    let fixture = Fixture::start(PATIENT);
    let address = fixture.server.local_addresses()[0];
    assert_eq!(fixture.connect().get("/healthz").unwrap().status, 200);
    assert!(Listeners::bind(&[address], 2).is_err());
    fixture.server.drain(LONG);
    assert!(Listeners::bind(&[address], 2).is_ok());
}

#[test]
fn a_dropped_server_stops() {
    let fixture = Fixture::start(PATIENT);
    let port = fixture.port();
    let mut kept = fixture.connect();
    assert_eq!(kept.get("/healthz").unwrap().status, 200);
    drop(fixture);
    assert!(kept.is_closed().unwrap());
    wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_new_responder_answers_the_next_request_on_an_open_connection() {
    let fixture = Fixture::start(PATIENT);
    let der = fixture.request(GOOD, &[]);
    let mut client = fixture.connect();
    let before = client.post(&der).unwrap();
    Reply::check(&before.body, &fixture.authority).single();
    let no_issuers = IssuerSet::new(Vec::new()).unwrap();
    let pool = SigningPool::start(
        PoolLimits {
            threads: 1,
            waiting_max: 1,
            patience: Duration::from_secs(600),
        },
        || {},
    )
    .unwrap();
    fixture
        .responder
        .store(Arc::new(Responder::new(no_issuers, pool)));
    let after = client.post(&der).unwrap();
    assert_eq!(
        Reply::check(&after.body, &fixture.authority),
        Reply::Error(ErrorStatus::Unauthorized)
    );
    assert_eq!(after.header("cache-control"), Some("no-store"));
}

#[test]
fn a_panic_ends_one_connection_and_is_counted() {
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Inline, 1);
    let mut bystander = fixture.connect();
    assert_eq!(bystander.get("/healthz").unwrap().status, 200);
    fixture.clock.panics.store(true, Ordering::SeqCst);
    let mut unlucky = fixture.connect();
    assert!(unlucky.get("/healthz").is_err());
    assert_eq!(bystander.get("/healthz").unwrap().status, 200);
    let response = fixture.connect().post(&fixture.request(GOOD, &[])).unwrap();
    Reply::check(&response.body, &fixture.authority).single();
    assert_eq!(fixture.server.counts().panics_total, 1);
}

fn send_post(client: &mut HttpClient, der: &[u8]) {
    let mut message = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        der.len()
    )
    .into_bytes();
    message.extend(der);
    client.send(&message).unwrap();
}

#[test]
fn an_answer_is_made_at_the_time_its_request_is_complete() {
    let fixture = Fixture::start(PATIENT);
    let der = fixture.request(GOOD, &[]);
    let mut slow = fixture.connect();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        der.len()
    );
    slow.send(head.as_bytes()).unwrap();
    // The head has been read, and the body is awaited.
    assert_eq!(slow.receive(false).unwrap().status, 100);
    fixture.clock.go_on(9);
    slow.send(&der).unwrap();
    let reply = Reply::check(&slow.receive(true).unwrap().body, &fixture.authority).signed();
    assert_eq!(reply.produced_at, fixture.clock.now());
}

#[test]
fn an_answer_that_was_over_when_its_signature_came_is_not_sent() {
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Queued, 1);
    fixture.gate.close();
    let mut client = fixture.connect();
    send_post(&mut client, &fixture.request(GOOD, &[]));
    wait_until(|| fixture.gate.waiting() == 1);
    // The list ends a day after the start; its last minute is the margin.
    fixture.clock.go_on(86_400 - 60);
    fixture.gate.open();
    let response = client.receive(true).unwrap();
    assert_eq!(
        Reply::check(&response.body, &fixture.authority),
        Reply::Error(ErrorStatus::TryLater)
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[test]
fn a_connection_accepted_just_before_the_end_does_not_hold_it_up() {
    for _ in 0..20 {
        let fixture = Fixture::start_with(PATIENT, SigningSpeed::Inline, 1);
        let _silent = fixture.connect();
        let Fixture { server, .. } = fixture;
        assert_eq!(server.drain(LONG), DrainReport { connections_cut: 0 });
    }
}
