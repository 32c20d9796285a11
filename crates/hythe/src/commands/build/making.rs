//! Builds an image, pushes it, and sets its tags.

use std::time::Instant;

use hythe_oci::{Digest, ImageName, Platform, Reference, Tag};
use hythe_transfer::Manifest;

use super::builder::{Builder, Job};
use super::image::Image;
use super::keyed::{Keyed, read};
use super::outcome::{Outcome, State};
use super::repository::Repository;
use super::session::Session;
use crate::failure::{BuildError, Failure};

/// Builds of one image whose inputs change meanwhile.
const ATTEMPTS: usize = 3;

impl Session<'_> {
    /// Builds an image and pushes it.
    pub(super) async fn build(
        &self,
        image: &Image,
        keyed: Keyed,
        repository: &Repository,
    ) -> Result<Outcome, Failure> {
        let builder = self.builder()?;
        let began = Instant::now();
        let mut keyed = keyed;
        for _ in 0..ATTEMPTS {
            let key = keyed.inputs.key().tag();
            let job = self.job(image, &key, &keyed)?;
            let _key = KeyTag { builder, job: &job };
            let pushed = builder.build(&job).await?;
            // The builder read the inputs after hythe did. An image of other inputs must not get the key's tag.
            let now = self
                .keyed(image, read(image, self.environment).await?, self.memory.get(image).as_ref())
                .await?;
            if now.inputs.key() != keyed.inputs.key() {
                self.printer
                    .note(format_args!("{}: an input changed during the build: building again", image.name));
                keyed = now;
                continue;
            }
            let (manifest, state) = match self.others(repository, &key, &keyed).await? {
                Some(other) => (other, State::Adopted),
                None => (self.push(builder, &job, repository, pushed).await?, State::Built(began.elapsed())),
            };
            self.remember(image, &key, &keyed, &manifest);
            let moved = self.set_tags(image, repository, &manifest).await?;
            let digest = Some(manifest.digest);
            return Ok(Outcome {
                state,
                key: Some(key),
                digest,
                moved,
                unset: Vec::new(),
                reasons: Vec::new(),
                warnings: Vec::new(),
            });
        }
        Err(BuildError::Unsettled { image: image.name.clone(), attempts: ATTEMPTS }.into())
    }

    fn job<'i>(&self, image: &'i Image, key: &Tag, keyed: &Keyed) -> Result<Job<'i>, Failure> {
        let main = image.main();
        let name: Result<ImageName, _> = format!("{}/{}:{key}", main.registry(), main.repository()).parse();
        let aliases = keyed.bases.keys().filter_map(|name| {
            let full = self.full.get(name)?;
            (full.registry() != name.registry()).then(|| (name.clone(), full.clone()))
        });
        Ok(Job {
            image,
            key: name.map_err(|error| Failure::Usage(error.to_string()))?,
            base: keyed.base.clone(),
            pull: keyed.is_fresh && !keyed.bases.is_empty(),
            aliases: aliases.collect(),
            plain_http: self.registries.is_plain(main.registry()),
        })
    }

    /// The image of the same inputs that another builder pushed meanwhile.
    async fn others(
        &self,
        repository: &Repository,
        key: &Tag,
        keyed: &Keyed,
    ) -> Result<Option<Manifest>, Failure> {
        let is_certain = keyed.unknown.is_empty() || self.args.trust_remote;
        if self.args.rebuild || !is_certain {
            return Ok(None);
        }
        match repository.find(&Reference::Tag(key.clone())).await? {
            Some(other) if repository.lacks(&other).await?.is_none() => Ok(Some(other)),
            _ => Ok(None),
        }
    }

    /// Pushes the built image under the tag of its key.
    async fn push(
        &self,
        builder: &Builder,
        job: &Job<'_>,
        repository: &Repository,
        pushed: Option<Digest>,
    ) -> Result<Manifest, Failure> {
        let gone = || BuildError::Program {
            image: job.image.name.clone(),
            command: builder.title().to_owned(),
            reason: format!("the registry does not have {} after the push", job.key),
        };
        let key = job.key.tag().cloned().unwrap_or_else(Tag::latest);
        if let Some(digest) = pushed {
            let manifest = repository.find(&Reference::Digest(digest)).await?.ok_or_else(gone)?;
            repository.set(&key, &manifest).await?;
            return Ok(manifest);
        }
        #[cfg(feature = "cluster")]
        let is_pushed = builder.is_in_an_engine() && self.push_layers(builder, job).await;
        #[cfg(not(feature = "cluster"))]
        let is_pushed = false;
        if !is_pushed {
            builder.push(job).await?;
        }
        let manifest = repository.find(&Reference::Tag(key.clone())).await?.ok_or_else(gone)?;
        let Some(missing) = missing_platform(job.image, repository, &manifest).await? else {
            return Ok(manifest);
        };
        // No run must find the incomplete image. The error says more than a registry that does not delete tags.
        let _ = repository.remove(&key).await;
        let reason = format!("it built no image for {missing}");
        let command = builder.title().to_owned();
        Err(BuildError::Program { image: job.image.name.clone(), command, reason }.into())
    }

    /// Pushes what the registry lacks from the engine's store, as `hythe push` does. Returns whether it did: otherwise the builder
    /// pushes.
    #[cfg(feature = "cluster")]
    async fn push_layers(&self, builder: &Builder, job: &Job<'_>) -> bool {
        let engine = builder.engine();
        let pushed = crate::commands::push::push_built(
            &job.key,
            engine,
            self.connection,
            self.environment,
            self.printer,
        )
        .await;
        pushed.is_ok()
    }
}

/// The tag of the key in the engine. It is removed on every way out: it is for registries.
struct KeyTag<'a> {
    builder: &'a Builder,
    job: &'a Job<'a>,
}

impl Drop for KeyTag<'_> {
    fn drop(&mut self) {
        self.builder.untag(self.job);
    }
}

/// A platform that was asked for, of several, and that the index does not list.
async fn missing_platform(
    image: &Image,
    repository: &Repository,
    manifest: &Manifest,
) -> Result<Option<String>, Failure> {
    let built: Vec<Platform> = if manifest.is_index() {
        manifest.children.iter().filter_map(|child| child.platform.clone()).collect()
    } else {
        repository.platform(manifest).await?.into_iter().collect()
    };
    let has = |wanted: &Platform| built.iter().any(|built| hythe_transfer::is_for(wanted, built));
    // An image whose configuration names no platform may be for any.
    let is_silent = built.is_empty() && !manifest.is_index();
    let missing = image.recipe.platforms.iter().find(|wanted| !is_silent && !has(wanted));
    Ok(missing.map(ToString::to_string))
}
