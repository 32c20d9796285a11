//! Tags and referrers of a copy, and the catalog with copies in it.

use hythe_oci::ErrorCode;
use hythe_testing::ImageBuilder;
use serde_json::json;

use crate::world::{UPSTREAM, World, cache};

#[test]
fn tags_are_the_upstreams_or_the_cached_ones_while_it_is_down() {
    let world = World::new();
    let image = world.image(1);
    for tag in ["v2", "v3"] {
        world.upstream.push("app", tag, &image);
    }
    world.pull("v2", &image);
    let target = format!("/v2/{UPSTREAM}/app/tags/list");
    let all = world.client().get(&target).send().expect(200);
    assert_eq!(all.json(), json!({ "name": "up.example/app", "tags": ["v1", "v2", "v3"] }));
    let page = world.client().get(format!("{target}?n=2")).send().expect(200);
    assert_eq!(page.json()["tags"], json!(["v1", "v2"]));
    let next = world.client().get(page.next_page().unwrap()).send().expect(200);
    assert_eq!(next.json()["tags"], json!(["v3"]));
    let by_namespace = format!("/v2/app/tags/list?ns={UPSTREAM}&n=2");
    let page = world.client().get(by_namespace).send().expect(200);
    let next = world.client().get(page.next_page().unwrap()).send().expect(200);
    assert_eq!(next.json()["tags"], json!(["v3"]), "the next page is from the same registry");
    world.upstream.stop();
    let left = world.client().get(&target).send().expect(200);
    assert_eq!((left.json()["tags"].clone(), cache(&left)), (json!(["v2"]), "stale"));
    assert!(left.expect_header("warning").contains("it has only what is in the cache"));
    world
        .client()
        .get(format!("/v2/{UPSTREAM}/other/tags/list"))
        .send()
        .expect_error(503, ErrorCode::Unavailable);
}

#[test]
fn referrers_are_the_upstreams_and_the_local_ones() {
    let world = World::new();
    let image = world.image(1);
    let (signature, sbom) = (
        ImageBuilder::artifact(2, "application/vnd.example.signature").subject(&image).build(),
        ImageBuilder::artifact(3, "application/vnd.example.sbom").subject(&image).build(),
    );
    world.upstream.push("app", &signature.digest().to_string(), &signature);
    world.manifest(signature.digest()).expect(200);
    world.upstream.push("app", &sbom.digest().to_string(), &sbom);
    let target = format!("/v2/{UPSTREAM}/app/referrers/{}", image.digest());
    let digests = |target: &str| {
        let listed = world.client().get(target).send().expect(200).json();
        let mut digests: Vec<_> = listed["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["digest"].as_str().unwrap().to_owned())
            .collect();
        digests.sort();
        digests
    };
    let mut both = vec![signature.digest().to_string(), sbom.digest().to_string()];
    both.sort();
    assert_eq!(digests(&target), both);
    let filtered = format!("{target}?artifactType=application/vnd.example.sbom");
    assert_eq!(digests(&filtered), [sbom.digest().to_string()]);
    world.upstream.stop();
    assert_eq!(digests(&target), [signature.digest().to_string()]);
}

#[test]
fn an_upstream_without_the_referrers_api_is_asked_for_the_fallback_tag() {
    let world = World::new();
    let image = world.image(1);
    let signature = ImageBuilder::artifact(2, "application/vnd.example.signature").subject(&image).build();
    world.upstream.push("app", &signature.digest().to_string(), &signature);
    world.upstream.list_referrers(false);
    let target = format!("/v2/{UPSTREAM}/app/referrers/{}", image.digest());
    let listed = world.client().get(&target).send().expect(200).json();
    assert_eq!(listed["manifests"], json!([]), "no client wrote the tag");
    let index = hythe_testing::IndexBuilder::new().manifest(signature.clone()).build();
    let tag = image.digest().to_string().replace(':', "-");
    world.upstream.push("app", &tag, &index);
    let listed = world.client().get(&target).send().expect(200).json();
    assert_eq!(listed["manifests"][0]["digest"], json!(signature.digest()));
}

#[test]
fn a_listener_that_accepts_pushes_lists_referrers_of_content_that_only_upstream_has() {
    let world = World::with(|setup| setup.mirror(UPSTREAM, true));
    let image = world.image(1);
    let signature = ImageBuilder::artifact(2, "application/vnd.example.signature").subject(&image).build();
    world.upstream.push("app", &signature.digest().to_string(), &signature);
    let listed =
        world.client().get(format!("/v2/app/referrers/{}", image.digest())).send().expect(200).json();
    assert_eq!(listed["manifests"][0]["digest"], json!(signature.digest()));
}

#[test]
fn the_catalog_lists_copies_by_their_whole_name() {
    let world = World::new();
    let image = world.image(1);
    ImageBuilder::new(2).build().push(&world.client(), "mine", "v1");
    world.pull("v1", &image);
    let catalog = world.client().get("/v2/_catalog").send().expect(200).json();
    assert_eq!(catalog, json!({ "repositories": ["mine", "up.example/app"] }));
}
