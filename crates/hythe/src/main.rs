//! The binary. All other code is in the library, so that tests can use it.

use std::process::ExitCode;

use clap::Parser;
use hythe::args::{Args, Called, RegistryArgs, called};
use hythe::config::Environment;
use hythe::values::Output;
use hythe::{InEffect, Printer, commands};

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let (printer, result) = match called(std::env::args_os().collect()) {
        Called::Registry(arguments) => {
            let printer = Printer::new(Output::Text);
            (printer, commands::registry(RegistryArgs::parse_from(arguments).command, &environment, printer))
        }
        Called::Hythe(arguments) => {
            let args = Args::parse_from(arguments);
            // Leaked, because the printer is used until the process ends.
            let in_effect = Box::leak(Box::new(InEffect::of(&args.command, &environment)));
            let printer = Printer::new(args.output).suggesting(in_effect);
            (printer, commands::run(args.command, &environment, printer))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
