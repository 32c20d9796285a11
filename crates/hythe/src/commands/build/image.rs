//! An image to build, and its names.

use std::collections::{BTreeMap, BTreeSet};

use hythe_build::Recipe;
use hythe_oci::{Authority, ImageName, ImageNameParts, Tag};

use crate::failure::Failure;

/// An image to build.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// Its name for people: the service, the entry of the project file, or the reference.
    pub(super) name: String,
    /// Its names in registries: at least one.
    pub(super) references: Vec<Reference>,
    /// The inputs.
    pub(super) recipe: Recipe,
    /// The build arguments whose values the builder reads from the environment itself.
    pub(super) inherited: BTreeSet<String>,
    /// Options for the builder that are no inputs.
    pub(super) extras: Extras,
}

/// Options for the builder that are no inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    pub(super) secrets: Vec<String>,
    pub(super) ssh: Vec<String>,
    pub(super) network: Option<String>,
}

/// A name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// As it was written.
    pub(super) written: String,
    /// The whole name, with registry and tag.
    pub(super) full: ImageName,
}

impl Image {
    /// The first name, under which the registry is asked.
    pub(super) fn main(&self) -> &ImageName {
        &self.references[0].full
    }

    /// Every name by which a Dockerfile can mean this image.
    pub(super) fn names(&self) -> impl Iterator<Item = ImageName> {
        self.references.iter().flat_map(|reference| {
            let written: Option<ImageName> = reference.written.parse().ok();
            [Some(reference.full.clone()), written.map(|written| written.normalised())].into_iter().flatten()
        })
    }
}

/// What completes a name.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    /// The registry of names without one.
    pub(super) registry: Authority,
    /// The tag of names without one.
    pub(super) tag: Tag,
    /// Whether the command line chose the registry.
    pub(super) is_registry_chosen: bool,
    /// Whether the command line chose the tag.
    pub(super) is_tag_chosen: bool,
}

impl Defaults {
    /// The whole name of an image.
    pub(super) fn complete(&self, written: &str) -> Result<Reference, Failure> {
        let parts = ImageNameParts::of(written);
        if parts.digest.is_some() {
            return Err(Failure::Usage(format!(
                "`{written}` has a digest, which only a build decides: write a tag"
            )));
        }
        let registry = if parts.registry.is_none() { format!("{}/", self.registry) } else { String::new() };
        let tag = if parts.tag.is_none() { format!(":{}", self.tag) } else { String::new() };
        let full: Result<ImageName, _> = format!("{registry}{written}{tag}").parse();
        let full = full.map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Reference { written: format!("{written}{tag}"), full: full.normalised() })
    }
}

/// Build arguments of the form `NAME=VALUE` or `NAME`. The second map's names have their values from the variables; a name that has
/// none there is left out, as builders do.
pub(super) fn arguments<'a>(
    written: impl IntoIterator<Item = &'a str>,
    variables: &BTreeMap<String, String>,
) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut all, mut inherited) = (BTreeMap::new(), BTreeSet::new());
    for argument in written {
        match argument.split_once('=') {
            Some((name, value)) => {
                inherited.remove(name);
                all.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = variables.get(argument) {
                    all.insert(argument.to_owned(), value.clone());
                    inherited.insert(argument.to_owned());
                }
            }
        }
    }
    (all, inherited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_completed_with_the_registry_and_the_tag() {
        let defaults = Defaults {
            registry: "localhost:5001".parse().unwrap(),
            tag: "v2".parse().unwrap(),
            is_registry_chosen: false,
            is_tag_chosen: false,
        };
        for (written, full) in [
            ("app", "localhost:5001/app:v2"),
            ("team/app:v1", "localhost:5001/team/app:v1"),
            ("ghcr.io/x/app", "ghcr.io/x/app:v2"),
            ("docker.io/app:1", "docker.io/library/app:1"),
            ("localhost:5000/my-app:latest", "localhost:5000/my-app:latest"),
        ] {
            assert_eq!(defaults.complete(written).unwrap().full.as_str(), full, "{written}");
        }
        let digest = format!("app@sha256:{}", "0".repeat(64));
        for text in ["", "UPPER", "app:", &digest] {
            assert!(defaults.complete(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_argument_without_a_value_has_that_of_the_environment() {
        let variables = [("B".to_owned(), "2".to_owned())].into();
        let (all, inherited) = arguments(["A=1", "B", "C", "D=x=y", "E="], &variables);
        let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(all, [("A", "1"), ("B", "2"), ("D", "x=y"), ("E", "")]);
        assert_eq!(inherited.into_iter().collect::<Vec<_>>(), ["B"]);
    }
}
