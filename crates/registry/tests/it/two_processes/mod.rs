//! Upload sessions that two processes work on: two registries, each with its own handle of one catalog, over one storage.

mod ends;
mod races;

use std::path::Path;
use std::sync::Arc;

use hythe_catalog::Catalog;
use hythe_oci::{Algorithm, RepositoryName, UploadId};
use hythe_registry::{Chunk, Error, Registry, RegistryOptions, Result, UploadStatus};
use hythe_storage::objects::MemoryBucket;
use hythe_storage::{FsStorage, MemoryStorage, ObjectStorage, Storage};
use tempfile::TempDir;

use crate::world::{body, name, options, read, sha256, slow_body, uploads};

struct Two {
    registries: [Registry; 2],
    storage: Arc<dyn Storage>,
    folder: TempDir,
}

fn registry(folder: &Path, storage: &Arc<dyn Storage>, options: RegistryOptions) -> Registry {
    let catalog = Catalog::open(&folder.join("catalog.sqlite")).unwrap();
    Registry::new(Arc::clone(storage), catalog, options)
}

impl Two {
    fn over(folder: TempDir, storage: Arc<dyn Storage>, options: &RegistryOptions) -> Self {
        let registries = [(); 2].map(|()| registry(folder.path(), &storage, options.clone()));
        Self { registries, storage, folder }
    }

    fn memory() -> Self {
        Self::over(tempfile::tempdir().unwrap(), Arc::new(MemoryStorage::default()), &options())
    }

    fn fs() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(FsStorage::open(folder.path()).unwrap());
        Self::over(folder, storage, &options())
    }

    fn objects() -> Self {
        let storage = ObjectStorage::new(Arc::new(MemoryBucket::with_part_size(64)));
        Self::over(tempfile::tempdir().unwrap(), Arc::new(storage), &options())
    }

    async fn start(&self, process: usize) -> UploadId {
        let status = self.registries[process].repository(&app()).start_upload(Algorithm::Sha256).await;
        status.unwrap().id
    }

    async fn append(&self, process: usize, id: UploadId, chunk: Chunk, bytes: &[u8]) -> Result<u64> {
        let appended = self.registries[process].repository(&app()).append(id, chunk, body(bytes)).await;
        appended.map(|status| status.offset)
    }

    async fn finish(&self, process: usize, id: UploadId, content: &[u8], rest: &[u8]) -> Result<()> {
        let (registry, digest) = (&self.registries[process], sha256(content));
        registry.repository(&app()).finish_upload(id, digest, Chunk::default(), body(rest)).await?;
        self.expect_blob(process, content).await;
        Ok(())
    }

    async fn expect_blob(&self, process: usize, content: &[u8]) {
        let blob = self.registries[process].repository(&app()).blob(&sha256(content)).await.unwrap();
        assert!(read(&blob).await == content, "a blob has other bytes than its digest says");
    }

    /// Writes something, so that the process's next reads see what the other one committed until now.
    async fn renew(&self, process: usize) {
        let id = self.start(process).await;
        self.registries[process].repository(&app()).cancel_upload(id).await.unwrap();
    }

    async fn offset(&self, process: usize, id: UploadId) -> Result<u64> {
        let status = self.registries[process].repository(&app()).upload_status(id).await;
        status.map(|UploadStatus { offset, .. }| offset)
    }
}

fn app() -> RepositoryName {
    name("app")
}

const STREAM: Chunk = Chunk { start: None, range_length: None, length: None };

fn at(start: u64) -> Chunk {
    Chunk { start: Some(start), ..STREAM }
}

/// Runs a test over a storage in memory, over one in a folder, and over one in an object store.
macro_rules! on_each {
    ($($(#[$attribute:meta])* async fn $name:ident($two:ident: Two) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn check($two: Two) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                check(Two::memory()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_folder() {
                check(Two::fs()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_an_object_store() {
                check(Two::objects()).await;
            }
        })*
    };
}
use on_each;

on_each! {
    async fn of_two_chunks_at_one_offset_exactly_one_is_kept(two: Two) {
        for round in 0..60 {
            let id = two.start(round % 2).await;
            assert_eq!(two.append(round / 2 % 2, id, at(0), b"head").await.unwrap(), 4);
            let (one, other) = (vec![b'1'; 100 + round], vec![b'2'; 200]);
            let (first, second) = tokio::join!(two.append(0, id, at(4), &one), two.append(1, id, at(4), &other));
            let (kept, refused) = match (first, second) {
                (Ok(_), Err(refused)) => (one, refused),
                (Err(refused), Ok(_)) => (other, refused),
                both => panic!("{both:?}"),
            };
            assert!(matches!(refused, Error::ChunkOutOfOrder { .. } | Error::UploadTakenOver(_)), "{refused:?}");
            let content = [b"head", &kept[..], b"end", &round.to_le_bytes()].concat();
            for process in [0, 1] {
                assert_eq!(two.offset(process, id).await.unwrap(), 4 + kept.len() as u64);
            }
            two.finish(round % 3 % 2, id, &content, &content[4 + kept.len()..]).await.unwrap();
        }
        assert!(uploads(&*two.storage).await.is_empty());
    }

    async fn a_session_that_another_process_continued_is_claimed_back_at_its_new_offset(two: Two) {
        let id = two.start(0).await;
        assert_eq!(two.append(0, id, STREAM, b"one ").await.unwrap(), 4);
        assert_eq!(two.append(1, id, at(4), b"two ").await.unwrap(), 8);
        match two.append(0, id, at(4), b"two again").await {
            Err(Error::ChunkOutOfOrder { start: 4, offset: 8, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(two.append(0, id, at(8), b"three").await.unwrap(), 13);
        assert!(matches!(two.append(1, id, at(8), b"x").await, Err(Error::ChunkOutOfOrder { offset: 13, .. })));
        two.finish(1, id, b"one two three", b"").await.unwrap();
        assert!(matches!(two.append(0, id, at(13), b"x").await, Err(Error::UploadUnknown(_))));
        assert!(matches!(two.finish(0, id, b"one two three", b"").await, Err(Error::UploadUnknown(_))));
    }

    async fn each_request_of_a_push_may_come_to_another_process(two: Two) {
        for bytes in [&b"all of it"[..], b""] {
            let id = two.start(0).await;
            assert_eq!(two.append(1, id, STREAM, bytes).await.unwrap(), bytes.len() as u64);
            two.finish(0, id, bytes, b"").await.unwrap();
            let id = two.start(1).await;
            two.finish(0, id, b"at once", b"at once").await.unwrap();
        }
    }

    async fn a_request_in_progress_loses_the_session_to_another_process(two: Two) {
        let id = two.start(0).await;
        two.append(0, id, at(0), b"kept, ").await.unwrap();
        let (sender, slow) = slow_body();
        let older = {
            let registry = two.registries[0].clone();
            tokio::spawn(async move { registry.repository(&app()).append(id, STREAM, slow).await })
        };
        sender.send(b"never acknowledged").await;
        assert_eq!(two.append(1, id, at(6), b"and continued").await.unwrap(), 19);
        drop(sender);
        assert!(matches!(older.await.unwrap(), Err(Error::UploadTakenOver(taken)) if taken == id));
        two.finish(0, id, b"kept, and continued elsewhere", b" elsewhere").await.unwrap();
    }

    async fn a_chunk_at_a_wrong_offset_takes_nothing_over(two: Two) {
        let id = two.start(0).await;
        let (sender, slow) = slow_body();
        let writer = {
            let registry = two.registries[0].clone();
            tokio::spawn(async move { registry.repository(&app()).append(id, STREAM, slow).await })
        };
        sender.send(b"undisturbed").await;
        let misplaced = two.append(1, id, at(3), b"x").await;
        assert!(matches!(misplaced, Err(Error::ChunkOutOfOrder { offset: 0, .. })), "{misplaced:?}");
        drop(sender);
        assert_eq!(writer.await.unwrap().unwrap().offset, 11);
    }

    async fn a_session_of_a_killed_process_continues_in_the_other_one(two: Two) {
        let id = two.start(0).await;
        two.append(0, id, STREAM, b"acknowledged").await.unwrap();
        let (sender, slow) = slow_body();
        let killed = {
            let registry = two.registries[0].clone();
            tokio::spawn(async move { registry.repository(&app()).append(id, STREAM, slow).await })
        };
        sender.send(b", and lost").await;
        // The process ends: nobody hears of this request again.
        killed.abort();
        std::mem::forget(sender);
        assert_eq!(two.offset(1, id).await.unwrap(), 12);
        assert_eq!(two.append(1, id, at(12), b" and ").await.unwrap(), 17);
        two.finish(1, id, b"acknowledged and kept", b"kept").await.unwrap();
        assert!(uploads(&*two.storage).await.is_empty());
    }

    async fn a_cancelled_session_ends_for_the_process_that_writes_to_it(two: Two) {
        let id = two.start(0).await;
        let (sender, slow) = slow_body();
        let writer = {
            let registry = two.registries[0].clone();
            tokio::spawn(async move { registry.repository(&app()).append(id, STREAM, slow).await })
        };
        sender.send(b"never kept").await;
        two.registries[1].repository(&app()).cancel_upload(id).await.unwrap();
        drop(sender);
        assert!(matches!(writer.await.unwrap(), Err(Error::UploadTakenOver(_))));
        for process in [0, 1] {
            assert!(matches!(two.offset(process, id).await, Err(Error::UploadUnknown(_))));
        }
        assert!(uploads(&*two.storage).await.is_empty());
    }
}

/// The changes of upload rows since the last call: what changed, under which epoch.
fn changes(catalog: &rusqlite::Connection) -> Vec<(String, i64)> {
    let mut all = catalog.prepare("SELECT change, epoch FROM changed ORDER BY rowid").unwrap();
    let changes = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let changes = changes.map(|change| change.unwrap()).collect();
    catalog.execute("DELETE FROM changed", []).unwrap();
    changes
}

#[tokio::test]
async fn a_push_that_stays_in_one_process_claims_nothing() {
    let two = Two::fs();
    let catalog = rusqlite::Connection::open(two.folder.path().join("catalog.sqlite")).unwrap();
    let count = "CREATE TABLE changed (change TEXT, epoch INTEGER);
        CREATE TRIGGER a AFTER INSERT ON upload BEGIN INSERT INTO changed VALUES ('start', NEW.epoch); END;
        CREATE TRIGGER b AFTER UPDATE OF byte_offset ON upload BEGIN
            INSERT INTO changed VALUES ('save', NEW.epoch); END;
        CREATE TRIGGER c AFTER UPDATE OF named ON upload BEGIN INSERT INTO changed VALUES ('name', NEW.epoch); END;
        CREATE TRIGGER d AFTER UPDATE OF epoch ON upload BEGIN INSERT INTO changed VALUES ('claim', NEW.epoch); END;
        CREATE TRIGGER e AFTER UPDATE OF expired ON upload BEGIN INSERT INTO changed VALUES ('end', NEW.epoch); END;
        CREATE TRIGGER f AFTER DELETE ON upload BEGIN INSERT INTO changed VALUES ('delete', OLD.epoch); END;";
    catalog.execute_batch(count).unwrap();
    let changed = |expected: &[(&str, i64)]| {
        let expected: Vec<_> =
            expected.iter().map(|(change, epoch)| ((*change).to_owned(), *epoch)).collect();
        assert_eq!(changes(&catalog), expected);
    };
    let (registry, app) = (&two.registries[0], app());
    registry.repository(&app).push_blob(sha256(b"at once"), None, body(b"at once")).await.unwrap();
    changed(&[("start", 1), ("name", 1), ("delete", 1)]);
    let id = two.start(0).await;
    two.finish(0, id, b"two requests", b"two requests").await.unwrap();
    changed(&[("start", 1), ("name", 1), ("delete", 1)]);
    let id = two.start(0).await;
    two.append(0, id, STREAM, b"three requests").await.unwrap();
    two.finish(0, id, b"three requests", b"").await.unwrap();
    changed(&[("start", 1), ("save", 1), ("name", 1), ("delete", 1)]);
    // Each change of the process costs one claim.
    let id = two.start(0).await;
    two.append(1, id, STREAM, b"elsewhere").await.unwrap();
    two.finish(0, id, b"elsewhere", b"").await.unwrap();
    changed(&[("start", 1), ("claim", 2), ("save", 2), ("claim", 3), ("name", 3), ("delete", 3)]);
}
