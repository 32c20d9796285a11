//! A test as a user: it runs hythe's commands on its own engine, with its own kubeconfig and folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use crate::binary;
use crate::client::Client;
use crate::command::{Output, attempt, program, run};
use crate::engine::Engine;
use crate::process::Process;
use crate::server::{free_port, without_settings};

/// A user of hythe's commands.
pub struct Home {
    engine: Arc<Engine>,
    folder: TempDir,
    kubeconfig: Vec<PathBuf>,
    name: String,
    port: u16,
}

impl Home {
    /// A user of this engine who has not run any command yet.
    pub fn new(engine: &Arc<Engine>) -> Self {
        let folder =
            tempfile::Builder::new().prefix("hythe-e2e-home-").tempdir().expect("a temporary folder");
        Self {
            engine: Arc::clone(engine),
            folder,
            kubeconfig: Vec::new(),
            name: "kind-registry".to_owned(),
            port: free_port(),
        }
    }

    /// Gives the user's registry another name.
    pub fn with_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Adds a kubeconfig to the user's.
    pub fn add_kubeconfig(&mut self, path: PathBuf) {
        self.kubeconfig.push(path);
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The user's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The port of the user's registry on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of the user's registry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The registry's name in manifests and pushes: `localhost:PORT`.
    pub fn registry(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// A client of the user's registry.
    pub fn client(&self) -> Client {
        Client::new(([127, 0, 0, 1], self.port).into())
    }

    /// A command that runs hythe with these arguments.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = program(binary::hythe(), words);
        self.equip(&mut command);
        command
    }

    /// Gives a command the user's folder and environment.
    fn equip(&self, command: &mut Command) {
        without_settings(command);
        let kubeconfig = std::env::join_paths(&self.kubeconfig).expect("no colon in these folders");
        command
            .env("HYTHE_ENGINE", self.engine.address())
            .env("HOME", self.folder.path())
            .env("REG_NAME", &self.name)
            .env("KUBECONFIG", kubeconfig)
            .env_remove("DOCKER_HOST")
            .current_dir(self.folder.path());
    }

    /// Runs hythe.
    pub fn attempt(&self, words: &[&str]) -> Output {
        attempt(&mut self.command(words))
    }

    /// Runs hythe without the variables that name the registry, its port and the engine.
    pub fn attempt_plainly(&self, words: &[&str]) -> Output {
        attempt(without_target(&mut self.command(words)))
    }

    /// Runs a command line that hythe suggested in a shell, without the variables that name the registry, its port and
    /// the engine.
    pub fn shell(&self, suggested: &str) -> Output {
        let bin = self.folder.path().join("bin");
        std::fs::create_dir_all(&bin).expect("the folder is ours");
        let hythe = bin.join("hythe");
        if !hythe.exists() {
            std::os::unix::fs::symlink(binary::hythe(), &hythe).expect("the folder is ours");
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path)));
        let mut command = program("/bin/sh", ["-c", suggested]);
        self.equip(&mut command);
        attempt(without_target(&mut command).env("PATH", path.expect("no colon in these folders")))
    }

    /// Runs hythe, which must succeed, and returns its stdout.
    pub fn run(&self, words: &[&str]) -> String {
        run(&mut self.command(words))
    }

    /// Runs `hythe up` on the user's port.
    pub fn up(&self, words: &[&str]) -> Output {
        let port = self.port.to_string();
        let mut all = vec!["up", "--port", &port];
        all.extend_from_slice(words);
        self.attempt(&all)
    }

    /// Runs hythe with JSON output, which must succeed, and returns that output.
    pub fn json(&self, words: &[&str]) -> Value {
        let mut all = vec!["--output", "json"];
        all.extend_from_slice(words);
        let printed = self.run(&all);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Starts hythe with these arguments beside the test.
    pub fn spawn(&self, words: &[&str]) -> Process {
        let log = self.folder.path().join(format!("{}.log", words.join("-")));
        Process::spawn(&format!("hythe {}", words.join(" ")), &mut self.command(words), &log)
    }

    /// Runs the engine's client, which must succeed.
    pub fn docker(&self, words: &[&str]) -> String {
        run(&mut self.engine.call(words))
    }
}

fn without_target(command: &mut Command) -> &mut Command {
    for variable in ["REG_NAME", "REG_PORT", "HYTHE_ENGINE"] {
        command.env_remove(variable);
    }
    command
}
