//! More is asked for than can be signed: what is cached is answered all the while, what is too much is refused at once, and
//! nothing wrong goes out.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use crate::deadlines::wait_until;
use crate::fixture::{Fixture, GOOD, PATIENT, REVOKED};
use ocspry_core::{Clock, SigningClass, SigningCounts, SigningSpeed, ValidityWindow};
use ocspry_http::{Listeners, Server, ServerOptions, TrustedPeers};
use ocspry_testkit::{HttpClient, Namespace, Peer, Reply, base64_path, run_bounded};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus};

/// Asks for what is cached, and checks it as a client does.
fn ask_what_is_cached(fixture: &Fixture) {
    let der = fixture.request(REVOKED, &[]);
    let response = fixture.connect().get(&base64_path(&der)).unwrap();
    let reply = Reply::check(&response.body, &fixture.authority);
    assert!(matches!(reply.single().status, CertStatus::Revoked(_)));
}

#[test]
fn while_nonces_flood_a_worker_every_cached_answer_and_every_nonce_is_right() {
    const CLIENTS: u8 = 12;
    const REQUESTS: u8 = 20;
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Inline, 1);
    ask_what_is_cached(&fixture);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let fixture = &fixture;
            scope.spawn(move || {
                let mut connection = fixture.connect();
                for number in 0..REQUESTS {
                    let nonce = [client, number];
                    let der = fixture.request(GOOD, &nonce);
                    let response = connection.post(&der).unwrap();
                    let reply = Reply::check(&response.body, &fixture.authority).signed();
                    assert_eq!(reply.nonce.as_deref(), Some(nonce.as_slice()));
                }
            });
        }
        for _ in 0..50 {
            ask_what_is_cached(&fixture);
        }
    });
    let expected = 51 + u64::from(CLIENTS) * u64::from(REQUESTS);
    assert_eq!(fixture.server.counts().requests_total, expected);
}

#[test]
fn while_a_key_hangs_cached_answers_go_on_and_one_too_many_hears_try_later_at_once() {
    // One signs, 64 wait, 10 are too many.
    const TOO_MANY: usize = 10;
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Queued, 1);
    ask_what_is_cached(&fixture);
    fixture.gate.close();
    let (told, answers) = channel();
    thread::scope(|scope| {
        let ask = |number: u8| {
            let (fixture, told) = (&fixture, told.clone());
            scope.spawn(move || {
                let response = fixture.connect().post(&fixture.request(GOOD, &[number]));
                let reply = Reply::check(&response.unwrap().body, &fixture.authority);
                told.send((number, reply)).unwrap();
            });
        };
        ask(0);
        wait_until(|| fixture.gate.waiting() == 1);
        (1..=64 + TOO_MANY as u8).for_each(ask);
        for _ in 0..TOO_MANY {
            let (_, reply) = answers.recv().unwrap();
            assert_eq!(reply, Reply::Error(ErrorStatus::TryLater));
            ask_what_is_cached(&fixture);
        }
        fixture.gate.open();
        for _ in 0..65 {
            let (number, reply) = answers.recv().unwrap();
            assert_eq!(reply.signed().nonce, Some(vec![number]));
        }
    });
    let counts = fixture.responder.load().signing_counts();
    assert_eq!(counts.refused_total(), TOO_MANY as u64);
    assert_eq!(counts.waiting, [0; 3]);
}

/// Asks for an answer with this nonce, by GET or by POST, with such header lines; does not wait for it.
fn send_nonce(fixture: &Fixture, client: &mut HttpClient, headers: &str, nonce: u8) {
    let der = fixture.request(GOOD, &[nonce]);
    let message = if nonce.is_multiple_of(2) {
        let path = base64_path(&der);
        format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").into_bytes()
    } else {
        let length = der.len();
        let head =
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{headers}\r\n");
        [head.into_bytes(), der].concat()
    };
    client.send(&message).unwrap();
}

/// Reads that answer, and checks it.
fn receive_nonce(fixture: &Fixture, client: &mut HttpClient, nonce: u8) {
    let response = client.receive(true).unwrap();
    let reply = Reply::check(&response.body, &fixture.authority).signed();
    assert_eq!(reply.nonce, Some(vec![nonce]));
}

#[test]
fn a_cached_answer_comes_before_a_heap_of_nonces_that_were_asked_for_earlier() {
    const HEAP: u8 = 200;
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Inline, 1);
    ask_what_is_cached(&fixture);
    let mut heap: Vec<HttpClient> = (0..HEAP).map(|_| fixture.connect()).collect();
    let mut other = fixture.connect();
    // All of them, and the one that asked first.
    let connections = u64::from(HEAP) + 2;
    wait_until(|| fixture.server.counts().connections_total == connections);
    let waiting_in_line = || -> u64 {
        let page = fixture.metrics();
        let name = "ocspry_worker_signing_queue_length{worker=\"0\"} ";
        let value = page.lines().find_map(|line| line.strip_prefix(name));
        value.unwrap().parse().unwrap()
    };

    // The first one holds the worker until all have asked.
    fixture.gate.close();
    for (client, nonce) in heap.iter_mut().zip(0..HEAP) {
        send_nonce(&fixture, client, "", nonce);
        wait_until(|| fixture.gate.waiting() == 1);
    }
    // Four sign in the first turn; the fifth holds the worker in the second one.
    fixture.gate.let_pass(4);
    wait_until(|| fixture.gate.waiting() == 1);
    assert!(waiting_in_line() > u64::from(HEAP) / 2);

    // Two turns have no more than 4 and 64: between them the worker looks at its sockets.
    let path = base64_path(&fixture.request(REVOKED, &[]));
    let message = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    other.send(message.as_bytes()).unwrap();
    fixture.gate.let_pass(100);
    let response = other.receive(true).unwrap();
    let reply = Reply::check(&response.body, &fixture.authority);
    assert!(matches!(reply.single().status, CertStatus::Revoked(_)));
    wait_until(|| fixture.gate.waiting() == 1);
    assert!(waiting_in_line() > 0);

    fixture.gate.open();
    for (client, nonce) in heap.iter_mut().zip(0..HEAP) {
        receive_nonce(&fixture, client, nonce);
    }
}

/// All that were asked for wait or were refused, so many each.
fn check_line(fixture: &Fixture, waiting: u64, refused: u64) {
    let counts = || fixture.responder.load().signing_counts();
    let waiting_now = |counts: &SigningCounts| counts.waiting[SigningClass::Once as usize];
    wait_until(|| {
        let counts = counts();
        waiting_now(&counts) + counts.refused_total() == waiting + refused
    });
    let counts = counts();
    assert_eq!(
        (waiting_now(&counts), counts.refused_total()),
        (waiting, refused)
    );
}

#[test]
fn behind_a_trusted_proxy_one_address_that_floods_is_refused_and_another_one_is_let_in() {
    const PROXY: &str = "";
    const FLOODER: &str = "X-Real-IP: 192.0.2.1\r\n";
    const QUIET: &str = "X-Real-IP: 192.0.2.2\r\n";
    // 64 may wait. Above half of that two networks get 28 each, and one that came as a third would get 18.
    let fixture = Fixture::start_with(PATIENT, SigningSpeed::Queued, 1);
    let mut nonces = 0..;
    let mut ask = |headers, count| -> Vec<(HttpClient, u8)> {
        let asked = nonces.by_ref().take(count).map(|nonce| {
            let mut client = fixture.connect();
            send_nonce(&fixture, &mut client, headers, nonce);
            (client, nonce)
        });
        asked.collect()
    };
    let line_has = |waiting, refused| check_line(&fixture, waiting, refused);
    let try_later = |refused: Vec<(HttpClient, u8)>| {
        for (mut client, _) in refused {
            let response = client.receive(true).unwrap();
            let reply = Reply::check(&response.body, &fixture.authority);
            assert_eq!(reply, Reply::Error(ErrorStatus::TryLater));
        }
    };

    fixture.gate.close();
    let mut let_in = ask(PROXY, 1);
    wait_until(|| fixture.gate.waiting() == 1);
    let_in.extend(ask(QUIET, 1));
    let_in.extend(ask(FLOODER, 32));
    line_has(33, 0);
    let refused = ask(FLOODER, 4);
    line_has(33, 4);
    try_later(refused);
    let_in.extend(ask(QUIET, 1));
    line_has(34, 4);
    // Whoever is not named is not counted, and has what is left.
    let_in.extend(ask(PROXY, 30));
    line_has(64, 4);
    let refused = ask(PROXY, 2);
    line_has(64, 6);
    try_later(refused);

    let page = fixture.metrics();
    for (outcome, count) in [("over-network-share", 2), ("signing-queue-full", 1)] {
        for method in ["get", "post"] {
            let line = format!(
                "ocspry_requests_total{{method=\"{method}\",outcome=\"{outcome}\"}} {count}\n"
            );
            assert!(page.contains(&line), "no {line} in {page}");
        }
    }
    fixture.gate.open();
    for (mut client, nonce) in let_in {
        receive_nonce(&fixture, &mut client, nonce);
    }
}

/// Set where the test below runs itself in a network of its own.
const IS_INSIDE: &str = "OCSPRY_TEST_IS_INSIDE";

#[test]
fn x_real_ip_is_believed_of_a_trusted_peer_and_of_nobody_else() {
    const NAME: &str = "overload::x_real_ip_is_believed_of_a_trusted_peer_and_of_nobody_else";
    // This machine's loopback is always trusted: another peer needs another address.
    if std::env::var_os(IS_INSIDE).is_none() {
        let (Some(namespace), Some(ip)) = (Namespace::new(), Peer::Ip.find()) else {
            return;
        };
        let mut give_address = namespace.command(&ip);
        give_address.args(["address", "add", "192.0.2.1/32", "dev", "lo"]);
        let mut inside = namespace.command(&std::env::current_exe().unwrap());
        inside.args(["--exact", NAME]).env(IS_INSIDE, "1");
        let run = run_bounded(&mut give_address);
        assert_eq!(run.code, Some(0), "{run:?}");
        let run = run_bounded(&mut inside);
        assert!(run.stdout.contains("1 passed"), "{run:?}");
        return;
    }
    let proxies = TrustedPeers::new(["192.0.2.0/24".parse().unwrap()]);
    let elsewhere = TrustedPeers::new(["198.51.100.0/24".parse().unwrap()]);
    // One address has 56 places of 64; of those that a proxy names, each has one.
    for (trusted, waiting, refused) in [(proxies, 60, 0), (elsewhere, 56, 4)] {
        let fixture = Fixture::start_with(PATIENT, SigningSpeed::Queued, 1);
        let server = Server::start(
            Listeners::bind(&["192.0.2.1:0".parse().unwrap()], 1).unwrap(),
            Arc::clone(&fixture.responder),
            Arc::clone(&fixture.clock) as Arc<dyn Clock>,
            ServerOptions {
                trusted,
                ..ServerOptions::from(PATIENT)
            },
        )
        .unwrap();
        fixture.gate.close();
        let clients: Vec<HttpClient> = (0..=60)
            .map(|number| {
                let mut client = HttpClient::connect_to(server.local_addresses()[0]).unwrap();
                let headers = format!("X-Real-IP: 198.51.100.{number}\r\n");
                send_nonce(&fixture, &mut client, &headers, number);
                wait_until(|| fixture.gate.waiting() == 1);
                client
            })
            .collect();
        check_line(&fixture, waiting, refused);
        fixture.gate.open();
        drop(clients);
    }
}

#[test]
fn who_waits_for_a_signature_over_a_reload_hears_what_is_known_after_it() {
    for nonce in [&[][..], &[7; 16]] {
        let fixture = Fixture::start_with(PATIENT, SigningSpeed::Queued, 1);
        let next = fixture.next_responder(SigningSpeed::Queued);
        fixture.gate.close();
        thread::scope(|scope| {
            let asked = scope.spawn(|| fixture.connect().post(&fixture.request(GOOD, nonce)));
            wait_until(|| fixture.gate.waiting() == 1);
            let before = fixture.responder.swap(Arc::new(next));
            let now = fixture.clock.now();
            fixture.set_list(
                &[GOOD],
                ValidityWindow {
                    this_update: now.plus_seconds(-1),
                    next_update: now.plus_seconds(3_600),
                },
            );
            fixture.gate.open();
            let response = asked.join().unwrap().unwrap();
            let reply = Reply::check(&response.body, &fixture.authority);
            assert!(matches!(reply.single().status, CertStatus::Revoked(_)));
            drop(before);
        });
    }
}
