//! `registry`: this program in the place of a `registry:2`.

use super::{gc, serve};
use crate::args::RegistryCommand;
use crate::config::{Environment, Inputs};
use crate::failure::Failure;
use crate::printer::Printer;

/// Does what a `registry:2` would have been asked to do.
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
