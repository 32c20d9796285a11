//! The `hythe` command: arguments, configuration in layers, output, and one file per command.

pub mod args;
pub mod commands;
pub mod config;
mod console;
mod failure;
pub mod reference;
pub mod settings;
pub mod tables;
pub mod values;

pub use console::{InEffect, Printer};
pub use failure::{AnswerError, BuildError, EXIT_CODES, Failure, FileError, StartError};
#[cfg(feature = "cluster")]
pub use failure::{Fixable, LocalError};
pub use settings::Settings;
