//! Writes a bundle: an OCI layout in a tar archive, always in the same order, in one file or in chunks.
//!
//! ```text
//! oci-layout
//! hythe-bundle.json           the record
//! index.json                  each image under its full name
//! blobs/<algorithm>/<hex>     manifests, then blobs
//! ```

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::RECORD;
use super::gather::{Content, Gathering};
use super::record::Record;
use super::volume::Volume;
use super::written::WrittenBundle;
use crate::archive::{blob_name, padding, tar_header};
use crate::copy::Watch;
use crate::error::{Error, Result};
use crate::index_file::IndexFile;
use crate::layout::{VERSION, read_all};
use crate::store::Moved;

/// How a bundle is written.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// The size of each chunk in bytes; `None` for one file.
    pub chunk_size: Option<u64>,
    /// The bundle whose blobs are left out.
    pub since: Option<Record>,
    /// Names of images that could not be found.
    pub missing: Vec<String>,
}

/// Writes a bundle of everything that was gathered. It gets its name when it is complete and durable.
pub async fn write_bundle(
    path: &Path,
    gathering: Gathering,
    form: Form,
    watch: &Arc<dyn Watch>,
) -> Result<WrittenBundle> {
    let content = gathering.into_content(form.since.as_ref(), form.missing);
    let failed = || Error::file("cannot write", path);
    let mut volume = Volume::create(path, form.chunk_size)?;
    let mut entry = |name: &str, bytes: &[u8]| -> io::Result<()> {
        volume.write_all(&tar_header(name, bytes.len() as u64)?)?;
        volume.write_all(bytes)?;
        volume.write_all(padding(bytes.len() as u64))
    };
    entry("oci-layout", VERSION.as_bytes()).map_err(failed())?;
    entry(RECORD, &content.record.write()).map_err(failed())?;
    entry("index.json", &index(&content).write()).map_err(failed())?;
    for (digest, manifest) in &content.manifests {
        entry(&blob_name(digest), &manifest.bytes).map_err(failed())?;
    }
    watch.expect(content.blobs.len() as u64);
    let moved: Moved = {
        let watch = Arc::clone(watch);
        Arc::new(move |bytes| watch.moved(bytes))
    };
    for (digest, blob) in content.blobs {
        let size = blob.descriptor.size;
        tar_header(&blob_name(&digest), size)
            .and_then(|header| volume.write_all(&header))
            .map_err(failed())?;
        let write = |piece: &[u8]| volume.write_all(piece).map_err(failed());
        read_all(blob.source, &blob.descriptor, Arc::clone(&moved), write).await?;
        volume.write_all(padding(size)).map_err(failed())?;
        watch.blob_ended();
    }
    // Two empty blocks end an archive.
    volume.write_all(&[0; 1024]).map_err(failed())?;
    volume.finish(content.record)
}

fn index(content: &Content) -> IndexFile {
    let mut index = IndexFile::default();
    for (name, digest) in &content.entries {
        if let Some(manifest) = content.manifests.get(digest) {
            index.add_named(manifest.descriptor(), name);
        }
    }
    index
}
