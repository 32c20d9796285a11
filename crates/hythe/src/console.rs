//! What a command shows: data, messages, tables, progress, and the commands that its messages suggest.

mod human;
mod line;
mod printer;
mod progress;
mod suggest;
mod table;
mod tally;

pub(crate) use human::{ago, count_of, size};
pub(crate) use line::Line;
pub use printer::Printer;
pub(crate) use progress::Progress;
pub use suggest::InEffect;
pub(crate) use table::table;
pub(crate) use tally::Tally;
