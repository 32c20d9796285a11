//! Measures hythe, nginx, Debian's docker-registry and distribution 3 in turns, in one run.

// The bench converts sizes, times and counts to floats only to divide and print them.
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss)]

mod acceptance;
mod bench;
mod cli;
mod client;
mod contender;
mod crowd;
mod error;
mod head;
mod image;
mod load;
mod measure;
mod namespace;
mod origin;
mod population;
mod probe;
mod process;
mod random;
mod random_file;
mod report;
mod scenarios;
mod seed;
mod server;
mod sink;
mod transfer;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

use crate::bench::Bench;
use crate::cli::{Cli, Role};
use crate::contender::Contender;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::sink::Hashing;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the bench. Returns whether every contender finished.
fn run(settings: Cli) -> Result<bool> {
    if let Some(Role::Sink { port, dir, beside }) = &settings.role {
        let hashing = if *beside { Hashing::Beside } else { Hashing::Inline };
        return sink::serve(*port, dir, hashing).map(|()| true);
    }
    scenarios::check(&settings.only)?;
    namespace::enter()?;
    let (contenders, absent) = Contender::find(&settings.contenders);
    for (kind, reason) in &absent {
        eprintln!("{kind} is not measured: {reason}");
    }
    if contenders.is_empty() {
        return Err(Error::Setup("none of the contenders is on this machine".to_owned()));
    }
    let mut bench = Bench::new(settings, contenders)?;
    scenarios::run(&mut bench)?;
    let failures = bench.finish().to_vec();
    let settings = &bench.settings;
    let report =
        Report::new(&bench.contenders, usize::from(settings.rounds), settings.size, bench.measures.rows());
    print!("{}", report.table());
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    if let Some(path) = &settings.json {
        report.write(path)?;
    }
    Ok(failures.is_empty())
}
