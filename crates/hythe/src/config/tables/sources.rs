//! The sources of tables and of their fields, while layers are combined and afterwards.

use std::collections::BTreeMap;

use crate::config::error::Problem;
use crate::config::source::ValueSource;
use crate::tables::{Field, Table, Tables, table_name};
use crate::values::Raw;

/// The sources of all tables and of their fields.
#[derive(Clone, Debug, Default)]
pub struct TableSources(BTreeMap<String, Written>);

/// The sources of one table.
#[derive(Clone, Debug)]
struct Written {
    /// The place where the table begins.
    table: ValueSource,
    /// Each field that a layer sets, with its source.
    fields: BTreeMap<&'static str, ValueSource>,
    /// Whether a field is invalid. Further problems of the table follow from it, and are not reported.
    is_invalid: bool,
}

impl TableSources {
    fn written<T: Table>(&self, name: &T::Name) -> Option<&Written> {
        self.0.get(&table_name::<T>(name))
    }

    /// The place where a table begins.
    pub fn table<T: Table>(&self, name: &T::Name) -> Option<&ValueSource> {
        self.written::<T>(name).map(|written| &written.table)
    }

    /// The source of a field, or the table's source if no layer sets the field; `None` if there is no such table.
    pub fn source<T: Table>(&self, name: &T::Name, field: &str) -> Option<&ValueSource> {
        self.written::<T>(name).map(|written| written.fields.get(field).unwrap_or(&written.table))
    }

    /// The fields that a layer sets, in the order of the documentation.
    pub fn fields<T: Table>(
        &self,
        name: &T::Name,
    ) -> impl Iterator<Item = (&'static Field<T>, &ValueSource)> {
        let written = self.written::<T>(name);
        T::fields().iter().filter_map(move |field| Some((field, written?.fields.get(field.name)?)))
    }

    /// Whether a table has an invalid field.
    pub(in crate::config) fn is_invalid<T: Table>(&self, name: &T::Name) -> bool {
        self.written::<T>(name).is_some_and(|written| written.is_invalid)
    }

    /// Records the source of a field.
    pub(in crate::config) fn set<T: Table>(
        &mut self,
        name: &T::Name,
        field: &'static str,
        source: ValueSource,
    ) {
        if let Some(written) = self.0.get_mut(&table_name::<T>(name)) {
            written.fields.insert(field, source);
        }
    }
}

/// The tables of one kind while a layer is applied to them.
pub(in crate::config) struct Layered<'a, T: Table> {
    pub(super) tables: &'a mut Tables<T>,
    pub(super) sources: &'a mut TableSources,
}

impl<T: Table> Layered<'_, T> {
    /// Creates a table if there is none yet. Returns whether it created the table.
    pub(in crate::config) fn begin(&mut self, name: &T::Name, source: ValueSource) -> bool {
        let is_new = !self.tables.contains_key(name);
        self.tables.create(name);
        let written = Written { table: source, fields: BTreeMap::new(), is_invalid: false };
        self.sources.0.entry(table_name::<T>(name)).or_insert(written);
        is_new
    }

    /// Sets a field of a table, overriding the value of a lower layer.
    pub(in crate::config) fn set(
        &mut self,
        name: &T::Name,
        field: &'static Field<T>,
        raw: &Raw,
        source: &ValueSource,
    ) -> Result<(), Problem> {
        self.begin(name, source.clone());
        match (field.read)(self.tables.create(name), raw) {
            Ok(()) => {
                self.sources.set::<T>(name, field.name, source.clone());
                Ok(())
            }
            Err(error) => {
                if let Some(written) = self.sources.0.get_mut(&table_name::<T>(name)) {
                    written.is_invalid = true;
                }
                let shown = if field.secret { "this".to_owned() } else { raw.show() };
                let text = format!("`{}.{}` cannot be {shown}: {error}", table_name::<T>(name), field.name);
                Err(Problem::new(source.place(), text))
            }
        }
    }
}
