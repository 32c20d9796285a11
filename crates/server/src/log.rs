//! The log's writer: one thread writes all lines, so that no request waits for a terminal or a full pipe.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// Text for people, with `key=value` fields for machines.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The most bytes that wait to be written. Further lines are dropped, and the log says how many.
const MOST: usize = 1 << 20;

/// The pause between two writes: lines that arrive meanwhile are written together.
const GATHER: Duration = Duration::from_millis(5);

/// A log; clones write to the same one.
#[derive(Clone, Debug)]
pub struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    closed: bool,
}

/// On drop, writes the waiting lines and ends the writer thread.
#[derive(Debug)]
pub struct LogGuard {
    log: Log,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    /// A log that writes to `out`.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LogGuard)> {
        let log = Self(Arc::new(Shared { waiting: Mutex::default(), changed: Condvar::new() }));
        let shared = Arc::clone(&log.0);
        let thread =
            std::thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_all(out))?;
        Ok((log.clone(), LogGuard { log, thread: Some(thread) }))
    }

    /// A log that drops all lines.
    pub fn discard() -> Self {
        let waiting = Waiting { closed: true, ..Waiting::default() };
        Self(Arc::new(Shared { waiting: Mutex::new(waiting), changed: Condvar::new() }))
    }

    /// Adds one or more whole lines.
    pub fn line(&self, line: &[u8]) {
        let mut waiting = self.0.waiting.lock();
        if waiting.closed {
            return;
        }
        if waiting.bytes.len() + line.len() > MOST {
            waiting.dropped += 1;
            return;
        }
        let wake = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if wake {
            self.0.changed.notify_one();
        }
    }
}

impl Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn write_all(&self, mut out: impl Write) {
        let mut bytes = Vec::new();
        loop {
            let mut waiting = self.waiting.lock();
            while waiting.bytes.is_empty() && waiting.dropped == 0 && !waiting.closed {
                self.changed.wait(&mut waiting);
            }
            let closed = waiting.closed;
            let dropped = std::mem::take(&mut waiting.dropped);
            std::mem::swap(&mut bytes, &mut waiting.bytes);
            drop(waiting);
            // If the log cannot be written, there is no other place to report that.
            let _ = out.write_all(&bytes);
            if dropped > 0 {
                let _ = writeln!(out, "{dropped} log lines were dropped: the log's reader is too slow");
            }
            let _ = out.flush();
            // The memory of a burst of lines is freed.
            bytes.clear();
            bytes.shrink_to(64 << 10);
            if closed {
                return;
            }
            std::thread::sleep(GATHER);
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.log.0.waiting.lock().closed = true;
        self.log.0.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
