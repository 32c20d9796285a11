//! The measured times, and their medians.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::way::Stages;

/// The stages and their times, by way.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<&'static str, Vec<Stages>>);

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64()
}

impl Table {
    pub(crate) fn add(&mut self, way: &'static str, stages: &Stages) {
        self.0.entry(way).or_default().push(stages.clone());
    }

    /// The median of a way's whole time, in seconds.
    pub(crate) fn total(&self, way: &str) -> f64 {
        let rounds = self.0.get(way).map(Vec::as_slice).unwrap_or_default();
        median(rounds.iter().map(|stages| stages.iter().map(|(_, time)| *time).sum()).collect())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (way, rounds) in &self.0 {
            write!(f, "  {way:<42} {:>7.2} s ", self.total(way))?;
            let names = rounds.first().into_iter().flatten().map(|(name, _)| *name);
            for (at, name) in names.enumerate() {
                let times = rounds.iter().map(|stages| stages[at].1).collect();
                write!(f, "  {name} {:.2} s", median(times))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
