//! Commands that messages suggest work exactly as printed, in a shell without any variables about the registry.

use hythe_e2e::command::Output;
use hythe_e2e::home::Home;

use super::adoption::Old;
use super::{expect, machine};

/// Runs the suggested command with this beginning, which must succeed.
fn follow(home: &Home, output: &Output, beginning: &str) -> Output {
    let command = output.suggestion(beginning);
    let output = home.shell(&command);
    assert_eq!(output.code, Some(0), "{command}: {output:?}");
    output
}

#[test]
fn each_suggestion_names_the_registry_engine_and_port_of_the_command() {
    let (docker, home) = machine();
    let engine = docker.address().to_owned();
    let target = ["--name", "r3", "--engine", engine.as_str()];
    let with = |words: &[&str]| home.attempt_plainly(&[words, &target[..]].concat());

    // The port is taken: hythe suggests another port, and keeps all other options.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let taken = listener.local_addr().expect("it is bound").port().to_string();
    let failed = with(&["up", "--port", &taken, "--data", "kept", "--set", "upstream.offline=true"]);
    expect(&failed, 1, &["is taken"]);
    let up = follow(&home, &failed, "hythe up --port");
    expect(&up, 0, &["created", "kept"]);
    // There is no cluster yet: the watch that is suggested then goes on until it is ended.
    let all = home.shell(&up.suggestion("hythe attach --all"));
    let watch = all.suggestion("hythe attach --watch");
    assert_eq!(home.shell(&format!("timeout 2 {watch}")).code, Some(124), "{watch}");
    let status = with(&["--output", "json", "status"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    let settings = &status["registry"]["settings"];
    assert!(settings["environment"].to_string().contains("UPSTREAM_OFFLINE"), "{status:#}");
    let port = settings["port"].to_string();

    // Commands that use HTTP name the registry's address.
    let again = with(&["up"]);
    expect(&again, 0, &["nothing had to be changed"]);
    let warm = home.attempt_plainly(&["cache", "ls", "--registry", &format!("localhost:{port}")]);
    expect(&warm, 0, &[&format!("--registry localhost:{port}`")]);

    // After `down`, then also `status` or `logs`, hythe suggests `up`.
    let down = with(&["down"]);
    expect(&follow(&home, &down, "hythe up"), 0, &["created", "kept"]);
    with(&["down"]);
    let status = with(&["status"]);
    expect(&follow(&home, &status, "hythe up"), 0, &["created", "kept"]);
    with(&["down"]);
    let logs = with(&["logs"]);
    expect(&follow(&home, &logs, "hythe up"), 0, &["created", "kept"]);

    // A client needs a port that the registry does not have yet.
    let wired = with(&["attach", "--client", "docker", "--dry-run"]);
    expect(&wired, 1, &["a port that mirrors only Docker Hub"]);
    expect(&follow(&home, &wired, "hythe up --mirror-port 5002"), 0, &["kept"]);

    // The disk with its data folder is not mounted.
    with(&["down"]);
    let kept = home.folder().join("kept");
    std::fs::rename(&kept, home.folder().join("away")).expect("the folder is ours");
    let unmounted = with(&["up"]);
    expect(&unmounted, 1, &["does not exist"]);
    expect(&follow(&home, &unmounted, "hythe up --data"), 0, &["created", "kept"]);

    // A command for another name mentions this registry.
    let foreign = home.attempt_plainly(&["status", "--name", "none", "--engine", &engine]);
    expect(&foreign, 0, &["r3 runs too"]);
    expect(&with(&["down", "--delete-data", "--yes"]), 0, &["its data in"]);
    let fresh = with(&["status"]);
    assert_eq!(fresh.suggested(), [format!("hythe up --name r3 --engine {engine}")]);
}

#[test]
fn what_is_suggested_beside_another_registry_leaves_it_alone_or_takes_its_place() {
    let old = Old::run(machine(), "kind-registry", &["-v", "old-data:/var/lib/registry"]);
    let home = &old.home;
    let engine = home.engine().address().to_owned();
    let port = home.port().to_string();
    let with = |words: &[&str]| home.attempt_plainly(&[words, &["--engine", &engine]].concat());

    // Its name is taken: another name. Its port is taken: another port, with all that was asked for.
    let named = with(&["up", "--name", "kind-registry"]);
    expect(&named, 1, &["already exists"]);
    expect(&follow(home, &named, "hythe up --name kind-registry-hythe"), 0, &["created"]);
    expect(&with(&["down", "--name", "kind-registry-hythe", "--delete-data", "--yes"]), 0, &["are deleted"]);
    let taken = with(&["up", "--name", "r4", "--port", &port, "--set", "upstream.offline=true"]);
    expect(&taken, 1, &["is taken"]);
    expect(&follow(home, &taken, "hythe up --port"), 0, &["created", "r4"]);
    expect(&with(&["down", "--name", "r4", "--delete-data", "--yes"]), 0, &["are deleted"]);
    old.stock.expect(&mut home.client());

    // In its place, as `status` and `up` suggest.
    let status = with(&["status", "--name", "kind-registry"]);
    let adopted = follow(home, &status, "hythe up --adopt");
    expect(&adopted, 0, &["replaced kind-registry"]);
    old.stock.expect(&mut home.client());
}
