//! One run of `hythe build`: decides about each image, and builds those that need it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use hythe_build::Inputs;
use hythe_oci::{Digest, ImageName, Reference, Tag};
use hythe_transfer::{Manifest, Plan, Source, Watch};

use super::builder::{Builder, Job};
use super::facts::facts;
use super::image::Image;
use super::keyed::{Keyed, Sources, read};
use super::memory::{Memory, Remembered};
use super::outcome::{Outcome, State};
use super::reason::{Reason, sentence};
use super::repository::Repository;
use crate::args::{BuildArgs, ConnectionArgs};
use crate::commands::registries::Registries;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::{BuildError, Failure};

/// Builds of one image whose inputs change meanwhile.
const ATTEMPTS: usize = 3;

/// How often the inputs are read with what the configurations of bases say.
const MAX_READS: usize = 3;

/// One run of `hythe build`.
pub(super) struct Session<'a> {
    pub(super) args: &'a BuildArgs,
    pub(super) environment: &'a Environment,
    #[cfg_attr(not(feature = "cluster"), allow(dead_code, reason = "only hythe's own push connects again"))]
    pub(super) connection: &'a ConnectionArgs,
    pub(super) registries: &'a Registries<'a>,
    pub(super) printer: Printer,
    memory: Memory,
    /// The builder, once an image needs it.
    builder: OnceLock<Builder>,
    /// The digests of the project's images that were handled, under each of their names.
    siblings: BTreeMap<ImageName, Digest>,
    /// The whole name of such an image, under each of its names.
    full: BTreeMap<ImageName, ImageName>,
    /// The project's images that need a build, under each of their names.
    needed: BTreeMap<ImageName, String>,
}

/// What the registry and the last build say about an image.
struct Verdict {
    /// The image in the registry, if it can be used.
    found: Option<Manifest>,
    reasons: Vec<Reason>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        args: &'a BuildArgs,
        environment: &'a Environment,
        connection: &'a ConnectionArgs,
        registries: &'a Registries<'a>,
        printer: Printer,
    ) -> Self {
        Self {
            args,
            connection,
            environment,
            registries,
            printer,
            memory: Memory::of(environment),
            builder: OnceLock::new(),
            siblings: BTreeMap::new(),
            full: BTreeMap::new(),
            needed: BTreeMap::new(),
        }
    }

    /// Decides about an image, and builds it if it needs a build and the user wants more than the answer.
    pub(super) async fn run(&mut self, image: &Image, inputs: Inputs) -> Result<Outcome, Failure> {
        let outcome = self.outcome(image, inputs).await?;
        for name in image.names() {
            match outcome.digest.filter(|_| outcome.state != State::Needed) {
                Some(digest) => {
                    self.siblings.insert(name.clone(), digest);
                    self.full.insert(name, image.main().clone());
                }
                None => {
                    self.needed.insert(name, image.name.clone());
                }
            }
        }
        Ok(outcome)
    }

    async fn outcome(&self, image: &Image, inputs: Inputs) -> Result<Outcome, Failure> {
        let base = inputs.bases().iter().find_map(|base| self.needed.get(&base.image));
        if let Some(name) = base {
            let reasons = vec![Reason::Base { name: name.clone() }];
            return Ok(Outcome {
                state: State::Needed,
                key: None,
                digest: None,
                moved: Vec::new(),
                reasons,
                warnings: Vec::new(),
            });
        }
        let remembered = self.memory.get(image);
        let keyed = self.keyed(image, inputs, remembered.as_ref()).await?;
        let repository = Repository::of(image.main(), self.registries)?;
        let key = keyed.inputs.key().tag();
        let verdict = self.verdict(&repository, &key, &keyed, remembered.as_ref()).await?;
        let warnings = keyed.warnings.clone();
        let Verdict { found, reasons } = verdict;
        if let Some(found) = found {
            self.remember(image, &key, &keyed, &found);
            let moved =
                if self.args.check { Vec::new() } else { self.set_tags(image, &repository, &found).await? };
            let digest = Some(found.digest);
            return Ok(Outcome { state: State::UpToDate, key: Some(key), digest, moved, reasons, warnings });
        }
        if self.args.check {
            let state = State::Needed;
            return Ok(Outcome { state, key: Some(key), digest: None, moved: Vec::new(), reasons, warnings });
        }
        self.printer.note(format_args!("{}: building, because {}", image.name, sentence(&reasons)));
        let mut built = Box::pin(self.build(image, keyed, &repository)).await?;
        built.reasons = reasons;
        built.warnings.splice(0..0, warnings);
        Ok(built)
    }

    async fn keyed(
        &self,
        image: &Image,
        inputs: Inputs,
        remembered: Option<&Remembered>,
    ) -> Result<Keyed, Failure> {
        let engine = |name: &ImageName| self.builder().ok()?.image_id(name);
        let sources = Sources {
            registries: self.registries,
            siblings: &self.siblings,
            full: &self.full,
            remembered,
            engine: &engine,
        };
        let mut image = image.clone();
        let mut keyed = Keyed::of(&image, inputs, &sources).await?;
        // The configuration of a base can name more files, and these can lead to more bases.
        for _ in 0..MAX_READS {
            let facts = facts(&image, &keyed.stages, self.registries, self.environment).await;
            let facts = match facts {
                Ok(facts) => facts,
                Err(error) if keyed.is_fresh => return Err(error),
                // Offline: without the configuration the key is another one, so that the image is built.
                Err(_) => return Ok(keyed),
            };
            if facts == image.recipe.images {
                break;
            }
            image.recipe.images = facts;
            keyed = Keyed::of(&image, read(&image, self.environment).await?, &sources).await?;
        }
        Ok(keyed)
    }

    /// Asks the registry for an image of these inputs, and finds out why it has none.
    async fn verdict(
        &self,
        repository: &Repository,
        key: &Tag,
        keyed: &Keyed,
        remembered: Option<&Remembered>,
    ) -> Result<Verdict, Failure> {
        let needed = |reasons| Ok(Verdict { found: None, reasons });
        if self.args.rebuild {
            return needed(vec![Reason::Forced]);
        }
        if !keyed.unknown.is_empty() && !self.args.trust_remote {
            return needed(keyed.unknown.iter().cloned().map(Reason::Unknown).collect());
        }
        let place = repository.place().to_owned();
        if let Some(found) = repository.find(&Reference::Tag(key.clone())).await? {
            return match repository.lacks(&found).await? {
                None => Ok(Verdict { found: Some(found), reasons: Vec::new() }),
                Some(lacks) => needed(vec![Reason::Damaged { place, lacks }]),
            };
        }
        let Some(last) = remembered else { return needed(vec![Reason::First { place }]) };
        let changes = last.record.changes(keyed.inputs.record());
        if changes.is_empty() {
            return needed(vec![Reason::Gone { place }]);
        }
        needed(changes.into_iter().map(Reason::Changed).collect())
    }

    /// The builder. It is looked for when the first image needs it.
    fn builder(&self) -> Result<&Builder, Failure> {
        if let Some(builder) = self.builder.get() {
            return Ok(builder);
        }
        let found = Builder::find(self.args.builder)?;
        Ok(self.builder.get_or_init(|| found))
    }

    /// Builds an image and pushes it.
    async fn build(&self, image: &Image, keyed: Keyed, repository: &Repository) -> Result<Outcome, Failure> {
        let builder = self.builder()?;
        let began = Instant::now();
        let mut keyed = keyed;
        for _ in 0..ATTEMPTS {
            let key = keyed.inputs.key().tag();
            let job = self.job(image, &key, &keyed)?;
            let pushed = builder.build(&job)?;
            // The builder read the inputs after hythe did. An image of other inputs must not get the key's tag.
            let now = self
                .keyed(image, read(image, self.environment).await?, self.memory.get(image).as_ref())
                .await?;
            if now.inputs.key() != keyed.inputs.key() {
                builder.untag(&job);
                self.printer
                    .note(format_args!("{}: an input changed during the build: building again", image.name));
                keyed = now;
                continue;
            }
            let (manifest, state) = match self.others(repository, &key, &keyed).await? {
                Some(other) => (other, State::Adopted),
                None => (self.push(builder, &job, repository, pushed).await?, State::Built(began.elapsed())),
            };
            builder.untag(&job);
            self.remember(image, &key, &keyed, &manifest);
            let moved = self.set_tags(image, repository, &manifest).await?;
            let digest = Some(manifest.digest);
            return Ok(Outcome {
                state,
                key: Some(key),
                digest,
                moved,
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
        let is_pushed = builder.is_in_classic_store() && self.push_layers(job).await;
        #[cfg(not(feature = "cluster"))]
        let is_pushed = false;
        if !is_pushed {
            builder.push(job)?;
        }
        Ok(repository.find(&Reference::Tag(key)).await?.ok_or_else(gone)?)
    }

    /// Pushes the layers that the registry lacks from Docker's store, without compressing them, as `hythe push` does. Returns whether
    /// it did: otherwise the builder pushes.
    #[cfg(feature = "cluster")]
    async fn push_layers(&self, job: &Job<'_>) -> bool {
        let pushed =
            crate::commands::push::push_built(&job.key, self.connection, self.environment, self.printer)
                .await;
        pushed.is_ok()
    }

    /// Sets every name of the image to the manifest. Returns the names that named something else before.
    async fn set_tags(
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
        let plan = Plan { platforms: Vec::new(), referrers: false, jobs: 4, dry_run: false };
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

    /// Keeps the inputs for the next run.
    fn remember(&self, image: &Image, key: &Tag, keyed: &Keyed, manifest: &Manifest) {
        let remembered = || Remembered {
            image: image.main().to_string(),
            digest: manifest.digest,
            bases: keyed.bases.iter().map(|(name, digest)| (name.to_string(), *digest)).collect(),
            record: keyed.inputs.record().clone(),
        };
        if let Err(error) = self.memory.put(image, key, remembered) {
            self.printer.note(format_args!(
                "warning: cannot record the inputs of {}, so the next run cannot say what changed: {error}",
                image.name
            ));
        }
    }
}

/// A copy whose progress nobody watches.
struct Unwatched;

impl Watch for Unwatched {
    fn expect(&self, _: u64) {}

    fn moved(&self, _: u64) {}

    fn blob_ended(&self) {}
}
