//! Carrying out a plan: stages every file, renames all of them into place, and restarts containerd if its own
//! configuration changed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::plan::{COPY, Plan, Write};
use super::survey::{RESTART_DUE, Survey};
use crate::step::{Outcome, Report, Step};
use hythe_engine::{Engine, EngineError, File};

/// The suffix of a file's name until the file is written completely.
const STAGED: &str = ".hythe-staged";
/// Time within which containerd must answer after a restart.
const PATIENCE: Duration = Duration::from_secs(30);

impl Plan {
    pub(super) async fn apply(
        &self,
        engine: &Engine,
        subject: &str,
        survey: &Survey,
        report: Report<'_>,
    ) -> Result<(), EngineError> {
        let node = survey.node.as_str();
        // The hosts.toml files come before containerd's configuration: once that points to them, all of them are there.
        put(engine, node, &self.hosts).await?;
        for folder in &self.obsolete {
            take_away(engine, node, folder).await?;
        }
        let hosts = self.hosts.len();
        if hosts + self.obsolete.len() > 0 {
            let text = match (hosts, self.obsolete.len()) {
                (hosts, 0) => format!("{hosts} hosts.toml files written, {} already up to date", self.same),
                (hosts, gone) => {
                    let same = self.same;
                    format!("{hosts} hosts.toml files written, {gone} removed, {same} already up to date")
                }
            };
            report(Step::new(subject, Outcome::Changed, text));
        }
        for write in self.hosts.iter().filter(|write| write.keep && write.before.is_some()) {
            let path = &write.file.path;
            let text =
                format!("replaced {path}, which hythe did not write; its old content is in {path}{COPY}");
            report(Step::new(subject, Outcome::Changed, text));
        }
        if !self.configs.is_empty() || self.restart {
            self.reconfigure(engine, node).await?;
            let paths: Vec<&str> = self.configs.iter().map(|write| write.file.path.as_str()).collect();
            let text = if paths.is_empty() {
                "restarted containerd: an earlier change of its configuration was not followed by a restart"
                    .to_owned()
            } else {
                format!("set config_path in {} and restarted containerd", paths.join(", "))
            };
            report(Step::new(subject, Outcome::Changed, text));
        }
        for left in &self.left {
            report(Step::new(subject, Outcome::Skipped, left.clone()));
        }
        if self.is_empty() {
            report(Step::new(
                subject,
                Outcome::Unchanged,
                format!("{} hosts.toml files are up to date", self.same),
            ));
        }
        Ok(())
    }

    /// Changes containerd's own configuration and restarts containerd. Until the restart a marker file says that it is
    /// due, so that the next command makes up for it if this one is interrupted.
    async fn reconfigure(&self, engine: &Engine, node: &str) -> Result<(), EngineError> {
        for write in &self.configs {
            // The tool that created the node may have changed the file since it was read.
            let now = engine.read(node, &write.file.path).await?.unwrap_or_default();
            if now != write.before.as_deref().unwrap_or_default() {
                return Err(EngineError::Refused {
                    doing: format!("change {} of {node}", write.file.path),
                    status: None,
                    message: "another program changed it at the same time; run the command again".to_owned(),
                });
            }
        }
        let mark = File {
            path: RESTART_DUE.to_owned(),
            content: "hythe changed containerd's configuration\n".to_owned(),
        };
        rename_into_place(engine, node, vec![mark]).await?;
        put(engine, node, &self.configs).await?;
        let Err(error) = restart(engine, node).await else {
            return engine.run(node, &["rm", "-f", RESTART_DUE]).await.map(drop);
        };
        let back = async {
            put_back(engine, node, &self.configs).await?;
            restart(engine, node).await?;
            engine.run(node, &["rm", "-f", RESTART_DUE]).await
        };
        let back = match back.await {
            Ok(_) => "its previous configuration is restored, and it runs".to_owned(),
            Err(error) => format!("its previous configuration could not be restored: {error}"),
        };
        Err(EngineError::Refused {
            doing: format!("restart containerd in {node}"),
            status: None,
            message: format!("{error}; {back}"),
        })
    }
}

/// Removes hythe's `hosts.toml` from its folder and restores the file that it replaced. Other files in the folder stay.
pub(super) async fn take_away(engine: &Engine, node: &str, folder: &str) -> Result<(), EngineError> {
    let path = format!("{folder}/hosts.toml");
    let copy = format!("{path}{COPY}");
    if engine.read(node, &copy).await?.is_some() {
        return engine.run(node, &["mv", "-f", &copy, &path]).await.map(drop);
    }
    engine.run(node, &["rm", "-f", &path]).await?;
    // An empty directory would hide `_default`. `rmdir` leaves a directory that has other files, such as certificates.
    engine.exec(node, &["rmdir", folder]).await.map(drop)
}

/// Writes files atomically: containerd never reads a half-written file.
async fn put(engine: &Engine, node: &str, writes: &[Write]) -> Result<(), EngineError> {
    if writes.is_empty() {
        return Ok(());
    }
    let mut staged = Vec::new();
    for write in writes {
        let path = &write.file.path;
        if let Some(before) = write.before.as_ref().filter(|_| write.keep) {
            let copy = format!("{path}{COPY}");
            // Only the first copy is of a file that hythe did not write; keep it.
            if engine.read(node, &copy).await?.is_none() {
                staged.push(File { path: copy, content: before.clone() });
            }
        }
        staged.push(File { path: path.clone(), content: write.file.content.clone() });
    }
    rename_into_place(engine, node, staged).await
}

async fn put_back(engine: &Engine, node: &str, writes: &[Write]) -> Result<(), EngineError> {
    let mut files = Vec::new();
    for write in writes {
        match &write.before {
            Some(content) => files.push(File { path: write.file.path.clone(), content: content.clone() }),
            None => drop(engine.run(node, &["rm", "-f", &write.file.path]).await?),
        }
    }
    rename_into_place(engine, node, files).await
}

/// Writes each file under another name, then renames all of them with one command.
pub(super) async fn rename_into_place(
    engine: &Engine,
    node: &str,
    files: Vec<File>,
) -> Result<(), EngineError> {
    if files.is_empty() {
        return Ok(());
    }
    // The process id keeps two commands that run at once from staging under the same name.
    let staging = format!("{STAGED}-{}", std::process::id());
    let mut pairs = Vec::new();
    let staged: Vec<File> = files
        .into_iter()
        .map(|file| {
            let staged = format!("{}{staging}", file.path);
            pairs.extend_from_slice(format!("{staged}\0{}\0", file.path).as_bytes());
            File { path: staged, content: file.content }
        })
        .collect();
    engine.write(node, &staged).await?;
    engine.run_with(node, &["xargs", "-0", "-n", "2", "mv", "-f"], Some(&pairs)).await.map(drop)
}

/// Restarts containerd and waits until its CRI plugin works. Running containers are not interrupted.
pub(crate) async fn restart(engine: &Engine, node: &str) -> Result<(), EngineError> {
    engine.run(node, &["systemctl", "restart", "containerd"]).await?;
    let began = Instant::now();
    loop {
        let answer = engine.exec(node, &["ctr", "plugins", "ls"]).await?;
        match cri(&answer.stdout) {
            Some("ok") => return Ok(()),
            // containerd answers, but its CRI plugin failed: waiting does not help.
            Some(_) => {
                return Err(EngineError::Command {
                    container: node.to_owned(),
                    command: "systemctl restart containerd".to_owned(),
                    code: answer.code,
                    output: "containerd runs, but its CRI plugin does not, so Kubernetes cannot use it: journalctl -u \
                             containerd says why"
                        .to_owned(),
                });
            }
            None => {}
        }
        if began.elapsed() > PATIENCE {
            return Err(EngineError::Command {
                container: node.to_owned(),
                command: "systemctl restart containerd".to_owned(),
                code: answer.code,
                output: format!(
                    "containerd did not answer within {} s ({})",
                    PATIENCE.as_secs(),
                    answer.stderr.trim()
                ),
            });
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The state of the CRI plugin, which serves Kubernetes, in the output of `ctr plugins ls`.
fn cri(plugins: &str) -> Option<&str> {
    let row = plugins.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut row =
        row.filter(|row| row.first() == Some(&"io.containerd.grpc.v1") && row.get(1) == Some(&"cri"));
    row.next()?.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerd_is_back_when_its_cri_plugin_is() {
        let table = [
            ("TYPE ID PLATFORMS STATUS\nio.containerd.grpc.v1 cri linux/amd64 ok\n", Some("ok")),
            ("io.containerd.grpc.v1    cri    -    error\n", Some("error")),
            ("io.containerd.grpc.v1 images - ok\n", None),
            ("", None),
        ];
        for (printed, expected) in table {
            assert_eq!(cri(printed), expected, "{printed}");
        }
    }
}
