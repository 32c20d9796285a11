//! An engine's store of images and layers, read where it lies on the engine's disk.
//!
//! Reading blocks. The process that may read the disk answers: hythe itself, or hythe in a helper container.

mod checked;
mod classic;
mod confined;
mod podman;
mod small_file;

use std::io::{self, Write};
use std::path::PathBuf;

use hythe_oci::Digest;
use serde::{Deserialize, Serialize};

use checked::Checked;
use classic::Classic;
use podman::Podman;

/// The storage drivers whose layers are folders with the layer's files: Docker's, and Podman's.
const DOCKER: [&str; 3] = ["overlay2", "fuse-overlayfs", "vfs"];
const PODMAN: [&str; 2] = ["overlay", "vfs"];

/// The program whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Docker's classic store.
    Docker,
    /// Podman's containers-storage.
    Podman,
}

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
    /// The program whose store it is.
    pub form: Form,
    /// The storage driver.
    pub driver: String,
    /// The folder: Docker's data root, or Podman's graph root.
    pub root: PathBuf,
}

impl Store {
    /// Whether hythe knows how the driver keeps layers.
    pub fn is_known(form: Form, driver: &str) -> bool {
        match form {
            Form::Docker => DOCKER.contains(&driver),
            Form::Podman => PODMAN.contains(&driver),
        }
    }

    /// Writes the answer to a question. The bytes of a layer are verified: the last of them are written only if the
    /// whole archive has the layer's digest. A wrong digest is an error of the kind `InvalidData`. Blocking.
    pub fn answer(&self, ask: &Ask, out: &mut dyn Write) -> io::Result<()> {
        let (driver, root) = (self.driver.as_str(), self.root.as_path());
        let (classic, podman) = (Classic { driver, root }, Podman { driver, root });
        match ask {
            Ask::Config(image) => {
                let config = match self.form {
                    Form::Docker => classic.config(image)?,
                    Form::Podman => podman.config(image)?,
                };
                let found = Digest::of(image.algorithm(), &config);
                if found != *image {
                    let reason =
                        format!("the configuration `{image}` has other content: its digest is `{found}`");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
                }
                out.write_all(&config)
            }
            Ask::Size(layer) => {
                let size = match self.form {
                    Form::Docker => classic.size(layer)?,
                    Form::Podman => podman.size(layer)?,
                };
                write!(out, "{size}")
            }
            Ask::Origins(layer) => {
                let origins = match self.form {
                    Form::Docker => classic.origins(layer),
                    Form::Podman => podman.origins(layer),
                };
                out.write_all(&serde_json::to_vec(&origins.unwrap_or_default())?)
            }
            Ask::Bytes(layer, from) => {
                let mut checked = Checked::new(out, *layer.diff_id(), *from);
                match self.form {
                    Form::Docker => classic.write(layer, &mut checked)?,
                    Form::Podman => podman.write(layer, &mut checked)?,
                }
                checked.finish()
            }
        }
    }
}
