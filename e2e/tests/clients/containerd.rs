//! containerd through `ctr`, in Debian's version and in the newest.

use hythe_e2e::command::run;
use hythe_e2e::engine::Engine;
use hythe_e2e::image::{MOTD, debian};
use hythe_e2e::server::Server;
use hythe_e2e::tree;

use crate::{lay_index, reference, verify};

#[test]
fn containerd_1_pushes_pulls_and_runs() {
    push_pull_run(&Engine::containerd_1());
}

#[test]
fn containerd_2_pushes_pulls_and_runs() {
    push_pull_run(&Engine::containerd_2());
}

fn push_pull_run(containerd: &Engine) {
    let image = debian();
    let server = Server::start();
    let name = reference(&server, "ctr/debian", "v1");

    let base = name.trim_end_matches(":v1");
    run(containerd.call(&["images", "import", "--base-name", base]).arg(image.archive()));
    run(&mut containerd.call(&["images", "push", "--plain-http", &name]));
    assert_eq!(verify(&server, "ctr/debian", "v1"), image.manifest);

    // `--sync`: no content of the import may be left when the pull begins.
    run(&mut containerd.call(&["images", "rm", "--sync", &name]));
    run(&mut containerd.call(&["images", "pull", "--plain-http", &name]));
    assert_contents(containerd, &name);

    let index = lay_index(&server, image, "ctr/multi");
    run(&mut containerd.call(&["images", "rm", "--sync", &name]));
    run(&mut containerd.call(&["images", "pull", "--plain-http", &index]));
    let listed = run(&mut containerd.call(&["images", "ls"]));
    assert!(listed.contains(&image.index.to_string()), "{listed}");
    assert_contents(containerd, &index);
    let said = run(&mut containerd.call(&["run", "--rm", &index, "berth", "/bin/cat", "/etc/motd"]));
    assert_eq!(said, MOTD);

    // All platforms, so that containerd can push the whole index elsewhere.
    run(&mut containerd.call(&["images", "pull", "--plain-http", "--all-platforms", &index]));
    let copy = reference(&server, "ctr/copied", "v2");
    run(&mut containerd.call(&["images", "tag", &index, &copy]));
    run(&mut containerd.call(&["images", "push", "--plain-http", &copy]));
    assert_eq!(verify(&server, "ctr/copied", "v2"), image.index);
}

fn assert_contents(containerd: &Engine, name: &str) {
    let root = containerd.folder().join("mounted");
    std::fs::create_dir_all(&root).expect("the folder is ours");
    run(containerd.call(&["images", "mount", name]).arg(&root));
    tree::assert_same(&debian().tree, &tree::of(&root));
    run(containerd.call(&["images", "unmount", "--rm"]).arg(&root));
}
