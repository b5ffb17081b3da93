//! More is asked for than can be signed: what is let in, what is refused and how, and that everything else goes on.

mod fixture;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fixture::{
    Fixture, PATIENT, SERIAL_GOOD, SERIAL_REVOKED, WAIT_MAX, noon, poll_once, responder_with,
    table_with, wait,
};
use ocspry_core::{
    Answer, Answered, Client, Endpoint, Excess, Network, NeverIssuedPolicy, NonceOverBudget,
    OutcomeKind, Policy, PoolLimits, RecentAnswers, Responder, SigningClass, TurnCounts,
    UnablePolicy,
};
use ocspry_testkit::{KeyKind, Reply, RequestSpec, cert_id, nonce_extension, wait_until};
use ocspry_wire::ocsp::{ErrorStatus, HashAlgorithm};

type Asked<'a> = Pin<Box<dyn Future<Output = Answered> + 'a>>;

/// Asks about `serial`, with a nonce or without.
fn request(fixture: &Fixture, serial: &[u8], nonce: Option<u8>) -> Vec<u8> {
    let spec = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &fixture.ca, serial));
    match nonce {
        Some(octet) => spec.with_extension(nonce_extension(&[octet; 16])).der(),
        None => spec.der(),
    }
}

fn ask<'a>(
    responder: &'a Responder,
    request: &'a [u8],
    client: Client,
    recent: &'a RecentAnswers,
) -> Asked<'a> {
    Box::pin(async move {
        let mut buffer = BytesMut::new();
        let everybody = Endpoint::All;
        let answered = responder.answer_at(everybody, client, request, noon(), recent, &mut buffer);
        answered.await
    })
}

fn host(host: u8) -> Client {
    Client::Of(Network::V4([192, 0, 2, host]))
}

/// It is answered without waiting.
fn at_once(asked: &mut Asked<'_>) -> Option<Answered> {
    match poll_once(asked.as_mut()) {
        std::task::Poll::Ready(answered) => Some(answered),
        std::task::Poll::Pending => None,
    }
}

/// Comes back when it has become true, which it does without our help.
fn until(what: &str, is_true: impl FnMut() -> bool) {
    wait_until(what, WAIT_MAX, is_true);
}

/// With a pool of its own.
fn with_pool(mut fixture: Fixture, limits: PoolLimits) -> Fixture {
    fixture.responder = responder_with(vec![Arc::clone(fixture.issuer())], limits);
    fixture
}

/// A responder with the keys of two issuers, on one pool.
fn two_keys(limits: PoolLimits) -> (Responder, [Fixture; 2]) {
    let fixtures = [(); 2].map(|()| Fixture::counting(KeyKind::Rsa2048, None));
    let issuers = fixtures
        .each_ref()
        .map(|fixture| Arc::clone(fixture.issuer()));
    (responder_with(issuers.to_vec(), limits), fixtures)
}

fn few(waiting_max: usize) -> PoolLimits {
    PoolLimits {
        waiting_max,
        ..PATIENT
    }
}

/// Clients that soon give up, and threads enough for a key that holds some.
fn impatient() -> PoolLimits {
    PoolLimits {
        threads: 4,
        patience: Duration::from_millis(50),
        ..few(100)
    }
}

/// A worker that signs a few answers in each turn.
fn worker() -> (RecentAnswers, Arc<TurnCounts>) {
    let counts = Arc::<TurnCounts>::default();
    let recent = RecentAnswers::default().with_turns(PATIENT.patience, Arc::clone(&counts));
    (recent, counts)
}

fn nonce_of(fixture: &Fixture, answered: &Answered) -> Option<Vec<u8>> {
    fixture.check(&answered.answer).signed().nonce.clone()
}

#[test]
fn a_full_queue_refuses_at_once_and_the_waiting_ones_are_still_signed() {
    let fixture = with_pool(Fixture::counting(KeyKind::Rsa2048, None), few(3));
    let (responder, recent) = (&fixture.responder, RecentAnswers::default());
    fixture.gate.close();
    let requests: Vec<_> = (0..5)
        .map(|nonce| request(&fixture, SERIAL_GOOD, Some(nonce)))
        .collect();
    let mut asked: Vec<_> = requests
        .iter()
        .map(|request| ask(responder, request, Client::Trusted, &recent))
        .collect();
    assert!(at_once(&mut asked[0]).is_none());
    fixture.gate.wait_for(1);
    assert!(asked[1..4].iter_mut().all(|asked| at_once(asked).is_none()));
    let refused = at_once(&mut asked[4]).expect("at once");
    assert_eq!(refused.outcome.kind(), OutcomeKind::SigningQueueFull);
    assert!(matches!(
        refused.answer,
        Answer::Error(ErrorStatus::TryLater)
    ));
    let counts = responder.signing_counts();
    assert_eq!(counts.waiting[SigningClass::Once as usize], 3);
    assert_eq!(
        counts.refused[SigningClass::Once as usize][Excess::QueueFull as usize],
        1
    );
    fixture.gate.open();
    for (nonce, asked) in (0..4_u8).zip(asked) {
        let answered = wait(asked);
        assert_eq!(nonce_of(&fixture, &answered), Some(vec![nonce; 16]));
    }
}

#[test]
fn the_queue_of_a_slow_key_is_as_long_as_clients_wait_for_and_never_none() {
    let limits = PoolLimits {
        patience: Duration::ZERO,
        ..few(100)
    };
    let fixture = with_pool(Fixture::counting(KeyKind::Rsa2048, None), limits);
    let (responder, recent) = (&fixture.responder, RecentAnswers::default());
    fixture.gate.close();
    let request = request(&fixture, SERIAL_GOOD, Some(1));
    let mut first = ask(responder, &request, Client::Trusted, &recent);
    assert!(at_once(&mut first).is_none());
    fixture.gate.wait_for(1);
    assert_eq!(responder.signing_counts().waiting_max, 2);
    fixture.gate.open();
    drop(first);
}

#[test]
fn a_client_that_leaves_cancels_an_answer_of_its_own_that_waits_and_no_other() {
    let fixture = Fixture::counting(KeyKind::Rsa2048, None);
    let (responder, recent) = (&fixture.responder, RecentAnswers::default());
    fixture.gate.close();
    let [under_way, nonce] = [1, 2].map(|nonce| request(&fixture, SERIAL_GOOD, Some(nonce)));
    let kept = request(&fixture, SERIAL_GOOD, None);
    let mut first = ask(responder, &under_way, Client::Trusted, &recent);
    assert!(at_once(&mut first).is_none());
    fixture.gate.wait_for(1);
    for request in [&nonce, &kept] {
        assert!(at_once(&mut ask(responder, request, Client::Trusted, &recent)).is_none());
    }
    drop(first);
    fixture.gate.open();
    let answered = wait(ask(responder, &kept, Client::Trusted, &recent));
    assert_eq!(answered.outcome.kind(), OutcomeKind::Good);
    until("nobody waits", || {
        responder.signing_counts().waiting == [0; 3]
    });
    assert_eq!(fixture.signatures(), 2, "the first and the kept one");
}

#[test]
fn a_key_whose_code_panics_fails_one_signature_only() {
    let fixture = Fixture::counting(KeyKind::Rsa2048, None);
    let (responder, recent) = (&fixture.responder, RecentAnswers::default());
    let request = request(&fixture, SERIAL_GOOD, Some(1));
    fixture.gate.panic(true);
    let failed = wait(ask(responder, &request, Client::Trusted, &recent));
    assert_eq!(failed.outcome.kind(), OutcomeKind::SigningFailed);
    fixture.gate.panic(false);
    let answered = wait(ask(responder, &request, Client::Trusted, &recent));
    assert_eq!(answered.outcome.kind(), OutcomeKind::Good);
    assert_eq!(responder.signing_counts().failed, 1);
}

#[test]
fn a_flooder_gets_no_more_than_what_its_neighbour_leaves() {
    let fixture = with_pool(Fixture::counting(KeyKind::Rsa2048, None), few(8));
    let (responder, recent) = (&fixture.responder, RecentAnswers::default());
    fixture.gate.close();
    let requests: Vec<_> = (0..20)
        .map(|nonce| request(&fixture, SERIAL_GOOD, Some(nonce)))
        .collect();
    let mut waiting = Vec::new();
    let mut refused = 0;
    for (position, request) in requests.iter().enumerate() {
        let mut asked = ask(responder, request, host(1), &recent);
        match at_once(&mut asked) {
            None => waiting.push(asked),
            Some(answered) => {
                assert_eq!(answered.outcome.kind(), OutcomeKind::OverNetworkShare);
                refused += 1;
            }
        }
        if position == 0 {
            fixture.gate.wait_for(1);
        }
    }
    // All of the eight places but one, which is for whoever comes next.
    assert_eq!((waiting.len(), refused), (1 + 7, 12));
    let mut neighbour = ask(responder, &requests[0], host(2), &recent);
    assert!(at_once(&mut neighbour).is_none(), "let in");
    fixture.gate.open();
    assert_eq!(wait(neighbour).outcome.kind(), OutcomeKind::Good);
    for asked in waiting {
        assert!(nonce_of(&fixture, &wait(asked)).is_some());
    }
}

#[test]
fn a_key_that_hangs_fills_its_own_queue_and_leaves_the_others_the_last_thread() {
    let limits = PoolLimits {
        threads: 2,
        ..few(3)
    };
    let (responder, [hung, good]) = two_keys(limits);
    let recent = RecentAnswers::default();
    hung.gate.close();
    let nonces = [1, 2, 3, 4, 5].map(|nonce| request(&hung, SERIAL_GOOD, Some(nonce)));
    let mut asked = nonces
        .each_ref()
        .map(|asked| ask(&responder, asked, Client::Trusted, &recent));
    assert!(at_once(&mut asked[0]).is_none());
    hung.gate.wait_for(1);
    assert!(asked[1..4].iter_mut().all(|asked| at_once(asked).is_none()));
    let refused = at_once(&mut asked[4]).expect("at once");
    assert_eq!(refused.outcome.kind(), OutcomeKind::SigningQueueFull);
    // The other key signs as if nothing were wrong, and nobody has given the hung one up.
    for nonce in [Some(1), None] {
        let request = request(&good, SERIAL_GOOD, nonce);
        let answered = wait(ask(&responder, &request, Client::Trusted, &recent));
        let expected = nonce.map(|nonce| vec![nonce; 16]);
        assert_eq!(nonce_of(&good, &answered), expected);
    }
    let counts = responder.signing_counts();
    assert_eq!(counts.waiting[SigningClass::Once as usize], 3);
    assert_eq!((counts.threads, counts.threads_stuck), (2, 0));
    hung.gate.open();
}

#[test]
fn a_key_that_holds_all_threads_gets_them_replaced_until_it_lets_them_go() {
    let limits = PoolLimits {
        threads: 2,
        ..impatient()
    };
    let (responder, [hung, good]) = two_keys(limits);
    let recent = RecentAnswers::default();
    let outcome = |fixture: &Fixture, nonce: Option<u8>| {
        let request = request(fixture, SERIAL_GOOD, nonce);
        let answered = wait(ask(&responder, &request, Client::Trusted, &recent));
        (answered.outcome.kind(), answered)
    };
    // A busy machine may take longer than these clients wait: they ask again.
    let signs_again = |fixture: &Fixture, nonce: Option<u8>| {
        until("an answer is signed", || {
            let (kind, answered) = outcome(fixture, nonce);
            let is_good = kind == OutcomeKind::Good;
            if is_good {
                let expected = nonce.map(|nonce| vec![nonce; 16]);
                assert_eq!(nonce_of(fixture, &answered), expected);
            }
            is_good
        });
    };
    hung.gate.close();
    // Who waits for the hung key, and who joins a signature that hangs, is told in a while.
    for nonce in [Some(1), None, Some(2), None] {
        assert_eq!(outcome(&hung, nonce).0, OutcomeKind::SigningOverdue);
    }
    until("it holds both threads", || {
        assert_eq!(outcome(&hung, Some(3)).0, OutcomeKind::SigningOverdue);
        responder.signing_counts().threads_stuck >= 2
    });
    for nonce in [Some(4), None] {
        signs_again(&good, nonce);
    }
    let counts = responder.signing_counts();
    assert_eq!(counts.threads, 2 + counts.threads_stuck);

    hung.gate.open();
    until("the threads are back", || {
        responder.signing_counts().threads_stuck == 0
    });
    for nonce in [Some(9), None] {
        signs_again(&hung, nonce);
    }
    until("the substitutes have gone", || {
        responder.signing_counts().threads == 2
    });
}

#[test]
fn a_key_that_hangs_tells_all_who_wait_and_is_asked_again_when_it_is_well() {
    let fixture = with_pool(Fixture::counting(KeyKind::Rsa2048, None), impatient());
    let (responder, recent) = (&fixture.responder, RecentAnswers::default());
    let nonces: Vec<_> = (0..12)
        .map(|nonce| request(&fixture, SERIAL_GOOD, Some(nonce)))
        .collect();
    let kept = request(&fixture, SERIAL_GOOD, None);
    fixture.gate.close();
    // The longer the first signature of the key took, the fewer are let in: the others are told at once.
    let asked: Vec<_> = nonces
        .iter()
        .chain([&kept])
        .map(|request| {
            let mut asked = ask(responder, request, Client::Trusted, &recent);
            (at_once(&mut asked), asked)
        })
        .collect();
    // All are told, whether their signature was begun or not.
    for (at_once, asked) in asked {
        let told = at_once.unwrap_or_else(|| wait(asked)).outcome.kind();
        assert!(
            [OutcomeKind::SigningOverdue, OutcomeKind::SigningQueueFull].contains(&told),
            "{told:?}"
        );
    }
    // A client waits from the question on, a thread from when it begins.
    until("a thread is held", || {
        responder.signing_counts().threads_stuck >= 1
    });
    // Told first, then counted.
    until("all are counted", || {
        responder.signing_counts().refused_total() >= 13
    });
    fixture.gate.open();
    // The very answer that was given up before, too.
    until("what was given up is signed", || {
        let answered = wait(ask(responder, &kept, Client::Trusted, &recent));
        answered.outcome.kind() == OutcomeKind::Good
    });
}

#[test]
fn a_key_that_is_well_again_signs_beside_two_signatures_that_never_ended() {
    let fixture = with_pool(Fixture::counting(KeyKind::Rsa2048, None), impatient());
    let (responder, recent) = (&fixture.responder, RecentAnswers::default());
    let outcome = |nonce: u8| {
        let request = request(&fixture, SERIAL_GOOD, Some(nonce));
        let answered = wait(ask(responder, &request, Client::Trusted, &recent));
        answered.outcome.kind()
    };
    fixture.gate.close();
    until("it holds two threads", || {
        assert_eq!(outcome(1), OutcomeKind::SigningOverdue);
        responder.signing_counts().threads_stuck == 2
    });
    fixture.gate.open_for_others();
    // It is tried again after four times what clients wait at the longest.
    until("it is tried again", || outcome(3) == OutcomeKind::Good);
    // Each that ended lets the next one begin.
    until("the next one begins", || outcome(4) == OutcomeKind::Good);
    assert!(responder.signing_counts().threads_stuck >= 2);
    fixture.gate.open();
    until("the threads are back", || {
        responder.signing_counts().threads_stuck == 0
    });
}

#[test]
fn over_the_budget_a_nonce_is_answered_as_the_policy_says() {
    // Each beside an `unable` that says otherwise.
    for (choice, unable) in [
        (NonceOverBudget::TryLater, UnablePolicy::Http503),
        (NonceOverBudget::Http503, UnablePolicy::TryLater),
        (NonceOverBudget::WithoutNonce, UnablePolicy::Http503),
    ] {
        let policy = Policy {
            nonce_over_budget: choice,
            unable,
            ..Policy::DEFAULT
        };
        let fixture = with_pool(Fixture::counting(KeyKind::Rsa2048, Some(policy)), few(1));
        let (responder, recent) = (&fixture.responder, RecentAnswers::default());
        let kept = request(&fixture, SERIAL_REVOKED, None);
        wait(ask(responder, &kept, Client::Trusted, &recent));
        fixture.gate.close();
        let [one, two] = [1, 2].map(|nonce| request(&fixture, SERIAL_REVOKED, Some(nonce)));
        let mut waiting = [&one, &two].map(|asked| ask(responder, asked, Client::Trusted, &recent));
        assert!(at_once(&mut waiting[0]).is_none());
        fixture.gate.wait_for(1);
        assert!(at_once(&mut waiting[1]).is_none());
        let excess = request(&fixture, SERIAL_REVOKED, Some(3));
        let mut excess = ask(responder, &excess, Client::Trusted, &recent);
        let answered = at_once(&mut excess).expect("at once");
        match choice {
            NonceOverBudget::TryLater => assert!(
                matches!(answered.answer, Answer::Error(ErrorStatus::TryLater)),
                "{choice:?} beside {unable:?}"
            ),
            NonceOverBudget::Http503 => assert!(
                matches!(answered.answer, Answer::Unavailable),
                "{choice:?} beside {unable:?}"
            ),
            NonceOverBudget::WithoutNonce => {
                assert_eq!(answered.outcome.kind(), OutcomeKind::Revoked);
                assert_eq!(nonce_of(&fixture, &answered), None);
                assert_eq!(recent.counts().nonces_dropped.get(), 1);
            }
        }
        fixture.gate.open();
        waiting.into_iter().for_each(|asked| {
            assert!(nonce_of(&fixture, &wait(asked)).is_some());
        });
    }
}

#[test]
fn without_its_nonce_an_answer_that_nobody_has_is_made_for_everybody_where_there_is_room() {
    let policy = Policy {
        nonce_over_budget: NonceOverBudget::WithoutNonce,
        ..Policy::DEFAULT
    };
    let fixture = with_pool(Fixture::counting(KeyKind::Rsa2048, Some(policy)), few(1));
    let (responder, recent) = (&fixture.responder, RecentAnswers::default());
    fixture.gate.close();
    let asked = [1, 2, 3, 4].map(|nonce| request(&fixture, SERIAL_GOOD, Some(nonce)));
    let mut waiting = asked
        .each_ref()
        .map(|asked| ask(responder, asked, Client::Trusted, &recent));
    assert!(at_once(&mut waiting[0]).is_none());
    fixture.gate.wait_for(1);
    // The third and the fourth wait for one signature together.
    for asked in &mut waiting[1..] {
        assert!(at_once(asked).is_none());
    }
    fixture.gate.open();
    let nonces = waiting.map(|asked| nonce_of(&fixture, &wait(asked)));
    assert_eq!(nonces, [Some(vec![1; 16]), Some(vec![2; 16]), None, None]);
    assert_eq!(fixture.signatures(), 3);
}

#[test]
fn a_flood_of_serials_that_were_never_issued_costs_no_signature() {
    let fixture = Fixture::that_knows_what_was_issued(Policy {
        never_issued: NeverIssuedPolicy::Unauthorized,
        ..Policy::DEFAULT
    });
    let (recent, _) = worker();
    for serial in 0..200_u8 {
        let nonce = (serial % 2 == 0).then_some(serial);
        let request = request(&fixture, &[0x40, serial], nonce);
        let mut asked = ask(&fixture.responder, &request, host(serial), &recent);
        let answered = at_once(&mut asked).expect("at once");
        assert_eq!(answered.outcome.kind(), OutcomeKind::NeverIssued);
    }
    assert_eq!(fixture.signatures(), 0);
}

#[test]
fn a_flood_of_nonces_on_a_worker_waits_and_what_is_cached_does_not() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let (responder, (recent, counts)) = (&fixture.responder, worker());
    let kept = request(&fixture, SERIAL_REVOKED, None);
    let cached = || at_once(&mut ask(responder, &kept, host(2), &recent)).expect("at once");
    cached();
    let asked: Vec<_> = (0..20)
        .map(|nonce| request(&fixture, SERIAL_GOOD, Some(nonce)))
        .collect();
    let mut waiting: Vec<_> = asked
        .iter()
        .map(|asked| ask(responder, asked, host(1), &recent))
        .collect();
    waiting.retain_mut(|asked| at_once(asked).is_none());
    assert_eq!(fixture.signatures(), 4);
    assert_eq!((waiting.len(), counts.waiting.get()), (17, 17));
    assert_eq!(cached().outcome.kind(), OutcomeKind::Revoked);
    let mut turns = 0;
    while !waiting.is_empty() {
        recent.turns().begin();
        waiting.retain_mut(|asked| {
            let answered = at_once(asked);
            if let Some(answered) = &answered {
                assert!(nonce_of(&fixture, answered).is_some());
            }
            answered.is_none()
        });
        assert_eq!(cached().outcome.kind(), OutcomeKind::Revoked);
        turns += 1;
    }
    // Four in a turn at the least; more where a turn took long.
    assert_eq!(fixture.signatures(), 21);
    assert!((1..=5).contains(&turns), "{turns}");
}

#[test]
fn who_waits_for_a_turn_hears_what_is_right_when_it_has_come() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let (responder, (recent, _)) = (&fixture.responder, worker());
    let nonces = [1, 2, 3, 4].map(|nonce| request(&fixture, SERIAL_REVOKED, Some(nonce)));
    for request in &nonces {
        assert!(at_once(&mut ask(responder, request, host(1), &recent)).is_some());
    }
    let kept = request(&fixture, SERIAL_GOOD, None);
    let mut waiting = [1, 2, 3].map(|number| ask(responder, &kept, host(number), &recent));
    assert!(waiting.iter_mut().all(|asked| at_once(asked).is_none()));
    let revoked = table_with(&[SERIAL_GOOD], 86_400);
    drop(fixture.issuer().set_table(Some(revoked.into())));
    recent.turns().begin();
    for asked in &mut waiting {
        let answered = at_once(asked).expect("its turn has come");
        assert_eq!(answered.outcome.kind(), OutcomeKind::Revoked);
    }
    // One signature for all three.
    assert_eq!(fixture.signatures(), 5);
}

#[test]
fn who_waits_with_a_nonce_is_signed_once_and_what_is_right_by_then() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let (responder, (recent, _)) = (&fixture.responder, worker());
    let nonces = [1, 2, 3, 4, 5, 6].map(|nonce| request(&fixture, SERIAL_GOOD, Some(nonce)));
    for request in &nonces[..4] {
        assert!(at_once(&mut ask(responder, request, host(1), &recent)).is_some());
    }
    for (new_table, expected) in [
        (None, OutcomeKind::Good),
        (
            Some(table_with(&[SERIAL_GOOD], 86_400)),
            OutcomeKind::Revoked,
        ),
    ] {
        let mut waiting = [4, 5].map(|at: usize| ask(responder, &nonces[at], host(2), &recent));
        assert!(waiting.iter_mut().all(|asked| at_once(asked).is_none()));
        if let Some(table) = new_table {
            drop(fixture.issuer().set_table(Some(table.into())));
        }
        let signatures = fixture.signatures();
        recent.turns().begin();
        for (asked, nonce) in waiting.iter_mut().zip([5, 6]) {
            let answered = at_once(asked).expect("its turn has come");
            assert_eq!(answered.outcome.kind(), expected);
            assert_eq!(nonce_of(&fixture, &answered), Some(vec![nonce; 16]));
        }
        // Nothing was signed that was not sent.
        assert_eq!(fixture.signatures(), signatures + 2);
        // The turn is used up.
        while at_once(&mut ask(responder, &nonces[0], host(1), &recent)).is_some() {}
    }
}

#[test]
fn a_worker_with_too_much_to_sign_hands_some_over_to_a_thread_with_nothing_to_do() {
    let limits = PoolLimits {
        threads: 3,
        ..PATIENT
    };
    let fixture = with_pool(Fixture::counting(KeyKind::P256, None), limits);
    let (responder, (recent, counts)) = (&fixture.responder, worker());
    until("the threads have begun", || {
        responder.signing_counts().threads_idle == 3
    });
    let asked: Vec<_> = (0..9)
        .map(|nonce| request(&fixture, SERIAL_GOOD, Some(nonce)))
        .collect();
    let mut waiting: Vec<_> = asked[..8]
        .iter()
        .map(|asked| ask(responder, asked, Client::Trusted, &recent))
        .collect();
    waiting.retain_mut(|asked| at_once(asked).is_none());
    assert_eq!((waiting.len(), counts.handed_over.get()), (4, 0));
    let answered = wait(ask(responder, &asked[8], Client::Trusted, &recent));
    assert_eq!(nonce_of(&fixture, &answered), Some(vec![8; 16]));
    assert_eq!(counts.handed_over.get(), 1);
    assert_eq!(responder.signing_counts().signed, 1);
}

#[test]
fn what_is_kept_is_answered_while_the_key_hangs_and_the_last_true_answer_is_never_withheld() {
    let policy = Policy {
        validity: Some(Duration::from_secs(3_600)),
        ..Policy::DEFAULT
    };
    let fixture = with_pool(Fixture::counting(KeyKind::Rsa2048, Some(policy)), few(1));
    let recent = RecentAnswers::default();
    let kept = request(&fixture, SERIAL_GOOD, None);
    let ask_at = |seconds: i64| {
        let mut buffer = BytesMut::new();
        let now = noon().plus_seconds(seconds);
        let everybody = Client::Trusted;
        let responder = &fixture.responder;
        let mut answered = Box::pin(responder.answer_at(
            Endpoint::All,
            everybody,
            &kept,
            now,
            &recent,
            &mut buffer,
        ));
        match poll_once(answered.as_mut()) {
            std::task::Poll::Ready(answered) => Some(answered),
            std::task::Poll::Pending => None,
        }
    };
    wait(ask(&fixture.responder, &kept, host(1), &recent));
    fixture.gate.close();
    // Half of its life is over: a newer one is asked for, and the key hangs.
    for seconds in [1_000, 2_000, 3_000, 3_500] {
        let answered = ask_at(seconds).expect("the one that is there");
        let Answer::Signed(response) = &answered.answer else {
            panic!("{answered:?}");
        };
        assert!(noon().plus_seconds(seconds) < response.send_before);
        let reply = Reply::check(&response.der, &fixture.ca);
        assert_eq!(reply.signed().nonce, None);
    }
    assert!(ask_at(3_600).is_none(), "over: nothing is handed out");
    fixture.gate.open();
}
