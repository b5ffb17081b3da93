//! Who waits for a signature, in which order, and who is not let in.  From: `signing_pool`, one line for each key, and
//! `signing_turns`, one for each worker.  To: the same, one by one.
//!
//! Three kinds of answers wait beside each other, each with a share of the signatures and of the room, so that a flood of
//! one kind leaves the others theirs.  A share that nobody uses is everybody's.  In the upper half of the room one network
//! gets no more than a fair part: whoever floods fills the lower half, and a quiet neighbour is still let in.
//! Nothing here reads a clock: `now` comes in.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::{Client, Network};

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningClass {
    /// An answer that will be kept: one signature serves many.
    Kept,
    /// A newer one in place of a kept answer that is still true: nobody waits for it.
    Renewal,
    /// An answer for one client: with a nonce, or about several certificates.
    Once,
}

impl SigningClass {
    /// All of them; each stands at its own number.
    pub const ALL: [SigningClass; 3] = [
        SigningClass::Kept,
        SigningClass::Renewal,
        SigningClass::Once,
    ];

    /// A fixed word.
    pub fn label(self) -> &'static str {
        match self {
            SigningClass::Kept => "kept",
            SigningClass::Renewal => "renewal",
            SigningClass::Once => "once",
        }
    }

    /// Its part of the signatures while all kinds wait.
    fn weight(self) -> usize {
        match self {
            SigningClass::Kept => 4,
            SigningClass::Renewal => 1,
            SigningClass::Once => 3,
        }
    }
}

/// Why a signature is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// As many wait as can be signed within the time that clients wait.
    QueueFull,
    /// More than half of those wait, and the client's network has its part of them.
    OverShare,
    /// It has waited longer than clients do.
    Overdue,
}

impl Excess {
    /// All of them; each stands at its own number.
    pub const ALL: [Excess; 3] = [Excess::QueueFull, Excess::OverShare, Excess::Overdue];

    /// A fixed word.
    pub fn label(self) -> &'static str {
        match self {
            Excess::QueueFull => "queue-full",
            Excess::OverShare => "over-share",
            Excess::Overdue => "overdue",
        }
    }
}

/// What one signature is for, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) class: SigningClass,
    pub(crate) client: Client,
}

/// Those that wait.
pub(crate) struct WaitingLine<T> {
    /// By class.
    queues: [Queue<T>; SigningClass::ALL.len()],
    /// How far those that were served last are.
    turn: u64,
}

struct Queue<T> {
    waiting: VecDeque<Place<T>>,
    /// How many wait from each network; nobody who waits not.
    networks: HashMap<Network, usize>,
    /// Grows with each that is served, the slower the more weight the class has: the least is next.
    turn: u64,
}

/// Who waits.
pub(crate) struct Place<T> {
    pub(crate) item: T,
    network: Option<Network>,
    /// Since when.
    pub(crate) since: Instant,
}

impl<T> WaitingLine<T> {
    /// Nobody waits.
    pub(crate) fn new() -> WaitingLine<T> {
        let queue = || Queue {
            waiting: VecDeque::new(),
            networks: HashMap::new(),
            turn: 0,
        };
        WaitingLine {
            queues: [queue(), queue(), queue()],
            turn: 0,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.queues.iter().map(|queue| queue.waiting.len()).sum()
    }

    /// Nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.waiting.is_empty())
    }

    /// How many of a class wait.
    pub(crate) fn waiting(&self, class: SigningClass) -> usize {
        self.queues[class as usize].waiting.len()
    }

    /// How many of a class may wait, where `room` may in all: its part among the classes that wait; one at the least.
    pub(crate) fn bound(&self, class: SigningClass, room: usize) -> usize {
        let counts = |other: &SigningClass| *other == class || self.waiting(*other) > 0;
        let weights = SigningClass::ALL.into_iter().filter(counts);
        let weights: usize = weights.map(SigningClass::weight).sum();
        (room * class.weight() / weights).max(1)
    }

    /// May one more wait?
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(&self, asker: Asker, room: usize) -> Result<(), Excess> {
        let queue = &self.queues[asker.class as usize];
        let (waiting, bound) = (queue.waiting.len(), self.bound(asker.class, room));
        if waiting >= bound {
            return Err(Excess::QueueFull);
        }
        let Some(network) = asker.client.network() else {
            return Ok(());
        };
        if waiting * 2 <= bound {
            return Ok(());
        }
        let its_own = queue.networks.get(&network).copied();
        let networks = queue.networks.len() + usize::from(its_own.is_none());
        // An eighth is for whoever comes next, even if nobody else is there yet.
        let share = ((bound - bound / 8) / networks).max(1);
        if its_own.unwrap_or(0) < share {
            return Ok(());
        }
        Err(Excess::OverShare)
    }

    /// The last of its class from now on.
    pub(crate) fn push(&mut self, asker: Asker, now: Instant, item: T) {
        let network = asker.client.network();
        let queue = &mut self.queues[asker.class as usize];
        if queue.waiting.is_empty() {
            // Whoever was away has saved nothing up.
            queue.turn = queue.turn.max(self.turn);
        }
        if let Some(network) = network {
            *queue.networks.entry(network).or_insert(0) += 1;
        }
        queue.waiting.push_back(Place {
            item,
            network,
            since: now,
        });
    }

    /// Who is next.
    pub(crate) fn pop(&mut self) -> Option<(SigningClass, Place<T>)> {
        let waits = |class: &SigningClass| self.waiting(*class) > 0;
        let waiting = SigningClass::ALL.into_iter().filter(waits);
        let class = waiting.min_by_key(|class| self.queues[*class as usize].turn)?;
        let queue = &mut self.queues[class as usize];
        self.turn = queue.turn;
        queue.turn += STRIDE / class.weight() as u64;
        Some((class, queue.take_first()?))
    }

    /// Takes out one that has waited for `longest`.
    pub(crate) fn pop_overdue(
        &mut self,
        longest: Duration,
        now: Instant,
    ) -> Option<(SigningClass, T)> {
        for class in SigningClass::ALL {
            let queue = &mut self.queues[class as usize];
            let first = queue.waiting.front();
            if first.is_some_and(|first| now.saturating_duration_since(first.since) >= longest) {
                return Some((class, queue.take_first()?.item));
            }
        }
        None
    }
}

impl<T> Queue<T> {
    fn take_first(&mut self) -> Option<Place<T>> {
        let place = self.waiting.pop_front()?;
        if let Some(network) = place.network
            && let Some(count) = self.networks.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&network);
            }
        }
        Some(place)
    }
}

/// How many may wait so that each is signed in time: there are `time`, of all threads together, and each takes `each`.
pub(crate) fn room(time: Duration, each: Duration, waiting_max: usize) -> usize {
    let fitting = time.as_nanos() / each.as_nanos().max(1);
    let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
    fitting.clamp(WAITING_MIN.min(waiting_max), waiting_max)
}

/// So many may always wait, however slow the key is: whoever finds out that it is well again.
pub(crate) const WAITING_MIN: usize = 2;
/// Divisible by each weight.
const STRIDE: u64 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(class: SigningClass, host: Option<u8>) -> Asker {
        let client = host.map_or(Client::Trusted, |host| {
            Client::Of(Network::V4([192, 0, 2, host]))
        });
        Asker { class, client }
    }

    /// Lets in whom the line lets in.
    fn come(line: &mut WaitingLine<u8>, asker: Asker, room: usize) -> Result<(), Excess> {
        line.admit(asker, room)?;
        let host = match asker.client {
            Client::Of(Network::V4([.., host])) => host,
            Client::Of(Network::V6(_)) | Client::Trusted => 0,
        };
        line.push(asker, Instant::now(), host);
        Ok(())
    }

    #[test]
    fn the_room_is_what_is_signed_within_the_patience_of_clients_and_never_none() {
        let patience = Duration::from_millis(500);
        let each = Duration::from_millis;
        assert_eq!(room(patience, each(10), 512), 50);
        assert_eq!(room(patience, Duration::ZERO, 512), 512);
        assert_eq!(room(Duration::ZERO, each(10), 512), WAITING_MIN);
        assert_eq!(room(patience, each(10), 1), 1);
    }

    #[test]
    fn below_half_of_the_room_nobody_is_counted_and_above_it_the_flooder_is() {
        let mut line = WaitingLine::new();
        let flooder = asker(SigningClass::Once, Some(1));
        while come(&mut line, flooder, 40).is_ok() {}
        // All but an eighth, as long as nobody else is there.
        assert_eq!(line.len(), 35);
        assert_eq!(line.admit(flooder, 40), Err(Excess::OverShare));
        let neighbour = asker(SigningClass::Once, Some(2));
        for _ in 0..4 {
            assert_eq!(come(&mut line, neighbour, 40), Ok(()));
        }
        // Two networks: half of it each, and the flooder waits until he is below his.
        while line.waiting(SigningClass::Once) > 22 {
            line.pop();
        }
        assert_eq!(line.admit(flooder, 40), Err(Excess::OverShare));
        while come(&mut line, neighbour, 40).is_ok() {}
        assert_eq!(line.len(), 18 + 17);
        let trusted = asker(SigningClass::Once, None);
        while come(&mut line, trusted, 40).is_ok() {}
        assert_eq!(line.admit(trusted, 40), Err(Excess::QueueFull));
        assert_eq!(line.len(), 40);
    }

    #[test]
    fn a_steady_client_below_the_capacity_is_never_refused_beside_a_flood() {
        let (room, mut refused) = (64, 0);
        let mut line = WaitingLine::new();
        let (flooder, steady) = (
            asker(SigningClass::Once, Some(1)),
            asker(SigningClass::Once, Some(2)),
        );
        for step in 0..10_000 {
            for _ in 0..10 {
                refused += usize::from(come(&mut line, flooder, room).is_err());
            }
            if step % 8 == 0 {
                assert_eq!(come(&mut line, steady, room), Ok(()), "{step}");
            }
            line.pop();
        }
        assert!(refused > 80_000, "{refused}");
    }

    #[test]
    fn each_class_gets_its_share_whatever_floods_and_all_of_it_when_it_is_alone() {
        let mut line = WaitingLine::new();
        let of = |class| asker(class, None);
        while come(&mut line, of(SigningClass::Once), 80).is_ok() {}
        assert_eq!(line.len(), 80);
        while come(&mut line, of(SigningClass::Kept), 80).is_ok() {}
        while come(&mut line, of(SigningClass::Renewal), 80).is_ok() {}
        assert_eq!(line.waiting(SigningClass::Kept), 80 * 4 / 7);
        assert_eq!(line.waiting(SigningClass::Renewal), 10);
        let mut served = [0; 3];
        for _ in 0..80 {
            let (class, _) = line.pop().unwrap();
            served[class as usize] += 1;
        }
        assert_eq!(served, [40, 10, 30]);
    }

    #[test]
    fn who_comes_after_a_long_absence_has_saved_nothing_up() {
        let mut line = WaitingLine::new();
        for _ in 0..100 {
            come(&mut line, asker(SigningClass::Kept, None), 512).unwrap();
            line.pop();
        }
        for _ in 0..8 {
            come(&mut line, asker(SigningClass::Kept, None), 512).unwrap();
            come(&mut line, asker(SigningClass::Once, None), 512).unwrap();
        }
        let first = (0..8).filter_map(|_| line.pop());
        let kept = first.filter(|(class, _)| *class == SigningClass::Kept);
        assert!((4..=5).contains(&kept.count()));
    }

    #[test]
    fn who_has_waited_too_long_is_taken_out_and_nothing_is_remembered_of_its_network() {
        let mut line = WaitingLine::new();
        let (now, longest) = (Instant::now(), Duration::from_secs(1));
        line.push(asker(SigningClass::Once, Some(1)), now, 1);
        line.push(asker(SigningClass::Once, Some(2)), now + longest, 2);
        assert!(line.pop_overdue(longest, now).is_none());
        let overdue = line.pop_overdue(longest, now + longest);
        assert_eq!(overdue, Some((SigningClass::Once, 1)));
        assert!(line.pop_overdue(longest, now + longest).is_none());
        assert_eq!(line.queues[SigningClass::Once as usize].networks.len(), 1);
    }
}
