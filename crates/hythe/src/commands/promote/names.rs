//! Which image is promoted, and what it is called afterwards.

use hythe_oci::{Authority, Digest, ImageName, ImageNameParts, Reference, RepositoryName, Tag};

use crate::args::{ConnectionArgs, PromoteArgs, PromotionTarget};
use crate::commands::cache::Target;
use crate::config::Environment;
use crate::failure::Failure;

/// The variables that name the target, as teams' scripts do.
const REGISTRY: &str = "PROD_REGISTRY";
const TAG: &str = "IMAGE_TAG";

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: Authority,
    pub(super) repository: RepositoryName,
}

/// The image, and its names at both registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) from: Place,
    pub(super) reference: Reference,
    pub(super) to: Place,
    /// The tag at the target; none for an image that is named by its digest alone.
    pub(super) tag: Option<Tag>,
}

fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.variables.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
}

impl Names {
    pub(super) fn of(args: &PromoteArgs, environment: &Environment) -> Result<Self, Failure> {
        let image = source(&args.image, environment)?;
        let tag = match (image.tag(), image.digest()) {
            (None, None) => Some(named_tag(&args.image, environment)?),
            (tag, _) => tag.cloned(),
        };
        let reference = match (image.digest(), &tag) {
            (Some(digest), _) => Reference::Digest(*digest),
            (None, Some(tag)) => Reference::Tag(tag.clone()),
            (None, None) => image.reference(),
        };
        let to = match &args.to {
            Some(to) => to.clone(),
            None => named_target(environment)?,
        };
        let name = args.name.as_ref().unwrap_or(image.repository());
        let repository = match &to.prefix {
            None => name.clone(),
            Some(prefix) => {
                let path = format!("{}/{}", prefix.as_str(), name.as_str());
                path.parse().map_err(|error| Failure::Usage(format!("{error}")))?
            }
        };
        let names = Self {
            from: Place { host: image.registry().clone(), repository: image.repository().clone() },
            reference,
            to: Place { host: to.host, repository },
            tag: args.tag.clone().or(tag.clone()),
        };
        let is_latest = |tag: &Option<Tag>| *tag == Some(Tag::latest());
        if !args.allow_latest && (is_latest(&tag) || is_latest(&names.tag)) {
            return Err(Failure::Usage(
                "`latest` does not say which image is promoted: name a tag that does not move, or add --allow-latest"
                    .to_owned(),
            ));
        }
        if names.from == names.to && tag == names.tag {
            return Err(Failure::Usage(format!(
                "{} is the source and the target: name another registry with --to, or another --name or --tag",
                names.target()
            )));
        }
        Ok(names)
    }

    /// How to reach the registries. The registry on this machine may be named by a URL for plain HTTP.
    pub(super) fn connection(
        args: &PromoteArgs,
        environment: &Environment,
    ) -> Result<ConnectionArgs, Failure> {
        let mut connection = args.connection.clone();
        if ImageNameParts::of(&args.image).registry.is_none() {
            connection.plain_http.extend(Target::chosen(None, environment)?.plain_host());
        }
        Ok(connection)
    }

    /// The image's name at the source.
    pub(super) fn source(&self) -> String {
        let separator = if matches!(self.reference, Reference::Digest(_)) { '@' } else { ':' };
        format!("{}/{}{separator}{}", self.from.host, self.from.repository.as_str(), self.reference)
    }

    /// The image's name at the target.
    pub(super) fn target(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        format!("{}/{}{tag}", self.to.host, self.to.repository.as_str())
    }

    /// The name to deploy.
    pub(super) fn deployed(&self, digest: &Digest) -> String {
        let name = format!("{}/{}", self.to.host, self.to.repository.as_str());
        // Without its port a host of one word would read as a part of the path.
        let port = if ImageNameParts::of(&name).registry.is_some() { "" } else { ":443" };
        format!("{}{port}/{}@{digest}", self.to.host, self.to.repository.as_str())
    }
}

/// The image's full name.
fn source(text: &str, environment: &Environment) -> Result<ImageName, Failure> {
    let full = if ImageNameParts::of(text).registry.is_some() {
        text.to_owned()
    } else {
        let host = Target::chosen(None, environment)?.host().clone();
        // Without its port a host of one word would read as a part of the path.
        let port = if ImageNameParts::of(&format!("{host}/x")).registry.is_some() { "" } else { ":443" };
        format!("{host}{port}/{text}")
    };
    full.parse().map_err(|error| Failure::Usage(format!("{error}")))
}

fn named_tag(image: &str, environment: &Environment) -> Result<Tag, Failure> {
    let text = variable(environment, TAG).ok_or_else(|| {
        Failure::Usage(format!("`{image}` names no tag: write {image}:TAG, or set the variable {TAG}"))
    })?;
    text.parse().map_err(|error| Failure::Usage(format!("{error} ({TAG})")))
}

fn named_target(environment: &Environment) -> Result<PromotionTarget, Failure> {
    let text = variable(environment, REGISTRY).ok_or_else(|| {
        Failure::Usage(format!(
            "no registry to promote to: name it with --to, or set the variable {REGISTRY}"
        ))
    })?;
    text.parse().map_err(|error| Failure::Usage(format!("{error} ({REGISTRY})")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn names(line: &str, variables: &[(&str, &str)]) -> Result<Names, String> {
        let words = ["hythe", "promote"].into_iter().chain(line.split_whitespace());
        let Command::Promote(args) = Args::try_parse_from(words).map_err(|error| error.to_string())?.command
        else {
            panic!("{line} is not parsed as promote")
        };
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment.variables.insert((*name).to_owned(), (*value).into());
        }
        Names::of(&args, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn names_come_from_the_command_line_then_from_variables() {
        let prod = [("PROD_REGISTRY", "prod.example/team"), ("IMAGE_TAG", "v9")];
        for (line, variables, from, to) in [
            ("app:v1 --to prod.example", &prod[..0], "localhost:5001/app:v1", "prod.example/app:v1"),
            ("app", &prod[..], "localhost:5001/app:v9", "prod.example/team/app:v9"),
            ("app:v1", &prod[..], "localhost:5001/app:v1", "prod.example/team/app:v1"),
            (
                "a.example/x/app:v1 --name shop --tag 1.0",
                &prod[..],
                "a.example/x/app:v1",
                "prod.example/team/shop:1.0",
            ),
            (
                "app:v1 --to localhost:5001/prod",
                &prod[..],
                "localhost:5001/app:v1",
                "localhost:5001/prod/app:v1",
            ),
            (
                "app:latest --allow-latest",
                &prod[..],
                "localhost:5001/app:latest",
                "prod.example/team/app:latest",
            ),
            (
                "app:v1",
                &[("HYTHE_REGISTRY", "build:5000"), prod[0]],
                "build:5000/app:v1",
                "prod.example/team/app:v1",
            ),
        ] {
            let names = names(line, variables).unwrap();
            assert_eq!((names.source().as_str(), names.target().as_str()), (from, to), "{line}");
        }
    }

    #[test]
    fn what_would_promote_the_wrong_image_is_refused() {
        for (line, variables, words) in [
            ("app:v1", &[][..], "PROD_REGISTRY"),
            ("app --to prod.example", &[], "IMAGE_TAG"),
            ("app:latest --to prod.example", &[], "--allow-latest"),
            ("app:v1 --tag latest --to prod.example", &[], "--allow-latest"),
            ("app --to prod.example", &[("IMAGE_TAG", "latest")], "--allow-latest"),
            ("app:v1 --to localhost:5001", &[], "source and the target"),
            ("app:v1 --to https://prod.example", &[], "REGISTRY/PREFIX"),
            ("app:v1", &[("PROD_REGISTRY", "prod.example/UPPER")], "PROD_REGISTRY"),
        ] {
            let error = names(line, variables).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn the_reference_to_deploy_has_the_digest_and_a_registry_that_reads_as_one() {
        let digest = Digest::of(hythe_oci::Algorithm::Sha256, b"x");
        let deployed = |to: &str| names(&format!("app:v1 --to {to}"), &[]).unwrap().deployed(&digest);
        assert_eq!(deployed("prod.example"), format!("prod.example/app@{digest}"));
        assert_eq!(deployed("prod"), format!("prod:443/app@{digest}"));
    }
}
