//! An upstream with one blob and a link of a given speed.
//!
//! The upstream sends from the page cache with `sendfile`, so that it uses little CPU beside the measured cache.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{Context as _, Result};
use crate::head::{Head, head_end};
use crate::image::blob_path;
use crate::random_file::Payload;

/// Bytes that a connection sends before it checks the time again: 2.6 ms at 100 MB/s.
const SLICE: u64 = 256 << 10;

/// The repository that has the blob.
pub(crate) const REPOSITORY: &str = "app";

/// A running upstream. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Its port on loopback.
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    payload: Payload,
    /// Bytes a second, for all connections together.
    speed: Option<u64>,
    /// When the link is free again.
    free: Mutex<Instant>,
    gets: AtomicU64,
    ended: AtomicBool,
}

impl Origin {
    /// Serves `payload` on a free port, no faster than `speed` bytes a second.
    pub(crate) fn start(payload: Payload, speed: Option<u64>) -> Result<Self> {
        let what = || "starting an upstream".to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(what)?;
        let port = listener.local_addr().context(what)?.port();
        let shared = Arc::new(Shared {
            payload,
            speed,
            free: Mutex::new(Instant::now()),
            gets: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(io::Result::ok) {
                if served.ended.load(Ordering::Relaxed) {
                    return;
                }
                let served = Arc::clone(&served);
                // A client that disconnects early ends only its own connection.
                thread::spawn(move || drop(serve(&served, stream)));
            }
        });
        Ok(Self { port, shared })
    }

    /// Number of GET requests for the blob.
    pub(crate) fn gets(&self) -> u64 {
        self.shared.gets.load(Ordering::Relaxed)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts connections.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        let end = loop {
            if let Some(end) = head_end(&bytes) {
                break end;
            }
            let got = stream.read(&mut buffer)?;
            if got == 0 {
                return Ok(());
            }
            bytes.extend_from_slice(&buffer[..got]);
        };
        let head = Head::parse(&bytes[..end]).ok_or(io::ErrorKind::InvalidData)?;
        bytes.drain(..end);
        let (method, target) = head.request().ok_or(io::ErrorKind::InvalidData)?;
        let target = target.split('?').next().unwrap_or_default();
        if target == blob_path(REPOSITORY, &shared.payload.digest) {
            answer_blob(shared, &mut stream, method == "GET")?;
        } else {
            let status = if target == "/v2/" { "200 OK" } else { "404 Not Found" };
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
        }
    }
}

fn answer_blob(shared: &Shared, stream: &mut TcpStream, with_body: bool) -> io::Result<()> {
    let payload = &shared.payload;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nDocker-Content-Digest: {}\r\n\
         Content-Length: {}\r\n\r\n",
        payload.digest,
        payload.len()
    );
    stream.write_all(head.as_bytes())?;
    if !with_body {
        return Ok(());
    }
    shared.gets.fetch_add(1, Ordering::Relaxed);
    for span in &payload.spans {
        let (mut offset, end) = (span.offset, span.offset + span.length);
        while offset < end {
            let length = SLICE.min(end - offset);
            wait(shared, length);
            let slice_end = offset + length;
            while offset < slice_end {
                let left = (slice_end - offset) as usize;
                if rustix::fs::sendfile(&*stream, &*payload.file, Some(&mut offset), left)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }
    stream.write_all(&payload.tail)
}

/// Waits until the link is free, then occupies it for the time that `length` bytes need.
fn wait(shared: &Shared, length: u64) {
    let Some(speed) = shared.speed else { return };
    let at = {
        let mut free = shared.free.lock();
        let at = (*free).max(Instant::now());
        *free = at + Duration::from_secs_f64(length as f64 / speed as f64);
        at
    };
    thread::sleep(at.saturating_duration_since(Instant::now()));
}
