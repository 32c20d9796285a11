//! The tables with names that a configuration can have, one file for each kind.

mod retain;
mod rule;
mod table;
mod upstream;

pub use retain::RetainTable;
pub use rule::RuleTable;
pub use table::{Field, Form, NAME, Table, Tables, table_name};
pub use upstream::{UpstreamTable, known_name};
