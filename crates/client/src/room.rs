//! Memory for answers that are read whole, such as lists. All clients that wait for such answers share it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// The largest short answer, in bytes.
const SHORT: usize = 64 << 10;

/// How long a long answer may take to grow by [`STEP`] bytes while another long one waits for its place.
const TURN: Duration = Duration::from_secs(5);

/// By how many bytes a long answer must grow in each [`TURN`].
const STEP: usize = 64 << 10;

/// Memory for answers that are read whole. Clones share it.
///
/// Short answers share part of the memory. One long answer at a time has its own part, and frees its place in the
/// shared one: so an answer that grows waits only for others to end, and never for one that waits for it. A long answer
/// that hardly grows gives up its place when another waits for it.
#[derive(Clone, Debug)]
pub struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// A permit for each short answer.
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
    /// How many answers wait for the place of a long one.
    waiting: AtomicUsize,
}

/// The part of the memory that one answer occupies until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    room: Room,
    portion: Portion,
}

#[derive(Debug)]
enum Portion {
    None,
    Short(#[expect(dead_code, reason = "held until it is dropped")] Option<OwnedSemaphorePermit>),
    Long(#[expect(dead_code, reason = "held until it is dropped")] Option<OwnedSemaphorePermit>, Turn),
}

/// The present turn of a long answer.
#[derive(Debug)]
struct Turn {
    since: Instant,
    /// How many bytes the answer had then.
    from: usize,
}

impl Room {
    /// Room for short answers of `bytes` bytes in all, and for one long answer beside them.
    pub fn new(bytes: usize) -> Self {
        let short = (bytes / SHORT).clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            short: Arc::new(Semaphore::new(short)),
            long: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }))
    }

    /// A hold that occupies nothing yet.
    pub(crate) fn enter(&self) -> Held {
        Held { room: self.clone(), portion: Portion::None }
    }
}

impl Held {
    /// Waits until there is room for `length` bytes in all.
    pub(crate) async fn hold(&mut self, length: usize) {
        let Shared { short, long, waiting } = &*self.room.0;
        // The semaphores are never closed, so acquiring cannot fail.
        let place = match self.portion {
            Portion::Long(..) => return,
            _ if length > SHORT => {
                let _waits = Waits::new(waiting);
                let place = Arc::clone(long).acquire_owned().await.ok();
                Portion::Long(place, Turn { since: Instant::now(), from: length })
            }
            Portion::Short(_) => return,
            Portion::None => Portion::Short(Arc::clone(short).acquire_owned().await.ok()),
        };
        self.portion = place;
    }

    /// Resolves when an answer of now `length` bytes must give up its place: it is a long one, it grew by less than
    /// [`STEP`] bytes in a [`TURN`], and another waits for the place.
    pub(crate) async fn outstayed(&mut self, length: usize) {
        let Portion::Long(_, turn) = &mut self.portion else { return pending().await };
        if length.saturating_sub(turn.from) >= STEP {
            *turn = Turn { since: Instant::now(), from: length };
        }
        loop {
            if turn.since.elapsed() < TURN {
                sleep_until(turn.since + TURN).await;
            }
            if self.room.0.waiting.load(Ordering::Relaxed) > 0 {
                return;
            }
            *turn = Turn { since: Instant::now(), from: length };
        }
    }
}

/// Counts an answer that waits, until dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// Whether the answer gets its room without waiting.
    async fn holds(held: &mut Held, length: usize) -> bool {
        let mut wait = pin!(held.hold(length));
        poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn all_short_answers_together_stay_within_the_room() {
        let room = Room::new(10 * SHORT);
        let mut held: Vec<Held> = (0..11).map(|_| room.enter()).collect();
        for held in &mut held[..10] {
            assert!(holds(held, 1).await && holds(held, SHORT).await, "what is short is held once");
        }
        assert!(!holds(&mut held[10], 1).await);
        held.remove(0);
        assert!(holds(&mut held[9], 1).await);
    }

    #[tokio::test]
    async fn only_one_long_answer_is_read_at_a_time_and_short_ones_go_on_beside_it() {
        let room = Room::new(3 * SHORT);
        let (mut first, mut second, mut short) = (room.enter(), room.enter(), room.enter());
        assert!(holds(&mut first, 1).await && holds(&mut second, 1).await);
        assert!(holds(&mut first, 6 * SHORT).await);
        assert!(!holds(&mut second, 2 * SHORT).await, "the first is a long one");
        assert!(holds(&mut short, SHORT).await);
        drop(first);
        assert!(holds(&mut second, 9 * SHORT).await);
    }

    /// Whether an answer of now `length` bytes must give up its place, a turn after it last began one.
    async fn outstays(held: &mut Held, length: usize) -> bool {
        let Portion::Long(_, turn) = &mut held.portion else { return false };
        turn.since = Instant::now().checked_sub(TURN).unwrap();
        let mut outstayed = pin!(held.outstayed(length));
        poll_fn(|cx| Poll::Ready(outstayed.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn a_long_answer_that_hardly_grows_gives_up_its_place_only_if_another_waits() {
        let room = Room::new(SHORT);
        let (mut slow, mut other) = (room.enter(), room.enter());
        slow.hold(2 * SHORT).await;
        assert!(!outstays(&mut slow, 2 * SHORT).await, "no other waits");
        {
            let mut wait = pin!(other.hold(2 * SHORT));
            assert!(poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await);
            assert!(!outstays(&mut slow, 2 * SHORT + STEP).await, "it grew enough");
            assert!(outstays(&mut slow, 2 * SHORT + STEP + 1).await);
        }
        assert!(!outstays(&mut slow, 2 * SHORT + STEP + 2).await, "the other gave up");
    }

    #[tokio::test]
    async fn answers_that_all_grow_in_a_full_room_all_end() {
        let room = Room::new(4 * SHORT);
        let growing: Vec<_> = (0..9)
            .map(|_| {
                let mut held = room.enter();
                tokio::spawn(async move {
                    held.hold(1).await;
                    tokio::task::yield_now().await;
                    held.hold(SHORT + 1).await;
                    held.hold(99 * SHORT).await;
                })
            })
            .collect();
        for answer in growing {
            answer.await.unwrap();
        }
    }
}
