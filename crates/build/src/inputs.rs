//! The inputs of a build.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hythe_oci::{Algorithm, Digest, ImageName};

use crate::base::{Base, Use};
use crate::error::Error;
use crate::key::Key;
use crate::recipe::{DockerfileSource, Recipe};
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
}

/// Reads the Dockerfile and hashes the files that the needed stages copy. This blocks: async code calls it on a thread for that.
pub fn read(recipe: &Recipe, _cache: Option<&mut StatCache>) -> Result<Inputs, Error> {
    let text = match &recipe.dockerfile {
        DockerfileSource::Inline(text) => text.clone(),
        DockerfileSource::Path(path) => {
            fs::read_to_string(path).map_err(|source| cannot_read(path, source))?
        }
    };
    let mut bases: Vec<Base> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("from"))
            && let Some(image) = words.find(|word| !word.starts_with("--"))
            && image != "scratch"
            && let Ok(image) = image.parse::<ImageName>()
        {
            let image = image.normalised();
            if !bases.iter().any(|base| base.image == image) {
                bases.push(Base { image, platforms: recipe.platforms.clone(), uses: vec![Use::Final] });
            }
        }
    }
    let mut files = BTreeMap::new();
    files.insert("Dockerfile".to_owned(), Digest::of(Algorithm::Sha256, text.as_bytes()));
    add_files(&recipe.context, &recipe.context, &mut files)?;
    let record = Record { format: FORMAT, files, bases: BTreeMap::new() };
    Ok(Inputs { record, bases, unknown: Vec::new() })
}

fn cannot_read(path: &Path, source: std::io::Error) -> Error {
    Error::Read { path: path.to_owned(), source }
}

fn add_files(root: &Path, folder: &Path, files: &mut BTreeMap<String, Digest>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(|source| cannot_read(folder, source))? {
        let entry = entry.map_err(|source| cannot_read(folder, source))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|source| cannot_read(&path, source))?;
        if kind.is_dir() {
            add_files(root, &path, files)?;
        } else if kind.is_file() {
            let bytes = fs::read(&path).map_err(|source| cannot_read(&path, source))?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.insert(name, Digest::of(Algorithm::Sha256, &bytes));
        }
    }
    Ok(())
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
        Ok(KeyedInputs { record })
    }
}

impl KeyedInputs {
    /// The key of the inputs.
    pub fn key(&self) -> Key {
        self.record.key()
    }

    /// The hash of each input under its name, to be kept on the machine.
    pub fn record(&self) -> &Record {
        &self.record
    }
}
