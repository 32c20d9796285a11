//! Upload sessions: appended to, resumed, raced, interrupted, finished, refused.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hythe_oci::{Algorithm, Digest, RepositoryName, UploadId};
use hythe_registry::{Chunk, Error, Registry, UploadStatus};
use tokio::task::JoinHandle;

use crate::world::{Sender, body, name, on_each, sha256, slow_body};

/// A chunk with a range.
fn range(start: u64, length: u64) -> Chunk {
    Chunk { start: Some(start), range_length: Some(length), length: None }
}

on_each! {
    async fn blobs_pushed_at_once_each_have_the_bytes_that_were_sent(world: World) {
        // More uploads than most machines have cores, so that the receiving threads hash them; each has another length.
        const ONCE: usize = 24;
        let app = name("app");
        let pushes = (0..ONCE).map(|number| {
            let content: Vec<u8> = (0..700_000 + number * 70_001).map(|at| ((at * (number + 3)) >> 3) as u8).collect();
            let algorithm = if number % 5 == 4 { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Digest::of(algorithm, &content);
            let (repository, chunks) = (world.registry.repository(&app), content.clone());
            async move {
                let chunks: Vec<_> = chunks.chunks(30_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
                let pushed = repository.push_blob(digest, None, futures_util::stream::iter(chunks)).await;
                (pushed, digest, content)
            }
        });
        for (pushed, digest, content) in futures_util::future::join_all(pushes).await {
            pushed.unwrap();
            assert_eq!(world.read("app", &digest).await, content);
        }
    }

    async fn a_blob_pushed_in_chunks_reads_back(world: World) {
        let id = world.start("app").await;
        assert_eq!(world.append("app", id, b"hello").await.unwrap(), 5);
        assert_eq!(world.append("app", id, b"").await.unwrap(), 5);
        assert_eq!(world.append("app", id, b" ").await.unwrap(), 6);
        assert_eq!(world.offset("app", id).await.unwrap(), 6);
        let digest = sha256(b"hello world");
        world.finish("app", id, digest, b"world").await.unwrap();
        assert_eq!(world.read("app", &digest).await, b"hello world");
        assert!(matches!(world.offset("app", id).await, Err(Error::UploadUnknown(_))));
        assert!(matches!(world.append("app", id, b"x").await, Err(Error::UploadUnknown(_))));
        assert!(world.uploads().await.is_empty());
    }

    async fn a_session_belongs_to_its_repository(world: World) {
        let id = world.start("app").await;
        world.append("app", id, b"mine").await.unwrap();
        assert!(matches!(world.append("other", id, b"x").await, Err(Error::UploadUnknown(_))));
        assert!(matches!(world.offset("other", id).await, Err(Error::UploadUnknown(_))));
        let (theirs, digest) = (name("other"), sha256(b"mine"));
        assert!(matches!(world.registry.repository(&theirs).cancel_upload(id).await, Err(Error::UploadUnknown(_))));
        world.finish("app", id, digest, b"").await.unwrap();
        assert!(matches!(world.blob("other", &digest).await, Err(Error::BlobUnknown { .. })));
    }

    async fn a_chunk_out_of_order_is_refused_and_the_session_goes_on(world: World) {
        let id = world.start("app").await;
        world.append("app", id, b"abc").await.unwrap();
        for start in [0, 2, 4, u64::MAX >> 1] {
            let (app, chunk) = (name("app"), range(start, 1));
            match world.registry.repository(&app).append(id, chunk, body(b"x")).await {
                Err(Error::ChunkOutOfOrder { offset: 3, .. }) => {}
                other => panic!("{start}: {other:?}"),
            }
        }
        world.finish("app", id, sha256(b"abcd"), b"d").await.unwrap();
    }

    async fn a_chunk_of_another_length_than_its_range_leaves_nothing(world: World) {
        let (app, id) = (name("app"), world.start("app").await);
        world.append("app", id, b"abc").await.unwrap();
        for chunk in [range(3, 9), range(3, 2), Chunk { length: Some(5), ..range(3, 4) }] {
            match world.registry.repository(&app).append(id, chunk, body(b"wrong")).await {
                Err(Error::ChunkLength { .. }) => {}
                other => panic!("{chunk:?}: {other:?}"),
            }
            assert_eq!(world.offset("app", id).await.unwrap(), 3, "{chunk:?}");
        }
        let last = world.registry.repository(&app).finish_upload(id, sha256(b"abcd"), range(3, 2), body(b"d")).await;
        assert!(matches!(last, Err(Error::ChunkLength { expected: 2, actual: 1 })), "{last:?}");
        world.finish("app", id, sha256(b"abcd"), b"d").await.unwrap();
    }

    async fn a_long_chunk_that_ends_early_leaves_nothing_that_was_saved_before_its_end(world: World) {
        const PIECES: u64 = 67;
        let (app, id) = (name("app"), world.start("app").await);
        let piece = Bytes::from(vec![7; 1 << 20]);
        let pieces = futures_util::stream::iter((0..PIECES).map(move |_| Ok::<_, io::Error>(piece.clone())));
        let appended = world.registry.repository(&app).append(id, range(0, (PIECES + 1) << 20), pieces).await;
        assert!(matches!(appended, Err(Error::ChunkLength { .. })), "{appended:?}");
        assert_eq!(world.offset("app", id).await.unwrap(), 0);
        world.finish("app", id, sha256(b"other"), b"other").await.unwrap();
        assert_eq!(world.read("app", &sha256(b"other")).await, b"other");
    }

    async fn an_announced_length_past_every_file_does_not_panic(world: World) {
        let (app, id) = (name("app"), world.start("app").await);
        world.append("app", id, b"abc").await.unwrap();
        let chunk = Chunk { length: Some(u64::MAX), ..Chunk::default() };
        let appended = world.registry.repository(&app).append(id, chunk, body(b"d")).await;
        assert_eq!(appended.unwrap().offset, 4);
    }

    async fn a_session_continues_from_before_the_request_with_a_wrong_digest(world: World) {
        let id = world.start("app").await;
        world.append("app", id, b"abc").await.unwrap();
        // The second request finds the session as the first one left it.
        for _ in 0..2 {
            let finished = world.finish("app", id, sha256(b"abcd"), b"x").await;
            assert!(matches!(finished, Err(Error::DigestMismatch { expected, actual })
                if expected == sha256(b"abcd") && actual == sha256(b"abcx")));
            assert_eq!(world.offset("app", id).await.unwrap(), 3);
            let sha512 = Digest::of(Algorithm::Sha512, b"abcd");
            let finished = world.finish("app", id, sha512, b"").await;
            assert!(matches!(finished, Err(Error::DigestMismatch { .. })));
        }
        world.finish("app", id, sha256(b"abcd"), b"d").await.unwrap();
        assert_eq!(world.read("app", &sha256(b"abcd")).await, b"abcd");
    }

    async fn a_hash_saved_during_a_refused_chunk_is_not_used_for_the_next_chunk(world: World) {
        // Longer than the distance between two saves of a session.
        let (wrong, right) = (vec![1; 70 << 20], vec![2; 70 << 20]);
        let id = world.start("app").await;
        let finished = world.finish("app", id, sha256(&right), &wrong).await;
        assert!(matches!(finished, Err(Error::DigestMismatch { .. })));
        assert_eq!(world.offset("app", id).await.unwrap(), 0);
        assert_eq!(world.append("app", id, &right).await.unwrap(), 70 << 20);
        world.finish("app", id, sha256(&right), b"").await.unwrap();
        assert!(world.read("app", &sha256(&right)).await == right);
    }

    async fn bytes_with_another_digest_leave_nothing(world: World) {
        let app = name("app");
        let pushed = world.registry.repository(&app).push_blob(sha256(b"right"), None, body(b"wrong")).await;
        assert!(matches!(pushed, Err(Error::DigestMismatch { .. })));
        world.expect_nothing().await;
    }

    async fn a_digest_of_another_algorithm_at_the_end_is_computed_from_the_stored_bytes(world: World) {
        let content = vec![42; 3 << 20];
        let digest = Digest::of(Algorithm::Sha512, &content);
        let id = world.start("app").await;
        world.append("app", id, &content[..2 << 20]).await.unwrap();
        world.finish("app", id, digest, &content[2 << 20..]).await.unwrap();
        assert_eq!(world.read("app", &digest).await, content);
        let wrong = world.start("app").await;
        world.append("app", wrong, &content[1..]).await.unwrap();
        let finished = world.finish("app", wrong, digest, b"").await;
        assert!(matches!(finished, Err(Error::DigestMismatch { .. })));
    }

    async fn an_empty_blob_can_be_pushed_and_read(world: World) {
        let sha512 = Digest::of(Algorithm::Sha512, b"");
        for digest in [sha256(b""), sha512] {
            let id = world.start("app").await;
            world.finish("app", id, digest, b"").await.unwrap();
            assert_eq!((world.read("app", &digest).await, world.blob("app", &digest).await.unwrap().size), (Vec::new(), 0));
        }
        let id = world.start("app").await;
        world.append("app", id, b"").await.unwrap();
        world.finish("app", id, sha256(b""), b"").await.unwrap();
    }

    async fn a_newer_request_takes_the_session_over_and_continues_where_the_older_one_was(world: World) {
        let (app, id) = (name("app"), world.start("app").await);
        let (sender, slow) = slow_body();
        let older = {
            let (registry, app) = (world.registry.clone(), app.clone());
            tokio::spawn(async move { registry.repository(&app).append(id, Chunk::default(), slow).await })
        };
        sender.send(b"hello ").await;
        assert_eq!(world.append("app", id, b"world").await.unwrap(), 11);
        assert!(matches!(older.await.unwrap(), Err(Error::UploadTakenOver(taken)) if taken == id));
        world.finish("app", id, sha256(b"hello world"), b"").await.unwrap();
        assert_eq!(world.read("app", &sha256(b"hello world")).await, b"hello world");
    }

    async fn cancelling_ends_a_running_request(world: World) {
        let (app, id) = (name("app"), world.start("app").await);
        let (sender, slow) = slow_body();
        let writer = {
            let (registry, app) = (world.registry.clone(), app.clone());
            tokio::spawn(async move { registry.repository(&app).append(id, Chunk::default(), slow).await })
        };
        sender.send(b"never kept").await;
        world.registry.repository(&app).cancel_upload(id).await.unwrap();
        assert!(matches!(writer.await.unwrap(), Err(Error::UploadTakenOver(_))));
        assert!(matches!(world.registry.repository(&app).cancel_upload(id).await, Err(Error::UploadUnknown(_))));
        world.expect_nothing().await;
    }

    async fn however_requests_race_on_a_session_its_bytes_stay_in_order(world: World) {
        let content: Arc<Vec<u8>> = Arc::new((0..200_000_u32).flat_map(u32::to_le_bytes).collect());
        let (digest, id) = (sha256(&content), world.start("app").await);
        let mut racers = tokio::task::JoinSet::new();
        for racer in 0..6_usize {
            let (registry, content) = (world.registry.clone(), Arc::clone(&content));
            racers.spawn(async move {
                let app = name("app");
                let repository = registry.repository(&app);
                loop {
                    let offset = repository.upload_status(id).await.unwrap().offset as usize;
                    if offset == content.len() {
                        return;
                    }
                    let end = content.len().min(offset + 7_000 * (racer + 1));
                    let chunk = Chunk { start: Some(offset as u64), ..Chunk::default() };
                    match repository.append(id, chunk, body(&content[offset..end])).await {
                        Ok(_) => {}
                        // The newest request wins: without a pause, each would be superseded before it sent a byte.
                        Err(Error::ChunkOutOfOrder { .. } | Error::UploadTakenOver(_)) => {
                            tokio::time::sleep(Duration::from_millis(1 + 3 * racer as u64)).await;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        racers.join_all().await;
        world.finish("app", id, digest, b"").await.unwrap();
        assert_eq!(world.read("app", &digest).await, *content);
    }

    async fn a_body_that_breaks_off_keeps_the_bytes_that_came(world: World) {
        let (app, id) = (name("app"), world.start("app").await);
        let pieces = [Ok(Bytes::from_static(b"half")), Err(io::ErrorKind::ConnectionReset.into())];
        let body = futures_util::stream::iter(pieces);
        let appended = world.registry.repository(&app).append(id, Chunk::default(), body).await;
        assert!(matches!(appended, Err(Error::Body(_))), "{appended:?}");
        assert_eq!(world.offset("app", id).await.unwrap(), 4);
        world.finish("app", id, sha256(b"half and half"), b" and half").await.unwrap();
    }

    async fn a_push_in_one_request_that_breaks_off_leaves_nothing(world: World) {
        let app = name("app");
        let pieces = [Ok(Bytes::from_static(b"half")), Err(io::ErrorKind::ConnectionReset.into())];
        let body = futures_util::stream::iter(pieces);
        let pushed = world.registry.repository(&app).push_blob(sha256(b"half"), Some(8), body).await;
        assert!(matches!(pushed, Err(Error::Body(_))), "{pushed:?}");
        world.expect_nothing().await;
    }

    async fn a_caller_that_goes_away_leaves_a_session_to_continue(world: World) {
        let (app, id) = (name("app"), world.start("app").await);
        let (sender, slow) = slow_body();
        let caller = {
            let (registry, app) = (world.registry.clone(), app.clone());
            tokio::spawn(async move { registry.repository(&app).append(id, Chunk::default(), slow).await })
        };
        sender.send(b"first ").await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        sender.fail().await;
        // The next request waits for the work of the one whose caller went away.
        assert_eq!(world.append("app", id, b"second").await.unwrap(), 12);
        world.finish("app", id, sha256(b"first second"), b"").await.unwrap();
    }

    async fn the_same_content_pushed_many_times_at_once_is_kept_once(world: World) {
        let content = Arc::new(vec![9; 200_000]);
        let digest = sha256(&content);
        let mut pushes = tokio::task::JoinSet::new();
        for push in 0..8 {
            let (registry, content) = (world.registry.clone(), Arc::clone(&content));
            pushes.spawn(async move {
                let repository = name(["app", "other"][push % 2]);
                registry.repository(&repository).push_blob(digest, None, body(&content)).await.unwrap();
                registry.repository(&repository).blob(&digest).await.unwrap();
            });
        }
        pushes.join_all().await;
        assert_eq!((world.read("app", &digest).await, world.read("other", &digest).await), (content.to_vec(), content.to_vec()));
        assert!(world.blob_files().len() <= 1, "{:?}", world.blob_files());
        assert!(world.uploads().await.is_empty());
        assert_eq!(world.registry.totals().await.unwrap().blobs, 1);
    }
}

/// A registry that receives one body at a time, and an upload whose body has that place: four bytes came, more may
/// come.
struct Crowded {
    registry: Registry,
    id: UploadId,
    sender: Sender,
    writer: JoinHandle<hythe_registry::Result<UploadStatus>>,
}

impl Crowded {
    async fn by(app: &RepositoryName) -> Self {
        let storage = Arc::new(hythe_storage::MemoryStorage::default());
        let options = hythe_registry::RegistryOptions {
            upload_max_concurrent: 1,
            ..hythe_registry::RegistryOptions::default()
        };
        let catalog = hythe_catalog::Catalog::in_memory().unwrap();
        let registry = Registry::new(storage, catalog, options);
        let id = registry.repository(app).start_upload(Algorithm::Sha256).await.unwrap().id;
        let (sender, slow) = slow_body();
        let writer = {
            let (registry, app) = (registry.clone(), app.clone());
            tokio::spawn(async move { registry.repository(&app).append(id, Chunk::default(), slow).await })
        };
        sender.send(b"slow").await;
        Self { registry, id, sender, writer }
    }
}

#[tokio::test]
async fn one_body_more_than_allowed_is_refused_and_its_place_is_free_again() {
    let app = name("app");
    let Crowded { registry, sender, writer, .. } = Crowded::by(&app).await;
    assert_eq!(registry.active_uploads(), 1);
    let refused = registry.repository(&app).push_blob(sha256(b"x"), None, body(b"x")).await;
    assert!(matches!(refused, Err(Error::TooManyUploads { limit: 1 })));
    drop(sender);
    assert_eq!(writer.await.unwrap().unwrap().offset, 4);
    tokio::time::timeout(Duration::from_secs(10), async {
        while registry.active_uploads() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    registry.repository(&app).push_blob(sha256(b"x"), None, body(b"x")).await.unwrap();
}

#[tokio::test]
async fn if_all_places_are_taken_the_slowest_upload_gives_way_and_can_be_continued() {
    let app = name("app");
    // The body's sender is kept: without it the body would end.
    let Crowded { registry, id, sender: _sender, writer } = Crowded::by(&app).await;
    // The body must have been coming for some seconds before its speed counts.
    tokio::time::timeout(Duration::from_secs(30), async {
        while registry.repository(&app).push_blob(sha256(b"x"), None, body(b"x")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    let told = writer.await.unwrap().unwrap_err();
    assert!(matches!(&told, Error::Body(error) if error.kind() == io::ErrorKind::TimedOut), "{told}");
    assert!(told.to_string().contains("4 bytes"), "{told}");
    registry.repository(&app).finish_upload(id, sha256(b"slow"), Chunk::default(), body(b"")).await.unwrap();
}

#[tokio::test]
async fn a_session_that_cannot_be_set_back_after_a_wrong_digest_is_removed_and_the_error_names_the_digest() {
    let world = crate::world::World::fs();
    let id = world.start("app").await;
    world.append("app", id, b"abc").await.unwrap();
    let catalog = rusqlite::Connection::open(world.folder().join("catalog.sqlite")).unwrap();
    let no_room = "CREATE TRIGGER full BEFORE UPDATE OF byte_offset, state ON upload BEGIN SELECT RAISE(ABORT, 'no room'); END";
    catalog.execute_batch(no_room).unwrap();
    assert!(world.append("app", id, b"d").await.is_err(), "the session cannot be saved");
    let finished = world.finish("app", id, sha256(b"abcd"), b"x").await;
    assert!(matches!(finished, Err(Error::DigestMismatch { .. })), "{finished:?}");
    assert!(matches!(world.offset("app", id).await, Err(Error::UploadUnknown(_))));
    assert!(world.uploads().await.is_empty());
}
