//! A name server that knows nobody: it says so at once, as that of a machine with a network does.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Once;
use std::thread;

/// Its port.
const PORT: u16 = 53;
/// A DNS message's header, and where its flags are (RFC 1035, 4.1.1).
const HEADER: usize = 12;
/// An answer, recursion available, no such name.
const NO_SUCH_NAME: [u8; 2] = [0x81, 0x83];

/// Answers at this address until the test's process ends, however often it is asked to.
pub fn answer_at(address: Ipv4Addr) {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| answer(address));
}

fn answer(address: Ipv4Addr) {
    let socket = UdpSocket::bind((address, PORT)).expect("nobody else answers there");
    thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut message) {
            if length < HEADER {
                continue;
            }
            message[2..4].copy_from_slice(&NO_SUCH_NAME);
            // It has the question again, and nothing else.
            message[6..HEADER].fill(0);
            let end = HEADER + question(&message[HEADER..length]);
            let _ = socket.send_to(&message[..end.min(length)], client);
        }
    });
}

/// How long the first question is: its labels, then its type and class.
fn question(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(label) = rest.get(at).filter(|label| **label != 0) {
        at += usize::from(*label) + 1;
    }
    at + 5
}
