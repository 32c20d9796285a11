//! A name server without any names. It answers "no such name" at once, as the name server of a machine with a network
//! does.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The name server's port.
const PORT: u16 = 53;
/// Bytes in a DNS message's header (RFC 1035, 4.1.1).
const HEADER: usize = 12;
/// The flags of a response: recursion available, no such name.
const NO_SUCH_NAME: [u8; 2] = [0x81, 0x83];

/// Time to wait for a question before the thread checks whether it must end.
const PAUSE: Duration = Duration::from_millis(50);

/// A running name server. Dropping the value ends it.
pub struct Names {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// Starts a name server at this address.
    pub fn at(address: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind((address, PORT)).expect("nobody else answers there");
        socket.set_read_timeout(Some(PAUSE)).expect("a pause that is not zero");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                answer(&socket);
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers one question, if one arrives.
fn answer(socket: &UdpSocket) {
    let mut message = [0; 512];
    let Ok((length, client)) = socket.recv_from(&mut message) else { return };
    if length < HEADER {
        return;
    }
    message[2..4].copy_from_slice(&NO_SUCH_NAME);
    // The answer repeats the question, and has no records.
    message[6..HEADER].fill(0);
    let end = HEADER + question(&message[HEADER..length]);
    let _ = socket.send_to(&message[..end.min(length)], client);
}

/// The length of the first question: its labels, then its type and class.
fn question(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(label) = rest.get(at).filter(|label| **label != 0) {
        at += usize::from(*label) + 1;
    }
    at + 5
}
