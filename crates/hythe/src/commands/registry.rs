//! The program `registry`: hythe with the commands of a `registry:2`, to replace it.

use super::{gc, serve};
use crate::args::RegistryCommand;
use crate::config::{Environment, Inputs};
use crate::console::Printer;
use crate::failure::Failure;

/// Runs a command of `registry:2`.
pub fn registry(
    command: RegistryCommand,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let inputs = |file| Inputs { file, in_place: true, ..Inputs::default() };
    match command {
        RegistryCommand::Serve { config } => serve::serve(inputs(config), environment, printer),
        RegistryCommand::GarbageCollect { config, what, quiet } => {
            gc::collect_here(&inputs(config), what, quiet, environment, printer)
        }
    }
}
