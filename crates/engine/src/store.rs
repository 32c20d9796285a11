//! An engine's store of images and layers, read where it lies on the engine's disk.
//!
//! Reading blocks. The process that may read the disk answers: hythe itself, or hythe in a helper container.

mod checked;
mod classic;
mod confined;

use std::io::{self, Write};
use std::path::PathBuf;

use hythe_oci::{Algorithm, Digest, HashState};
use serde::{Deserialize, Serialize};

use checked::Checked;
use classic::Classic;

/// The storage drivers of Docker whose layers are folders with the layer's files.
const DRIVERS: [&str; 3] = ["overlay2", "fuse-overlayfs", "vfs"];

/// The most bytes of an image's configuration.
pub(crate) const CONFIG: u64 = 4 << 20;

/// A layer of an image in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The image: the digest of its configuration.
    pub image: Digest,
    /// The `DiffIDs` of the layers below, the lowest first, and last of this one.
    pub diff_ids: Vec<Digest>,
}

impl Layer {
    /// The digest of the layer's uncompressed bytes.
    pub fn diff_id(&self) -> &Digest {
        // A layer is made with its own DiffID.
        self.diff_ids.last().unwrap_or(&self.image)
    }
}

/// A question to a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// The exact bytes of an image's configuration.
    Config(Digest),
    /// The size of a layer's tar archive in bytes, as a JSON number.
    Size(Layer),
    /// The blobs in registries that the engine knows to be this layer, as a JSON list of [`Origin`].
    Origins(Layer),
    /// The bytes of a layer's tar archive, from an offset on.
    Bytes(Layer, u64),
}

/// A blob in a registry that is a layer, compressed or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The blob's digest.
    pub digest: Digest,
    /// The repository that has it, as `registry/path`. Empty if the engine does not know.
    pub repository: String,
}

/// A store: its form, and its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Docker's storage driver.
    pub driver: String,
    /// The folder: Docker's data root.
    pub root: PathBuf,
}

impl Store {
    /// Whether hythe knows how the driver keeps layers.
    pub fn is_known(driver: &str) -> bool {
        DRIVERS.contains(&driver)
    }

    /// Writes the answer to a question. The bytes of a layer are verified: the last of them are written only if the
    /// whole archive has the layer's digest. A wrong digest is an error of the kind `InvalidData`. Blocking.
    pub fn answer(&self, ask: &Ask, out: &mut dyn Write) -> io::Result<()> {
        let classic = Classic { driver: &self.driver, root: &self.root };
        match ask {
            Ask::Config(image) => {
                let config = classic.config(image)?;
                let mut hash = HashState::new(Algorithm::Sha256);
                hash.update(&config);
                let found = hash.finish();
                if found != *image {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("the configuration `{image}` has other content: its digest is `{found}`"),
                    ));
                }
                out.write_all(&config)
            }
            Ask::Size(layer) => write!(out, "{}", classic.size(layer)?),
            Ask::Origins(layer) => {
                let origins = classic.origins(layer).unwrap_or_default();
                out.write_all(&serde_json::to_vec(&origins)?)
            }
            Ask::Bytes(layer, from) => {
                let mut checked = Checked::new(out, *layer.diff_id(), *from);
                classic.write(layer, &mut checked)?;
                checked.finish()
            }
        }
    }
}
