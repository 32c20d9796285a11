//! Blobs whose file is lost or damaged: they are not served, and a push restores them.

use std::path::Path;

use hythe_oci::{Algorithm, Digest};
use hythe_registry::{Chunk, Error, Origin, Started};

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

fn pipe(file: &Path) {
    remove(file);
    let made = std::process::Command::new("mkfifo").arg(file).status().unwrap();
    assert!(made.success());
}

fn folder(file: &Path) {
    remove(file);
    std::fs::create_dir(file).unwrap();
}

/// Changes one byte and keeps the size: only the bytes themselves show the damage.
fn flip(file: &Path) {
    use std::os::unix::fs::FileExt;

    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let at = file.metadata().unwrap().len() - 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 5] =
    [("removed", remove), ("cut", cut), ("grown", grow), ("a pipe", pipe), ("a folder", folder)];

#[tokio::test]
async fn a_blob_whose_bytes_are_lost_is_not_served_and_not_mounted() {
    for (damage, apply) in DAMAGES {
        let world = World::fs();
        let digest = world.push("app", b"content").await;
        apply(&world.blob_files()[0]);
        assert!(matches!(world.blob("app", &digest).await, Err(Error::BlobUnknown { .. })), "{damage}");
        let used = world.registry.repository(&name("app")).use_blob(&digest).await;
        assert!(matches!(used, Err(Error::BlobUnknown { .. })), "{damage}");
        assert!(matches!(world.mount(&digest, "app", "other").await, Started::Session(_)), "{damage}");
    }
}

#[tokio::test]
async fn a_push_restores_lost_bytes_for_every_repository() {
    for (damage, apply) in DAMAGES.into_iter().chain([("a byte changed", flip as Damage)]) {
        let world = World::fs();
        let digest = world.push("app", b"content").await;
        world.mount(&digest, "app", "other").await;
        world.tag("app", "v1", &[digest]).await.unwrap();
        apply(&world.blob_files()[0]);
        world.push("third", b"content").await;
        for repository in ["app", "other", "third"] {
            assert_eq!(world.read(repository, &digest).await, b"content", "{damage}, {repository}");
        }
        assert_eq!(world.blob_files().len(), 1, "{damage}");
        let world = world.restart().await;
        assert_eq!(world.read("app", &digest).await, b"content", "{damage}");
        assert_eq!(world.registry.totals().await.unwrap().blobs, 1);
    }
}

#[tokio::test]
async fn many_pushes_at_once_restore_lost_bytes_once() {
    let world = World::fs();
    let digest = world.push("app", b"content").await;
    remove(&world.blob_files()[0]);
    let mut pushes = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let registry = world.registry.clone();
        pushes.spawn(async move {
            let body = crate::world::body(b"content");
            registry.repository(&name("app")).push_blob(sha256(b"content"), None, body).await.unwrap();
            registry.repository(&name("app")).blob(&sha256(b"content")).await.unwrap();
        });
    }
    pushes.join_all().await;
    assert_eq!(world.read("app", &digest).await, b"content");
    assert_eq!(world.blob_files().len(), 1);
}

/// The ways in which a client pushes a blob.
async fn push(world: &World, way: usize, content: &[u8], digest: Digest) {
    let (app, half) = (name("app"), content.len() / 2);
    let repository = world.registry.repository(&app);
    if way == 0 {
        return repository.push_blob(digest, None, crate::world::body(content)).await.unwrap();
    }
    let id = repository.start_upload(digest.algorithm()).await.unwrap().id;
    let rest = match way {
        1 => content,
        2 => {
            world.append("app", id, &content[..half]).await.unwrap();
            &content[half..]
        }
        _ => {
            world.append("app", id, content).await.unwrap();
            &[][..]
        }
    };
    world.finish("app", id, digest, rest).await.unwrap();
}

/// Content of several batches, the last one not full.
fn large() -> Vec<u8> {
    (0..1_300_000_u32).map(|at| (at.wrapping_mul(0x9E37_79B9) >> 24) as u8).collect()
}

#[tokio::test]
async fn a_push_of_the_right_bytes_repairs_a_changed_file_whichever_way_it_comes() {
    let content = large();
    for algorithm in Algorithm::ALL {
        let digest = Digest::of(algorithm, &content);
        for way in 0..4 {
            let world = World::fs();
            push(&world, 0, &content, digest).await;
            flip(&world.blob_files()[0]);
            assert!(world.read("app", &digest).await != content);
            push(&world, way, &content, digest).await;
            assert!(world.read("app", &digest).await == content, "{algorithm}, way {way}");
            assert_eq!(world.blob_files().len(), 1, "the damaged file is gone");
            assert!(world.uploads().await.is_empty());
            let world = world.restart().await;
            assert!(world.read("app", &digest).await == content);
        }
    }
}

#[tokio::test]
async fn a_push_of_an_intact_blob_keeps_its_file_whichever_way_it_comes() {
    let content = large();
    let digest = sha256(&content);
    for way in 0..4 {
        // On a fast disk, bytes that came before the digest are not read again: the new file replaces the old one.
        let world = World::fs_cached();
        push(&world, 0, &content, digest).await;
        let before = world.blob_files();
        push(&world, way, &content, digest).await;
        assert_eq!(world.blob_files(), before, "way {way}");
        assert!(world.uploads().await.is_empty(), "way {way}");
        assert_eq!(world.registry.totals().await.unwrap().uploads, 0);
        assert!(world.read("app", &digest).await == content);
    }
}

#[tokio::test]
async fn bytes_that_differ_from_the_stored_blob_change_nothing_and_can_be_continued() {
    let content = large();
    let digest = sha256(&content);
    let world = World::fs();
    world.push("app", &content).await;
    for wrong in [content.len() - 1, 700_000, 0] {
        let mut other = content.clone();
        other[wrong] ^= 1;
        let id = world.start("app").await;
        for bytes in [&other[..], &content[..content.len() - 1]] {
            let finished = world.finish("app", id, digest, bytes).await;
            assert!(matches!(finished, Err(Error::DigestMismatch { .. })), "{finished:?}");
            assert_eq!(world.offset("app", id).await.unwrap(), 0);
        }
        world.finish("app", id, sha256(&other), &other).await.unwrap();
        assert!(
            world.read("app", &sha256(&other)).await == other && world.read("app", &digest).await == content
        );
    }
}

#[tokio::test]
async fn an_interrupted_push_that_equalled_the_stored_blob_until_then_keeps_all_its_bytes() {
    let content: &'static [u8] = large().leak();
    let digest = sha256(content);
    let world = World::fs();
    world.push("app", content).await;
    let id = world.start("app").await;
    let (sender, body) = crate::world::slow_body();
    let registry = world.registry.clone();
    let pushing = tokio::spawn(async move {
        registry.repository(&name("app")).finish_upload(id, digest, Chunk::default(), body).await
    });
    sender.send(&content[..700_000]).await;
    sender.fail().await;
    assert!(matches!(pushing.await.unwrap(), Err(Error::Body(_))));
    assert_eq!(world.offset("app", id).await.unwrap(), 700_000);
    // The rest differs from the bytes that the push was compared with.
    let other = [&content[..700_000], b"another end"].concat();
    let world = world.restart().await;
    world.finish("app", id, sha256(&other), b"another end").await.unwrap();
    assert!(world.read("app", &sha256(&other)).await == other);
}

#[tokio::test]
async fn a_push_of_a_stored_blob_writes_nothing() {
    let content: &'static [u8] = large().leak();
    let digest = sha256(content);
    let world = World::fs();
    world.push("app", content).await;
    let id = world.start("other").await;
    let file = world.folder().join("uploads").join(id.to_string());
    let (sender, body) = crate::world::slow_body();
    let registry = world.registry.clone();
    let pushing = tokio::spawn(async move {
        registry.repository(&name("other")).finish_upload(id, digest, Chunk::default(), body).await
    });
    for piece in content.chunks(100_000) {
        sender.send(piece).await;
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
    drop(sender);
    pushing.await.unwrap().unwrap();
    assert!(world.read("other", &digest).await == content && world.blob_files().len() == 1);
}

#[tokio::test]
async fn a_blob_that_is_collected_while_a_push_is_compared_with_it_is_stored_again() {
    let content: &'static [u8] = large().leak();
    let digest = sha256(content);
    for damaged in [false, true] {
        let world = World::fs();
        world.push("app", content).await;
        if damaged {
            flip(&world.blob_files()[0]);
        }
        let id = world.start("other").await;
        let (sender, body) = crate::world::slow_body();
        let registry = world.registry.clone();
        let pushing = tokio::spawn(async move {
            registry.repository(&name("other")).finish_upload(id, digest, Chunk::default(), body).await
        });
        sender.send(&content[..700_000]).await;
        world.delete_blob("app", &digest).await.unwrap();
        assert!(world.blob_files().is_empty());
        sender.send(&content[700_000..]).await;
        drop(sender);
        pushing.await.unwrap().unwrap();
        assert!(world.read("other", &digest).await == content);
        assert_eq!(world.blob_files().len(), 1);
    }
}

#[tokio::test]
async fn a_fetch_of_a_damaged_blob_replaces_its_file() {
    let content = large();
    let digest = sha256(&content);
    let world = World::fs();
    world.push("app", &content).await;
    flip(&world.blob_files()[0]);
    let (copy, origin) = (name("up.example/app"), Origin::Upstream("up.example".to_owned()));
    let repository = world.registry.copy(&copy, &origin);
    let mut fetch = repository.fetch(&digest, content.len() as u64).await.unwrap();
    fetch.receive(crate::world::body(&content)).await.unwrap().unwrap();
    fetch.finish(async {}).await.unwrap();
    for repository in ["app", "up.example/app"] {
        assert!(world.read(repository, &digest).await == content, "{repository}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, &content).unwrap();
    flip(&world.blob_files()[0]);
    world.registry.repository(&name("imported")).adopt_blob(&digest, &file).await.unwrap().unwrap();
    assert!(world.read("app", &digest).await == content);
    assert_eq!(world.blob_files().len(), 1);
}

#[tokio::test]
async fn an_intact_blob_is_not_replaced() {
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
