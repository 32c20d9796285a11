//! One field of an upstream's table: its name, documentation and place in [`UpstreamTable`].

use std::fmt;

use hythe_oci::Authority;
use serde_json::Value;

use super::raw::Raw;
use crate::settings::UpstreamTable;
use crate::values::{HIDDEN, ValueError};

/// One field of an upstream's table. The file, `hythe config` and the documentation all use this definition.
pub struct Field {
    /// The field's name.
    pub name: &'static str,
    /// The documentation, in sentences.
    pub doc: &'static str,
    /// The allowed values, for the documentation.
    pub allowed: &'static str,
    /// Whether the value is a secret, which must not be printed.
    pub secret: bool,
    pub(super) read: fn(&mut UpstreamTable, &Raw) -> Result<(), ValueError>,
    pub(super) show: fn(&UpstreamTable) -> Value,
}

// Shows only the name: function pointers do not help to debug.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Field {
    /// Reads a value into its place.
    pub fn read(&self, table: &mut UpstreamTable, raw: &Raw) -> Result<(), ValueError> {
        (self.read)(table, raw)
    }

    /// The value as JSON, which is also valid TOML; for a secret, a placeholder.
    pub fn show(&self, table: &UpstreamTable) -> Value {
        if self.secret { HIDDEN.into() } else { (self.show)(table) }
    }

    /// The field's full name, as the file can write it at the top level.
    pub fn of(&self, upstream: &Authority) -> String {
        format!("{}.{}", table_name(upstream), self.name)
    }
}

/// The name of an upstream's table in the file. An upstream's name needs no escapes within the quotes.
pub fn table_name(upstream: &Authority) -> String {
    format!("upstream.\"{upstream}\"")
}
