//! The journal beside the blobs says what the catalog says.

use std::io::Write;
use std::time::SystemTime;

use bytes::Bytes;
use hythe_oci::Reference;
use hythe_registry::{Recovered, recover_catalog};

use crate::rebuild::{exported, fill, records_of};
use crate::world::{World, name, sha256};

/// Builds a catalog from the journal and the blobs alone.
async fn recover(world: &World) -> (Recovered, Vec<String>) {
    let path = world.folder().join("recovered.sqlite");
    let storage = world.storage.clone();
    let recovered = recover_catalog(storage.clone(), path.clone(), SystemTime::now()).await.unwrap();
    (recovered, records_of(&path, storage).await)
}

/// Expects that a catalog from the journal and the blobs alone has the same records.
pub(crate) async fn expect_journaled(world: &World) {
    let (recovered, found) = recover(world).await;
    let mut expected = exported(&world.registry).await;
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(recovered.rebuilt.lost, 0);
}

/// The number of segments of the journal, and of those that are bases.
fn segments(world: &World) -> (usize, usize) {
    let segments = world.storage.log().unwrap().segments().unwrap();
    (segments.len(), segments.iter().filter(|segment| segment.is_base()).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_in_the_journal_when_it_is_answered() {
    let world = World::fs();
    fill(&world).await;
    expect_journaled(&world).await;
    assert_eq!(segments(&world), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_and_what_comes_behind_it_say_the_same() {
    let world = World::fs();
    fill(&world).await;
    world.registry.settle_journal().await.unwrap();
    assert_eq!(segments(&world), (2, 1));
    expect_journaled(&world).await;
    let three = world.push("app", b"three").await;
    world.tag("app", "v2", &[three]).await.unwrap();
    world.delete_manifest("app", "v1").await.unwrap();
    world.delete_manifest("team/app", "latest").await.unwrap();
    world.registry.copy(&name("example.org/public"), &hythe_registry::Origin::Local).pin().await.unwrap();
    world.collect().await;
    expect_journaled(&world).await;
    // A settled journal that is short keeps its base.
    world.registry.settle_journal().await.unwrap();
    assert_eq!(segments(&world), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_with_the_journal_also_behind_a_torn_line() {
    let world = World::fs();
    world.registry.settle_journal().await.unwrap();
    fill(&world).await;
    let world = world.restart().await;
    let log = world.folder().join("journal/00000001.log");
    std::fs::File::options()
        .append(true)
        .open(&log)
        .and_then(|mut log| log.write_all(b"0123abcd {"))
        .unwrap();
    let world = world.restart().await;
    let three = world.push("app", b"three").await;
    world.tag("app", "v3", &[three]).await.unwrap();
    let (recovered, found) = recover(&world).await;
    assert_eq!(recovered.damaged, 1, "{:?}", recovered.damages);
    let mut expected = exported(&world.registry).await;
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_power_loss_took_from_the_journal_is_appended_again_by_the_next_start() {
    let world = World::fs();
    fill(&world).await;
    let log = world.folder().join("journal/00000001.log");
    let kept = std::fs::metadata(&log).unwrap().len() / 2;
    let ended = world.close();
    // None of it was synced, and half of it is lost.
    std::fs::File::options().write(true).open(&log).and_then(|log| log.set_len(kept)).unwrap();
    let world = World::open(ended).await;
    world.registry.settle_journal().await.unwrap();
    expect_journaled(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_many_layers_is_journaled_when_it_comes_and_when_it_goes() {
    let world = World::fs();
    world.set(|options| options.manifest_require_blobs = false);
    let layers: Vec<_> = (0..600).map(|number: u32| sha256(&number.to_ne_bytes())).collect();
    let pushed = world.tag("app", "many", &layers).await.unwrap();
    expect_journaled(&world).await;
    world.delete_manifest("app", pushed.digest).await.unwrap();
    expect_journaled(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_was_removed_is_written_anew() {
    let world = World::fs();
    fill(&world).await;
    std::fs::remove_dir_all(world.folder().join("journal")).unwrap();
    world.registry.settle_journal().await.unwrap_err();
    world.registry.settle_journal().await.unwrap();
    expect_journaled(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_long_is_replaced_by_the_present_state() {
    let world = World::fs();
    world.set(|options| options.manifest_require_blobs = false);
    world.registry.settle_journal().await.unwrap();
    let app = name("app");
    let padding = "x".repeat(3 << 20);
    for number in 0..7 {
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],
                "annotations":{{"n":"{number}","padding":"{padding}"}}}}"#
        );
        let reference: Reference = "latest".parse().unwrap();
        let repository = world.registry.repository(&app);
        let pushed = repository.push_manifest(&reference, Vec::new(), None, Bytes::from(text)).await.unwrap();
        if number < 6 {
            world.delete_manifest("app", pushed.digest).await.unwrap();
        }
    }
    let size = || world.storage.log().unwrap().segments().unwrap().iter().map(|part| part.size).sum::<u64>();
    assert!(size() > 20 << 20);
    world.registry.settle_journal().await.unwrap();
    assert!(size() < 4 << 20);
    expect_journaled(&world).await;
}

#[tokio::test]
async fn a_missing_segment_is_reported() {
    let world = World::fs();
    fill(&world).await;
    world.registry.settle_journal().await.unwrap();
    let base = std::fs::read_dir(world.folder().join("journal")).unwrap();
    let base = base.map(|entry| entry.unwrap().path()).find(|path| path.extension().unwrap() == "base");
    std::fs::remove_file(base.unwrap()).unwrap();
    let (recovered, _) = recover(&world).await;
    assert!(recovered.damages[0].is_base, "{recovered:?}");
}
