//! More is asked for than can be signed: what is cached is answered all the while, what is too much is refused at once, and
//! nothing wrong goes out.

use std::sync::mpsc::channel;
use std::thread;

use crate::fixture::{Fixture, GOOD, PATIENT, REVOKED};
use ocspry_core::SigningSpeed;
use ocspry_testkit::{Reply, base64_path};
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
        while fixture.gate.waiting() == 0 {
            thread::yield_now();
        }
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
