//! Upstreams that deviate from the specification in ways that common clients cope with.

use std::time::Duration;

use hythe_oci::ErrorCode;
use hythe_testing::{
    Client, Fault, ImageBuilder, IndexBuilder, Rule, ScriptedUpstream, TestRegistry, TokenRules, bytes,
};
use serde_json::{Value, json};

use crate::world::{UPSTREAM, World, cache, digest};

/// A registry whose upstream's endpoint has this path.
fn registry(upstream: &ScriptedUpstream, path: &str) -> TestRegistry {
    TestRegistry::setup().upstream(UPSTREAM, &[format!("{}{path}", upstream.endpoint())]).start()
}

#[test]
fn a_tag_whose_head_is_refused_is_fetched_by_get() {
    for status in [400, 401, 403, 404, 405, 500, 501] {
        let world = World::impatient();
        let image = world.image(1);
        world.upstream.rule(Rule::on("HEAD", "/manifests/", Fault::status(status)));
        let answer = world.manifest("v1").expect(200);
        assert_eq!((cache(&answer), &answer.body), ("miss", &image.bytes), "{status}");
        assert_eq!(cache(&world.manifest("v1").expect(200)), "revalidated", "{status}");
        let newer = world.image(2);
        assert_eq!(world.manifest("v1").expect(200).body, newer.bytes, "{status}");
        // If GET does not find the tag either, the tag does not exist.
        world.upstream.untag("app", "v1");
        let gone = world.manifest("v1");
        assert_eq!(gone.status, 404, "{status}");
    }
}

#[test]
fn a_wrong_digest_in_a_head_is_ignored() {
    let world = World::impatient();
    let image = world.image(1);
    world.upstream.rule(Rule::on("HEAD", "/manifests/", Fault::WrongDigestHeader));
    for _ in 0..2 {
        assert_eq!(world.manifest("v1").expect(200).body, image.bytes);
    }
}

#[test]
fn a_cached_tag_is_confirmed_by_get_in_time_or_served_as_it_is() {
    let world = World::impatient();
    let image = world.image(1);
    world.manifest("v1").expect(200);
    world.upstream.rule(Rule::on("HEAD", "/manifests/", Fault::status(405)));
    world.upstream.rule(Rule::on("GET", "/manifests/", Fault::BlackHole));
    let began = std::time::Instant::now();
    let answer = world.manifest("v1").expect(200);
    assert_eq!((cache(&answer), &answer.body), ("stale", &image.bytes));
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
}

#[test]
fn the_size_of_a_blob_is_found_if_its_storage_accepts_only_get() {
    for fault in [Fault::status(403), Fault::status(405), Fault::status(404)] {
        let (world, storage) = (World::new(), ScriptedUpstream::start());
        let blob = world.upstream.push_blob("app", b"content");
        storage.push_blob("app", b"content");
        world.upstream.rule(Rule::any(
            "/blobs/",
            Fault::redirect(storage.endpoint() + "/storage/{hex}?signed-for=GET"),
        ));
        storage.rule(Rule::on("HEAD", "/storage/", fault));
        let head = world.client().head(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).send().expect(200);
        assert_eq!(head.header("content-length"), Some("7"));
        assert_eq!(world.blob(blob).expect(200).body, b"content");
    }
}

#[test]
fn the_end_of_a_rate_limit_may_be_a_date_and_clients_get_bounded_seconds() {
    for told in
        ["1999999999", "1999999999000", "604800", "18446744073709551615", "Wed, 21 Oct 2093 07:28:00 GMT"]
    {
        let world = World::impatient();
        world.image(1);
        world.upstream.rule(Rule::any("/manifests/", Fault::status(429).header("retry-after", told)));
        for _ in 0..2 {
            let refused = world.manifest("v1");
            refused.expect_error(503, ErrorCode::Unavailable);
            let after: u64 = refused.expect_header("retry-after").parse().unwrap();
            assert!((1..=3600).contains(&after), "{told}: {after}");
        }
    }
    // The same for a token server's limit.
    let world = World::new();
    world.upstream.require_token(TokenRules::default());
    world.upstream.rule(Rule::any("/token", Fault::status(429).header("retry-after", "1999999999")));
    let after: u64 = world.manifest("v1").expect_header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&after), "{after}");
}

#[test]
fn an_upstream_with_a_short_retry_after_is_asked_again() {
    let world = World::new();
    let image = world.image(1);
    for after in ["0", "1"] {
        world.upstream.rule(Rule::any("/manifests/", Fault::status(503).header("retry-after", after)).once());
    }
    world.pull("v1", &image);
}

#[test]
fn the_type_of_a_manifest_served_with_a_wrong_content_type_comes_from_its_content() {
    let image = ImageBuilder::new(1).layers(1, 100).build();
    let docker = ImageBuilder::new(2).docker().build();
    let index = IndexBuilder::new().manifest(image.clone()).build();
    for served in
        ["application/json", "application/json; charset=utf-8", "text/plain", "application/octet-stream", ""]
    {
        let world = World::new();
        for (tag, manifest) in [("image", &image), ("docker", &docker), ("index", &index)] {
            let mut fields: Value = serde_json::from_slice(&manifest.bytes).unwrap();
            fields.as_object_mut().unwrap().remove("mediaType");
            for (tag, bytes) in
                [(tag.to_owned(), manifest.bytes.clone()), (format!("{tag}-bare"), fields.to_string().into())]
            {
                world.upstream.push_manifest("app", &tag, served, &bytes);
                let answer = world.manifest(&tag).expect(200);
                assert_eq!(answer.body, bytes);
                assert_eq!(
                    answer.header("content-type"),
                    Some(manifest.media_type.as_str()),
                    "{tag} as {served}"
                );
            }
        }
    }
}

/// All tags, read page by page as clients do.
fn tags(client: &Client, target: &str) -> Vec<String> {
    let (mut tags, mut next) = (Vec::new(), Some(target.to_owned()));
    while let Some(target) = next {
        let page = client.get(&target).send().expect(200);
        let listed: Vec<String> = serde_json::from_value(page.json()["tags"].clone()).unwrap();
        assert!(!listed.is_empty(), "{target}");
        tags.extend(listed);
        next = page.next_page();
        assert!(tags.len() <= 1000, "the pages do not end");
    }
    tags
}

#[test]
fn a_list_of_tags_is_complete_whatever_the_upstreams_pages() {
    for link in ["next_page={}", "last=opaque{}&n=3"] {
        let world = World::new();
        let page = |number: u32| {
            let tags: Vec<_> = (0..3).map(|tag| format!("t{}", 9 - 3 * number - tag)).collect();
            let body = json!({ "name": "app", "tags": tags }).to_string();
            let fault = Fault::Status { status: 200, headers: Vec::new(), body };
            let next = link.replace("{}", &(number + 1).to_string());
            if number == 2 {
                fault
            } else {
                fault.header("link", format!("</v2/app/tags/list?{next}>; rel=\"next\""))
            }
        };
        for number in [2, 1] {
            world.upstream.rule(Rule::any(link.replace("{}", &number.to_string()), page(number)));
        }
        world.upstream.rule(Rule::any("/tags/list", page(0)));
        let expected: Vec<_> = (1..=9).rev().map(|tag| format!("t{tag}")).collect();
        for query in ["", "?n=2", "?n=3", "?n=4"] {
            let target = format!("/v2/{UPSTREAM}/app/tags/list{query}");
            assert_eq!(tags(&world.client(), &target), expected, "{link} {query}");
        }
    }
}

#[test]
fn an_upstream_that_limits_its_pages_of_tags_is_asked_for_small_ones() {
    for (status, most) in [(400, 1000), (405, 100), (413, 100)] {
        let world = World::new();
        let image = world.image(1);
        let expected: Vec<_> = (0..210).map(|tag| format!("t{tag:03}")).collect();
        for tag in &expected {
            world.upstream.push("many", tag, &image);
        }
        for refused in [10_000, 1000].into_iter().filter(|size| *size > most) {
            world.upstream.rule(Rule::any(format!("n={refused}"), Fault::status(status)));
        }
        assert_eq!(tags(&world.client(), &format!("/v2/{UPSTREAM}/many/tags/list")), expected);
    }
}

#[test]
fn an_endpoint_may_have_a_prefix_for_all_repository_names() {
    let upstream = ScriptedUpstream::start();
    let image = ImageBuilder::new(1).build();
    upstream.push("dockerhub/acme/app", "v1", &image);
    let registry = registry(&upstream, "/v2/dockerhub");
    let get = |target: String| {
        registry.client().get(format!("/v2/{UPSTREAM}/acme/app/{target}")).send().expect(200)
    };
    assert_eq!(get("manifests/v1".to_owned()).body, image.bytes);
    assert_eq!(get(format!("blobs/{}", digest(&image.blobs[0]))).body, image.blobs[0]);
    assert_eq!(get("tags/list".to_owned()).json()["tags"], json!(["v1"]));
    assert_eq!(get(format!("referrers/{}", image.digest())).json()["manifests"], json!([]));
    assert!(upstream.requests().iter().all(|seen| seen.target.starts_with("/v2/dockerhub/acme/app/")));
}

#[test]
fn a_blob_that_cannot_be_resumed_by_range_is_read_again_and_the_stream_goes_on() {
    let rest = Fault::Status { status: 200, headers: Vec::new(), body: "x".repeat(1000) };
    let faults = [400, 403, 404, 405, 416, 501, 206].map(Fault::status);
    for fault in faults.into_iter().chain([rest]) {
        let world = World::new();
        let content = bytes(2, 1_000_000);
        let blob = world.upstream.push_blob("app", &content);
        world.upstream.rule(Rule::on("GET", "/blobs/", Fault::Truncate { at: 300_000 }).once());
        world.upstream.rule(Rule::on("GET", "/blobs/", fault.clone()).once());
        let answer = world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).try_send();
        assert!(answer.unwrap_or_else(|error| panic!("{fault:?}: {error}")).expect(200).body == content);
        assert_eq!(world.upstream.count("GET", "/blobs/"), 3);
    }
}

#[test]
fn a_correct_blob_shorter_than_announced_is_stored() {
    let world = World::new();
    let content = bytes(3, 300_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::ShorterLength { by: 10 }));
    let answer = world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).try_send();
    answer.expect_err("a client that was told another size gets no complete response");
    assert!(world.blob(blob).expect(200).body == content);
    assert_eq!(world.upstream.count("GET", "/blobs/"), 1);
}

#[test]
fn an_upstream_that_announces_too_many_bytes_and_hangs_does_not_delay_long() {
    let world = World::new();
    let content = bytes(4, 300_000);
    let blob = world.upstream.push_blob("app", &content);
    world.upstream.rule(Rule::on("GET", "/blobs/", Fault::MoreToCome { by: 10 }));
    let began = std::time::Instant::now();
    let answer = world.client().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).try_send();
    answer.expect_err("a client that was told another size gets no complete response");
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
    assert!(world.blob(blob).expect(200).body == content);
}

#[test]
fn a_failure_for_one_repository_does_not_block_others() {
    let huge = Fault::status(200).header("x-huge", "x".repeat(1 << 20));
    for fault in [huge, Fault::status(503), Fault::HangUp] {
        let world = World::impatient();
        let image = world.image(1);
        for repository in ["other", "third"] {
            world.upstream.push(repository, "v1", &image);
        }
        world.upstream.rule(Rule::any("/v2/app/", fault));
        for tag in ["v1", "v1", "v1", "v2", "v2", "v2"] {
            assert!(world.manifest(tag).status >= 500);
        }
        let refused = world.manifest("v1");
        let message = refused.expect_error(503, ErrorCode::Unavailable);
        assert!(message.contains("fails for manifest `v1` of `app`"), "{message}");
        for repository in ["other", "third"] {
            let target = format!("/v2/{UPSTREAM}/{repository}/manifests/v1");
            assert_eq!(world.client().get(target).send().expect(200).body, image.bytes);
        }
    }
}

#[test]
fn a_catch_all_web_page_is_no_manifest_and_the_next_endpoint_is_asked() {
    let (portal, upstream) = (ScriptedUpstream::start(), ScriptedUpstream::start());
    let shown = Fault::Status { status: 200, headers: Vec::new(), body: "<html>Log in</html>".to_owned() };
    portal.rule(Rule::any("/v2/", shown.header("content-type", "text/html")));
    let image = ImageBuilder::new(1).build();
    upstream.push("app", "v1", &image);
    let registry =
        TestRegistry::setup().upstream(UPSTREAM, &[portal.endpoint(), upstream.endpoint()]).start();
    let answer = registry.client().get(format!("/v2/{UPSTREAM}/app/manifests/v1")).send().expect(200);
    assert_eq!(answer.body, image.bytes);

    let alone = TestRegistry::setup().upstream(UPSTREAM, &[portal.endpoint()]).start();
    for target in ["manifests/v1", "tags/list"] {
        let answer = alone.client().get(format!("/v2/{UPSTREAM}/app/{target}")).send();
        answer.expect_error(502, ErrorCode::Unavailable);
    }
}

#[test]
fn referrers_of_an_upstream_come_in_pages_of_bounded_size() {
    let world = World::new();
    let image = world.image(1);
    let entry = |number: u32| {
        let digest = digest(&number.to_be_bytes());
        json!({ "mediaType": "a/b", "digest": digest, "size": number, "annotations": { "x": "y".repeat(100_000) } })
    };
    let entries: Vec<Value> = (0..70).map(entry).collect();
    let body = json!({ "schemaVersion": 2, "manifests": entries }).to_string();
    let fault = Fault::Status { status: 200, headers: Vec::new(), body };
    world.upstream.rule(Rule::any(
        "/referrers/",
        fault.header("content-type", "application/vnd.oci.image.index.v1+json"),
    ));
    let (mut sizes, mut pages) = (Vec::new(), 0);
    let mut next = Some(format!("/v2/{UPSTREAM}/app/referrers/{}", image.digest()));
    while let Some(target) = next {
        let page = world.client().get(target).send().expect(200);
        assert!(page.body.len() < 3 << 20);
        let listed = page.json();
        let listed = listed["manifests"].as_array().unwrap();
        sizes.extend(listed.iter().map(|entry| entry["size"].as_u64().unwrap()));
        assert!(listed.iter().all(|entry| entry["annotations"]["x"].as_str().unwrap().len() == 100_000));
        (next, pages) = (page.next_page(), pages + 1);
    }
    sizes.sort_unstable();
    assert_eq!((sizes, pages), ((0..70).collect(), 4));
}
