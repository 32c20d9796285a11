//! A full disk: the registry refuses pushes, goes on serving pulls, and frees space by deletion.

use std::fs;
use std::time::Duration;

use hythe_e2e::client::{Body, Response};
use hythe_e2e::content::Content;
use hythe_e2e::disk::Disk;
use hythe_e2e::image::push_random;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::{Repository, Way};
use hythe_e2e::server::Server;

use super::{MIB, wait_for};

#[test]
fn a_full_ext4_refuses_pushes_with_a_clear_error_and_goes_on_serving_pulls() {
    full_disk(&Disk::ext4(96));
}

#[test]
fn a_full_tmpfs_refuses_pushes_with_a_clear_error_and_goes_on_serving_pulls() {
    full_disk(&Disk::tmpfs(64));
}

fn full_disk(disk: &Disk) {
    let mut server = Server::new().with_data(&disk.path().join("data"));
    server.run();
    let mut client = server.client();
    let mut repository = Repository::new(&mut client, "full/app");
    let kept = push_random(&mut repository, "kept", fresh_seed(), &[4 * MIB]);

    let before = disk.used();
    for way in [Way::Put, Way::Patch, Way::Post] {
        let large = Content::new(fresh_seed(), 200 * MIB);
        let digest = large.digest();
        let response = repository.push_blob(&large, &digest, way);
        assert_says_full(&response.unwrap_or_else(|error| panic!("{way:?}: no answer to read: {error}")));
        assert_eq!(repository.verify("kept"), kept);
        let path = repository.blob_path(&digest);
        repository
            .client()
            .get(&path)
            .expect("the server answers")
            .expect(404, "a blob that was never complete");
        wait_for(&format!("the disk's space returns after {way:?}"), || disk.used() < before + 2 * MIB);
    }

    let filler = disk.fill();
    let small = Content::new(fresh_seed(), 256 << 10);
    let response = repository.push_blob(&small, &small.digest(), Way::Put).expect("the server answers");
    assert_says_full(&response);
    assert_eq!(repository.verify("kept"), kept);

    fs::remove_file(filler).expect("the filler is there");
    repository
        .push_blob(&small, &small.digest(), Way::Put)
        .expect("the server answers")
        .expect(201, "with space again");
    push_random(&mut repository, "later", fresh_seed(), &[MIB]);
    server.kill();
    server.run();
    let mut client = server.client();
    let mut repository = Repository::new(&mut client, "full/app");
    assert_eq!(repository.verify("kept"), kept);
    repository.verify("later");
    repository.verify_blob(&small.digest());
}

fn assert_says_full(response: &Response) {
    assert!(matches!(response.status, 503 | 507), "a full disk is {}: {}", response.status, response.text());
    let error = &response.json()["errors"][0];
    assert!(error["code"].is_string(), "{}", response.text());
    let message = error["message"].as_str().unwrap_or_default().to_lowercase();
    assert!(
        ["space", "full"].iter().any(|word| message.contains(word)),
        "the message does not say that the disk is full: {message}"
    );
}

#[test]
fn space_on_an_ext4_without_a_free_byte_is_freed_20_times() {
    freed_again_and_again(&Disk::ext4(48));
}

#[test]
fn space_on_a_tmpfs_without_a_free_byte_is_freed_20_times() {
    freed_again_and_again(&Disk::tmpfs(48));
}

/// The volume holds only the registry's files, so only the registry itself can free space.
fn freed_again_and_again(disk: &Disk) {
    const LAYER: u64 = 4 * MIB;
    // Without a floor: the disk has no free byte.
    let mut server =
        Server::new().with_data(&disk.path().join("data")).with_setting("HYTHE_DISK_FLOOR", "0%");
    server.run();
    let mut client = server.client();
    let mut repository = Repository::new(&mut client, "full/app");
    let kept = push_random(&mut repository, "kept", fresh_seed(), &[MIB]);
    let mut last = push_random(&mut repository, "last", fresh_seed(), &[LAYER]);
    for round in 0..20 {
        // First the registry itself fills it.
        let large = Content::new(fresh_seed(), 64 * MIB);
        let refused = repository.push_blob(&large, &large.digest(), Way::Patch).expect("the server answers");
        assert_says_full(&refused);
        disk.fill();
        match round % 4 {
            1 => {
                let status = server.terminate(Duration::from_secs(20));
                assert!(status.success(), "round {round}: {status}");
            }
            2 => server.kill(),
            _ => {}
        }
        if matches!(round % 4, 1 | 2) {
            // Fills the space that the end of the server freed.
            disk.fill();
            server.run();
        }
        client = server.client();
        let ready = client.get("/readyz").expect("the server answers");
        ready.expect(200, "deletes must reach a registry whose disk is full");
        repository = Repository::new(&mut client, "full/app");
        let small = Content::new(fresh_seed(), MIB);
        let refused = repository.push_blob(&small, &small.digest(), Way::Put).expect("the server answers");
        assert_says_full(&refused);
        repository
            .delete_manifest(&last.to_string())
            .expect("the server answers")
            .expect(202, &format!("round {round}: a delete on a full disk"));
        let freed = repository
            .client()
            .send("POST", "/api/gc?grace=0s", &[], Body::Empty)
            .expect("the server answers");
        let freed = freed.expect(200, &format!("round {round}: a collection on a full disk")).json();
        assert!(freed["bytes"].as_u64() >= Some(LAYER), "round {round}: {freed}");
        last = push_random(&mut repository, "last", fresh_seed(), &[LAYER]);
        assert_eq!(repository.verify("last"), last);
        assert_eq!(repository.verify("kept"), kept);
    }
}
