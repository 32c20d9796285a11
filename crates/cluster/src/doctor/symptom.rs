//! The ways in which local registries fail: how each shows, why, and what to do.

mod known;

#[cfg(test)]
use std::fmt::Write as _;

pub use known::SYMPTOMS;

/// One of the ways in which local registries fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// Its number, which the reference has too.
    pub number: u8,
    /// How it shows.
    pub shows: &'static str,
    /// Why it is so.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

const fn symptom(number: u8, shows: &'static str, cause: &'static str, fix: &'static str) -> Symptom {
    Symptom { number, shows, cause, fix }
}

impl Symptom {
    /// What to do in a cluster, whose name takes its place in the command.
    pub(crate) fn fix_in(&self, cluster: &str, port: u16) -> String {
        self.fix.replace("CLUSTER", cluster).replace("localhost:PORT", &format!("localhost:{port}"))
    }
}

/// The symptom of a number.
pub(super) fn numbered(number: u8) -> Option<&'static Symptom> {
    SYMPTOMS.iter().find(|symptom| symptom.number == number)
}

/// The table of all, as the reference has it.
#[cfg(test)]
pub(crate) fn table() -> String {
    let mut table = "| | symptom | cause | what to do |\n|---|---|---|---|\n".to_owned();
    for symptom in &SYMPTOMS {
        let Symptom { number, shows, cause, fix } = symptom;
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {number} | {shows} | {cause} | {fix} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_order_and_each_is_there_once() {
        for (place, symptom) in SYMPTOMS.iter().enumerate() {
            assert_eq!(usize::from(symptom.number), place + 1);
        }
    }
}
