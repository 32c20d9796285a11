//! Logins from a credential helper on this machine, handed to a registry that runs in a container.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use hythe_e2e::command::attempt;
use hythe_e2e::home::Home;
use hythe_e2e::network;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::process::Process;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::upstream::{Access, Upstream};
use hythe_e2e::user::{PASSWORD, USER};

use super::{PATIENCE, answers, expect, machine};

const NAME: &str = "kind-registry";
const HELPER: &str = "docker-credential-fake";

/// A command of hythe with the helper in its `PATH`.
fn command(home: &Home, words: &[&str]) -> Command {
    let mut command = home.command(words);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", home.folder().display()));
    command
}

fn write_helper(home: &Home, script: &str) {
    let path = home.folder().join(HELPER);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the folder is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
}

#[test]
fn what_a_helper_knows_is_handed_over_and_handed_over_again() {
    let (docker, home) = machine();
    let upstream = Upstream::start_at(network::kind(&docker), Access::Basic);
    let samples: Vec<Sample> = (0..3).map(|_| Sample::new(fresh_seed(), &[1 << 20])).collect();
    for (number, sample) in samples.iter().enumerate() {
        let name = format!("team/app{number}");
        upstream.fill(&name, |repository| sample.push(repository, "v1"));
    }
    let verify = |number: usize| {
        let name = format!("private.example/team/app{number}");
        assert_eq!(Repository::new(&mut home.client(), &name).verify("v1"), samples[number].digest);
    };
    let configuration = format!(
        "[upstream.\"private.example\"]\nendpoints = [\"http://{}\"]\ndocker-config = true\n",
        upstream.address()
    );
    fs::write(home.folder().join("hythe.toml"), configuration).expect("the folder is ours");
    fs::create_dir(home.folder().join(".docker")).expect("the folder is ours");
    fs::write(home.folder().join(".docker/config.json"), r#"{"credHelpers": {"private.example": "fake"}}"#)
        .expect("the folder is ours");
    let port = home.port().to_string();
    let up = ["up", "--port", &port, "--config", "hythe.toml"];

    // A helper without a login: hythe says so before it creates anything.
    write_helper(&home, "echo the keychain is locked; exit 1");
    expect(&attempt(&mut command(&home, &up)), 2, &["the keychain is locked"]);
    assert_eq!(home.docker(&["ps", "--all", "--quiet"]), "");

    write_helper(&home, &format!("printf '{{\"Username\": \"{USER}\", \"Secret\": \"{PASSWORD}\"}}'"));
    expect(
        &attempt(&mut command(&home, &up)),
        0,
        &["handed over for private.example", "attached clusters get"],
    );
    verify(0);
    expect(&attempt(&mut command(&home, &up)), 0, &["nothing had to be changed"]);
    let shown = home.docker(&["inspect", NAME]);
    assert!(!shown.contains(PASSWORD), "{shown}");

    // A restart of the container loses the logins; `hythe attach --watch` hands them over again.
    home.docker(&["restart", NAME]);
    answers(&docker, &home, NAME);
    let missing = home.client().get("/v2/private.example/team/app1/manifests/v1").expect("it answers");
    assert!(missing.status >= 400, "{}", missing.status);
    let log = home.folder().join("watch.log");
    let watch = Process::spawn("watch", &mut command(&home, &["attach", "--watch"]), &log);
    let handed = |count: usize| {
        let began = std::time::Instant::now();
        while watch.log().matches("handed over for private.example").count() < count {
            assert!(began.elapsed() < PATIENCE, "{}", watch.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    handed(1);
    verify(1);
    home.docker(&["restart", NAME]);
    handed(2);
    verify(2);
}
