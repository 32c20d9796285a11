//! Manifests: fetched once, served from the cache, checked again in time, and kept when the upstream fails.

use std::time::Duration;

use hythe_oci::ErrorCode;
use hythe_oci::media_type::OCI_MANIFEST;
use hythe_testing::{
    Fault, ImageBuilder, IndexBuilder, Manifest, Rule, ScriptedUpstream, Setup, TestRegistry, TokenRules,
    eventually,
};

use crate::world::{UPSTREAM, World, cache};

#[test]
fn an_image_is_fetched_once_and_then_served_from_the_cache() {
    for world in [World::new(), World::with(Setup::memory), World::with(Setup::without_sendfile)] {
        let image = world.image(1);
        world.pull("v1", &image);
        assert_eq!(world.upstream.count("GET", "/manifests/"), 1);
        assert_eq!(world.upstream.count("GET", "/blobs/"), 2);
        world.upstream.forget_requests();
        world.pull("v1", &image);
        world.pull(&image.digest().to_string(), &image);
        assert_eq!(world.upstream.requests(), [], "within the time to live the upstream is not asked");
        assert_eq!(cache(&world.manifest("v1")), "hit");
    }
}

#[test]
fn a_head_and_a_get_together_cost_upstream_one_get() {
    let world = World::new();
    let image = world.image(1);
    let target = format!("/v2/{UPSTREAM}/app/manifests/v1");
    let head = world.client().head(&target).send().expect(200);
    assert_eq!(head.digest(), image.digest());
    assert_eq!(head.header("content-length"), Some(image.bytes.len().to_string().as_str()));
    assert_eq!(head.header("content-type"), Some(image.media_type.as_str()));
    world.manifest(image.digest()).expect(200);
    world.manifest("v1").expect(200);
    assert_eq!(world.upstream.count("GET", "/manifests/"), 1, "Docker Hub counts these");
}

#[test]
fn an_unusual_but_readable_manifest_is_served_as_upstream_has_it() {
    let image = ImageBuilder::new(1).layers(1, 100).build();
    let text = std::str::from_utf8(&image.bytes).unwrap();
    for odd in [
        r#""annotations": {"a": null},"#,
        r#""annotations": {"a": 7},"#,
        r#""annotations": "none","#,
        r#""artifactType": [],"#,
        r#""subject": {},"#,
        r#""layers": [], "config": null,"#,
    ] {
        let world = World::new();
        world.upstream.push("app", "v1", &image);
        let bytes = text.replacen('{', &format!("{{{odd}"), 1).into_bytes();
        let odd_image = Manifest { bytes, ..image.clone() };
        world.upstream.push_manifest("app", "odd", OCI_MANIFEST, &odd_image.bytes);
        world.upstream.push_manifest("app", &odd_image.digest().to_string(), OCI_MANIFEST, &odd_image.bytes);
        world.pull("odd", &odd_image);
    }
}

#[test]
fn a_tag_is_checked_by_head_and_fetched_only_if_it_has_moved() {
    let world = World::impatient();
    let image = world.image(1);
    assert_eq!(cache(&world.manifest("v1").expect(200)), "miss");
    world.upstream.forget_requests();
    assert_eq!(cache(&world.manifest("v1").expect(200)), "revalidated");
    assert_eq!((world.upstream.count("HEAD", ""), world.upstream.count("GET", "")), (1, 0));
    let next = world.image(2);
    let answer = world.manifest("v1").expect(200);
    assert_eq!((cache(&answer), &answer.body), ("miss", &next.bytes));
    world.manifest(image.digest()).expect(200);
    // The manifest that the tag named before is still cached.
    world.upstream.push("app", "v1", &image);
    world.upstream.forget_requests();
    assert_eq!(world.manifest("v1").expect(200).body, image.bytes);
    assert_eq!(world.upstream.count("GET", ""), 0);
}

#[test]
fn the_first_matching_pattern_sets_how_long_a_tag_is_fresh() {
    let upstream = ScriptedUpstream::start();
    let setup = TestRegistry::setup().upstream_with(UPSTREAM, &[upstream.endpoint()], |upstream| {
        let (long, short) = (Duration::from_hours(1), Duration::ZERO);
        upstream.ttl = short;
        upstream.ttl_by_tag = [("team/*:v*", long), ("app:v1", short), ("app", long)]
            .map(|(pattern, ttl)| (pattern.parse().unwrap(), ttl))
            .to_vec();
    });
    let world = World { registry: setup.start(), upstream };
    let image = ImageBuilder::new(1).build();
    for (name, tag, again) in [
        ("team/app", "v1", "hit"),
        ("team/app", "latest", "revalidated"),
        ("app", "v1", "revalidated"),
        ("app", "v2", "hit"),
    ] {
        world.upstream.push(name, tag, &image);
        let get = || world.client().get(format!("/v2/{UPSTREAM}/{name}/manifests/{tag}")).send().expect(200);
        get();
        assert_eq!(cache(&get()), again, "{name}:{tag}");
    }
}

#[test]
fn an_index_is_stored_exactly_and_its_images_are_fetched_on_request() {
    let world = World::new();
    let (first, second) = (ImageBuilder::new(1).build(), ImageBuilder::new(2).docker().build());
    let index = IndexBuilder::new().manifest(first.clone()).manifest(second.clone()).build();
    world.upstream.push("app", "all", &index);
    assert_eq!(world.manifest("all").expect(200).body, index.bytes);
    assert_eq!(world.upstream.count("GET", "/manifests/"), 1);
    let answer = world.manifest(second.digest()).expect(200);
    assert_eq!(answer.body, second.bytes);
    assert_eq!(answer.header("content-type"), Some(second.media_type.as_str()));
    assert_eq!(world.upstream.count("GET", "/manifests/"), 2);
}

#[test]
fn content_missing_upstream_is_404_and_a_tag_deleted_there_is_gone() {
    let world = World::impatient();
    let image = world.image(1);
    world.manifest("nothing").expect_error(404, ErrorCode::ManifestUnknown);
    world.manifest("v1").expect(200);
    world.upstream.untag("app", "v1");
    world.manifest("v1").expect_error(404, ErrorCode::ManifestUnknown);
    world.manifest(image.digest()).expect(200);
}

#[test]
fn while_upstream_is_down_cached_content_is_served_and_other_requests_fail_fast_with_its_name() {
    let world = World::impatient();
    let image = world.image(1);
    world.pull("v1", &image);
    world.upstream.stop();
    let began = std::time::Instant::now();
    let answer = world.manifest("v1").expect(200);
    assert_eq!((cache(&answer), &answer.body), ("stale", &image.bytes));
    let warning = answer.expect_header("warning");
    assert!(warning.starts_with("299 - \"") && warning.contains(UPSTREAM), "{warning}");
    world.pull("v1", &image);
    let other = world.manifest("other");
    assert!(matches!(other.status, 502 | 503), "{other}");
    assert!(String::from_utf8_lossy(&other.body).contains(UPSTREAM), "{other}");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    world.upstream.start_again();
}

#[test]
fn an_upstream_that_keeps_failing_is_not_asked_for_a_while() {
    let world = World::impatient();
    let image = world.image(1);
    world.upstream.rule(Rule::any("", Fault::status(503)));
    for _ in 0..3 {
        assert!(world.manifest("v1").status >= 500);
    }
    world.upstream.forget_requests();
    let answer = world.manifest("v1");
    answer.expect_error(503, ErrorCode::Unavailable);
    assert_eq!(world.upstream.requests(), [], "the upstream is not asked");
    answer.expect_header("retry-after");
    world.upstream.clear_rules();
    eventually("the end of the pause", || world.manifest("v1").status == 200);
    world.pull("v1", &image);
}

#[test]
fn a_rate_limit_is_never_passed_on_as_429_and_cached_content_is_served() {
    let world = World::impatient();
    let image = world.image(1);
    world.upstream.budget(100, 1);
    world.manifest("v1").expect(200);
    let next = world.image(2);
    // The tag has moved, but the upstream refuses the new manifest: the old one is better than none.
    let answer = world.manifest("v1").expect(200);
    assert_eq!((cache(&answer), &answer.body), ("stale", &image.bytes));
    let refused = world.manifest(next.digest());
    refused.expect_error(503, ErrorCode::Unavailable);
    refused.expect_header("retry-after");
}

#[test]
fn wrong_bytes_of_a_manifest_are_neither_served_nor_stored() {
    let world = World::new();
    let image = world.image(1);
    world.upstream.rule(Rule::on("GET", "/manifests/", Fault::WrongByte { at: 5 }).times(2));
    let message = world.manifest(image.digest()).expect_error(502, ErrorCode::Unavailable);
    assert!(message.contains("not stored"), "{message}");
    world.pull("v1", &image);
}

#[test]
fn offline_no_upstream_is_asked_and_errors_say_so() {
    let mut world = World::new();
    let image = world.image(1);
    world.pull("v1", &image);
    world.upstream.forget_requests();
    world.registry.restart_with(|setup| *setup = setup.clone().cache(|cache| cache.offline = true));
    world.pull("v1", &image);
    let message = world.manifest("v2").expect_error(504, ErrorCode::Unavailable);
    assert!(message.contains("offline"), "{message}");
    assert_eq!(world.upstream.requests(), []);
}

#[test]
fn after_a_restart_the_cache_is_kept_and_tags_are_checked_again() {
    let mut world = World::new();
    let image = world.image(1);
    world.pull("v1", &image);
    world.upstream.forget_requests();
    world.registry.restart();
    assert_eq!(cache(&world.manifest("v1")), "revalidated");
    world.pull("v1", &image);
    assert_eq!(world.upstream.count("GET", ""), 0);
}

#[test]
fn fifty_clients_at_once_cost_upstream_one_request() {
    let world = World::new();
    let image = world.image(1);
    world.upstream.rule(Rule::any("", Fault::Delay(std::time::Duration::from_millis(50))));
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| world.pull("v1", &image));
        }
    });
    assert_eq!(world.upstream.count("GET", "/manifests/"), 1);
    assert_eq!(world.upstream.count("GET", "/blobs/"), 2);
}

#[test]
fn a_client_can_ask_for_cached_content_only() {
    let world = World::impatient();
    let image = world.image(1);
    let only = |target: String| {
        world
            .client()
            .get(format!("/v2/{UPSTREAM}/app/{target}"))
            .header("cache-control", "only-if-cached")
            .send()
    };
    only("manifests/v1".to_owned()).expect_error(504, ErrorCode::Unavailable);
    only(format!("blobs/{}", crate::world::digest(&image.blobs[0])))
        .expect_error(504, ErrorCode::Unavailable);
    assert_eq!(world.upstream.requests(), []);
    world.pull("v1", &image);
    world.upstream.forget_requests();
    assert_eq!(only("manifests/v1".to_owned()).expect(200).body, image.bytes);
    assert_eq!(world.upstream.requests(), []);
}

#[test]
fn the_metrics_count_requests_to_upstreams_and_saved_bytes() {
    let world = World::new();
    let image = world.image(1);
    world.upstream.budget(100, 50);
    world.pull("v1", &image);
    world.pull("v1", &image);
    let page = String::from_utf8(world.client().get("/metrics").send().expect(200).body).unwrap();
    for line in [
        r#"hythe_upstream_requests_total{upstream="up.example"} 4"#,
        r#"hythe_upstream_errors_total{upstream="up.example"} 0"#,
        r#"hythe_upstream_answers_total{upstream="up.example",cache="hit"} 3"#,
        r#"hythe_upstream_answers_total{upstream="up.example",cache="miss"} 3"#,
        r#"hythe_upstream_resting{upstream="up.example"} 0"#,
        r#"hythe_upstream_budget{upstream="up.example"} 49"#,
    ] {
        assert!(page.contains(line), "{line} is not in:\n{page}");
    }
}

#[test]
fn a_denied_tag_does_not_count_as_deleted() {
    let world = World::impatient();
    world.upstream.require_token(TokenRules::default());
    let image = world.image(1);
    world.pull("v1", &image);
    for status in [401, 403] {
        world.upstream.rule(Rule::any("/manifests/", Fault::status(status)));
        assert_eq!(cache(&world.manifest("v1").expect(200)), "stale");
        world.upstream.clear_rules();
    }
    world.upstream.stop();
    world.pull("v1", &image);
}

#[test]
fn a_retry_after_of_an_upstream_is_bounded() {
    let world = World::impatient();
    let image = world.image(1);
    world.pull("v1", &image);
    let limit = Fault::status(429).header("retry-after", u64::MAX);
    world.upstream.rule(Rule::any("", limit));
    assert_eq!(cache(&world.manifest("v1").expect(200)), "stale");
    let refused = world.manifest("v2");
    refused.expect_error(503, ErrorCode::Unavailable);
    world.client().get(format!("/v2/{UPSTREAM}/app/tags/list")).send().expect(200);
}

#[test]
fn an_upstream_that_hangs_does_not_delay_cached_content() {
    let world = World::impatient();
    let image = world.image(1);
    world.pull("v1", &image);
    world.upstream.rule(Rule::any("", Fault::BlackHole));
    let began = std::time::Instant::now();
    assert_eq!(cache(&world.manifest("v1").expect(200)), "stale");
    world.pull("v1", &image);
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn a_hanging_endpoint_keeps_no_tag_stale_if_another_answers() {
    let (hangs, upstream) = (ScriptedUpstream::start(), ScriptedUpstream::start());
    let endpoints = [hangs.endpoint(), upstream.endpoint()];
    let setup = TestRegistry::setup().upstream_with(UPSTREAM, &endpoints, |upstream| {
        upstream.ttl = Duration::ZERO;
    });
    let world = World { registry: setup.start(), upstream };
    let image = world.image(1);
    world.pull("v1", &image);
    hangs.rule(Rule::any("", Fault::BlackHole));
    let began = std::time::Instant::now();
    assert_eq!(cache(&world.manifest("v1").expect(200)), "revalidated");
    let newer = world.image(2);
    assert_eq!(world.manifest("v1").expect(200).body, newer.bytes);
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
}
