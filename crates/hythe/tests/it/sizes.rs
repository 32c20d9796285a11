//! `hythe du`, and what `hythe rm` says about the space that it frees.

use hythe_oci::media_type::OCI_LAYER_GZIP;
use hythe_testing::{ImageBuilder, Manifest, TestRegistry};
use serde_json::{Value, json};

use crate::cache::world::{Ran, run};

/// The size of the layer that all images share.
const BASE: usize = 100_000;

fn hythe(arguments: &[&str]) -> Ran {
    run(arguments, &[], "")
}

/// An image of the shared layer and one of its own.
fn image(seed: u64, own: usize) -> Manifest {
    ImageBuilder::new(seed).layer(OCI_LAYER_GZIP, &vec![7; BASE]).layers(1, own).build()
}

/// What only this image uses: all but the shared layer.
fn own_bytes(image: &Manifest) -> u64 {
    let blobs = image.blobs.iter().filter(|blob| blob.len() != BASE).map(Vec::len).sum::<usize>();
    (blobs + image.bytes.len()) as u64
}

/// A registry with two images in `app`, one of them with two tags, and one image in `web`. All have one layer in common.
struct World {
    registry: TestRegistry,
    one: Manifest,
    two: Manifest,
    web: Manifest,
}

impl World {
    fn new() -> Self {
        let registry = TestRegistry::start();
        let (one, two, web) = (image(1, 10_000), image(2, 20_000), image(3, 40_000));
        let client = registry.client();
        for (image, repository, tag) in [
            (&one, "app", "v1"),
            (&two, "app", "v2"),
            (&two, "app", "latest"),
            (&one, "app", "in-0123456789abcdef01234567"),
            (&web, "team/web", "v1"),
        ] {
            image.push(&client, repository, tag);
        }
        Self { registry, one, two, web }
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.address())
    }
}

#[test]
fn each_blob_counts_once_and_is_unique_to_the_only_one_that_uses_it() {
    let world = World::new();
    let host = world.registry.address().to_string();
    let base = BASE as u64;
    let (one, two, web) = (own_bytes(&world.one), own_bytes(&world.two), own_bytes(&world.web));
    let all = hythe(&["du", &host, "--output", "json"]).json();
    let repository = |name: &str, tags: u64, images: u64, bytes: u64, unique: u64| json!({ "name": name, "tags": tags, "images": images, "bytes": bytes, "uniqueBytes": unique });
    let expected: [Value; 2] =
        [repository("team/web", 1, 1, base + web, web), repository("app", 3, 2, base + one + two, one + two)];
    assert_eq!(all[0]["repositories"], json!(expected));
    assert_eq!((&all[0]["bytes"], &all[0]["failed"]), (&json!(base + one + two + web), &json!([])));
    let text = hythe(&["du", &host]).expect(0);
    assert!(text.row("total").starts_with("total 4 "), "{}", text.out);
    let tags = hythe(&["du", &world.at("app"), "--output", "json"]).json();
    let tag = |tag: &str, of: &Manifest, own: u64, unique: u64| json!({ "tag": tag, "digest": of.digest(), "bytes": base + own, "uniqueBytes": unique });
    // The shared layer is unique to the repository: nobody looked at the others.
    assert_eq!(tags[0]["repositories"][0]["uniqueBytes"], base + one + two);
    assert_eq!(
        tags[0]["repositories"][0]["tagSizes"],
        json!([
            tag("latest", &world.two, two, 0),
            tag("v2", &world.two, two, 0),
            tag("v1", &world.one, one, one)
        ])
    );
    let said = hythe(&["du", &world.at("app")]).expect(0).err;
    assert!(said.contains(&format!("`hythe du {host}`")), "{said}");
    let wrong = hythe(&["du", &world.at("app:v1")]).expect(2).err;
    assert!(wrong.contains("without a tag"), "{wrong}");
}

#[test]
fn a_deletion_says_what_only_the_deleted_images_use() {
    let world = World::new();
    let freed = |arguments: &[&str]| {
        let all = [&["rm", "--dry-run", "--output", "json"], arguments].concat();
        hythe(&all).json()["freed"][0]["bytes"].as_u64().unwrap()
    };
    let (one, two, web) = (own_bytes(&world.one), own_bytes(&world.two), own_bytes(&world.web));
    let (app, base) = (world.at("app"), BASE as u64);
    assert_eq!(freed(&[&format!("{app}:v2")]), 0, "latest names the same image");
    // Its input tag goes with it.
    assert_eq!(freed(&[&format!("{app}:v1")]), one);
    assert_eq!(freed(&[&format!("{app}@{}", world.two.digest())]), two);
    assert_eq!(freed(&[&app, "--tag", "*"]), base + one + two);
    assert_eq!(freed(&[&format!("{app}:v1"), &world.at("team/web:v1")]), one + web);
    let said = hythe(&["rm", &format!("{app}:v1"), "--dry-run"]).expect(0).err;
    let words = format!("KiB at {}, less what other repositories there share", world.registry.address());
    assert!(said.contains("this would free ") && said.contains(&words), "{said}");
}
