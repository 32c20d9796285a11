//! Connections that are kept for the next request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use url::Origin;

use crate::connection::Connection;

/// How long a connection is kept for the next request, and how many to one host: a pull asks for a handful of blobs at
/// once, then for nothing.
const IDLE: Duration = Duration::from_mins(1);
const IDLE_CONNECTIONS: usize = 8;

/// Connections on which nothing is under way, by where they lead.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The one that was last used is the last.
    connections: HashMap<Origin, Vec<(Instant, Connection)>>,
    /// Whether a task closes those that nobody wants.
    is_swept: bool,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing in there panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that is open, the last that was used.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        loop {
            let (since, mut connection) = self.lock().connections.get_mut(origin)?.pop()?;
            if since.elapsed() < IDLE && connection.is_open() {
                return Some(connection);
            }
        }
    }

    /// Keeps one whose last answer was read to its end.
    pub(crate) fn keep(self: &Arc<Self>, origin: &Origin, connection: Connection) {
        // Where there is none nobody would close it.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut kept = self.lock();
        let connections = kept.connections.entry(origin.clone()).or_default();
        if connections.len() == IDLE_CONNECTIONS {
            connections.remove(0);
        }
        connections.push((Instant::now(), connection));
        if !std::mem::replace(&mut kept.is_swept, true) {
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }
}

/// Closes what nobody has wanted for long, until nothing is left.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = pool.lock();
        kept.connections.retain(|_, connections| {
            connections.retain(|(since, _)| since.elapsed() < IDLE);
            !connections.is_empty()
        });
        if kept.connections.is_empty() {
            kept.is_swept = false;
            return;
        }
    }
}
