//! Random requests to two processes, two at a time, on one session.

use std::sync::Arc;
use std::time::Duration;

use hythe_oci::UploadId;
use hythe_registry::{Error, RegistryOptions};
use hythe_storage::objects::MemoryBucket;
use hythe_storage::{FsStorage, MemoryStorage, ObjectStorage};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Two, app, at};
use crate::world::{blob_files, body, options, sha256, uploads};

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A chunk of this many bytes at the session's offset.
    Append(usize),
    /// A last chunk of this many bytes.
    Finish(usize),
    /// The end of the session with a digest that is wrong.
    Mistake(usize),
    Cancel,
    /// A garbage collection to which each session is too old.
    Expire,
    /// No request to this process.
    Wait,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (0..5_000_usize).prop_map(Operation::Append),
        3 => (0..5_000_usize).prop_map(Operation::Finish),
        2 => (0..5_000_usize).prop_map(Operation::Mistake),
        1 => Just(Operation::Cancel),
        1 => Just(Operation::Expire),
        3 => Just(Operation::Wait),
    ]
}

/// What a request did, if it succeeded.
#[derive(Debug)]
enum Done {
    Appended(Vec<u8>),
    Finished(Vec<u8>),
    Cancelled,
    Nothing,
}

/// Sends a request of a client that knows what was acknowledged until now. No two requests bring the same bytes.
async fn request(
    two: &Two,
    process: usize,
    id: UploadId,
    kept: &[u8],
    operation: Operation,
    step: u8,
) -> Done {
    let (registry, app, start) = (&two.registries[process], app(), kept.len() as u64);
    let repository = registry.repository(&app);
    let bytes = |length| vec![step * 2 + process as u8; length];
    let refusal = |error| match error {
        Error::ChunkOutOfOrder { .. } | Error::UploadTakenOver(_) | Error::UploadUnknown(_) => Done::Nothing,
        error => panic!("{error:?}"),
    };
    match operation {
        Operation::Append(length) => {
            let bytes = bytes(length);
            let appended = repository.append(id, at(start), body(&bytes)).await;
            appended.map_or_else(refusal, |status| {
                assert_eq!(status.offset, start + bytes.len() as u64);
                Done::Appended(bytes)
            })
        }
        Operation::Finish(length) => {
            let content = [kept, &bytes(length)[..]].concat();
            let rest = body(&content[kept.len()..]);
            let finished = repository.finish_upload(id, sha256(&content), at(start), rest).await;
            finished.map_or_else(refusal, |()| Done::Finished(content))
        }
        Operation::Mistake(length) => {
            let wrong = sha256(b"something else");
            match repository.finish_upload(id, wrong, at(start), body(&bytes(length))).await {
                Err(Error::DigestMismatch { .. }) => Done::Nothing,
                finished => finished.map_or_else(refusal, |()| panic!("a wrong digest was accepted")),
            }
        }
        Operation::Cancel => repository.cancel_upload(id).await.map_or_else(refusal, |()| Done::Cancelled),
        Operation::Expire => {
            registry.expire_uploads().await.unwrap();
            Done::Nothing
        }
        Operation::Wait => Done::Nothing,
    }
}

/// Runs the two processes' requests of each step at once on one new session. Returns the blob, if the session became
/// one.
async fn race(two: &Two, steps: &[[Operation; 2]]) -> Option<Vec<u8>> {
    let id = two.start(0).await;
    // A session's bytes begin with its id, so that no two sessions make the same blob.
    let mut kept = id.to_string().into_bytes();
    two.append(1, id, at(0), &kept).await.unwrap();
    for (step, operations) in (0..).zip(steps) {
        let done = tokio::join!(
            request(two, 0, id, &kept, operations[0], step),
            request(two, 1, id, &kept, operations[1], step)
        );
        let expires = operations.iter().any(|operation| matches!(operation, Operation::Expire));
        let mut ended = matches!(done.0, Done::Cancelled) || matches!(done.1, Done::Cancelled);
        match done {
            (Done::Finished(content), Done::Nothing) | (Done::Nothing, Done::Finished(content)) => {
                assert!(uploads(&*two.storage).await.is_empty());
                return Some(content);
            }
            // Both ask for the same blob, and both get it.
            (Done::Finished(content), Done::Finished(same)) if content == same => return Some(content),
            (Done::Appended(bytes), Done::Nothing | Done::Cancelled)
            | (Done::Nothing | Done::Cancelled, Done::Appended(bytes)) => kept.extend(bytes),
            (Done::Nothing | Done::Cancelled, Done::Nothing | Done::Cancelled) => {}
            // An empty chunk changes nothing, so another one at the same offset follows it.
            (Done::Appended(empty), Done::Appended(bytes))
            | (Done::Appended(bytes), Done::Appended(empty))
                if empty.is_empty() =>
            {
                kept.extend(bytes);
            }
            (Done::Finished(content), Done::Appended(empty))
            | (Done::Appended(empty), Done::Finished(content))
                if empty.is_empty() =>
            {
                return Some(content);
            }
            both => panic!("both of {operations:?} succeeded: {both:?}"),
        }
        for process in [0, 1] {
            match two.offset(process, id).await {
                Ok(offset) if !ended => assert_eq!(offset, kept.len() as u64, "{operations:?}"),
                Err(Error::UploadUnknown(_)) if ended || expires => ended = true,
                other => panic!("{operations:?}: {other:?}"),
            }
        }
        if ended {
            assert!(uploads(&*two.storage).await.is_empty());
            return None;
        }
    }
    for process in [0, 1] {
        let finished = two.finish(process, id, &kept, b"").await;
        assert_eq!(finished.is_ok(), process == 0, "{finished:?}");
    }
    Some(kept)
}

fn hold(two: &Two, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec([operation(), operation()], 1..8);
    let blobs = std::cell::Cell::new(0);
    let ran = TestRunner::new(config).run(&steps, |steps| {
        if let Some(content) = runtime.block_on(race(two, &steps)) {
            blobs.set(blobs.get() + 1);
            runtime.block_on(async {
                for process in [0, 1] {
                    two.renew(process).await;
                    two.expect_blob(process, &content).await;
                }
            });
        }
        Ok(())
    });
    ran.unwrap();
    let blobs = blobs.get();
    assert!(blobs > 0);
    let files = blob_files(two.folder.path()).len();
    assert!(files == 0 || files == blobs, "{files} files of {blobs} blobs");
}

fn expiring() -> RegistryOptions {
    RegistryOptions { upload_expire: Duration::ZERO, ..options() }
}

#[test]
fn however_requests_to_two_processes_race_no_byte_is_lost_or_mixed_in_memory() {
    let two = Two::over(tempfile::tempdir().unwrap(), Arc::new(MemoryStorage::default()), &expiring());
    hold(&two, 100);
}

#[test]
fn however_requests_to_two_processes_race_no_byte_is_lost_or_mixed_in_an_object_store() {
    let storage = Arc::new(ObjectStorage::new(Arc::new(MemoryBucket::with_part_size(64))));
    hold(&Two::over(tempfile::tempdir().unwrap(), storage, &expiring()), 60);
}

#[test]
fn however_requests_to_two_processes_race_no_byte_is_lost_or_mixed_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(FsStorage::open(folder.path()).unwrap());
    hold(&Two::over(folder, storage, &expiring()), 60);
}
