//! An image of an engine's store as a source of a copy: its manifest, and the layers that the registry lacks.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use hythe_oci::media_type::{OCI_CONFIG, OCI_MANIFEST};
use hythe_oci::{Algorithm, Descriptor, Digest, Reference, Tag};
use hythe_transfer::{Bytestream, Error, Manifest, Result, Source};
use serde_json::json;
use tokio::io::{AsyncRead, ReadBuf};

use crate::compress::{Compressed, Compression, spool};
use crate::disk::Disk;
use crate::image::{LookedUp, descriptor};
use crate::pipe;
use crate::store::{Ask, Layer};

/// Bytes of a compressed layer that are read at once.
const PIECE: usize = 128 << 10;

/// An image whose manifest is made: it can be copied.
#[derive(Debug)]
pub struct ReadyImage {
    disk: Disk,
    place: String,
    config: Bytes,
    manifest: Manifest,
    /// The layers to send, by the digests of their blobs.
    bodies: HashMap<Digest, Body>,
    /// Whether a layer had another digest than it should.
    damaged: Arc<AtomicBool>,
}

/// Where the bytes of a layer are.
#[derive(Debug)]
enum Body {
    /// In the engine's store.
    Store(Layer),
    /// In a temporary file.
    Compressed(Arc<File>),
}

impl LookedUp {
    /// Makes the manifest. Layers that the registry lacks get this compression; others stay as the registry has them.
    pub async fn ready(self, compression: Compression) -> Result<ReadyImage> {
        let Self { image, layers } = self;
        let (mut blobs, mut bodies, damaged) = (Vec::new(), HashMap::new(), Arc::new(AtomicBool::new(false)));
        let mut compressed: HashMap<Digest, Descriptor> = HashMap::new();
        for layer in layers {
            let (layer, found) = (layer.layer, layer.found);
            if let Some(found) = found {
                blobs.push(found.blob);
                continue;
            }
            let diff_id = *layer.diff_id();
            if compression == Compression::None {
                blobs.push(descriptor(compression.media_type(), diff_id, image.size(&layer).await?));
                bodies.insert(diff_id, Body::Store(layer));
            } else if let Some(blob) = compressed.get(&diff_id) {
                // An image may have a layer twice.
                blobs.push(blob.clone());
            } else {
                let failed = |source| Error::Read { place: image.place.clone(), digest: diff_id, source };
                let bytes = noticing(&image.disk, &layer, 0, &damaged);
                let Compressed { file, digest, size } =
                    spool(Box::pin(bytes), compression).await.map_err(failed)?;
                let blob = descriptor(compression.media_type(), digest, size);
                bodies.insert(digest, Body::Compressed(Arc::new(file)));
                compressed.insert(diff_id, blob.clone());
                blobs.push(blob);
            }
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, image.id, image.config.len() as u64),
            "layers": blobs,
        });
        let bytes = Bytes::from(manifest.to_string());
        let manifest = Manifest::read(Some(OCI_MANIFEST), bytes, Algorithm::Sha256)
            .map_err(|(digest, error)| Error::Manifest { place: image.place.clone(), digest, error })?;
        Ok(ReadyImage {
            disk: image.disk,
            place: image.place,
            config: image.config,
            manifest,
            bodies,
            damaged,
        })
    }
}

impl ReadyImage {
    /// The digest of the image's manifest.
    pub fn digest(&self) -> Digest {
        self.manifest.digest
    }

    /// Whether the store gave a layer with another digest than it should: the copy's error is about the engine.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Source for ReadyImage {
    fn place(&self) -> &str {
        &self.place
    }

    async fn resolve(&self, _reference: &Reference) -> Result<Digest> {
        Ok(self.manifest.digest)
    }

    async fn manifest(&self, _reference: &Reference) -> Result<Manifest> {
        Ok(self.manifest.clone())
    }

    async fn has(&self, blob: &Descriptor) -> Result<bool> {
        let is_config = self.manifest.config.as_ref().is_some_and(|config| config.digest == blob.digest);
        Ok(is_config || self.bodies.contains_key(&blob.digest))
    }

    async fn open(&self, blob: &Descriptor, from: u64) -> Result<Bytestream> {
        if self.manifest.config.as_ref().is_some_and(|config| config.digest == blob.digest) {
            let mut config = Cursor::new(self.config.clone());
            config.set_position(from);
            return Ok(Box::pin(config));
        }
        let lacks = || Error::NotFound { place: self.place.clone(), what: format!("blob `{}`", blob.digest) };
        let body = self.bodies.get(&blob.digest).ok_or_else(lacks)?;
        if self.is_damaged() {
            // Reading it again would give the same bytes.
            return Err(lacks());
        }
        match body {
            Body::Store(layer) => Ok(Box::pin(noticing(&self.disk, layer, from, &self.damaged))),
            Body::Compressed(file) => {
                let (file, mut at) = (Arc::clone(file), from);
                Ok(Box::pin(pipe::from_thread(move |out| {
                    let mut piece = vec![0; PIECE];
                    loop {
                        let read = read_at(&file, &mut piece, at)?;
                        if read == 0 {
                            return Ok(());
                        }
                        out.write_all(&piece[..read])?;
                        at += read as u64;
                    }
                })))
            }
        }
    }

    async fn referrers(&self, _subject: &Digest) -> Result<Vec<Digest>> {
        Ok(Vec::new())
    }

    async fn tags(&self) -> Result<Vec<Tag>> {
        Ok(Vec::new())
    }
}

/// Reads at an offset, without moving the file's own.
#[cfg(unix)]
fn read_at(file: &File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, piece, at)
}

/// Reads at an offset; each read says where.
#[cfg(windows)]
fn read_at(file: &File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, piece, at)
}

/// The bytes of a layer. `damaged` is set if they are wrong.
fn noticing(disk: &Disk, layer: &Layer, from: u64, damaged: &Arc<AtomicBool>) -> Noticing {
    Noticing { stream: disk.ask(Ask::Bytes(layer.clone(), from)), damaged: Arc::clone(damaged) }
}

/// Notices that a layer has wrong content.
struct Noticing {
    stream: Bytestream,
    damaged: Arc<AtomicBool>,
}

impl AsyncRead for Noticing {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = this.stream.as_mut().poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &polled
            && error.kind() == io::ErrorKind::InvalidData
        {
            this.damaged.store(true, Ordering::Relaxed);
        }
        polled
    }
}
