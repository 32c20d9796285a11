//! The output of a command: data on stdout, messages on stderr.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

use super::suggest::InEffect;
use crate::config::Problem;
use crate::failure::{BuildError, Failure};
use crate::values::Output;

/// Prints data to stdout and messages to stderr.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    output: Output,
    /// The options that complete the commands in messages.
    in_effect: Option<&'static InEffect>,
}

impl Printer {
    /// A printer to the process's own streams.
    pub fn new(output: Output) -> Self {
        Self { output, in_effect: None }
    }

    /// The same printer, which also completes the commands that messages suggest.
    pub fn suggesting(self, in_effect: &'static InEffect) -> Self {
        Self { in_effect: Some(in_effect), ..self }
    }

    /// Tells the printer the registry's port on this machine, so that suggested commands use it.
    pub fn registry_port(self, port: u16) {
        if let Some(in_effect) = self.in_effect {
            in_effect.registry_port(port);
        }
    }

    /// The format of data.
    pub fn output(self) -> Output {
        self.output
    }

    /// Prints data in the chosen format: the text or the JSON.
    pub fn data(self, text: impl Display, json: impl FnOnce() -> Value) {
        match self.output {
            Output::Text => self.write_line(&mut io::stdout(), &text),
            Output::Json => {
                let mut value = json();
                self.complete_texts(&mut value);
                let _ = writeln!(io::stdout(), "{value:#}");
            }
        }
    }

    /// Prints a list in the chosen format: a line for each entry, or the JSON.
    pub fn lines(self, lines: &[&str], json: impl FnOnce() -> Value) {
        match self.output {
            Output::Text => lines.iter().for_each(|line| self.write_line(&mut io::stdout(), line)),
            Output::Json => self.data("", json),
        }
    }

    /// Prints data that has only one format, such as a script.
    pub fn raw(self, bytes: &[u8]) {
        // An error means that the reader closed the stream. It wants no more output, and no error message.
        let _ = io::stdout().write_all(bytes);
    }

    /// Prints a message.
    pub fn note(self, text: impl Display) {
        self.write_line(&mut io::stderr(), &text);
    }

    /// Prints warnings about the configuration.
    pub fn warnings(self, warnings: &[Problem]) {
        for warning in warnings {
            self.note(format_args!("warning: {warning}"));
        }
    }

    /// Prints an error message.
    pub fn failure(self, failure: &Failure) {
        if let Failure::Build(BuildError::Needed(answer)) = failure {
            self.note(answer);
        } else if let Failure::Configuration(error) = failure {
            for problem in &error.problems {
                self.note(format_args!("error: {problem}"));
            }
        } else {
            self.note(format_args!("error: {failure}"));
        }
    }

    fn write_line(self, stream: &mut dyn Write, text: &dyn Display) {
        let text = text.to_string();
        let text = self.in_effect.map_or_else(|| text.as_str().into(), |in_effect| in_effect.complete(&text));
        // An error means that the reader closed the stream. It wants no more output, and no error message.
        let _ = writeln!(stream, "{text}");
    }

    fn complete_texts(self, value: &mut Value) {
        let Some(in_effect) = self.in_effect else { return };
        match value {
            Value::String(text) => *text = in_effect.complete(text).into_owned(),
            Value::Array(values) => values.iter_mut().for_each(|value| self.complete_texts(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.complete_texts(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
