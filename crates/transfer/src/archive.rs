//! One file with images: an OCI layout in a tar archive, or what `docker save` writes.

mod docker;

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hythe_oci::{Descriptor, Digest, Reference, Tag};
use tempfile::NamedTempFile;
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::index_file::IndexFile;
use crate::layout::{VERSION, read_all, verified};
use crate::manifest::Manifest;
use crate::referrers::referrers_among;
use crate::segments::Segments;
use crate::store::{Brought, Bytestream, Moved, Source, Target};
use crate::tar_file::{Extent, TarFile};

/// The largest manifest or index in an archive, in bytes.
const MANIFEST: u64 = (4 << 20) + (256 << 10);

/// The name of a blob's file in a layout.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// An archive to read images from.
#[derive(Debug)]
pub struct ArchiveSource {
    tar: Arc<TarFile>,
    place: String,
    index: IndexFile,
    /// Manifests that the archive does not have as files: `docker save` wrote none before version 25.
    made: HashMap<Digest, Bytes>,
    /// The files of blobs that are not under their digest.
    named: HashMap<Digest, Extent>,
}

impl ArchiveSource {
    /// Reads the list of an archive's images. Blocking: reads all headers, and of older archives each compressed layer.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Segments::new(path, &[path.to_owned()]).map_err(Error::file("cannot read", path))?;
        Self::read(TarFile::open(file)?)
    }

    /// Reads the list of the images in a tar archive. Blocking.
    pub(crate) fn read(tar: TarFile) -> Result<Self> {
        let path = tar.path().to_owned();
        let (place, mut made, mut named) = (path.display().to_string(), HashMap::new(), HashMap::new());
        let invalid =
            |reason| Error::Invalid { path: path.clone(), expected: "an archive of images", reason };
        let index = if let Some(bytes) = tar.read("index.json", MANIFEST)? {
            IndexFile::read(&bytes).map_err(|error| invalid(format!("its index.json: {error}")))?
        } else if let Some(list) = tar.read("manifest.json", MANIFEST)? {
            docker::images(&tar, &list, &mut made, &mut named)?
        } else {
            let reason = "it has neither index.json (an OCI layout) nor manifest.json (docker save)";
            return Err(invalid(reason.to_owned()));
        };
        Ok(Self { tar: Arc::new(tar), place, index, made, named })
    }

    fn file(&self, digest: &Digest) -> Option<Extent> {
        self.named.get(digest).copied().or_else(|| self.tar.find(&blob_name(digest)))
    }

    fn bytes(&self, digest: &Digest) -> Result<Option<Bytes>> {
        match self.made.get(digest) {
            Some(bytes) => Ok(Some(bytes.clone())),
            None => self.tar.read(&blob_name(digest), MANIFEST),
        }
    }

    /// The images with names: each name as the archive has it, a full name or only a tag, and the digest.
    pub fn names(&self) -> Vec<(String, Digest)> {
        self.index.named().map(|(name, entry)| (name.to_owned(), entry.digest)).collect()
    }

    pub(crate) fn index(&self) -> &IndexFile {
        &self.index
    }

    fn lacks(&self, what: String) -> Error {
        Error::NotFound { place: self.place.clone(), what }
    }
}

#[async_trait]
impl Source for ArchiveSource {
    fn place(&self) -> &str {
        &self.place
    }

    async fn resolve(&self, reference: &Reference) -> Result<Digest> {
        let found = match reference {
            Reference::Digest(digest) => self.bytes(digest)?.map(|_| *digest),
            Reference::Tag(_) => self.index.find(reference).map(|entry| entry.digest),
        };
        found.ok_or_else(|| match reference {
            Reference::Digest(digest) => self.lacks(format!("manifest `{digest}`")),
            Reference::Tag(tag) => self.lacks(format!("tag `{tag}`")),
        })
    }

    async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        let digest = self.resolve(reference).await?;
        let bytes = self.bytes(&digest)?.ok_or_else(|| self.lacks(format!("manifest `{digest}`")))?;
        let entry = self.index.find(&Reference::Digest(digest));
        verified(&self.place, &digest, entry.map(|entry| entry.media_type.as_str()), bytes)
    }

    async fn open(&self, blob: &Descriptor, from: u64) -> Result<Bytestream> {
        let place = self.file(&blob.digest).ok_or_else(|| self.lacks(format!("blob `{}`", blob.digest)))?;
        self.tar.stream(place, from).await.map_err(Error::file("cannot read", self.tar.path()))
    }

    async fn has(&self, blob: &Descriptor) -> Result<bool> {
        Ok(self.file(&blob.digest).is_some_and(|place| place.size == blob.size))
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>> {
        referrers_among(self, self.index.digests(), subject).await
    }

    async fn tags(&self) -> Result<Vec<Tag>> {
        Ok(self.index.tags())
    }
}

/// An archive that is being written: an OCI layout in a tar archive, which `docker load` reads too if the image has one
/// platform. It gets its name when it is complete.
#[derive(Debug)]
pub struct ArchiveTarget {
    path: PathBuf,
    place: String,
    /// The repository's name for `docker load`.
    repository: Option<String>,
    /// Locked while an entry is written: a tar archive has one after the other.
    writing: Mutex<Writing>,
}

#[derive(Debug)]
struct Writing {
    file: NamedTempFile,
    index: IndexFile,
    /// The sizes of the blobs and manifests that are in the archive.
    written: HashMap<Digest, u64>,
    manifests: HashMap<Digest, Manifest>,
    /// The images for `docker load`.
    tagged: Vec<(Manifest, Vec<Tag>)>,
    /// Whether an entry broke off, so that the archive cannot be used.
    broken: bool,
}

/// The size of the blocks of a tar archive, in bytes.
const BLOCK: u64 = 512;

/// The header of a file in an archive. All archives with the same content have the same bytes.
pub(crate) fn tar_header(name: &str, size: u64) -> io::Result<[u8; BLOCK as usize]> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// The zeros after the bytes of a file of this size.
pub(crate) fn padding(size: u64) -> &'static [u8] {
    let rest = (BLOCK - size % BLOCK) % BLOCK;
    &[0; BLOCK as usize][..rest as usize]
}

impl Writing {
    fn header(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.file.write_all(&tar_header(name, size)?)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        self.file.write_all(padding(size))
    }

    fn entry(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.header(name, bytes.len() as u64)?;
        self.file.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }
}

impl ArchiveTarget {
    /// Begins an archive. `repository` is the name under which `docker load` stores its images.
    pub fn create(path: &Path, repository: Option<String>) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = || Error::file("cannot write", path);
        let file = NamedTempFile::new_in(folder).map_err(failed())?;
        let (index, written, manifests, tagged) = Default::default();
        let mut writing = Writing { file, index, written, manifests, tagged, broken: false };
        writing.entry("oci-layout", VERSION.as_bytes()).map_err(failed())?;
        let (path, place) = (path.to_owned(), path.display().to_string());
        Ok(Self { path, place, repository, writing: Mutex::new(writing) })
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> Error + use<> {
        Error::file("cannot write", &self.path)
    }
}

#[async_trait]
impl Target for ArchiveTarget {
    fn place(&self) -> &str {
        &self.place
    }

    async fn find(&self, reference: &Reference) -> Result<Option<Digest>> {
        let writing = self.writing.lock().await;
        Ok(match reference {
            Reference::Digest(digest) => writing.manifests.contains_key(digest).then_some(*digest),
            Reference::Tag(_) => writing.index.find(reference).map(|entry| entry.digest),
        })
    }

    async fn read(&self, digest: &Digest) -> Result<Option<Manifest>> {
        Ok(self.writing.lock().await.manifests.get(digest).cloned())
    }

    async fn has_blob(&self, blob: &Descriptor) -> Result<bool> {
        Ok(self.writing.lock().await.written.contains_key(&blob.digest))
    }

    async fn put_blob(&self, blob: &Descriptor, source: Arc<dyn Source>, moved: Moved) -> Result<Brought> {
        let mut writing = self.writing.lock().await;
        if writing.written.contains_key(&blob.digest) {
            return Ok(Brought::Existing);
        }
        // From here on an error leaves half of an entry in the archive.
        if std::mem::replace(&mut writing.broken, true) {
            return Err(self.failed()(io::Error::other("an earlier entry broke off")));
        }
        writing.header(&blob_name(&blob.digest), blob.size).map_err(self.failed())?;
        read_all(source, blob, moved, |piece| writing.file.write_all(piece).map_err(self.failed())).await?;
        writing.pad(blob.size).map_err(self.failed())?;
        writing.written.insert(blob.digest, blob.size);
        writing.broken = false;
        Ok(Brought::Moved)
    }

    async fn put_manifest(&self, manifest: &Manifest, tags: &[Tag]) -> Result<()> {
        let mut writing = self.writing.lock().await;
        if !writing.written.contains_key(&manifest.digest) {
            writing.entry(&blob_name(&manifest.digest), &manifest.bytes).map_err(self.failed())?;
            writing.written.insert(manifest.digest, manifest.bytes.len() as u64);
        }
        writing.manifests.insert(manifest.digest, manifest.clone());
        if !tags.is_empty() || manifest.subject.is_some() {
            writing.index.add(&manifest.descriptor(), tags);
        }
        if !tags.is_empty() && !manifest.is_index() {
            writing.tagged.push((manifest.clone(), tags.to_vec()));
        }
        Ok(())
    }

    async fn finish(&self) -> Result<()> {
        let mut writing = self.writing.lock().await;
        if writing.broken {
            return Err(self.failed()(io::Error::other("an entry broke off")));
        }
        let (index, tagged) = (writing.index.write(), std::mem::take(&mut writing.tagged));
        writing.entry("index.json", &index).map_err(self.failed())?;
        if let (Some(repository), false) = (&self.repository, tagged.is_empty()) {
            let list = docker::list(repository, &tagged);
            writing.entry("manifest.json", &list).map_err(self.failed())?;
        }
        // Two empty blocks end an archive.
        writing.file.write_all(&[0; 2 * BLOCK as usize]).map_err(self.failed())?;
        writing.file.as_file().sync_all().map_err(self.failed())?;
        // The name is replaced in one step; the temporary file is left behind empty.
        let temporary = writing.file.path().to_owned();
        std::fs::rename(&temporary, &self.path).map_err(self.failed())
    }
}
