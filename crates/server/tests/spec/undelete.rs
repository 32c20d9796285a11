//! `/api/deleted/` and `/api/undelete`: what was deleted is listed and restored.

use hythe_oci::ErrorCode;
use hythe_testing::{ImageBuilder, TestRegistry};
use serde_json::{Value, json};

fn answer(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn deleted_content_is_listed_in_pages_and_restored() {
    let registry = TestRegistry::start();
    let client = registry.client();
    let images = [1, 2].map(|seed| ImageBuilder::new(seed).layers(1, 1000).build());
    for image in &images {
        image.push(&client, "app", "v1");
        client.delete(format!("/v2/app/manifests/{}", image.digest())).send().expect(202);
    }
    let page =
        |last: &str| answer(&client.get(format!("/api/deleted/manifests?n=1{last}")).send().expect(200).body);
    let first = page("");
    assert_eq!(first["manifests"][0]["digest"], json!(images[1].digest()));
    assert_eq!(first["manifests"][0]["tags"], json!(["v1"]));
    assert_eq!((&first["total"]["manifests"], &first["total"]["blobs"]), (&json!(2), &json!(4)));
    let second = page(&format!("&last={}", first["next"].as_str().unwrap()));
    assert_eq!(second["manifests"][0]["digest"], json!(images[0].digest()));
    assert_eq!((&second["next"], &second["total"]), (&json!(null), &json!(null)));

    let restore = |query: &str| {
        answer(&client.post(format!("/api/undelete?repository=app&{query}")).send().expect(200).body)
    };
    let restored = restore(&format!("digest={}", images[0].digest()));
    assert_eq!((&restored["outcome"], &restored["tags"]), (&json!("restored"), &json!(["v1"])));
    let restored = restore(&format!("digest={}", images[1].digest()));
    assert_eq!(restored["taken"], json!([{ "tag": "v1", "digest": images[0].digest() }]));
    assert_eq!(restore(&format!("digest={}", images[1].digest()))["outcome"], json!("exists"));
    assert_eq!(restore("tag=v1")["outcome"], json!("exists"));
    assert_eq!(restore("tag=v2")["outcome"], json!("unknown"));
    let moved = restore(&format!("tag=v1&to={}", images[1].digest()));
    assert_eq!((&moved["outcome"], &moved["digest"]), (&json!("restored"), &json!(images[1].digest())));
    assert_eq!(client.get("/v2/app/manifests/v1").send().expect(200).body, images[1].bytes);
    let history = client.get("/api/deleted/tags?repository=app&tag=v1&history=true").send().expect(200);
    assert_eq!(answer(&history.body)["tags"][0]["digest"], json!(images[0].digest()));
}

#[test]
fn wrong_requests_are_refused() {
    let registry = TestRegistry::start();
    let client = registry.client();
    for path in [
        "/api/undelete",
        "/api/undelete?repository=app",
        "/api/undelete?repository=App&tag=v1",
        "/api/undelete?repository=app&tag=v1&digest=sha256:0",
        "/api/undelete?repository=app&tag=v1&to=latest",
    ] {
        client.post(path).send().expect_error(400, ErrorCode::Unsupported);
    }
    for path in [
        "/api/deleted/tags?history=true",
        "/api/deleted/tags?last=x",
        "/api/deleted/manifests?repository=App",
    ] {
        client.get(path).send().expect_error(400, ErrorCode::Unsupported);
    }
    client.get("/api/undelete").send().expect_error(405, ErrorCode::Unsupported);
    client.post("/api/deleted/manifests").send().expect_error(405, ErrorCode::Unsupported);
    client.get("/api/deleted/other").send().expect(404);
    client
        .post("/api/undelete?repository=app&tag=v1")
        .header("origin", "https://evil.example")
        .send()
        .expect_error(403, ErrorCode::Denied);
}
