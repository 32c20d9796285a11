//! A line that says how far a long command is: rewritten in place on a terminal, and written anew now and then elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time between two updates of the line on a terminal.
const ON_TERMINAL: Duration = Duration::from_millis(200);
/// Time between two lines elsewhere, for example in a log.
const IN_LOG: Duration = Duration::from_secs(10);

/// The line. It is erased when the value is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    is_terminal: bool,
    /// When the line was written last.
    told: Mutex<Instant>,
}

impl Line {
    pub(crate) fn start() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), told: Mutex::new(Instant::now()) }
    }

    /// Shows how far the command is, unless it did so a moment ago.
    pub(crate) fn tell(&self, text: impl FnOnce() -> String) {
        let mut told = self.told.lock();
        if told.elapsed() < if self.is_terminal { ON_TERMINAL } else { IN_LOG } {
            return;
        }
        *told = Instant::now();
        let text = text();
        // An error means that the reader closed the stream: there is nothing to show, and nothing to report.
        let _ = if self.is_terminal {
            write!(io::stderr(), "\r\x1b[2K{text}")
        } else {
            writeln!(io::stderr(), "{text}")
        };
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
