//! The catalog of repositories (registry:2).

use hythe_testing::{ImageBuilder, Setup};
use serde_json::json;

use crate::world::World;

on_every_configuration! {
    repositories_that_hold_a_manifest_are_listed_in_ascii_order,
    the_pages_of_the_catalog_follow_each_other_by_their_links,
    the_catalog_begins_after_the_repository_in_last,
    a_page_of_the_catalog_is_no_larger_than_the_registry_allows,
    a_repository_leaves_the_catalog_with_its_last_manifest,
}

const REPOSITORIES: [&str; 5] = ["a", "a-b/c", "a.b", "a/b", "b"];

fn with_repositories(setup: Setup) -> World {
    let world = World::start(setup);
    for (seed, name) in REPOSITORIES.iter().rev().enumerate() {
        ImageBuilder::new(seed as u64).build().push(&world, name, "latest");
    }
    world.push_blob("blobs/only", b"content");
    world.start_upload("upload/only");
    world
}

#[track_caller]
fn list(world: &World, query: &str) -> (Vec<String>, Option<String>) {
    let answer = world.get(format!("/v2/_catalog{query}")).send().expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    (serde_json::from_value(answer.json()["repositories"].clone()).unwrap(), answer.next_page())
}

fn repositories_that_hold_a_manifest_are_listed_in_ascii_order(setup: Setup) {
    let world = World::start(setup.clone());
    assert_eq!(world.get("/v2/_catalog").send().expect(200).json(), json!({ "repositories": [] }));
    let world = with_repositories(setup);
    assert_eq!(list(&world, ""), (REPOSITORIES.map(str::to_owned).to_vec(), None));
}

fn the_pages_of_the_catalog_follow_each_other_by_their_links(setup: Setup) {
    let world = with_repositories(setup);
    for n in 1..=6 {
        let mut query = format!("?n={n}");
        let mut repositories = Vec::new();
        loop {
            let (page, next) = list(&world, &query);
            assert!(page.len() == n || next.is_none());
            repositories.extend(page);
            match next {
                Some(next) => next.strip_prefix("/v2/_catalog").unwrap().clone_into(&mut query),
                None => break,
            }
        }
        assert_eq!(repositories, REPOSITORIES, "n={n}");
    }
    // The form of registry:2.
    let answer = world.get("/v2/_catalog?last=a.b&n=1").send().expect(200);
    assert_eq!(answer.header("link"), Some("</v2/_catalog?last=a%2Fb&n=1>; rel=\"next\""));
}

fn the_catalog_begins_after_the_repository_in_last(setup: Setup) {
    let world = with_repositories(setup);
    for (position, name) in REPOSITORIES.iter().enumerate() {
        assert_eq!(list(&world, &format!("?last={name}")).0, REPOSITORIES[position + 1..]);
    }
    assert_eq!(list(&world, "?last=a%2Fb").0, ["b"]);
    assert_eq!(list(&world, "?last=aa").0, ["b"]);
    assert_eq!(list(&world, "?last=zzz"), (Vec::new(), None));
    assert_eq!(list(&world, "?n=0"), (Vec::new(), None));
}

fn a_page_of_the_catalog_is_no_larger_than_the_registry_allows(setup: Setup) {
    let world = with_repositories(setup.server(|options| options.catalog_max_page = 2));
    for query in ["", "?n=3", "?n=100000"] {
        let (page, next) = list(&world, query);
        assert_eq!(page, REPOSITORIES[..2], "{query}");
        assert!(next.is_some(), "{query}");
    }
}

fn a_repository_leaves_the_catalog_with_its_last_manifest(setup: Setup) {
    let world = World::start(setup);
    let images = [ImageBuilder::new(1).build(), ImageBuilder::new(2).build()];
    for (image, tag) in images.iter().zip(["one", "two"]) {
        image.push(&world, "app", tag);
    }
    // A tag is only a name: its manifest stays, so the repository stays too.
    world.delete("/v2/app/manifests/one").send().expect(202);
    world.delete(format!("/v2/app/manifests/{}", images[0].digest())).send().expect(202);
    assert_eq!(list(&world, "").0, ["app"]);
    world.delete(format!("/v2/app/manifests/{}", images[1].digest())).send().expect(202);
    assert_eq!(list(&world, "").0, [""; 0]);
    images[0].push(&world, "app", "again");
    assert_eq!(list(&world, "").0, ["app"]);
}
