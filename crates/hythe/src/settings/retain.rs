//! The settings of retention: one table per rule.

use hythe_lifecycle::retention::Rule;
use hythe_registry::Protection;

use crate::tables::{RetainTable, Tables};

/// The tables of retention rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retain {
    /// The tables, by their patterns.
    pub tables: Tables<RetainTable>,
}

impl Retain {
    /// The rules that can delete something.
    pub fn rules(&self) -> Vec<Rule> {
        let rules = self.tables.iter().map(|(images, table)| table.rule(images));
        rules.filter(|rule| rule.deletes() || !rule.protect.is_empty()).collect()
    }

    /// The protections of tags.
    pub fn protections(&self) -> Vec<Protection> {
        self.tables.iter().filter_map(|(images, table)| table.rule(images).protection()).collect()
    }
}
