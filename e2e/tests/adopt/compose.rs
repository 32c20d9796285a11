//! hythe in a Compose file of a registry:2, in which only the image's name was changed.

use std::fs;

use hythe_e2e::binary::built_tool;
use hythe_e2e::client::Body;
use hythe_e2e::command::{program, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;
use hythe_e2e::old_registry;

use super::stock::Stock;
use super::{answers, expect, inspect, machine, tag_image};

const NAME: &str = "docker-registry";

fn compose(engine: &Engine, home: &Home, image: &str, words: &[&str]) {
    let text = format!(
        "services:\n  registry:\n    image: {image}\n    container_name: {NAME}\n    restart: unless-stopped\n    \
         ports:\n      - \"{}:5000\"\n    environment:\n      REGISTRY_STORAGE_DELETE_ENABLED: \"true\"\n      \
         REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: /var/lib/registry\n      REGISTRY_HTTP_ADDR: 0.0.0.0:5000\n      \
         REGISTRY_LOG_LEVEL: info\n    \
         volumes:\n      - registry-data:/var/lib/registry\nvolumes:\n  registry-data:\n",
        home.port()
    );
    let file = home.folder().join("docker-compose.yml");
    fs::write(&file, text).expect("the folder is ours");
    let mut command = program(built_tool("docker-compose"), ["--project-name", "base", "--file"]);
    command.arg(file).args(words).env("DOCKER_HOST", engine.address()).env("HOME", home.folder());
    run(&mut command);
}

#[test]
fn a_compose_file_is_changed_in_the_image_s_name_only() {
    let (docker, home) = machine();
    old_registry::load(&docker);
    let image = tag_image(&home);
    compose(&docker, &home, old_registry::IMAGE, &["up", "--detach"]);
    answers(&docker, &home, NAME);
    let stock = Stock::push(&mut home.client());
    compose(&docker, &home, old_registry::IMAGE, &["down"]);

    compose(&docker, &home, image, &["up", "--detach"]);
    answers(&docker, &home, NAME);
    stock.expect(&mut home.client());
    let pid = inspect(&home, NAME, "{{.State.Pid}}");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    assert!(status.contains("\nUid:\t1000\t1000\t1000\t1000\n"), "{status}");
    // The variable in the Compose file allows deletes.
    let path = "/v2/other/manifests/moved";
    let deleted = home.client().send("DELETE", path, &[], Body::Empty).expect("it answers");
    deleted.expect(202, "deletion of a tag");

    // After a restart, nothing is imported again.
    compose(&docker, &home, image, &["down"]);
    compose(&docker, &home, image, &["up", "--detach"]);
    answers(&docker, &home, NAME);
    home.client().get(path).expect("it answers").expect(404, "a tag that was deleted");
    compose(&docker, &home, image, &["down", "--volumes"]);
}

#[test]
fn a_hythe_that_compose_runs_is_served_and_left_alone() {
    let (docker, home) = machine();
    let home = home.with_name(NAME);
    let image = tag_image(&home);
    compose(&docker, &home, image, &["up", "--detach"]);
    answers(&docker, &home, NAME);
    let stock = Stock::push(&mut home.client());
    let id = inspect(&home, NAME, "{{.Id}}");

    let status = home.json(&["status"]);
    assert_eq!(status["registry"]["settings"]["port"], home.port(), "{status:#}");
    expect(
        &home.attempt(&["status"]),
        0,
        &["runs in Docker", "Compose manages it (project base, service registry)"],
    );
    expect(&home.attempt(&["logs", "--tail", "3"]), 0, &["manifests"]);
    let doctor = home.attempt(&["doctor"]);
    assert!(!doctor.stdout.contains("another registry"), "{doctor:?}");
    for words in
        [&["up"][..], &["up", "--adopt"], &["down"], &["down", "--delete-data", "--yes"], &["upgrade"]]
    {
        let said = home.attempt(words);
        expect(&said, 1, &["runs hythe, but Compose manages it", "docker compose -p base", "up -d registry"]);
    }
    // The container is unchanged, so Compose keeps it.
    compose(&docker, &home, image, &["up", "--detach"]);
    assert_eq!(inspect(&home, NAME, "{{.Id}}"), id);
    stock.expect(&mut home.client());
    compose(&docker, &home, image, &["down", "--volumes"]);
}
