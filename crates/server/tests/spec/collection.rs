//! `POST /api/gc`: a round of garbage collection on request.

use std::time::Duration;

use hythe_oci::ErrorCode;
use hythe_testing::{ImageBuilder, TestRegistry};
use serde_json::{Value, json};

const PAGE: &str = "/api/gc";

fn collect(registry: &TestRegistry, target: &str) -> Value {
    serde_json::from_slice(&registry.client().post(target).send().expect(200).body).unwrap()
}

/// A registry with an untagged image, and a blob that no manifest references.
fn filled(grace: Duration) -> TestRegistry {
    let registry = TestRegistry::setup().registry(|options| options.collect_grace = grace).start();
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    image.push(&registry.client(), "app", image.digest());
    registry.client().push_blob("app", b"unused");
    registry.pass(Duration::from_millis(5));
    registry
}

#[test]
fn unreferenced_blobs_are_removed_at_once_and_untagged_manifests_only_on_request() {
    let registry = filled(Duration::ZERO);
    let would = collect(&registry, "/api/gc?dry-run=true&untagged=true");
    assert_eq!((&would["manifests"], &would["blobs"], &would["bytes"]), (&json!(1), &json!(1), &json!(6)));
    let freed = collect(&registry, PAGE);
    let waiting = json!({ "manifests": 0, "blobs": 0, "bytes": 0, "until": null });
    assert_eq!(
        freed,
        json!({
            "dry_run": false, "manifests": 0, "purged": 0, "uploads": 0, "blobs": 1, "bytes": 6, "held": null,
            "waiting": waiting, "restorable": waiting
        })
    );
    let freed = collect(&registry, "/api/gc?untagged=true&dry-run=false");
    assert_eq!((&freed["manifests"], &freed["blobs"]), (&json!(1), &json!(2)));
    assert_eq!(registry.totals().repositories, 0);
}

#[test]
fn deleted_content_is_kept_for_the_grace_period_and_then_removed_with_its_blobs() {
    const GRACE: Duration = Duration::from_hours(2);
    let registry = TestRegistry::setup().registry(|options| options.collect_grace = GRACE).start();
    let client = registry.client();
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    image.push(&client, "app", "v1");
    registry.pass(3 * GRACE);
    client.delete(format!("/v2/app/manifests/{}", image.digest())).send().expect(202);
    registry.pass(GRACE / 2);
    let kept = collect(&registry, PAGE);
    assert_eq!((&kept["purged"], &kept["blobs"]), (&json!(0), &json!(0)));
    assert_eq!((&kept["restorable"]["manifests"], &kept["restorable"]["blobs"]), (&json!(1), &json!(2)));
    assert!(kept["restorable"]["until"].as_str().unwrap().ends_with('Z'));
    let metrics = String::from_utf8(client.get("/metrics").send().expect(200).body).unwrap();
    assert!(metrics.contains("\nhythe_deleted_manifests 1\n"), "{metrics}");
    registry.pass(GRACE);
    let would = collect(&registry, "/api/gc?dry-run=true");
    assert_eq!((&would["purged"], &would["blobs"]), (&json!(1), &json!(2)));
    let freed = collect(&registry, PAGE);
    assert_eq!((&freed["purged"], &freed["blobs"]), (&json!(1), &json!(2)));
    assert_eq!(freed["restorable"]["manifests"], json!(0));
    assert_eq!(registry.totals().blobs, 0);
}

#[test]
fn recently_used_content_stays_and_the_response_says_until_when() {
    let registry = filled(Duration::from_hours(1));
    let freed = collect(&registry, "/api/gc?untagged=true");
    assert_eq!((&freed["manifests"], &freed["blobs"]), (&json!(0), &json!(0)));
    assert_eq!(freed["waiting"]["manifests"], json!(1));
    assert_eq!((&freed["waiting"]["blobs"], &freed["waiting"]["bytes"]), (&json!(1), &json!(6)));
    assert!(freed["waiting"]["until"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_grace_given_with_the_request_frees_deleted_content_in_that_round() {
    let registry = filled(Duration::from_hours(1));
    assert_eq!(collect(&registry, "/api/gc?grace=1h")["waiting"]["blobs"], json!(1));
    let would = collect(&registry, "/api/gc?untagged=true&dry-run=true&grace=0s");
    assert_eq!((&would["manifests"], &would["blobs"]), (&json!(1), &json!(1)));
    let freed = collect(&registry, "/api/gc?untagged=true&grace=0s");
    assert_eq!((&freed["manifests"], &freed["blobs"]), (&json!(1), &json!(3)));
    assert_eq!(freed["waiting"], json!({ "manifests": 0, "blobs": 0, "bytes": 0, "until": null }));
    assert_eq!(registry.totals().blobs, 0);
    for wrong in ["", "soon", "-1s", "10", "99999999999999999999s"] {
        let refused = registry.client().post(format!("/api/gc?grace={wrong}")).send();
        assert!(refused.expect_error(400, ErrorCode::Unsupported).contains("`grace`"), "{wrong}");
    }
}

#[test]
fn a_push_whose_blob_was_collected_meanwhile_is_told_to_push_it_again() {
    let registry = TestRegistry::start();
    let client = registry.client();
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    image.push(&client, "app", "v1");
    client.delete(format!("/v2/app/manifests/{}", image.digest())).send().expect(202);
    assert_eq!(collect(&registry, "/api/gc?grace=0s")["blobs"], json!(2));
    let message = image.put(&client, "app", "v1").expect_error(400, ErrorCode::ManifestBlobUnknown);
    assert!(message.contains("Push them, then push the manifest again"), "{message}");
    image.push(&client, "app", "v1");
}

#[test]
fn a_grace_that_ends_after_the_year_9999_has_no_date() {
    let registry = filled(Duration::from_hours(24 * 3_000_000));
    let round = collect(&registry, "/api/gc?untagged=true");
    assert_eq!((&round["waiting"]["blobs"], &round["waiting"]["until"]), (&json!(1), &json!(null)));
}

#[test]
fn a_manifest_checked_by_head_is_kept_for_the_index_that_will_list_it() {
    const GRACE: Duration = Duration::from_hours(2);
    let registry = TestRegistry::setup().registry(|options| options.collect_grace = GRACE).start();
    let client = registry.client();
    let [used, unused] = [1, 2].map(|seed| ImageBuilder::new(seed).layers(1, 1000).build());
    for image in [&used, &unused] {
        image.push(&client, "app", image.digest());
    }
    registry.pass(GRACE);
    // Clients check manifests by HEAD before they push an index. A pull by GET does not announce a push.
    client.head(format!("/v2/app/manifests/{}", used.digest())).send().expect(200);
    client.get(format!("/v2/app/manifests/{}", unused.digest())).send().expect(200);
    let freed = collect(&registry, "/api/gc?untagged=true");
    assert_eq!((&freed["manifests"], &freed["waiting"]["manifests"]), (&json!(1), &json!(1)));
    client.get(format!("/v2/app/manifests/{}", used.digest())).send().expect(200);
    client.get(format!("/v2/app/manifests/{}", unused.digest())).send().expect(404);
}

#[test]
fn web_pages_cannot_collect_and_manifests_stay_if_deleting_is_off() {
    let mut registry = filled(Duration::ZERO);
    let client = registry.client();
    client.post(PAGE).header("origin", "https://evil.example").send().expect_error(403, ErrorCode::Denied);
    client.post(PAGE).header("host", "evil.example").send().expect_error(403, ErrorCode::Denied);
    client.get(PAGE).send().expect_error(405, ErrorCode::Unsupported);
    client.post("/api/gc?untagged=yes").send().expect_error(400, ErrorCode::Unsupported);
    registry.restart_with(|setup| *setup = setup.clone().without_delete());
    let refused = registry.client().post("/api/gc?untagged=true").send();
    assert!(refused.expect_error(405, ErrorCode::Unsupported).contains("delete.enabled"));
    assert_eq!(collect(&registry, PAGE)["blobs"], json!(1));
}
