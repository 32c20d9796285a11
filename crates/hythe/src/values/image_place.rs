//! Where an image is: in a registry, in an OCI layout, or in an archive.

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
}

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
        };
        write!(f, "{}", path.display())?;
        tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
