//! Which images to push, and under which names.

use std::fmt;

use hythe_oci::{Authority, ImageName, ImageNameParts};

use crate::failure::Failure;
use crate::values::ImagePlace;

/// Where an image to push comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Origin {
    /// A container engine, by a name or an id.
    Engine(String),
    /// An OCI layout or an archive.
    File(ImagePlace),
    /// The archive on stdin.
    Stdin,
}

/// An image to push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Job {
    pub(in crate::commands) from: Origin,
    pub(in crate::commands) to: ImageName,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(image) => f.write_str(image),
            Self::File(place) => place.fmt(f),
            Self::Stdin => f.write_str("stdin"),
        }
    }
}

impl Origin {
    fn of(text: &str) -> Result<Self, Failure> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        let place: ImagePlace = text.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
        Ok(match place {
            ImagePlace::Registry(_) => Self::Engine(text.to_owned()),
            ImagePlace::Engine { name, .. } => Self::Engine(name.to_string()),
            place => Self::File(place),
        })
    }
}

/// What the last of several words says about the names at the registry.
enum Naming<'a> {
    /// Each image keeps its own name.
    Own,
    /// The name of the only image.
    Name(&'a str),
    /// The path before each name.
    Below(&'a str),
}

fn naming(words: &[String]) -> (&[String], Naming<'_>) {
    let Some((last, before)) = words.split_last().filter(|(_, before)| !before.is_empty()) else {
        return (words, Naming::Own);
    };
    let is_path = last.starts_with(['.', '/']);
    if let Some(path) = last.strip_suffix('/').filter(|_| !is_path) {
        return (before, Naming::Below(path));
    }
    let names_registry = ImageNameParts::of(last).registry.is_some() && !is_path;
    // A layout or an archive has no name of its own, so the second word is its name.
    let has_no_name = |word: &String| !matches!(Origin::of(word), Ok(Origin::Engine(_)));
    match before {
        [first] if names_registry || (has_no_name(first) && !has_no_name(last)) => {
            (before, Naming::Name(last))
        }
        _ => (words, Naming::Own),
    }
}

/// The images to push. `default` is the registry of a name that names none.
pub(super) fn jobs(words: &[String], default: &Authority) -> Result<Vec<Job>, Failure> {
    let (images, naming) = naming(words);
    let job = |word: &String| {
        let from = Origin::of(word)?;
        let to = match (&naming, &from) {
            (Naming::Name(name), Origin::Engine(image)) => {
                named(name, ImageNameParts::of(image).tag, default)
            }
            (Naming::Name(name), _) => named(name, None, default),
            (Naming::Own, Origin::Engine(image)) => named(image, None, default),
            (Naming::Below(path), Origin::Engine(image)) => {
                let ImageNameParts { path: own, tag, .. } = ImageNameParts::of(image);
                named(&format!("{path}/{own}"), tag, default)
            }
            (Naming::Own | Naming::Below(_), _) => Err(Failure::Usage(format!(
                "{from} has no name at a registry: write one behind it, such as {default}/app:v1"
            ))),
        }?;
        Ok(Job { from, to })
    };
    images.iter().map(job).collect()
}

/// The last of several words, if it names a registry and no tag: the user may have meant the path before the other names.
pub(super) fn without_slash(jobs: &[Job]) -> Option<&str> {
    let [_, .., Job { from: Origin::Engine(last), .. }] = jobs else { return None };
    let parts = ImageNameParts::of(last);
    (parts.registry.is_some() && parts.tag.is_none() && parts.digest.is_none()).then_some(last)
}

/// A name at a registry. Without a tag it gets this one.
fn named(text: &str, tag: Option<&str>, default: &Authority) -> Result<ImageName, Failure> {
    let parts = ImageNameParts::of(text);
    if parts.digest.is_some() {
        let problem = format!(
            "`{text}` has a digest: write a name with a tag, because the digest follows from the image"
        );
        return Err(Failure::Usage(problem));
    }
    let mut full = match parts.registry {
        Some(_) => text.to_owned(),
        None => format!("{default}/{text}"),
    };
    if parts.tag.is_none() {
        full = format!("{full}:{}", tag.unwrap_or("latest"));
    }
    full.parse().map_err(|error| Failure::Usage(format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let jobs = jobs(&words, &"localhost:5001".parse().unwrap()).map_err(|error| error.to_string())?;
        Ok(jobs.into_iter().map(|job| format!("{} {}", job.from, job.to)).collect())
    }

    #[test]
    fn a_name_without_a_registry_goes_to_the_registry_of_this_machine() {
        for (words, expected) in [
            (&["app:dev"][..], &["app:dev localhost:5001/app:dev"][..]),
            (&["team/app"], &["team/app localhost:5001/team/app:latest"]),
            (&["ghcr.io/a/b:v1"], &["ghcr.io/a/b:v1 ghcr.io/a/b:v1"]),
            (&["app:dev", "localhost:5001/team/app:v2"], &["app:dev localhost:5001/team/app:v2"]),
            (&["app:dev", "ghcr.io/app"], &["app:dev ghcr.io/app:dev"]),
            (&["app:dev", "web:dev"], &["app:dev localhost:5001/app:dev", "web:dev localhost:5001/web:dev"]),
            (
                &["web", "ghcr.io/x/api:2", "reg.example/team/"],
                &["web reg.example/team/web:latest", "ghcr.io/x/api:2 reg.example/team/x/api:2"],
            ),
            (&["-", "app:v1"], &["stdin localhost:5001/app:v1"]),
            (&["oci:folder", "ghcr.io/a:v1"], &["folder ghcr.io/a:v1"]),
        ] {
            assert_eq!(names(words).unwrap(), expected, "{words:?}");
        }
    }

    #[test]
    fn a_path_without_its_slash_is_recognised_behind_several_images() {
        for (words, expected) in [
            (&["app", "app:v1", "localhost:5001/team"][..], Some("localhost:5001/team")),
            (&["app", "app:v1", "localhost:5001/team:v1"], None),
            (&["app", "app:v1", "team"], None),
            (&["localhost:5001/team"], None),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let jobs = jobs(&words, &"localhost:5001".parse().unwrap()).unwrap();
            assert_eq!(without_slash(&jobs), expected, "{words:?}");
        }
    }

    #[test]
    fn what_has_no_name_needs_one() {
        for words in [&["-"][..], &["oci:folder", "reg.example/"]] {
            let error = names(words).unwrap_err();
            assert!(
                error.ends_with(
                    "has no name at a registry: write one behind it, such as localhost:5001/app:v1"
                ),
                "{error}"
            );
        }
        let digest = format!("app@sha256:{}", "0".repeat(64));
        assert!(names(&[&digest]).unwrap_err().contains("has a digest"));
    }
}
