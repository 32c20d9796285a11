//! Runs the builder's programs. Their arguments never go through a shell.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use super::super::image::Image;
use crate::failure::{BuildError, Failure};

/// What a missing program does, after its name.
pub(super) const NOT_INSTALLED: &str = "is not installed";

/// The builder's programs, and the engine that `docker` uses.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The engine's address. Without it, Docker's client chooses the engine.
    pub(super) address: Option<String>,
}

impl Client {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some(address) = self.address.as_ref().filter(|_| program == "docker") {
            // The client prefers a context to an address.
            command.env("DOCKER_HOST", address).env_remove("DOCKER_CONTEXT");
        }
        command
    }

    /// Runs a program to its end, with its output on stderr: stdout is for the command's own data.
    pub(super) fn run(
        &self,
        program: &str,
        title: &str,
        arguments: &[OsString],
        input: Option<&str>,
        image: &Image,
    ) -> Result<(), Failure> {
        let failed = |reason: String| BuildError::Program {
            image: image.name.clone(),
            command: title.to_owned(),
            reason,
        };
        let mut command = self.command(program);
        command.args(arguments).stdout(Stdio::from(io::stderr()));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child =
            command.spawn().map_err(|error| failed(format!("{program} cannot be run: {error}")))?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // Writing fails if the program ends without reading; its status then says more.
            let _ = stdin.write_all(text.as_bytes());
        }
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        if status.success() { Ok(()) } else { Err(failed(format!("{status}; its output is above")).into()) }
    }

    /// What a program prints. The error completes a sentence that begins with the program's name.
    pub(super) fn answer(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(program).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NOT_INSTALLED.to_owned(),
            _ => format!("cannot be run: {error}"),
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.trim().lines().next().unwrap_or("it failed");
        Err(format!("says: {line}"))
    }

    /// Whether a program succeeds.
    pub(super) fn works(&self, program: &str, arguments: &[&str]) -> bool {
        self.answer(program, arguments).is_ok()
    }

    /// The version of the engine that `docker` uses.
    pub(super) fn docker(&self) -> Result<String, String> {
        self.answer("docker", &["version", "--format", "{{.Server.Version}}"])
    }
}
