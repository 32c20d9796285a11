//! The admin pages of the cache: listing copies, the state of upstreams, and clearing.

use hythe_oci::ErrorCode;
use hythe_testing::{Answer, ImageBuilder, ScriptedUpstream};
use serde_json::{Value, json};

use crate::world::{UPSTREAM, World, digest};

const COPIES: &str = "/api/cache/copies";

fn parsed(answer: Answer) -> Value {
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    serde_json::from_slice(&answer.body).unwrap()
}

fn get(world: &World, target: &str) -> Value {
    parsed(world.client().get(target).send())
}

fn clear(world: &World, pattern: &str) -> Value {
    parsed(world.client().delete(COPIES).query("pattern", pattern).send())
}

/// The number of files in the store.
fn files(world: &World) -> usize {
    let folder = world.registry.folder().join("blobs/sha256");
    let of = |path: std::path::PathBuf| std::fs::read_dir(path).map_or(0, Iterator::count);
    std::fs::read_dir(folder).unwrap().map(|entry| of(entry.unwrap().path())).sum()
}

/// A registry with copies of `app:v1` and of `other:v2`, which has the same layer, and with a pushed image.
fn filled() -> World {
    let world = World::new();
    let image = world.image(1);
    world.pull("v1", &image);
    let other = ImageBuilder::new(2).layer("application/octet-stream", &image.blobs[1]).build();
    world.upstream.push("other", "v2", &other);
    for path in [
        "manifests/v2".to_owned(),
        format!("blobs/{}", digest(&other.blobs[0])),
        format!("blobs/{}", digest(&other.blobs[1])),
    ] {
        world.client().get(format!("/v2/{UPSTREAM}/other/{path}")).send().expect(200);
    }
    ImageBuilder::new(3).layers(1, 1000).build().push(&world.client(), "mine", "v1");
    world
}

#[test]
fn copies_are_listed_with_their_content_and_pushed_repositories_are_not() {
    let world = World::new();
    assert_eq!(get(&world, COPIES), json!({ "copies": [], "next": null }));
    let image = world.image(1);
    world.pull("v1", &image);
    let list = get(&filled(), COPIES);
    let names: Vec<&Value> = list["copies"].as_array().unwrap().iter().map(|copy| &copy["name"]).collect();
    assert_eq!(names, ["up.example/app", "up.example/other"]);
    let mut copy = get(&world, COPIES)["copies"][0].clone();
    let last_use = copy.as_object_mut().unwrap().remove("last_use").unwrap();
    assert!(last_use.as_str().unwrap().ends_with('Z'), "{last_use}");
    let bytes = image.bytes.len() + image.blobs.iter().map(Vec::len).sum::<usize>();
    assert_eq!(
        copy,
        json!({ "name": "up.example/app", "upstream": UPSTREAM, "tags": ["v1"], "tag_count": 1,
            "manifests": 1, "blobs": 2, "bytes": bytes })
    );
}

#[test]
fn a_list_is_filtered_by_a_pattern_and_comes_in_pages() {
    let world = filled();
    let names = |target: &str| {
        let list = get(&world, target);
        let copies = list["copies"].as_array().unwrap();
        copies.iter().map(|copy| copy["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("/api/cache/copies?pattern=*/other"), ["up.example/other"]);
    assert_eq!(names("/api/cache/copies?pattern=*%3Av1"), ["up.example/app"]);
    assert_eq!(names("/api/cache/copies?pattern=mine"), [""; 0]);
    let first = get(&world, "/api/cache/copies?n=1");
    assert_eq!(first["next"], "up.example/app");
    let next = get(&world, "/api/cache/copies?n=1&last=up.example/app");
    assert_eq!((&next["copies"][0]["name"], &next["next"]), (&json!("up.example/other"), &Value::Null));
}

#[test]
fn clearing_a_copy_removes_its_files_at_once_and_keeps_blobs_of_other_copies() {
    let world = filled();
    let before = files(&world);
    let cleared = clear(&world, "*/app");
    assert_eq!(
        (&cleared["copies"], &cleared["tags"], &cleared["manifests"]),
        (&json!(1), &json!(1), &json!(1))
    );
    // The other copy has the layer too.
    assert_eq!((&cleared["blobs"], files(&world)), (&json!(1), before - 1));
    let cleared = clear(&world, "*");
    assert_eq!((&cleared["blobs"], files(&world)), (&json!(2), before - 3));
    assert_eq!(get(&world, COPIES)["copies"], json!([]));
    world.client().get("/v2/mine/manifests/v1").send().expect(200);
    // The image can be pulled again.
    let image = world.image(1);
    world.pull("v1", &image);
}

#[test]
fn clearing_a_tag_takes_its_manifest_and_leaves_the_others() {
    let world = World::new();
    let first = world.image(1);
    world.pull("v1", &first);
    let second = ImageBuilder::new(2).layers(1, 1000).build();
    world.upstream.push("app", "v2", &second);
    world.pull("v2", &second);
    let cleared = clear(&world, "up.example/*:v1");
    let bytes = first.bytes.len() + first.blobs.iter().map(Vec::len).sum::<usize>();
    assert_eq!(cleared, json!({ "copies": 1, "tags": 1, "manifests": 1, "blobs": 2, "bytes": bytes }));
    assert_eq!(get(&world, COPIES)["copies"][0]["tags"], json!(["v2"]));
    world.upstream.forget_requests();
    world.pull("v2", &second);
    assert_eq!(world.upstream.count("GET", ""), 0);
}

#[test]
fn upstreams_are_listed_with_their_state_whether_asked_or_not() {
    let world = World::with(|setup| setup.upstream("quiet.example", &["https://quiet.example".to_owned()]));
    let upstreams = get(&world, "/api/cache/upstreams")["upstreams"].clone();
    assert_eq!(
        upstreams[0],
        json!({ "name": "quiet.example", "endpoints": ["https://quiet.example"], "allowed": true, "asked": false })
    );
    for (name, expected) in [("QUIET.example", 1), ("up.example", 1), ("other.example", 0), ("", 0)] {
        let meant = get(&world, &format!("/api/cache/upstreams?name={name}"));
        assert_eq!(meant["upstreams"].as_array().unwrap().len(), expected, "{name}");
    }
    world.upstream.budget(100, 42);
    let image = world.image(1);
    world.pull("v1", &image);
    world.pull("v1", &image);
    let upstreams = get(&world, "/api/cache/upstreams")["upstreams"].clone();
    let asked = &upstreams[1];
    assert_eq!((&asked["name"], &asked["asked"]), (&json!(UPSTREAM), &json!(true)));
    assert_eq!((&asked["misses"], &asked["hits"], &asked["errors"]), (&json!(3), &json!(3), &json!(0)));
    let layers = image.blobs.iter().map(Vec::len).sum::<usize>();
    assert_eq!((&asked["saved_bytes"], &asked["resting"]), (&json!(layers), &Value::Null));
    assert_eq!(asked["budget"]["limit"], json!(100));
    world.upstream.stop();
    for _ in 0..3 {
        world.manifest("v9");
    }
    let resting = get(&world, "/api/cache/upstreams")["upstreams"][1]["resting"].clone();
    assert!(resting.as_str().unwrap().contains("failures in a row hythe asks it again in"), "{resting}");
}

#[test]
fn nothing_is_cleared_without_a_pattern_by_a_web_page_or_if_deleting_is_off() {
    let mut world = filled();
    let before = get(&world, COPIES);
    let client = world.client();
    let message = client.delete(COPIES).send().expect_error(400, ErrorCode::Unsupported);
    assert!(message.contains("`pattern`"), "{message}");
    client.delete("/api/cache/copies?pattern=").send().expect_error(400, ErrorCode::Unsupported);
    client.delete("/api/cache/copies?pattern=%3Av1").send().expect_error(400, ErrorCode::Unsupported);
    let page = client.delete("/api/cache/copies?pattern=*").header("origin", "https://evil.example");
    page.send().expect_error(403, ErrorCode::Denied);
    let rebound = client.get(COPIES).header("host", "evil.example");
    rebound.send().expect_error(403, ErrorCode::Denied);
    client.post("/api/cache/copies?pattern=*").send().expect_error(405, ErrorCode::Unsupported);
    client.delete("/api/cache/upstreams").send().expect_error(405, ErrorCode::Unsupported);
    client.get("/api/cache/nothing").send().expect_error(404, ErrorCode::Unsupported);
    assert_eq!(get(&world, COPIES), before);
    world.registry.restart_with(|setup| *setup = setup.clone().without_delete());
    let refused = world.client().delete("/api/cache/copies?pattern=*").send();
    let message = refused.expect_error(405, ErrorCode::Unsupported);
    assert!(message.contains("delete.enabled"), "{message}");
    assert_eq!(get(&world, COPIES), before);
}

#[test]
fn an_upstream_that_was_removed_keeps_its_copies_until_they_are_cleared() {
    let mut world = filled();
    let other = ScriptedUpstream::start();
    world.registry.restart_with(|setup| {
        *setup = hythe_testing::Setup::default().upstream("new.example", &[other.endpoint()]);
    });
    assert_eq!(get(&world, COPIES)["copies"].as_array().unwrap().len(), 2);
    assert_eq!(clear(&world, "up.example/*")["copies"], json!(2));
}
