//! Blobs whose file is gone or damaged: they are not served, and a push brings them back.

use std::path::Path;

use hythe_registry::{Error, Started};

use crate::world::{World, name, sha256};

fn remove(file: &Path) {
    std::fs::remove_file(file).unwrap();
}

fn cut(file: &Path) {
    std::fs::write(file, b"con").unwrap();
}

fn grow(file: &Path) {
    std::fs::write(file, b"content and more").unwrap();
}

type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 3] = [("removed", remove), ("cut", cut), ("grown", grow)];

#[tokio::test]
async fn a_blob_whose_bytes_are_lost_is_not_served_and_not_mounted() {
    for (damage, apply) in DAMAGES {
        let world = World::fs();
        let digest = world.push("app", b"content").await;
        apply(&world.blob_files()[0]);
        assert!(matches!(world.blob("app", &digest), Err(Error::BlobUnknown { .. })), "{damage}");
        let used = world.registry.repository(&name("app")).use_blob(&digest).await;
        assert!(matches!(used, Err(Error::BlobUnknown { .. })), "{damage}");
        assert!(matches!(world.mount(&digest, "app", "other").await, Started::Session(_)), "{damage}");
    }
}

#[tokio::test]
async fn a_push_brings_lost_bytes_back_for_every_repository() {
    for (damage, apply) in DAMAGES {
        let world = World::fs();
        let digest = world.push("app", b"content").await;
        world.mount(&digest, "app", "other").await;
        world.tag("app", "v1", &[digest]).await.unwrap();
        apply(&world.blob_files()[0]);
        world.push("third", b"content").await;
        for repository in ["app", "other", "third"] {
            assert_eq!(world.read(repository, &digest), b"content", "{damage}, {repository}");
        }
        assert_eq!(world.blob_files().len(), 1, "{damage}");
        let world = world.restart().await;
        assert_eq!(world.read("app", &digest), b"content", "{damage}");
        assert_eq!(world.registry.totals().unwrap().blobs, 1);
    }
}

#[tokio::test]
async fn many_pushes_at_once_bring_lost_bytes_back_once() {
    let world = World::fs();
    let digest = world.push("app", b"content").await;
    remove(&world.blob_files()[0]);
    let mut pushes = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let registry = world.registry.clone();
        pushes.spawn(async move {
            let body = crate::world::body(b"content");
            registry.repository(&name("app")).push_blob(sha256(b"content"), None, body).await.unwrap();
            registry.repository(&name("app")).blob(&sha256(b"content")).unwrap();
        });
    }
    pushes.join_all().await;
    assert_eq!(world.read("app", &digest), b"content");
    assert_eq!(world.blob_files().len(), 1);
}

#[tokio::test]
async fn a_blob_whose_bytes_are_whole_is_not_replaced() {
    let world = World::fs();
    world.push("app", b"content").await;
    let before = world.blob_files();
    world.push("other", b"content").await;
    assert_eq!(world.blob_files(), before);
}

#[tokio::test]
async fn lost_bytes_can_be_deleted_and_collected() {
    let world = World::fs();
    let (one, _) = (world.push("app", b"one").await, world.push("app", b"two").await);
    for file in world.blob_files() {
        remove(&file);
    }
    world.delete_blob("app", &one).await.unwrap();
    world.set(|options| options.collect_grace = std::time::Duration::ZERO);
    assert_eq!(world.collect().await.blobs, 1);
    world.expect_nothing().await;
}
