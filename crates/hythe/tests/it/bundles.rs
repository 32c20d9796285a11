//! `hythe bundle create` and `load`.

use std::path::{Path, PathBuf};

use hythe_oci::{Algorithm, Digest};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, ScriptedUpstream, TestRegistry};
use serde_json::{Value, json};

use crate::cache::world::{Ran, run};

const HUB: &str = "docker.io";

fn hythe(arguments: &[&str]) -> Ran {
    run(arguments, &[], "")
}

/// An index for this machine's platform and another one.
fn index(seed: u64) -> Manifest {
    let own = hythe_oci::Platform::of_host().to_string();
    let mut index = IndexBuilder::new();
    let mut manifests = Vec::new();
    for (number, platform) in [own.as_str(), "linux/s390x"].into_iter().enumerate() {
        let image = ImageBuilder::new(seed + number as u64).layers(2, 40_000).build();
        let (os, architecture) = platform.split_once('/').unwrap();
        let mut entry = image.descriptor();
        entry["platform"] = json!({ "os": os, "architecture": architecture });
        index = index.entry(entry);
        manifests.push(image);
    }
    Manifest { manifests, ..index.build() }
}

/// An upstream in the role of Docker Hub, a registry that caches it, and a folder for bundles.
struct World {
    hub: ScriptedUpstream,
    registry: TestRegistry,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let hub = ScriptedUpstream::start();
        let registry = TestRegistry::setup().upstream(HUB, &[hub.endpoint()]).start();
        Self { hub, registry, folder: tempfile::tempdir().unwrap() }
    }

    /// Pushes an index with its images to the upstream.
    fn push_index(&self, repository: &str, tag: &str, index: &Manifest) {
        for image in &index.manifests {
            self.hub.push(repository, &image.digest().to_string(), image);
        }
        self.hub.push(repository, tag, index);
    }

    fn at(&self, image: &str) -> String {
        format!("{}/{image}", self.registry.address())
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs `hythe bundle create` against the registry.
    fn create(&self, arguments: &[&str]) -> Ran {
        let registry = self.registry.address().to_string();
        hythe(&[&["bundle", "create"], arguments, &["--registry", &registry]].concat())
    }
}

/// A registry whose Docker Hub cannot be reached.
fn away() -> TestRegistry {
    let nowhere = ScriptedUpstream::start();
    let registry = TestRegistry::setup().upstream(HUB, &[nowhere.endpoint()]).start();
    nowhere.stop();
    registry
}

fn load(registry: &TestRegistry, arguments: &[&str]) -> Ran {
    let address = registry.address().to_string();
    hythe(&[&["bundle", "load"], arguments, &["--registry", &address]].concat())
}

/// Expects that a node which is attached to the registry pulls an image with all of its blobs.
#[track_caller]
fn expect_pull(
    registry: &TestRegistry,
    path: &str,
    namespace: Option<&str>,
    image: &Manifest,
    reference: &str,
) {
    let query = namespace.map(|namespace| format!("?ns={namespace}")).unwrap_or_default();
    let manifest =
        registry.client().get(format!("/v2/{path}/manifests/{reference}{query}")).send().expect(200);
    assert!(manifest.body == image.bytes);
    for blob in &image.blobs {
        let digest = Digest::of(Algorithm::Sha256, blob);
        let got = registry.client().get(format!("/v2/{path}/blobs/{digest}{query}")).send().expect(200);
        assert!(got.body == *blob);
    }
}

#[test]
fn images_of_a_bundle_are_pulled_under_unchanged_names_where_no_upstream_can_be_reached() {
    let (world, away) = (World::new(), away());
    let (redis, app) = (index(1), ImageBuilder::new(7).layers(1, 10_000).build());
    world.push_index("library/redis", "7", &redis);
    app.push(&world.registry.client(), "team/app", "v1");
    let file = world.file("images.tar");
    let created = world.create(&[&file, "redis:7", &world.at("team/app:v1")]).expect(0);
    let row = created.row("docker.io/library/redis:7");
    assert_eq!(row, format!("docker.io/library/redis:7 {} without linux/s390x", redis.digest()));
    assert!(
        created.err.contains("2 images, 5 blobs") && created.err.contains("hythe bundle load"),
        "{}",
        created.err
    );

    let loaded = load(&away, &[&file]).expect(0);
    assert!(loaded.out.contains("without linux/s390x"), "{}", loaded.out);
    expect_pull(&away, "team/app", None, &app, "v1");
    expect_pull(&away, "library/redis", Some(HUB), &Manifest { blobs: Vec::new(), ..redis.clone() }, "7");
    expect_pull(
        &away,
        "library/redis",
        Some(HUB),
        &redis.manifests[0],
        &redis.manifests[0].digest().to_string(),
    );
    let again = load(&away, &[&file, "--output", "json"]).expect(0).json();
    let up_to_date = |loaded: &Value| loaded["upToDate"] == true && loaded["bytes"] == 0;
    assert!(again["loaded"].as_array().unwrap().iter().all(up_to_date), "{again}");
    // The bundle says by itself what it lacks.
    let record = record(Path::new(&file));
    assert_eq!(record["images"][1]["absent"], json!(["linux/s390x"]), "{record}");
}

/// The record in a bundle.
fn record(file: &Path) -> Value {
    let mut archive = tar::Archive::new(std::fs::File::open(file).unwrap());
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let entry = entries.find(|entry| entry.path().unwrap() == Path::new("hythe-bundle.json")).unwrap();
    serde_json::from_reader(entry).unwrap()
}

#[test]
fn the_same_images_give_the_same_bytes() {
    let world = World::new();
    for seed in 1..4 {
        let image = ImageBuilder::new(seed).layers(3, 10_000).build();
        image.push(&world.registry.client(), &format!("app{seed}"), "v1");
    }
    let images: Vec<String> = (1..4).map(|seed| world.at(&format!("app{seed}:v1"))).collect();
    let [one, two, three] = &images[..] else { unreachable!() };
    world.create(&[&world.file("a.tar"), one, two, three]).expect(0);
    world.create(&[&world.file("b.tar"), three, one, two]).expect(0);
    let read = |name: &str| std::fs::read(world.file(name)).unwrap();
    assert!(read("a.tar") == read("b.tar"));
    // No temporary file stays behind.
    assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 2);
}

#[test]
fn referrers_and_signatures_travel_with_their_image() {
    let (world, away) = (World::new(), away());
    let client = world.registry.client();
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    image.push(&client, "app", "v1");
    let referrer = ImageBuilder::artifact(2, "application/example").subject(&image).build();
    referrer.push(&client, "app", referrer.digest());
    let signature = ImageBuilder::new(3).layers(1, 100).build();
    let tag = format!("sha256-{}.sig", image.digest().hex());
    signature.push(&client, "app", &tag);
    world.create(&[&world.file("a.tar"), &world.at("app:v1"), "--all"]).expect(0);
    load(&away, &[&world.file("a.tar")]).expect(0);
    let listed = away.client().get(format!("/v2/app/referrers/{}", image.digest())).send().expect(200).json();
    assert_eq!(listed["manifests"][0]["digest"], referrer.digest().to_string(), "{listed}");
    expect_pull(&away, "app", None, &signature, &tag);
    // Without --all the image travels alone.
    world.create(&[&world.file("b.tar"), &world.at("app:v1")]).expect(0);
    assert_eq!(record(Path::new(&world.file("b.tar")))["blobs"].as_array().unwrap().len(), 2);
}

#[test]
fn chunks_load_in_any_order_and_a_damaged_or_missing_one_is_named() {
    let (world, away) = (World::new(), away());
    let image = ImageBuilder::new(1).layers(3, 1_100_000).build();
    image.push(&world.registry.client(), "app", "v1");
    let whole = world.file("whole.tar");
    world.create(&[&whole, &world.at("app:v1")]).expect(0);
    let file = world.file("app.tar");
    let created = world
        .create(&[&file, &world.at("app:v1"), "--chunk-size", "1MiB", "--output", "json"])
        .expect(0)
        .json();
    let chunks: Vec<String> = (1..=4).map(|number| format!("{file}.{number:03}")).collect();
    assert_eq!(created["files"], json!(chunks));
    // One after the other they are the bundle in one file.
    let joined: Vec<u8> = chunks.iter().flat_map(|chunk| std::fs::read(chunk).unwrap()).collect();
    assert!(joined == std::fs::read(&whole).unwrap());
    assert_eq!(created["digest"], Digest::of(Algorithm::Sha256, &joined).to_string());

    let mut shuffled: Vec<&str> = chunks.iter().map(String::as_str).rev().collect();
    shuffled.swap(0, 1);
    load(&away, &shuffled).expect(0);
    expect_pull(&away, "app", None, &image, "v1");

    // The name of the bundle is enough if everything is in one folder; under other names the chunks are named.
    let elsewhere = tempfile::tempdir().unwrap();
    let moved: Vec<PathBuf> =
        (0..4).map(|number| elsewhere.path().join(format!("{}.bin", 9 - number))).collect();
    for (chunk, to) in chunks.iter().zip(&moved) {
        std::fs::copy(chunk, to).unwrap();
    }
    let list = format!("{file}.json");
    load(&away, &[&file]).expect(0);
    let words: Vec<&str> = moved.iter().map(|path| path.to_str().unwrap()).chain([list.as_str()]).collect();
    load(&away, &words).expect(0);

    let mut damaged = std::fs::read(&chunks[2]).unwrap();
    damaged[500] ^= 1;
    std::fs::write(&chunks[2], damaged).unwrap();
    std::fs::remove_file(&chunks[1]).unwrap();
    let refused = load(&away, &[&file]).expect(1).err;
    assert!(
        refused.contains("app.tar.003 is damaged") && refused.contains("app.tar.002 is missing"),
        "{refused}"
    );
}

#[test]
fn a_delta_has_only_what_an_earlier_bundle_lacks_and_says_which_one_it_needs() {
    let (world, away) = (World::new(), away());
    let client = world.registry.client();
    let base = ImageBuilder::new(1).layers(3, 50_000).build();
    base.push(&client, "base", "v1");
    let layers = base.blobs[1..].iter();
    let with_base = |seed: u64| {
        let image = layers.clone().fold(ImageBuilder::new(seed), |image, layer| {
            image.layer(hythe_oci::media_type::OCI_LAYER_GZIP, layer)
        });
        image.layer(hythe_oci::media_type::OCI_LAYER_GZIP, &seed.to_le_bytes()).build()
    };
    let (second, third) = (with_base(2), with_base(3));
    second.push(&client, "app", "v2");
    third.push(&client, "app", "v3");
    let [old, new, newer] = ["old.tar", "new.tar", "newer.tar"].map(|name| world.file(name));
    world.create(&[&old, &world.at("base:v1")]).expect(0);
    let created = world.create(&[&new, &world.at("app:v2"), "--since", &old]).expect(0);
    assert!(created.err.contains("leaves out 3 blobs"), "{}", created.err);
    // A delta of a delta leaves out what both have.
    world.create(&[&newer, &world.at("app:v3"), "--since", &new]).expect(0);
    assert!(std::fs::metadata(&newer).unwrap().len() < 20_000);

    let refused = load(&away, &[&newer]).expect(1).err;
    let id = record(Path::new(&newer))["since"].as_str().unwrap().to_owned();
    assert!(refused.contains(&id) && refused.contains("leaves out 3 blobs"), "{refused}");
    assert_eq!(away.totals().blobs, 0, "nothing is loaded by half");
    for (file, path, image, tag) in
        [(&old, "base", &base, "v1"), (&new, "app", &second, "v2"), (&newer, "app", &third, "v3")]
    {
        load(&away, &[file]).expect(0);
        expect_pull(&away, path, None, image, tag);
    }
}

#[test]
fn the_whole_cache_is_bundled_with_the_platforms_that_it_has() {
    let (world, away) = (World::new(), away());
    let redis = index(1);
    world.push_index("library/redis", "7", &redis);
    let pull = |target: String| {
        world.registry.client().get(format!("/v2/library/redis/{target}?ns={HUB}")).send().expect(200)
    };
    pull("manifests/7".to_owned());
    // A node reads the manifest of its own platform only.
    pull(format!("manifests/{}", redis.manifests[1].digest()));
    for blob in &redis.manifests[1].blobs {
        pull(format!("blobs/{}", Digest::of(Algorithm::Sha256, blob)));
    }
    world.hub.stop();
    let file = world.file("all.tar");
    world.create(&[&file, "--all-cached"]).expect(0);
    let image = record(Path::new(&file))["images"][0].clone();
    assert_eq!(
        (&image["platforms"], &image["absent"].as_array().map(Vec::len)),
        (&json!(["linux/s390x"]), &Some(1))
    );
    load(&away, &[&file]).expect(0);
    let child = &redis.manifests[1];
    expect_pull(&away, "library/redis", Some(HUB), child, &child.digest().to_string());
}

#[test]
fn an_image_that_is_not_found_ends_the_bundle_unless_it_may_be_left_out() {
    let world = World::new();
    ImageBuilder::new(1).layers(1, 100).build().push(&world.registry.client(), "app", "v1");
    let (file, app, nope) = (world.file("a.tar"), world.at("app:v1"), world.at("nope:v1"));
    let refused = world.create(&[&file, &app, &nope]).expect(1).err;
    assert!(refused.contains("1 of 2 images") && refused.contains("--skip-missing"), "{refused}");
    assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 0);
    world.create(&[&file, &app, &nope, "--skip-missing"]).expect(0);
    assert_eq!(record(Path::new(&world.file("a.tar")))["missing"], json!([world.at("nope:v1")]));
}

#[test]
fn a_bundle_is_pushed_below_a_path_into_a_registry_that_is_no_hythe() {
    let world = World::new();
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    world.hub.push("library/redis", "7", &image);
    let file = world.file("a.tar");
    world.create(&[&file, "redis:7"]).expect(0);
    let other = ScriptedUpstream::start();
    let address = other.address().to_string();
    let refused = hythe(&["bundle", "load", &file, "--registry", &address]).expect(1).err;
    assert!(refused.contains("--prefix"), "{refused}");
    let registry = TestRegistry::start();
    load(&registry, &[&file, "--prefix", "mirror"]).expect(0);
    expect_pull(&registry, "mirror/library/redis", None, &image, "7");
}

#[test]
fn a_name_whose_registry_is_no_upstream_is_refused_with_what_to_add() {
    let world = World::new();
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    world.hub.push("library/redis", "7", &image);
    let file = world.file("a.tar");
    world.create(&[&file, "redis:7"]).expect(0);
    let refused = load(&TestRegistry::start(), &[&file]).expect(1).err;
    assert!(refused.contains("upstream.add") && refused.contains("docker.io/library/redis"), "{refused}");
    let other = world.file("other.tar");
    std::fs::write(&other, [0; 1024]).unwrap();
    let refused = load(&world.registry, &[&other]).expect(1).err;
    assert!(refused.contains("hythe-bundle.json") && refused.contains("hythe import"), "{refused}");
}
