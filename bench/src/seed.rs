//! Stores content in a contender before it is measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::{BLOB, Bench, SMALL};
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

impl Bench {
    /// Stores the blob once in each contender that serves blobs, and checks it. Returns the blob's path for each
    /// contender, except those that failed.
    pub(crate) fn pulls(&mut self) -> Result<BTreeMap<Kind, String>> {
        if let Some(pulls) = &self.pulls {
            return Ok(pulls.clone());
        }
        let blob = self.source.blob(0, self.settings.size)?.salted(0);
        let image = self.small_image()?;
        let mut pulls = BTreeMap::new();
        for contender in self.contenders.clone().into_iter().filter(|one| one.kind.gives_pulls()) {
            eprintln!("storing the blob in {}", contender.kind);
            let dir = self.dir("pull", contender.kind);
            let mut put = || {
                let mut seed = Seed::open(self, &contender, &dir)?;
                seed.blob(BLOB, &blob)?;
                seed.image(SMALL, &image)?;
                seed.close(self, &contender, &dir, |client| {
                    client.verify(&blob_path(BLOB, &blob.digest), &blob.digest)?;
                    image.verify(client, SMALL)
                })
            };
            match put() {
                Ok(()) => drop(pulls.insert(contender.kind, blob_path(BLOB, &blob.digest))),
                Err(error) => self.fail(format!("storing the blob in {}: {error}", contender.kind)),
            }
        }
        self.pulls = Some(pulls.clone());
        Ok(pulls)
    }
}
