//! Buildah, with its own store.

use std::fs;
use std::path::Path;

use hythe_e2e::command::{digest_in, run};
use hythe_e2e::image::{TAG, debian};
use hythe_e2e::server::Server;
use hythe_e2e::store::Store;
use hythe_e2e::tree;

use crate::{lay_index, reference, verify};

#[test]
fn buildah_pushes_pulls_and_builds_on_what_it_pulled() {
    let image = debian();
    let server = Server::start();
    let buildah = Store::new("buildah");
    let name = reference(&server, "buildah/debian", "v1");

    let id = run(buildah.call(&["pull", "--quiet"]).arg(format!("oci:{}:{TAG}", image.layout().display())));
    let digests = buildah.folder().join("digest");
    run(buildah.call(&["push", "--tls-verify=false", "--digestfile"]).arg(&digests).args([&id, &name]));
    let digest = verify(&server, "buildah/debian", "v1");
    assert_eq!(digest_in(&fs::read_to_string(&digests).expect("push writes the digest")), digest);

    run(&mut buildah.call(&["rmi", "--all", "--force"]));
    assert_eq!(run(&mut buildah.call(&["pull", "--quiet", "--tls-verify=false", &name])), id);
    let container = run(&mut buildah.call(&["from", "--pull-never", &name]));
    let root = run(&mut buildah.call(&["mount", &container]));
    tree::assert_same(&image.tree, &tree::of(Path::new(&root)));

    fs::write(Path::new(&root).join("opt/added"), "one more layer").expect("the container is writable");
    let built = reference(&server, "buildah/built", "v2");
    run(&mut buildah.call(&["commit", "--quiet", &container, "built"]));
    run(&mut buildah.call(&["push", "--tls-verify=false", "built", &built]));
    run(&mut buildah.call(&["rm", "--all"]));
    run(&mut buildah.call(&["rmi", "--all", "--force"]));
    let container = run(&mut buildah.call(&["from", "--tls-verify=false", &built]));
    let root = run(&mut buildah.call(&["mount", &container]));
    let mut found = tree::of(Path::new(&root));
    assert!(found.remove("opt/added").is_some(), "the pulled image lacks the added layer");
    tree::assert_same(&image.tree, &found);
    run(&mut buildah.call(&["rm", "--all"]));

    let index = lay_index(&server, image, "buildah/multi");
    run(&mut buildah.call(&["rmi", "--all", "--force"]));
    let container = run(&mut buildah.call(&["from", "--tls-verify=false", &index]));
    let root = run(&mut buildah.call(&["mount", &container]));
    tree::assert_same(&image.tree, &tree::of(Path::new(&root)));
    run(&mut buildah.call(&["rm", "--all"]));
}
