//! What a registry has logged.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Answer, eventually};

/// The lines of one registry's log, as far as they are written.
#[derive(Clone, Debug, Default)]
pub struct LogLines(Arc<Mutex<Vec<u8>>>);

impl LogLines {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Held for a copy.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.lock()).lines().map(str::to_owned).collect()
    }

    /// The line of an answer, once it is written.
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

    /// Whoever is told that something is wrong here finds the reason in the log, whatever the answer says of it.
    #[track_caller]
    pub(crate) fn expect_reason(&self, answer: &Answer) {
        let line = self.line_of(answer);
        let reason = line.split_once(" error=\"").map_or("", |(_, reason)| reason);
        let is_told = !reason.trim_matches('"').is_empty() && !reason.contains("its log has the reason");
        assert!(is_told && line.contains(" ERROR "), "the log has no reason: {line}\n{answer}");
    }
}

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
