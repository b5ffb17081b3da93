//! Many connections, and clients that speak all at once, octet by octet, or not at all.

use crate::deadlines::{check_that_octets_do_not_buy_time, wait_until};
use crate::fixture::{Fixture, GOOD, PATIENT, REVOKED};
use ocspry_core::{Clock, SigningSpeed};
use ocspry_http::{Limits, Listeners, Server};
use ocspry_testkit::{HttpClient, Reply, base64_path};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn a_body_octet_by_octet_does_not_buy_time() {
    check_that_octets_do_not_buy_time(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n",
        b"0",
    );
}

#[test]
fn htp_12_requests_octet_by_octet_on_many_connections_are_answered_right() {
    let fixture = Fixture::start(PATIENT);
    let mut clients: Vec<(HttpClient, &[u8])> = (0..20)
        .map(|number| (fixture.connect(), [GOOD, REVOKED][number % 2]))
        .collect();
    let messages = [GOOD, REVOKED].map(|serial| post(&fixture.request(serial, &[])));
    for place in 0..messages[0].len() {
        for (number, (client, _)) in clients.iter_mut().enumerate() {
            client.send(&messages[number % 2][place..=place]).unwrap();
        }
    }
    for (client, serial) in &mut clients {
        let response = client.receive(true).unwrap();
        let single = Reply::check(&response.body, &fixture.authority).single();
        assert_eq!(single.status == CertStatus::Good, *serial == GOOD);
    }
}

#[test]
fn htp_08_hundreds_of_requests_in_one_write_are_answered_in_order() {
    let fixture = Fixture::start(PATIENT);
    let mut client = fixture.connect();
    let mut expected = Vec::new();
    let mut message = Vec::new();
    for number in 0_u16..400 {
        let serial = [GOOD, REVOKED][usize::from(number % 2)];
        let nonce = number.to_be_bytes();
        let der = fixture.request(serial, &nonce);
        if number % 3 == 0 {
            let path = base64_path(&der);
            message.extend(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes());
        } else {
            message.extend(post(&der));
        }
        expected.push((nonce, serial == GOOD));
    }
    client.send(&message).unwrap();
    for (nonce, is_good) in expected {
        let response = client.receive(true).unwrap();
        let reply = Reply::check(&response.body, &fixture.authority).signed();
        assert_eq!(reply.nonce.as_deref(), Some(nonce.as_slice()));
        assert_eq!(reply.singles[0].status == CertStatus::Good, is_good);
    }
}

#[test]
fn nothing_is_answered_for_a_client_that_reads_nothing_once_the_way_to_it_is_full() {
    let fixture = Fixture::start(Limits {
        write: Duration::from_secs(1),
        ..PATIENT
    });
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // What the kernel keeps for the client is little; what it keeps for the server is at most tcp_wmem.
    socket.set_recv_buffer_size(4_096).unwrap();
    let address = fixture.server.local_addresses()[0];
    socket.connect(&address.into()).unwrap();
    let mut client = TcpStream::from(socket);
    let requests = post(&fixture.request(GOOD, &[])).repeat(500);
    while client.write_all(&requests).is_ok() {}
    let counts = fixture.server.counts();
    assert_eq!(counts.connections_expired_total, 1);
    // More octets than a kernel takes for one connection, and fewer than can be answered in that second.
    let octets = counts.response_body_bytes_total;
    assert!(octets < 32 << 20, "{octets} octets of answers");
    wait_until(|| fixture.server.counts().connections_open == 0);
}

#[test]
fn htp_14_clients_that_reset_their_connection_do_no_harm() {
    let fixture = Fixture::start(PATIENT);
    let der = fixture.request(GOOD, &[]);
    let message = post(&der);
    for length in (0..=message.len()).step_by(7).chain([message.len()]) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let address = fixture.server.local_addresses()[0];
        socket.connect(&address.into()).unwrap();
        // Closed so, it says RST and not FIN.
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        let mut client = TcpStream::from(socket);
        client.write_all(&message[..length]).unwrap();
    }
    assert_eq!(fixture.connect().post(&der).unwrap().status, 200);
    wait_until(|| fixture.server.counts().connections_open == 0);
    assert_eq!(fixture.server.counts().panics_total, 0);
}

#[test]
fn in_a_crowd_silent_connections_make_room_for_those_who_ask() {
    let fixture = Fixture::start(Limits {
        connections_max: 4,
        idle_when_crowded: SHORT,
        ..PATIENT
    });
    let der = fixture.request(GOOD, &[]);
    // All places are taken, and each of them may be kept for a minute.
    let mut kept: Vec<HttpClient> = (0..4).map(|_| fixture.connect()).collect();
    for client in &mut kept {
        assert_eq!(client.post(&der).unwrap().status, 200);
    }
    wait_until(|| fixture.server.counts().connections_crowded_out_total > 0);
    wait_until(|| fixture.server.counts().connections_open < 4);
    assert_eq!(fixture.connect().post(&der).unwrap().status, 200);
    let counts = fixture.server.counts();
    assert_eq!(counts.connections_refused_total, 0);
    assert!(counts.connections_expired_total >= 1);
}

#[test]
fn a_silent_connection_is_kept_where_there_is_room_and_once_there_is_nobody_else_goes() {
    let fixture = Fixture::start_with(
        Limits {
            connections_max: 4,
            idle_when_crowded: SHORT,
            ..PATIENT
        },
        SigningSpeed::Inline,
        1,
    );
    let der = fixture.request(REVOKED, &[]);
    let meter = fixture.server.meter();
    // More looks than a silent connection outlives in a crowd.
    let be_silent = || {
        let end = meter.turns()[0] + 20;
        wait_until(|| meter.turns()[0] > end);
    };
    let mut oldest = fixture.connect();
    assert_eq!(oldest.post(&der).unwrap().status, 200);
    be_silent();
    assert_eq!(fixture.server.counts().connections_open, 1);

    // Three more fill all places, and begin their silence together: one holds the worker until the others have asked.
    fixture.gate.close();
    let mut younger: Vec<HttpClient> = Vec::new();
    for _ in 0..3 {
        let mut client = fixture.connect();
        client.send(&post(&fixture.request(GOOD, &[]))).unwrap();
        wait_until(|| fixture.gate.waiting() == 1);
        younger.push(client);
    }
    fixture.gate.open();
    for client in &mut younger {
        assert_eq!(client.receive(true).unwrap().status, 200);
    }
    assert!(oldest.is_closed().unwrap());
    be_silent();
    for client in &mut younger {
        assert_eq!(client.post(&der).unwrap().status, 200);
    }
    let counts = fixture.server.counts();
    assert_eq!(counts.connections_crowded_out_total, 1);
    assert_eq!(counts.connections_refused_total, 0);
}

#[test]
fn clients_that_connect_while_no_worker_accepts_wait_and_are_answered() {
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Inline, 1);
    let der = fixture.request(GOOD, &[]);
    // The only worker signs, and hangs.
    fixture.gate.close();
    let mut first = fixture.connect();
    first.send(&post(&der)).unwrap();
    wait_until(|| fixture.gate.waiting() == 1);
    let mut waiting: Vec<HttpClient> = (0..200).map(|_| fixture.connect()).collect();
    for client in &mut waiting {
        client.send(&post(&der)).unwrap();
    }
    assert_eq!(fixture.server.counts().connections_total, 1);
    fixture.gate.open();
    for client in waiting.iter_mut().chain([&mut first]) {
        let response = client.receive(true).unwrap();
        Reply::check(&response.body, &fixture.authority).single();
    }
    assert_eq!(fixture.server.counts().connections_total, 201);
}

#[test]
fn ipv6_is_served_alone_and_beside_ipv4() {
    let fixture = Fixture::start(PATIENT);
    let der = fixture.request(GOOD, &[]);
    for addresses in [&["[::1]:0"][..], &["[::]:0"], &["[::1]:0", "127.0.0.1:0"]] {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let listeners = Listeners::bind(&addresses, 2).unwrap();
        let clock = Arc::clone(&fixture.clock) as Arc<dyn Clock>;
        let responder = Arc::clone(&fixture.responder);
        let server = Server::start(listeners, responder, clock, PATIENT).unwrap();
        for address in server.local_addresses() {
            let mut client = match address.ip().is_unspecified() {
                true => TcpStream::connect(("::1", address.port())).unwrap(),
                false => TcpStream::connect(address).unwrap(),
            };
            client.write_all(&post_and_close(&der)).unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            let end_of_head = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
            Reply::check(&answer[end_of_head + 4..], &fixture.authority).single();
        }
    }
}

fn post(der: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        der.len()
    )
    .into_bytes();
    message.extend(der);
    message
}

fn post_and_close(der: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        der.len()
    )
    .into_bytes();
    message.extend(der);
    message
}

#[test]
fn a_body_that_is_the_path_of_a_get_is_no_request() {
    let fixture = Fixture::start(PATIENT);
    let mut client = fixture.connect();
    let path = base64_path(&fixture.request(GOOD, &[]));
    // On this worker, for sure: the same connection.
    assert_eq!(client.get(&path).unwrap().status, 200);
    client.send(&post(path.as_bytes())).unwrap();
    let response = client.receive(true).unwrap();
    assert_eq!(
        Reply::check(&response.body, &fixture.authority),
        Reply::Error(ErrorStatus::MalformedRequest)
    );
}

#[test]
fn htp_08_an_empty_line_behind_a_body_begins_no_request() {
    let fixture = Fixture::start(Limits {
        request: SHORT,
        idle: Duration::from_millis(500),
        ..PATIENT
    });
    let mut client = fixture.connect();
    let mut message = post(&fixture.request(GOOD, &[]));
    message.extend(b"\r\n");
    client.send(&message).unwrap();
    assert_eq!(client.receive(true).unwrap().status, 200);
    // Closed as one that is idle, and without a word.
    assert!(client.is_closed().unwrap());
}

#[test]
fn htp_09_the_last_answer_is_read_although_the_client_has_sent_more() {
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Queued, 1);
    fixture.gate.close();
    let mut client = fixture.connect();
    let der = fixture.request(GOOD, &[]);
    let mut message = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        der.len()
    )
    .into_bytes();
    message.extend(&der);
    client.send(&message).unwrap();
    wait_until(|| fixture.gate.waiting() == 1);
    client.send(b"\r\n").unwrap();
    fixture.gate.open();
    let response = client.receive(true).unwrap();
    Reply::check(&response.body, &fixture.authority).single();
}

#[test]
fn an_answer_that_was_just_given_is_not_given_again_past_its_end() {
    let fixture = Fixture::start(PATIENT);
    let der = fixture.request(GOOD, &[]);
    let mut client = fixture.connect();
    let before = Reply::check(&client.post(&der).unwrap().body, &fixture.authority).single();
    let past = before.next_update.seconds_since(fixture.clock.now()) + 1;
    fixture.clock.go_on(past);
    let response = client.post(&der).unwrap();
    assert_eq!(
        Reply::check(&response.body, &fixture.authority),
        Reply::Error(ErrorStatus::TryLater)
    );
}
