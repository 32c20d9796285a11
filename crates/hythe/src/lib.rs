//! The `hythe` command: arguments, configuration in layers, output, and one file per command.

pub mod args;
pub mod commands;
pub mod config;
mod console;
mod failure;
pub mod reference;
pub mod settings;
pub mod values;

pub use console::{InEffect, Printer};
pub use failure::{EXIT_CODES, Failure, StartError};
pub use settings::Settings;
