//! The `hythe` command: arguments, configuration in layers, output, and one file per command.

pub mod args;
pub mod commands;
pub mod config;
mod failure;
mod printer;
pub mod reference;
pub mod settings;
mod suggest;
pub mod values;

pub use failure::{EXIT_CODES, Failure, StartError};
pub use printer::{Output, Printer};
pub use settings::Settings;
pub use suggest::InEffect;
