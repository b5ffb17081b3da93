//! The admin listener by itself: how far the program is, and clients that hang on it.

use crate::fixture::{Fixture, GOOD, PATIENT, nothing_wrong};
use ocspry_core::{Clock, SystemClock};
use ocspry_http::{Admin, AdminState};
use ocspry_testkit::{HttpClient, wait_until};
use ocspry_wire::Time;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const WAIT_MAX: Duration = Duration::from_secs(15);

struct Started {
    admin: Admin,
    state: Arc<AdminState>,
}

impl Started {
    fn new() -> Started {
        Started::by(Arc::new(SystemClock))
    }

    fn by(clock: Arc<dyn Clock>) -> Started {
        let state = Arc::new(AdminState::new("1.2.3", clock, |_| String::new()));
        let admin = Admin::start("127.0.0.1:0".parse().unwrap(), Arc::clone(&state)).unwrap();
        Started { admin, state }
    }

    fn connect(&self) -> HttpClient {
        HttpClient::connect(self.admin.local_address().port()).unwrap()
    }

    fn get(&self, path: &str) -> (u16, String) {
        let response = self.connect().get(path).unwrap();
        (response.status, String::from_utf8(response.body).unwrap())
    }
}

#[test]
fn it_is_not_ready_before_there_are_workers_and_after_the_stop_began() {
    let started = Started::new();
    let not_ready = |why: &str| (503, format!("not ready: {why}\n"));
    assert_eq!(started.get("/readyz"), not_ready("starting"));
    assert_eq!(started.get("/healthz"), (200, "ok\n".to_owned()));
    // There is something to see of a start that takes a while.
    assert!(started.get("/metrics").1.contains("version=\"1.2.3\""));
    assert!(started.get("/status").1.contains("\"starting\""));

    let fixture = Fixture::start(PATIENT);
    started.state.serving(fixture.server.meter());
    assert_eq!(started.get("/readyz"), not_ready("no issuer can answer"));
    let responder = fixture.responder.load_full();
    started
        .state
        .publish(responder.issuers().iter().map(nothing_wrong).collect());
    assert_eq!(started.get("/readyz"), (200, "ready\n".to_owned()));
    started.state.stopping();
    assert_eq!(started.get("/readyz"), not_ready("stopping"));
    started.admin.stop(Duration::ZERO);
}

/// Before the end of the fixture's list at one look, behind it at the next.
struct TornClock {
    start: Time,
    looks: AtomicI64,
}

impl Clock for TornClock {
    fn now(&self) -> Time {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        self.start.plus_seconds(look % 2 * 90_000)
    }
}

#[test]
fn a_page_is_as_of_one_moment_also_while_a_list_ends() {
    let fixture = Fixture::start(PATIENT);
    let started = Started::by(Arc::new(TornClock {
        start: fixture.clock.now(),
        looks: AtomicI64::new(0),
    }));
    let responder = fixture.responder.load_full();
    started
        .state
        .publish(responder.issuers().iter().map(nothing_wrong).collect());
    started.state.serving(fixture.server.meter());
    for _ in 0..4 {
        let status: Value = serde_json::from_str(&started.get("/status").1).unwrap();
        assert_eq!(
            status["ready"], status["issuers"][0]["can_answer"],
            "{status}"
        );
    }
    started.admin.stop(Duration::ZERO);
}

#[test]
fn a_client_over_the_cap_is_closed_at_once_and_one_that_leaves_makes_room() {
    let started = Started::new();
    let mut hung: Vec<HttpClient> = (0..32).map(|_| started.connect()).collect();
    wait_until("one more is closed", WAIT_MAX, || {
        started.connect().is_closed().unwrap_or(true)
    });
    // By the cap, not by its deadline: those that came before it are still served.
    assert_eq!(hung[0].get("/healthz").unwrap().status, 200);
    hung.pop();
    wait_until("there is room again", WAIT_MAX, || {
        let answer = started.connect().get("/healthz");
        answer.is_ok_and(|response| response.status == 200)
    });
    started.admin.stop(Duration::ZERO);
}

#[test]
fn a_connection_carries_one_request_and_a_refused_body_is_no_reset() {
    let started = Started::new();
    let mut client = started.connect();
    let response = client.get("/healthz").unwrap();
    assert_eq!(response.header("connection"), Some("close"));
    assert!(client.is_closed().unwrap());
    let mut client = started.connect();
    let response = client.post(&[b'x'; 50_000]).unwrap();
    assert_eq!(response.status, 405);
    assert!(client.is_closed().unwrap());
    started.admin.stop(Duration::ZERO);
}

#[test]
fn reading_the_counts_takes_nothing_from_the_workers() {
    let started = Started::new();
    let fixture = Fixture::start(PATIENT);
    started.state.serving(fixture.server.meter());
    let mut client = fixture.connect();
    let request = fixture.request(GOOD, &[]);
    for _ in 0..20 {
        assert_eq!(client.post(&request).unwrap().status, 200);
        assert_eq!(started.get("/metrics").0, 200);
    }
    let page = started.get("/metrics").1;
    let line = "ocspry_requests_total{method=\"post\",outcome=\"good\"} 20\n";
    assert!(page.contains(line), "{page}");
    started.admin.stop(Duration::ZERO);
}
