//! The program under the name `registry`, as a replacement of a `registry:2`, on that registry's folder.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hythe_testing::{Client, ImageBuilder, Manifest, OldTree, ScriptedUpstream};

/// Longer than anything here takes, on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program under the name `registry`, and the configuration file of the `registry:2` that it replaces.
struct DropIn {
    folder: tempfile::TempDir,
}

impl DropIn {
    /// A configuration with an old tree as its root directory, and with these additional lines.
    fn new(tree: &OldTree, rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        symlink(env!("CARGO_BIN_EXE_hythe"), place.program()).unwrap();
        let root = tree.folder().display();
        let text = format!(
            "version: 0.1\nhttp:\n  addr: 127.0.0.1:0\nstorage:\n  filesystem:\n    rootdirectory: {root}\n{rest}"
        );
        fs::write(place.configuration(), text).unwrap();
        place
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// The configuration file. It has no ending, because not every `registry:2` configuration is named .yml.
    fn configuration(&self) -> PathBuf {
        self.folder.path().join("configuration")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.args(arguments).env_clear();
        // If root runs the tests, user 1000 could not enter the tests' folders.
        command.env("HYTHE_STAY_ROOT", "true").env("HYTHE_LOG_REQUESTS", "false");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn serve(&self) -> Serving {
        Serving::start(self.command(&["serve"]).arg(self.configuration()))
    }
}

struct Serving {
    process: Child,
    said: Vec<String>,
    rest: Receiver<String>,
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = process.stderr.take().unwrap();
        std::thread::spawn(move || {
            // Sending fails once the test has ended.
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut said = Vec::new();
        while !said.iter().any(|line: &String| line.starts_with("data is ")) {
            said.push(
                lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not start: {said:#?}")),
            );
        }
        Self { process, said, rest: lines }
    }

    fn client(&self) -> Client {
        let line = self.said.iter().find_map(|line| line.strip_prefix("hythe listens on http://"));
        Client::new(line.unwrap().parse::<SocketAddr>().unwrap())
    }

    /// Waits for a line with these words. The log is written by a thread of its own, so its lines may come late.
    fn expect(&mut self, words: &str) {
        while !self.said(words) {
            let line = self.rest.recv_timeout(PATIENCE);
            self.said.push(line.unwrap_or_else(|_| panic!("it does not say `{words}`: {:#?}", self.said)));
        }
    }

    fn said(&self, words: &str) -> bool {
        self.said.iter().any(|line| line.contains(words))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(2, 3000).build()
}

#[track_caller]
fn pull(client: &Client, repository: &str, tag: &str, image: &Manifest) {
    let pulled = client.get(format!("/v2/{repository}/manifests/{tag}")).send().expect(200);
    assert_eq!(pulled.body, image.bytes);
    for blob in &image.blobs {
        let digest = hythe_oci::Digest::of(image.algorithm, blob);
        let pulled = client.get(format!("/v2/{repository}/blobs/{digest}")).send().expect(200);
        assert_eq!(&pulled.body, blob);
    }
}

#[test]
fn imported_images_are_served_and_a_deleted_tag_is_not_imported_again() {
    let tree = OldTree::new();
    tree.tag("team/app", "v1", &image(1));
    tree.tag("team/app", "v2", &image(2));
    let place = DropIn::new(&tree, "  delete:\n    enabled: true\n");
    let mut serving = place.serve();
    serving.expect("imported repositories=1 tags=2 manifests=2 blobs=6");
    pull(&serving.client(), "team/app", "v1", &image(1));
    pull(&serving.client(), "team/app", "v2", &image(2));
    serving.client().delete("/v2/team/app/manifests/v1").send().expect(202);
    drop(serving);
    let serving = place.serve();
    assert!(!serving.said("import"), "{:#?}", serving.said);
    serving.client().get("/v2/team/app/manifests/v1").send().expect(404);
    pull(&serving.client(), "team/app", "v2", &image(2));
}

#[test]
fn the_imported_folder_of_a_proxy_serves_its_upstreams_images() {
    let upstream = ScriptedUpstream::start();
    upstream.push("library/app", "v1", &image(1));
    let tree = OldTree::new();
    tree.tag("library/app", "v1", &image(1));
    let place = DropIn::new(&tree, &format!("proxy:\n  remoteurl: {}\n", upstream.endpoint()));
    let serving = place.serve();
    pull(&serving.client(), "library/app", "v1", &image(1));
    // The registry only asked the upstream whether the tag still names the image.
    assert_eq!((upstream.count("HEAD", "/manifests/v1"), upstream.count("GET", "/")), (1, 0));
    upstream.push("library/app", "v1", &image(2));
    drop(serving);
    pull(&place.serve().client(), "library/app", "v1", &image(2));
}

/// `crane cp SRC localhost:PORT/registry.k8s.io/pause` with no network: registry:2 knows no other registries.
#[test]
fn a_push_to_a_name_that_begins_with_a_public_registrys_name_is_an_ordinary_push() {
    let place = DropIn::new(&OldTree::new(), "");
    let serving = place.serve();
    let client = serving.client();
    client.head("/v2/registry.k8s.io/pause/manifests/latest").send().expect(404);
    image(1).push(&client, "registry.k8s.io/pause", "latest");
    pull(&client, "registry.k8s.io/pause", "latest", &image(1));
}

#[test]
fn garbage_collection_asks_the_running_server_or_collects_itself_if_none_runs() {
    let tree = OldTree::new();
    tree.tag("app", "v1", &image(1));
    tree.push("app", &image(2));
    let place = DropIn::new(&tree, "  delete:\n    enabled: true\n");
    let configuration = place.configuration();
    let collect = |more: &[&str], grace: &str| {
        let mut command = place.command(&["garbage-collect"]);
        let output =
            command.args(more).arg(&configuration).env("HYTHE_COLLECT_GRACE", grace).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, _, said) = collect(&[], "1d");
    assert!(code == Some(1) && said.contains("hythe has not run there yet"), "{said}");
    // A fixed port: the command finds the server by the configuration.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text =
        fs::read_to_string(&configuration).unwrap().replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    fs::write(&configuration, text).unwrap();
    let serving = place.serve();
    let (code, freed, said) = collect(&["-m"], "1d");
    assert_eq!(code, Some(0), "{said}");
    // The import counts as a use, and it was a moment ago.
    assert!(freed.starts_with("freed 0 B (0 blobs)\n"), "{freed}");
    drop(serving);
    // The grace period is one second, by the clock of another process.
    std::thread::sleep(Duration::from_millis(1100));
    let (_, freed, _) = collect(&["-m", "--dry-run"], "1s");
    assert!(freed.contains("would delete 1 manifest"), "{freed}");
    let (code, freed, said) = collect(&["--delete-untagged"], "1s");
    assert!(code == Some(0) && freed.contains("deleted 1 manifest"), "{freed}{said}");
    // The deleted manifest can be restored for another grace period.
    std::thread::sleep(Duration::from_millis(1100));
    let (code, freed, said) = collect(&[], "1s");
    assert!(code == Some(0) && freed.contains("(3 blobs)"), "{freed}{said}");
    // The old registry still has its files.
    assert!(tree.data(&image(2).digest()).is_file());
    pull(&place.serve().client(), "app", "v1", &image(1));
}

#[test]
fn the_defaults_are_those_of_a_registry_2() {
    let place = DropIn::new(&OldTree::new(), "");
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = place.run(&["garbage-collect", "/etc/docker/registry/config.yml"]);
    let text = said(&refused);
    assert!(
        Path::new("/etc/docker/registry/config.yml").exists() || text.contains("/var/lib/registry"),
        "{text}"
    );
    assert_eq!(place.run(&["reload"]).status.code(), Some(2));
    assert!(said(&place.run(&["reload"])).contains("unrecognized subcommand 'reload'"));
    for flag in ["--version", "-v", "--help"] {
        let output = place.run(&[flag]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && text.contains("as a replacement for registry:2"),
            "{flag}: {text}"
        );
    }
}

#[test]
fn import_copies_a_folder_into_another_and_can_run_again() {
    let tree = OldTree::new();
    tree.tag("app", "v1", &image(1));
    let data = tempfile::tempdir().unwrap();
    let run = |folder: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
        command.env_clear().env("HOME", "/home/ada").arg("import").arg(folder).arg("--data").arg(data.path());
        command.args(["--output", "json"]).output().unwrap()
    };
    for _ in 0..2 {
        let output = run(tree.folder());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&json["tags"], &json["blobs"], &json["left_out"]), (&1.into(), &3.into(), &0.into()));
    }
    let refused = run(data.path());
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("docker/registry/v2/repositories"));
    let mut serve = Command::new(env!("CARGO_BIN_EXE_hythe"));
    serve
        .env_clear()
        .env("HOME", "/home/ada")
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path());
    pull(&Serving::start(&mut serve).client(), "app", "v1", &image(1));
}
