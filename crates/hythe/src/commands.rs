//! What `hythe` can be asked to do, one file per verb.

mod cache;
mod completion;
mod config;
mod docs;
pub mod serve;
mod version;

pub use cache::{Platform, find_images, parse_image};

use crate::args::Command;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::Printer;

/// Does what was asked.
pub fn run(command: Command, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::serve(args.inputs(), environment, printer),
        Command::Config(args) => config::config(&args.inputs(), environment, printer),
        Command::Cache(args) => cache::cache(args, environment, printer),
        Command::Version => {
            version::version(printer);
            Ok(())
        }
        Command::Completion { shell } => {
            completion::completion(shell, printer);
            Ok(())
        }
        Command::Docs { folder } => docs::docs(&folder, printer),
    }
}
