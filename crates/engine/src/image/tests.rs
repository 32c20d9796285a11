use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hythe_client::{Client, ClientOptions};
use hythe_oci::{Digest, Reference, Tag};
use hythe_testing::TestRegistry;
use hythe_transfer::{Copied, Plan, Remote, Source, Watch, copy};
use serde_json::json;

use super::{LookedUp, StoreImage, Target};
use crate::compress::Compression;
use crate::disk::Disk;
use crate::ready::ReadyImage;
use crate::sample::{Entry, classic, tar};
use crate::store::{Form, Store};

#[derive(Default)]
struct Counted(AtomicU64);

impl Watch for Counted {
    fn expect(&self, _blobs: u64) {}

    fn moved(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn blob_ended(&self) {}
}

fn archive(seed: u8) -> Vec<u8> {
    tar(&[Entry { name: format!("etc/{seed}"), content: vec![seed; 100_000] }])
}

/// Puts an image with these layers into the store, and returns its id.
fn image(root: &Path, archives: &[Vec<u8>], base: Option<&str>) -> Digest {
    let diff_ids: Vec<String> = archives
        .iter()
        .map(|archive| Digest::of(hythe_oci::Algorithm::Sha256, archive).to_string())
        .collect();
    let labels = base.map(|base| json!({ super::BASE: base }));
    let config = json!({
        "os": "linux",
        "architecture": "amd64",
        "config": { "Labels": labels },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    classic(root, config.to_string().as_bytes(), archives).0
}

async fn opened(root: &Path, id: Digest) -> StoreImage {
    let store = Store { form: Form::Docker, driver: "overlay2".to_owned(), root: root.to_owned() };
    StoreImage::open(Disk::Here(Arc::new(store)), id, "app:dev").await.unwrap()
}

fn remote(registry: &TestRegistry, repository: &str) -> Remote {
    let client = Client::new(ClientOptions::new(format!("http://{}", registry.address()))).unwrap();
    Remote::new(client, repository.parse().unwrap(), format!("{}/{repository}", registry.address()))
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

async fn pushed(ready: ReadyImage, to: &Remote, name: &str) -> (hythe_transfer::Result<Copied>, bool) {
    let ready = Arc::new(ready);
    let source: Arc<dyn Source> = Arc::clone(&ready) as Arc<dyn Source>;
    let watch: Arc<dyn Watch> = Arc::new(Counted::default());
    let by_digest = Reference::Digest(ready.digest());
    let plan = Plan { check_blobs: true, ..Plan::default() };
    let copied = copy(&source, &by_digest, to, &[tag(name)], &plan, &watch).await;
    (copied, ready.is_damaged())
}

async fn looked_up(image: StoreImage, to: &Remote, base: Option<&Remote>) -> LookedUp {
    let (now, of_base) = (Reference::Tag(tag("v1")), Reference::Tag(tag("v1")));
    let base = base.map(|remote| (remote, &of_base));
    image.look_up(Some(Target { remote: to, reference: &now, base })).await.unwrap()
}

#[test]
fn a_layer_that_the_registry_lost_is_pushed_again_though_the_tag_s_manifest_lists_it() {
    let (registry, root) = (TestRegistry::start(), tempfile::tempdir().unwrap());
    let root = root.path();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = remote(&registry, "app");
        let id = image(root, &[archive(1), archive(2)], None);
        let there = looked_up(opened(root, id).await, &app, None).await;
        pushed(there.ready(Compression::Gzip).await.unwrap(), &app, "v1").await.0.unwrap();
        let manifest = app.manifest(&Reference::Tag(tag("v1"))).await.unwrap();
        let path = format!("/v2/app/blobs/{}", manifest.layers[1].digest);
        registry.client().delete(&path).send().expect(202);
        let there = looked_up(opened(root, id).await, &app, None).await;
        assert_eq!(there.missing(), 1);
        let ready = there.ready(Compression::Gzip).await.unwrap();
        let copied = pushed(ready, &app, "v2").await.0.unwrap();
        assert_eq!((copied.manifests, copied.blobs), (0, 1), "{copied:?}");
        registry.client().get(&path).send().expect(200);
    });
}

#[test]
fn layers_that_the_registry_has_under_another_digest_are_not_read() {
    let (registry, root) = (TestRegistry::start(), tempfile::tempdir().unwrap());
    let root = root.path();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (base, app) = (remote(&registry, "base"), remote(&registry, "app"));
        // The base is compressed at the registry, as bases are.
        let id = image(root, &[archive(1)], None);
        let there = looked_up(opened(root, id).await, &base, None).await;
        assert_eq!(there.missing(), 1);
        let (copied, _) = pushed(there.ready(Compression::Gzip).await.unwrap(), &base, "v1").await;
        assert_eq!(copied.unwrap().blobs, 2);
        // Of an image on top of it, only the new layer is read; the other is mounted.
        let id = image(root, &[archive(1), archive(2)], Some("base:v1"));
        let opened_app = opened(root, id).await;
        assert_eq!(opened_app.base(), Some("base:v1"));
        let there = looked_up(opened_app, &app, Some(&base)).await;
        assert_eq!((there.missing(), there.mounted()), (1, 1));
        let (copied, _) = pushed(there.ready(Compression::None).await.unwrap(), &app, "v1").await;
        assert_eq!(copied.unwrap().blobs, 2);
        // The next one finds both layers by the image that its tag names.
        let id = image(root, &[archive(1), archive(2), archive(3)], None);
        let there = looked_up(opened(root, id).await, &app, None).await;
        assert_eq!((there.missing(), there.mounted()), (1, 0));
        let (copied, _) = pushed(there.ready(Compression::Zstd).await.unwrap(), &app, "v1").await;
        assert_eq!(copied.unwrap().blobs, 2);
        let there = looked_up(opened(root, id).await, &app, None).await;
        assert_eq!(there.missing(), 0);
    });
}

#[test]
fn a_layer_that_was_changed_on_the_disk_is_not_pushed() {
    let (registry, root) = (TestRegistry::start(), tempfile::tempdir().unwrap());
    let root = root.path();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = remote(&registry, "app");
        let id = image(root, &[archive(1)], None);
        std::fs::write(root.join("overlay2/cache0/diff/etc/1"), vec![9; 100_000]).unwrap();
        let there = looked_up(opened(root, id).await, &app, None).await;
        let (copied, is_damaged) = pushed(there.ready(Compression::None).await.unwrap(), &app, "v1").await;
        assert!(copied.is_err() && is_damaged);
        let there = looked_up(opened(root, id).await, &app, None).await;
        let error = there.ready(Compression::Gzip).await.unwrap_err().to_string();
        assert!(error.contains("was rebuilt with the digest"), "{error}");
    });
}
