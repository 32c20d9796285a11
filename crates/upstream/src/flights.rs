//! Does work that many requests want at the same time once, and gives its result to all of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// Running work, by key.
#[derive(Debug)]
pub(crate) struct Flights<K, V>(Arc<Mutex<Waiting<K, V>>>);

type Waiting<K, V> = HashMap<K, watch::Receiver<Option<V>>>;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Flights<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The result of `work`, or of running work with the same key. The work goes on if the request that began it goes
    /// away. Returns `None` if the work panicked.
    pub(crate) async fn join<W>(&self, key: K, work: impl FnOnce() -> W) -> Option<V>
    where
        W: Future<Output = V> + Send + 'static,
    {
        let (mut outcome, begun) = {
            let mut waiting = self.0.lock();
            if let Some(outcome) = waiting.get(&key) {
                (outcome.clone(), None)
            } else {
                let (sender, outcome) = watch::channel(None);
                waiting.insert(key.clone(), outcome.clone());
                (outcome, Some((sender, Ended { waiting: Arc::clone(&self.0), key })))
            }
        };
        if let Some((sender, ended)) = begun {
            let work = work();
            tokio::spawn(async move {
                let value = work.await;
                // Removed from the map first: a request that comes now finds what the work left.
                drop(ended);
                sender.send_replace(Some(value));
            });
        }
        outcome.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// Removes the work from the map when it ends, with or without success.
struct Ended<K: Eq + Hash, V> {
    waiting: Arc<Mutex<Waiting<K, V>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Ended<K, V> {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_same_work_is_done_once_at_a_time_and_other_work_beside_it() {
        let (flights, done) = (Flights::default(), AtomicU32::new(0));
        let done = Arc::new(done);
        let work = |key: u32| {
            let done = Arc::clone(&done);
            flights.join(key, move || async move {
                tokio::task::yield_now().await;
                (key, done.fetch_add(1, Ordering::Relaxed))
            })
        };
        let (first, second, other) = tokio::join!(work(1), work(1), work(2));
        assert_eq!(first, second);
        assert_eq!(other.map(|(key, _)| key), Some(2));
        assert_eq!(done.load(Ordering::Relaxed), 2);
        work(1).await;
        assert_eq!(done.load(Ordering::Relaxed), 3, "work that has ended is done again");
    }

    #[tokio::test]
    async fn work_goes_on_when_the_request_that_began_it_goes_away() {
        let flights = Arc::new(Flights::<u32, u32>::default());
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let first = flights.join(1, || async move {
            let _ = wait.await;
            7
        });
        tokio::select! {
            biased;
            _ = first => panic!("it waits"),
            () = tokio::task::yield_now() => {}
        }
        go.send(()).unwrap();
        let again = flights.join(1, || async { 8 }).await;
        assert!(again == Some(7) || again == Some(8));
    }

    #[tokio::test]
    async fn work_that_panics_gives_none_and_can_be_done_again() {
        let flights = Flights::<u32, u32>::default();
        assert_eq!(flights.join(1, || async { panic!("on purpose") }).await, None);
        assert_eq!(flights.join(1, || async { 2 }).await, Some(2));
    }
}
