//! A value that the cache answers with, and where it comes from.

use std::time::Duration;

/// Where an answer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It was stored, and no request to the upstream was needed.
    Hit,
    /// It was fetched for this answer.
    Miss,
    /// It was stored, and the upstream confirmed it.
    Revalidated,
    /// It was stored, and the upstream could not confirm it.
    Stale {
        /// Why the upstream could not be asked.
        why: String,
        /// How long ago the upstream last confirmed it; `None` if that was before the start.
        age: Option<Duration>,
    },
    /// It is the stored part of a list that the upstream could not be asked for.
    Part {
        /// Why the upstream could not be asked.
        why: String,
    },
}

/// A value, and where it comes from.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// The requested thing.
    pub value: T,
    /// Where it comes from.
    pub freshness: Freshness,
}

impl<T> Found<T> {
    pub(crate) fn new(value: T, freshness: Freshness) -> Self {
        Self { value, freshness }
    }
}
