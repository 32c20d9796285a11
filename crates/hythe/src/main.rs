//! The binary. Everything is in the library, where tests reach it.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use hythe::args::{Args, RegistryArgs};
use hythe::config::Environment;
use hythe::{Output, Printer, commands};

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let (printer, result) = if is_registry() {
        let printer = Printer::new(Output::Text);
        (printer, commands::registry(RegistryArgs::parse().command, &environment, printer))
    } else {
        let args = Args::parse();
        let printer = Printer::new(args.output);
        (printer, commands::run(args.command, &environment, printer))
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Whether it was called by the name of what it stands for.
fn is_registry() -> bool {
    let name = std::env::args_os().next();
    name.as_deref().and_then(|name| Path::new(name).file_name()).is_some_and(|name| name == "registry")
}
