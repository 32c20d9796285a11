//! A real image: Debian with a few layers on top, and an index of two platforms. It is built once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hythe_oci::{Algorithm, Digest};
use serde_json::{Value, json};

use crate::binary::tool;
use crate::cache::{cached, remove};
use crate::command::{program, run};
use crate::content::Content;
use crate::engine::unmount_below;
use crate::repository::{Repository, Way};
use crate::rootfs;
use crate::tree::{self, Tree};

/// The output of `/bin/cat /etc/motd` in a container of the image.
pub const MOTD: &str = "a small landing place";

/// The tag of the image in both layouts.
pub const TAG: &str = "v1";

/// The name of the image's folder in the cache. Change it with the recipe.
const RECIPE: &str = "debian-1";

/// Layers that add, overwrite, link and delete files, so that the test notices an engine that skips a layer.
const CONTAINERFILE: &str = "FROM scratch
ADD rootfs.tar /
COPY random /opt/random
COPY motd /etc/motd
RUN rm -rf /usr/share/doc /var/cache/apt && ln -s motd /etc/motd.link && ln /etc/motd /opt/motd
RUN mkdir -p '/opt/a name with spaces/\u{e9}' && chmod 4755 /opt/random && chown 1000:1000 /opt/motd
CMD [\"/bin/cat\", \"/etc/motd\"]
";

/// The image and its index on disk.
pub struct Image {
    folder: PathBuf,
    /// The digest of the image's manifest.
    pub manifest: Digest,
    /// The digest of the index of two platforms. One of its manifests is the image.
    pub index: Digest,
    /// The image's root file system.
    pub tree: Tree,
}

/// The image. The first suite that needs it builds it; later runs find it in the cache.
pub fn debian() -> &'static Image {
    static IMAGE: LazyLock<Image> = LazyLock::new(|| {
        let folder = cached(RECIPE, make);
        let tree = fs::read(folder.join("tree.json")).expect("it was written");
        Image {
            manifest: entry(&folder.join("image")),
            index: entry(&folder.join("index")),
            tree: serde_json::from_slice(&tree).expect("it was written as JSON"),
            folder,
        }
    });
    &IMAGE
}

impl Image {
    /// The image as an OCI layout folder.
    pub fn layout(&self) -> PathBuf {
        self.folder.join("image")
    }

    /// The image as a tar archive of its layout.
    pub fn archive(&self) -> PathBuf {
        self.folder.join("image.tar")
    }

    /// The index as an OCI layout folder.
    pub fn index_layout(&self) -> PathBuf {
        self.folder.join("index")
    }

    /// Pushes the index under `tag`, with everything that it references, without a client program.
    pub fn push_index(&self, repository: &mut Repository<'_>, tag: &str) {
        let layout = self.index_layout();
        let index = read_blob(&layout, &self.index);
        for child in digests(&index["manifests"]) {
            let manifest = read_blob(&layout, &child);
            for blob in digests(&manifest["layers"]).into_iter().chain(digests(&json!([manifest["config"]])))
            {
                push_file(repository, &blob, &blob_path(&layout, &blob));
            }
            push(repository, &child.to_string(), &layout, &child);
        }
        push(repository, tag, &layout, &self.index);
    }
}

fn push(repository: &mut Repository<'_>, reference: &str, layout: &Path, digest: &Digest) {
    let bytes = fs::read(blob_path(layout, digest)).expect("the layout is whole");
    let json: Value = serde_json::from_slice(&bytes).expect("a manifest is JSON");
    let media_type = json["mediaType"].as_str().unwrap_or(crate::repository::MANIFEST);
    let response = repository.push_manifest(reference, &bytes, media_type).expect("the server answers");
    response.expect(201, &format!("PUT of manifest {reference}"));
}

fn push_file(repository: &mut Repository<'_>, digest: &Digest, path: &Path) {
    let bytes = fs::read(path).expect("the layout is whole");
    let response = repository.push_bytes(&bytes, digest).expect("the server answers");
    response.expect(201, &format!("push of blob {digest}"));
}

/// Asserts that the OCI layout in `folder` has the manifest `digest`, under any tag, and everything that it references.
pub fn assert_layout(folder: &Path, digest: &Digest) {
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).expect("an OCI layout"))
        .expect("index.json is JSON");
    assert!(digests(&index["manifests"]).contains(digest), "{} lacks {digest}: {index}", folder.display());
    assert_blobs(folder, digest);
}

fn assert_blobs(folder: &Path, digest: &Digest) {
    let manifest = read_blob(folder, digest);
    for child in digests(&manifest["manifests"]) {
        assert_blobs(folder, &child);
    }
    for blob in digests(&manifest["layers"]).into_iter().chain(digests(&json!([manifest["config"]]))) {
        let path = blob_path(folder, &blob);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(Digest::of(blob.algorithm(), &bytes), blob, "{}", path.display());
    }
}

fn make(folder: &Path) {
    let context = folder.join("context");
    fs::create_dir(&context).expect("the folder is ours");
    rootfs::archive(&[], &[], &context.join("rootfs.tar"));
    // Incompressible, so that the image has 100 MB on the wire too.
    fs::write(context.join("random"), Content::new(1, 24 << 20).slice(0, 24 << 20))
        .expect("the folder is ours");
    fs::write(context.join("motd"), MOTD).expect("the folder is ours");
    fs::write(context.join("Containerfile"), CONTAINERFILE).expect("the folder is ours");

    let store = folder.join("store");
    let buildah = |arguments: &[&str]| {
        let mut command = program(tool("buildah"), ["--root"]);
        command.arg(store.join("root")).arg("--runroot").arg(store.join("run")).args(arguments);
        command
    };
    let isolated = ["bud", "--isolation", "chroot", "--layers", "--tag", "debian", "--file"];
    run(buildah(&isolated).arg(context.join("Containerfile")).arg(&context));
    let layout = folder.join("image");
    run(buildah(&["push", "debian"]).arg(format!("oci:{}:{TAG}", layout.display())));
    let container = run(&mut buildah(&["from", "--pull-never", "debian"]));
    let tree = tree::of(Path::new(&run(&mut buildah(&["mount", &container]))));
    fs::write(folder.join("tree.json"), serde_json::to_vec(&tree).expect("text is JSON"))
        .expect("the folder is ours");
    run(&mut buildah(&["umount", &container]));
    unmount_below(&store);
    remove(&store);
    remove(&context);

    index(&layout, &folder.join("index"));
    run(program(tool("tar"), ["-C"]).arg(&layout).arg("-cf").arg(folder.join("image.tar")).args([
        "oci-layout",
        "index.json",
        "blobs",
    ]));
}

/// Writes an index of the image and of an image for a second platform, which has the same layers and another config.
fn index(image: &Path, layout: &Path) {
    run(program(tool("cp"), ["-al"]).arg(image).arg(layout));
    let digest = entry(image);
    let mut manifest = read_blob(image, &digest);
    let size = |digest: &Digest| blob_path(layout, digest).metadata().expect("it is there").len();
    let config: Digest =
        manifest["config"]["digest"].as_str().and_then(|text| text.parse().ok()).expect("a digest");
    let mut other = read_blob(image, &config);
    other["architecture"] = json!("arm64");
    other["variant"] = json!("v8");
    let other = write_blob(layout, &other);
    manifest["config"]["digest"] = json!(other);
    manifest["config"]["size"] = json!(size(&other));
    let second = write_blob(layout, &manifest);
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let index = write_blob(
        layout,
        &json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {"mediaType": media_type, "digest": digest, "size": size(&digest),
                 "platform": {"os": "linux", "architecture": "amd64"}},
                {"mediaType": media_type, "digest": second, "size": size(&second),
                 "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            ],
        }),
    );
    let root = json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.index.v1+json", "digest": index, "size": size(&index),
            "annotations": {"org.opencontainers.image.ref.name": TAG},
        }],
    });
    // Written as a new file, because the old one is a hard link to the image's file.
    fs::remove_file(layout.join("index.json")).expect("it is there");
    fs::write(layout.join("index.json"), root.to_string()).expect("the folder is ours");
}

fn write_blob(layout: &Path, json: &Value) -> Digest {
    let bytes = json.to_string().into_bytes();
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    fs::write(blob_path(layout, &digest), bytes).expect("the folder is ours");
    digest
}

fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
}

fn read_blob(layout: &Path, digest: &Digest) -> Value {
    let path = blob_path(layout, digest);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The only digest in a layout's `index.json`.
pub fn entry(layout: &Path) -> Digest {
    let path = layout.join("index.json");
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let index: Value = serde_json::from_slice(&bytes).expect("index.json is JSON");
    digests(&index["manifests"])[0]
}

fn digests(descriptors: &Value) -> Vec<Digest> {
    let texts = descriptors.as_array().into_iter().flatten().filter_map(|entry| entry["digest"].as_str());
    texts.map(|text| text.parse().unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// Pushes an image of random layers, and returns its manifest's digest.
pub fn push_random(repository: &mut Repository<'_>, tag: &str, seed: u64, layers: &[u64]) -> Digest {
    let mut descriptors = Vec::new();
    for (number, length) in layers.iter().chain(&[200]).enumerate() {
        let content = Content::new(seed.wrapping_add(number as u64), *length);
        let digest = content.digest();
        let response = repository.push_blob(&content, &digest, Way::Patch).expect("the server answers");
        response.expect(201, &format!("push of blob {digest}"));
        descriptors.push((digest, *length));
    }
    let config = descriptors.pop().expect("the last one is the config");
    let manifest = crate::repository::manifest((&config.0, config.1), &descriptors);
    let response =
        repository.push_manifest(tag, &manifest, crate::repository::MANIFEST).expect("the server answers");
    response.expect(201, &format!("push of manifest {tag}"));
    Digest::of(Algorithm::Sha256, &manifest)
}
