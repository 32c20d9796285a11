//! `hythe cache warm`.

use hythe_testing::{Fault, ImageBuilder, Rule};
use serde_json::json;

use super::world::{UPSTREAM, World};

#[test]
fn a_warmed_image_is_pulled_without_its_upstream() {
    let world = World::new();
    let image = world.image("app", "v1", 1);
    let ran = world.run(&["warm", "up.example/app:v1"]).expect(0);
    assert!(ran.out.starts_with("up.example/app:v1: fetched 2 of 2 blobs (48.9 KiB)"), "{}", ran.out);
    assert!(ran.err.contains("hythe cache stat"), "{}", ran.err);
    world.upstream.stop();
    for path in [format!("manifests/{}", image.digest()), "manifests/v1".to_owned()] {
        let answer = world.registry.client().get(format!("/v2/up.example/app/{path}")).send().expect(200);
        assert_eq!(answer.body, image.bytes);
    }
    world.upstream.start_again();
    world.upstream.forget_requests();
    let again = world.run(&["warm", "up.example/app:v1"]).expect(0);
    assert_eq!(again.out, "up.example/app:v1: already complete, 2 blobs\n");
    assert_eq!(world.upstream.count("GET", "/blobs/"), 0);
}

#[test]
fn a_manifest_as_large_as_the_registry_accepts_is_warmed() {
    let world = World::with(|setup| setup.registry(|options| options.manifest_max_size = 16 << 20));
    let long = "x".repeat(9 << 20);
    let image = ImageBuilder::new(1).layers(1, 1000).annotation("long", &long).build();
    world.upstream.push("app", "v1", &image);
    let ran = world.run(&["warm", "up.example/app:v1"]).expect(0);
    assert!(ran.out.starts_with("up.example/app:v1: fetched 2 of 2 blobs"), "{}", ran.out);
}

#[test]
fn the_chosen_platforms_of_an_index_are_fetched() {
    let world = World::new();
    world.index("app", "v1");
    let fetched = |arguments: &[&str]| {
        let arguments = [&["warm", "up.example/app:v1", "--output", "json"], arguments].concat();
        world.run(&arguments).json()["images"][0]["fetched_blobs"].clone()
    };
    assert_eq!(fetched(&["--platform", "linux/arm64"]), json!(2));
    assert_eq!(fetched(&["--platform", "linux/arm64/v8"]), json!(0));
    assert_eq!(fetched(&["--all-platforms"]), json!(2));
    assert_eq!(fetched(&["--platform", "linux/amd64", "--platform", "linux/arm64"]), json!(0));
    let ran = world.run(&["warm", "up.example/app:v1", "--platform", "linux/s390x"]).expect(1);
    assert!(
        ran.err.contains("the image is not for linux/s390x, only for linux/amd64, linux/arm64"),
        "{}",
        ran.err
    );
    world.run(&["warm", "up.example/app:v1", "--platform", "amd64"]).expect(2);
}

#[test]
fn images_are_named_by_lists_manifests_and_compose_files() {
    let world = World::new();
    for (repository, tag) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "latest")] {
        world.image(repository, tag, 7);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let list = file("images.txt", "# one\nup.example/a:1\n");
    let compose = file("compose.yaml", "services:\n  b:\n    image: up.example/b:${TAG:-2}\n");
    let pod = "kind: Pod\nspec:\n  containers:\n  - image: up.example/c:3\n---\nkind: Pod\nspec: {initContainers: [{image: up.example/c:3}]}\n";
    let arguments = ["warm", "up.example/d", "-f", &list, "-f", &compose, "-f", "-", "--jobs", "2"];
    let ran = world.run_with(&arguments, &[], pod).expect(0);
    let mut lines: Vec<&str> = ran.out.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["up.example/a:1", "up.example/b:2", "up.example/c:3", "up.example/d:latest"]);
    file(".env", "TAG=8\n");
    let beside = world.run(&["warm", "-f", &compose, "--check"]).expect(1);
    assert!(beside.err.contains("up.example/b:8"), "{}", beside.err);
    let set = world.run_with(&["warm", "-f", &compose, "--check"], &[("TAG", "9")], "").expect(1);
    assert!(set.err.contains("up.example/b:9"), "{}", set.err);
}

#[test]
fn everything_is_tried_and_every_failure_is_listed_at_the_end() {
    let world = World::new();
    world.image("app", "v1", 1);
    world.image("broken", "v1", 2);
    world.upstream.rule(Rule::on("GET", "/v2/broken/blobs/", Fault::status(404)));
    let compose = "services: {a: {image: 'up.example/app:${NONE}'}}";
    let arguments = [
        "warm",
        "up.example/none:v1",
        "up.example/broken:v1",
        "elsewhere.example/x",
        "Not A Name",
        "up.example/app:v1",
        "-f",
        "-",
    ];
    let ran = world.run_with(&arguments, &[], compose).expect(1);
    assert!(ran.out.starts_with("up.example/app:v1: fetched"), "{}", ran.out);
    for words in [
        "error: 5 of 6 images could not be warmed:",
        "\n  up.example/none:v1: upstream up.example: ",
        "\n  up.example/broken:v1: 2 of 2 blobs: upstream up.example: ",
        "\n  elsewhere.example/x:latest: elsewhere.example is not an allowed upstream",
        "`Not A Name` is not the name of an image",
        "-:1: `up.example/app:${NONE}`: variable NONE is not set",
    ] {
        assert!(ran.err.contains(words), "`{words}` is not in: {}", ran.err);
    }
    let json = world.run(&["warm", "up.example/app:v1", "up.example/none:v1", "--output", "json"]).expect(1);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["images"][0]["state"], &json["images"][1]["state"]),
        (&json!("present"), &json!("failed"))
    );
}

#[test]
fn a_check_asks_no_upstream_and_names_what_is_missing() {
    let world = World::new();
    let image = world.image("app", "v1", 1);
    let missing = world.run(&["warm", "--check", "up.example/app:v1"]).expect(1);
    let words = "up.example/app:v1: the registry does not have the tag `v1`";
    assert!(missing.err.contains(words), "{}", missing.err);
    assert_eq!(world.upstream.requests(), []);
    world.registry.client().get("/v2/up.example/app/manifests/v1").send().expect(200);
    world.upstream.forget_requests();
    let missing = world.run(&["warm", "--check", "up.example/app:v1"]).expect(1);
    assert!(missing.err.contains("2 of 2 blobs: "), "{}", missing.err);
    assert_eq!(world.upstream.requests(), []);
    world.run(&["warm", "up.example/app:v1"]).expect(0);
    let there = world.run(&["warm", "--check", "up.example/app:v1"]).expect(0);
    assert_eq!(there.out, "up.example/app:v1: complete, 2 blobs\n");
    let by_digest = format!("up.example/app@{}", image.digest());
    world.run(&["warm", "--check", &by_digest]).expect(0);
}

#[test]
fn an_image_that_was_pushed_to_the_registry_is_only_checked() {
    let world = World::new();
    let client = world.registry.client();
    ImageBuilder::new(1).layers(1, 1000).build().push(&client, "mine", "v1");
    let own = format!("localhost:{}/mine", world.registry.address().port());
    let ran = world.run(&["warm", &format!("{own}:v1")]).expect(0);
    assert!(ran.out.contains("already complete, 2 blobs"), "{}", ran.out);
    let ran = world.run(&["warm", &format!("{own}:v2")]).expect(1);
    assert!(ran.err.contains("has no tag `v2` of `mine`"), "{}", ran.err);
    assert_eq!(world.upstream.requests(), []);
}

#[test]
fn with_a_fallback_upstream_a_local_name_is_fetched() {
    let world = World::with(|setup| setup.mirror(UPSTREAM, true));
    let image = world.image("app", "v1", 1);
    let own = format!("localhost:{}/app:v1", world.registry.address().port());
    let ran = world.run(&["warm", &own, "--check"]).expect(1);
    assert!(ran.err.contains("the registry does not have the tag `v1`"), "{}", ran.err);
    let ran = world.run(&["warm", &own]).expect(0);
    assert!(ran.out.contains("fetched 2 of 2 blobs"), "{}", ran.out);
    world.upstream.stop();
    let answer = world.registry.client().get("/v2/app/manifests/v1").send().expect(200);
    assert_eq!(answer.body, image.bytes);
}

#[test]
fn a_broken_connection_is_retried_and_a_command_without_images_fails() {
    let world = World::new();
    world.image("app", "v1", 1);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::Truncate { at: 20_000 }).times(2));
    world.run(&["warm", "up.example/app:v1"]).expect(0);
    let ran = world.run(&["warm"]).expect(2);
    assert!(ran.err.contains("hythe cache warm redis:7"), "{}", ran.err);
    world.run(&["warm", "-f", "/nowhere.txt"]).expect(2);
    let ran = world.run_with(&["warm", "-f", "-"], &[], "two words").expect(2);
    assert!(ran.err.contains("neither a list of images"), "{}", ran.err);
    let ran = world.run_with(&["warm", "-f", "-"], &[], "# nothing\n").expect(0);
    assert!(ran.err.contains("names no image"), "{}", ran.err);
}

#[test]
fn an_image_for_another_platform_than_the_chosen_fails_with_and_without_check() {
    let world = World::new();
    world.image("app", "v1", 1);
    let words = "up.example/app:v1: the image is not for linux/arm64, only for linux/amd64";
    for arguments in
        [&["--platform", "linux/arm64"][..], &["--platform", "linux/amd64", "--platform", "linux/arm64"]]
    {
        let arguments = [&["warm", "up.example/app:v1"], arguments].concat();
        let ran = world.run(&arguments).expect(1);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    let ran = world.run(&["warm", "up.example/app:v1", "--platform", "linux/amd64"]).expect(0);
    assert!(ran.out.contains("of 2 blobs"), "{}", ran.out);
    // Without a chosen platform the image is fetched: emulation can run it on any machine.
    world.run(&["warm", "up.example/app:v1"]).expect(0);
    let ran = world.run(&["warm", "up.example/app:v1", "--platform", "linux/arm64", "--check"]).expect(1);
    assert!(ran.err.contains(words) && !ran.err.contains("without --check"), "{}", ran.err);
}

#[test]
fn a_check_tells_images_that_can_be_fetched_from_those_that_cannot() {
    let world = World::new();
    world.image("app", "v1", 1);
    let names = ["warm", "--check", "up.example/app:v1", "elsewhere.example/x:1", "Not A Name"];
    let ran = world.run(&names).expect(1);
    let (fetchable, rest) = ran.err.split_once("2 of 3 images cannot be fetched:").unwrap();
    assert!(
        fetchable.contains("1 of 3 images are incomplete; run without --check to fetch them:"),
        "{fetchable}"
    );
    let words = "up.example/app:v1: the registry does not have the tag `v1`";
    assert!(fetchable.contains(words), "{fetchable}");
    for words in ["`Not A Name` is not the name", "elsewhere.example is not an allowed upstream"] {
        assert!(rest.contains(words), "{rest}");
    }
}

#[test]
fn images_and_skipped_values_of_a_file_are_shown_with_file_and_line() {
    let world = World::new();
    world.image("app", "v1", 1);
    let pod = "kind: Pod\nspec:\n  containers:\n  - image: up.example/app:v1\n  - image: auto\n  - image: '{{ .Values.x }}'\n";
    let ran = world.run_with(&["warm", "-f", "-", "--output", "json"], &[], pod).expect(0);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let image = &json["images"][0];
    assert_eq!(
        (&image["image"], &image["file"], &image["line"]),
        (&json!("up.example/app:v1"), &json!("-"), &json!(4))
    );
    let passed = json["passed_over"].as_array().unwrap();
    assert_eq!(passed.len(), 2, "{passed:?}");
    assert_eq!((&passed[0]["text"], &passed[0]["line"]), (&json!("auto"), &json!(5)));
    assert!(passed[1]["reason"].as_str().unwrap().contains("render it first"), "{passed:?}");
    let ran = world.run_with(&["warm", "-f", "-"], &[], pod).expect(0);
    assert!(ran.err.contains("-:5: skipped `auto`"), "{}", ran.err);
    let compose = "services: {a: {image: 'up.example/app:${NONE}'}}";
    let ran = world.run_with(&["warm", "-f", "-", "--output", "json"], &[], compose).expect(1);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let image = &json["images"][0];
    assert_eq!((&image["image"], &image["line"]), (&json!("up.example/app:${NONE}"), &json!(1)));
}

#[test]
fn a_file_without_a_known_kind_or_image_fails() {
    let world = World::new();
    for text in [
        "foo: {bar: baz}\n",
        "apiVersion: acme.io/v1\nkind: Thing\nspec: {size: 3}\n",
        "kind: Pod\napiVersion: v1\nspec: {containers: [{image: '{{ .Values.image }}'}]}\n",
        "image: {repository: up.example/app, tag: ''}\n",
    ] {
        for arguments in [&["warm", "-f", "-", "--check"][..], &["warm", "-f", "-"]] {
            let ran = world.run_with(arguments, &[], text).expect(1);
            assert!(ran.err.contains("found no image in this file"), "{text}: {}", ran.err);
        }
    }
    // No image is no error in Kubernetes' own kinds, and in services that are all built.
    for text in [
        "apiVersion: v1\nkind: Service\nspec: {ports: []}\n",
        "services: {a: {build: .}, b: {build: ., image: x}}\n",
    ] {
        let ran = world.run_with(&["warm", "-f", "-", "--check"], &[], text).expect(0);
        assert!(ran.err.contains("names no image"), "{}", ran.err);
    }
}

#[test]
fn includes_and_extends_of_files_are_followed_or_reported() {
    let world = World::new();
    for name in ["a", "b", "c", "d"] {
        world.image(name, "1", 7);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    file("sub/compose.yaml", "include: [../compose.yaml]\nservices: {a: {image: 'up.example/a:${A}'}}\n");
    file("sub/.env", "A=1\n");
    file("base.yaml", "services: {b: {image: 'up.example/b:1'}, other: {image: 'up.example/none:1'}}\n");
    let compose = file(
        "compose.yaml",
        "include: [{path: sub/compose.yaml}]\nservices:\n  x: {extends: {file: base.yaml, service: b}}\n  y: {extends: z}\n  z: {image: 'up.example/c:1'}\n",
    );
    let names = |ran: &str| {
        let mut names: Vec<String> =
            ran.lines().filter_map(|line| Some(line.split_once(": ")?.0.to_owned())).collect();
        names.sort_unstable();
        names
    };
    let ran = world.run(&["warm", "-f", &compose]);
    assert_eq!(names(&ran.out), ["up.example/a:1", "up.example/b:1", "up.example/c:1"], "{}", ran.err);
    let lost = file(
        "lost.yaml",
        "include: [nowhere.yaml]\nservices: {x: {image: 'up.example/a:1', extends: {file: none.yaml, service: x}}}\n",
    );
    let ran = world.run(&["warm", "-f", &lost]).expect(1);
    for words in ["cannot follow `include` of `nowhere.yaml`", "cannot follow `extends`", "lost.yaml:1"] {
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    file(
        "app/pod.yaml",
        "kind: Pod\napiVersion: v1\nspec: {containers: [{image: app}, {image: 'up.example/d:1'}]}\n",
    );
    file("app/kustomization.yaml", "resources: [pod.yaml]\n");
    let kustomization = file(
        "prod/kustomization.yaml",
        "resources: [../app]\nimages: [{name: app, newName: up.example/c, newTag: '1'}]\n",
    );
    let ran = world.run(&["warm", "-f", &kustomization]).expect(0);
    assert_eq!(names(&ran.out), ["up.example/c:1", "up.example/d:1"], "{}", ran.err);
}
