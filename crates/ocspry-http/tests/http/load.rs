//! Many requests, on one connection and on many.

use crate::fixture::{Fixture, GOOD, PATIENT, REVOKED};
use ocspry_core::SigningSpeed;
use ocspry_testkit::{Reply, base64_path};
use ocspry_wire::ocsp::CertStatus;

#[test]
fn htp_07_one_connection_takes_many_requests() {
    let fixture = Fixture::start(PATIENT);
    let mut client = fixture.connect();
    for round in 0..40 {
        let serial = if round % 2 == 0 { GOOD } else { REVOKED };
        let der = fixture.request(serial, &[]);
        let response = if round % 3 == 0 {
            client.post(&der)
        } else {
            client.get(&base64_path(&der))
        }
        .unwrap();
        let is_good = Reply::check(&response.body, &fixture.authority)
            .single()
            .status
            == CertStatus::Good;
        assert_eq!(is_good, serial == GOOD);
    }
    let counts = fixture.server.counts();
    assert_eq!((counts.connections_total, counts.requests_total), (1, 40));
}

#[test]
fn get_11_get_and_post_give_the_same_answer() {
    let fixture = Fixture::start(PATIENT);
    let mut client = fixture.connect();
    let der = fixture.request(GOOD, &[]);
    let posted = client.post(&der).unwrap();
    let got = client.get(&base64_path(&der)).unwrap();
    assert_eq!(posted.body, got.body);
    assert_eq!(posted.headers, got.headers);
}

#[test]
fn htp_19_concurrent_clients_get_their_own_answer_and_nonce() {
    for speed in [SigningSpeed::Inline, SigningSpeed::Queued] {
        let fixture = Fixture::start_with(PATIENT, speed, 2);
        std::thread::scope(|scope| {
            for thread in 0_u8..16 {
                let fixture = &fixture;
                scope.spawn(move || {
                    let mut client = fixture.connect();
                    for round in 0_u8..15 {
                        let serial = if (thread + round) % 2 == 0 {
                            GOOD
                        } else {
                            REVOKED
                        };
                        let nonce = [thread, round, 1, 2, 3, 4, 5, 6];
                        let der = fixture.request(serial, &nonce);
                        let response = if round % 2 == 0 {
                            client.post(&der)
                        } else {
                            client.get(&base64_path(&der))
                        }
                        .unwrap();
                        let reply = Reply::check(&response.body, &fixture.authority).signed();
                        assert_eq!(reply.nonce.as_deref(), Some(nonce.as_slice()));
                        let is_good = reply.singles[0].status == CertStatus::Good;
                        assert_eq!(is_good, serial == GOOD);
                    }
                });
            }
        });
        assert_eq!(fixture.server.counts().requests_total, 240);
    }
}
