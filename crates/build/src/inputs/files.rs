//! The files of each context that the instructions read, with their hashes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hythe_oci::Digest;

use super::source::Source as DockerfileText;
use crate::context::{Files, Filter, Found, Selection, Stat, Tree, Unreadable, hash_files};
use crate::dockerfile::Fault;
use crate::error::Error;
use crate::evaluate::{MAIN, Source, Want};
use crate::ignore::{Matcher, patterns};
use crate::recipe::{ContextSource, Recipe};
use crate::record::Entry;
use crate::stat_cache::{StatCache, now};
use crate::text::escape::escape;
use crate::text::glob::has_wildcards;
use crate::text::path::within_root;

/// The entries of each context, by its name.
type Contexts = BTreeMap<String, BTreeMap<String, Entry>>;

pub(super) fn read(
    recipe: &Recipe,
    dockerfile: &DockerfileText,
    wants: &[Want],
    mut cache: Option<&mut StatCache>,
) -> Result<Contexts, Error> {
    let mut of_contexts = BTreeMap::<&str, Vec<&Want>>::new();
    for want in wants {
        of_contexts.entry(&want.context).or_default().push(want);
    }
    let started = now();
    let mut contexts = Contexts::new();
    for (name, wants) in of_contexts {
        let (folder, ignore_file) = match recipe.contexts.get(name) {
            _ if name == MAIN => (&recipe.context, ignore_file(&recipe.context, dockerfile.path.as_deref())),
            Some(ContextSource::Folder(folder)) => (folder, folder.join(DEFAULT)),
            // Only folders are wanted.
            Some(ContextSource::Image(_) | ContextSource::Other(_)) | None => continue,
        };
        let files = select(folder, &ignore_file, &wants, dockerfile)?;
        contexts.insert(name.to_owned(), entries(files, cache.as_deref_mut(), started).map_err(unreadable)?);
    }
    Ok(contexts)
}

/// The name of a context's ignore file.
const DEFAULT: &str = ".dockerignore";

/// The ignore file of the main context: `NAME.dockerignore` beside the Dockerfile, else `.dockerignore` in the context.
fn ignore_file(context: &Path, dockerfile: Option<&Path>) -> PathBuf {
    let beside = dockerfile.map(|path| {
        let mut name = path.as_os_str().to_owned();
        name.push(DEFAULT);
        PathBuf::from(name)
    });
    beside.filter(|path| path.is_file()).unwrap_or_else(|| context.join(DEFAULT))
}

fn unreadable(Unreadable { path, source }: Unreadable) -> Error {
    Error::Read { path, source }
}

fn select(
    folder: &Path,
    ignore_file: &Path,
    wants: &[&Want],
    dockerfile: &DockerfileText,
) -> Result<Files, Error> {
    let ignored = match fs::read(ignore_file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(Error::Read { path: ignore_file.to_owned(), source }),
    };
    let ignored = Matcher::new(&patterns(&ignored)).map_err(|error| Error::Ignore {
        file: ignore_file.display().to_string(),
        message: error.to_string(),
    })?;
    let mut selection = Selection::new(Tree::open(folder, ignored).map_err(unreadable)?);
    for want in wants {
        add(&mut selection, want, folder, dockerfile)?;
    }
    Ok(selection.finish())
}

fn add(
    selection: &mut Selection,
    want: &Want,
    folder: &Path,
    dockerfile: &DockerfileText,
) -> Result<(), Error> {
    let fault = |message: String| dockerfile.fault(Fault { line: want.line, message });
    let filter = |include: Option<&[u8]>, exclude: &[String]| -> Result<Filter, Error> {
        let include = include.map(|pattern| Matcher::new(&[pattern])).transpose();
        let include = include.map_err(|error| fault(error.to_string()))?;
        let exclude = Matcher::new(exclude).map_err(|error| fault(error.to_string()))?;
        Ok(Filter { include, exclude })
    };
    let (path, does_exist) = match &want.source {
        Source::Everything => return selection.add_everything().map_err(unreadable),
        Source::Path { path, exclude, may_have_wildcards } => {
            let filter = filter(None, exclude)?;
            if *may_have_wildcards && has_wildcards(path.as_bytes()) {
                return selection.add_wildcard(path.as_bytes(), &filter).map_err(unreadable);
            }
            (path.clone(), selection.add_path(path.as_bytes(), &filter).map_err(unreadable)?)
        }
        Source::Parents { folder, pattern, exclude } => {
            // The pattern does not leave the folder either.
            let within = within_root(pattern.as_bytes());
            let filter = filter(Some(&within), exclude)?;
            if has_wildcards(folder.as_bytes()) {
                return selection.add_wildcard(folder.as_bytes(), &filter).map_err(unreadable);
            }
            let does_exist = selection.add_path(folder.as_bytes(), &filter).map_err(unreadable)?;
            (
                format!("{folder}/{pattern}").trim_start_matches('/').to_owned(),
                does_exist || has_wildcards(pattern.as_bytes()),
            )
        }
    };
    if does_exist {
        return Ok(());
    }
    Err(fault(format!("`{path}` does not exist in {}, or its ignore file excludes it", folder.display())))
}

/// The entries of a context: the hashes of unchanged files come from the cache.
fn entries(
    files: Files,
    cache: Option<&mut StatCache>,
    started: i128,
) -> Result<BTreeMap<String, Entry>, Unreadable> {
    let Files { root, found } = files;
    let stats = || {
        found.iter().filter_map(|(path, found)| match found {
            Found::File { stat, .. } => Some((path.as_slice(), stat)),
            Found::Link(_) | Found::Folder | Found::Special => None,
        })
    };
    let cached = |path: &[u8], stat: &Stat| cache.as_deref()?.get(&root, path, stat);
    let mut hashes: BTreeMap<&[u8], Digest> =
        stats().filter_map(|(path, stat)| Some((path, cached(path, stat)?))).collect();
    let missing: Vec<&[u8]> =
        stats().map(|(path, _)| path).filter(|path| !hashes.contains_key(path)).collect();
    let new = hash_files(&root, &missing)?;
    hashes.extend(missing.into_iter().zip(new));
    if let Some(cache) = cache {
        for (path, stat) in stats() {
            if let Some(hash) = hashes.get(path) {
                cache.keep(&root, path, stat, *hash, started);
            }
        }
    }
    let entries = found.iter().filter_map(|(path, found)| {
        let entry = match found {
            Found::File { is_executable, .. } => {
                let hash = *hashes.get(path.as_slice())?;
                if *is_executable { Entry::Executable(hash) } else { Entry::File(hash) }
            }
            Found::Link(target) => Entry::Link(escape(target)),
            Found::Folder => Entry::Folder,
            Found::Special => Entry::Special,
        };
        Some((escape(path), entry))
    });
    Ok(entries.collect())
}
