//! The tables with names that a configuration can have, one file for each kind.

mod table;
mod upstream;

pub use table::{Field, Form, NAME, Table, Tables, table_name};
pub use upstream::{UpstreamTable, known_name};
