//! Garbage collection: the content that it removes, and the content that it must never remove.

use std::sync::Arc;
use std::time::Duration;

use hythe_lifecycle::{Collected, CollectedNow, Collection, Collector};
use hythe_registry::{Chunk, Content, Error, Started};

use crate::world::{body, manifest, name, on_each, sha256, slow_body};

on_each! {
    async fn an_unused_blob_is_kept_for_the_grace_period_and_then_removed(world: World) {
        let digest = world.push("app", b"content").await;
        assert_eq!(world.collect().await, Collected::default());
        assert_eq!(world.read("app", &digest).await, b"content");
        world.set(|options| options.collect_grace = Duration::ZERO);
        assert_eq!(world.collect().await, Collected { links: 1, blobs: 1, bytes: 7, ..Collected::default() });
        assert!(matches!(world.blob("app", &digest).await, Err(Error::BlobUnknown { .. })));
        world.expect_nothing().await;
    }

    async fn a_manifest_keeps_its_blobs_until_it_is_deleted(world: World) {
        world.set(|options| options.collect_grace = Duration::ZERO);
        let (layer, other) = (world.push("app", b"layer").await, world.push("app", b"other").await);
        let pushed = world.tag("app", "v1", &[layer]).await.unwrap();
        assert_eq!(world.collect().await.blobs, 1);
        assert!(matches!(world.blob("app", &other).await, Err(Error::BlobUnknown { .. })));
        // A manifest without a tag still keeps its blobs.
        world.delete_manifest("app", "v1").await.unwrap();
        assert_eq!(world.collect().await.blobs, 0);
        assert_eq!(world.read("app", &layer).await, b"layer");
        world.delete_manifest("app", pushed.digest).await.unwrap();
        assert_eq!(world.collect().await.blobs, 1);
        world.expect_nothing().await;
    }

    async fn a_manifest_of_one_repository_keeps_no_blob_of_another(world: World) {
        world.set(|options| options.collect_grace = Duration::ZERO);
        let layer = world.push("app", b"layer").await;
        world.push("other", b"layer").await;
        world.tag("app", "v1", &[layer]).await.unwrap();
        assert_eq!(world.collect().await, Collected { links: 1, ..Collected::default() });
        assert!(matches!(world.blob("other", &layer).await, Err(Error::BlobUnknown { .. })));
        assert_eq!(world.read("app", &layer).await, b"layer");
    }

    async fn a_head_and_a_mount_and_another_push_are_uses(world: World) {
        let used = [
            world.push("app", b"asked for").await,
            world.push("app", b"mounted").await,
            world.push("app", b"pushed").await,
        ];
        let unused = world.push("app", b"unused").await;
        world.pass(Duration::from_millis(600));
        world.registry.repository(&name("app")).use_blob(&used[0]).await.unwrap();
        assert_eq!(world.mount(&used[1], "app", "app").await, Started::Mounted(used[1]));
        world.push("app", b"pushed").await;
        world.set(|options| options.collect_grace = Duration::from_millis(550));
        // The grace period was long when the HEAD asked for the first blob, so that use was not recorded.
        assert_eq!(world.collect().await.blobs, 2);
        for digest in &used[1..] {
            world.blob("app", digest).await.unwrap();
        }
        assert!(matches!(world.blob("app", &unused).await, Err(Error::BlobUnknown { .. })));
        world.pass(Duration::from_millis(300));
        world.registry.repository(&name("app")).use_blob(&used[1]).await.unwrap();
        world.pass(Duration::from_millis(300));
        assert_eq!(world.collect().await.blobs, 1);
        world.blob("app", &used[1]).await.unwrap();
    }

    async fn a_manifest_may_come_before_its_blobs_and_then_keeps_them(world: World) {
        world.set(|options| (options.collect_grace, options.manifest_require_blobs) = (Duration::ZERO, false));
        let layer = sha256(b"late");
        world.tag("app", "v1", &[layer]).await.unwrap();
        assert!(matches!(world.blob("app", &layer).await, Err(Error::BlobUnknown { .. })));
        world.push("app", b"late").await;
        assert_eq!(world.collect().await.blobs, 0);
        assert_eq!(world.read("app", &layer).await, b"late");
    }

    async fn sessions_that_no_client_continued_expire_and_active_ones_do_not(world: World) {
        let (idle, busy) = (world.start("app").await, world.start("app").await);
        world.append("app", idle, b"left").await.unwrap();
        let (sender, slow) = slow_body();
        let writer = {
            let registry = world.registry.clone();
            tokio::spawn(async move { registry.repository(&name("app")).append(busy, Chunk::default(), slow).await })
        };
        sender.send(b"still ").await;
        assert_eq!(world.collect().await.uploads, 0);
        world.set(|options| options.upload_expire = Duration::ZERO);
        assert_eq!(world.collect().await.uploads, 1);
        assert!(matches!(world.append("app", idle, b"x").await, Err(Error::UploadUnknown(_))));
        assert_eq!(world.uploads().await, [busy]);
        world.set(|options| options.upload_expire = Duration::from_mins(1));
        drop(sender);
        assert_eq!(writer.await.unwrap().unwrap().offset, 6);
        world.finish("app", busy, sha256(b"still here"), b"here").await.unwrap();
    }

    async fn an_open_blob_can_be_read_to_its_end_after_its_deletion(world: World) {
        let digest = world.push("app", b"content").await;
        let open = world.blob("app", &digest).await.unwrap();
        world.delete_blob("app", &digest).await.unwrap();
        let Content::Stored(stored) = &open.content else { panic!("the blob is stored") };
        if stored.outlives_removal() {
            assert_eq!(crate::world::read(&open).await, b"content");
        } else {
            stored.read(0, 7).await.unwrap_err();
        }
    }

    async fn an_open_blob_can_be_read_on_after_a_push_replaced_its_bytes(world: World) {
        let digest = world.push("app", b"content").await;
        let open = world.blob("app", &digest).await.unwrap();
        // The registry learns the digest at the end. Some storages then replace the bytes without a comparison.
        let id = world.start("app").await;
        world.append("app", id, b"content").await.unwrap();
        world.finish("app", id, digest, b"").await.unwrap();
        assert_eq!(crate::world::read(&open).await, b"content");
    }

    async fn a_blob_that_a_push_was_promised_is_never_collected(world: World) {
        world.set(|options| options.collect_grace = Duration::ZERO);
        let mut racers = tokio::task::JoinSet::new();
        for racer in 0..3 {
            let registry = world.registry.clone();
            racers.spawn(async move {
                // All racers push the same content, into two repositories.
                let repository = name(["app", "other", "app"][racer]);
                let (content, digest) = (b"shared", sha256(b"shared"));
                let repository = registry.repository(&repository);
                let tag = format!("tag-{racer}").parse().unwrap();
                for _ in 0..40 {
                    repository.push_blob(digest, None, body(content)).await.unwrap();
                    let manifest = format!("{} {}", crate::world::manifest(&[digest]), " ".repeat(racer));
                    let pushed = match repository.push_manifest(&tag, Vec::new(), None, manifest.into()).await {
                        Ok(pushed) => pushed,
                        // The blob was collected, and the client is told so: the registry promised nothing.
                        Err(Error::ManifestBlobsUnknown { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    for _ in 0..3 {
                        assert_eq!(crate::world::read(&repository.blob(&digest).await.unwrap()).await, content);
                        tokio::task::yield_now().await;
                    }
                    repository.delete_manifest(&hythe_oci::Reference::Digest(pushed.digest)).await.unwrap();
                }
            });
        }
        let collector = {
            let (collector, clock) = (world.collector.clone(), Arc::clone(&world.clock));
            tokio::spawn(async move {
                loop {
                    clock.pass(Duration::from_millis(1));
                    collector.collect().await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        };
        racers.join_all().await;
        collector.abort();
        let _ = collector.await;
        world.collect().await;
        world.expect_nothing().await;
    }
}

/// Collects all unused content, however recently it was used.
async fn collect_all(collector: &Collector) -> CollectedNow {
    let all = Collection { untagged: true, dry_run: false, grace: Some(Duration::ZERO) };
    collector.collect_now(all).await.unwrap()
}

on_each! {
    async fn deleted_content_is_removed_at_once_with_a_grace_of_zero(world: World) {
        let layer = world.push("app", b"layer").await;
        let pushed = world.tag("app", "v1", &[layer]).await.unwrap();
        assert_eq!(collect_all(&world.collector).await.collected, Collected::default());
        world.delete_manifest("app", pushed.digest).await.unwrap();
        let round = collect_all(&world.collector).await;
        assert_eq!((round.collected.blobs, round.collected.bytes, round.waiting.blobs, round.due), (1, 5, 0, None));
        world.expect_nothing().await;
    }

    async fn a_requested_grace_applies_to_one_round(world: World) {
        let digest = world.push("app", b"content").await;
        let round = |grace| Collection { untagged: false, dry_run: false, grace };
        let long = round(Some(Duration::from_hours(1)));
        assert_eq!(world.collector.collect_now(long).await.unwrap().waiting.blobs, 1);
        let usual = round(None);
        assert_eq!(world.collector.collect_now(usual).await.unwrap().waiting.blobs, 1);
        assert_eq!(world.read("app", &digest).await, b"content");
    }

    async fn a_push_whose_blob_an_early_round_removed_must_send_it_again(world: World) {
        world.set(|options| options.manifest_require_blobs = false);
        let layer = world.push("app", b"layer").await;
        // A client is told that the blob is here, and sends only the manifest.
        world.registry.repository(&name("app")).use_blob(&layer).await.unwrap();
        assert_eq!(collect_all(&world.collector).await.collected.blobs, 1);
        let refused = world.tag("app", "v1", &[layer]).await.unwrap_err();
        assert!(matches!(&refused, Error::ManifestBlobsUnknown { digests, .. } if digests[..] == [layer]), "{refused}");
        world.push("app", b"layer").await;
        world.tag("app", "v1", &[layer]).await.unwrap();
        assert_eq!(world.read("app", &layer).await, b"layer");
    }

    async fn an_index_whose_manifest_an_early_round_removed_is_refused(world: World) {
        let layer = world.push("app", b"layer").await;
        let image = manifest(&[layer]);
        let child = sha256(image.as_bytes());
        let push = async |reference: String, content: String| {
            let (repository, reference) = (name("app"), reference.parse().unwrap());
            let repository = world.registry.repository(&repository);
            repository.push_manifest(&reference, Vec::new(), None, content.into()).await
        };
        push(child.to_string(), image.clone()).await.unwrap();
        assert_eq!(collect_all(&world.collector).await.collected.manifests, 1);
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
                {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{child}","size":{}}}]}}"#,
            image.len()
        );
        let refused = push("v1".to_owned(), index.clone()).await.unwrap_err();
        assert!(matches!(&refused, Error::ManifestBlobsUnknown { digests, .. } if digests[..] == [child]), "{refused}");
        world.push("app", b"layer").await;
        push(child.to_string(), image).await.unwrap();
        push("v1".to_owned(), index).await.unwrap();
    }

    async fn no_push_leaves_a_broken_image_while_all_unused_content_is_removed_at_once(world: World) {
        world.set(|options| options.manifest_require_blobs = false);
        let mut racers = tokio::task::JoinSet::new();
        for racer in 0..3 {
            let registry = world.registry.clone();
            racers.spawn(async move {
                let repository = name(["app", "other", "app"][racer]);
                let (content, digest) = (b"shared", sha256(b"shared"));
                let repository = registry.repository(&repository);
                let tag = format!("tag-{racer}").parse().unwrap();
                for round in 0..60 {
                    // Clients do not send a blob that is here.
                    if round % 2 == 0 || repository.use_blob(&digest).await.is_err() {
                        repository.push_blob(digest, None, body(content)).await.unwrap();
                    }
                    let text = format!("{} {}", manifest(&[digest]), " ".repeat(racer));
                    let pushed = match repository.push_manifest(&tag, Vec::new(), None, text.into()).await {
                        Ok(pushed) => pushed,
                        Err(Error::ManifestBlobsUnknown { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    assert_eq!(pushed.missing, []);
                    for _ in 0..3 {
                        assert_eq!(crate::world::read(&repository.blob(&digest).await.unwrap()).await, content);
                        tokio::task::yield_now().await;
                    }
                    repository.delete_manifest(&hythe_oci::Reference::Digest(pushed.digest)).await.unwrap();
                }
            });
        }
        let collector = {
            let (collector, clock) = (world.collector.clone(), Arc::clone(&world.clock));
            tokio::spawn(async move {
                loop {
                    clock.pass(Duration::from_millis(1));
                    collect_all(&collector).await;
                    tokio::task::yield_now().await;
                }
            })
        };
        racers.join_all().await;
        collector.abort();
        let _ = collector.await;
        collect_all(&world.collector).await;
        world.expect_nothing().await;
    }

    async fn a_grace_of_any_length_does_not_overflow(world: World) {
        world.push("app", b"content").await;
        for grace in [Duration::from_hours(24 * 3_000_000), Duration::MAX] {
            world.set(|options| (options.collect_grace, options.upload_expire) = (grace, grace));
            let round = Collection { untagged: true, dry_run: false, grace: None };
            assert_eq!(world.collector.collect_now(round).await.unwrap().waiting.blobs, 1);
            let round = Collection { grace: Some(grace), ..round };
            assert_eq!(world.collector.collect_now(round).await.unwrap().waiting.blobs, 1);
        }
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_removed_does_not_stop_the_removal_of_others() {
    let world = crate::world::World::fs();
    for content in [&b"one"[..], b"two", b"three"] {
        world.push("app", content).await;
    }
    // A folder with content in the place of the first file cannot be removed.
    let mut files = world.blob_files();
    files.sort();
    std::fs::remove_file(&files[0]).unwrap();
    std::fs::create_dir_all(files[0].join("theirs")).unwrap();
    world.set(|options| options.collect_grace = Duration::ZERO);
    assert_eq!(world.collect().await.blobs, 3);
    assert_eq!(world.blob_files().len(), 0);
    assert!(files[0].is_dir());
    std::fs::remove_dir_all(&files[0]).unwrap();
    std::fs::write(&files[0], b"one").unwrap();
    world.collect().await;
    world.expect_nothing().await;
}
