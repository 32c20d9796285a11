//! The report of a run: its lines for people, and its JSON.

use serde_json::{Value, json};

use super::checks;
use super::cleanup::Cleanup;
use super::suite::Done;
use super::verdict::{Fault, Figure, Stop, Verdict};
use crate::console::count_of;

/// The numbers of checks by their outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) not_supported: usize,
    pub(super) skipped: usize,
}

/// A run of the suite.
pub(super) struct Report<'a> {
    pub(super) registry: &'a str,
    pub(super) repository: &'a str,
    pub(super) done: &'a [Done],
    pub(super) cleanup: &'a Cleanup,
    pub(super) is_interrupted: bool,
}

/// The word for an outcome, for people and for programs.
pub(super) fn words(verdict: &Verdict) -> (&'static str, &'static str) {
    match verdict {
        Ok(_) => ("ok  ", "passed"),
        Err(Stop::Failed(_)) => ("FAIL", "failed"),
        Err(Stop::NotSupported(_)) => ("n/a ", "notSupported"),
        Err(Stop::Skipped(_)) => ("skip", "skipped"),
    }
}

/// The line of a check.
pub(super) fn line(done: &Done) -> String {
    let (word, name) = (words(&done.verdict).0, done.check.name);
    match &done.verdict {
        Ok(figures) if figures.is_empty() => format!("  {word}  {name}"),
        Ok(figures) => {
            let shown: Vec<String> = figures.iter().map(show).collect();
            format!("  {word}  {name} ({})", shown.join(", "))
        }
        Err(Stop::Failed(fault)) => format!("  {word}  {name}: {}", explain(fault)),
        Err(Stop::NotSupported(why) | Stop::Skipped(why)) => format!("  {word}  {name}: {why}"),
    }
}

pub(super) fn explain(Fault { expected, got, advice }: &Fault) -> String {
    let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
    format!("expected {expected}, got {got}{advice}")
}

fn show(figure: &Figure) -> String {
    if figure.unit.is_empty() {
        return format!("{} {}", figure.value, figure.name);
    }
    format!("{} {:.1} {}", figure.name, figure.value, figure.unit)
}

impl Report<'_> {
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for done in self.done {
            let count = match done.verdict {
                Ok(_) => &mut totals.passed,
                Err(Stop::Failed(_)) => &mut totals.failed,
                Err(Stop::NotSupported(_)) => &mut totals.not_supported,
                Err(Stop::Skipped(_)) => &mut totals.skipped,
            };
            *count += 1;
        }
        totals
    }

    /// The capabilities in the order of the checks: whether the registry has each, if that is known.
    pub(super) fn capabilities(&self) -> Vec<(&'static str, &'static str)> {
        let mut rows: Vec<(&str, &str)> = Vec::new();
        for name in checks::all().filter_map(|check| check.capability) {
            if rows.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let of = self.done.iter().filter(|done| done.check.capability == Some(name));
            // A capability that works in one of its checks and fails in another is not one to rely on.
            let word = of.fold("unknown", |word, done| match (word, &done.verdict) {
                ("no", _) | (_, Err(Stop::Failed(_) | Stop::NotSupported(_))) => "no",
                (_, Ok(_)) => "yes",
                (word, Err(Stop::Skipped(_))) => word,
            });
            rows.push((name, word));
        }
        rows
    }

    /// The matrix and the totals, for people.
    pub(super) fn ending(&self) -> String {
        let rows = self.capabilities();
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let rows: Vec<String> = rows.iter().map(|(name, word)| format!("  {name:width$}  {word}")).collect();
        let Totals { passed, failed, not_supported, skipped } = self.totals();
        format!(
            "\ncapabilities\n{}\n\n{passed} passed, {failed} failed, {not_supported} not supported, {skipped} skipped",
            rows.join("\n")
        )
    }

    /// What the cleanup did, in a sentence.
    pub(super) fn cleaning(&self) -> String {
        let Cleanup { deleted, left, refusal } = self.cleanup;
        let deleted = count_of(*deleted as u64, "entry");
        match (&left[..], refusal) {
            ([], None) => format!("cleaned up: {deleted} deleted, nothing is left"),
            (left, refusal) => {
                let why = refusal.as_deref().unwrap_or("the cleanup was stopped");
                let count = count_of(left.len() as u64, "entry");
                format!(
                    "{count} could not be deleted ({why}); {deleted} deleted. Delete the repositories `{name}` and \
                     `{name}-mount` by the registry's own means",
                    name = self.repository
                )
            }
        }
    }

    pub(super) fn as_json(&self) -> Value {
        let Totals { passed, failed, not_supported, skipped } = self.totals();
        let checks: Vec<Value> = self.done.iter().map(as_json).collect();
        let capabilities: serde_json::Map<_, _> =
            self.capabilities().into_iter().map(|(name, word)| (name.to_owned(), json!(word))).collect();
        json!({
            "registry": self.registry,
            "repository": self.repository,
            "passed": passed,
            "failed": failed,
            "notSupported": not_supported,
            "skipped": skipped,
            "interrupted": self.is_interrupted,
            "checks": checks,
            "capabilities": capabilities,
            "cleanup": {
                "deleted": self.cleanup.deleted, "left": self.cleanup.left, "refusal": self.cleanup.refusal,
            },
        })
    }
}

fn as_json(done: &Done) -> Value {
    let mut value = json!({
        "group": done.check.group,
        "name": done.check.name,
        "clause": done.check.clause,
        "outcome": words(&done.verdict).1,
        "seconds": done.took.as_secs_f64(),
    });
    match &done.verdict {
        Ok(figures) => {
            let figures = figures
                .iter()
                .map(|figure| json!({ "name": figure.name, "value": figure.value, "unit": figure.unit }));
            value["figures"] = figures.collect();
        }
        Err(Stop::Failed(Fault { expected, got, advice })) => {
            value["expected"] = json!(expected);
            value["got"] = json!(got);
            value["advice"] = json!(advice);
        }
        Err(Stop::NotSupported(why) | Stop::Skipped(why)) => value["why"] = json!(why),
    }
    value
}
