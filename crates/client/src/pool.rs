//! Keeps connections for later requests.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use url::Origin;

use crate::connection::Connection;

/// How long a connection is kept idle, and how many are kept to one host: a pull asks for a handful of blobs at once,
/// then for nothing.
const IDLE: Duration = Duration::from_mins(1);
const IDLE_CONNECTIONS: usize = 8;

/// How often the sweep closes connections that were idle for too long or that the other end has closed.
const SWEEP: Duration = Duration::from_secs(10);

/// Idle connections, by the origin that they lead to.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The last one in each list is the most recently used.
    connections: HashMap<Origin, Vec<(Instant, Connection)>>,
    /// Whether the sweep task is running.
    is_swept: bool,
}

impl Pool {
    /// Takes an open connection, the most recently used one.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        loop {
            let (since, mut connection) = self.0.lock().connections.get_mut(origin)?.pop()?;
            if since.elapsed() < IDLE && connection.is_open() {
                return Some(connection);
            }
        }
    }

    /// Closes all kept connections to `origin`.
    pub(crate) fn forget(&self, origin: &Origin) {
        self.0.lock().connections.remove(origin);
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(crate) fn keep(self: &Arc<Self>, origin: &Origin, connection: Connection) {
        // Without a runtime there is no sweep task to close it, so it is not kept.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut kept = self.0.lock();
        let connections = kept.connections.entry(origin.clone()).or_default();
        if connections.len() == IDLE_CONNECTIONS {
            connections.remove(0);
        }
        connections.push((Instant::now(), connection));
        if !std::mem::replace(&mut kept.is_swept, true) {
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes connections that were idle for too long or that the other end has closed; returns whether any is left.
    fn clear(&self) -> bool {
        let mut kept = self.0.lock();
        kept.connections.retain(|_, connections| {
            connections.retain_mut(|(since, connection)| since.elapsed() < IDLE && connection.is_open());
            !connections.is_empty()
        });
        kept.is_swept = !kept.connections.is_empty();
        kept.is_swept
    }
}

/// Clears the pool at intervals, until no connection is left.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(SWEEP).await;
        if pool.upgrade().is_none_or(|pool| !pool.clear()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};
    use url::Url;

    use super::*;

    fn origin() -> Origin {
        "http://registry.example".parse::<Url>().unwrap().origin()
    }

    #[tokio::test]
    async fn a_connection_that_the_other_end_closed_is_not_kept() {
        let pool = Arc::new(Pool::default());
        let (there, here) = duplex(100);
        pool.keep(&origin(), Connection::over(Box::new(here), None).await.unwrap());
        let (stays, here) = duplex(100);
        pool.keep(&origin(), Connection::over(Box::new(here), None).await.unwrap());
        drop(there);
        assert!(pool.clear());
        assert_eq!(pool.0.lock().connections[&origin()].len(), 1);
        drop(stays);
        assert!(pool.take(&origin()).is_none());
        assert!(!pool.clear() && pool.0.lock().connections.is_empty());
    }

    #[tokio::test]
    async fn a_full_pool_closes_its_oldest_connection_and_hands_out_the_newest_first() {
        let pool = Arc::new(Pool::default());
        let mut others = Vec::new();
        for _ in 0..=IDLE_CONNECTIONS {
            let (there, here) = duplex(100);
            others.push(there);
            pool.keep(&origin(), Connection::over(Box::new(here), None).await.unwrap());
        }
        assert_eq!(others[0].read(&mut [0]).await.unwrap(), 0, "the oldest is closed");
        drop(pool.take(&origin()));
        assert_eq!(others[IDLE_CONNECTIONS].read(&mut [0]).await.unwrap(), 0);
        assert_eq!(pool.0.lock().connections[&origin()].len(), IDLE_CONNECTIONS - 1);
    }
}
