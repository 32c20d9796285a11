//! `hythe completion SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::printer::Printer;

/// Prints a shell's completion script.
pub(super) fn completion(shell: Shell, printer: Printer) {
    // Into memory first: the generator panics when a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "hythe", &mut script);
    printer.raw(&script);
}
