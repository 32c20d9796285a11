//! Listing tags.

use hythe_oci::{Algorithm, ErrorCode};
use hythe_testing::{ImageBuilder, Setup};
use serde_json::json;

use crate::world::World;

on_every_configuration! {
    tags_are_listed_in_ascii_order,
    a_list_of_tags_may_be_empty,
    tags_of_an_unknown_repository_are_not_found,
    a_page_has_as_many_tags_as_were_asked_for,
    the_pages_follow_each_other_by_their_links,
    a_page_of_zero_tags_is_empty_and_has_no_link,
    a_list_begins_after_the_tag_in_last,
    a_page_is_no_larger_than_the_registry_allows,
}

/// Tags in the order that the list must have.
const TAGS: [&str; 8] = ["0", "1.0", "1.0-alpha", "A", "_", "a", "a-b", "a.b"];

fn with_tags(setup: Setup) -> World {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    for tag in TAGS.iter().rev() {
        image.push(&world, "some/app", tag);
    }
    // The tags of another repository are not listed.
    image.push(&world, "some/other", "other");
    world
}

#[track_caller]
fn list(world: &World, query: &str) -> (Vec<String>, Option<String>) {
    let answer = world.get(format!("/v2/some/app/tags/list{query}")).send().expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let body = answer.json();
    assert_eq!(body["name"], "some/app");
    (serde_json::from_value(body["tags"].clone()).unwrap(), answer.next_page())
}

/// Listing Tags (end-8a): `200 OK`, `name` and `tags`, "MUST be in lexical [...] or `ASCIIbetical` order".
fn tags_are_listed_in_ascii_order(setup: Setup) {
    let world = with_tags(setup);
    assert_eq!(list(&world, ""), (TAGS.map(str::to_owned).to_vec(), None));
    // Unknown parameters are ignored.
    assert_eq!(list(&world, "?unknown=1&next_page=2").0, TAGS);
}

/// Listing Tags: "The list of tags MAY be empty".
fn a_list_of_tags_may_be_empty(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "some/app", image.digest());
    assert_eq!(list(&world, ""), (Vec::new(), None));
    image.push(&world, "some/app", "v1");
    assert_eq!(list(&world, "").0, ["v1"]);
    world.delete("/v2/some/app/manifests/v1").send().expect(202);
    let answer = world.get("/v2/some/app/tags/list").send().expect(200);
    assert_eq!(answer.json()["tags"], json!([]), "a list, not null");
}

/// Listing Tags: the endpoint fails with `404` (Endpoints).
fn tags_of_an_unknown_repository_are_not_found(setup: Setup) {
    let world = World::start(setup);
    let message = world.get("/v2/some/app/tags/list").send().expect_error(404, ErrorCode::NameUnknown);
    assert!(message.contains("`some/app`"), "{message}");
    world.get("/v2/some/app/tags/list?n=0").send().expect_error(404, ErrorCode::NameUnknown);
}

/// Listing Tags (end-8b): "MAY return fewer than `<int>` results, but only when [...] or a `Link` header is provided".
fn a_page_has_as_many_tags_as_were_asked_for(setup: Setup) {
    let world = with_tags(setup);
    for n in 1..12 {
        let (tags, next) = list(&world, &format!("?n={n}"));
        assert_eq!(tags, TAGS[..n.min(TAGS.len())]);
        assert_eq!(next.is_some(), n < TAGS.len(), "n={n}: {next:?}");
    }
    assert_eq!(list(&world, "?n=18446744073709551615").0, TAGS);
}

/// Listing Tags: "`Link` [...] MUST be set according to RFC 5988 with the Relation Type `rel="next"`".
fn the_pages_follow_each_other_by_their_links(setup: Setup) {
    let world = with_tags(setup);
    for n in 1..=TAGS.len() {
        let mut path = format!("/v2/some/app/tags/list?n={n}");
        let mut tags: Vec<String> = Vec::new();
        loop {
            let answer = world.get(&path).send().expect(200);
            let page: Vec<String> = serde_json::from_value(answer.json()["tags"].clone()).unwrap();
            assert!(page.len() == n || answer.next_page().is_none(), "{answer}");
            tags.extend(page);
            match answer.next_page() {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!(tags, TAGS, "n={n}");
    }
}

/// Listing Tags: "When `n` is zero, this endpoint MUST return an empty list, and MUST NOT include a `Link` header."
fn a_page_of_zero_tags_is_empty_and_has_no_link(setup: Setup) {
    let world = with_tags(setup);
    assert_eq!(list(&world, "?n=0"), (Vec::new(), None));
    assert_eq!(list(&world, "?n=0&last=1.0"), (Vec::new(), None));
}

/// Listing Tags: "beginning non-inclusively with `<tagname>`"; "the `n` parameter is OPTIONAL".
fn a_list_begins_after_the_tag_in_last(setup: Setup) {
    let world = with_tags(setup);
    for (position, tag) in TAGS.iter().enumerate() {
        assert_eq!(
            list(&world, &format!("?last={tag}")),
            (TAGS[position + 1..].iter().map(ToString::to_string).collect(), None)
        );
        let expected = TAGS.get(position + 1).into_iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(list(&world, &format!("?n=1&last={tag}")).0, expected);
    }
    // A tag that was deleted meanwhile, one before all others, one after all others, and an empty one.
    assert_eq!(list(&world, "?last=1.0-beta").0, TAGS[3..]);
    assert_eq!(list(&world, "?last=-").0, TAGS);
    assert_eq!(list(&world, "?last=zzz"), (Vec::new(), None));
    assert_eq!(list(&world, "?last=").0, TAGS);
}

/// Listing Tags: a `Link` shows that more tags follow.
fn a_page_is_no_larger_than_the_registry_allows(setup: Setup) {
    let world = with_tags(setup.server(|options| options.tags_max_page = 3));
    for query in ["", "?n=5"] {
        let (tags, next) = list(&world, query);
        assert_eq!(tags, TAGS[..3]);
        assert_eq!(next.as_deref(), Some("/v2/some/app/tags/list?last=1.0-alpha&n=3"));
    }
    // By digest as well as by tag, and after the tag of a SHA-512 manifest.
    let image = ImageBuilder::new(2).build();
    image.push_blobs(&world, "some/app");
    let digest = image.digest_by(Algorithm::Sha512);
    image.put(&world, "some/app", format!("{digest}?tag=zz")).expect(201);
    assert_eq!(list(&world, "?last=a.b").0, ["zz"]);
}
