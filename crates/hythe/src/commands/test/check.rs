//! A check of a registry.

use futures_util::future::LocalBoxFuture;

use super::bench::Bench;
use super::verdict::Verdict;

/// A check of a registry: one statement that holds or does not.
pub(super) struct Check {
    /// The part of the API.
    pub(super) group: &'static str,
    /// The statement, as a sentence.
    pub(super) name: &'static str,
    /// The clause of the distribution specification that requires it; `practice` for what clients rely on without one.
    pub(super) clause: &'static str,
    /// The row of the capability matrix that it decides.
    pub(super) capability: Option<&'static str>,
    pub(super) run: Run,
}

pub(super) type Run = for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, Verdict>;

impl Check {
    pub(super) const fn new(group: &'static str, clause: &'static str, name: &'static str, run: Run) -> Self {
        Self { group, name, clause, capability: None, run }
    }

    pub(super) const fn shows(mut self, capability: &'static str) -> Self {
        self.capability = Some(capability);
        self
    }
}
