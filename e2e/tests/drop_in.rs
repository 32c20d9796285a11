//! hythe replaces a registry:2 or 3: it serves what real ones wrote, with the same configuration, on the same folder.

use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hythe_e2e::binary::{self, built_tool, tool};
use hythe_e2e::client::Client;
use hythe_e2e::command::{program, run};
use hythe_e2e::content::Content;
use hythe_e2e::image::push_random;
use hythe_e2e::repository::Repository;
use hythe_e2e::server::{free_port, without_settings};
use hythe_oci::Digest;
use tempfile::TempDir;

/// The longest time that a start may take: the machine may be busy with other suites.
const START: Duration = Duration::from_mins(1);

/// A folder and a configuration, which several programs serve one after the other.
struct Deployment {
    folder: TempDir,
    address: SocketAddr,
}

/// A program that serves a deployment.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Deployment {
    /// A deployment with these further lines in its configuration.
    fn new(rest: &str) -> Self {
        let folder =
            tempfile::Builder::new().prefix("hythe-e2e-drop-in-").tempdir().expect("a temporary folder");
        // User 1000 needs access to it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("the folder is ours");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let deployment = Self { folder, address };
        deployment.configure(rest);
        // `cp` writes the file: if this process wrote it, another test that starts a program meanwhile could inherit
        // the open file, which then could not be run (ETXTBSY).
        run(&mut program(tool("cp"), [binary::hythe(), deployment.path("registry")]));
        deployment
    }

    fn configure(&self, rest: &str) {
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nhttp:\n  addr: {}\n  secret: e2e\nstorage:\n  delete:\n    enabled: true\n  \
             filesystem:\n    rootdirectory: {}\n{rest}",
            self.address,
            self.path("data").display()
        );
        fs::write(self.path("config.yml"), text).expect("the folder is ours");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// `PATH serve CONFIGURATION`.
    fn command(&self, path: &Path) -> Command {
        let mut command = program(path, ["serve"]);
        without_settings(&mut command);
        command.arg(self.path("config.yml")).env("OTEL_TRACES_EXPORTER", "none");
        command
    }

    fn spawn(&self, mut command: Command) -> Running {
        let log = self.path("log");
        let out = File::options().create(true).append(true).open(&log).expect("the folder is ours");
        let child = command.stdout(out.try_clone().expect("a second handle")).stderr(out).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        Running { child, log }
    }

    fn run(&self, command: Command) -> Running {
        let mut running = self.spawn(command);
        let begin = Instant::now();
        while self.client().get("/v2/").is_err() {
            let ended = running.child.try_wait().expect("it is our child");
            assert!(ended.is_none() && begin.elapsed() < START, "it does not answer\n{}", running.said());
            sleep(Duration::from_millis(10));
        }
        running
    }

    /// Runs hythe under the program name of a registry:2.
    fn hythe(&self) -> Running {
        self.run(self.command(&self.path("registry")))
    }

    fn verify(&self, repository: &str, reference: &str) -> Digest {
        Repository::new(&mut self.client(), repository).verify(reference)
    }
}

impl Running {
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The user and the group that it runs as, and its supplementary groups.
    fn user(&self) -> (String, String, String) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux says so");
            line.split_whitespace().next().unwrap_or_default().to_owned()
        };
        (line("Uid:"), line("Gid:"), line("Groups:"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log\n{}", self.said());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fills a registry with real clients; returns the repository, reference and digest of each image.
fn fill(deployment: &Deployment) -> Vec<(&'static str, String, Digest)> {
    let at = |name: &str| format!("{}/{name}", deployment.address);
    let layer = |seed: u64| {
        let folder = deployment.path("layer");
        fs::create_dir_all(&folder).expect("the folder is ours");
        fs::write(folder.join("file"), Content::new(seed, 1 << 20).slice(0, 1 << 20))
            .expect("the folder is ours");
        let archive = deployment.path(&format!("layer-{seed}.tar"));
        run(program(tool("tar"), ["-C"]).arg(&folder).arg("-cf").arg(&archive).arg("."));
        archive
    };
    let crane = |arguments: &[&str]| program(built_tool("crane"), arguments);
    for (seed, name) in [(1, "team/app:v1"), (2, "team/app:v2"), (3, "other:v1")] {
        run(crane(&["append", "--insecure", "--new_tag", &at(name), "--new_layer"]).arg(layer(seed)));
    }
    let index =
        ["index", "append", "-m", &at("team/app:v1"), "-m", &at("team/app:v2"), "-t", &at("team/app:all")];
    run(&mut crane(&index));
    let skopeo = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format", "oci"];
    run(program(tool("skopeo"), skopeo)
        .args(["team/app:v1", "deep/er/app:oci"].map(|name| format!("docker://{}", at(name)))));
    let tags = [
        ("team/app", "v1"),
        ("team/app", "v2"),
        ("team/app", "all"),
        ("other", "v1"),
        ("deep/er/app", "oci"),
    ];
    let mut found = Vec::new();
    for (repository, tag) in tags {
        let digest = deployment.verify(repository, tag);
        found.push((repository, tag.to_owned(), digest));
        found.push((repository, digest.to_string(), digest));
    }
    // The second push moves the tag, so the first image has none any more.
    push_random(&mut Repository::new(&mut deployment.client(), "team/app"), "moved", 7, &[1000]);
    let moved = push_random(&mut Repository::new(&mut deployment.client(), "team/app"), "moved", 9, &[2000]);
    found.push(("team/app", "moved".to_owned(), moved));
    found
}

/// Each file below a folder, with the metadata that shows a change.
fn snapshot(folder: &Path) -> Vec<(PathBuf, u64, u32, u32, i64)> {
    let (mut files, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).expect("it is ours") {
            let path = entry.expect("it is ours").path();
            let found = path.symlink_metadata().expect("it is there");
            files.push((path.clone(), found.len(), found.mode(), found.uid(), found.mtime_nsec()));
            if found.is_dir() {
                waiting.push(path);
            }
        }
    }
    files.sort();
    files
}

fn expect_served_by_hythe(old: &Path) {
    let deployment = Deployment::new("");
    let running = deployment.run(deployment.command(old));
    let images = fill(&deployment);
    drop(running);
    let tree = deployment.path("data/docker");
    let before = snapshot(&tree);

    let running = deployment.hythe();
    for (repository, reference, digest) in &images {
        assert_eq!(deployment.verify(repository, reference), *digest, "{repository} {reference}");
    }
    assert_eq!(running.user(), ("1000".into(), "1000".into(), String::new()), "{}", running.said());
    assert_eq!(snapshot(&tree), before);
    // The registry works like any other, and deleted content stays deleted.
    let pushed = push_random(&mut Repository::new(&mut deployment.client(), "new"), "v1", 11, &[1 << 20]);
    let path = "/v2/other/manifests/v1";
    let deleted = deployment.client().send("DELETE", path, &[], hythe_e2e::client::Body::Empty);
    deleted.expect("it answers").expect(202, "deletion of a tag");
    let mut collect = program(deployment.path("registry"), ["garbage-collect", "-m"]);
    without_settings(&mut collect);
    let freed = run(collect.arg(deployment.path("config.yml")));
    assert!(freed.starts_with("freed ") && freed.contains("can be freed in"), "{freed}");
    drop(running);

    let running = deployment.hythe();
    assert_eq!(running.said().matches(" imported ").count(), 1, "{}", running.said());
    assert_eq!(deployment.verify("new", "v1"), pushed);
    deployment.client().get(path).expect("it answers").expect(404, "a tag that was deleted");
    drop(running);

    // The old program can serve the folder again.
    let running = deployment.run(deployment.command(old));
    for (repository, reference, digest) in &images {
        assert_eq!(deployment.verify(repository, reference), *digest, "{repository} {reference}");
    }
    drop(running);
}

#[test]
fn hythe_serves_what_debian_s_docker_registry_wrote() {
    expect_served_by_hythe(&tool("docker-registry"));
}

#[test]
fn hythe_serves_what_distribution_3_wrote() {
    expect_served_by_hythe(&built_tool("registry"));
}

#[test]
fn an_import_that_is_killed_repeatedly_completes() {
    let deployment = Deployment::new("");
    let running = deployment.run(deployment.command(&tool("docker-registry")));
    let names: Vec<String> = (0..6).map(|number| format!("app{number}")).collect();
    let images: Vec<Digest> = names
        .iter()
        .zip((0..).step_by(100))
        .map(|(name, seed)| {
            push_random(&mut Repository::new(&mut deployment.client(), name), "v1", seed, &[4 << 20; 8])
        })
        .collect();
    drop(running);
    let tree = deployment.path("data/docker");
    let before = snapshot(&tree);
    for round in 1..=8 {
        // The process is killed when `_running` is dropped.
        let _running = deployment.spawn(deployment.command(&deployment.path("registry")));
        sleep(Duration::from_millis(15 * round));
    }
    let running = deployment.hythe();
    for (name, digest) in names.iter().zip(&images) {
        assert_eq!(deployment.verify(name, "v1"), *digest);
    }
    assert_eq!(snapshot(&tree), before);
    assert!(!running.said().contains("not imported"), "{}", running.said());
}

#[test]
fn the_folder_of_a_proxy_is_served_while_its_upstream_is_down() {
    let upstream = Deployment::new("");
    let registry = tool("docker-registry");
    let serving = upstream.run(upstream.command(&registry));
    let digest =
        push_random(&mut Repository::new(&mut upstream.client(), "library/app"), "v1", 1, &[1 << 20, 2000]);
    let proxy = Deployment::new(&format!("proxy:\n  remoteurl: http://{}\n", upstream.address));
    let running = proxy.run(proxy.command(&registry));
    assert_eq!(proxy.verify("library/app", "v1"), digest);
    // The proxy stores content only after it has sent it.
    sleep(Duration::from_secs(2));
    drop(running);
    drop(serving);
    let running = proxy.hythe();
    assert_eq!(proxy.verify("library/app", "v1"), digest, "{}", running.said());
}

#[test]
fn hythe_stays_root_if_told_to_or_if_user_1000_could_not_read_its_files() {
    for closed in [false, true] {
        let deployment = Deployment::new("");
        let mut command = deployment.command(&deployment.path("registry"));
        if closed {
            fs::set_permissions(deployment.path("config.yml"), Permissions::from_mode(0o600))
                .expect("it is ours");
        } else {
            command.env("HYTHE_STAY_ROOT", "true");
        }
        let running = deployment.run(command);
        assert_eq!(running.user().0, "0", "{}", running.said());
        assert!(running.said().contains("keeps running as root"), "{}", running.said());
        push_random(&mut Repository::new(&mut deployment.client(), "app"), "v1", 1, &[1000]);
        drop(running);
        // Later it can run as an ordinary user, on the files that root wrote.
        fs::set_permissions(deployment.path("config.yml"), Permissions::from_mode(0o644))
            .expect("it is ours");
        let running = deployment.hythe();
        assert_eq!(running.user().0, "1000", "{}", running.said());
        deployment.verify("app", "v1");
        push_random(&mut Repository::new(&mut deployment.client(), "app"), "v2", 2, &[1000]);
    }
}
