//! A hythe process for one test, with its own folder, port and log.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::binary;
use crate::client::Client;
use crate::command;

/// Time limit for a start. It is long because the machine may be busy with other suites.
const START: Duration = Duration::from_secs(30);

/// A server that runs, or that was stopped and can be started again on the same folder and port.
pub struct Server {
    child: Option<Child>,
    address: SocketAddr,
    data: PathBuf,
    settings: Vec<(String, String)>,
    arguments: Vec<String>,
    /// Whether a configuration file of `registry:2` has the settings that flags give otherwise.
    described: bool,
    /// The `cgroup.procs` files of a control group. The server enters the group before its first instruction.
    group: Vec<PathBuf>,
    /// The folder with the log of all runs, and with the data unless the test names a folder.
    folder: TempDir,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A command for `hythe serve` with a port and a folder.
pub fn serve(port: u16, data: &Path) -> Command {
    serve_at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), data)
}

fn serve_at(address: SocketAddr, data: &Path) -> Command {
    let mut command = command::program(binary::hythe(), ["serve", "--listen"]);
    command.arg(address.to_string()).arg("--data").arg(data);
    without_settings(&mut command);
    command
}

/// Removes every `HYTHE_*` variable: these belong to the suites, or are the user's own settings.
pub fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"HYTHE_")) {
        command.env_remove(name);
    }
}

impl Server {
    /// Starts a server with an empty folder.
    pub fn start() -> Self {
        let mut server = Self::new();
        server.run();
        server
    }

    /// A server that is not started yet.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("hythe-e2e-").tempdir().expect("a temporary folder");
        Self {
            child: None,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())),
            data: folder.path().join("data"),
            settings: Vec::new(),
            arguments: Vec::new(),
            described: false,
            group: Vec::new(),
            folder,
        }
    }

    /// Makes the server listen on this address of the machine, which other machines can reach, and accept them.
    pub fn with_host(mut self, host: Ipv4Addr) -> Self {
        self.address.set_ip(host.into());
        self.with_arguments(["--allow-anonymous-network"])
    }

    /// Keeps the server's data in `data`.
    pub fn with_data(mut self, data: &Path) -> Self {
        data.clone_into(&mut self.data);
        self
    }

    /// Sets an environment variable.
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Passes further arguments to `hythe serve`.
    pub fn with_arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Gives the server this text as its configuration file, hythe.toml.
    pub fn with_configuration(self, text: &str) -> Self {
        let path = self.folder.path().join("hythe.toml");
        std::fs::write(&path, text).expect("the folder is ours");
        self.with_arguments(["--config", &path.display().to_string()])
    }

    /// Configures the server by a file of `registry:2`, which names the address and the data folder and ends with
    /// `rest`.
    pub fn with_registry_configuration(mut self, rest: &str) -> Self {
        let path = self.folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nhttp:\n  addr: {}\nstorage:\n  filesystem:\n    rootdirectory: {}\n{rest}",
            self.address,
            self.data.display()
        );
        std::fs::write(&path, text).expect("the folder is ours");
        self.described = true;
        self.with_arguments([path.display().to_string()])
    }

    /// Runs the server in the control group with these `cgroup.procs` files.
    pub fn with_group(mut self, processes: Vec<PathBuf>) -> Self {
        self.group = processes;
        self
    }

    /// Starts the server, and waits until it answers.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let log = File::options().create(true).append(true).open(self.log_path()).expect("the log opens");
        let mut command = if self.described {
            let mut command = command::program(binary::hythe(), ["serve"]);
            without_settings(&mut command);
            command
        } else {
            serve_at(self.address, &self.data)
        };
        command.args(&self.arguments);
        if !self.group.is_empty() {
            // A shell enters the group and then becomes the server, so that all of the server's memory is charged to
            // the group.
            let inner = command;
            command = command::program(binary::tool("sh"), ["-c"]);
            let mut script = String::from("exec \"$0\" \"$@\"");
            for file in &self.group {
                script = format!("echo $$ > '{}' && {script}", file.display());
            }
            command.arg(script).arg(inner.get_program()).args(inner.get_args());
            without_settings(&mut command);
        }
        for (name, value) in &self.settings {
            command.env(name, value);
        }
        let child = command.stdout(log.try_clone().expect("a second handle")).stderr(log).spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}")));
        let begin = Instant::now();
        while Client::new(self.address).get("/v2/").is_err() {
            if let Some(status) = self.status() {
                panic!("the server ended at once with {status}\n{}", self.log());
            }
            assert!(begin.elapsed() < START, "the server does not answer within {START:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The server's address: `127.0.0.1:PORT`, unless the test gave another host.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A new client.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// The server's output so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The server's exit status, once it has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("it is our child"))
    }

    /// The peak of the server's memory in bytes, since its start or since the peak was [reset](Self::forget_peak).
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("the server runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kib: u64 = peak.and_then(|peak| peak.parse().ok()).expect("Linux tells it in KiB");
        kib << 10
    }

    /// Resets the [peak](Self::peak) to the memory in use now.
    pub fn forget_peak(&self) {
        // proc(5): 5 resets the peak.
        std::fs::write(self.proc("clear_refs"), "5").expect("the server is ours");
    }

    fn proc(&self, file: &str) -> PathBuf {
        let child = self.child.as_ref().expect("the server runs");
        PathBuf::from(format!("/proc/{}/{file}", child.id()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal)
            .unwrap_or_else(|error| panic!("cannot signal the server: {error}"));
    }

    /// Kills the server by SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(30));
    }

    /// Sends SIGTERM, and waits for the server's end.
    pub fn terminate(&mut self, patience: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(patience)
    }

    /// Waits for the server's end.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.status() {
                self.child = None;
                return status;
            }
            assert!(begin.elapsed() < patience, "the server did not end within {patience:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- the end of the server's log");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            let log = self.log();
            let unexplained: Vec<&str> = log.lines().filter(|line| is_unexplained(line)).collect();
            assert!(unexplained.is_empty(), "the log has no reason for these answers: {unexplained:#?}");
        }
    }
}

/// Whether a line of the log is about a request that got a server error, without a reason.
pub fn is_unexplained(line: &str) -> bool {
    // TIME LEVEL METHOD PATH STATUS SENT
    let words: Vec<&str> = line.split_whitespace().take(6).collect();
    let [_, _, _, path, status, sent] = words[..] else { return false };
    let is_request = path.starts_with('/') && sent.ends_with('B');
    is_request && status.len() == 3 && status.starts_with('5') && !line.contains(" error=\"")
}
