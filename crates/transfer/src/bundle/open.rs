//! Opens a bundle to read from: one file, or chunks in any order, whose checksums are compared first.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use hythe_oci::{Algorithm, Descriptor, Digest, HashState, ImageName, Reference, Tag};

use super::RECORD;
use super::record::{BundledImage, Record};
use super::volume::{Chunk, ChunkList, list_of};
use crate::archive::ArchiveSource;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::referrers::referrers_among;
use crate::segments::Segments;
use crate::store::{Bytestream, Source};
use crate::tar_file::TarFile;

/// The most bytes of a record or of a list of chunks.
const LIMIT: u64 = 256 << 20;

/// Bytes that are hashed at a time.
const PIECE: usize = 1 << 20;

/// The most levels of indexes within indexes, and of referrers of referrers.
const LEVELS: usize = 6;

/// A bundle to read from.
#[derive(Debug)]
pub struct Bundle {
    archive: Arc<ArchiveSource>,
    record: Arc<Record>,
}

impl Bundle {
    /// Opens a bundle: its file, the list of its chunks, or its chunks in any order. Blocking: reads the chunks and
    /// compares their checksums.
    pub fn open(files: &[PathBuf]) -> Result<Self> {
        let (name, parts) = match (files, list_among(files)?) {
            (_, Some((path, list))) => {
                let chunks = find_chunks(&path, &list, files)?;
                (path, chunks)
            }
            ([file], None) if !is_chunk(file) => (file.clone(), vec![file.clone()]),
            (several, None) => {
                let first = several.first().cloned().unwrap_or_default();
                let reason =
                    "the list of the chunks is not beside it. Name it too: the file that ends with .json";
                return Err(not_a_bundle(&first, reason));
            }
        };
        let bytes = Segments::new(&name, &parts).map_err(Error::file("cannot read", &name))?;
        let tar = TarFile::open(bytes)?;
        let record = tar.read(RECORD, LIMIT)?.ok_or_else(|| {
            let reason = format!(
                "it has no file {RECORD}. If it is an image of another program, import it with `hythe import {}`",
                name.display()
            );
            not_a_bundle(&name, &reason)
        })?;
        let record = Record::read(&record).map_err(|reason| not_a_bundle(&name, &reason))?;
        Ok(Self { archive: Arc::new(ArchiveSource::read(tar)?), record: Arc::new(record) })
    }

    /// What the bundle says about itself.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The repository of an image, as a source.
    pub fn repository(&self, name: &ImageName) -> Arc<dyn Source> {
        Arc::new(self.view(name))
    }

    fn view(&self, name: &ImageName) -> Bundled {
        let repository = format!("{}/{}", name.registry(), name.repository());
        Bundled { archive: Arc::clone(&self.archive), record: Arc::clone(&self.record), repository }
    }

    /// The blobs of an image, with those that the bundle leaves out because an earlier bundle has them.
    pub async fn blobs(&self, name: &ImageName, image: &BundledImage) -> Result<Vec<Descriptor>> {
        let source = self.view(name);
        let (mut level, mut found) = (vec![image.digest], HashMap::new());
        for _ in 0..LEVELS {
            let mut next = Vec::new();
            for digest in level {
                let manifest = match source.manifest(&Reference::Digest(digest)).await {
                    Ok(manifest) => manifest,
                    // A platform that the bundle does not have.
                    Err(error) if error.is_not_found() => continue,
                    Err(error) => return Err(error),
                };
                found.extend(manifest.blobs().map(|blob| (blob.digest, blob.clone())));
                next.extend(manifest.children.iter().map(|child| child.descriptor.digest));
                next.extend(source.referrers(&digest).await?);
            }
            level = next;
        }
        let mut found: Vec<Descriptor> = found.into_values().collect();
        found.sort_by_key(|blob| blob.digest);
        Ok(found)
    }
}

/// The record of a bundle: of its file, of the list of its chunks, or a file that was taken out of it. Blocking.
pub fn read_record(path: &Path) -> Result<Record> {
    if let Some((_, list)) = list_among(&[path.to_owned()])? {
        return Ok(list.bundle);
    }
    if is_json(path)? {
        let bytes = read_small(path)?;
        return Record::read(&bytes).map_err(|reason| not_a_bundle(path, &reason));
    }
    Bundle::open(&[path.to_owned()]).map(|bundle| bundle.record.as_ref().clone())
}

fn not_a_bundle(path: &Path, reason: &str) -> Error {
    Error::Invalid { path: path.to_owned(), expected: "a bundle", reason: reason.to_owned() }
}

fn read_small(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
    read.map_err(Error::file("cannot read", path))?;
    Ok(bytes)
}

fn is_json(path: &Path) -> Result<bool> {
    let mut first = [0];
    match std::fs::File::open(path).and_then(|mut file| file.read(&mut first)) {
        Ok(_) => Ok(first == *b"{"),
        Err(error) => Err(Error::file("cannot read", path)(error)),
    }
}

/// The list of chunks that the files mean, with the name of the whole bundle: one of them, or the one beside them.
fn list_among(files: &[PathBuf]) -> Result<Option<(PathBuf, ChunkList)>> {
    let mut candidates: Vec<PathBuf> = Vec::new();
    for file in files {
        if file.extension().is_some_and(|ending| ending == "json") {
            candidates.push(file.clone());
        } else if is_chunk(file) {
            candidates.push(list_of(&file.with_extension("")));
        } else if !file.exists() {
            candidates.push(list_of(file));
        }
    }
    for candidate in candidates.into_iter().filter(|candidate| candidate.exists()) {
        let bytes = read_small(&candidate)?;
        match serde_json::from_slice::<ChunkList>(&bytes) {
            Ok(list) => return Ok(Some((candidate.with_extension(""), list))),
            // It may be a record that was taken out of a bundle.
            Err(_) if Record::read(&bytes).is_ok() => {}
            Err(error) => {
                let reason = format!("it is not the list of a bundle's chunks: {error}");
                return Err(not_a_bundle(&candidate, &reason));
            }
        }
    }
    Ok(None)
}

/// Whether a file is named like a chunk.
fn is_chunk(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.to_str().is_some_and(is_number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The files of the chunks in their order. They may be anywhere among `files`, under any name, or beside the list.
fn find_chunks(path: &Path, list: &ChunkList, files: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut known: HashMap<Digest, PathBuf> = HashMap::new();
    let list_file = list_of(path);
    for file in files.iter().filter(|file| file.exists() && **file != list_file) {
        known.insert(hash(file)?, file.clone());
    }
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for Chunk { name, size, digest } in &list.chunks {
        if let Some(file) = known.get(digest) {
            found.push(file.clone());
            continue;
        }
        // A name from a list may not lead out of its folder.
        let plain = Path::new(name).file_name().unwrap_or_default();
        let beside = path.with_file_name(plain);
        let named =
            files.iter().find(|file| file.exists() && file.file_name() == Some(plain)).unwrap_or(&beside);
        if !named.exists() {
            wrong.push(format!("the chunk {name} is missing"));
        } else if hash(named)? == *digest {
            found.push(named.clone());
        } else {
            let there = std::fs::metadata(named).map_or(0, |metadata| metadata.len());
            let about = if there == *size {
                "its bytes changed".to_owned()
            } else {
                format!("{there} of {size} bytes")
            };
            wrong.push(format!("the chunk {name} is damaged ({about})"));
        }
    }
    if wrong.is_empty() {
        return Ok(found);
    }
    let reason =
        format!("{}. Copy what is wrong once more from the machine that made the bundle", wrong.join(", "));
    Err(Error::Invalid { path: path.to_owned(), expected: "a complete bundle", reason })
}

fn hash(path: &Path) -> Result<Digest> {
    let failed = || Error::file("cannot read", path);
    let mut file = std::fs::File::open(path).map_err(failed())?;
    let (mut hash, mut piece) = (HashState::new(Algorithm::Sha256), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hash.finish()),
            Ok(read) => hash.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed()(error)),
        }
    }
}

/// One repository of a bundle.
struct Bundled {
    archive: Arc<ArchiveSource>,
    record: Arc<Record>,
    /// Its name with its registry.
    repository: String,
}

impl Bundled {
    /// The entries of the repository: what follows its name, and the digest.
    fn entries(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.archive.index().named().filter_map(|(name, entry)| {
            let rest = name.strip_prefix(&self.repository)?;
            rest.starts_with([':', '@']).then_some((rest, entry.digest))
        })
    }
}

#[async_trait]
impl Source for Bundled {
    fn place(&self) -> &str {
        Source::place(&*self.archive)
    }

    async fn resolve(&self, reference: &Reference) -> Result<Digest> {
        let Reference::Tag(tag) = reference else { return self.archive.resolve(reference).await };
        let found = self.entries().find(|(rest, _)| rest.strip_prefix(':') == Some(tag.as_str()));
        found.map(|(_, digest)| digest).ok_or_else(|| Error::NotFound {
            place: self.place().to_owned(),
            what: format!("image `{}:{tag}`", self.repository),
        })
    }

    async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        let digest = self.resolve(reference).await?;
        self.archive.manifest(&Reference::Digest(digest)).await
    }

    async fn open(&self, blob: &Descriptor, from: u64) -> Result<Bytestream> {
        self.archive.open(blob, from).await
    }

    async fn has(&self, blob: &Descriptor) -> Result<bool> {
        // What an earlier bundle has is not absent: the registry has it.
        let is_presumed = || self.record.presumed.iter().any(|presumed| presumed.digest == blob.digest);
        Ok(self.archive.has(blob).await? || is_presumed())
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>> {
        let mut digests: Vec<Digest> = self.entries().map(|(_, digest)| digest).collect();
        digests.sort();
        digests.dedup();
        referrers_among(self, digests, subject).await
    }

    async fn tags(&self) -> Result<Vec<Tag>> {
        let tags = self.entries().filter_map(|(rest, _)| rest.strip_prefix(':')?.parse().ok());
        Ok(tags.collect())
    }
}
