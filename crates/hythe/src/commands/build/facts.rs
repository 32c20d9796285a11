//! What the configurations of base images say about the files that a build reads: `ONBUILD` instructions and variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hythe_build::{DockerfileSource, ImageFacts};
use hythe_oci::{Digest, ImageName, Platform, Reference};
use hythe_transfer::{Manifest, Source as _, read_config};
use serde::Deserialize;

use super::image::Image;
use crate::commands::registries::Registries;
use crate::config::Environment;
use crate::failure::Failure;

/// The largest file with a base's facts, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A base whose configuration can matter: a stage is built on it.
#[derive(Clone, Debug)]
pub(super) struct StageBase {
    /// The name in the Dockerfile.
    pub(super) name: ImageName,
    /// The name by which its registry knows it.
    pub(super) full: ImageName,
    pub(super) digest: Digest,
    /// The platforms for which stages are built on it; at least one.
    pub(super) platforms: Vec<Platform>,
}

#[derive(Deserialize)]
struct Configuration {
    config: Option<Execution>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    env: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
}

/// The facts of an image's bases that matter: `ONBUILD` always does, a variable only where the Dockerfile has a `$`. A base without
/// such facts is left out.
pub(super) async fn facts(
    image: &Image,
    bases: &[StageBase],
    registries: &Registries<'_>,
    environment: &Environment,
) -> Result<BTreeMap<ImageName, ImageFacts>, Failure> {
    let text = match &image.recipe.dockerfile {
        DockerfileSource::Inline(text) => text.clone(),
        DockerfileSource::Path(path) => std::fs::read_to_string(path).unwrap_or_default(),
    };
    let has_variables = text.contains('$');
    let mut all = BTreeMap::new();
    for base in bases {
        let Some(mut facts) = of_all(base, registries, environment).await? else { continue };
        // A variable in an instruction of the base means the base's own.
        if !has_variables && !facts.on_build.iter().any(|line| line.contains('$')) {
            facts.env.clear();
        }
        if facts != ImageFacts::default() {
            all.insert(base.name.clone(), facts);
        }
    }
    Ok(all)
}

/// The facts of a base on all its platforms: what they have in common. `None` if only their variables differ: without facts, a source
/// that depends on a variable of the base is the whole context.
async fn of_all(
    base: &StageBase,
    registries: &Registries<'_>,
    environment: &Environment,
) -> Result<Option<ImageFacts>, Failure> {
    let mut common: Option<ImageFacts> = None;
    for platform in &base.platforms {
        let facts = of(base, platform, registries, environment).await?;
        match &mut common {
            None => common = Some(facts),
            Some(common) if *common == facts => {}
            Some(common) if common.on_build.is_empty() && facts.on_build.is_empty() => return Ok(None),
            Some(common) => {
                common.env.retain(|variable| facts.env.contains(variable));
                let more = facts.on_build.into_iter().filter(|line| !common.on_build.contains(line));
                let more: Vec<String> = more.collect();
                common.on_build.extend(more);
            }
        }
    }
    Ok(common)
}

/// The facts of one base on one platform: from an earlier run, or from its registry. A digest always has the same.
async fn of(
    base: &StageBase,
    platform: &Platform,
    registries: &Registries<'_>,
    environment: &Environment,
) -> Result<ImageFacts, Failure> {
    let file = file(base, platform, environment);
    if let Some(known) = file.as_ref().and_then(read_file) {
        return Ok(known);
    }
    let remote = registries.remote(&base.full)?;
    let mut manifest = remote.manifest(&Reference::Digest(base.digest)).await?;
    if manifest.is_index() {
        let Some(child) = child(&manifest, platform) else { return Ok(ImageFacts::default()) };
        manifest = remote.manifest(&Reference::Digest(child)).await?;
    }
    let facts = match &manifest.config {
        Some(config) => of_configuration(read_config(&remote, config).await?),
        None => ImageFacts::default(),
    };
    if let Some(file) = file {
        // Without the file the next run asks the registry again.
        let _ = write_file(&file, &facts);
    }
    Ok(facts)
}

fn child(index: &Manifest, platform: &Platform) -> Option<Digest> {
    let images = || index.children.iter().filter(|child| child.attests.is_none());
    let is_same = |of: &Platform| platform.takes(of);
    let found =
        images().find(|child| child.platform.as_ref().is_some_and(is_same)).or_else(|| images().next());
    found.map(|child| child.descriptor.digest)
}

/// The facts in an image's configuration. An artifact's configuration has none.
fn of_configuration(read: Option<Configuration>) -> ImageFacts {
    let execution = read.and_then(|configuration| configuration.config);
    execution.map_or_else(ImageFacts::default, |execution| ImageFacts {
        env: execution.env.unwrap_or_default(),
        on_build: execution.on_build.unwrap_or_default(),
    })
}

/// The file with the facts of a base.
fn file(base: &StageBase, platform: &Platform, environment: &Environment) -> Option<PathBuf> {
    let platform = platform.to_string().replace('/', "-");
    let name = format!("{}-{platform}.json", base.digest.hex());
    Some(environment.state_folder()?.join("bases").join(name))
}

fn read_file(file: &PathBuf) -> Option<ImageFacts> {
    if file.metadata().ok()?.len() > MAX_FILE {
        return None;
    }
    let (env, on_build) = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(ImageFacts { env, on_build })
}

fn write_file(file: &PathBuf, facts: &ImageFacts) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        super::memory::make_folder(folder)?;
    }
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&temporary, serde_json::to_vec(&(&facts.env, &facts.on_build))?)?;
    std::fs::rename(temporary, file)?;
    super::memory::shrink(file);
    Ok(())
}
