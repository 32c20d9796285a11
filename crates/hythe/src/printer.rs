//! What a command says: data on stdout, prose on stderr.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

use crate::config::Problem;
use crate::failure::Failure;

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What a command says: data on stdout, prose on stderr.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    output: Output,
}

impl Printer {
    /// A printer to the process's own streams.
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// How data is printed.
    pub fn output(self) -> Output {
        self.output
    }

    /// Prints data: for people as the text, for programs as the JSON.
    pub fn data(self, text: impl Display, json: impl FnOnce() -> Value) {
        match self.output {
            Output::Text => write_line(&mut io::stdout(), &text),
            Output::Json => write_line(&mut io::stdout(), &format_args!("{:#}", json())),
        }
    }

    /// Prints data that has one form only, a script for one.
    pub fn raw(self, bytes: &[u8]) {
        // Whoever stopped reading wants no more, and no complaint.
        let _ = io::stdout().write_all(bytes);
    }

    /// Tells the user something.
    pub fn note(self, text: impl Display) {
        write_line(&mut io::stderr(), &text);
    }

    /// Tells the user what has no effect or needs to be known.
    pub fn warnings(self, warnings: &[Problem]) {
        for warning in warnings {
            self.note(format_args!("warning: {warning}"));
        }
    }

    /// Tells the user what failed.
    pub fn failure(self, failure: &Failure) {
        match failure {
            Failure::Configuration(error) => {
                for problem in &error.problems {
                    self.note(format_args!("error: {problem}"));
                }
            }
            Failure::Start(_) | Failure::Usage(_) | Failure::Other(_) => {
                self.note(format_args!("error: {failure}"));
            }
        }
    }
}

fn write_line(stream: &mut dyn Write, text: &dyn Display) {
    // Whoever stopped reading wants no more, and no complaint.
    let _ = writeln!(stream, "{text}");
}
