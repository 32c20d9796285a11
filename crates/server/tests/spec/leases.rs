//! `/api/leases`: leases, which keep local blobs from being removed.

use std::time::Duration;

use hythe_oci::ErrorCode;
use hythe_testing::TestRegistry;
use serde_json::{Value, json};

const TAKE: &str = "/api/leases?purpose=backup&holder=nightly";

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn garbage_collection_without_grace_keeps_what_a_lease_holds_and_names_the_lease() {
    let registry = TestRegistry::start();
    let client = registry.client();
    client.push_blob("app", b"unused");
    let lease = read(&client.post(TAKE).send().expect(200).body);
    let round = read(&client.post("/api/gc?grace=0s").send().expect(200).body);
    assert_eq!((&round["blobs"], &round["waiting"]["blobs"]), (&json!(0), &json!(0)));
    let held = json!({
        "purpose": "backup", "holder": "nightly", "until": lease["until"], "blobs": 1, "bytes": 6,
    });
    assert_eq!(round["held"], held);
    assert_eq!(read(&client.post("/api/gc?grace=0s&dry-run=true").send().body)["held"], held);
    let metrics = client.get("/metrics").send().expect(200);
    assert!(String::from_utf8_lossy(&metrics.body).contains("hythe_leases 1\n"));

    let path = format!("/api/leases/{}", lease["id"].as_str().unwrap());
    client.delete(&path).send().expect(204);
    let round = read(&client.post("/api/gc?grace=0s").send().expect(200).body);
    assert_eq!((&round["blobs"], &round["held"]), (&json!(1), &json!(null)));
}

#[test]
fn a_lease_is_listed_renewed_and_released_by_its_id() {
    let registry = TestRegistry::start();
    let client = registry.client();
    let lease = read(&client.post(TAKE).send().expect(200).body);
    assert_eq!(read(&client.get("/api/leases").send().expect(200).body), json!({ "leases": [lease] }));
    let path = format!("/api/leases/{}", lease["id"].as_str().unwrap());
    registry.pass(Duration::from_mins(9));
    let renewed = read(&client.put(&path).send().expect(200).body);
    assert_eq!(renewed["ends"], lease["ends"]);
    assert!(renewed["until"].as_str() > lease["until"].as_str());
    registry.pass(Duration::from_mins(9));
    client.put(&path).send().expect(200);
    registry.pass(Duration::from_mins(10));
    client.put(&path).send().expect_error(404, ErrorCode::Unsupported);
    client.delete(&path).send().expect_error(404, ErrorCode::Unsupported);
    assert_eq!(read(&client.get("/api/leases").send().expect(200).body), json!({ "leases": [] }));
}

#[test]
fn a_lease_that_lacks_a_description_or_exceeds_the_limit_is_refused() {
    let registry = TestRegistry::start();
    let client = registry.client();
    let long = format!("/api/leases?purpose=backup&holder={}", "x".repeat(201));
    for target in ["/api/leases", "/api/leases?purpose=backup", "/api/leases?purpose=a%0Ab&holder=c", &long] {
        client.post(target).send().expect_error(400, ErrorCode::Unsupported);
    }
    client.put("/api/leases").send().expect_error(405, ErrorCode::Unsupported);
    client.get("/api/leases/0123").send().expect_error(405, ErrorCode::Unsupported);
    client.post(TAKE).header("origin", "https://evil.example").send().expect_error(403, ErrorCode::Denied);
    for _ in 0..16 {
        client.post(TAKE).send().expect(200);
    }
    client.post(TAKE).send().expect_error(429, ErrorCode::TooManyRequests);
}
