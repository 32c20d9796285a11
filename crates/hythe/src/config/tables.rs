//! The kinds of tables in the configuration, and the operations on tables of any kind.

mod slot;
mod sources;
mod toml;

pub use slot::TableLine;
pub(super) use slot::{AnyTables, Drafted, TablesSlot};
pub use sources::TableSources;
pub(super) use toml::with_article;

use crate::settings::Settings;
use crate::tables::{Form, RetainTable, RuleTable, UpstreamTable};

/// Every kind of table, in the order of the documentation. A new kind needs a file with its type, a field of `Settings`
/// for its tables, and a line here.
pub(super) static TABLES: &[&dyn AnyTables] = &[UPSTREAMS, RETENTION, ACCESS];

/// The upstreams' tables.
pub(super) static UPSTREAMS: &TablesSlot<UpstreamTable> = &TablesSlot {
    get: |settings| &settings.upstream.tables,
    get_mut: |settings| &mut settings.upstream.tables,
};

/// The tables of retention rules.
static RETENTION: &TablesSlot<RetainTable> =
    &TablesSlot { get: |settings| &settings.retain.tables, get_mut: |settings| &mut settings.retain.tables };

/// The tables of rules about access.
static ACCESS: &TablesSlot<RuleTable> =
    &TablesSlot { get: |settings| &settings.auth.rules, get_mut: |settings| &mut settings.auth.rules };

/// The kind with this word.
pub(super) fn kind(word: &str) -> Option<&'static dyn AnyTables> {
    TABLES.iter().find(|tables| tables.word() == word).copied()
}

/// The tables of every kind, and their fields that a layer sets. Listed tables come last: in a file, keys after the header
/// of a table belong to that table.
pub(super) fn lines(settings: &Settings, sources: &TableSources) -> Vec<TableLine> {
    let of = |form: Form| TABLES.iter().filter(move |tables| tables.form() == form);
    let all = of(Form::ByName).chain(of(Form::Listed));
    all.flat_map(|tables| tables.lines(settings, sources)).collect()
}

/// Adds every kind of table to the reference.
pub(crate) fn document_tables(page: &mut String) {
    for tables in TABLES {
        tables.document(page);
    }
}
