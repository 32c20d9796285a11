//! A folder to build in, and what its key is.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use hythe_build::{
    Base, ContextSource, DockerfileSource, Error, Inputs, KeyedInputs, Recipe, StatCache, read,
};
use hythe_oci::{Algorithm, Digest, ImageName};

/// A folder to build in.
pub(crate) struct Project {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) recipe: Recipe,
    /// The digests of bases; others have the digest of their name.
    pub(crate) digests: BTreeMap<ImageName, Digest>,
}

/// A project with a Dockerfile.
pub(crate) fn project(dockerfile: &str) -> Project {
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe {
        context: folder.path().to_owned(),
        dockerfile: DockerfileSource::Path(folder.path().join("Dockerfile")),
        target: None,
        args: BTreeMap::new(),
        platforms: vec!["linux/amd64".parse().unwrap()],
        contexts: BTreeMap::new(),
        labels: BTreeMap::new(),
        images: BTreeMap::new(),
    };
    Project { folder, recipe, digests: BTreeMap::new() }.file("Dockerfile", dockerfile)
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(Algorithm::Sha256, text.as_bytes())
}

impl Project {
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.path(path)).unwrap();
        self
    }

    pub(crate) fn set_mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn arg(mut self, name: &str, value: &str) -> Self {
        self.recipe.args.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn context(mut self, name: &str, source: ContextSource) -> Self {
        self.recipe.contexts.insert(name.to_owned(), source);
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        self.recipe.target = Some(target.to_owned());
        self
    }

    pub(crate) fn inputs(&self) -> Result<Inputs, Error> {
        read(&self.recipe, None)
    }

    pub(crate) fn keyed(&self) -> KeyedInputs {
        self.with_digests(self.inputs().unwrap())
    }

    pub(crate) fn keyed_by_cache(&self, cache: &mut StatCache) -> KeyedInputs {
        self.with_digests(read(&self.recipe, Some(cache)).unwrap())
    }

    fn with_digests(&self, inputs: Inputs) -> KeyedInputs {
        let of = |base: &Base| {
            let known = self.digests.get(&base.image).copied();
            (base.image.clone(), known.unwrap_or_else(|| digest(base.image.as_str())))
        };
        let digests = inputs.bases().iter().map(of).collect();
        inputs.with_bases(&digests).unwrap()
    }

    /// The error of the Dockerfile, without the folder's name.
    pub(crate) fn error(&self) -> String {
        let folder = format!("{}/", self.folder.path().display());
        self.inputs()
            .unwrap_err()
            .to_string()
            .replace(&folder, "")
            .replace(folder.trim_end_matches('/'), "CONTEXT")
    }

    /// The images that the build reads.
    pub(crate) fn bases(&self) -> Vec<String> {
        self.inputs().unwrap().bases().iter().map(|base| base.image.to_string()).collect()
    }

    /// The lines of the key's text that begin with a word, such as `file`, without hashes.
    pub(crate) fn files(&self) -> Vec<String> {
        let text = self.keyed().record().text();
        let kinds = ["file", "executable", "link", "folder", "special"];
        let lines = text.lines().filter(|line| kinds.contains(&line.split(' ').next().unwrap()));
        let lines =
            lines.map(|line| line.split(' ').filter(|word| !word.starts_with("sha256:")).collect::<Vec<_>>());
        lines.map(|words| words.join(" ").replace(" context ", " ")).collect()
    }

    /// What a change to the project changed, in words; nothing if the key stayed.
    pub(crate) fn changes(&mut self, change: impl FnOnce(&mut Self)) -> Vec<String> {
        let was = self.keyed();
        change(self);
        let now = self.keyed();
        let changes = was.record().changes(now.record());
        assert_eq!(was.key() == now.key(), changes.is_empty(), "{changes:?}");
        changes.iter().map(ToString::to_string).collect()
    }
}
