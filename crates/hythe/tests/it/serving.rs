//! The server's behaviour by its configuration: the upstreams that it asks, the addresses that it serves, and what
//! SIGHUP changes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hythe_testing::{Authority, Client, ImageBuilder, Manifest, ScriptedUpstream, eventually};

/// How long to wait for a line of output: longer than any test needs, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a free port, with its data in memory.
struct Serving {
    process: Child,
    said: Receiver<String>,
    /// The lines that it printed before it was ready.
    announcement: Vec<String>,
}

impl Serving {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
        command.arg("serve").args(arguments).args(["--storage", "memory", "--log-level", "error"]);
        command.env_clear().env("HOME", "/home/ada").env("HYTHE_LOG_REQUESTS", "false");
        command.envs(variables.iter().copied()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (sender, said) = channel();
        let stderr = process.stderr.take().unwrap();
        std::thread::spawn(move || {
            // Sending fails once the test has ended.
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut serving = Self { process, said, announcement: Vec::new() };
        while !serving.announcement.iter().any(|line| line.starts_with("data is ")) {
            let line = serving.next_line();
            serving.announcement.push(line);
        }
        serving
    }

    fn next_line(&self) -> String {
        self.said.recv_timeout(PATIENCE).expect("the server says more")
    }

    /// A client of the listener whose announcement begins with these words.
    fn client(&self, words: &str) -> Client {
        let line = self.announcement.iter().find(|line| line.starts_with(words));
        let line = line.unwrap_or_else(|| panic!("{words} not in {:?}", self.announcement));
        let address: SocketAddr = line.rsplit_once("://").unwrap().1.parse().unwrap();
        Client::new(address)
    }

    fn main(&self) -> Client {
        self.client("hythe listens on ")
    }

    /// Sends SIGHUP, and waits until the server prints this line.
    fn reload(&self, until: &str) {
        let pid = i32::try_from(self.process.id()).unwrap();
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::HUP,
        )
        .unwrap();
        while self.next_line() != until {}
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An upstream that has `team/app:v1`.
fn upstream() -> (ScriptedUpstream, Manifest) {
    let upstream = ScriptedUpstream::start();
    let image = ImageBuilder::new(1).build();
    upstream.push("team/app", "v1", &image);
    (upstream, image)
}

#[test]
fn an_upstream_is_reached_by_path_by_ns_and_by_its_mirror() {
    let (upstream, image) = upstream();
    let added = format!("hub.example={}", upstream.endpoint());
    let serving = Serving::start(
        &["--listen", "127.0.0.1:0", "--upstream", &added, "--mirror", "127.0.0.1:0=hub.example"],
        &[],
    );
    let mirror = serving.client("hythe serves images of hub.example on ");
    let main = serving.main();
    for (client, target) in [
        (&main, "/v2/hub.example/team/app/manifests/v1"),
        (&main, "/v2/team/app/manifests/v1?ns=hub.example"),
        (&mirror, "/v2/team/app/manifests/v1"),
    ] {
        assert_eq!(client.get(target).send().expect(200).body, image.bytes, "{target}");
    }
    main.get("/v2/team/app/manifests/v1").send().expect(404);
    assert_eq!(upstream.count("GET", "/manifests/"), 1);
}

#[test]
fn the_announcement_says_how_to_push_and_how_to_pull_through() {
    for (arguments, wanted) in [
        (&[][..], Some("docker.io/library/alpine")),
        (&["--offline"], None),
        (&["--upstream", "hub.example"], Some("docker.io/library/alpine")),
    ] {
        let serving = Serving::start(&[arguments, &["--listen", "127.0.0.1:0"]].concat(), &[]);
        let name = format!("localhost:{}", serving.main().address().port());
        assert!(serving.next_line().ends_with(&format!("docker push {name}/alpine")));
        if let Some(wanted) = wanted {
            assert_eq!(serving.next_line(), format!("try: docker pull {name}/{wanted}"));
        }
    }
}

#[test]
fn a_registry_2_proxy_serves_pushed_images_and_its_upstreams() {
    let (upstream, image) = upstream();
    upstream.require_basic("ada", "hunter2");
    let endpoint = upstream.endpoint();
    let serving = Serving::start(
        &[],
        &[
            ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
            ("REGISTRY_PROXY_REMOTEURL", &endpoint),
            ("REGISTRY_PROXY_USERNAME", "ada"),
            ("REGISTRY_PROXY_PASSWORD", "hunter2"),
        ],
    );
    let client = serving.main();
    let shared =
        format!("this registry can pull all content that `{}` gives to this login", upstream.address());
    assert!(serving.announcement[0].contains(&shared), "{:?}", serving.announcement);
    assert_eq!(serving.announcement[2], format!("hythe also serves images of {} there", upstream.address()));
    assert_eq!(client.get("/v2/team/app/manifests/v1").send().expect(200).body, image.bytes);
    let own = ImageBuilder::new(2).build();
    own.push(&client, "team/own", "v1");
    assert_eq!(client.get("/v2/team/own/manifests/v1").send().expect(200).body, own.bytes);
}

#[test]
fn a_hangup_changes_upstreams_and_goes_offline() {
    let (upstream, image) = upstream();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hythe.toml");
    let write = |path: &Path, offline: bool, tables: &str| {
        let text = format!("listen = \"127.0.0.1:0\"\nupstream.offline = {offline}\n{tables}");
        std::fs::write(path, text).unwrap();
    };
    let table = format!("[upstream.\"hub.example\"]\nendpoints = \"{}\"\n", upstream.endpoint());
    write(&file, false, "");
    let serving = Serving::start(&[file.to_str().unwrap()], &[]);
    let client = serving.main();
    client.get("/v2/hub.example/team/app/manifests/v1").send().expect(404);

    write(&file, false, &table);
    serving.reload("reloaded: upstream.\"hub.example\"");
    let pulled = client.get("/v2/hub.example/team/app/manifests/v1").send().expect(200);
    assert_eq!(pulled.body, image.bytes);

    write(&file, true, &table);
    serving.reload("reloaded: upstream.offline = true");
    upstream.push("team/app", "v2", &ImageBuilder::new(3).build());
    upstream.forget_requests();
    client.get("/v2/hub.example/team/app/manifests/v1").send().expect(200);
    assert_ne!(client.get("/v2/hub.example/team/app/manifests/v2").send().status, 200);
    assert_eq!(upstream.requests(), []);
}

#[test]
fn one_address_has_tls_and_another_one_has_not_and_a_wrong_key_is_not_used() {
    let (authority, folder) = (Authority::default(), tempfile::TempDir::new().unwrap());
    let options = authority.certify_server().write(folder.path());
    let (certificate, key) = (options.certificate.to_str().unwrap(), options.key.to_str().unwrap());
    let tls = ["--tls-certificate", certificate, "--tls-key", key];
    let listen = ["--listen", "127.0.0.1:0", "--listen", "http://127.0.0.1:0"];
    let serving = Serving::start(&[&tls[..], &listen].concat(), &[]);
    let secure = serving.client("hythe listens on https://").tls(authority.client());
    let plain = serving.client("hythe listens on http://");
    let digest = plain.push_blob("app", b"content");
    assert_eq!(secure.get(format!("/v2/app/blobs/{digest}")).send().body, b"content");
    let other = Authority::new("another authority");
    let next = other.certify_server();
    std::fs::write(key, &next.key).unwrap();
    serving.reload(&format!(
        "warning: the certificate was not reloaded; the old one stays in use: the private key in {key} does not belong \
         to the certificate in {certificate}, which must be the first one in its file"
    ));
    secure.get("/v2/").send().expect(200);
    next.write(folder.path());
    let secure = secure.tls(other.client());
    eventually("the new certificate", || secure.get("/v2/").try_send().is_ok());
}
