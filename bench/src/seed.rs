//! Stores content in a contender before it is measured.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::Bench;
use crate::client::Client;
use crate::contender::{Contender, Kind};
use crate::error::{Context as _, Result};
use crate::image::{self, Image, TAG, blob_path, manifest_path};
use crate::random_file::Payload;
use crate::server::{Server, web_root};

/// A contender that receives its content: files for nginx, pushes for a registry.
#[derive(Debug)]
pub(crate) enum Seed {
    /// The folder that nginx serves.
    Files(PathBuf),
    /// A running registry, and a connection to it.
    Registry(Server, Client),
}

impl Seed {
    /// Prepares `contender` to receive content, which it keeps in `dir`.
    pub(crate) fn open(bench: &mut Bench, contender: &Contender, dir: &Path) -> Result<Self> {
        if contender.kind == Kind::Nginx {
            return Ok(Self::Files(web_root(dir)));
        }
        let server = bench.start(contender, dir)?;
        let client = Client::connect(server.port)?;
        Ok(Self::Registry(server, client))
    }

    /// Stores a blob in the contender.
    pub(crate) fn blob(&mut self, repository: &str, blob: &Payload) -> Result<()> {
        match self {
            Self::Files(root) => put(root, &blob_path(repository, &blob.digest), blob),
            Self::Registry(_, client) => image::push(client, repository, blob).map(drop),
        }
    }

    /// Stores an image in the contender.
    pub(crate) fn image(&mut self, repository: &str, image: &Image) -> Result<()> {
        match self {
            Self::Files(root) => {
                for blob in image.layers.iter().chain([&image.config]) {
                    put(root, &blob_path(repository, &blob.digest), blob)?;
                }
                put(root, &manifest_path(repository, TAG), &image.manifest)
            }
            Self::Registry(_, client) => image.push(client, repository).map(drop),
        }
    }

    /// Runs `check` against the stored content over HTTP, then ends the contender.
    pub(crate) fn close(
        self,
        bench: &mut Bench,
        contender: &Contender,
        dir: &Path,
        check: impl FnOnce(&mut Client) -> Result<()>,
    ) -> Result<()> {
        let (server, mut client) = match self {
            Self::Registry(server, client) => (server, client),
            Self::Files(_) => {
                let server = bench.start(contender, dir)?;
                let client = Client::connect(server.port)?;
                (server, client)
            }
        };
        check(&mut client)?;
        // Close the connection first: some servers wait for their connections when they end.
        drop(client);
        bench.stop(server);
        Ok(())
    }
}

fn put(root: &Path, target: &str, blob: &Payload) -> Result<()> {
    let path = root.join(target.trim_start_matches('/'));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).context(|| format!("creating {}", parent.display()))?;
    }
    blob.write(&path)
}
