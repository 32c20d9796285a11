//! Where an image is: in a registry, in an OCI layout, in an archive, or in a container engine.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hythe_oci::{ImageName, Tag};

use super::ValueError;

/// Where an image is, or where it is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImagePlace {
    /// In a repository of a registry.
    Registry(ImageName),
    /// In an OCI layout, in a folder.
    Layout {
        /// The folder.
        folder: PathBuf,
        /// The image's tag in it.
        tag: Option<Tag>,
    },
    /// In an archive: an OCI layout in a tar file, or what `docker save` writes.
    Archive {
        /// The file.
        file: PathBuf,
        /// The image's tag in it.
        tag: Option<Tag>,
    },
    /// In a container engine.
    #[cfg(feature = "cluster")]
    Engine {
        /// The engine.
        engine: Program,
        /// The image's name in it.
        name: ImageName,
    },
}

/// A program that is a container engine.
#[cfg(feature = "cluster")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
}

/// The prefixes of engines, and whether the rest is always a name in the engine. `docker:27` is an image of Docker Hub:
/// the short prefixes need a name that an image called `docker` could not have as its tag.
#[cfg(feature = "cluster")]
const ENGINES: [(&str, Program, bool); 4] = [
    ("docker-daemon:", Program::Docker, true),
    ("containers-storage:", Program::Podman, true),
    ("docker:", Program::Docker, false),
    ("podman:", Program::Podman, false),
];

/// The prefixes of layouts, and of archives. The longer ones are those of skopeo.
const LAYOUTS: [&str; 1] = ["oci:"];
const ARCHIVES: [&str; 3] = ["archive:", "oci-archive:", "docker-archive:"];

/// A path, and the tag that may follow it.
fn path(text: &str) -> Result<(PathBuf, Option<Tag>), ValueError> {
    let tagged = text.rsplit_once(':').and_then(|(path, tag)| Some((path, tag.parse::<Tag>().ok()?)));
    let (path, tag) = match tagged {
        // A path may have a colon itself: what exists counts.
        Some((path, tag)) if !PathBuf::from(text).exists() => (path, Some(tag)),
        _ => (text, None),
    };
    if path.is_empty() {
        return Err(ValueError::new(format!("`{text}` has no path: write oci:FOLDER or archive:FILE")));
    }
    Ok((path.into(), tag))
}

impl FromStr for ImagePlace {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let after = |prefixes: &[&str]| prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
        if let Some(text) = after(&LAYOUTS) {
            let (folder, tag) = path(text)?;
            return Ok(Self::Layout { folder, tag });
        }
        if let Some(text) = after(&ARCHIVES) {
            let (file, tag) = path(text)?;
            return Ok(Self::Archive { file, tag });
        }
        #[cfg(feature = "cluster")]
        for (prefix, engine, is_sure) in ENGINES {
            let Some(name) = text.strip_prefix(prefix) else { continue };
            if is_sure || (name.contains([':', '/', '@']) && !name.starts_with("//")) {
                let name = name.parse().map_err(|error| ValueError::new(format!("{error}")))?;
                return Ok(Self::Engine { engine, name });
            }
        }
        if text.starts_with(['.', '/']) {
            let (path, tag) = path(text)?;
            // What does not exist yet is an archive if it is called so.
            let is_file =
                path.is_file() || (!path.is_dir() && path.extension().is_some_and(|end| end == "tar"));
            return Ok(if is_file {
                Self::Archive { file: path, tag }
            } else {
                Self::Layout { folder: path, tag }
            });
        }
        text.parse().map(Self::Registry).map_err(|error| ValueError::new(format!("{error}")))
    }
}

impl fmt::Display for ImagePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, tag) = match self {
            Self::Registry(name) => return f.write_str(name.as_str()),
            Self::Layout { folder, tag } => (folder, tag),
            Self::Archive { file, tag } => (file, tag),
            #[cfg(feature = "cluster")]
            Self::Engine { engine, name } => {
                let prefix = if *engine == Program::Docker { "docker" } else { "podman" };
                return write!(f, "{prefix}:{name}");
            }
        };
        write!(f, "{}", path.display())?;
        tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "cluster")]
    fn an_engine_is_told_by_its_prefix_and_docker_with_a_tag_is_an_image() {
        let engine =
            |engine, name: &str| ImagePlace::Engine { engine, name: name.parse::<ImageName>().unwrap() };
        for (text, expected) in [
            ("docker:app:dev", engine(Program::Docker, "app:dev")),
            ("docker-daemon:app", engine(Program::Docker, "app")),
            ("podman:localhost/app", engine(Program::Podman, "localhost/app")),
            ("containers-storage:app", engine(Program::Podman, "app")),
            ("docker:27", ImagePlace::Registry("docker:27".parse().unwrap())),
            ("docker:27-cli", ImagePlace::Registry("docker:27-cli".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<ImagePlace>(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_place_is_told_by_its_prefix_or_by_the_form_of_its_path() {
        let tag = |text: &str| Some(text.parse::<Tag>().unwrap());
        let layout = |folder: &str, tag| ImagePlace::Layout { folder: folder.into(), tag };
        let archive = |file: &str, tag| ImagePlace::Archive { file: file.into(), tag };
        for (text, expected) in [
            ("oci:folder", layout("folder", None)),
            ("oci:./folder:v1", layout("./folder", tag("v1"))),
            ("oci:/", layout("/", None)),
            ("archive:app.tar", archive("app.tar", None)),
            ("oci-archive:app.tar:v1", archive("app.tar", tag("v1"))),
            ("docker-archive:a/b.tar", archive("a/b.tar", None)),
            ("./no-such-folder", layout("./no-such-folder", None)),
            ("./no-such-file.tar", archive("./no-such-file.tar", None)),
            ("/no/such/file.tar:v1", archive("/no/such/file.tar", tag("v1"))),
            ("redis:7", ImagePlace::Registry("redis:7".parse().unwrap())),
            ("localhost:5001/app", ImagePlace::Registry("localhost:5001/app".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<ImagePlace>(), Ok(expected), "{text}");
        }
        for text in ["", "oci:", "archive::v1", "UPPER/case", "docker://redis"] {
            assert!(text.parse::<ImagePlace>().is_err(), "{text}");
        }
    }
}
