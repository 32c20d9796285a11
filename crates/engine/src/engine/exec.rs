//! Running commands in a container.

use std::convert::Infallible;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::{Engine, EngineError};

/// Time limit for a command in a container.
const PATIENCE: Duration = Duration::from_mins(2);

/// Time without output after which the engine is asked whether the command has exited.
const QUIET: Duration = Duration::from_millis(300);

/// Pause between two checks whether the command has exited.
const PAUSE: Duration = Duration::from_millis(20);

/// Writes `stdin` to the command and closes its input. Never returns, because the caller waits for the command to exit.
/// A write error is ignored: a command that closes its stdin early tells by its exit code whether that was a failure.
async fn feed(input: &mut (impl AsyncWrite + Unpin), stdin: Option<&[u8]>) -> Infallible {
    if let Some(stdin) = stdin {
        let _ = input.write_all(stdin).await;
        let _ = input.shutdown().await;
    }
    std::future::pending().await
}

/// The result of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit code.
    pub code: i64,
    /// The output on stdout.
    pub stdout: String,
    /// The output on stderr.
    pub stderr: String,
}

impl Engine {
    /// Runs a command in a running container, without a shell, and returns its result.
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<Output, EngineError> {
        self.exec_with(container, command, None).await
    }

    /// Runs a command as [`Self::exec`] does, with input on its stdin.
    pub async fn exec_with(
        &self,
        container: &str,
        command: &[&str],
        stdin: Option<&[u8]>,
    ) -> Result<Output, EngineError> {
        let doing = format!("run `{}` in {container}", command.join(" "));
        let run = async {
            let options = CreateExecOptions {
                cmd: Some(command.to_vec()),
                attach_stdin: Some(stdin.is_some()),
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                ..CreateExecOptions::default()
            };
            let failed = || EngineError::of(doing.clone());
            let exec = self.docker.create_exec(container, options).await.map_err(failed())?;
            let started = self.docker.start_exec(&exec.id, None).await.map_err(failed())?;
            let mut output = Output::default();
            if let StartExecResults::Attached { output: mut pieces, mut input } = started {
                let gather = async {
                    while let Some(piece) = self.next_piece(&mut pieces, &exec.id).await {
                        match piece.map_err(failed())? {
                            LogOutput::StdErr { message } => {
                                output.stderr.push_str(&String::from_utf8_lossy(&message));
                            }
                            LogOutput::StdOut { message }
                            | LogOutput::StdIn { message }
                            | LogOutput::Console { message } => {
                                output.stdout.push_str(&String::from_utf8_lossy(&message));
                            }
                        }
                    }
                    Ok(())
                };
                // Both at once: a command that prints while it reads would block if its output were not read meanwhile.
                tokio::select! {
                    gathered = gather => gathered?,
                    never = feed(&mut input, stdin) => match never {},
                }
            }
            output.code =
                self.exit_code(&exec.id).await.map_err(failed())?.ok_or_else(|| EngineError::Refused {
                    doing: doing.clone(),
                    status: None,
                    message: "it ended without an exit code".to_owned(),
                })?;
            Ok(output)
        };
        match timeout(PATIENCE, run).await {
            Ok(ended) => ended,
            Err(_) => Err(EngineError::Refused {
                doing: doing.clone(),
                status: None,
                message: format!("it did not end within {} s", PATIENCE.as_secs()),
            }),
        }
    }

    /// Waits until a command has exited and returns its exit code. Its output may end earlier.
    async fn exit_code(&self, exec: &str) -> Result<Option<i64>, bollard::errors::Error> {
        loop {
            let state = self.docker.inspect_exec(exec).await?;
            if state.running != Some(true) {
                return Ok(state.exit_code);
            }
            sleep(PAUSE).await;
        }
    }

    /// The next piece of the command's output, or `None` once the command has exited. The end of the stream is not
    /// enough: an engine that starts another container at that moment may keep the stream open forever.
    async fn next_piece<T>(&self, pieces: &mut (impl Stream<Item = T> + Unpin), exec: &str) -> Option<T> {
        let mut has_ended = false;
        loop {
            if let Ok(piece) = timeout(QUIET, pieces.next()).await {
                return piece;
            }
            // The engine is asked twice, because the last output may still be on its way.
            if has_ended {
                return None;
            }
            let state = self.docker.inspect_exec(exec).await;
            has_ended = state.is_ok_and(|state| state.running == Some(false));
        }
    }

    /// Runs a command that must succeed, and returns its stdout.
    pub async fn run(&self, container: &str, command: &[&str]) -> Result<String, EngineError> {
        self.run_with(container, command, None).await
    }

    /// Runs a command as [`Self::run`] does, with input on its stdin.
    pub async fn run_with(
        &self,
        container: &str,
        command: &[&str],
        stdin: Option<&[u8]>,
    ) -> Result<String, EngineError> {
        let output = self.exec_with(container, command, stdin).await?;
        if output.code == 0 {
            return Ok(output.stdout);
        }
        Err(EngineError::Command {
            container: container.to_owned(),
            command: command.join(" "),
            code: output.code,
            output: format!("{}{}", output.stdout, output.stderr).trim().to_owned(),
        })
    }
}
