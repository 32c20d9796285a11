//! Explains a message of another tool: reads the facts in it, and finds the symptom that they show.
//!
//! A cause is named only on evidence that tells it from similar causes. "Connection refused" at `localhost` means one
//! thing in a node, another in a builder, and a third on this machine.

mod address;
mod facts;
mod failure;
mod locality;
mod rules;
mod speaker;

use super::symptom::{self, Symptom};
use super::{Check, Id};

/// The known symptom that a message shows, if any.
pub fn explain(text: &str) -> Option<&'static Symptom> {
    facts::Facts::of(text).as_ref().and_then(rules::symptom).and_then(symptom::numbered)
}

/// The symptoms that hythe's own answers show: the statuses 507, 502 to 504, and 500.
const OWN: [u8; 3] = [28, 57, 58];

/// Whether a message may quote an answer of hythe itself; then hythe's log has the reason.
pub fn is_own(text: &str) -> bool {
    explain(text).is_some_and(|symptom| OWN.contains(&symptom.number))
}

/// A message as a check: its cause and what to do, or that it shows no known symptom.
pub fn message(text: &str) -> Check {
    match explain(text) {
        Some(symptom) => Check::bad(Id::Message, "message", text)
            .because(format!("{} (symptom {})", symptom.cause, symptom.number))
            .fixed_by(symptom.fix),
        None => Check::unknown(Id::Message, "message", text).fixed_by(
            "give the whole message, with its URL and the program's name; or run `hythe doctor`, which checks everything",
        ),
    }
}

/// The symptoms that no message tells from others; only checks find them.
#[cfg(test)]
pub(super) const SILENT: [u8; 6] = [11, 12, 16, 21, 23, 25];

#[cfg(test)]
mod tests;
