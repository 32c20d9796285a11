//! Where what is said of one upstream came from.

use super::field::Field;
use super::fields::FIELDS;
use super::source::Source;

/// Where what is said of one upstream came from.
#[derive(Clone, Debug)]
pub struct TableSources {
    /// Where its table begins.
    pub table: Source,
    /// Each field that something was said about.
    said: Vec<(&'static Field, Source)>,
}

impl TableSources {
    pub(super) fn new(table: Source) -> Self {
        Self { table, said: Vec::new() }
    }

    pub(super) fn set(&mut self, field: &'static Field, source: Source) {
        self.said.retain(|(known, _)| known.name != field.name);
        self.said.push((field, source));
    }

    /// The fields that something was said about, in the order of [`FIELDS`].
    pub fn fields(&self) -> impl Iterator<Item = (&'static Field, &Source)> {
        FIELDS.iter().filter_map(|field| {
            let (_, source) = self.said.iter().find(|(known, _)| known.name == field.name)?;
            Some((field, source))
        })
    }

    /// Where a field came from; the table, if nothing was said about it.
    pub fn source(&self, field: &str) -> &Source {
        self.said.iter().find(|(known, _)| known.name == field).map_or(&self.table, |(_, source)| source)
    }
}
