//! The settings of retention: the keys `retain.*`, and one table per rule.

use std::time::Duration;

use hythe_lifecycle::retention::Rule;
use hythe_registry::Protection;

use crate::tables::{RetainTable, Tables};

/// The keys `retain.*`, and the tables below them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Retain {
    pub interval: Duration,
    pub max_images: u64,
    pub max_percent: u64,
    /// The tables, by their patterns.
    pub tables: Tables<RetainTable>,
}

impl Default for Retain {
    fn default() -> Self {
        Self {
            interval: Duration::from_hours(24),
            max_images: 100,
            max_percent: 10,
            tables: Tables::default(),
        }
    }
}

impl Retain {
    /// The rules.
    pub fn rules(&self) -> Vec<Rule> {
        self.tables.iter().map(|(images, table)| table.rule(images)).collect()
    }

    /// The protections of tags.
    pub fn protections(&self) -> Vec<Protection> {
        self.tables.iter().filter_map(|(images, table)| table.rule(images).protection()).collect()
    }
}
