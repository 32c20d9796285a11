//! The samples of a run, and the verdicts on the targets.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::acceptance::{LINES, Line, Target, Unit};
use crate::contender::Kind;

/// All samples of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measures {
    samples: BTreeMap<(&'static str, &'static str), BTreeMap<Kind, Vec<f64>>>,
}

/// The result of a line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The scenario and the measured quantity.
    pub(crate) name: &'static str,
    /// The unit of its values.
    pub(crate) unit: &'static str,
    /// Each contender's median.
    pub(crate) medians: BTreeMap<Kind, f64>,
    /// Each contender's samples, in the order of the rounds.
    pub(crate) samples: BTreeMap<Kind, Vec<f64>>,
    /// hythe's median divided by each other contender's median.
    pub(crate) ratios: BTreeMap<Kind, f64>,
    /// The verdict on each target.
    pub(crate) verdicts: Vec<Verdict>,
}

/// The verdict on a target.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    /// hythe's ratio or value: `0.97 x nginx`. Empty if the contender is missing.
    pub(crate) got: String,
    /// The target: `>= 0.95 x nginx`.
    pub(crate) target: String,
    /// Whether hythe meets the target. `None` if a measurement for it is missing.
    pub(crate) ok: Option<bool>,
}

impl Measures {
    /// Adds a sample.
    ///
    /// # Panics
    /// If the table has no such line, which is a mistake in the scenario.
    pub(crate) fn add(&mut self, name: &str, unit: Unit, kind: Kind, value: f64) {
        let line = LINES.iter().find(|line| line.name == name && line.unit == unit);
        let line = line.unwrap_or_else(|| panic!("no line {name} in {}", unit.name()));
        self.samples.entry((line.name, line.unit.name())).or_default().entry(kind).or_default().push(value);
    }

    /// The lines of the table that have samples.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let row = |line: &Line| {
            let samples = self.samples.get(&(line.name, line.unit.name()))?;
            let medians: BTreeMap<_, _> =
                samples.iter().map(|(kind, samples)| (*kind, median(samples))).collect();
            let own = medians.get(&Kind::Hythe);
            let elsewhere =
                |name| Some(median(self.samples.get(&(name, line.unit.name()))?.get(&Kind::Hythe)?));
            let others = medians.iter().filter(|(kind, _)| **kind != Kind::Hythe);
            let ratios = others.filter_map(|(kind, median)| Some((*kind, own? / median))).collect();
            let verdicts = line.targets.iter().map(|target| judge(*target, &medians, &elsewhere)).collect();
            let (name, unit, samples) = (line.name, line.unit.name(), samples.clone());
            Some(Row { name, unit, medians, samples, ratios, verdicts })
        };
        LINES.iter().filter_map(row).collect()
    }
}

/// Judges a target. `elsewhere` gives hythe's median on another line of the same unit.
fn judge(
    target: Target,
    medians: &BTreeMap<Kind, f64>,
    elsewhere: &dyn Fn(&'static str) -> Option<f64>,
) -> Verdict {
    let own = medians.get(&Kind::Hythe).copied();
    let over = |kind: Kind| Some((own? / medians.get(&kind)?, kind.name()));
    let ratio = |ratio: Option<(f64, &str)>, target: String, holds: &dyn Fn(f64) -> bool| Verdict {
        got: ratio.map_or_else(String::new, |(ratio, name)| format!("{} x {name}", figures(ratio))),
        target,
        ok: ratio.map(|(ratio, _)| holds(ratio)),
    };
    match target {
        Target::AtLeast(bound, kind) => {
            ratio(over(kind), format!(">= {bound} x {kind}"), &|ratio| ratio >= bound)
        }
        Target::AtMost(bound, kind) => {
            ratio(over(kind), format!("<= {bound} x {kind}"), &|ratio| ratio <= bound)
        }
        Target::AtMostPlus(bound, kind, more) => {
            let limit = medians.get(&kind).map(|median| median * bound + more);
            let ok = own.zip(limit).map(|(own, limit)| own <= limit);
            let target = format!("<= {bound} x {kind} + {more}");
            ratio(over(kind), target, &|_| ok == Some(true))
        }
        Target::AtMostOwn(bound, line, more) => {
            let other = elsewhere(line);
            let ok = own.zip(other).map(|(own, other)| own <= other * bound + more);
            let plus = if more > 0.0 { format!(" + {more}") } else { String::new() };
            let over = own.zip(other).map(|(own, other)| (own / other, line));
            ratio(over, format!("<= {bound} x {line}{plus}"), &|_| ok == Some(true))
        }
        Target::AtLeastOwn(bound, line) => {
            let over = own.zip(elsewhere(line)).map(|(own, other)| (own / other, line));
            ratio(over, format!(">= {bound} x {line}"), &|ratio| ratio >= bound)
        }
        Target::AtLeastLoop(bound) => {
            let loops = [over(Kind::Loop), over(Kind::LoopBeside)];
            // The faster loop gives the smaller ratio.
            let best = loops.into_iter().flatten().min_by(|one, other| one.0.total_cmp(&other.0));
            ratio(best, format!(">= {bound} x better loop"), &|ratio| ratio >= bound)
        }
        Target::Limit(bound) => Verdict {
            got: own.map_or_else(String::new, figures),
            target: format!("<= {bound}"),
            ok: own.map(|own| own <= bound),
        },
    }
}

/// The middle sample, or the mean of the two in the middle.
fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Formats a number with about three digits.
pub(crate) fn figures(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medians(values: &[(Kind, f64)]) -> BTreeMap<Kind, f64> {
        values.iter().copied().collect()
    }

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn each_target_is_judged_by_medians_of_this_run() {
        let medians =
            medians(&[(Kind::Hythe, 9.0), (Kind::Nginx, 10.0), (Kind::Loop, 10.0), (Kind::LoopBeside, 12.0)]);
        let cases = [
            (Target::AtLeast(0.9, Kind::Nginx), "0.900 x nginx", Some(true)),
            (Target::AtLeast(0.95, Kind::Nginx), "0.900 x nginx", Some(false)),
            (Target::AtMost(0.85, Kind::Nginx), "0.900 x nginx", Some(false)),
            (Target::AtMostPlus(0.5, Kind::Nginx, 5.0), "0.900 x nginx", Some(true)),
            (Target::AtMostPlus(0.5, Kind::Nginx, 3.0), "0.900 x nginx", Some(false)),
            (Target::AtLeastLoop(0.85), "0.750 x loop-beside", Some(false)),
            (Target::AtMostOwn(1.5, "other", 0.0), "1.50 x other", Some(true)),
            (Target::AtMostOwn(1.2, "other", 1.0), "1.50 x other", Some(false)),
            (Target::AtLeastOwn(1.5, "other"), "1.50 x other", Some(true)),
            (Target::AtMostOwn(2.0, "absent", 0.0), "", None),
            (Target::Limit(9.0), "9.00", Some(true)),
            (Target::AtLeast(4.0, Kind::Registry2), "", None),
        ];
        for (target, got, ok) in cases {
            let verdict = judge(target, &medians, &|name| (name == "other").then_some(6.0));
            assert_eq!((verdict.got.as_str(), verdict.ok), (got, ok), "{target:?}");
        }
    }

    #[test]
    fn without_hythe_nothing_is_judged() {
        let mut measures = Measures::default();
        measures.add("pull-1", Unit::Throughput, Kind::Nginx, 5.0);
        let rows = measures.rows();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].verdicts.iter().all(|verdict| verdict.ok.is_none()));
    }
}
