//! Runs the checks one after the other.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use hythe_oci::Pattern;
use tokio::time::timeout;

use super::bench::Bench;
use super::check::Check;
use super::checks;
use super::verdict::{Stop, Verdict};

/// A check that has run.
pub(super) struct Done {
    pub(super) check: &'static Check,
    pub(super) verdict: Verdict,
    pub(super) took: Duration,
}

/// The checks that have run so far. They stay when the suite is interrupted.
pub(super) type Results = RefCell<Vec<Done>>;

/// The checks whose group or name matches; all without a pattern.
pub(super) fn chosen(patterns: &[Pattern]) -> Vec<&'static Check> {
    let is_wanted = |check: &&Check| {
        let matches = |pattern: &Pattern| pattern.matches(check.group) || pattern.matches(check.name);
        patterns.is_empty() || patterns.iter().any(matches)
    };
    checks::all().filter(is_wanted).collect()
}

/// Runs the checks. Each ends within `limit`.
pub(super) async fn run(
    bench: &Bench,
    checks: &[&'static Check],
    limit: Duration,
    results: &Results,
    mut tell: impl FnMut(&Done),
) {
    for check in checks {
        let began = Instant::now();
        let verdict = timeout(limit, (check.run)(bench)).await.unwrap_or_else(|_| {
            let advice = "a slow registry may need a longer --timeout";
            Err(Stop::failed(format!("an end within {limit:?}"), "no end", advice))
        });
        let done = Done { check, verdict, took: began.elapsed() };
        tell(&done);
        results.borrow_mut().push(done);
        if bench.wire.is_stopped() {
            break;
        }
    }
}
