//! The socket of a scripted upstream, with a thread for each connection.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::connections::Connections;
use super::delivery::{End, deliver};
use super::peer::Peer;
use super::rule::Fault;
use super::script::Script;

/// How long to wait until the system frees a port after its listener was closed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    pub(super) connections: Arc<Connections>,
    thread: JoinHandle<()>,
}

/// Binds a listener to this address.
pub(super) fn bind(address: SocketAddr) -> TcpListener {
    let end = Instant::now() + PATIENCE;
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < end, "the upstream cannot listen on {address}: {error}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

impl Listener {
    pub(super) fn start(listener: TcpListener, script: Arc<Script>) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let connections = Arc::new(Connections::default());
        let thread = thread::spawn({
            let connections = connections.clone();
            move || accept(&listener, &connections, &script)
        });
        Self { address, connections, thread }
    }

    /// Closes the socket and all connections.
    pub(super) fn stop(self) {
        self.connections.close();
        // Wakes the accepting thread. If this connection fails, another connection has already woken it.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        let result = self.thread.join();
        // A second panic while a test is already failing would hide the first.
        assert!(result.is_ok() || thread::panicking(), "a thread of the upstream panicked");
    }
}

fn accept(listener: &TcpListener, connections: &Arc<Connections>, script: &Arc<Script>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let Ok((stream, _)) = listener.accept() else {
            // The file descriptors are exhausted, or a client left before it was accepted.
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let Some(place) = connections.add(&stream) else { break };
        threads.retain(|thread| !thread.is_finished());
        let (connections, script) = (connections.clone(), script.clone());
        threads.push(thread::spawn(move || {
            let mut peer = Peer::new(stream);
            match converse(&mut peer, &connections, &script) {
                Ok(End::Reset) => peer.reset(&connections),
                Ok(End::Hold) => peer.hold(),
                // The client left, or the upstream stops.
                Ok(End::Next | End::Close) | Err(_) => {}
            }
            // `place` holds the socket too: it closes when both are dropped.
            drop(place);
            drop(peer);
        }));
    }
    for thread in threads {
        thread.join().expect("a connection's thread does not panic");
    }
}

fn converse(peer: &mut Peer, connections: &Connections, script: &Script) -> io::Result<End> {
    while let Some(seen) = peer.request()? {
        script.seen.lock().push(seen.clone());
        let refusal = script.refuse(&seen);
        let fault = if refusal.is_some() { None } else { script.fault(&seen) };
        match fault {
            Some(Fault::BlackHole) => return Ok(End::Hold),
            Some(Fault::HangUp) => return Ok(End::Close),
            Some(Fault::Delay(delay)) => connections.pause(delay)?,
            _ => {}
        }
        let reply = refusal.unwrap_or_else(|| script.reply(&seen, fault.as_ref()));
        let is_head = seen.method == "HEAD";
        match deliver(&reply, fault.as_ref(), is_head, peer, connections, script)? {
            End::Next if !seen.is_last() => {}
            end => return Ok(end),
        }
    }
    Ok(End::Close)
}
