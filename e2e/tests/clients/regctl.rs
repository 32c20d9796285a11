//! regctl: images, artifacts and their referrers, tags.

use std::fs;

use hythe_e2e::binary::built_tool;
use hythe_e2e::command::{digest_in, program, run};
use hythe_e2e::image::{TAG, assert_layout, debian};
use hythe_e2e::server::Server;

use crate::{reference, verify};

#[test]
fn regctl_copies_images_attaches_artifacts_and_removes_tags() {
    let image = debian();
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let regctl = |arguments: &[&str]| {
        let mut command = program(built_tool("regctl"), arguments);
        command.env("REGCTL_CONFIG", folder.path().join("config.json"));
        command
    };
    run(&mut regctl(&["registry", "set", "--skip-check", "--tls=disabled", &server.address().to_string()]));
    let name = reference(&server, "regctl/debian", "v1");
    let repository = name.trim_end_matches(":v1");

    run(&mut regctl(&["image", "copy", &format!("ocidir://{}:{TAG}", image.layout().display()), &name]));
    assert_eq!(verify(&server, "regctl/debian", "v1"), image.manifest);
    let index = reference(&server, "regctl/debian", "multi");
    run(&mut regctl(&[
        "image",
        "copy",
        &format!("ocidir://{}:{TAG}", image.index_layout().display()),
        &index,
    ]));
    assert_eq!(verify(&server, "regctl/debian", "multi"), image.index);
    assert_eq!(digest_in(&run(&mut regctl(&["image", "digest", &index]))), image.index);

    let bill = folder.path().join("bill.json");
    fs::write(&bill, "{\"what\":\"a bill of materials\"}").expect("the folder is ours");
    for kind in ["application/vnd.example.bill", "application/vnd.example.signature"] {
        let attach = ["artifact", "put", "--artifact-type", kind, "--subject", &name, "--file"];
        run(regctl(&attach).arg(&bill));
    }
    let count = |arguments: &[&str]| {
        let mut list = regctl(&[
            "artifact",
            "list",
            "--format",
            "{{ range .Descriptors }}{{ println .Digest }}{{ end }}",
        ]);
        run(list.args(arguments)).lines().count()
    };
    assert_eq!(count(&[&name]), 2);
    assert_eq!(count(&[&name, "--filter-artifact-type", "application/vnd.example.bill"]), 1);
    let filter = ["--filter-artifact-type", "application/vnd.example.bill"];
    let got = run(regctl(&["artifact", "get", "--subject", &name]).args(filter));
    assert_eq!(got, fs::read_to_string(&bill).expect("it was written"));

    let copy = reference(&server, "regctl/copied", "v1");
    run(&mut regctl(&["image", "copy", "--referrers", &name, &copy]));
    assert_eq!(verify(&server, "regctl/copied", "v1"), image.manifest);
    assert_eq!(count(&[&copy]), 2);
    let back = folder.path().join("back");
    run(&mut regctl(&["image", "copy", &copy, &format!("ocidir://{}:{TAG}", back.display())]));
    assert_layout(&back, &image.manifest);

    let repositories = run(&mut regctl(&["repo", "ls", &server.address().to_string()]));
    assert_eq!(repositories, "regctl/copied\nregctl/debian");
    run(&mut regctl(&["image", "copy", &name, &reference(&server, "regctl/debian", "second")]));
    assert_eq!(run(&mut regctl(&["tag", "ls", repository])), "multi\nsecond\nv1");
    run(&mut regctl(&["tag", "rm", &reference(&server, "regctl/debian", "second")]));
    assert_eq!(run(&mut regctl(&["tag", "ls", repository])), "multi\nv1");
    assert_eq!(verify(&server, "regctl/debian", "v1"), image.manifest);
    run(&mut regctl(&["manifest", "delete", &format!("{repository}@{}", image.index)]));
    assert_eq!(run(&mut regctl(&["tag", "ls", repository])), "v1");
}

#[test]
fn regctl_pushes_and_pulls_an_image_of_sha512_digests() {
    let image = debian();
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let regctl = |arguments: &[&str]| {
        let mut command = program(built_tool("regctl"), arguments);
        command.env("REGCTL_CONFIG", folder.path().join("config.json"));
        command
    };
    run(&mut regctl(&["registry", "set", "--skip-check", "--tls=disabled", &server.address().to_string()]));
    let long = format!("ocidir://{}:long", folder.path().join("long").display());
    let source = format!("ocidir://{}:{TAG}", image.layout().display());
    run(&mut regctl(&["image", "mod", &source, "--digest-algo", "sha512", "--create", &long]));
    let digest = run(&mut regctl(&["image", "digest", &long]));
    assert!(digest.starts_with("sha512:"), "{digest}");

    // By digest: for a push under a tag, the registry would use the manifest's SHA-256 digest.
    let name = format!("{}/regctl/long@{digest}", server.address());
    run(&mut regctl(&["image", "copy", &long, &name]));
    let back = folder.path().join("back");
    run(&mut regctl(&["image", "copy", &name, &format!("ocidir://{}:{TAG}", back.display())]));
    assert_layout(&back, &digest.parse().unwrap_or_else(|error| panic!("{error}")));
}
