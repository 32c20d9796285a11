//! Fetches: a blob can be read while it grows, and never looks whole before it is.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hythe_oci::{Algorithm, Digest, RepositoryName};
use hythe_registry::{Error, Growing, Origin, Provenance, Reader, Reading, Ready};
use tokio::io::AsyncWriteExt as _;

use crate::world::{name, on_each, read};

fn copy() -> (RepositoryName, Origin) {
    (name("up.example/app"), Origin::Upstream("up.example".to_owned()))
}

fn pieces(content: &[u8], size: usize) -> impl futures_util::Stream<Item = io::Result<Bytes>> + use<> {
    let pieces: Vec<_> = content.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

/// All bytes that can be read, up to the end or the error.
async fn read_all(growing: Growing) -> (Vec<u8>, io::Result<()>) {
    let (reader, mut all) = (growing.reader(), Vec::new());
    while (all.len() as u64) < growing.size() {
        match next(&reader, all.len() as u64).await {
            Ok(bytes) => all.extend(bytes),
            Err(error) => return (all, Err(error)),
        }
    }
    (all, Ok(()))
}

async fn next(reader: &Reader, offset: u64) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;

    match reader.next(offset, 1 << 30).await? {
        Ready::Bytes(bytes) => Ok(bytes.to_vec()),
        Ready::File(file, length) => {
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, offset)?;
            Ok(bytes)
        }
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place / 7 + place % 251) as u8).collect()
}

on_each! {
    async fn a_blob_is_read_while_it_grows_and_stored_at_its_end(world: World) {
        // A few readers get the bytes from memory, many read the file.
        for (readers, is_read) in [(1, true), (3, false), (3, true), (8, false), (8, true)] {
        let (name, origin) = copy();
        let copy = world.registry.copy(&name, &origin);
        let content = content(3_000_000 + readers + usize::from(is_read));
        let digest = Digest::of(Algorithm::Sha256, &content);
        let mut fetch = copy.fetch(&digest, content.len() as u64).await.unwrap();
        let readers: Vec<_> = (0..readers).map(|_| tokio::spawn(read_all(fetch.growing().clone()))).collect();
        let received = if is_read {
            fetch.receive(Reading::new(&content[..])).await
        } else {
            fetch.receive(pieces(&content, 10_000)).await
        };
        received.unwrap().unwrap();
        assert!(copy.blob(&digest).await.is_err(), "the blob is not stored yet");
        let (growing, size) = (fetch.growing().clone(), content.len() as u64);
        let beforehand = async {
            assert!(copy.blob(&digest).await.is_ok() && !growing.is_whole(), "the blob is stored, and its end is held back");
            let reader = growing.reader();
            let end = tokio::time::timeout(Duration::from_millis(20), next(&reader, size - 1));
            assert!(end.await.is_err(), "no reader has the last byte yet");
        };
        fetch.finish(beforehand).await.unwrap();
        assert!(read(&copy.blob(&digest).await.unwrap()).await == content);
        for reader in readers {
            let (bytes, end) = reader.await.unwrap();
            end.unwrap();
            assert!(bytes == content);
        }
        let provenance = Provenance { origin: origin.clone(), private: false };
        assert_eq!(copy.provenance().await.unwrap(), Some(provenance));
        }
    }

    async fn received_bytes_can_be_read_before_more_come(world: World) {
        for readers in [1, 8] {
            let (name, origin) = copy();
            let copy = world.registry.copy(&name, &origin);
            let content = content(1_000_000 + readers);
            let digest = Digest::of(Algorithm::Sha256, &content);
            let mut fetch = copy.fetch(&digest, content.len() as u64).await.unwrap();
            let readers: Vec<_> = (0..readers).map(|_| fetch.growing().reader()).collect();
            let (mut sender, body) = tokio::io::duplex(1000);
            let sent = content.clone();
            tokio::spawn(async move {
                for offset in (0..900_000).step_by(1000) {
                    // No more bytes come before every reader could read these. The loop ends before the blob's last
                    // byte, for which readers would wait for ever.
                    for reader in readers.iter().filter(|_| offset > 0) {
                        next(reader, offset as u64 - 1).await.unwrap();
                    }
                    sender.write_all(&sent[offset..offset + 1000]).await.unwrap();
                }
            });
            let body = Reading::new(body);
            let broken = fetch.receive(body).await.unwrap().unwrap_err();
            assert_eq!((broken.kind(), fetch.offset()), (io::ErrorKind::UnexpectedEof, 900_000));
            fetch.give_up("enough").await;
        }
    }

    async fn wrong_bytes_never_look_whole_and_are_not_kept(world: World) {
        let (name, origin) = copy();
        let copy = world.registry.copy(&name, &origin);
        let content = content(700_000);
        let digest = Digest::of(Algorithm::Sha256, b"something else");
        let mut fetch = copy.fetch(&digest, content.len() as u64).await.unwrap();
        let reader = tokio::spawn(read_all(fetch.growing().clone()));
        fetch.receive(pieces(&content, 100_000)).await.unwrap().unwrap();
        assert!(matches!(fetch.finish(async {}).await, Err(Error::DigestMismatch { .. })));
        let (bytes, end) = reader.await.unwrap();
        assert!(bytes.len() < content.len(), "the end was held back");
        end.unwrap_err();
        assert!(copy.blob(&digest).await.is_err());
        assert_eq!(world.registry.totals().await.unwrap().uploads, 0);
    }

    async fn a_body_that_is_too_long_makes_no_blob(world: World) {
        let (name, origin) = copy();
        let copy = world.registry.copy(&name, &origin);
        let content = content(10_000);
        let digest = Digest::of(Algorithm::Sha256, &content[..9_000]);
        let mut fetch = copy.fetch(&digest, 9_000).await.unwrap();
        assert!(matches!(fetch.receive(pieces(&content, 1000)).await, Err(Error::ChunkLength { .. })));
    }

    async fn a_fetch_resumes_where_its_body_broke_also_after_a_stop(world: World) {
        let (name, origin) = copy();
        let copy = world.registry.copy(&name, &origin);
        let content = content(2_000_000);
        let digest = Digest::of(Algorithm::Sha256, &content);
        let mut fetch = copy.fetch(&digest, content.len() as u64).await.unwrap();
        let broken = pieces(&content[..600_000], 7_000);
        assert!(fetch.receive(broken).await.unwrap().is_err());
        assert_eq!(fetch.offset(), 600_000);
        let reader = tokio::spawn(read_all(fetch.growing().clone()));
        fetch.receive(pieces(&content[600_000..1_500_000], 7_000)).await.unwrap().unwrap_err();
        drop(fetch);
        let (bytes, end) = reader.await.unwrap();
        assert!(bytes.len() < content.len());
        end.unwrap_err();
        let mut fetch = copy.fetch(&digest, content.len() as u64).await.unwrap();
        assert_eq!(fetch.offset(), 1_500_000);
        let reader = tokio::spawn(read_all(fetch.growing().clone()));
        fetch.receive(pieces(&content[1_500_000..], 7_000)).await.unwrap().unwrap();
        fetch.finish(async {}).await.unwrap();
        let (bytes, end) = reader.await.unwrap();
        end.unwrap();
        assert!(bytes == content);
        assert_eq!(world.registry.totals().await.unwrap().uploads, 0);
    }

    async fn bytes_that_changed_while_a_fetch_was_stopped_are_detected(world: World) {
        let (name, origin) = copy();
        let copy = world.registry.copy(&name, &origin);
        let content = content(2_000_000);
        let digest = Digest::of(Algorithm::Sha256, &content);
        let mut fetch = copy.fetch(&digest, content.len() as u64).await.unwrap();
        fetch.receive(pieces(&content[..1_500_000], 70_000)).await.unwrap().unwrap_err();
        fetch.stop("for a test");
        let uploads = world.uploads().await;
        let owner = world.storage.fence(uploads[0]).owned_by(1);
        let upload = world.storage.open_upload(&owner, 1_500_000).await.unwrap();
        if let Some(file) = upload.file() {
            std::os::unix::fs::FileExt::write_all_at(&*file, b"rot", 1000).unwrap();
            let mut fetch = copy.fetch(&digest, content.len() as u64).await.unwrap();
            assert_eq!(fetch.offset(), 1_500_000);
            fetch.receive(pieces(&content[1_500_000..], 70_000)).await.unwrap().unwrap();
            assert!(matches!(fetch.finish(async {}).await, Err(Error::DigestMismatch { .. })));
        }
    }

    async fn pushed_and_copied_content_are_never_mixed(world: World) {
        let (name, origin) = copy();
        let copy = world.registry.copy(&name, &origin);
        let local = world.registry.repository(&name);
        let digest = world.push(name.as_str(), b"pushed").await;
        let mut fetch = copy.fetch(&Digest::of(Algorithm::Sha256, b"copied"), 6).await.unwrap();
        fetch.receive(pieces(b"copied", 6)).await.unwrap().unwrap();
        assert!(matches!(fetch.finish(async {}).await, Err(Error::OtherOrigin { .. })));
        assert!(matches!(copy.link_blob(&digest).await, Err(Error::OtherOrigin { .. })));
        local.delete_blob(&digest).await.unwrap();
        // The repository is empty, so it can become a copy; then no client can push into it.
        let mut fetch = copy.fetch(&Digest::of(Algorithm::Sha256, b"copied"), 6).await.unwrap();
        fetch.receive(pieces(b"copied", 6)).await.unwrap().unwrap();
        fetch.finish(async {}).await.unwrap();
        let refused = local.push_blob(digest, None, pieces(b"pushed", 6)).await;
        assert!(matches!(refused, Err(Error::OtherOrigin { .. })), "{refused:?}");
        assert_eq!(world.registry.totals().await.unwrap().uploads, 0);
    }
}
