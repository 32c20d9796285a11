//! A catalog that is built from the records of another one knows the same.

use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use hythe_catalog::Catalog;
use hythe_oci::Reference;
use hythe_registry::{
    DamagedLine, Lines, Origin, Provenance, Rebuilding, Rebuilt, Record, Registry, write_line,
};
use hythe_storage::Storage;

use crate::world::{World, manifest, name, on_each, sha256};

/// The lines of all records of a registry.
pub(crate) async fn exported(registry: &Registry) -> Vec<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sink = move |record: Record| {
        let mut line = Vec::new();
        write_line(&record, &mut line)?;
        sender.send(String::from_utf8(line).unwrap()).map_err(std::io::Error::other)
    };
    registry.export(sink).await.unwrap().unwrap();
    let lines: Vec<String> = receiver.into_iter().collect();
    // The row of a repository is kept for deleted content too, which no client sees.
    let holds = |name: &str| lines.iter().any(|line| line.contains(&format!(r#""repository":"{name}""#)));
    let is_empty = |line: &String| {
        let name =
            line.split(r#"{"kind":"repository","name":""#).nth(1).and_then(|rest| rest.split('"').next());
        name.is_some_and(|name| !holds(name))
    };
    lines.iter().filter(|line| !is_empty(line)).cloned().collect()
}

/// Builds a catalog at `path` of these lines and of the storage's blobs.
async fn rebuild(
    storage: &dyn Storage,
    lines: &[String],
    path: &Path,
    heal: bool,
) -> (Rebuilt, Vec<DamagedLine>) {
    let mut rebuilding = Rebuilding::begin(storage, path, SystemTime::now()).await.unwrap();
    let (lines, mut damaged) = (lines.concat(), Vec::new());
    rebuilding.apply_all(Lines::new(lines.as_bytes()), |line| damaged.push(line)).unwrap();
    assert_eq!(rebuilding.unusable(), []);
    (rebuilding.finish(heal).unwrap(), damaged)
}

/// The records of the catalog at `path`, as lines in a fixed order.
pub(crate) async fn records_of(path: &Path, storage: std::sync::Arc<dyn Storage>) -> Vec<String> {
    let catalog = Catalog::open(path).unwrap();
    let registry = Registry::new(storage, catalog, crate::world::options());
    let mut lines = exported(&registry).await;
    registry.close();
    lines.sort();
    lines
}

/// Images with tags, an index, a referrer, a copy, a private copy, a mount, and some of them deleted again.
pub(crate) async fn fill(world: &World) {
    let (one, two) = (world.push("app", b"one").await, world.push("app", b"two").await);
    let image = world.tag("app", "v1", &[one, two]).await.unwrap();
    world.tag("app", "v2", &[two]).await.unwrap();
    world.tag("app", "moved", &[one]).await.unwrap();
    world.tag("app", "moved", &[two]).await.unwrap();
    let app = name("app");
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
            {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":1}}]}}"#,
        image.digest
    );
    let reference: Reference = "index".parse().unwrap();
    let repository = world.registry.repository(&app);
    repository.push_manifest(&reference, Vec::new(), None, Bytes::from(index)).await.unwrap();
    let signature = manifest(&[two]).replacen(
        '{',
        &format!(
            r#"{{"artifactType":"example/signature","annotations":{{"a":"ä \"b\"\n"}},"subject":{{
                "mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":1}},"#,
            image.digest
        ),
        1,
    );
    let reference: Reference = sha256(signature.as_bytes()).to_string().parse().unwrap();
    repository.push_manifest(&reference, Vec::new(), None, Bytes::from(signature)).await.unwrap();

    world.mount(&one, "app", "team/app").await;
    world.tag("team/app", "latest", &[one]).await.unwrap();
    world.tag("team/app", "gone", &[one]).await.unwrap();
    world.delete_manifest("team/app", "gone").await.unwrap();
    world.push("team/app", b"no manifest").await;

    for (copy, private) in [("example.org/public", false), ("example.org/private", true)] {
        let (copy, origin) = (name(copy), Origin::Upstream("example.org".to_owned()));
        let content = copy.as_str().as_bytes();
        let repository = world.registry.copy(&copy, &origin).private(private);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, content).unwrap();
        repository.adopt_blob(&sha256(content), file.path()).await.unwrap().unwrap();
        let reference: Reference = "v1".parse().unwrap();
        // It names a blob of another repository that the copy does not have.
        let bytes = Bytes::from(manifest(&[sha256(content), one]));
        repository.push_manifest(&reference, Vec::new(), None, bytes).await.unwrap();
    }
    world.push("deleted", b"deleted").await;
    let deleted = world.tag("deleted", "v1", &[sha256(b"deleted")]).await.unwrap();
    world.delete_manifest("deleted", deleted.digest).await.unwrap();
}

on_each! {
    async fn a_catalog_of_the_records_of_another_one_has_the_same_records(world: World) {
        fill(&world).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.sqlite");
        let mut lines = exported(&world.registry).await;
        let (rebuilt, damaged) = rebuild(&*world.storage, &lines, &path, false).await;
        let totals = world.registry.totals().await.unwrap();
        assert_eq!(damaged, []);
        assert_eq!(
            (rebuilt.repositories, rebuilt.copies, rebuilt.manifests, rebuilt.tags, rebuilt.blobs),
            (2, 2, totals.manifests, totals.tags, totals.blobs)
        );
        assert_eq!((rebuilt.dangling, rebuilt.lost, rebuilt.unlinked), (0, 0, 0));
        lines.sort();
        assert_eq!(records_of(&path, world.storage).await, lines);
    }

    async fn the_order_of_tags_and_their_manifests_does_not_matter(world: World) {
        fill(&world).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.sqlite");
        let mut lines = exported(&world.registry).await;
        // Repositories stay first.
        lines[5..].reverse();
        rebuild(&*world.storage, &lines, &path, false).await;
        lines.sort();
        assert_eq!(records_of(&path, world.storage).await, lines);
    }

    async fn a_lost_link_of_a_pushed_image_is_healed_but_never_one_to_private_content(world: World) {
        fill(&world).await;
        // An image of a public repository names a blob that only a private one has.
        let secret = sha256(b"example.org/private");
        world.set(|options| options.manifest_require_blobs = false);
        world.tag("thief", "v1", &[secret]).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.sqlite");
        let mut lines = exported(&world.registry).await;
        let one = format!(r#"{{"kind":"link","repository":"app","digest":"{}""#, sha256(b"one"));
        lines.retain(|line| !line.contains(&one));
        rebuild(&*world.storage, &lines, &path, true).await;
        let found = records_of(&path, world.storage).await.concat();
        assert!(found.contains(&one), "{found}");
        let stolen = format!(r#"{{"kind":"link","repository":"thief","digest":"{secret}""#);
        assert!(!found.contains(&stolen), "{found}");
    }
}

#[tokio::test]
async fn a_damaged_line_costs_its_record_only() {
    let world = World::memory();
    fill(&world).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.sqlite");
    let mut lines = exported(&world.registry).await;
    let tag = lines.iter().position(|line| line.contains(r#""name":"v2""#)).unwrap();
    lines[tag] = lines[tag].replace("v2", "v3");
    let (_, damaged) = rebuild(&*world.storage, &lines, &path, true).await;
    assert_eq!(damaged.len(), 1);
    lines.remove(tag);
    lines.sort();
    assert_eq!(records_of(&path, world.storage).await, lines);
}

#[tokio::test]
async fn an_image_whose_file_is_gone_or_has_another_size_is_named() {
    let world = World::fs();
    fill(&world).await;
    let lines = exported(&world.registry).await;
    let path = world.folder().join("new.sqlite");
    let (one, two) = (sha256(b"one"), sha256(b"two"));
    for file in world.blob_files() {
        let file_name = file.file_name().unwrap().to_string_lossy().into_owned();
        if file_name.starts_with(&one.hex()) {
            std::fs::remove_file(&file).unwrap();
        } else if file_name.starts_with(&two.hex()) {
            std::fs::write(&file, b"tw").unwrap();
        }
    }
    let (rebuilt, _) = rebuild(&*world.storage, &lines, &path, false).await;
    // `app` lacks both of them, and the other repository the first.
    assert_eq!((rebuilt.lost, rebuilt.unlinked), (3, 1));
    let named: Vec<_> = rebuilt.incomplete.iter().map(|lost| lost.repository.as_str()).collect();
    // One of the manifests has two tags, so it counts twice.
    assert_eq!(named, ["app", "app", "app", "app", "app", "team/app"]);
    assert!(rebuilt.incomplete.iter().any(|lost| lost.tag.as_deref() == Some("v1")));
}

#[tokio::test]
async fn of_two_files_of_one_digest_the_right_one_is_chosen() {
    let world = World::fs();
    let digest = world.push("app", b"content").await;
    let lines = exported(&world.registry).await;
    let file = world.blob_files().remove(0);
    for generation in ["0", "f"] {
        let other = format!("{}.{}", digest.hex(), generation.repeat(32));
        std::fs::write(file.with_file_name(other), b"damaged").unwrap();
    }
    let path = world.folder().join("new.sqlite");
    rebuild(&*world.storage, &lines, &path, false).await;
    let registry =
        Registry::new(world.storage.clone(), Catalog::open(&path).unwrap(), crate::world::options());
    let app = name("app");
    let blob = registry.repository(&app).blob(&digest).await.unwrap();
    assert_eq!(crate::world::read(&blob).await, b"content");
    assert_eq!(registry.repository(&app).provenance().await.unwrap(), Some(Provenance::default()));
}
