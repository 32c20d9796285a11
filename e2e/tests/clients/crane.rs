//! crane: each of its commands that talk to a registry.

use std::process::Stdio;

use hythe_e2e::binary::{built_tool, tool};
use hythe_e2e::command::{attempt, digest_in, program, run};
use hythe_e2e::image::{assert_layout, debian};
use hythe_e2e::server::Server;
use hythe_e2e::tree;

use crate::{reference, verify};

#[test]
fn crane_pushes_pulls_copies_lists_validates_and_deletes() {
    let image = debian();
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let crane = |arguments: &[&str]| program(built_tool("crane"), arguments);
    let name = reference(&server, "crane/debian", "v1");
    let repository = name.trim_end_matches(":v1");

    let pushed = run(crane(&["push"]).arg(image.layout()).arg(&name));
    assert_eq!(digest_in(&pushed), image.manifest);
    assert_eq!(verify(&server, "crane/debian", "v1"), image.manifest);
    assert_eq!(digest_in(&run(&mut crane(&["digest", &name]))), image.manifest);
    run(&mut crane(&["validate", "--remote", &name]));

    let back = folder.path().join("image");
    run(crane(&["pull", "--format=oci", &name]).arg(&back));
    assert_layout(&back, &image.manifest);
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("the folder is ours");
    let mut export = crane(&["export", &name, "-"]).stdout(Stdio::piped()).spawn().expect("crane runs");
    let mut extract = program(tool("tar"), ["--numeric-owner", "-xpf", "-", "-C"]);
    run(extract.arg(&root).stdin(export.stdout.take().expect("it is piped")));
    assert!(export.wait().expect("it is our child").success());
    tree::assert_same(&image.tree, &tree::of(&root));

    let index = reference(&server, "crane/multi", "v1");
    run(crane(&["push"]).arg(image.index_layout()).arg(&index));
    assert_eq!(verify(&server, "crane/multi", "v1"), image.index);
    let copy = reference(&server, "crane/copied/deep", "v2");
    run(&mut crane(&["copy", &index, &copy]));
    assert_eq!(verify(&server, "crane/copied/deep", "v2"), image.index);
    run(&mut crane(&["validate", "--remote", &copy]));

    run(&mut crane(&["tag", &name, "second"]));
    assert_eq!(run(&mut crane(&["ls", repository])), "second\nv1");
    let catalog = run(&mut crane(&["catalog", &server.address().to_string()]));
    assert_eq!(catalog, "crane/copied/deep\ncrane/debian\ncrane/multi");

    run(&mut crane(&["delete", &format!("{repository}@{}", image.manifest)]));
    assert!(attempt(&mut crane(&["digest", &name])).code != Some(0), "a deleted manifest still has a digest");
    assert_eq!(verify(&server, "crane/copied/deep", "v2"), image.index);
}
