//! An upstream registry for hythe: the reference implementation, distribution 3, with its own folder.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use hythe_oci::Digest;
use tempfile::TempDir;

use crate::binary::built_tool;
use crate::client::Client;
use crate::command::{Output, program};
use crate::issuer::Issuer;
use crate::process::Process;
use crate::repository::Repository;
use crate::server::free_port;
use crate::user::{HASH, USER};

/// Time within which the registry must answer after its start.
const START: Duration = Duration::from_secs(30);

/// The clients that the registry accepts.
#[derive(Clone, Copy)]
pub enum Access<'i> {
    /// Every client.
    Anonymous,
    /// [`USER`] with the password.
    Basic,
    /// Clients with a token of this issuer for the repository.
    Token(&'i Issuer),
}

/// A registry that runs, or that was stopped and can be started again on the same folder and port.
pub struct Upstream {
    child: Option<Child>,
    address: SocketAddr,
    /// The folder with its configuration, log and data.
    folder: TempDir,
}

impl Upstream {
    /// Starts a registry with an empty folder.
    pub fn start(access: Access<'_>) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, access)
    }

    /// Starts a registry with an empty folder, on this address of the machine, which containers reach.
    pub fn start_at(host: Ipv4Addr, access: Access<'_>) -> Self {
        let folder =
            tempfile::Builder::new().prefix("hythe-e2e-upstream-").tempdir().expect("a temporary folder");
        let address = SocketAddr::from((host, free_port()));
        let auth = match access {
            Access::Anonymous => String::new(),
            Access::Basic => {
                let users = folder.path().join("htpasswd");
                fs::write(&users, format!("{USER}:{HASH}\n")).expect("the folder is ours");
                format!("auth:\n  htpasswd:\n    realm: upstream\n    path: {}\n", users.display())
            }
            Access::Token(issuer) => issuer.auth(),
        };
        configure(folder.path(), "config.yml", address, &auth);
        let mut upstream = Self { child: None, address, folder };
        upstream.run();
        upstream
    }

    /// Starts the registry again after a stop.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "the upstream runs already");
        self.child = Some(spawn(self.folder.path(), "config.yml", self.address));
    }

    /// Ends the registry, so that its port refuses connections.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets `push` fill the repository `name` without access control.
    pub fn fill(&self, name: &str, push: impl FnOnce(&mut Repository<'_>)) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        configure(self.folder.path(), "fill.yml", address, "");
        let mut child = spawn(self.folder.path(), "fill.yml", address);
        push(&mut Repository::new(&mut Client::new(address), name));
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Also serves the same folder over TLS, at another address, with this certificate and its key.
    pub fn serve_by_tls(&self, address: SocketAddr, certificate: &Path, key: &Path) -> Process {
        let tls = format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display());
        configure(self.folder.path(), "tls.yml", address, &tls);
        let mut command = program(built_tool("registry"), ["serve"]);
        command.arg(self.folder.path().join("tls.yml")).env_clear().env("OTEL_TRACES_EXPORTER", "none");
        let mut process =
            Process::spawn("the upstream by TLS", &mut command, &self.folder.path().join("tls.log"));
        process.answers(START, || match Client::new(address).connect() {
            Ok(_) => Output { code: Some(0), ..Output::default() },
            Err(error) => Output { stderr: error.to_string(), ..Output::default() },
        });
        process
    }

    /// The number of GETs of this blob that the registry answered with bytes.
    pub fn downloads(&self, digest: &Digest) -> usize {
        let log = self.log();
        let path = format!("/blobs/{digest} HTTP/1.1\" 20");
        log.lines().filter(|line| line.contains("\"GET ") && line.contains(&path)).count()
    }

    /// The registry's output so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("config.yml.log")).unwrap_or_default())
            .into_owned()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("--- the end of the log of the upstream at {}", self.address);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        self.stop();
    }
}

fn configure(folder: &Path, name: &str, address: SocketAddr, auth: &str) {
    let data = folder.join("data");
    let text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
         http:\n  addr: {address}\n  secret: e2e\n{auth}",
        data.display()
    );
    fs::write(folder.join(name), text).expect("the folder is ours");
}

fn spawn(folder: &Path, configuration: &str, address: SocketAddr) -> Child {
    let path = folder.join(format!("{configuration}.log"));
    let log = File::options().create(true).append(true).open(&path).expect("the folder is ours");
    let mut command = program(built_tool("registry"), ["serve"]);
    // Environment variables override its configuration file, so the machine's variables are removed.
    command.arg(folder.join(configuration)).env_clear().env("OTEL_TRACES_EXPORTER", "none");
    let child = command.stdout(log.try_clone().expect("a second handle")).stderr(log).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let begin = Instant::now();
    while Client::new(address).get("/v2/").is_err() {
        let said = || fs::read_to_string(&path).unwrap_or_default();
        let ended = child.try_wait().expect("it is our child");
        assert!(ended.is_none(), "the upstream ended at once: {ended:?}\n{}", said());
        assert!(begin.elapsed() < START, "the upstream does not answer within {START:?}\n{}", said());
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}
