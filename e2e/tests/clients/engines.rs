//! `hythe push` and `hythe pull` with real engines, against hythe and Debian's docker-registry 2.8.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hythe_e2e::binary::{hythe, tool};
use hythe_e2e::command::{attempt, program, run};
use hythe_e2e::distribution;
use hythe_e2e::engine::Engine;
use hythe_e2e::image::{TAG, debian};
use hythe_e2e::link::Link;
use hythe_e2e::server::Server;
use serde_json::Value;

use crate::{lay_index, verify};

/// How long the engine may take to remove a container.
const PATIENCE: Duration = Duration::from_secs(20);

/// The image's name in the engine.
const NAME: &str = "app:dev";

/// Loads the test's image as `app:dev`.
fn load(engine: &Engine) {
    let archive = engine.folder().join("archive.tar");
    let mut convert = program(tool("skopeo"), ["copy"]);
    convert.arg(format!("oci:{}:{TAG}", debian().layout().display()));
    run(convert.arg(format!("docker-archive:{}:{NAME}", archive.display())));
    run(engine.call(&["load", "--input"]).arg(&archive));
}

/// The id of an image in the engine.
fn id(engine: &Engine, name: &str) -> String {
    run(&mut engine.call(&["image", "inspect", "--format", "{{.Id}}", name]))
}

/// A command of hythe on this engine, with JSON output.
fn with(engine: &Engine, words: &[&str]) -> Command {
    let mut command = program(hythe(), words);
    command.args(["--engine", engine.address(), "--output", "json"]).env_remove("HYTHE_REGISTRY");
    command
}

/// Pushes, and returns what hythe printed about the only image.
fn push(engine: &Engine, words: &[&str]) -> Value {
    let printed = run(with(engine, &["push"]).args(words));
    let printed: Value = serde_json::from_str(&printed).expect("hythe prints JSON");
    printed["pushed"][0].clone()
}

/// Pulls with the engine's own client, and compares the id.
fn expect_pull(engine: &Engine, name: &str, expected: &str) {
    attempt(&mut engine.call(&["image", "rm", name]));
    run(&mut engine.call(&["pull", name]));
    assert_eq!(id(engine, name), expected, "the pulled image is the pushed one");
}

/// Adds a layer to `app:dev`.
fn change(engine: &Engine, text: &str) {
    let file = engine.folder().join("changed");
    std::fs::write(&file, text).expect("the folder is ours");
    let container = run(&mut engine.call(&["create", NAME]));
    run(engine.call(&["cp"]).arg(&file).arg(format!("{container}:/changed")));
    run(&mut engine.call(&["commit", &container, NAME]));
    run(&mut engine.call(&["rm", &container]));
}

fn old_registry() -> (hythe_e2e::process::Process, SocketAddr, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (process, address) = distribution::start(&tool("docker-registry"), folder.path());
    (process, address, folder)
}

#[test]
fn docker_engines_layers_come_from_the_store_and_a_pull_gives_the_same_image() {
    let (server, docker) = (Server::start(), Engine::docker());
    let (_old, old, _folder) = old_registry();
    load(&docker);
    for registry in [server.address(), old] {
        let name = format!("{registry}/team/app:v1");
        let pushed = push(&docker, &[NAME, &name]);
        assert_eq!(pushed["way"], "store", "{pushed}");
        assert_eq!(pushed["blobs"]["existing"], 0, "{pushed}");
        expect_pull(&docker, &name, &id(&docker, NAME));
        assert_eq!(push(&docker, &[NAME, &name])["upToDate"], true);
    }
    assert_eq!(
        verify(&server, "team/app", "v1").to_string(),
        push(&docker, &[NAME, &format!("{}/team/app:v1", server.address())])["digest"]
    );
    // One changed layer: it and the configuration are sent.
    change(&docker, "first");
    for registry in [server.address(), old] {
        let name = format!("{registry}/team/app:v2");
        assert_eq!(push(&docker, &[NAME, &name])["blobs"]["pushed"], 2);
        expect_pull(&docker, &name, &id(&docker, NAME));
    }
    // The engine has no name left that hythe made.
    let names = run(&mut docker.call(&["images", "--format", "{{.Repository}}"]));
    assert!(!names.contains("hythe"), "{names}");
    let missing = attempt(&mut with(&docker, &["push", "app:dve"]));
    assert!(missing.code == Some(1) && missing.stderr.contains("it has app:dev"), "{missing:?}");
}

#[test]
fn docker_engines_compressed_layers_at_the_registry_are_taken_as_they_are() {
    let (server, docker) = (Server::start(), Engine::docker());
    let (_old, old, _folder) = old_registry();
    load(&docker);
    for registry in [server.address(), old] {
        let name = format!("{registry}/app:v1");
        run(&mut docker.call(&["tag", NAME, &name]));
        run(&mut docker.call(&["push", &name]));
        // The tag's image tells which blobs are the layers; the engine's memory does so for another repository.
        change(&docker, &name);
        for to in [name.clone(), format!("{registry}/other:v1")] {
            let pushed = push(&docker, &[NAME, &to]);
            assert!(pushed["blobs"]["pushed"].as_u64() <= Some(2), "{pushed}");
            expect_pull(&docker, &to, &id(&docker, NAME));
        }
    }
    for compression in ["gzip", "none"] {
        let name = format!("{old}/{compression}:v1");
        push(&docker, &[NAME, &name, "--compression", compression]);
        expect_pull(&docker, &name, &id(&docker, NAME));
    }
    push(&docker, &[NAME, &format!("{}/zstd:v1", server.address()), "--compression", "zstd"]);
    verify(&server, "zstd", "v1");
}

/// Makes the engine's folder unreadable for a command, as it is for another user or on another machine.
fn hidden(engine: &Engine, command: &Command) -> Command {
    let data = engine.folder().join("data").display().to_string();
    let script = format!("mount -t tmpfs none '{data}' && exec \"$0\" \"$@\"");
    let mut hidden = program(tool("unshare"), ["--mount", "sh", "-c", &script]);
    hidden.arg(command.get_program()).args(command.get_args()).env_remove("HYTHE_REGISTRY");
    hidden
}

#[test]
fn docker_engines_store_is_read_by_a_helper_container_that_ends_with_hythe() {
    let (server, docker) = (Server::start(), Engine::docker());
    load(&docker);
    let name = format!("{}/app:v1", server.address());
    let printed = run(&mut hidden(&docker, &with(&docker, &["push", NAME, &name])));
    let printed: Value = serde_json::from_str(&printed).expect("hythe prints JSON");
    let pushed = &printed["pushed"][0];
    assert!(pushed["reason"].as_str().is_some_and(|reason| reason.contains("helper container")), "{pushed}");
    expect_pull(&docker, &name, &id(&docker, NAME));
    expect_no_helper(&docker);

    // Killed while the upload waits for a slow network.
    let link = Link::to(server.address());
    link.set_pace(64 << 10);
    let name = format!("{}/slow:v1", link.address());
    let mut slow = hidden(&docker, &with(&docker, &["push", NAME, &name]));
    let mut slow = slow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("unshare runs");
    let began = Instant::now();
    // Nobody can remove a container that was created and not started yet; the next push does.
    while run(&mut docker.call(&["ps", "--quiet", "--filter", "name=hythe-read"])).is_empty() {
        assert!(began.elapsed() < PATIENCE, "no helper container started");
        sleep(Duration::from_millis(50));
    }
    slow.kill().expect("it is our child");
    slow.wait().expect("it is our child");
    expect_no_helper(&docker);
}

fn helpers(engine: &Engine) -> String {
    run(&mut engine.call(&["ps", "--all", "--quiet", "--filter", "name=hythe-read"]))
}

fn expect_no_helper(engine: &Engine) {
    let began = Instant::now();
    while !helpers(engine).is_empty() {
        assert!(began.elapsed() < PATIENCE, "a helper container was left behind");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn docker_engines_own_push_works_and_leaves_no_name() {
    let (server, docker) = (Server::start(), Engine::docker());
    load(&docker);
    let name = format!("{}/app:v1", server.address());
    let pushed = push(&docker, &[NAME, &name, "--via", "engine"]);
    assert_eq!(pushed["way"], "engine", "{pushed}");
    assert_eq!(verify(&server, "app", "v1").to_string(), pushed["digest"]);
    let names = run(&mut docker.call(&["images", "--format", "{{.Repository}}:{{.Tag}}"]));
    assert_eq!(names, NAME);
    // An archive on stdin, and pulls into the engine.
    let mut save = docker.call(&["save", NAME]);
    let mut save = save.stdout(Stdio::piped()).spawn().expect("docker runs");
    let mut from_stdin = with(&docker, &["push", "-", &format!("{}/stdin:v1", server.address())]);
    run(from_stdin.stdin(save.stdout.take().expect("it is piped")));
    assert!(save.wait().expect("it is our child").success());
    expect_pull(&docker, &format!("{}/stdin:v1", server.address()), &id(&docker, NAME));
    let index = lay_index(&server, debian(), "multi");
    let pulled = run(&mut with(&docker, &["pull", &index]));
    let pulled: Value = serde_json::from_str(&pulled).expect("hythe prints JSON");
    assert_eq!(pulled["pulled"][0]["digest"], debian().index.to_string(), "{pulled}");
}

#[test]
fn an_image_in_docker_s_containerd_store_keeps_its_digest() {
    let (server, docker) = (Server::start(), Engine::docker_29());
    load(&docker);
    let name = format!("{}/app:v1", server.address());
    let pushed = push(&docker, &[NAME, &name]);
    assert_eq!(pushed["way"], "store", "{pushed}");
    assert!(pushed["reason"].as_str().is_some_and(|reason| reason.contains("containerd store")), "{pushed}");
    assert_eq!(verify(&server, "app", "v1").to_string(), pushed["digest"]);
    assert_eq!(pushed["digest"], id(&docker, NAME), "the engine's id is the digest");
    // By its own push, the engine sends the same.
    let other = format!("{}/other:v1", server.address());
    let by_engine = push(&docker, &[NAME, &other, "--via", "engine"]);
    assert_eq!((&by_engine["way"], &by_engine["digest"]), (&"engine".into(), &pushed["digest"]));
    assert_eq!(verify(&server, "other", "v1").to_string(), pushed["digest"]);
}

#[test]
fn podman_engines_layers_come_from_the_store_and_go_back_without_tls() {
    let (server, podman) = (Server::start(), Engine::podman());
    load(&podman);
    let expected = id(&podman, NAME);
    let name = format!("{}/app:v1", server.address());
    let pushed = push(&podman, &[NAME, &name]);
    assert_eq!(pushed["way"], "store", "{pushed}");
    assert_eq!(verify(&server, "app", "v1").to_string(), pushed["digest"]);
    // Podman's own pull wants TLS, so hythe reads the image.
    let pulled = run(&mut with(&podman, &["pull", &name]));
    let pulled: Value = serde_json::from_str(&pulled).expect("hythe prints JSON");
    assert_eq!(pulled["pulled"][0]["way"], "load", "{pulled}");
    assert_eq!(id(&podman, &name), expected);
}
