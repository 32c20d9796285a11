//! Where the settings have the tables of a kind, and everything that is done with tables of any kind.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::sources::{Layered, TableSources};
use super::toml;
use crate::config::entry::{Entry, Text};
use crate::config::error::Problem;
use crate::settings::Settings;
use crate::tables::{Form, NAME, Table, Tables, table_name};

/// Where the settings have the tables of a kind.
pub(in crate::config) struct TablesSlot<T: Table> {
    pub(super) get: fn(&Settings) -> &Tables<T>,
    pub(super) get_mut: fn(&mut Settings) -> &mut Tables<T>,
}

/// The settings to which layers are applied, with the sources of their tables.
pub(in crate::config) type Drafted<'a> = (&'a mut Settings, &'a mut TableSources);

/// One line of a table, as `hythe config` prints it.
#[derive(Debug)]
pub struct TableLine {
    /// The full name of the table or of its field.
    pub name: String,
    /// The value; an empty object for the table itself.
    pub value: Value,
    /// The line in a file.
    pub toml: String,
    /// Its source.
    pub source: String,
}

/// The tables of one kind, whatever their type.
pub(in crate::config) trait AnyTables: Sync {
    /// The kind's word in the file.
    fn word(&self) -> &'static str;
    /// Reads the value of the kind's word in the file: all tables of the kind.
    fn read(&self, text: &Text<'_>, entry: &Entry<'_>, drafted: Drafted<'_>) -> Vec<Problem>;
    /// Reads one table, `[WORD."NAME"]`.
    fn read_named(&self, text: &Text<'_>, entry: &Entry<'_>, drafted: Drafted<'_>) -> Vec<Problem>;
    /// How the file writes the tables.
    fn form(&self) -> Form;
    /// The tables, and the fields that a layer sets.
    fn lines(&self, settings: &Settings, sources: &TableSources) -> Vec<TableLine>;
    /// The full names of the tables that differ between two settings.
    fn changed(&self, old: &Settings, new: &Settings) -> Vec<String>;
    /// Copies all tables of the kind.
    fn copy(&self, from: &Settings, to: &mut Settings);
    /// Adds the kind to the reference.
    fn document(&self, page: &mut String);
}

impl<T: Table> TablesSlot<T> {
    /// The tables while a layer is applied to them.
    pub(in crate::config) fn layered<'a>(&self, (settings, sources): Drafted<'a>) -> Layered<'a, T> {
        Layered { tables: (self.get_mut)(settings), sources }
    }
}

impl<T: Table> AnyTables for TablesSlot<T> {
    fn word(&self) -> &'static str {
        T::WORD
    }

    fn form(&self) -> Form {
        T::FORM
    }

    fn read(&self, text: &Text<'_>, entry: &Entry<'_>, drafted: Drafted<'_>) -> Vec<Problem> {
        toml::read(text, &mut self.layered(drafted), entry)
    }

    fn read_named(&self, text: &Text<'_>, entry: &Entry<'_>, drafted: Drafted<'_>) -> Vec<Problem> {
        toml::read_named(text, &mut self.layered(drafted), entry)
    }

    fn lines(&self, settings: &Settings, sources: &TableSources) -> Vec<TableLine> {
        let mut lines = Vec::new();
        for (name, table) in (self.get)(settings).iter() {
            let full = table_name::<T>(name);
            let of_table = || sources.table::<T>(name).map(ToString::to_string).unwrap_or_default();
            let field = |key: &str, value: Value, source: String| {
                let name = format!("{full}.{key}");
                let toml = if T::FORM == Form::ByName { &name } else { key };
                TableLine { toml: format!("{toml} = {value}"), name, value, source }
            };
            let mut own: Vec<TableLine> = Vec::new();
            if T::FORM == Form::Listed {
                let toml = format!("[[{}]]", T::WORD);
                own.push(TableLine { name: full.clone(), value: json!({}), toml, source: of_table() });
                own.push(field(NAME, name.to_string().into(), of_table()));
            }
            let said = sources.fields::<T>(name);
            own.extend(said.map(|(of, source)| field(of.name, of.shown(table), source.to_string())));
            // A table without fields matters too.
            if own.is_empty() {
                let toml = format!("{full} = {{}}");
                own.push(TableLine { name: full.clone(), value: json!({}), toml, source: of_table() });
            }
            lines.append(&mut own);
        }
        lines
    }

    fn changed(&self, old: &Settings, new: &Settings) -> Vec<String> {
        let (old, new) = ((self.get)(old), (self.get)(new));
        let mut names: Vec<&T::Name> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| old.get(name) != new.get(name));
        names.into_iter().map(table_name::<T>).collect()
    }

    fn copy(&self, from: &Settings, to: &mut Settings) {
        (self.get_mut)(to).clone_from((self.get)(from));
    }

    fn document(&self, page: &mut String) {
        document::<T>(page);
    }
}

/// Adds a kind of table to the reference. Writing to a string cannot fail, so the results are dropped.
pub(in crate::config) fn document<T: Table>(page: &mut String) {
    let _ = write!(page, "\n{}\n", T::DOC.trim());
    let empty = T::default();
    for field in T::fields() {
        let _ = match T::FORM {
            Form::ByName => write!(page, "\n### `{}.\"NAME\".{}`\n\n", T::WORD, field.name),
            Form::Listed => write!(page, "\n### `{}` of `[[{}]]`\n\n", field.name, T::WORD),
        };
        let _ = write!(page, "{}\n\n", field.doc);
        match (field.show)(&empty) {
            Value::Null => {}
            Value::Array(items) if items.is_empty() => {}
            default => {
                let _ = writeln!(page, "- default: `{default}`");
            }
        }
        let _ = writeln!(page, "- value: {}", field.allowed);
    }
}
