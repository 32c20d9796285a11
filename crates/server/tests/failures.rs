//! What is wrong in the registry and not with the request: its log has the reason under the answer's id.
//!
//! The client of each test registry checks that of every such answer, in all suites; here are the ways to them that no other
//! suite goes.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::fs;

use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Answer, ImageBuilder, TestRegistry};

/// The line of the answer, which is of this status and names the reason.
#[track_caller]
fn expect_logged(registry: &TestRegistry, answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{answer}");
    let line = registry.log().line_of(answer);
    assert!(line.contains(reason), "`{reason}` is not in: {line}");
    let body = String::from_utf8_lossy(&answer.body);
    assert!(!body.contains(reason), "what is wrong inside is not told outside: {body}");
}

#[test]
fn a_storage_without_its_folder_says_so_in_the_log() {
    let registry = TestRegistry::start();
    let client = registry.client();
    let location = client.start_upload("app");
    let uploads = registry.folder().join("uploads");
    fs::rename(&uploads, registry.folder().join("elsewhere")).unwrap();
    for answer in [
        client.post("/v2/app/blobs/uploads/").send(),
        client
            .post("/v2/app/blobs/uploads/")
            .query("digest", Digest::of(Algorithm::Sha256, b"x"))
            .body("x")
            .send(),
    ] {
        expect_logged(&registry, &answer, 500, "uploads/");
    }
    expect_logged(&registry, &client.get("/readyz").send(), 503, "uploads/");
    expect_logged(&registry, &client.head("/readyz").send(), 503, "uploads/");
    // A session that is open goes on until its file is to get its name.
    let digest = Digest::of(Algorithm::Sha256, b"content");
    let answer = client.put(location).query("digest", digest).body("content").send();
    expect_logged(&registry, &answer, 500, "cannot rename");
}

#[test]
fn a_blob_that_cannot_get_its_name_says_so_in_the_log() {
    let registry = TestRegistry::start();
    let client = registry.client();
    fs::remove_dir_all(registry.folder().join("blobs")).unwrap();
    fs::write(registry.folder().join("blobs"), "no folder").unwrap();
    let (location, digest) = (client.start_upload("app"), Digest::of(Algorithm::Sha256, b"content"));
    let answer = client.put(location).query("digest", digest).body("content").send();
    expect_logged(&registry, &answer, 500, "blobs/");
}

#[test]
fn a_catalog_that_does_not_answer_says_so_in_the_log() {
    let registry = TestRegistry::start();
    let client = registry.client();
    let image = ImageBuilder::new(1).layers(1, 100).build();
    image.push(&client, "app", "v1");
    registry.registry().close();
    for answer in [
        client.get("/v2/app/tags/list").send(),
        client.get("/v2/_catalog").send(),
        client.get("/v2/app/manifests/v1").send(),
        client.get(format!("/v2/app/referrers/{}", image.digest())).send(),
        client.delete("/v2/app/manifests/v1").send(),
        client.post("/v2/app/blobs/uploads/").send(),
        image.put(&client, "app", "v2"),
        client.post("/api/gc").send(),
        client.get("/api/cache/copies").send(),
        client.get("/metrics").send(),
    ] {
        expect_logged(&registry, &answer, 500, "the catalog failed");
    }
    expect_logged(&registry, &client.get("/readyz").send(), 503, "the catalog failed");
}

#[test]
fn a_request_that_succeeds_is_not_logged_where_requests_are_not() {
    let registry = TestRegistry::start();
    let client = registry.client();
    client.get("/v2/").send().expect(200);
    client.get("/v2/app/tags/list").send().expect(404);
    fs::remove_dir(registry.folder().join("uploads")).unwrap();
    let failed = client.post("/v2/app/blobs/uploads/").send().expect(500);
    registry.log().line_of(&failed);
    assert_eq!(registry.log().lines().len(), 1, "{:?}", registry.log().lines());
}
