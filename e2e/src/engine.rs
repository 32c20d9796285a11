//! Container engines for one test. They run as root with their own folders, and end when the value is dropped.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;

use crate::binary::{built_tool, tool};
use crate::command::{attempt, program, run};
use crate::names::Names;
use crate::process::Process;

/// Time within which an engine must answer after its start.
const START: Duration = Duration::from_mins(1);

/// The machine's address on an engine's own bridge. It is in the private range that engines use last, because firewalls
/// with rules for the other ranges let this one through.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 31, 77, 1);

/// A running dockerd or containerd.
pub struct Engine {
    process: Mutex<Process>,
    /// The command that starts dockerd again.
    daemon: Option<Command>,
    client: PathBuf,
    /// The first arguments of each call of the client, which name the engine's address.
    address: Vec<String>,
    /// Whether tests create networks. They are interfaces of the machine, so they outlive the engine and have to be
    /// removed.
    networks: bool,
    folder: TempDir,
    /// The bridge of the engine's own network. It is dropped last.
    bridge: Option<Bridge>,
}

/// A bridge interface of the machine.
struct Bridge {
    name: String,
    _names: Names,
    /// A lock on the bridge's address, which a network namespace can have only once. Other tests with such an engine
    /// wait, in all suites, unless they have their own namespace.
    _turn: File,
}

impl Bridge {
    fn new() -> Self {
        let namespace = fs::read_link("/proc/self/ns/net").expect("Linux has namespaces");
        let lock = format!("hythe-e2e-bridge-{}", namespace.display());
        let turn = File::create(std::env::temp_dir().join(lock)).expect("a temporary file");
        turn.lock().expect("the file system has locks");
        // An interface's name has at most 15 bytes. The process id keeps the names of parallel suites apart.
        let name = format!("hy{}", std::process::id());
        let ip = |words: &[&str]| run(&mut program(tool("ip"), words));
        attempt(&mut program(tool("ip"), ["link", "delete", &name]));
        ip(&["link", "add", "name", &name, "type", "bridge"]);
        ip(&["address", "add", &format!("{GATEWAY}/24"), "dev", &name]);
        ip(&["link", "set", &name, "up"]);
        Self { name, _names: Names::at(GATEWAY), _turn: turn }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        attempt(&mut program(tool("ip"), ["link", "delete", &self.name]));
    }
}

impl Engine {
    /// Debian's dockerd, without a network of its own.
    pub fn docker() -> Self {
        Self::docker_with("{}")
    }

    /// Debian's dockerd with this `daemon.json`.
    pub fn docker_with(configuration: &str) -> Self {
        Self::dockerd(&tool("dockerd"), folder("docker"), configuration, &["--bridge=none"])
    }

    /// dockerd of the line that keeps images in containerd's store, built from its Go module, with `docker buildx`.
    pub fn docker_29() -> Self {
        let folder = folder("docker-29");
        // The client finds its plugins in the folder of its configuration.
        let plugins = folder.path().join("config/cli-plugins");
        fs::create_dir_all(&plugins).expect("the folder is ours");
        symlink(built_tool("docker-29/buildx"), plugins.join("docker-buildx")).expect("the folder is ours");
        let mut docker = Self::dockerd(&built_tool("docker-29/dockerd"), folder, "{}", &["--bridge=none"]);
        let configuration = docker.client_configuration().display().to_string();
        docker.address.splice(0..0, ["--config".to_owned(), configuration]);
        docker
    }

    /// The folder with the configuration of the client of `docker_29`, which is `DOCKER_CONFIG` for other programs.
    pub fn client_configuration(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    fn dockerd(dockerd: &Path, folder: TempDir, configuration: &str, flags: &[&str]) -> Self {
        let socket = format!("unix://{}", folder.path().join("socket").display());
        // The machine's own daemon.json must not affect the test.
        fs::write(folder.path().join("daemon.json"), configuration).expect("the folder is ours");
        let mut command = program(dockerd, ["--iptables=false", "--ip6tables=false"]);
        command.args(flags).args(["--host", &socket, "--group", "root"]);
        for (flag, name) in [
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
            ("--config-file", "daemon.json"),
        ] {
            command.arg(flag).arg(folder.path().join(name));
        }
        let address = vec!["--host".to_owned(), socket];
        let again = program(dockerd, command.get_args());
        let mut engine = Self::spawn("dockerd", command, tool("docker"), address, folder, &["version"]);
        engine.daemon = Some(again);
        engine
    }

    /// dockerd whose containers can have networks. All of these are removed with the engine.
    pub fn docker_with_networks() -> Self {
        let mut docker = Self::docker();
        docker.networks = true;
        docker
    }

    /// dockerd as users have it: with a network of its own, in which containers can publish ports. Its bridge has a
    /// name of its own, because any dockerd that starts without a bridge removes the bridge with the usual name.
    pub fn docker_with_bridge() -> Self {
        let bridge = Bridge::new();
        let mut docker = Self::dockerd(
            &tool("dockerd"),
            folder("docker"),
            "{}",
            &[&format!("--bridge={}", bridge.name), &format!("--dns={GATEWAY}")],
        );
        docker.networks = true;
        docker.bridge = Some(bridge);
        docker
    }

    /// Stops the engine with all its containers and starts it again, as a restart of the machine does.
    pub fn restart(&self) {
        let mut running = self.process.lock();
        running.end();
        unmount_below(&self.folder.path().join("exec"));
        let daemon = self.daemon.as_ref().expect("a dockerd knows how it was started");
        let mut command = program(daemon.get_program(), daemon.get_args());
        let mut process = Process::spawn("dockerd", &mut command, &self.folder.path().join("log"));
        process.answers(START, || attempt(&mut self.call(&["version"])));
        *running = process;
    }

    /// Debian's Podman: its API service, with Podman's own client connected to it.
    pub fn podman() -> Self {
        let folder = folder("podman");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let socket = format!("unix://{}", at("socket"));
        // Podman's default limits are higher than the tests' machine allows, and crun does not support hybrid control
        // groups.
        let text = "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n\
                    [engine]\nruntime = \"runc\"\n";
        fs::write(at("containers.conf"), text).expect("the folder is ours");
        let mut command = program(tool("podman"), ["--root", &at("root"), "--runroot", &at("run")]);
        command.args(["--network-config-dir", &at("networks"), "system", "service", "--time=0", &socket]);
        command.env("CONTAINERS_CONF", at("containers.conf"));
        let address = vec!["--url".to_owned(), socket];
        let mut podman = Self::spawn("podman", command, tool("podman"), address, folder, &["version"]);
        podman.networks = true;
        podman
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
        // Both versions of containerd read configuration version 2. The CRI plugin is off, because it would need a
        // network.
        let text = format!(
            "version = 2\nroot = '{root}'\nstate = '{state}'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime']\n\
             [grpc]\naddress = '{socket}'\n"
        );
        fs::write(&config, text).expect("the folder is ours");
        let mut command = program(daemon, ["--config", &config]);
        // The shim must have the same version as containerd, so containerd's folder comes first.
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
        let mut process = Process::spawn(name, &mut command, &folder.path().join("log"));
        process.answers(START, || attempt(program(&client, &address).args(probe)));
        Self {
            process: Mutex::new(process),
            daemon: None,
            client,
            address,
            networks: false,
            folder,
            bridge: None,
        }
    }

    /// A command of the engine's client that talks to this engine.
    pub fn command(&self) -> Command {
        program(&self.client, &self.address)
    }

    /// A command of the engine's client with these arguments.
    pub fn call(&self, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command.args(arguments);
        command
    }

    /// The engine's address; for dockerd, the value of `DOCKER_HOST` for other clients.
    pub fn address(&self) -> &str {
        self.address.last().expect("every client is told")
    }

    /// A folder that is deleted with the engine.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.networks {
            let containers = attempt(&mut self.call(&["ps", "--all", "--quiet"])).stdout;
            if !containers.is_empty() {
                attempt(self.call(&["rm", "--force", "--volumes"]).args(containers.lines()));
            }
            attempt(&mut self.call(&["network", "prune", "--force"]));
        }
        // End the engine first, by SIGTERM: only then does it unmount its file systems and end its own children.
        self.process.get_mut().end();
        unmount_below(self.folder.path());
    }
}

fn folder(name: &str) -> TempDir {
    let prefix = format!("hythe-e2e-{name}-");
    tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary folder")
}

/// Unmounts everything that is mounted below `folder`, so that the folder can be deleted.
pub fn unmount_below(folder: &Path) {
    // Engines bind-mount a folder onto itself more than once. A lower mount shows only after the upper one is
    // unmounted.
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
