//! The inputs of an image with the digests of its bases: its key.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};
use hythe_build::{Base, Inputs, KeyedInputs, StatCache, Unknown, Use};
use hythe_oci::{Digest, ImageName, Platform};
use hythe_transfer::Source as _;

use super::facts::StageBase;
use super::image::Image;
use super::memory::Remembered;
use crate::commands::registries::Registries;
use crate::config::Environment;
use crate::failure::{BuildError, Failure};

/// Registries that are asked at the same time.
const AT_ONCE: usize = 8;

/// The inputs of an image with the digests of its bases.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) inputs: KeyedInputs,
    /// The digest of each base.
    pub(super) bases: BTreeMap<ImageName, Digest>,
    /// The image that the final stage is built on.
    pub(super) base: Option<(ImageName, Digest)>,
    /// The bases whose configuration can matter.
    pub(super) stages: Vec<StageBase>,
    pub(super) unknown: Vec<Unknown>,
    /// Whether every base's digest came from its registry just now.
    pub(super) is_fresh: bool,
    pub(super) warnings: Vec<String>,
}

/// Where digests of bases come from.
pub(super) struct Sources<'a> {
    pub(super) registries: &'a Registries<'a>,
    /// The digests of images of this project, under each of their names.
    pub(super) siblings: &'a BTreeMap<ImageName, Digest>,
    /// The whole names of images of this project, under each of their names.
    pub(super) full: &'a BTreeMap<ImageName, ImageName>,
    /// The last build of the image.
    pub(super) remembered: Option<&'a Remembered>,
    /// The id of an image that only the engine has.
    pub(super) engine: &'a (dyn Fn(&ImageName) -> Option<Digest> + Sync),
}

/// Reads the inputs of an image on a thread for that.
pub(super) async fn read(image: &Image, environment: &Environment) -> Result<Inputs, Failure> {
    let (recipe, name) = (image.recipe.clone(), image.name.clone());
    let folder = environment.cache_folder().map(|folder| folder.join("stat"));
    let work = tokio::task::spawn_blocking(move || {
        let mut cache = folder.map(|folder| StatCache::open(&folder, &recipe.context));
        let inputs = hythe_build::read(&recipe, cache.as_mut());
        // Without the cache the next run reads the files again.
        let _ = cache.map(|cache| cache.save());
        inputs
    });
    let inputs = work.await.map_err(Failure::internal("reading the inputs"))?;
    inputs.map_err(|error| BuildError::Inputs { image: name, error }.into())
}

impl Keyed {
    /// Finds out the digests of the bases: from the project, from their registries, or, if those do not answer, from the last build.
    pub(super) async fn of(image: &Image, inputs: Inputs, sources: &Sources<'_>) -> Result<Self, Failure> {
        let asked = stream::iter(inputs.bases().to_vec()).map(|base| resolve(image, base, sources));
        let asked: Vec<Result<Resolved, Failure>> = asked.buffered(AT_ONCE).collect().await;
        let unknown = inputs.unknown().to_vec();
        let (mut bases, mut base, mut is_fresh, mut warnings) = (BTreeMap::new(), None, true, Vec::new());
        let mut stages = Vec::new();
        for resolved in asked {
            let Resolved { base: of, digest, problem, is_local } = resolved?;
            if of.is_final() && base.is_none() {
                base = Some((of.image.clone(), digest));
            }
            // No registry has the configuration of an image that only the engine has.
            let is_stage = of.uses.iter().any(|reason| matches!(reason, Use::Final | Use::Stage));
            if is_stage && !is_local {
                let full = sources.full.get(&of.image).unwrap_or(&of.image).clone();
                let mut platforms = of.platforms.clone();
                if platforms.is_empty() {
                    platforms.push(Platform::of_host());
                }
                stages.push(StageBase { name: of.image.clone(), full, digest, platforms });
            }
            bases.insert(of.image, digest);
            is_fresh &= problem.is_none();
            warnings.extend(problem);
        }
        let inputs = inputs.with_bases(&bases);
        let inputs = inputs.map_err(|error| BuildError::Inputs { image: image.name.clone(), error })?;
        Ok(Self { inputs, bases, base, stages, unknown, is_fresh, warnings })
    }
}

/// A base with its digest.
struct Resolved {
    base: Base,
    digest: Digest,
    /// Why the digest is not the one that the registry has now.
    problem: Option<String>,
    /// Whether only the engine has the image.
    is_local: bool,
}

async fn resolve(image: &Image, base: Base, sources: &Sources<'_>) -> Result<Resolved, Failure> {
    let name = base.image.clone();
    let known = name.digest().or_else(|| sources.siblings.get(&name));
    if let Some(digest) = known.copied() {
        return Ok(Resolved { base, digest, problem: None, is_local: false });
    }
    let error = match sources.registries.remote(&name)?.resolve(&name.reference()).await {
        Ok(digest) => return Ok(Resolved { base, digest, problem: None, is_local: false }),
        Err(error) => error,
    };
    let reason = Failure::from(error).to_string();
    if let Some(digest) = sources.remembered.and_then(|last| last.bases.get(&name.to_string()).copied()) {
        let problem = format!("the base {name} counts as unchanged since the last build: {reason}");
        return Ok(Resolved { base, digest, problem: Some(problem), is_local: false });
    }
    if let Some(digest) = (sources.engine)(&name) {
        let problem = format!("the base {name} is the image that only this machine's engine has: {reason}");
        return Ok(Resolved { base, digest, problem: Some(problem), is_local: true });
    }
    Err(BuildError::Base { image: image.name.clone(), base: name.to_string(), reason }.into())
}
