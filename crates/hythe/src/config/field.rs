//! One field of an upstream's table: its name, its sentence, its place in [`UpstreamTable`].

use std::fmt;

use hythe_oci::Authority;
use serde_json::Value;

use super::raw::Raw;
use crate::settings::UpstreamTable;
use crate::values::{HIDDEN, ValueError};

/// One field of an upstream's table. File, `hythe config` and the documentation all read this.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it means, in sentences.
    pub doc: &'static str,
    /// What is allowed, for the documentation.
    pub allowed: &'static str,
    /// Whether its value must not be printed.
    pub secret: bool,
    pub(super) read: fn(&mut UpstreamTable, &Raw) -> Result<(), ValueError>,
    pub(super) show: fn(&UpstreamTable) -> Value,
}

// By its name: nobody debugs by a table's function pointers.
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

    /// The value as JSON, which for these is also TOML; of a secret only that there is one.
    pub fn show(&self, table: &UpstreamTable) -> Value {
        if self.secret { HIDDEN.into() } else { (self.show)(table) }
    }

    /// Its whole name, as the file could write it on the top level.
    pub fn of(&self, upstream: &Authority) -> String {
        format!("{}.{}", table_name(upstream), self.name)
    }
}

/// The name of an upstream's table. A name has no character that quotes would need to escape.
pub fn table_name(upstream: &Authority) -> String {
    format!("upstream.\"{upstream}\"")
}
