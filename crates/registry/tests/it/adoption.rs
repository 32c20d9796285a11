//! Adopting files: linked where the storage can, copied where it cannot.

use std::io::ErrorKind;

use crate::world::{name, on_each, sha256};

on_each! {
    async fn a_file_becomes_a_blob_and_is_not_changed(world: World) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        for length in [0, 10, 2_500_000_u32] {
            let content: Vec<u8> = (0..length).map(|at: u32| (at / 7) as u8).collect();
            std::fs::write(&file, &content).unwrap();
            let digest = sha256(&content);
            let adopted = world.registry.repository(&name("app")).adopt_blob(&digest, &file).await.unwrap().unwrap();
            assert_eq!(adopted.size, content.len() as u64);
            assert_eq!(adopted.linked, world.storage.adoption().is_some());
            assert!(world.read("app", &digest).await == content);
            assert!(std::fs::read(&file).unwrap() == content);
            std::fs::remove_file(&file).unwrap();
        }
        assert!(world.uploads().await.is_empty());
    }

    async fn a_link_to_a_file_is_followed_and_its_bytes_are_copied(world: World) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), b"theirs").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("data", &link).unwrap();
        let digest = sha256(b"theirs");
        let adopted = world.registry.repository(&name("app")).adopt_blob(&digest, &link).await.unwrap().unwrap();
        assert!(!adopted.linked);
        assert_eq!(world.read("app", &digest).await, b"theirs");
    }

    async fn a_file_that_cannot_be_the_blob_is_not_adopted_and_nothing_is_kept(world: World) {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, b"other bytes").unwrap();
        let app = name("app");
        let app = world.registry.repository(&app);
        for (file, expected) in [
            (other.as_path(), ErrorKind::InvalidData),
            (folder.path(), ErrorKind::InvalidInput),
            (&folder.path().join("missing"), ErrorKind::NotFound),
        ] {
            let error = app.adopt_blob(&sha256(b"theirs"), file).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), expected, "{error}");
        }
        world.expect_nothing().await;
    }
}
