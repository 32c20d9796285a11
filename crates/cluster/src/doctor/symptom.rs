//! The ways in which local registries fail: how each failure shows, why it happens, and what to do.

mod known;

#[cfg(test)]
use std::fmt::Write as _;

pub use known::SYMPTOMS;

/// One way in which local registries fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// The symptom's number, which the reference page has too.
    pub number: u8,
    /// How the failure shows: the words of a message, or what a user sees.
    pub shows: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

const fn symptom(number: u8, shows: &'static str, cause: &'static str, fix: &'static str) -> Symptom {
    Symptom { number, shows, cause, fix }
}

impl Symptom {
    /// What to do in a cluster: the fix with the cluster's name for `CLUSTER` and the registry's port for `PORT`.
    pub(crate) fn fix_in(&self, cluster: &str, port: u16) -> String {
        self.fix.replace("CLUSTER", cluster).replace("localhost:PORT", &format!("localhost:{port}"))
    }
}

/// The symptom with this number.
pub(super) fn numbered(number: u8) -> Option<&'static Symptom> {
    SYMPTOMS.iter().find(|symptom| symptom.number == number)
}

/// The table of all symptoms, as the reference page has it.
#[cfg(test)]
pub(crate) fn table() -> String {
    let mut table = "| | symptom | cause | what to do |\n|---|---|---|---|\n".to_owned();
    for symptom in &SYMPTOMS {
        let Symptom { number, shows, cause, fix } = symptom;
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {number} | {shows} | {cause} | {fix} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symptoms_are_numbered_in_order_without_gaps() {
        for (place, symptom) in SYMPTOMS.iter().enumerate() {
            assert_eq!(usize::from(symptom.number), place + 1);
        }
    }
}
