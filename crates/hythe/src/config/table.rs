//! The sources of the fields of one upstream's table.

use super::field::Field;
use super::fields::FIELDS;
use super::source::Source;

/// The sources of the fields of one upstream's table.
#[derive(Clone, Debug)]
pub struct TableSources {
    /// The place where the table begins.
    pub table: Source,
    /// Each field that a layer sets, with its source.
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

    /// The fields that a layer sets, in the order of [`FIELDS`].
    pub fn fields(&self) -> impl Iterator<Item = (&'static Field, &Source)> {
        FIELDS.iter().filter_map(|field| {
            let (_, source) = self.said.iter().find(|(known, _)| known.name == field.name)?;
            Some((field, source))
        })
    }

    /// The source of a field; the table's source if no layer sets the field.
    pub fn source(&self, field: &str) -> &Source {
        self.said.iter().find(|(known, _)| known.name == field).map_or(&self.table, |(_, source)| source)
    }
}
