//! An OCI layout in a folder (image-spec, image-layout.md), to read from and to write to.
//!
//! ```text
//! FOLDER/
//!   oci-layout                  the layout's version
//!   index.json                  the manifests, with their tags
//!   blobs/<algorithm>/<hex>     blobs and manifests
//! ```

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hythe_oci::{Descriptor, Digest, HashState, Reference, Tag};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::index_file::IndexFile;
use crate::manifest::Manifest;
use crate::referrers::referrers_among;
use crate::resuming::Resuming;
use crate::store::{Brought, Bytestream, Moved, Source, Target};

/// The content of `oci-layout`.
pub(crate) const VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The most levels of indexes within indexes.
const LEVELS: usize = 6;

/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;

/// An OCI layout in a folder.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    place: String,
    /// Held while `index.json` is read, changed and written.
    indexing: Mutex<()>,
}

impl Layout {
    /// The layout in a folder that has one.
    pub fn open(folder: &Path) -> Result<Self> {
        let layout = Self::at(folder);
        let marker = folder.join("oci-layout");
        match std::fs::read(&marker) {
            Ok(_) => Ok(layout),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Invalid {
                path: folder.to_owned(),
                expected: "an OCI layout",
                reason: "it has no file `oci-layout`".to_owned(),
            }),
            Err(error) => Err(Error::file("cannot read", &marker)(error)),
        }
    }

    /// The blobs of a layout in a folder that has no index, as in containerd's content store: to read by digest.
    pub fn of_blobs(folder: &Path) -> Self {
        Self::at(folder)
    }

    /// What the folder lacks of an image; `None` if the image is whole. Blobs count by their size.
    pub async fn lacks(&self, image: &Digest) -> Result<Option<String>> {
        let mut manifests = vec![*image];
        for _ in 0..LEVELS {
            for digest in std::mem::take(&mut manifests) {
                let manifest = match self.read_manifest(&digest).await {
                    Ok(manifest) => manifest,
                    Err(Error::NotFound { what, .. }) => return Ok(Some(what)),
                    Err(error) => return Err(error),
                };
                for blob in manifest.blobs() {
                    let found = tokio::fs::metadata(self.blob(&blob.digest)).await;
                    if found.map_or(None, |found| Some(found.len())) != Some(blob.size) {
                        return Ok(Some(format!("blob `{}`", blob.digest)));
                    }
                }
                manifests.extend(manifest.children.iter().map(|child| child.descriptor.digest));
            }
        }
        Ok(None)
    }

    /// The layout in a folder, which is created if it does not exist. Refuses a folder with other content.
    pub fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::file("cannot create", folder))?;
        let marker = folder.join("oci-layout");
        if !marker.exists() {
            let mut entries = std::fs::read_dir(folder).map_err(Error::file("cannot read", folder))?;
            if entries.next().is_some() {
                let reason = "it has other files. Name a folder that is empty or does not exist".to_owned();
                return Err(Error::Invalid { path: folder.to_owned(), expected: "an OCI layout", reason });
            }
            write_whole(&marker, VERSION.as_bytes())?;
        }
        Ok(Self::at(folder))
    }

    fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), place: folder.display().to_string(), indexing: Mutex::default() }
    }

    /// The images with names: each name as the layout has it, a full name or only a tag, and the digest.
    pub fn names(&self) -> Result<Vec<(String, Digest)>> {
        Ok(self.index()?.named().map(|(name, entry)| (name.to_owned(), entry.digest)).collect())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    fn index(&self) -> Result<IndexFile> {
        let path = self.folder.join("index.json");
        match std::fs::read(&path) {
            Ok(bytes) => IndexFile::read(&bytes).map_err(|error| Error::Invalid {
                path,
                expected: "the index of an OCI layout",
                reason: error.to_string(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(IndexFile::default()),
            Err(error) => Err(Error::file("cannot read", &path)(error)),
        }
    }

    fn not_found(&self, reference: &Reference) -> Error {
        let what = match reference {
            Reference::Tag(tag) => format!("tag `{tag}`"),
            Reference::Digest(digest) => format!("manifest `{digest}`"),
        };
        Error::NotFound { place: self.place.clone(), what }
    }

    async fn read_manifest(&self, digest: &Digest) -> Result<Manifest> {
        let media_type =
            self.index()?.find(&Reference::Digest(*digest)).map(|entry| entry.media_type.clone());
        let path = self.blob(digest);
        let bytes = match tokio::fs::read(&path).await {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.not_found(&Reference::Digest(*digest)));
            }
            Err(error) => return Err(Error::file("cannot read", &path)(error)),
        };
        verified(&self.place, digest, media_type.as_deref(), bytes)
    }
}

/// The manifest with these bytes, if they have the digest.
pub(crate) fn verified(
    place: &str,
    digest: &Digest,
    media_type: Option<&str>,
    bytes: Bytes,
) -> Result<Manifest> {
    let found = Digest::of(digest.algorithm(), &bytes);
    if found != *digest {
        return Err(Error::Content { place: place.to_owned(), what: format!("manifest `{digest}`"), found });
    }
    Manifest::read(media_type, bytes, digest.algorithm()).map_err(|(digest, error)| Error::Manifest {
        place: place.to_owned(),
        digest,
        error,
    })
}

/// Writes a file whole: it has the old content or the new, also after a power loss.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let failed = || Error::file("cannot write", path);
    let mut file = NamedTempFile::new_in(folder).map_err(failed())?;
    file.write_all(bytes).map_err(failed())?;
    keep(file, path)
}

/// Gives a written file its name, and makes both durable.
fn keep(file: NamedTempFile, path: &Path) -> Result<()> {
    let failed = || Error::file("cannot write", path);
    file.as_file().sync_all().map_err(failed())?;
    file.persist(path).map_err(|error| failed()(error.error))?;
    let folder = path.parent().unwrap_or(path);
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed())
}

/// Reads a blob to its end into `write`, and compares its bytes with its digest.
pub(crate) async fn read_all(
    source: Arc<dyn Source>,
    blob: &Descriptor,
    moved: Moved,
    mut write: impl FnMut(&[u8]) -> Result<()> + Send,
) -> Result<()> {
    let place = source.place().to_owned();
    let mut reading = Resuming::new(source, blob.clone(), 0, moved);
    let (mut hash, mut piece) = (HashState::new(blob.digest.algorithm()), vec![0; PIECE]);
    loop {
        let read = reading.read(&mut piece).await.map_err(|source| Error::Read {
            place: place.clone(),
            digest: blob.digest,
            source,
        })?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        write(&piece[..read])?;
    }
    match hash.finish() {
        found if found == blob.digest => Ok(()),
        found => Err(Error::Content { place, what: format!("blob `{}`", blob.digest), found }),
    }
}

#[async_trait]
impl Source for Layout {
    fn place(&self) -> &str {
        &self.place
    }

    async fn resolve(&self, reference: &Reference) -> Result<Digest> {
        match reference {
            Reference::Digest(digest) if self.blob(digest).is_file() => Ok(*digest),
            _ => {
                let index = self.index()?;
                let found = index.find(reference).map(|entry| entry.digest);
                found.ok_or_else(|| self.not_found(reference))
            }
        }
    }

    async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        let digest = self.resolve(reference).await?;
        self.read_manifest(&digest).await
    }

    async fn open(&self, blob: &Descriptor, from: u64) -> Result<Bytestream> {
        let path = self.blob(&blob.digest);
        let failed = || Error::file("cannot read", &path);
        let mut file = match tokio::fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = format!("blob `{}`", blob.digest);
                return Err(Error::NotFound { place: self.place.clone(), what });
            }
            Err(error) => return Err(failed()(error)),
        };
        file.seek(io::SeekFrom::Start(from)).await.map_err(failed())?;
        Ok(Box::pin(file))
    }

    async fn has(&self, blob: &Descriptor) -> Result<bool> {
        self.has_blob(blob).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>> {
        referrers_among(self, self.index()?.digests(), subject).await
    }

    async fn tags(&self) -> Result<Vec<Tag>> {
        Ok(self.index()?.tags())
    }
}

#[async_trait]
impl Target for Layout {
    fn place(&self) -> &str {
        &self.place
    }

    async fn find(&self, reference: &Reference) -> Result<Option<Digest>> {
        match self.resolve(reference).await {
            Ok(digest) => Ok(Some(digest)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, digest: &Digest) -> Result<Option<Manifest>> {
        match self.read_manifest(digest).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn has_blob(&self, blob: &Descriptor) -> Result<bool> {
        let found = tokio::fs::metadata(self.blob(&blob.digest)).await;
        Ok(found.is_ok_and(|found| found.is_file() && found.len() == blob.size))
    }

    async fn put_blob(&self, blob: &Descriptor, source: Arc<dyn Source>, moved: Moved) -> Result<Brought> {
        if self.has_blob(blob).await? {
            return Ok(Brought::Existing);
        }
        let path = self.blob(&blob.digest);
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder).map_err(Error::file("cannot create", folder))?;
        let mut file = NamedTempFile::new_in(folder).map_err(Error::file("cannot write", &path))?;
        read_all(source, blob, moved, |piece| {
            file.write_all(piece).map_err(Error::file("cannot write", &path))
        })
        .await?;
        keep(file, &path)?;
        Ok(Brought::Moved)
    }

    async fn put_manifest(&self, manifest: &Manifest, tags: &[Tag]) -> Result<()> {
        let path = self.blob(&manifest.digest);
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder).map_err(Error::file("cannot create", folder))?;
        write_whole(&path, &manifest.bytes)?;
        // A manifest that an index lists needs no entry of its own, and a referrer is found by its entry.
        if tags.is_empty() && manifest.subject.is_none() {
            return Ok(());
        }
        let _alone = self.indexing.lock().await;
        let mut index = self.index()?;
        if index.add(&manifest.descriptor(), tags) {
            write_whole(&self.folder.join("index.json"), &index.write())?;
        }
        Ok(())
    }

    async fn finish(&self) -> Result<()> {
        let path = self.folder.join("index.json");
        if !path.exists() {
            write_whole(&path, &IndexFile::default().write())?;
        }
        Ok(())
    }
}
