//! Podman, with its own store.

use std::fs;
use std::path::Path;

use hythe_e2e::command::{digest_in, run};
use hythe_e2e::image::{MOTD, TAG, debian};
use hythe_e2e::server::Server;
use hythe_e2e::store::Store;
use hythe_e2e::tree;

use crate::{lay_index, reference, verify};

#[test]
fn podman_pushes_and_pulls() {
    let image = debian();
    let server = Server::start();
    let podman = Store::new("podman");
    let name = reference(&server, "podman/debian", "v1");

    let id = run(podman.call(&["pull", "--quiet"]).arg(format!("oci:{}:{TAG}", image.layout().display())));
    let digests = podman.folder().join("digest");
    run(podman.call(&["push", "--tls-verify=false", "--digestfile"]).arg(&digests).args([&id, &name]));
    let digest = verify(&server, "podman/debian", "v1");
    assert_eq!(digest_in(&fs::read_to_string(&digests).expect("push writes the digest")), digest);

    run(&mut podman.call(&["rmi", "--all", "--force"]));
    let again = run(&mut podman.call(&["pull", "--quiet", "--tls-verify=false", &name]));
    assert_eq!(again, id, "the pulled image is the pushed one");
    let found = run(&mut podman.call(&["image", "inspect", "--format", "{{.Digest}}", &name]));
    assert_eq!(digest_in(&found), digest);
    assert_contents(&podman, &name);

    let index = lay_index(&server, image, "podman/multi");
    run(&mut podman.call(&["rmi", "--all", "--force"]));
    run(&mut podman.call(&["pull", "--quiet", "--tls-verify=false", &index]));
    assert_contents(&podman, &index);
    // Lower limits than Podman's defaults, which cannot be set if the tests themselves run in a container.
    let isolated = [
        "run",
        "--rm",
        "--network=none",
        "--ulimit=nofile=1024:1024",
        "--ulimit=nproc=1024:1024",
        "--log-driver=none",
        &index,
    ];
    assert_eq!(run(&mut podman.call(&isolated)), MOTD);
}

fn assert_contents(podman: &Store, name: &str) {
    let root = run(&mut podman.call(&["image", "mount", name]));
    tree::assert_same(&debian().tree, &tree::of(Path::new(&root)));
    run(&mut podman.call(&["image", "umount", name]));
}
