//! `hythe cache warm`.

use hythe_testing::{Fault, ImageBuilder, Rule};
use serde_json::json;

use super::world::{UPSTREAM, World};

#[test]
fn an_image_that_was_warmed_is_pulled_without_its_upstream() {
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
    assert_eq!(again.out, "up.example/app:v1: was there, 2 blobs\n");
    assert_eq!(world.upstream.count("GET", "/blobs/"), 0);
}

#[test]
fn of_an_index_the_chosen_platforms_are_fetched() {
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
        ran.err.contains("it is not there for linux/s390x, only for linux/amd64, linux/arm64"),
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
        "\n  elsewhere.example/x:latest: the registry may not ask elsewhere.example",
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
fn a_check_asks_no_upstream_and_says_what_is_not_there() {
    let world = World::new();
    let image = world.image("app", "v1", 1);
    let missing = world.run(&["warm", "--check", "up.example/app:v1"]).expect(1);
    assert!(missing.err.contains("up.example/app:v1: tag `v1` is not there"), "{}", missing.err);
    assert_eq!(world.upstream.requests(), []);
    world.registry.client().get("/v2/up.example/app/manifests/v1").send().expect(200);
    world.upstream.forget_requests();
    let missing = world.run(&["warm", "--check", "up.example/app:v1"]).expect(1);
    assert!(missing.err.contains("2 of 2 blobs: "), "{}", missing.err);
    assert_eq!(world.upstream.requests(), []);
    world.run(&["warm", "up.example/app:v1"]).expect(0);
    let there = world.run(&["warm", "--check", "up.example/app:v1"]).expect(0);
    assert_eq!(there.out, "up.example/app:v1: all there, 2 blobs\n");
    let by_digest = format!("up.example/app@{}", image.digest());
    world.run(&["warm", "--check", &by_digest]).expect(0);
}

#[test]
fn an_image_of_the_registrys_own_is_only_checked() {
    let world = World::new();
    let client = world.registry.client();
    ImageBuilder::new(1).layers(1, 1000).build().push(&client, "mine", "v1");
    let own = format!("localhost:{}/mine", world.registry.address().port());
    let ran = world.run(&["warm", &format!("{own}:v1")]).expect(0);
    assert!(ran.out.contains("was there, 2 blobs"), "{}", ran.out);
    let ran = world.run(&["warm", &format!("{own}:v2")]).expect(1);
    assert!(ran.err.contains("has no tag `v2` of `mine`"), "{}", ran.err);
    assert_eq!(world.upstream.requests(), []);
}

#[test]
fn where_all_that_is_not_here_is_asked_of_one_upstream_an_own_name_is_fetched() {
    let world = World::with(|setup| setup.mirror(UPSTREAM, true));
    let image = world.image("app", "v1", 1);
    let own = format!("localhost:{}/app:v1", world.registry.address().port());
    let ran = world.run(&["warm", &own, "--check"]).expect(1);
    assert!(ran.err.contains("tag `v1` is not there"), "{}", ran.err);
    let ran = world.run(&["warm", &own]).expect(0);
    assert!(ran.out.contains("fetched 2 of 2 blobs"), "{}", ran.out);
    world.upstream.stop();
    let answer = world.registry.client().get("/v2/app/manifests/v1").send().expect(200);
    assert_eq!(answer.body, image.bytes);
}

#[test]
fn a_connection_that_breaks_is_no_failure_and_nothing_named_is_one() {
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
