//! Deletes: what they remove, what stays, and when the bytes leave the disk.

use hythe_registry::{Error, Started};

use crate::world::{name, on_each};

on_each! {
    async fn a_deleted_blob_is_gone_with_its_bytes(world: World) {
        let digest = world.push("app", b"content").await;
        world.delete_blob("app", &digest).await.unwrap();
        assert!(matches!(world.blob("app", &digest).await, Err(Error::BlobUnknown { .. })));
        assert!(matches!(world.delete_blob("app", &digest).await, Err(Error::BlobUnknown { .. })));
        world.expect_nothing().await;
    }

    async fn a_blob_of_two_repositories_keeps_its_bytes_until_both_have_deleted_it(world: World) {
        let digest = world.push("app", b"shared").await;
        assert_eq!(world.mount(&digest, "app", "other").await, Started::Mounted(digest));
        world.delete_blob("app", &digest).await.unwrap();
        assert!(matches!(world.blob("app", &digest).await, Err(Error::BlobUnknown { .. })));
        assert_eq!(world.read("other", &digest).await, b"shared");
        world.delete_blob("other", &digest).await.unwrap();
        world.expect_nothing().await;
    }

    async fn a_blob_cannot_be_mounted_from_a_repository_without_it(world: World) {
        let digest = world.push("app", b"content").await;
        assert!(matches!(world.mount(&digest, "elsewhere", "other").await, Started::Session(_)));
        assert!(matches!(world.blob("other", &digest).await, Err(Error::BlobUnknown { .. })));
    }

    async fn a_blob_pushed_again_after_its_deletion_is_there_again(world: World) {
        for _ in 0..3 {
            let digest = world.push("app", b"content").await;
            assert_eq!(world.read("app", &digest).await, b"content");
            world.delete_blob("app", &digest).await.unwrap();
        }
        world.expect_nothing().await;
    }

    async fn a_tag_is_deleted_alone_and_a_manifest_with_its_tags(world: World) {
        let layer = world.push("app", b"layer").await;
        let pushed = world.tag("app", "v1", &[layer]).await.unwrap();
        world.tag("app", "v2", &[layer]).await.unwrap();
        world.delete_manifest("app", "v1").await.unwrap();
        assert!(matches!(world.delete_manifest("app", "v1").await, Err(Error::ManifestUnknown { .. })));
        let app = name("app");
        let repository = world.registry.repository(&app);
        assert_eq!(repository.manifest(&"v2".parse().unwrap()).await.unwrap().digest, pushed.digest);
        world.delete_manifest("app", pushed.digest).await.unwrap();
        assert!(matches!(repository.manifest(&"v2".parse().unwrap()).await, Err(Error::ManifestUnknown { .. })));
        assert_eq!(world.read("app", &layer).await, b"layer", "the blob stays until garbage collection");
    }

    async fn nothing_is_deleted_while_deleting_is_switched_off(world: World) {
        let digest = world.push("app", b"content").await;
        let pushed = world.tag("app", "v1", &[digest]).await.unwrap();
        world.set(|options| options.delete = false);
        assert!(matches!(world.delete_blob("app", &digest).await, Err(Error::DeleteDisabled)));
        assert!(matches!(world.delete_manifest("app", "v1").await, Err(Error::DeleteDisabled)));
        assert!(matches!(world.delete_manifest("app", pushed.digest).await, Err(Error::DeleteDisabled)));
        assert_eq!(world.read("app", &digest).await, b"content");
    }
}
