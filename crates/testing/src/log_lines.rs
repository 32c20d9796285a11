//! Captures a registry's log.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Answer, eventually};

/// The lines of one registry's log that are written so far.
#[derive(Clone, Debug, Default)]
pub struct LogLines(Arc<Mutex<Vec<u8>>>);

impl LogLines {
    /// All lines.
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.lock()).lines().map(str::to_owned).collect()
    }

    /// Waits for the line of an answer, and returns it.
    #[track_caller]
    pub fn line_of(&self, answer: &Answer) -> String {
        let id = format!(" id={}", answer.expect_header("x-request-id"));
        let mut found = None;
        eventually(&format!("a log line with{id}"), || {
            found = self.lines().into_iter().find(|line| line.contains(&id));
            found.is_some()
        });
        found.expect("it was just found")
    }

    /// Asserts that the log gives the reason of a 5xx answer, whatever the answer itself says.
    #[track_caller]
    pub(crate) fn expect_reason(&self, answer: &Answer) {
        let line = self.line_of(answer);
        let reason = line.split_once(" error=\"").map_or("", |(_, reason)| reason);
        let is_told = !reason.trim_matches('"').is_empty() && !reason.contains("search the registry's log");
        assert!(is_told && line.contains(" ERROR "), "the log has no reason: {line}\n{answer}");
    }
}

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
