//! The steps of a command.

use hythe_cluster::step::{Outcome, Step};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::console::{Printer, count_of};
use crate::failure::{Failure, LocalError};
use crate::values::Output;

/// Prints steps as they are done, and keeps them for JSON output.
pub(super) struct Steps {
    printer: Printer,
    done: Mutex<Vec<Step>>,
}

impl Steps {
    pub(super) fn new(printer: Printer) -> Self {
        Self { printer, done: Mutex::new(Vec::new()) }
    }

    pub(super) fn take(&self, step: Step) {
        if self.printer.output() == Output::Text {
            self.printer.note(&step);
        }
        if step.outcome == Outcome::Underway {
            return;
        }
        self.done.lock().push(step);
    }

    pub(super) fn all(&self) -> Vec<Step> {
        self.done.lock().clone()
    }

    pub(super) fn changes(&self) -> usize {
        self.all().iter().filter(|step| step.outcome == Outcome::Changed).count()
    }

    /// The data that a program reads.
    pub(super) fn json(&self) -> Value {
        json!({ "steps": self.all(), "changed": self.changes() })
    }

    /// Prints the number of changes. Anything that could not be wired is a failure.
    pub(super) fn tell(&self, dry_run: bool, is_well: bool, printer: Printer) -> Result<(), Failure> {
        let text = match (self.changes(), dry_run) {
            (0, false) => "nothing had to be changed".to_owned(),
            (0, true) => "nothing would change".to_owned(),
            (changes, false) => count_of(changes as u64, "change"),
            (changes, true) => format!("{} would be made", count_of(changes as u64, "change")),
        };
        printer.data(text, || self.json());
        if is_well {
            return Ok(());
        }
        Err(LocalError::Unwired.into())
    }
}
