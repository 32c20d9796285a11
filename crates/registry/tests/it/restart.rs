//! Restarts: a registry starts again on its folder, after a clean end or a crash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use hythe_oci::{Algorithm, Digest, HashState, UploadId};
use hythe_registry::{Chunk, Error};
use rusqlite::Connection;

use crate::world::{World, blob_files, sha256, slow_body};

/// Changes the one upload row while the registry is stopped, as a crash or a bad disk would leave it.
fn change_row(folder: &Path, set: &str) {
    let catalog = Connection::open(folder.join("catalog.sqlite")).unwrap();
    assert_eq!(catalog.execute(&format!("UPDATE upload SET {set}"), []).unwrap(), 1);
}

/// The state of a hash that took `bytes`, in hex.
fn state(bytes: &[u8]) -> String {
    let mut hash = HashState::new(Algorithm::Sha256);
    hash.update(bytes);
    hash.save().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn upload_path(folder: &Path, id: UploadId) -> PathBuf {
    folder.join("uploads").join(id.to_string())
}

/// Leaves the state of a kill after the file got the blob's name and before the catalog recorded the blob.
fn name_without_commit(folder: &Path, id: UploadId, digest: &Digest) {
    let hex = digest.hex();
    let blobs = folder.join("blobs/sha256").join(&hex[..2]);
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::rename(upload_path(folder, id), blobs.join(format!("{hex}.{id}"))).unwrap();
    change_row(folder, &format!("digest = '{digest}', named = 1"));
}

#[tokio::test]
async fn blobs_tags_and_sessions_survive() {
    let world = World::fs();
    let (layer, id) = (world.push("app", b"layer").await, world.start("app").await);
    let pushed = world.tag("app", "v1", &[layer]).await.unwrap();
    world.append("app", id, b"first ").await.unwrap();
    let world = world.restart().await;
    assert_eq!(world.read("app", &layer).await, b"layer");
    let app = crate::world::name("app");
    assert_eq!(
        world.registry.repository(&app).manifest(&"v1".parse().unwrap()).await.unwrap().digest,
        pushed.digest
    );
    assert_eq!(world.offset("app", id).await.unwrap(), 6);
    world.append("app", id, b"second ").await.unwrap();
    let world = world.restart().await;
    world.finish("app", id, sha256(b"first second third"), b"third").await.unwrap();
    assert_eq!(world.read("app", &sha256(b"first second third")).await, b"first second third");
}

#[tokio::test]
async fn a_session_that_got_no_bytes_yet_survives_the_loss_of_its_empty_file() {
    let world = World::fs();
    let id = world.start("app").await;
    let folder = world.close();
    std::fs::remove_file(upload_path(folder.path(), id)).unwrap();
    let world = World::open(folder).await;
    world.finish("app", id, sha256(b"content"), b"content").await.unwrap();
}

#[tokio::test]
async fn bytes_past_the_saved_offset_are_not_trusted() {
    let world = World::fs();
    let id = world.start("app").await;
    world.append("app", id, b"good").await.unwrap();
    let folder = world.close();
    std::fs::write(upload_path(folder.path(), id), b"good, and never saved").unwrap();
    let world = World::open(folder).await;
    assert_eq!(world.offset("app", id).await.unwrap(), 4);
    world.finish("app", id, sha256(b"good!"), b"!").await.unwrap();
    assert_eq!(world.read("app", &sha256(b"good!")).await, b"good!");
}

#[tokio::test]
async fn a_hash_state_that_cannot_be_read_is_computed_again() {
    let saved = state(&vec![7; 3_000_000]);
    for state in
        ["", "00", "0c", "0c0000", &saved[..80], &format!("ff{}", &saved[2..]), &format!("{saved}00")]
    {
        let world = World::fs();
        let id = world.start("app").await;
        world.append("app", id, &vec![7; 3_000_000]).await.unwrap();
        let folder = world.close();
        change_row(folder.path(), &format!("state = x'{state}'"));
        let world = World::open(folder).await;
        let finished = world.finish("app", id, sha256(&vec![7; 3_000_001]), &[7]).await;
        assert!(finished.is_ok(), "{state}: {finished:?}");
    }
}

#[tokio::test]
async fn a_hash_state_of_other_bytes_makes_no_blob() {
    for length in [1000, 10] {
        let world = World::fs();
        let id = world.start("app").await;
        world.append("app", id, &[7; 1000]).await.unwrap();
        let folder = world.close();
        change_row(folder.path(), &format!("state = x'{}'", state(&vec![8; length])));
        let world = World::open(folder).await;
        let finished = world.finish("app", id, sha256(&[7; 1000]), b"").await;
        assert!(matches!(finished, Err(Error::DigestMismatch { .. })), "{finished:?}");
        assert_eq!(world.registry.totals().await.unwrap().blobs, 0);
        // A client that tries again is not refused.
        world.finish("app", id, sha256(&[7; 1000]), b"").await.unwrap();
    }
}

#[tokio::test]
async fn a_session_continues_behind_its_last_durable_bytes() {
    // As after a power loss: the row is there, and the file lacks the bytes that were never synced.
    for (durable, left) in [(0, 0), (0, 3), (3, 3), (3, 5)] {
        let world = World::fs();
        let id = world.start("app").await;
        world.append("app", id, b"content").await.unwrap();
        let folder = world.close();
        change_row(folder.path(), &format!("state = x'{}'", state(&b"content"[..durable])));
        std::fs::write(upload_path(folder.path(), id), &b"content"[..left]).unwrap();
        let world = World::open(folder).await;
        match world.append("app", id, b"!").await {
            Err(Error::ChunkOutOfOrder { start: 7, offset, .. }) => assert_eq!(offset, durable as u64),
            other => panic!("{durable} of {left}: {other:?}"),
        }
        assert_eq!(world.offset("app", id).await.unwrap(), durable as u64);
        world.finish("app", id, sha256(b"content!"), &b"content!"[durable..]).await.unwrap();
        assert_eq!(world.read("app", &sha256(b"content!")).await, b"content!");
    }
}

#[tokio::test]
async fn a_long_session_is_saved_while_its_bytes_come() {
    let content = vec![7; (65 << 20) + 5];
    let world = World::fs();
    let id = world.start("app").await;
    for piece in content.chunks(5 << 20) {
        world.append("app", id, piece).await.unwrap();
    }
    let folder = world.close();
    std::fs::File::options()
        .write(true)
        .open(upload_path(folder.path(), id))
        .and_then(|file| file.set_len((64 << 20) + 1))
        .unwrap();
    let world = World::open(folder).await;
    let offset = match world.append("app", id, b"!").await {
        Err(Error::ChunkOutOfOrder { offset, .. }) => offset,
        other => panic!("{other:?}"),
    };
    assert_eq!(offset, 64 << 20, "the session is saved as soon as so many bytes have come");
    world.finish("app", id, sha256(&content), &content[64 << 20..]).await.unwrap();
}

#[tokio::test]
async fn a_hash_saved_while_bytes_come_is_that_of_the_bytes_up_to_the_saved_offset() {
    const PIECES: u8 = 66;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Once alone, and once beside enough uploads to use every core.
    for others in [0, cores] {
        let world = World::fs();
        let app = crate::world::name("app");
        let mut waiting = Vec::new();
        for _ in 0..others {
            let (id, (sender, body)) = (world.start("other").await, slow_body());
            let registry = world.registry.clone();
            let other = crate::world::name("other");
            let append = async move { registry.repository(&other).append(id, Chunk::default(), body).await };
            waiting.push((sender, tokio::spawn(append)));
        }
        while world.registry.active_uploads() < others {
            tokio::task::yield_now().await;
        }
        let id = world.start("app").await;
        let pieces = (0..PIECES).map(|number| Ok::<_, std::io::Error>(Bytes::from(vec![number; 1 << 20])));
        let body = futures_util::stream::iter(pieces);
        world.registry.repository(&app).append(id, Chunk::default(), body).await.unwrap();
        for (sender, append) in waiting {
            sender.fail().await;
            assert!(append.await.unwrap().is_err());
        }
        let folder = world.close();
        let catalog = Connection::open(folder.path().join("catalog.sqlite")).unwrap();
        let row = "SELECT byte_offset, state FROM upload WHERE repository = 'app'";
        let (offset, saved): (i64, Vec<u8>) =
            catalog.query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(offset, i64::from(PIECES) << 20);
        let saved = HashState::load(Algorithm::Sha256, &saved).unwrap();
        assert_eq!(saved.length(), 64 << 20, "{others} others");
        let mut hash = HashState::new(Algorithm::Sha256);
        (0..64_u8).for_each(|number| hash.update(&vec![number; 1 << 20]));
        assert_eq!(saved.finish(), hash.finish());
    }
}

#[tokio::test]
async fn a_session_whose_durable_bytes_are_lost_ends() {
    let world = World::fs();
    let id = world.start("app").await;
    world.append("app", id, b"four").await.unwrap();
    let folder = world.close();
    change_row(folder.path(), &format!("state = x'{}'", state(b"four")));
    std::fs::write(upload_path(folder.path(), id), b"two").unwrap();
    let world = World::open(folder).await;
    assert!(matches!(world.append("app", id, b"x").await, Err(Error::UploadUnknown(_))));
    assert!(matches!(world.offset("app", id).await, Err(Error::UploadUnknown(_))));
    world.expect_nothing().await;
}

#[tokio::test]
async fn the_start_removes_files_of_uploads_without_a_row_and_keeps_others() {
    let world = World::fs();
    let id = world.start("app").await;
    world.append("app", id, b"kept").await.unwrap();
    let folder = world.close();
    std::fs::write(upload_path(folder.path(), UploadId::random()), b"orphan").unwrap();
    std::fs::write(folder.path().join("uploads/not an upload"), b"somebody else's").unwrap();
    let world = World::open(folder).await;
    assert_eq!(world.uploads().await, [id]);
    assert!(world.folder().join("uploads/not an upload").exists());
}

#[tokio::test]
async fn a_blob_named_but_never_committed_is_removed_when_its_session_expires() {
    let world = World::fs();
    let id = world.start("app").await;
    world.append("app", id, b"content").await.unwrap();
    let folder = world.close();
    name_without_commit(folder.path(), id, &sha256(b"content"));
    let world = World::open(folder).await;
    assert!(matches!(world.blob("app", &sha256(b"content")).await, Err(Error::BlobUnknown { .. })));
    assert_eq!(world.collect().await.uploads, 0, "not before its time");
    world.set(|options| options.upload_expire = Duration::ZERO);
    assert_eq!(world.collect().await.uploads, 1);
    world.expect_nothing().await;
}

#[tokio::test]
async fn a_session_whose_blob_was_named_but_never_committed_can_be_continued() {
    // Once with bytes that an earlier request saved, and once with all bytes sent in the killed request.
    for saved in [&b"content"[..], b"con", b""] {
        let world = World::fs();
        let id = world.start("app").await;
        world.append("app", id, saved).await.unwrap();
        let folder = world.close();
        std::fs::write(upload_path(folder.path(), id), b"content").unwrap();
        name_without_commit(folder.path(), id, &sha256(b"content"));
        let world = World::open(folder).await;
        assert_eq!(world.offset("app", id).await.unwrap(), saved.len() as u64);
        world.finish("app", id, sha256(b"content"), &b"content"[saved.len()..]).await.unwrap();
        assert_eq!(world.read("app", &sha256(b"content")).await, b"content");
        assert_eq!((world.blob_files().len(), world.uploads().await.len()), (1, 0));
    }
}

#[tokio::test]
async fn a_blob_named_but_never_committed_is_removed_when_its_session_ends_otherwise() {
    for cancel in [true, false] {
        let world = World::fs();
        let id = world.start("app").await;
        let folder = world.close();
        name_without_commit(folder.path(), id, &sha256(b""));
        let world = World::open(folder).await;
        if cancel {
            world.registry.repository(&crate::world::name("app")).cancel_upload(id).await.unwrap();
            world.expect_nothing().await;
        } else {
            world.finish("app", id, sha256(b"another"), b"another").await.unwrap();
            assert_eq!(world.blob_files().len(), 1);
        }
    }
}

#[tokio::test]
async fn the_start_removes_the_file_of_a_deleted_blob() {
    let world = World::fs();
    let digest = world.push("app", b"content").await;
    let file = world.blob_files().remove(0);
    world.delete_blob("app", &digest).await.unwrap();
    let folder = world.close();
    std::fs::write(&file, b"content").unwrap();
    let generation = file.extension().unwrap().to_str().unwrap().to_owned();
    let catalog = Connection::open(folder.path().join("catalog.sqlite")).unwrap();
    catalog.execute("INSERT INTO doomed VALUES (?1, ?2, 7)", (digest.to_string(), generation)).unwrap();
    drop(catalog);
    let world = World::open(folder).await;
    assert_eq!(blob_files(world.folder()), [] as [PathBuf; 0]);
}
