//! Debian's dockerd with its client.

use std::process::Stdio;

use hythe_e2e::binary::tool;
use hythe_e2e::command::{digest_in, program, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::image::{MOTD, TAG, debian};
use hythe_e2e::server::Server;
use hythe_e2e::tree;

use crate::{lay_index, reference, verify};

#[test]
fn docker_pushes_and_pulls() {
    let image = debian();
    let server = Server::start();
    let docker = Engine::docker();
    let name = reference(&server, "docker/debian", "v1");

    let archive = docker.folder().join("archive.tar");
    let mut convert = program(tool("skopeo"), ["copy"]);
    convert.arg(format!("oci:{}:{TAG}", image.layout().display()));
    run(convert.arg(format!("docker-archive:{}:{name}", archive.display())));
    run(docker.call(&["load", "--input"]).arg(&archive));
    let id = run(&mut docker.call(&["image", "inspect", "--format", "{{.Id}}", &name]));

    let pushed = run(&mut docker.call(&["push", &name]));
    let digest = verify(&server, "docker/debian", "v1");
    assert_eq!(digest_in(pushed.rsplit_once("digest: ").expect("push prints the digest").1), digest);
    // A second push finds every layer in the registry.
    let again = run(&mut docker.call(&["push", &name]));
    assert!(again.contains("Layer already exists"), "{again}");

    run(&mut docker.call(&["image", "rm", &name]));
    let pulled = run(&mut docker.call(&["pull", &name]));
    assert_eq!(digest_in(pulled.rsplit_once("Digest: ").expect("pull prints the digest").1), digest);
    assert_eq!(run(&mut docker.call(&["image", "inspect", "--format", "{{.Id}}", &name])), id);
    assert_contents(&docker, &name);

    let by_digest = format!("{}@{digest}", name.rsplit_once(':').expect("it has a tag").0);
    run(&mut docker.call(&["image", "rm", &name]));
    run(&mut docker.call(&["pull", &by_digest]));

    let index = lay_index(&server, image, "docker/multi");
    let pulled = run(&mut docker.call(&["pull", &index]));
    assert_eq!(digest_in(pulled.rsplit_once("Digest: ").expect("pull prints the digest").1), image.index);
    assert_contents(&docker, &index);
    assert_eq!(run(&mut docker.call(&["run", "--rm", "--network=none", &index])), MOTD);
}

fn assert_contents(docker: &Engine, name: &str) {
    let container = run(&mut docker.call(&["create", name]));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut export = docker.call(&["export", &container]);
    let mut export = export.stdout(Stdio::piped()).spawn().expect("docker runs");
    let mut extract = program(tool("tar"), ["--numeric-owner", "-xpf", "-", "-C"]);
    run(extract.arg(folder.path()).stdin(export.stdout.take().expect("it is piped")));
    assert!(export.wait().expect("it is our child").success());
    run(&mut docker.call(&["rm", &container]));
    tree::assert_same(&debian().tree, &tree::of(folder.path()));
}
