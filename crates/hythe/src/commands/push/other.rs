//! Pushes what is in no engine: OCI layouts, archives, and the archive on stdin.

use std::io;
use std::sync::Arc;

use hythe_oci::{ImageName, Reference, Tag};
use hythe_transfer::{ArchiveSource, Layout, Source};

use super::pusher::{Pushed, Pusher};
use crate::commands::copy::only_tag;
use crate::failure::{Failure, FileError};
use crate::values::ImagePlace;

impl Pusher<'_> {
    /// Pushes an image of a layout or an archive.
    pub(super) async fn push_place(&self, place: &ImagePlace, to: &ImageName) -> Result<Pushed, Failure> {
        let source: Arc<dyn Source> = match place {
            ImagePlace::Layout { folder, .. } => Arc::new(Layout::open(folder)?),
            ImagePlace::Archive { file, .. } => Arc::new(ArchiveSource::open(file)?),
            ImagePlace::Registry(image) | ImagePlace::Engine { name: image, .. } => {
                return Err(Failure::Usage(format!(
                    "`{image}` is in a registry: copy it with `hythe copy {image} {to}`"
                )));
            }
        };
        let reason = match place {
            ImagePlace::Layout { .. } => "from an OCI layout",
            _ => "from an archive",
        };
        self.push_source(place, source, to, reason).await
    }

    /// Pushes the archive on stdin. It is kept in a temporary file, because its list may be its last entry.
    pub(super) async fn push_stdin(&self, to: &ImageName) -> Result<Pushed, Failure> {
        let spooled = tokio::task::spawn_blocking(|| {
            let mut file = tempfile::NamedTempFile::new()?;
            io::copy(&mut io::stdin().lock(), &mut file)?;
            io::Result::Ok(file)
        });
        let spooled = spooled.await.map_err(Failure::internal("reading stdin"))?;
        let file = spooled.map_err(FileError::Stdin)?;
        let source = Arc::new(ArchiveSource::open(file.path())?);
        let place = ImagePlace::Archive { file: file.path().to_owned(), tag: None };
        self.push_source(&place, source, to, "from the archive on stdin").await
    }

    async fn push_source(
        &self,
        place: &ImagePlace,
        source: Arc<dyn Source>,
        to: &ImageName,
        reason: &str,
    ) -> Result<Pushed, Failure> {
        let tag = match place {
            ImagePlace::Layout { tag: Some(tag), .. } | ImagePlace::Archive { tag: Some(tag), .. } => {
                tag.clone()
            }
            place => only_tag(place, &*source).await?,
        };
        self.copy_from(&source, &Reference::Tag(tag), to, ("copy", reason.to_owned())).await
    }

    /// Copies an image from a place that has its manifest.
    pub(super) async fn copy_from(
        &self,
        source: &Arc<dyn Source>,
        reference: &Reference,
        to: &ImageName,
        way: (&'static str, String),
    ) -> Result<Pushed, Failure> {
        let target = self.registries.remote(to)?;
        let tags = [to.tag().cloned().unwrap_or_else(Tag::latest)];
        let copied = hythe_transfer::copy(source, reference, &target, &tags, &self.plan, &self.watch).await?;
        let (digest, existing) = (copied.digest, copied.existing);
        Ok(Pushed { reference: to.clone(), digest, way, existing, copied: Some(copied) })
    }
}
