//! Running a program to its end. If it fails, the panic shows all its output.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use hythe_oci::Digest;

/// The output and exit code of a program.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The text on standard output.
    pub stdout: String,
    /// The text on standard error.
    pub stderr: String,
    /// The exit code. `None` if a signal ended the program.
    pub code: Option<i32>,
}

/// A program and its first arguments.
pub fn program<I: AsRef<OsStr>>(path: impl AsRef<Path>, arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(path.as_ref());
    command.args(arguments).stdin(Stdio::null());
    command
}

impl Output {
    /// The command lines that hythe's messages suggest.
    pub fn suggested(&self) -> Vec<String> {
        suggested_in(&format!("{}{}", self.stdout, self.stderr))
    }

    /// The suggested command line with this beginning.
    #[track_caller]
    pub fn suggestion(&self, beginning: &str) -> String {
        let all = self.suggested();
        let found = all.iter().find(|line| line.starts_with(beginning));
        found.unwrap_or_else(|| panic!("`{beginning}` is not suggested: {all:?}\n{self:?}")).clone()
    }
}

/// The command lines that a message of hythe suggests: texts between backticks that begin with `hythe`.
pub fn suggested_in(text: &str) -> Vec<String> {
    let found = text.match_indices("`hythe ").filter_map(|(at, _)| text[at + 1..].split('`').next());
    found.map(str::to_owned).collect()
}

/// Runs `command` and returns its output, whatever its exit code.
pub fn attempt(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    Output {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

/// Runs `command`, which must succeed, and returns its trimmed standard output.
pub fn run(command: &mut Command) -> String {
    let output = attempt(command);
    assert!(
        output.code == Some(0),
        "{command:?} failed with {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.code,
        output.stdout,
        output.stderr
    );
    output.stdout.trim().to_owned()
}

/// The first digest in what a client printed.
pub fn digest_in(text: &str) -> Digest {
    let start = text.find("sha256:").unwrap_or_else(|| panic!("no digest in: {text}"));
    text[start..]
        .chars()
        .take(71)
        .collect::<String>()
        .parse()
        .unwrap_or_else(|error| panic!("{error} in: {text}"))
}
