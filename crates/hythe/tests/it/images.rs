//! `hythe copy`, `ls`, `tags`, `inspect` and `rm`, against registries of different kinds.

use std::path::Path;
#[cfg(unix)]
use std::process::{Command, Stdio};
#[cfg(unix)]
use std::time::Duration;

use hythe_oci::{Algorithm, Digest};
#[cfg(unix)]
use hythe_testing::{Fault, Rule};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, ScriptedUpstream, TestRegistry};
use serde_json::json;

use crate::cache::world::{Ran, run};

fn hythe(arguments: &[&str]) -> Ran {
    run(arguments, &[], "")
}

/// An index for two platforms. Its images were built in 2020, and have one layer.
fn index() -> Manifest {
    let mut index = IndexBuilder::new();
    let mut manifests = Vec::new();
    for (seed, architecture) in [(1, "amd64"), (2, "arm64")] {
        let config = json!({
            "os": "linux", "architecture": architecture, "created": "2020-01-02T03:04:05Z",
            "history": [
                { "created_by": "/bin/sh -c #(nop) COPY file:abc in /" },
                { "created_by": "CMD [\"app\"]", "empty_layer": true },
            ],
        });
        let config = config.to_string();
        let image = ImageBuilder::new(seed)
            .config(hythe_oci::media_type::OCI_CONFIG, config.as_bytes())
            .layers(1, 40_000)
            .build();
        let mut entry = image.descriptor();
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        index = index.entry(entry);
        manifests.push(image);
    }
    Manifest { manifests, ..index.build() }
}

fn at(registry: &TestRegistry, image: &str) -> String {
    format!("{}/{image}", registry.address())
}

#[test]
fn an_image_is_copied_with_its_digest_and_again_nothing_is() {
    let (from, to) = (TestRegistry::start(), TestRegistry::start());
    let index = index();
    index.push(&from.client(), "app", "v1");
    let (source, target) = (at(&from, "app:v1"), at(&to, "team/app"));
    let dry = hythe(&["copy", &source, &target, "--dry-run"]).expect(0);
    assert!(dry.row(&target).contains("would copy 3 manifests and 4 blobs (78."), "{}", dry.out);
    to.client().get("/v2/team/app/manifests/v1").send().expect(404);
    let copied = hythe(&["copy", &source, &target]).expect(0);
    let row = copied.row(&target);
    assert!(
        row.starts_with(&format!("{target}:v1 {} copied 3 manifests and 4 blobs", index.digest())),
        "{row}"
    );
    assert_eq!(to.client().get("/v2/team/app/manifests/v1").send().expect(200).body, index.bytes);
    assert!(hythe(&["copy", &source, &target]).expect(0).row(&target).ends_with("up to date"));
    let json = hythe(&["copy", &source, &at(&to, "other:v2"), "--output", "json"]).json();
    assert_eq!((&json["copied"][0]["upToDate"], &json["failed"]), (&json!(false), &json!([])));
}

#[test]
fn a_copy_restores_a_blob_that_the_target_lost_but_trusts_manifests_with_a_pattern() {
    let (from, to) = (TestRegistry::start(), TestRegistry::start());
    let index = index();
    index.push(&from.client(), "app", "v1");
    let (source, target) = (at(&from, "app:v1"), at(&to, "app"));
    hythe(&["copy", &source, &target]).expect(0);
    let layer = Digest::of(Algorithm::Sha256, index.manifests[1].blobs.last().unwrap());
    let path = format!("/v2/app/blobs/{layer}");
    to.client().delete(&path).send().expect(202);
    let trusting = hythe(&["copy", &at(&from, "app"), &target, "--tag", "v*"]).expect(0);
    assert!(trusting.row(&target).ends_with("up to date"), "{}", trusting.out);
    let healed = hythe(&["copy", &source, &target]).expect(0);
    assert!(healed.out.contains("copied 0 manifests and 1 blob"), "{}", healed.out);
    to.client().get(&path).send().expect(200);
    assert!(hythe(&["copy", &source, &target]).expect(0).row(&target).ends_with("up to date"));
}

#[test]
fn an_image_goes_through_a_file_or_a_folder_and_back() {
    let (registry, folder) = (TestRegistry::start(), tempfile::tempdir().unwrap());
    let index = index();
    index.push(&registry.client(), "app", "v1");
    for (number, name) in ["images.tar", "layout"].into_iter().enumerate() {
        let path = folder.path().join(name).display().to_string();
        hythe(&["copy", &at(&registry, "app:v1"), &path]).expect(0);
        let back = at(&registry, &format!("back{number}"));
        hythe(&["copy", &path, &back]).expect(0);
        registry.client().get(format!("/v2/back{number}/manifests/v1")).send().expect(200);
    }
    let one = folder.path().join("one.tar").display().to_string();
    let copied = hythe(&["copy", &at(&registry, "app:v1"), &one, "--platform", "linux/arm64"]).expect(0);
    assert!(copied.out.contains("; not copied: linux/amd64"), "{}", copied.out);
    let error = hythe(&["copy", &one, &at(&registry, "one")]).expect(1).err;
    assert!(error.contains("linux/amd64") && error.contains("--platform"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_copy_that_is_interrupted_leaves_no_file_behind() {
    let (from, folder) = (ScriptedUpstream::start(), tempfile::tempdir().unwrap());
    let image = ImageBuilder::new(7).layers(1, 200_000).build();
    from.push("app", "v1", &image);
    from.rule(Rule {
        method: Some("GET"),
        contains: Digest::of(Algorithm::Sha256, image.blobs.last().unwrap()).to_string(),
        times: None,
        fault: Fault::Stall { at: 1000 },
    });
    let source = format!("{}/app:v1", from.address());
    let mut copy = Command::new(env!("CARGO_BIN_EXE_hythe"));
    copy.args(["copy", &source]).arg(folder.path().join("big.tar")).env_clear().env("HOME", "/home/ada");
    let copy = copy.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    while files() == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The handler of the signal is there before the first request.
    assert!(Command::new("kill").arg(copy.id().to_string()).status().unwrap().success());
    let ended = copy.wait_with_output().unwrap();
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && error.contains("the copy was interrupted"), "{error}");
    assert_eq!(files(), 0);
}

#[test]
fn tags_are_chosen_by_patterns_and_each_failure_is_told_at_the_end() {
    let (from, to) = (TestRegistry::start(), TestRegistry::start());
    for (seed, tag) in [(1, "v1.0"), (2, "v1.1"), (3, "v2.0"), (4, "latest")] {
        ImageBuilder::new(seed).layers(1, 1000).build().push(&from.client(), "app", tag);
    }
    hythe(&["copy", &at(&from, "app"), &at(&to, "app"), "--tag", "v1.*", "--tag", "latest"]).expect(0);
    let listed = hythe(&["tags", &at(&to, "app")]).expect(0);
    assert_eq!(listed.out, "latest\nv1.0\nv1.1\n");
    let listed = hythe(&["tags", &at(&to, "app"), "--filter", "v*", "--output", "json"]).json();
    assert_eq!(listed, json!(["v1.0", "v1.1"]));
    let nothing = hythe(&["copy", &at(&from, "app"), &at(&to, "app"), "--tag", "nope*"]).expect(1);
    assert!(nothing.err.contains("has no tag that matches `nope*`"), "{}", nothing.err);
    let wrong = hythe(&["copy", &at(&from, "app:v2.0"), &at(&to, "app"), "--tag", "v*"]).expect(2);
    assert!(wrong.err.contains("without a tag"), "{}", wrong.err);
}

#[test]
fn repositories_are_listed_and_images_are_shown() {
    let registry = TestRegistry::start();
    let index = index();
    index.push(&registry.client(), "team/app", "v1");
    let note = ImageBuilder::artifact(9, "application/vnd.example.note").subject(&index).build();
    note.push(&registry.client(), "team/app", note.digest());
    ImageBuilder::new(3).build().push(&registry.client(), "other", "latest");
    let host = registry.address().to_string();
    assert_eq!(hythe(&["ls", &host]).expect(0).out, "other\nteam/app\n");
    assert_eq!(hythe(&["ls", &host, "--filter", "team/*"]).expect(0).out, "team/app\n");
    let named = run(&["ls", "--output", "json"], &[("HYTHE_REGISTRY", host.as_str())], "").json();
    assert_eq!(named, json!(["other", "team/app"]));
    let image = at(&registry, "team/app:v1");
    let shown = hythe(&["inspect", &image]).expect(0);
    assert!(shown.row("linux/amd64").contains("39."), "{}", shown.out);
    assert!(shown.row("linux/amd64").contains(" 1 2020-01-02T03:04:05Z sha256:"), "{}", shown.out);
    assert!(shown.row("application/vnd.example.note").ends_with(&note.digest().to_string()), "{}", shown.out);
    let shown = hythe(&["inspect", &image, "--platform", "linux/arm64"]).expect(0);
    assert!(shown.out.contains("COPY file:abc in /") && shown.out.contains("2020-01-02"), "{}", shown.out);
    let json = hythe(&["inspect", &image, "--output", "json"]).json();
    assert_eq!(
        (&json[0]["digest"], &json[0]["platforms"][1]["present"]),
        (&json!(index.digest()), &json!(true))
    );
    assert_eq!(json[0]["referrers"][0]["digest"], json!(note.digest()));
    let long = hythe(&["tags", &at(&registry, "team/app"), "--long"]).expect(0);
    assert!(long.row("v1").ends_with("linux/amd64, linux/arm64"), "{}", long.out);
    let missing = hythe(&["inspect", &image, "--platform", "linux/s390x"]).expect(1).err;
    assert!(missing.contains("only for linux/amd64, linux/arm64"), "{missing}");
}

#[test]
fn a_tag_is_deleted_alone_and_patterns_and_age_choose_tags() {
    let registry = TestRegistry::start();
    let old = index();
    for tag in ["pr-1", "pr-2", "v1"] {
        old.push(&registry.client(), "app", tag);
    }
    // Its configuration does not say when it was built.
    ImageBuilder::new(5).build().push(&registry.client(), "app", "pr-3");
    let app = at(&registry, "app");
    let chosen = ["rm", &app, "--tag", "pr-*", "--older-than", "30d"];
    let dry = hythe(&[&chosen[..], &["--dry-run"]].concat()).expect(0);
    assert_eq!(dry.out, format!("would delete {app}:pr-1\nwould delete {app}:pr-2\n"));
    let deleted = hythe(&chosen).expect(0);
    assert_eq!(deleted.out, format!("deleted {app}:pr-1\ndeleted {app}:pr-2\n"));
    assert!(deleted.err.contains("hythe gc"), "{}", deleted.err);
    assert_eq!(hythe(&["tags", &app]).expect(0).out, "pr-3\nv1\n");
    registry.client().get("/v2/app/manifests/v1").send().expect(200);
    hythe(&["rm", &format!("{app}@{}", old.digest())]).expect(0);
    assert_eq!(hythe(&["tags", &app]).expect(0).out, "pr-3\n");
    assert!(hythe(&["rm", &app]).expect(2).err.contains("names no tag"));
    let missing = hythe(&["rm", &format!("{app}:nope")]).expect(1).err;
    assert!(missing.contains("1 image could not be deleted"), "{missing}");
}

#[test]
fn a_deletion_needs_the_name_of_the_registry() {
    let refused = run(&["rm", "app:v1"], &[("HYTHE_REGISTRY", "localhost:5061")], "").expect(2).err;
    assert!(refused.contains("write localhost:5061/app:v1 for"), "{refused}");
    assert!(refused.contains("docker.io/library/app:v1 for Docker Hub"), "{refused}");
    let refused = hythe(&["rm", "localhost:5061/app:v1", "team/app", "--tag", "pr-*"]).expect(2).err;
    assert!(refused.contains("localhost:5001/team/app for"), "{refused}");
    assert!(refused.contains("docker.io/team/app for Docker Hub"), "{refused}");
}

/// An input tag, as builds compute it.
const INPUT: &str = "in-0123456789abcdef01234567";

#[test]
fn input_tags_are_hidden_and_go_with_the_last_other_tag_of_their_image() {
    let registry = TestRegistry::start();
    let image = index();
    for tag in ["v1", "v2", INPUT] {
        image.push(&registry.client(), "app", tag);
    }
    ImageBuilder::new(5).build().push(&registry.client(), "app", "in-00000000000000000000000f");
    let app = at(&registry, "app");
    let listed = hythe(&["tags", &app]).expect(0);
    assert_eq!(listed.out, "v1\nv2\n");
    assert!(
        listed.err.contains(&format!("hidden: 2 input tags; to list them too: `hythe tags {app} --all`"))
    );
    assert!(hythe(&["tags", &app, "--all"]).expect(0).out.contains(INPUT));
    assert!(hythe(&["tags", &app, "--filter", "in-01*"]).expect(0).out.contains(INPUT));
    // Another tag still names the image.
    assert_eq!(hythe(&["rm", &format!("{app}:v1")]).expect(0).out, format!("deleted {app}:v1\n"));
    let chosen = ["rm", &app, "--tag", "*"];
    let dry = hythe(&[&chosen[..], &["--dry-run"]].concat()).expect(0);
    let follows = format!("{app}:{INPUT} (no other tag names its image)");
    assert_eq!(dry.out, format!("would delete {app}:v2\nwould delete {follows}\n"));
    assert_eq!(hythe(&chosen).expect(0).out, format!("deleted {app}:v2\ndeleted {follows}\n"));
    // The other image has no other tag than this one, and patterns do not mean it.
    assert_eq!(hythe(&["tags", &app, "--all"]).expect(0).out, "in-00000000000000000000000f\n");
    hythe(&["rm", &app, "--tag", "*", "--all"]).expect(0);
    assert_eq!(hythe(&["tags", &app, "--all"]).expect(0).out, "");
}

#[test]
fn logins_are_those_of_docker_and_loopback_needs_no_tls() {
    let (registry, upstream) = (TestRegistry::start(), ScriptedUpstream::start());
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    upstream.push("app", "v1", &image);
    upstream.require_basic("ada", "secret");
    let host = upstream.address().to_string();
    let (source, target) = (format!("{host}/app:v1"), at(&registry, "app"));
    let refused = hythe(&["copy", &source, &target]).expect(1).err;
    assert!(refused.contains(&host), "{refused}");
    let home = tempfile::tempdir().unwrap();
    write_login(home.path(), &host, "YWRhOnNlY3JldA==");
    let variables = [("DOCKER_CONFIG", home.path().to_str().unwrap())];
    run(&["copy", &source, &target], &variables, "").expect(0);
    registry.client().get("/v2/app/manifests/v1").send().expect(200);
}

fn write_login(folder: &Path, host: &str, auth: &str) {
    let config = json!({ "auths": { host: { "auth": auth } } });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}
