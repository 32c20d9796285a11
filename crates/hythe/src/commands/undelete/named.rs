//! What the command line names: a registry, and repositories, tags and manifests in it.

use hythe_oci::{Digest, ImageNameParts, RepositoryName, Tag};

use crate::args::UndeleteArgs;
use crate::commands::cache::Target;
use crate::config::Environment;
use crate::failure::Failure;

/// A repository, and what is meant of it.
pub(super) struct Named {
    pub(super) repository: RepositoryName,
    pub(super) which: Which,
}

/// What is meant of a repository.
pub(super) enum Which {
    All,
    Tag(Tag),
    Manifest(Digest),
}

/// The registry, and what to restore or list there. A name may begin with the registry, as in other commands.
pub(super) fn read(args: &UndeleteArgs, environment: &Environment) -> Result<(Target, Vec<Named>), Failure> {
    let mut registry = args.registry.clone();
    if args.registry.is_none()
        && let Some(named) = args.names.first().and_then(|name| ImageNameParts::of(name).registry)
    {
        registry = Some(named.to_owned());
    }
    let target = Target::chosen(registry.as_deref(), environment)?;
    let names = args.names.iter().map(|name| named(name, &target, args.registry.is_some()));
    Ok((target.clone(), names.collect::<Result<_, _>>()?))
}

fn named(text: &str, target: &Target, is_chosen: bool) -> Result<Named, Failure> {
    let parts = ImageNameParts::of(text);
    let wrong = |problem: String| Failure::Usage(format!("`{text}`: {problem}"));
    let path = match parts.registry {
        Some(host) if host == target.host().to_string() => parts.path,
        // A repository's own name may begin like a registry's.
        Some(_) if is_chosen => parts.name,
        Some(_) => {
            return Err(wrong(format!(
                "the other names are of {}; name one registry at a time",
                target.host()
            )));
        }
        None => parts.path,
    };
    let repository: RepositoryName = path.parse().map_err(|error| wrong(format!("{error}")))?;
    let which = match (parts.tag, parts.digest) {
        (None, None) => Which::All,
        (Some(tag), None) => Which::Tag(tag.parse().map_err(|error| wrong(format!("{error}")))?),
        (None, Some(digest)) => Which::Manifest(digest.parse().map_err(|error| wrong(format!("{error}")))?),
        (Some(_), Some(_)) => {
            return Err(wrong("it has a tag and a digest; write the one that was deleted".to_owned()));
        }
    };
    Ok(Named { repository, which })
}
