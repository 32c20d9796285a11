//! Scheduled backups of a server, which its settings turn on and off while it runs.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use hythe_backup::{Destination, Folder, Keep, Progress, verify};
use hythe_server::BackupOptions;
use hythe_testing::{ImageBuilder, TestRegistry};

fn options(place: &Path, keep: Keep) -> BackupOptions {
    BackupOptions {
        store: Arc::new(Folder::new(place)),
        name: "test".to_owned(),
        interval: Duration::from_millis(50),
        keep,
        grace: Duration::ZERO,
    }
}

/// The value of a metric.
fn metric(registry: &TestRegistry, name: &str) -> u64 {
    let page = String::from_utf8(registry.client().get("/metrics").send().body).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {page}")).parse().unwrap()
}

fn wait(what: impl Fn() -> bool) {
    while !what() {
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_server_makes_backups_at_its_interval_and_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("backups");
    let registry =
        TestRegistry::setup().server(|server| server.backup = Some(options(&place, Keep::Newest(2)))).start();
    let image = ImageBuilder::new(1).layers(2, 5000).build();
    image.push(&registry.client(), "app", "v1");
    wait(|| metric(&registry, "hythe_backup_runs_total") >= 4);
    assert!(metric(&registry, "hythe_backup_last_success_timestamp_seconds") > 1_700_000_000);
    assert_eq!(metric(&registry, "hythe_backup_failures_total"), 0);
    registry.server().set_options(hythe_server::ServerOptions::default());
    wait(|| metric(&registry, "hythe_backup_last_success_timestamp_seconds") == 0);
    let destination = Destination::open(&place).unwrap();
    assert_eq!(destination.snapshots().unwrap().len(), 2);
    let verified = verify(&destination, &Progress::default()).unwrap();
    assert_eq!((verified.bad, verified.unlisted), (Vec::new(), 0));
    assert!(verified.blobs >= 3, "{}", verified.blobs);

    assert_eq!(registry.client().get("/api/leases").send().json()["leases"], serde_json::json!([]));
}

#[test]
fn a_destination_that_cannot_be_used_stops_no_server_and_a_better_one_is_used_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let bad = options(&file.join("below"), Keep::Newest(1));
    let registry = TestRegistry::setup().server(|server| server.backup = Some(bad)).start();
    wait(|| metric(&registry, "hythe_backup_failures_total") >= 2);
    assert_eq!(metric(&registry, "hythe_backup_last_success_timestamp_seconds"), 0);
    let good = options(&folder.path().join("backups"), Keep::Newest(1));
    let options =
        hythe_server::ServerOptions { log_requests: false, backup: Some(good), ..Default::default() };
    registry.server().set_options(options);
    wait(|| metric(&registry, "hythe_backup_last_success_timestamp_seconds") > 0);
}
