//! Server errors: the registry's log has the cause under the response's id.
//!
//! In all suites, the client of each test registry checks this for every server error. Here are the errors that no
//! other suite provokes.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::fs;

use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Answer, ImageBuilder, TestRegistry};

/// Expects this status, and a log line of the response that has the reason, which the response itself must not have.
#[track_caller]
fn expect_logged(registry: &TestRegistry, answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{answer}");
    let line = registry.log().line_of(answer);
    assert!(line.contains(reason), "`{reason}` is not in: {line}");
    let body = String::from_utf8_lossy(&answer.body);
    assert!(!body.contains(reason), "the client must not see the cause: {body}");
}

#[test]
fn a_missing_storage_folder_is_reported_in_the_log() {
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
    // An open session works until its file is renamed into place.
    let digest = Digest::of(Algorithm::Sha256, b"content");
    let answer = client.put(location).query("digest", digest).body("content").send();
    expect_logged(&registry, &answer, 500, "cannot rename");
}

#[test]
fn a_blob_that_cannot_be_renamed_into_place_is_reported_in_the_log() {
    let registry = TestRegistry::start();
    let client = registry.client();
    fs::remove_dir_all(registry.folder().join("blobs")).unwrap();
    fs::write(registry.folder().join("blobs"), "no folder").unwrap();
    let (location, digest) = (client.start_upload("app"), Digest::of(Algorithm::Sha256, b"content"));
    let answer = client.put(location).query("digest", digest).body("content").send();
    expect_logged(&registry, &answer, 500, "blobs/");
}

#[test]
fn a_catalog_that_does_not_answer_is_reported_in_the_log() {
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
fn with_request_logging_off_only_server_errors_are_logged() {
    let registry = TestRegistry::start();
    let client = registry.client();
    client.get("/v2/").send().expect(200);
    client.get("/v2/app/tags/list").send().expect(404);
    fs::remove_dir(registry.folder().join("uploads")).unwrap();
    let failed = client.post("/v2/app/blobs/uploads/").send().expect(500);
    registry.log().line_of(&failed);
    assert_eq!(registry.log().lines().len(), 1, "{:?}", registry.log().lines());
}
