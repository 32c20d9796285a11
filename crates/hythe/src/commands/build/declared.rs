//! The images that a project file declares: `[[image]]` in the `hythe.toml` of a project's folder.
//!
//! The server's configuration can have the same file name. Neither is read as the other: a project file has no key of the server's
//! configuration, and the server reads only the file that it is given, the user's own, or the machine's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hythe_build::{DockerfileSource, Recipe};
use hythe_oci::{Platform, Tag};
use serde::Deserialize;

use super::context::{context_source, folder};
use super::image::{Defaults, Extras, Image};
use crate::commands::interpolate::{Variables, interpolate, variables};
use crate::config::Environment;
use crate::failure::{BuildError, Failure};

/// The name of a project file.
pub(super) const FILE: &str = "hythe.toml";

/// A project file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ProjectFile {
    registry: Option<String>,
    tag: Option<String>,
    #[serde(default, rename = "image")]
    images: Vec<Declared>,
}

/// An entry `[[image]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Declared {
    name: String,
    #[serde(default)]
    tags: Vec<String>,
    context: Option<PathBuf>,
    dockerfile: Option<PathBuf>,
    target: Option<String>,
    #[serde(default)]
    args: BTreeMap<String, Scalar>,
    #[serde(default)]
    labels: BTreeMap<String, Scalar>,
    #[serde(default)]
    platforms: Vec<String>,
    #[serde(default)]
    contexts: BTreeMap<String, String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    ssh: Vec<String>,
    network: Option<String>,
}

/// A text, a number or a boolean.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(i64),
    Switch(bool),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Switch(switch) => switch.to_string(),
        }
    }
}

/// Reads a project file. A file without images is the server's configuration, or is empty.
pub(super) fn read(
    file: &Path,
    defaults: &Defaults,
    environment: &Environment,
) -> Result<Vec<Image>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| BuildError::project(file, error))?;
    if !text.contains("image") {
        return Ok(Vec::new());
    }
    let project: ProjectFile =
        toml::from_str(&text).map_err(|error| BuildError::project(file, reason(&text, &error)))?;
    let here = file.parent().unwrap_or(Path::new("."));
    let variables = variables(environment);
    let wrong = |reason: String| BuildError::project(file, reason);
    let defaults = own_defaults(&project, defaults, environment, &variables).map_err(wrong)?;
    let mut names = BTreeSet::new();
    let mut images = Vec::new();
    for declared in &project.images {
        if !names.insert(&declared.name) {
            return Err(wrong(format!("two images have the name `{}`", declared.name)).into());
        }
        images.push(
            image(declared, here, &defaults, &variables)
                .map_err(|why| wrong(format!("image {}: {why}", declared.name)))?,
        );
    }
    Ok(images)
}

/// What is wrong with a file, in one line, with the place.
fn reason(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let said = error.message().replace('\n', ", ");
    let hint = if said.starts_with("unknown field") {
        ". A project file declares images; the configuration of the server is another file"
    } else {
        ""
    };
    format!("line {line}: {said}{hint}")
}

/// The registry and the tag of names without one. The command line and the environment override the file.
fn own_defaults(
    project: &ProjectFile,
    defaults: &Defaults,
    environment: &Environment,
    variables: &Variables,
) -> Result<Defaults, String> {
    let mut own = defaults.clone();
    let is_set = |name: &str| environment.variables.get(name).is_some_and(|value| !value.is_empty());
    if let Some(registry) = &project.registry
        && !defaults.is_registry_chosen
        && !is_set("HYTHE_REGISTRY")
        && !is_set("REG_PORT")
    {
        own.registry =
            interpolate(registry, variables)?.parse().map_err(|error| format!("registry: {error}"))?;
    }
    if let Some(tag) = &project.tag
        && !defaults.is_tag_chosen
    {
        let tag: Result<Tag, _> = interpolate(tag, variables)?.parse();
        own.tag = tag.map_err(|error| format!("tag: {error}"))?;
    }
    Ok(own)
}

fn image(
    declared: &Declared,
    here: &Path,
    defaults: &Defaults,
    variables: &Variables,
) -> Result<Image, String> {
    let whole = |text: &str| interpolate(text, variables);
    let name = whole(&declared.name)?;
    let complete = |written: &str| defaults.complete(written).map_err(|error| error.to_string());
    let mut references = Vec::new();
    for tag in &declared.tags {
        references.push(complete(&format!("{name}:{}", whole(tag)?))?);
    }
    if references.is_empty() {
        references.push(complete(&name)?);
    }
    let context = here.join(declared.context.as_deref().unwrap_or(Path::new("")));
    let context = if context.as_os_str().is_empty() { PathBuf::from(".") } else { context };
    folder(&context.display().to_string()).map_err(|error| error.to_string())?;
    let dockerfile =
        declared.dockerfile.as_ref().map_or_else(|| context.join("Dockerfile"), |path| here.join(path));
    let texts = |values: &BTreeMap<String, Scalar>| -> Result<BTreeMap<String, String>, String> {
        values.iter().map(|(name, value)| Ok((name.clone(), whole(&value.text())?))).collect()
    };
    let mut contexts = BTreeMap::new();
    for (name, value) in &declared.contexts {
        contexts
            .insert(name.clone(), context_source(&whole(value)?, here).map_err(|error| error.to_string())?);
    }
    let platforms: Result<Vec<Platform>, _> =
        declared.platforms.iter().map(|platform| platform.parse()).collect();
    Ok(Image {
        name: declared.name.clone(),
        references,
        recipe: Recipe {
            context,
            dockerfile: DockerfileSource::Path(dockerfile),
            target: declared.target.clone(),
            args: texts(&declared.args)?,
            platforms: platforms?,
            contexts,
            labels: texts(&declared.labels)?,
            images: BTreeMap::new(),
        },
        inherited: BTreeSet::new(),
        extras: Extras {
            secrets: declared.secrets.clone(),
            ssh: declared.ssh.clone(),
            network: declared.network.clone(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(text: &str) -> Result<Vec<Image>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("app")).unwrap();
        let file = folder.path().join(FILE);
        std::fs::write(&file, text).unwrap();
        let defaults = Defaults {
            registry: "localhost:5001".parse().unwrap(),
            tag: Tag::latest(),
            is_registry_chosen: false,
            is_tag_chosen: false,
        };
        let mut environment = Environment::default();
        environment.variables.insert("VERSION".to_owned(), "3".into());
        read(&file, &defaults, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn images_are_declared_with_their_names_and_inputs() {
        let text = "registry = 'localhost:5000'\ntag = 'v${VERSION}'\n[[image]]\nname = 'training-base'\ndockerfile = 'Dockerfile.base'\n\
                    args = { N = 1, V = '${VERSION}' }\n[[image]]\nname = 'ghcr.io/x/app'\ntags = ['a', 'b']\ncontext = 'app'\n";
        let images = images(text).unwrap();
        let [base, app] = &images[..] else { panic!("{images:?}") };
        assert_eq!(base.main().to_string(), "localhost:5000/training-base:v3");
        assert_eq!(
            base.recipe.args,
            [("N", "1"), ("V", "3")].map(|(n, v)| (n.to_owned(), v.to_owned())).into()
        );
        let names: Vec<String> = app.references.iter().map(|reference| reference.full.to_string()).collect();
        assert_eq!(names, ["ghcr.io/x/app:a", "ghcr.io/x/app:b"]);
        let DockerfileSource::Path(path) = &app.recipe.dockerfile else { panic!("{app:?}") };
        assert!(path.ends_with("app/Dockerfile"), "{}", path.display());
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_place_and_a_configuration_of_the_server_has_no_images() {
        assert!(images("[http]\nlisten = 'localhost:5000'\n").unwrap().is_empty());
        for (text, expected) in [
            ("listen = 'x'\n[[image]]\nname = 'a'\n", "line 1: unknown field `listen`"),
            ("[[image]]\ncontext = 'a'\n", "missing field `name`"),
            ("[[image]]\nname = 'a'\ncontext = 'none'\n", "there is no folder"),
            ("[[image]]\nname = 'a'\n[[image]]\nname = 'a'\n", "two images have the name `a`"),
            ("[[image]]\nname = '${NONE}'\n", "variable NONE is not set"),
        ] {
            let error = images(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
