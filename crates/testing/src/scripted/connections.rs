//! The open connections of a scripted upstream, so that it can close them all.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock;

#[derive(Debug, Default)]
pub(super) struct Connections {
    state: Mutex<State>,
    closes: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    last: u64,
    streams: HashMap<u64, TcpStream>,
}

/// A connection's entry in the map while it is open.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.connections.state).streams.remove(&self.id);
    }
}

impl Connections {
    /// Adds a connection; returns `None` once all are closed.
    pub(super) fn add(self: &Arc<Self>, stream: &TcpStream) -> Option<Place> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return None;
        }
        state.last += 1;
        let id = state.last;
        state.streams.insert(id, stream.try_clone().ok()?);
        Some(Place { connections: self.clone(), id })
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.state).streams.len()
    }

    /// Closes all connections, and accepts no other.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        for stream in state.streams.values() {
            // The client may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.closes.notify_all();
    }

    /// Sleeps; fails as soon as the connections are closed.
    pub(super) fn pause(&self, duration: Duration) -> io::Result<()> {
        if duration.is_zero() {
            return Ok(());
        }
        let end = Instant::now() + duration;
        let mut state = lock(&self.state);
        while !state.is_closed {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let woken = self.closes.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}
