//! Runs the builder's programs. Their arguments never go through a shell.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::super::image::Image;
use crate::failure::{BuildError, Failure};

/// What a missing program does, after its name.
pub(super) const NOT_INSTALLED: &str = "is not installed";

/// Pause between two looks whether a program has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// Time that a program has to end by itself before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

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
    pub(super) async fn run(
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
        let child = command.spawn().map_err(|error| failed(format!("{program} cannot be run: {error}")))?;
        let mut child = Running(child);
        if let (Some(text), Some(mut stdin)) = (input, child.0.stdin.take()) {
            // Writing fails if the program ends without reading; its status then says more.
            let _ = stdin.write_all(text.as_bytes());
        }
        let status = child.ended().await.map_err(|error| failed(error.to_string()))?;
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

/// A program that runs. It is ended when it is dropped, so that it does not outlive an interrupted command.
struct Running(Child);

impl Running {
    /// Waits until the program has ended.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process};

            // A builder cleans up after itself when it is asked to end.
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end && matches!(self.0.try_wait(), Ok(None)) {
                thread::sleep(PAUSE);
            }
        }
        // Fails if the program has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
