//! One run of `hythe build`: decides about each image, and builds those that need it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use hythe_build::Inputs;
use hythe_oci::{Digest, ImageName, Reference, Tag};
use hythe_transfer::Manifest;

use super::builder::Builder;
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
use crate::failure::Failure;

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
    pub(super) memory: Memory,
    /// The builder, once an image needs it.
    pub(super) builder: OnceLock<Builder>,
    /// The digests of the project's images that were handled, under each of their names.
    pub(super) siblings: BTreeMap<ImageName, Digest>,
    /// The whole name of such an image, under each of its names.
    pub(super) full: BTreeMap<ImageName, ImageName>,
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
                unset: Vec::new(),
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
            let (key, digest) = (Some(key), Some(found.digest));
            let (moved, unset) = if self.args.check {
                (Vec::new(), self.unset_tags(image, &found).await?)
            } else {
                (self.set_tags(image, &repository, &found).await?, Vec::new())
            };
            let state = if unset.is_empty() { State::UpToDate } else { State::Unset };
            return Ok(Outcome { state, key, digest, moved, unset, reasons, warnings });
        }
        if self.args.check {
            let (state, key, moved, unset) = (State::Needed, Some(key), Vec::new(), Vec::new());
            return Ok(Outcome { state, key, digest: None, moved, unset, reasons, warnings });
        }
        let builder = self.builder()?.description();
        self.printer.note(format_args!(
            "{}: building with {builder}, because {}",
            image.name,
            sentence(&reasons)
        ));
        let mut built = Box::pin(self.build(image, keyed, &repository)).await?;
        built.reasons = reasons;
        built.warnings.splice(0..0, warnings);
        Ok(built)
    }

    pub(super) async fn keyed(
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
    pub(super) fn builder(&self) -> Result<&Builder, Failure> {
        if let Some(builder) = self.builder.get() {
            return Ok(builder);
        }
        let found = Builder::find(self.args)?;
        Ok(self.builder.get_or_init(|| found))
    }

    /// Keeps the inputs for the next run.
    pub(super) fn remember(&self, image: &Image, key: &Tag, keyed: &Keyed, manifest: &Manifest) {
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
