//! The tags of an image in registries: which ones do not name it, and how they are set.

use std::sync::Arc;

use hythe_oci::{ImageName, Reference, Tag};
use hythe_transfer::{Manifest, Plan, Source, Watch};

use super::image::Image;
use super::repository::Repository;
use super::session::Session;
use super::unset_tag::UnsetTag;
use crate::failure::Failure;

impl Session<'_> {
    /// The names of the image that do not name the manifest.
    pub(super) async fn unset_tags(
        &self,
        image: &Image,
        manifest: &Manifest,
    ) -> Result<Vec<UnsetTag>, Failure> {
        let mut unset = Vec::new();
        for reference in image.references.iter().map(|reference| &reference.full) {
            let tag = reference.tag().cloned().unwrap_or_else(Tag::latest);
            let names = Repository::of(reference, self.registries)?.digest(&tag).await?;
            if names != Some(manifest.digest) {
                unset.push(UnsetTag { reference: reference.clone(), names });
            }
        }
        Ok(unset)
    }

    /// Sets every name of the image to the manifest. Returns the names that named something else before.
    pub(super) async fn set_tags(
        &self,
        image: &Image,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<Vec<String>, Failure> {
        let main = image.main();
        let mut moved = Vec::new();
        for reference in image.references.iter().map(|reference| &reference.full) {
            let tag = reference.tag().cloned().unwrap_or_else(Tag::latest);
            let is_here =
                reference.registry() == main.registry() && reference.repository() == main.repository();
            let has_moved = if is_here {
                repository.set(&tag, manifest).await?
            } else {
                self.copy(main, reference, &tag, manifest).await?
            };
            if has_moved {
                moved.push(reference.to_string());
            }
        }
        Ok(moved)
    }

    /// Copies the image to another repository. Returns whether the tag named something else there.
    async fn copy(
        &self,
        from: &ImageName,
        to: &ImageName,
        tag: &Tag,
        manifest: &Manifest,
    ) -> Result<bool, Failure> {
        let target = Repository::of(to, self.registries)?;
        let there = target.find(&Reference::Tag(tag.clone())).await?;
        if there.is_some_and(|there| there.digest == manifest.digest) {
            return Ok(false);
        }
        let source: Arc<dyn Source> = Arc::new(Repository::of(from, self.registries)?.into_remote());
        let plan = Plan { check_blobs: true, ..Plan::default() };
        let watch: Arc<dyn Watch> = Arc::new(Unwatched);
        let reference = Reference::Digest(manifest.digest);
        hythe_transfer::copy(
            &source,
            &reference,
            &target.into_remote(),
            std::slice::from_ref(tag),
            &plan,
            &watch,
        )
        .await?;
        Ok(true)
    }
}

/// A copy whose progress nobody watches.
struct Unwatched;

impl Watch for Unwatched {
    fn expect(&self, _: u64) {}

    fn moved(&self, _: u64) {}

    fn blob_ended(&self) {}
}
