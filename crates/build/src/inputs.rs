//! The inputs of a build.

mod files;
mod source;

use std::collections::BTreeMap;

use hythe_oci::{Digest, ImageName, Platform};

use crate::base::Base;
use crate::error::Error;
use crate::evaluate::{Failure, evaluate, syntax};
use crate::key::Key;
use crate::program::Program;
use crate::recipe::Recipe;
use crate::record::{FORMAT, Record};
use crate::stat_cache::StatCache;
use crate::unknown::Unknown;

/// The inputs of a build that are known without asking a registry.
#[derive(Clone, Debug)]
pub struct Inputs {
    record: Record,
    bases: Vec<Base>,
    unknown: Vec<Unknown>,
}

/// The inputs of a build, with the digests of its bases.
#[derive(Clone, Debug)]
pub struct KeyedInputs {
    record: Record,
    key: Key,
}

/// Reads the Dockerfile and hashes the files that the needed stages copy. This blocks: async code calls it on a thread for that.
pub fn read(recipe: &Recipe, cache: Option<&mut StatCache>) -> Result<Inputs, Error> {
    let source = source::read(&recipe.dockerfile)?;
    let fault = |fault| source.fault(fault);
    let dockerfile = crate::dockerfile::parse(&source.text).map_err(fault)?;
    let program = Program::new(dockerfile).map_err(fault)?;
    let platforms = platforms(recipe);
    let reads = evaluate(&program, recipe, &platforms).map_err(|failure| match failure {
        Failure::Fault(fault) => source.fault(fault),
        Failure::Target(target) => Error::Target { file: source.name.clone(), target },
    })?;
    let contexts = files::read(recipe, &source, &reads.wants, cache)?;
    let syntax = syntax(&program, recipe).and_then(|(_, image)| image.parse::<ImageName>().ok());
    let labels = recipe.labels.iter().map(|(name, value)| (name.clone(), source::hash(value.as_bytes())));
    let record = Record {
        format: FORMAT,
        target: recipe.target.clone(),
        dockerfile: source.hash,
        escape: Some(program.escape).filter(|escape| *escape != '\\'),
        syntax: syntax.map(|image| image.normalised().to_string()),
        labels: labels.collect(),
        platforms: reads.platforms,
        contexts,
        bases: BTreeMap::new(),
    };
    Ok(Inputs { record, bases: reads.bases, unknown: reads.unknown })
}

/// The platforms of a recipe, sorted by name, each once.
fn platforms(recipe: &Recipe) -> Vec<Platform> {
    let mut platforms = recipe.platforms.clone();
    if platforms.is_empty() {
        platforms.push(Platform::of_host());
    }
    platforms.sort_by_key(Platform::to_string);
    platforms.dedup();
    platforms
}

impl Inputs {
    /// The images that the build reads, each once.
    pub fn bases(&self) -> &[Base] {
        &self.bases
    }

    /// The inputs that only the builder will know. With one of them, an equal key does not mean equal inputs.
    pub fn unknown(&self) -> &[Unknown] {
        &self.unknown
    }

    /// The inputs with the digest of each base, by [`Base::image`]. A digest is that of what the name means in its registry: the
    /// index, where the image has one. A base whose name has a digest needs no entry.
    pub fn with_bases(self, digests: &BTreeMap<ImageName, Digest>) -> Result<KeyedInputs, Error> {
        let mut record = self.record;
        for Base { image, .. } in self.bases {
            let digest = image.digest().or_else(|| digests.get(&image)).copied();
            let Some(digest) = digest else { return Err(Error::Base { image }) };
            record.bases.insert(image.to_string(), digest);
        }
        let key = record.key();
        Ok(KeyedInputs { record, key })
    }
}

impl KeyedInputs {
    /// The key of the inputs.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The hash of each input under its name, to be kept on the machine.
    pub fn record(&self) -> &Record {
        &self.record
    }
}
