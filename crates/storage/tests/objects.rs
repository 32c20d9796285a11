//! The back end for object stores, when requests fail: each operation can be repeated, and nobody reads half a blob.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hythe_oci::{Algorithm, Digest, UploadId};
use hythe_storage::objects::{Bucket, Fault, MemoryBucket, When};
use hythe_storage::{BlobKey, Error, ObjectStorage, Owner, Result, Storage, Upload};

/// A part size that makes a short content long.
const PART: u64 = 16;

fn content() -> Vec<u8> {
    (0..100).collect()
}

fn storage() -> (ObjectStorage, Arc<MemoryBucket>) {
    let bucket = Arc::new(MemoryBucket::with_part_size(PART));
    (ObjectStorage::new(Arc::<MemoryBucket>::clone(&bucket)), bucket)
}

/// Does the operation, and repeats it if it fails.
async fn persist<T, W: Future<Output = Result<T>>>(operation: impl Fn() -> W) -> T {
    match operation().await {
        Ok(done) => done,
        Err(_) => operation().await.unwrap(),
    }
}

/// Opens an upload at `from`, and adds the bytes up to `to` in small chunks.
async fn append(storage: &dyn Storage, owner: &Owner, from: usize, to: usize) -> Result<Arc<dyn Upload>> {
    let upload = storage.open_upload(owner, from as u64).await?;
    let chunks = content()[from..to].chunks(7).map(Bytes::copy_from_slice).collect();
    upload.write(from as u64, chunks).await?;
    upload.flush().await?;
    Ok(upload)
}

/// The bytes of a blob, if it exists.
async fn blob(storage: &dyn Storage, key: &BlobKey) -> Result<Option<Bytes>> {
    let Some(content) = storage.open_blob(key).await? else { return Ok(None) };
    Ok(Some(content.read(0, content.size() as usize).await?))
}

/// Does everything with one blob that a registry does, and repeats what fails. If `claims`, each session that is opened
/// has a newer owner, as in another process.
async fn live(storage: &dyn Storage, claims: bool) {
    let digest = Digest::of(Algorithm::Sha256, &content());
    let key = BlobKey { digest, generation: UploadId::random() };
    let id = key.generation;
    let mut epoch = 1;
    let mut owner = || {
        epoch += i64::from(claims);
        storage.fence(id).owned_by(epoch)
    };
    let first = owner();
    persist(|| storage.open_upload(&first, 0)).await;
    let mut last = first;
    // Each step begins where the one before ended, or before: in a whole segment, or at the end of one.
    for (from, to) in
        [(0, 5), (5, 23), (23, 60), (60, 61), (50, 90), (44, 47), (28, 100), (70, 70), (20, 100)]
    {
        last = owner();
        let upload = persist(|| append(storage, &last, from, to)).await;
        assert_eq!(persist(|| upload.read(0, 1000)).await, content()[..to]);
    }
    for way in ["published", "published again"] {
        // A failed request leaves no blob, or a whole one.
        while storage.publish(&last, &digest).await.is_err() {
            let found = blob(storage, &key).await.unwrap();
            assert!(found.is_none_or(|found| found == content()), "{way}");
        }
        assert_eq!(persist(|| blob(storage, &key)).await.unwrap(), content(), "{way}");
        if way == "published" {
            last = owner();
            persist(|| storage.unpublish(&last, &digest)).await;
            assert!(persist(|| blob(storage, &key)).await.is_none());
            for from in [100, 70] {
                let upload = persist(|| append(storage, &last, from, 100)).await;
                assert_eq!(persist(|| upload.read(0, 1000)).await, content());
            }
        }
    }
    persist(|| storage.finish_upload(&key)).await;
    assert_eq!(persist(|| blob(storage, &key)).await.unwrap(), content());
    persist(|| storage.remove_blob(&key)).await;
    persist(|| storage.probe()).await;
}

#[tokio::test]
async fn each_request_may_fail_before_or_after_its_effect() {
    for (fault, claims) in
        [(Fault::Before, false), (Fault::After, false), (Fault::Before, true), (Fault::After, true)]
    {
        for nth in 0.. {
            let (storage, bucket) = storage();
            bucket.fail(nth, fault);
            live(&storage, claims).await;
            // A probe that failed may leave its object.
            assert!(
                bucket.keys().is_empty() || bucket.keys() == ["probe"],
                "{nth} {fault:?}: {:?}",
                bucket.keys()
            );
            if bucket.heal() {
                assert!(nth > 100, "only {nth} requests");
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_upload_continues_in_another_process() {
    let (first, bucket) = storage();
    let second = ObjectStorage::new(bucket);
    let id = UploadId::random();
    let (one, two) = (first.fence(id).owned_by(1), second.fence(id).owned_by(2));
    let earlier = append(&first, &one, 0, 37).await.unwrap();
    let upload = append(&second, &two, 37, 50).await.unwrap();
    // The first process does not know of the claim, and goes on. That changes nothing for the second one.
    earlier.write(37, vec![Bytes::from(vec![7; 100])]).await.unwrap();
    earlier.sync().await.unwrap();
    assert_eq!(upload.read(0, 1000).await.unwrap(), content()[..50]);
    upload.write(50, vec![Bytes::from(content()[50..].to_vec())]).await.unwrap();
    upload.sync().await.unwrap();
    assert_eq!(upload.read(0, 1000).await.unwrap(), content());
    // A third one sees the bytes of the second. What that one wrote and did not flush is lost with it.
    upload.write(100, vec![Bytes::from_static(b"more")]).await.unwrap();
    let third = first.fence(id).owned_by(3);
    let lost = first.open_upload(&third, 104).await.err().unwrap();
    assert!(matches!(lost, Error::UploadLost { expected: 104, found: 100, .. }), "{lost}");
    let upload = append(&first, &third, 90, 100).await.unwrap();
    assert_eq!(upload.read(0, 1000).await.unwrap(), content());
    // Two processes publish it.
    let digest = Digest::of(Algorithm::Sha256, &content());
    let (published, other) = tokio::join!(first.publish(&third, &digest), second.publish(&two, &digest));
    published.and(other).unwrap();
    let key = BlobKey { digest, generation: id };
    assert_eq!(blob(&first, &key).await.unwrap().unwrap(), content());
}

#[tokio::test]
async fn a_slow_request_does_not_store_older_bytes_over_newer_ones() {
    let (storage, bucket) = storage();
    let owner = storage.fence(UploadId::random()).owned_by(1);
    let upload = append(&storage, &owner, 0, 5).await.unwrap();
    upload.write(5, vec![Bytes::from_static(&[5])]).await.unwrap();
    bucket.fail(0, Fault::Slow(Duration::from_millis(50)));
    let more = upload.write(6, vec![Bytes::from(content()[6..40].to_vec())]);
    let (flushed, written) = tokio::join!(upload.flush(), more);
    flushed.and(written).unwrap();
    upload.flush().await.unwrap();
    assert_eq!(storage.open_upload(&owner, 40).await.unwrap().read(0, 100).await.unwrap(), content()[..40]);
}

#[tokio::test]
async fn an_open_blob_fails_to_read_after_its_removal() {
    let (storage, _) = storage();
    let key = BlobKey { digest: Digest::of(Algorithm::Sha256, &content()), generation: UploadId::random() };
    let owner = storage.fence(key.generation).owned_by(1);
    append(&storage, &owner, 0, 100).await.unwrap();
    storage.publish(&owner, &key.digest).await.unwrap();
    let open = storage.open_blob(&key).await.unwrap().unwrap();
    storage.remove_blob(&key).await.unwrap();
    let error = open.read(0, 10).await.unwrap_err();
    assert!(error.to_string().contains(&key.digest.hex()), "{error}");
}

#[tokio::test]
async fn a_write_that_does_not_continue_the_upload_is_refused() {
    let (storage, _) = storage();
    let upload = append(&storage, &storage.fence(UploadId::random()).owned_by(1), 0, 10).await.unwrap();
    for offset in [0, 9, 11] {
        let refused = upload.write(offset, vec![Bytes::from_static(b"x")]).await.unwrap_err();
        assert!(refused.to_string().contains("10 bytes"), "{refused}");
    }
}

#[tokio::test]
async fn a_bucket_in_memory_keeps_the_rules_of_s3() {
    let bucket = MemoryBucket::with_part_size(4);
    let put = |key, bytes, when| bucket.put(key, Bytes::from_static(bytes), when);
    put("a", b"abcdef", When::Absent).await.unwrap();
    assert_eq!(put("a", b"x", When::Absent).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(bucket.get("a", 2..6).await.unwrap(), "cdef");
    for range in [2..7, 6..6] {
        assert!(bucket.get("a", range).await.is_err());
    }
    assert_eq!(bucket.get("b", 0..1).await.unwrap_err().kind(), ErrorKind::NotFound);
    // A part other than the last one may not be small, and a condition holds for the whole object.
    for (ranges, when, is_ok) in [
        ([0..3, 3..6], When::Always, false),
        ([0..4, 4..6], When::Absent, true),
        ([0..4, 4..6], When::Absent, false),
        ([2..6, 0..1], When::Always, true),
    ] {
        let multipart = bucket.begin_multipart("whole").await.unwrap();
        let mut tags = Vec::new();
        for (number, range) in (1..).zip(ranges) {
            tags.push(bucket.copy_part("whole", &multipart, number, "a", range).await.unwrap());
        }
        let completed = bucket.complete_multipart("whole", &multipart, tags, when).await;
        assert_eq!(completed.is_ok(), is_ok, "{completed:?}");
        // A complete upload is gone, and an incomplete one can be ended.
        assert_eq!(bucket.abort_multipart("whole", &multipart).await.is_ok(), !is_ok);
    }
    assert_eq!(bucket.get("whole", 0..5).await.unwrap(), "cdefa");
}
