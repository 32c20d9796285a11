//! Many connections that repeat small requests. One thread for each core drives them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::client::Client;
use crate::error::{Context as _, Error, Result};
use crate::head::{Head, Length, head_end};
use crate::process::Tree;

/// How long the load runs before the measurement starts.
const WARM: Duration = Duration::from_millis(500);

/// The result of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Answers a second.
    pub(crate) rate: f64,
    /// The server's CPU time per answer, in microseconds.
    pub(crate) cpu: f64,
}

struct Connection {
    stream: TcpStream,
    received: usize,
    buffer: Vec<u8>,
    /// Length of the last answer, head included.
    last: usize,
}

/// GETs `targets` in turn over `connections` connections for `length`. Each connection sends its next request as soon
/// as it has an answer.
pub(crate) fn run(
    tree: Tree,
    port: u16,
    targets: &[String],
    fields: &str,
    connections: usize,
    length: Duration,
) -> Result<Outcome> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(connections);
    let requests: Vec<_> =
        targets.iter().map(|target| Client::request(port, "GET", target, fields)).collect();
    let (answers, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let ready = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let share = connections / threads + usize::from(thread < connections % threads);
                let (requests, answers, stop, ready) = (&requests, &answers, &stop, &ready);
                // Each thread starts at another target, so that two threads do not ask for the same target at the same
                // time.
                let from = thread * requests.len() / threads;
                scope.spawn(move || {
                    let opened = (0..share).map(|_| Connection::open(port)).collect::<Result<Vec<_>>>();
                    ready.wait();
                    let mut turns = requests.iter().cycle().skip(from).map(String::as_bytes);
                    drive(&mut opened?, &mut turns, port, answers, stop)
                })
            })
            .collect();
        ready.wait();
        thread::sleep(WARM);
        let (before, began, used) = (answers.load(Ordering::Relaxed), Instant::now(), tree.cpu());
        thread::sleep(length);
        let (after, elapsed, used) =
            (answers.load(Ordering::Relaxed), began.elapsed(), tree.cpu().saturating_sub(used));
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| Error::Setup("a thread of the load panicked".to_owned()))??;
        }
        let count = (after - before) as f64;
        if after == before {
            return Err(Error::Setup(format!("GET {}: no answer in {length:?}", targets[0])));
        }
        Ok(Outcome { rate: count / elapsed.as_secs_f64(), cpu: used.as_secs_f64() * 1e6 / count })
    })
}

impl Connection {
    fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .context(|| format!("connecting to 127.0.0.1:{port}"))?;
        stream.set_nodelay(true).context(|| "setting TCP_NODELAY".to_owned())?;
        Ok(Self { stream, received: 0, buffer: vec![0; 64 << 10], last: 0 })
    }

    /// Receives once. `None` if the answer is not complete; otherwise, whether the server closes the connection after
    /// it.
    fn receive(&mut self) -> Result<Option<bool>> {
        let got = self
            .stream
            .read(&mut self.buffer[self.received..])
            .context(|| "reading an answer under load".to_owned())?;
        self.received += got;
        let received = &self.buffer[..self.received];
        // All requests are of one kind, so an answer of the same length as the last parsed one has the same form. Not
        // parsing it again keeps the load cheap.
        if self.received == self.last && received.starts_with(b"HTTP/1.1 200 ") {
            self.received = 0;
            return Ok(Some(false));
        }
        let bad = |got: &str| Error::Answer {
            request: "GET under load".to_owned(),
            expected: "200 with a Content-Length and at most 64 KiB".to_owned(),
            got: got.to_owned(),
        };
        let Some(end) = head_end(received) else {
            return if got == 0 { Err(bad("a closed connection")) } else { Ok(None) };
        };
        let head = Head::parse(&received[..end]).ok_or_else(|| bad("no HTTP answer"))?;
        let Length::Known(length) = head.length else { return Err(bad("a chunked body")) };
        if head.status() != Some(200) {
            return Err(bad(&head.first));
        }
        let whole = end as u64 + length;
        if whole > self.buffer.len() as u64 {
            return Err(bad("a longer answer"));
        }
        if (self.received as u64) < whole {
            return if got == 0 { Err(bad("a closed connection")) } else { Ok(None) };
        }
        self.last = if head.close { 0 } else { self.received };
        self.received = 0;
        Ok(Some(head.close))
    }
}

fn ask<'a>(connection: &mut Connection, requests: &mut impl Iterator<Item = &'a [u8]>) -> Result<()> {
    // The iterator never ends, because it cycles through the requests.
    let request = requests.next().unwrap_or_default();
    connection.stream.write_all(request).context(|| "asking under load".to_owned())
}

fn drive<'a>(
    connections: &mut [Connection],
    requests: &mut (impl Iterator<Item = &'a [u8]> + 'a),
    port: u16,
    answers: &AtomicU64,
    stop: &AtomicBool,
) -> Result<()> {
    let what = || "waiting for answers under load".to_owned();
    let epoll = epoll::create(CreateFlags::CLOEXEC).context(what)?;
    for (number, connection) in connections.iter_mut().enumerate() {
        epoll::add(&epoll, &connection.stream, EventData::new_u64(number as u64), EventFlags::IN)
            .context(what)?;
        ask(connection, requests)?;
    }
    let mut events =
        vec![Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; connections.len()];
    let patience = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
    while !stop.load(Ordering::Relaxed) {
        let ready = epoll::wait(&epoll, &mut events[..], Some(&patience)).context(what)?;
        for event in &events[..ready] {
            let number = event.data.u64() as usize;
            let connection = &mut connections[number];
            match connection.receive()? {
                None => continue,
                Some(false) => {}
                Some(true) => {
                    *connection = Connection::open(port)?;
                    epoll::add(&epoll, &connection.stream, EventData::new_u64(number as u64), EventFlags::IN)
                        .context(what)?;
                }
            }
            answers.fetch_add(1, Ordering::Relaxed);
            ask(connection, requests)?;
        }
    }
    Ok(())
}
