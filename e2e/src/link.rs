//! A link to a server, as slow as the test wants, that counts the bytes it passes on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

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

    /// The number of bytes that came from the server so far.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn join(self: Arc<Self>, client: TcpStream, server: TcpStream) {
        let (Ok(mut asked), Ok(mut asking)) = (server.try_clone(), client.try_clone()) else { return };
        thread::spawn(move || {
            let _ = std::io::copy(&mut asking, &mut asked);
            let _ = asked.shutdown(Shutdown::Both);
        });
        thread::spawn(move || {
            let _ = self.carry(&server, &client);
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        });
    }

    fn carry(&self, mut server: &TcpStream, mut client: &TcpStream) -> std::io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = server.read(&mut piece)?;
            if read == 0 {
                return Ok(());
            }
            client.write_all(&piece[..read])?;
            self.passed.fetch_add(read as u64, Ordering::SeqCst);
            let pace = self.pace.load(Ordering::SeqCst);
            let pause = (read as u64 * 1_000_000).checked_div(pace);
            thread::sleep(Duration::from_micros(pause.unwrap_or_default()));
        }
    }
}
