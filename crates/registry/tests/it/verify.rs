//! Verification finds bytes that the disk changed, and nothing damaged is served afterwards.

use std::os::unix::fs::FileExt as _;

use hythe_registry::{Error, Flaw, Kind};

use crate::world::{World, name, on_each};

/// Changes one bit of a file.
fn flip(file: &std::path::Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

on_each! {
    async fn everything_is_verified_once_and_in_slices(world: World) {
        for number in 0..20 {
            world.push("app", format!("content {number}").as_bytes()).await;
        }
        let digest = world.push("app", b"layer").await;
        world.tag("app", "v1", &[digest]).await.unwrap();
        let (mut after, mut count, mut slices) = (None, 0, 0);
        loop {
            let step = world.registry.verify_blobs(after, 30).await.unwrap();
            assert_eq!(step.damages, []);
            count += step.count;
            slices += 1;
            after = step.next;
            if after.is_none() {
                break;
            }
        }
        assert!((21..=22).contains(&count) && slices > 3, "{count} blobs in {slices} slices");
        let manifests = world.registry.verify_manifests(0).await.unwrap();
        assert_eq!((manifests.count, manifests.damages.len()), (1, 0));
        let end = world.registry.verify_manifests(manifests.next.unwrap()).await.unwrap();
        assert_eq!((end.count, end.next), (0, None));
    }
}

#[tokio::test]
async fn each_flipped_bit_is_found_named_and_never_served_and_a_push_heals_it() {
    let world = World::fs_cached();
    let content: Vec<u8> = (0..3_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    let digest = world.push("app", &content).await;
    let other = world.push("app", b"other content").await;
    world.tag("app", "v1", &[digest]).await.unwrap();
    let file =
        world.blob_files().into_iter().find(|file| file.metadata().unwrap().len() > 1_000_000).unwrap();
    for at in [0, 1_048_576, 2_999_999] {
        let file = world
            .blob_files()
            .into_iter()
            .find(|file| file.metadata().unwrap().len() > 1_000_000)
            .unwrap_or(file.clone());
        flip(&file, at);
        let step = world.registry.verify_blobs(None, u64::MAX).await.unwrap();
        let [damage] = &step.damages[..] else { panic!("{:?}", step.damages) };
        assert_eq!((damage.kind, damage.digest), (Kind::Blob, digest));
        assert!(matches!(damage.flaw, Flaw::Digest { found } if found != digest), "{damage:?}");
        let image = &damage.images[0];
        assert_eq!((image.repository.as_str(), image.tag.as_ref().unwrap().as_str()), ("app", "v1"));
        assert!(matches!(world.blob("app", &digest).await, Err(Error::BlobUnknown { .. })));
        assert!(!file.exists(), "the damaged bytes are apart");
        // The next verification still names the image, until the same bytes are pushed again.
        let again = world.registry.verify_blobs(None, u64::MAX).await.unwrap();
        assert_eq!(again.damages[0].flaw, Flaw::Missing);
        world.push("other", &content).await;
        assert_eq!(world.read("app", &digest).await, content);
        assert_eq!(world.registry.verify_blobs(None, u64::MAX).await.unwrap().damages, []);
    }
    assert_eq!(world.read("app", &other).await, b"other content");
}

#[tokio::test]
async fn an_image_without_one_of_its_blobs_is_named() {
    let world = World::memory();
    let digest = world.push("app", b"layer").await;
    world.tag("app", "v1", &[digest]).await.unwrap();
    world.registry.repository(&name("app")).delete_blob(&digest).await.unwrap();
    let step = world.registry.verify_manifests(0).await.unwrap();
    assert_eq!(step.damages[0].flaw, Flaw::Lacks { blobs: vec![digest] });
    assert_eq!(step.damages[0].images[0].tag.as_ref().unwrap().as_str(), "v1");
}

#[tokio::test]
async fn a_blob_that_cannot_be_moved_away_stops_no_verification() {
    let world = World::fs_cached();
    for content in ["one", "two", "three"] {
        world.push("app", content.repeat(1000).as_bytes()).await;
    }
    for file in world.blob_files() {
        flip(&file, 10);
        let data = file.ancestors().nth(4).unwrap();
        std::fs::write(data.join("quarantine"), "in the way").unwrap();
    }
    let step = world.registry.verify_blobs(None, u64::MAX).await.unwrap();
    assert_eq!(step.damages.len(), 3);
    for damage in &step.damages {
        let Flaw::InService { flaw, reason } = &damage.flaw else { panic!("{damage:?}") };
        assert!(matches!(**flaw, Flaw::Digest { .. }) && reason.contains("quarantine"), "{reason}");
    }
}
