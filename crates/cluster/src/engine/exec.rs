//! Commands inside of a container.

use std::convert::Infallible;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::{Engine, EngineError};

/// How long a command in a container may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a command may print nothing before the engine is asked whether it ended.
const QUIET: Duration = Duration::from_millis(300);

const PAUSE: Duration = Duration::from_millis(20);

/// Writes all of it and closes. It does not end: the command's own end is what is waited for, and whoever closed its
/// stdin before says by its exit code whether that was a failure.
async fn feed(input: &mut (impl AsyncWrite + Unpin), stdin: Option<&[u8]>) -> Infallible {
    if let Some(stdin) = stdin {
        let _ = input.write_all(stdin).await;
        let _ = input.shutdown().await;
    }
    std::future::pending().await
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit code.
    pub code: i64,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it printed on stderr.
    pub stderr: String,
}

impl Engine {
    /// Runs a command in a running container, no shell between, and tells how it ended.
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<Output, EngineError> {
        self.exec_with(container, command, None).await
    }

    /// The same with something on its stdin.
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
                // Beside each other: a command that prints while it reads would otherwise wait for whoever waits for it.
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

    /// How a command ended, once it did: its output may end before it.
    async fn exit_code(&self, exec: &str) -> Result<Option<i64>, bollard::errors::Error> {
        loop {
            let state = self.docker.inspect_exec(exec).await?;
            if state.running != Some(true) {
                return Ok(state.exit_code);
            }
            sleep(PAUSE).await;
        }
    }

    /// What the command prints next, or nothing once it ended: an engine that starts another container at that moment
    /// may keep the stream open for good.
    async fn next_piece<T>(&self, pieces: &mut (impl Stream<Item = T> + Unpin), exec: &str) -> Option<T> {
        let mut has_ended = false;
        loop {
            if let Ok(piece) = timeout(QUIET, pieces.next()).await {
                return piece;
            }
            // Asked twice: what it printed last may still be on its way.
            if has_ended {
                return None;
            }
            let state = self.docker.inspect_exec(exec).await;
            has_ended = state.is_ok_and(|state| state.running == Some(false));
        }
    }

    /// Runs a command that has to succeed, and hands back what it printed on stdout.
    pub async fn run(&self, container: &str, command: &[&str]) -> Result<String, EngineError> {
        self.run_with(container, command, None).await
    }

    /// The same with something on its stdin.
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
