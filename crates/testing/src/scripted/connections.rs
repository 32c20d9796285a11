//! The open connections of a scripted upstream, so that it can close them all.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

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
pub(super) struct OpenConnection {
    connections: Arc<Connections>,
    id: u64,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.connections.state.lock().streams.remove(&self.id);
    }
}

impl Connections {
    /// Adds a connection; returns `None` once all are closed.
    pub(super) fn add(self: &Arc<Self>, stream: &TcpStream) -> Option<OpenConnection> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        state.last += 1;
        let id = state.last;
        state.streams.insert(id, stream.try_clone().ok()?);
        Some(OpenConnection { connections: self.clone(), id })
    }

    pub(super) fn count(&self) -> usize {
        self.state.lock().streams.len()
    }

    /// Closes all connections, and accepts no other.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
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
        let mut state = self.state.lock();
        while !state.is_closed {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.closes.wait_for(&mut state, left);
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}
