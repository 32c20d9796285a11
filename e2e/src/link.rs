//! A link to a server, as slow as the test wants, that counts the bytes it passes on, and breaks where the test wants.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

/// Bytes sent between two pauses: few enough for a steady pace.
const PIECE: usize = 64 << 10;

/// A TCP proxy to one server. It ends with the test's process.
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Bytes per second for each connection; 0 means no limit.
    pace: AtomicU64,
    /// The number of bytes that came from the server.
    passed: AtomicU64,
    /// How many more bytes of large bodies pass before the connection that carries them breaks, once for each number.
    breaks: Mutex<Vec<u64>>,
}

impl Link {
    /// A link to `server`, without a limit yet.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let carrier = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // If the server is down, the client's connection ends.
                let Ok(server) = TcpStream::connect(server) else { continue };
                Arc::clone(&carrier).join(client, server);
            }
        });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Limits each connection to `pace` bytes per second; 0 removes the limit.
    pub fn set_pace(&self, pace: u64) {
        self.shared.pace.store(pace, Ordering::SeqCst);
    }

    /// Breaks one connection for each number. The link counts the bytes of large bodies since the break before. The connection
    /// whose body reaches the number breaks there. Small requests and answers pass.
    pub fn break_after(&self, numbers: impl IntoIterator<Item = u64>) {
        *self.shared.breaks.lock() = numbers.into_iter().collect();
    }

    /// How many breaks are still to come.
    pub fn breaks_left(&self) -> usize {
        self.shared.breaks.lock().len()
    }

    /// The number of bytes that came from the server so far.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn join(self: Arc<Self>, client: TcpStream, server: TcpStream) {
        let (Ok(mut asked), Ok(mut asking)) = (server.try_clone(), client.try_clone()) else { return };
        let upwards = Arc::clone(&self);
        thread::spawn(move || {
            let _ = upwards.carry(&mut asking, &mut asked, |_| ());
            let _ = asking.shutdown(Shutdown::Both);
            let _ = asked.shutdown(Shutdown::Both);
        });
        thread::spawn(move || {
            let (mut from, mut to) = (&server, &client);
            let _ = self.carry(&mut from, &mut to, |read| {
                self.passed.fetch_add(read, Ordering::SeqCst);
                let pace = self.pace.load(Ordering::SeqCst);
                thread::sleep(Duration::from_micros(
                    (read * 1_000_000).checked_div(pace).unwrap_or_default(),
                ));
            });
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        });
    }

    /// Passes bytes on until one side ends, or the connection is to break.
    fn carry(&self, from: &mut impl Read, to: &mut impl Write, after: impl Fn(u64)) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece)?;
            let passing = self.passing(read);
            to.write_all(&piece[..passing])?;
            if passing < read || read == 0 {
                return Ok(());
            }
            after(read as u64);
        }
    }

    /// How many bytes of a piece pass. Only a large body fills a piece.
    fn passing(&self, read: usize) -> usize {
        let mut breaks = self.breaks.lock();
        match breaks.first_mut() {
            Some(left) if read == PIECE && *left < PIECE as u64 => breaks.remove(0) as usize,
            Some(left) if read == PIECE => {
                *left -= PIECE as u64;
                read
            }
            _ => read,
        }
    }
}
