//! Commands inside of a container.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::{Engine, EngineError};

/// How long a command in a container may take.
const PATIENCE: Duration = Duration::from_mins(2);

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
                if let Some(stdin) = stdin {
                    // Whoever closed its stdin says by its exit code whether that was a failure.
                    let _ = input.write_all(stdin).await;
                    let _ = input.shutdown().await;
                }
                while let Some(piece) = pieces.next().await {
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
            }
            let ended = self.docker.inspect_exec(&exec.id).await.map_err(failed())?;
            output.code = ended.exit_code.unwrap_or_default();
            Ok(output)
        };
        match tokio::time::timeout(PATIENCE, run).await {
            Ok(ended) => ended,
            Err(_) => Err(EngineError::Refused {
                doing: doing.clone(),
                status: None,
                message: format!("it did not end within {} s", PATIENCE.as_secs()),
            }),
        }
    }

    /// Runs a command that has to succeed, and hands back what it printed on stdout.
    pub async fn run(&self, container: &str, command: &[&str]) -> Result<String, EngineError> {
        let output = self.exec(container, command).await?;
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
