//! The binary. Everything is in the library, where tests reach it.

use std::process::ExitCode;

use clap::Parser;
use hythe::args::Args;
use hythe::config::Environment;
use hythe::{Printer, commands};

fn main() -> ExitCode {
    let args = Args::parse();
    let printer = Printer::new(args.output);
    match commands::run(args.command, &Environment::of_process(), printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
