//! Skopeo: copy, inspect, list, delete.

use hythe_e2e::binary::tool;
use hythe_e2e::command::{attempt, digest_in, program, run};
use hythe_e2e::image::{TAG, assert_layout, debian};
use hythe_e2e::server::Server;

use crate::{reference, verify};

#[test]
fn skopeo_copies_inspects_lists_and_deletes() {
    let image = debian();
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = |tag: &str| format!("docker://{}", reference(&server, "skopeo/debian", tag));
    let copy = |arguments: &[&str]| {
        let mut command =
            program(tool("skopeo"), ["copy", "--src-tls-verify=false", "--dest-tls-verify=false"]);
        run(command.args(arguments))
    };
    let ask = |arguments: &[&str]| program(tool("skopeo"), arguments);
    let image_layout = format!("oci:{}:{TAG}", image.layout().display());
    let index_layout = format!("oci:{}:{TAG}", image.index_layout().display());

    copy(&[&image_layout, &name("v1")]);
    assert_eq!(verify(&server, "skopeo/debian", "v1"), image.manifest);
    copy(&["--all", &index_layout, &name("multi")]);
    assert_eq!(verify(&server, "skopeo/debian", "multi"), image.index);

    let back = folder.path().join("image");
    copy(&[&name("v1"), &format!("oci:{}:{TAG}", back.display())]);
    assert_layout(&back, &image.manifest);
    let back = folder.path().join("index");
    copy(&["--all", &name("multi"), &format!("oci:{}:{TAG}", back.display())]);
    assert_layout(&back, &image.index);

    // A copy within the registry: Skopeo mounts the blobs and does not send them again.
    let other = format!("docker://{}", reference(&server, "skopeo/other", "multi"));
    copy(&["--all", &name("multi"), &other]);
    assert_eq!(verify(&server, "skopeo/other", "multi"), image.index);

    let inspected = run(&mut ask(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &name("v1")]));
    assert_eq!(digest_in(&inspected), image.manifest);
    run(&mut ask(&["inspect", "--tls-verify=false", "--config", &name("v1")]));
    let repository = name("v1").trim_end_matches(":v1").to_owned();
    let tags = run(&mut ask(&["list-tags", "--tls-verify=false", &repository]));
    assert!(tags.contains("\"v1\"") && tags.contains("\"multi\""), "{tags}");

    run(&mut ask(&["delete", "--tls-verify=false", &name("v1")]));
    let gone = attempt(&mut ask(&["inspect", "--tls-verify=false", &name("v1")]));
    assert!(gone.code != Some(0), "a deleted image is still inspected: {}", gone.stdout);
    let tags = run(&mut ask(&["list-tags", "--tls-verify=false", &repository]));
    assert!(!tags.contains("\"v1\"") && tags.contains("\"multi\""), "{tags}");
    assert_eq!(verify(&server, "skopeo/other", "multi"), image.index);
}
