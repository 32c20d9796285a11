//! Container engines of a test's own: started as root, with their own folders, ended with the value.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::binary::{built_tool, tool};
use crate::command::{attempt, program};

/// How long an engine may take to answer.
const START: Duration = Duration::from_mins(1);

/// A running dockerd or containerd.
pub struct Engine {
    name: &'static str,
    child: Child,
    client: PathBuf,
    /// What each call of the client begins with.
    address: Vec<String>,
    folder: TempDir,
}

impl Engine {
    /// Debian's dockerd, with no network of its own.
    pub fn docker() -> Self {
        Self::docker_with("{}")
    }

    /// The same with this `daemon.json`.
    pub fn docker_with(configuration: &str) -> Self {
        let folder = folder("docker");
        let socket = format!("unix://{}", folder.path().join("socket").display());
        // The machine's own configuration is none of the test's.
        fs::write(folder.path().join("daemon.json"), configuration).expect("the folder is ours");
        let mut command =
            program(tool("dockerd"), ["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.args(["--host", &socket, "--group", "root"]);
        for (flag, name) in [
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
            ("--config-file", "daemon.json"),
        ] {
            command.arg(flag).arg(folder.path().join(name));
        }
        let address = vec!["--host".to_owned(), socket];
        Self::spawn("dockerd", command, tool("docker"), address, folder, &["version"])
    }

    /// Debian's containerd.
    pub fn containerd_1() -> Self {
        Self::containerd("containerd 1", &tool("containerd"), tool("ctr"))
    }

    /// containerd 2, built from its Go module.
    pub fn containerd_2() -> Self {
        Self::containerd("containerd 2", &built_tool("containerd"), built_tool("ctr"))
    }

    fn containerd(name: &'static str, daemon: &Path, client: PathBuf) -> Self {
        let folder = folder("containerd");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (root, state, socket) = (at("root"), at("state"), at("socket"));
        let config = at("config.toml");
        // Both versions read configuration version 2. The CRI plug-in would want a network.
        let text = format!(
            "version = 2\nroot = '{root}'\nstate = '{state}'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime']\n\
             [grpc]\naddress = '{socket}'\n"
        );
        fs::write(&config, text).expect("the folder is ours");
        let mut command = program(daemon, ["--config", &config]);
        // Its shim must be of its own version, so its own folder comes first.
        let beside = daemon.parent().expect("a program lies in a folder").to_path_buf();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::iter::once(beside).chain(std::env::split_paths(&path)).chain(["/usr/sbin".into()]);
        command.env("PATH", std::env::join_paths(places).expect("no colon in these folders"));
        let address = vec!["--address".to_owned(), socket];
        Self::spawn(name, command, client, address, folder, &["version"])
    }

    fn spawn(
        name: &'static str,
        mut command: Command,
        client: PathBuf,
        address: Vec<String>,
        folder: TempDir,
        probe: &[&str],
    ) -> Self {
        let log = File::create(folder.path().join("log")).expect("the folder is ours");
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let mut engine = Self { name, child, client, address, folder };
        let begin = Instant::now();
        loop {
            let output = attempt(engine.command().args(probe));
            if output.code == Some(0) {
                return engine;
            }
            let ended = engine.child.try_wait().expect("it is our child");
            assert!(
                ended.is_none() && begin.elapsed() < START,
                "{name} does not answer ({ended:?}): {}",
                output.stderr
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The engine's client, about to talk to it.
    pub fn command(&self) -> Command {
        program(&self.client, &self.address)
    }

    /// The engine's client with these arguments.
    pub fn call(&self, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command.args(arguments);
        command
    }

    /// A folder that goes with the engine.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("--- the end of {}'s log", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        // By SIGTERM first: only so does it unmount what it mounted and end its own children.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begin.elapsed() > Duration::from_secs(20) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        unmount_below(self.folder.path());
    }
}

fn folder(name: &str) -> TempDir {
    let prefix = format!("hythe-e2e-{name}-");
    tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary folder")
}

/// Unmounts all that is mounted below `folder`, which could not be deleted otherwise.
pub fn unmount_below(folder: &Path) {
    // Engines bind a folder onto itself, more than once: what lay beneath shows only when its cover is gone.
    for _ in 0..5 {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let paths = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mut below: Vec<&str> = paths.filter(|path| Path::new(path).starts_with(folder)).collect();
        if below.is_empty() {
            return;
        }
        below.sort_unstable();
        for path in below.iter().rev() {
            attempt(&mut program(tool("umount"), ["-l", path]));
        }
    }
}
