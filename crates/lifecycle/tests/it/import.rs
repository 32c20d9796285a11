//! Imports: the content that they keep, and the content that they leave out.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use hythe_lifecycle::{Error, ImportTarget, Imported};
use hythe_oci::{Algorithm, Digest, Reference};
use hythe_registry::{Error as Refusal, Origin, Visible};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, OldTree};

use crate::world::{World, name};

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(2, 5000).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_manifests_blobs_and_referrers_are_kept_and_the_tree_is_not_changed() {
    let tree = OldTree::new();
    let (first, docker) = (image(1), ImageBuilder::new(2).docker().layers(1, 100).build());
    let index = IndexBuilder::new().manifest(image(3)).manifest(image(4)).build();
    let signature = ImageBuilder::artifact(5, "application/x-signature").subject(&first).build();
    let strong = ImageBuilder::new(6).algorithm(Algorithm::Sha512).layers(1, 100).build();
    tree.tag("app", "v1", &first);
    tree.tag("app", "latest", &first);
    tree.push("app", &signature);
    tree.tag("team/deep/app", "v1", &docker);
    tree.tag("team/deep/app", "all", &index);
    tree.tag("team", "v1", &first);
    tree.tag("strong", "v1", &strong);
    tree.write("repositories/app/_uploads/0e8a/data", b"never finished");
    tree.write("repositories/app/_layers/sha256/0e8a/not-a-link", b"deleted");
    let before = tree.snapshot();
    let world = World::new(tree);
    let imported = world.import().await;
    assert_eq!((imported.repositories, imported.tags, imported.manifests), (4, 6, 8));
    assert_eq!((imported.copied, imported.left_out), (0, 0), "{imported:?}");
    world.expect("app", "v1", &first).await;
    world.expect("app", "latest", &first).await;
    world.expect("app", &signature.digest().to_string(), &signature).await;
    world.expect("team/deep/app", "v1", &docker).await;
    world.expect("team/deep/app", "all", &index).await;
    world.expect("team", "v1", &first).await;
    world.expect("strong", "v1", &strong).await;
    let app = name("app");
    let referrers = world.registry.repository(&app).referrers(&first.digest(), None, None, 10).await.unwrap();
    assert_eq!(referrers.items.len(), 1);
    assert_eq!(world.tree.snapshot(), before);
    assert_eq!(world.files("uploads").len(), 0);
    // No byte is stored twice: each blob is a hard link.
    assert!(world.files("blobs").iter().all(|file| file.metadata().unwrap().nlink() == 2));
    assert_eq!(world.files("blobs").len() as u64, imported.blobs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_or_missing_blob_is_left_out_and_the_rest_is_imported() {
    let tree = OldTree::new();
    let (first, second, whole) = (image(1), image(2), image(3));
    for (tag, image) in [("v1", &first), ("v2", &second), ("v3", &whole)] {
        tree.tag("app", tag, image);
    }
    let (corrupt, missing) =
        (Digest::of(Algorithm::Sha256, &first.blobs[1]), Digest::of(Algorithm::Sha256, &second.blobs[2]));
    std::fs::write(tree.data(&corrupt), vec![7; first.blobs[1].len()]).unwrap();
    std::fs::remove_file(tree.data(&missing)).unwrap();
    let world = World::new(tree);
    let imported = world.import().await;
    assert_eq!((imported.left_out, imported.manifests, imported.blobs), (2, 3, 7));
    world.expect("app", "v3", &whole).await;
    let app = name("app");
    let repository = world.registry.repository(&app);
    for digest in [corrupt, missing] {
        assert!(matches!(repository.blob(&digest).await, Err(Refusal::BlobUnknown { .. })));
    }
    assert_eq!(world.tags("app").await, ["v1", "v2", "v3"]);
    assert_eq!(world.files("uploads").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_no_client_could_use_is_left_out() {
    let tree = OldTree::new();
    tree.tag("app", "v1", &image(1));
    let old = br#"{"schemaVersion": 1, "name": "app", "tag": "old", "fsLayers": [], "history": []}"#;
    let digest = Digest::of(Algorithm::Sha256, old);
    tree.link("app", "_manifests/revisions", &digest, old);
    tree.write("repositories/app/_manifests/tags/old/current/link", digest.to_string().as_bytes());
    tree.write("repositories/app/_manifests/tags/empty/current/link", b"");
    tree.write(
        "repositories/app/_manifests/tags/gone/current/link",
        image(9).digest().to_string().as_bytes(),
    );
    // A manifest whose bytes were changed.
    let other = image(2);
    tree.tag("app", "v2", &other);
    std::fs::write(tree.data(&other.digest()), &image(3).bytes).unwrap();
    tree.tag("Upper", "v1", &image(4));
    let world = World::new(tree);
    world.import().await;
    assert_eq!(world.tags("app").await, ["v1"]);
    assert_eq!(world.registry.repositories(None, 10, &Visible::all()).await.unwrap().items, [name("app")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_whose_link_is_damaged_is_left_out() {
    let tree = OldTree::new();
    let whole = image(1);
    tree.tag("app", "v1", &whole);
    let link = |tag: &str| format!("repositories/app/_manifests/tags/{tag}/current/link");
    tree.write(link("binary"), b"sha256:\xff\xfe\x80");
    // A digest, and then more bytes than a link has.
    let mut long = whole.digest().to_string().into_bytes();
    long.resize(1 << 20, b'0');
    tree.write(link("long"), &long);
    tree.write(format!("{}/folder", link("folder")), b"");
    let world = World::new(tree);
    world.import().await;
    assert_eq!(world.tags("app").await, ["v1"]);
    world.expect("app", "v1", &whole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_interrupted_again_and_again_continues() {
    let tree = OldTree::new();
    let images: Vec<Manifest> =
        (0..16).map(|seed| ImageBuilder::new(seed).layers(3, 20_000).build()).collect();
    for (seed, image) in images.iter().enumerate() {
        tree.tag(&format!("app{}", seed % 7), &format!("v{seed}"), image);
    }
    let before = tree.snapshot();
    let world = World::new(tree);
    let mut rounds = 0;
    let imported: Imported = loop {
        rounds += 1;
        let patience = Duration::from_millis(rounds * rounds);
        let import = world.try_import(|name| Some(ImportTarget::local(name)));
        if let Ok(imported) = tokio::time::timeout(patience, import).await {
            break imported.unwrap();
        }
    };
    assert!(rounds > 1 && imported.left_out == 0, "{rounds} {imported:?}");
    for (seed, image) in images.iter().enumerate() {
        world.expect(&format!("app{}", seed % 7), &format!("v{seed}"), image).await;
    }
    assert_eq!(world.tree.snapshot(), before);
    assert_eq!(world.registry.totals().await.unwrap().blobs, 64);
    // A second import reads and writes nothing again.
    assert_eq!(world.import().await, imported);
    assert_eq!(world.registry.totals().await.unwrap().blobs, 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tree_of_a_proxy_becomes_copies_and_content_that_it_removed_is_no_loss() {
    let tree = OldTree::new();
    let (kept, forgotten) = (image(1), image(2));
    tree.tag("library/app", "v1", &kept);
    tree.tag("library/app", "v2", &forgotten);
    std::fs::remove_file(tree.data(&Digest::of(Algorithm::Sha256, &forgotten.blobs[1]))).unwrap();
    std::fs::remove_file(tree.data(&forgotten.digest())).unwrap();
    let world = World::new(tree);
    let origin = Origin::Upstream("docker.io".to_owned());
    let place = |there: &_| {
        Some(ImportTarget {
            name: name(&format!("docker.io/{there}")),
            origin: origin.clone(),
            private: true,
        })
    };
    let imported = world.try_import(place).await.unwrap();
    assert_eq!((imported.manifests, imported.left_out), (1, 0));
    world.expect("docker.io/library/app", "v1", &kept).await;
    let here = name("docker.io/library/app");
    let provenance = world.registry.repository(&here).provenance().await.unwrap().unwrap();
    assert!(provenance.origin == origin && provenance.private);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_of_another_origin_stays_and_a_repository_without_a_place_is_left_out() {
    let tree = OldTree::new();
    for repository in ["app", "other", "nowhere"] {
        tree.tag(repository, "v1", &image(1));
    }
    tree.tag("app", "v2", &image(2));
    let world = World::new(tree);
    let (app, origin) = (name("app"), Origin::Upstream("up.example".to_owned()));
    let theirs = image(5);
    let reference: Reference = "v1".parse().unwrap();
    let copy = world.registry.copy(&app, &origin);
    copy.push_manifest(&reference, Vec::new(), None, theirs.bytes.clone().into()).await.unwrap();
    let imported =
        world.try_import(|name| (name.as_str() != "nowhere").then(|| ImportTarget::local(name))).await;
    let imported = imported.unwrap();
    assert_eq!(imported.left_out, 2, "each repository counts once: {imported:?}");
    assert_eq!((imported.repositories, imported.blobs), (1, 3));
    assert_eq!(copy.manifest(&reference).await.unwrap().digest, theirs.digest());
    world.expect("other", "v1", &image(1)).await;
    assert_eq!(
        world.registry.repositories(None, 10, &Visible::all()).await.unwrap().items,
        [app, name("other")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_fails_ends_the_import() {
    let tree = OldTree::new();
    tree.tag("app", "v1", &image(1));
    let world = World::new(tree);
    world.registry.close();
    assert!(matches!(
        world.try_import(|name| Some(ImportTarget::local(name))).await,
        Err(Error::Registry(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_keeps_the_time_of_its_push_unless_the_file_was_copied_or_its_time_is_not_past() {
    const DAY: Duration = Duration::from_hours(24);
    let pushed = async |ages: &[(&str, i32)]| {
        let (tree, now) = (OldTree::new(), SystemTime::now());
        for (seed, (tag, age)) in ages.iter().enumerate() {
            tree.tag("app", tag, &image(seed as u64));
            let link = tree.path(format!("repositories/app/_manifests/tags/{tag}/current/link"));
            let time = if *age < 0 { now + DAY } else { now - DAY * age.unsigned_abs() };
            std::fs::File::options().write(true).open(link).unwrap().set_modified(time).unwrap();
        }
        let world = World::new(tree);
        world.import().await;
        let app = name("app");
        let tags = world.registry.repository(&app).aged_tags(None, 9).await.unwrap();
        let days = |pushed: i64| {
            let pushed = SystemTime::UNIX_EPOCH + Duration::from_millis(pushed.cast_unsigned());
            (now.duration_since(pushed).unwrap() + DAY / 2).as_secs() / DAY.as_secs()
        };
        tags.iter().map(|tag| (tag.pushed > 0).then(|| days(tag.pushed))).collect::<Vec<_>>()
    };
    assert_eq!(pushed(&[("a", 100), ("b", 1), ("c", -1)]).await, [Some(100), Some(1), None]);
    assert_eq!(pushed(&[("a", 100), ("b", 100)]).await, [None, None]);
    assert_eq!(pushed(&[("a", 100)]).await, [Some(100)]);
}
