//! A plan carried out: every file staged, then renamed, and containerd started anew where it has to be.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::plan::{COPY, Plan, Write};
use super::survey::Survey;
use crate::engine::{Engine, EngineError, File};
use crate::step::{Outcome, Report, Step};

/// What a file is called until it is whole.
const STAGED: &str = ".hythe-staged";
/// How long containerd may take to come back.
const PATIENCE: Duration = Duration::from_secs(30);

impl Plan {
    pub(super) async fn apply(
        &self,
        engine: &Engine,
        subject: &str,
        survey: &Survey,
        report: Report<'_>,
    ) -> Result<(), String> {
        self.carry_out(engine, subject, survey, report).await.map_err(|error| error.to_string())
    }

    async fn carry_out(
        &self,
        engine: &Engine,
        subject: &str,
        survey: &Survey,
        report: Report<'_>,
    ) -> Result<(), EngineError> {
        let node = survey.node.as_str();
        // What containerd reads at each pull comes first: when it is told to look there, it finds all of it.
        put(engine, node, &self.hosts).await?;
        if !self.obsolete.is_empty() {
            let mut command = vec!["rm", "-rf", "--"];
            command.extend(self.obsolete.iter().map(String::as_str));
            engine.run(node, &command).await?;
        }
        let hosts = self.hosts.len();
        if hosts + self.obsolete.len() > 0 {
            let text = match (hosts, self.obsolete.len()) {
                (hosts, 0) => format!("{hosts} hosts.toml written, {} were as they should be", self.same),
                (hosts, gone) => {
                    format!("{hosts} hosts.toml written, {gone} removed, {} as they should be", self.same)
                }
            };
            report(Step::new(subject, Outcome::Changed, text));
        }
        for write in self.hosts.iter().filter(|write| write.keep && write.before.is_some()) {
            let path = &write.file.path;
            let text = format!("{path} was somebody else's; what it said is in {path}{COPY}");
            report(Step::new(subject, Outcome::Changed, text));
        }
        if !self.configs.is_empty() {
            put(engine, node, &self.configs).await?;
            if let Err(error) = restart(engine, node).await {
                put_back(engine, node, &self.configs).await?;
                let _ = restart(engine, node).await;
                return Err(error);
            }
            let paths: Vec<&str> = self.configs.iter().map(|write| write.file.path.as_str()).collect();
            let text = format!("{} says config_path now, and containerd was started anew", paths.join(", "));
            report(Step::new(subject, Outcome::Changed, text));
        }
        for left in &self.left {
            report(Step::new(subject, Outcome::Skipped, left.clone()));
        }
        if self.is_empty() {
            report(Step::new(
                subject,
                Outcome::Unchanged,
                format!("{} hosts.toml are as they should be", self.same),
            ));
        }
        Ok(())
    }
}

/// Writes files whole: nobody who reads them meanwhile sees a half.
async fn put(engine: &Engine, node: &str, writes: &[Write]) -> Result<(), EngineError> {
    if writes.is_empty() {
        return Ok(());
    }
    let mut staged = Vec::new();
    for write in writes {
        let path = &write.file.path;
        if let Some(before) = write.before.as_ref().filter(|_| write.keep) {
            let copy = format!("{path}{COPY}");
            // The first copy is the one of what hythe did not write.
            if engine.read(node, &copy).await?.is_none() {
                staged.push(File { path: copy, content: before.clone() });
            }
        }
        staged.push(File { path: path.clone(), content: write.file.content.clone() });
    }
    rename_into_place(engine, node, staged).await
}

async fn put_back(engine: &Engine, node: &str, writes: &[Write]) -> Result<(), EngineError> {
    let files = writes
        .iter()
        .filter_map(|write| Some(File { path: write.file.path.clone(), content: write.before.clone()? }));
    rename_into_place(engine, node, files.collect()).await
}

/// Writes each file under another name, then renames all of them by one command.
pub(super) async fn rename_into_place(
    engine: &Engine,
    node: &str,
    files: Vec<File>,
) -> Result<(), EngineError> {
    let mut pairs = Vec::new();
    let staged: Vec<File> = files
        .into_iter()
        .map(|file| {
            let staged = format!("{}{STAGED}", file.path);
            pairs.extend_from_slice(format!("{staged}\0{}\0", file.path).as_bytes());
            File { path: staged, content: file.content }
        })
        .collect();
    engine.write(node, &staged).await?;
    let command = ["xargs", "-0", "-n", "2", "mv", "-f"];
    let output = engine.exec_with(node, &command, Some(&pairs)).await?;
    if output.code == 0 {
        return Ok(());
    }
    Err(EngineError::Command {
        container: node.to_owned(),
        command: command.join(" "),
        code: output.code,
        output: format!("{}{}", output.stdout, output.stderr).trim().to_owned(),
    })
}

/// Starts containerd anew and waits until it answers. What it runs goes on meanwhile.
pub(crate) async fn restart(engine: &Engine, node: &str) -> Result<(), EngineError> {
    engine.run(node, &["systemctl", "restart", "containerd"]).await?;
    let began = Instant::now();
    loop {
        // Both sides of it: the client's own version is no answer.
        let answer = engine.exec(node, &["ctr", "version"]).await?;
        if answer.code == 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(EngineError::Command {
                container: node.to_owned(),
                command: "systemctl restart containerd".to_owned(),
                code: answer.code,
                output: format!(
                    "containerd did not come back within {} s ({}); its configuration was put back",
                    PATIENCE.as_secs(),
                    answer.stderr.trim()
                ),
            });
        }
        sleep(Duration::from_millis(100)).await;
    }
}
