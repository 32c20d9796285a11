//! `hythe up` with Podman's service instead of dockerd.

use std::sync::Arc;

use hythe_e2e::command::run;
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;

use super::stock::Stock;
use super::{expect, inspect};

const NAME: &str = "kind-registry";

#[test]
fn up_push_pull_upgrade_and_down_in_podman() {
    let podman = Arc::new(Engine::podman());
    let home = Home::new(&podman);
    expect(&home.up(&[]), 0, &["created on 127.0.0.1"]);
    assert_eq!(inspect(&home, NAME, "{{.Config.User}}"), "1000:1000");
    expect(&home.attempt(&["status"]), 0, &["kind-registry runs in Podman"]);
    expect(&home.attempt(&["up"]), 0, &["nothing had to be changed"]);
    let stock = Stock::push(&mut home.client());

    let sample = Sample::busybox(fresh_seed());
    sample.push(&mut Repository::new(&mut home.client(), "app"), "v1");
    let image = |name: &str| format!("{}/{name}", home.registry());
    let plain = "--tls-verify=false";
    run(&mut podman.call(&["pull", plain, &image("app:v1")]));
    run(&mut podman.call(&["tag", &image("app:v1"), &image("copy:v1")]));
    run(&mut podman.call(&["push", plain, &image("copy:v1")]));
    Repository::new(&mut home.client(), "copy").verify("v1");

    // A recreated container keeps its networks, and a failed upgrade restores the container.
    home.docker(&["network", "create", "kind"]);
    home.docker(&["network", "connect", "kind", NAME]);
    expect(&home.attempt(&["up", "--set", "log.level=debug"]), 0, &["recreated"]);
    assert!(inspect(&home, NAME, "{{json .NetworkSettings.Networks}}").contains("\"kind\""));
    expect(&home.attempt(&["upgrade", "--binary", "/bin/false"]), 1, &["The previous container is restored"]);
    stock.expect(&mut home.client());
    home.docker(&["stop", NAME]);
    expect(&home.attempt(&["up"]), 0, &["started"]);
    stock.expect(&mut home.client());
    expect(&home.attempt(&["logs", "--tail", "3"]), 0, &["PUT /v2/later/manifests/v1"]);

    let folder = home.folder().join("data");
    std::fs::create_dir(&folder).expect("the folder is ours");
    std::os::unix::fs::chown(&folder, Some(1234), Some(1234)).expect("we are root");
    expect(&home.attempt(&["up", "--data", "data", "--yes"]), 0, &["recreated"]);
    let other = Stock::push(&mut home.client());
    expect(&home.attempt(&["down"]), 0, &["stays"]);
    expect(&home.up(&[]), 0, &["created"]);
    other.expect(&mut home.client());
    let volume = format!("{NAME}-data");
    expect(&home.attempt(&["up", "--volume", &volume, "--yes"]), 0, &["recreated"]);
    stock.expect(&mut home.client());
    expect(&home.attempt(&["down", "--delete-data", "--yes"]), 0, &["and the volume", "are deleted"]);
    assert_eq!(home.docker(&["volume", "ls", "--quiet"]), "");
}
