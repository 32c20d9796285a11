//! What to delete, repository by repository.

use std::time::{Duration, SystemTime};

use hythe_client::{Client, Error};
use hythe_oci::{Authority, ImageName, Reference, RepositoryName, Tag};
use hythe_transfer::{Remote, Source as _};

use super::followers::followers;
use crate::args::RmArgs;
use crate::commands::inspect::created_at;
use crate::commands::registries::Registries;
use crate::console::Printer;
use crate::failure::Failure;

/// A repository, and what to delete in it.
pub(super) struct Chosen {
    pub(super) host: Authority,
    pub(super) client: Client,
    pub(super) remote: Remote,
    pub(super) repository: RepositoryName,
    /// The tags and digests to delete.
    pub(super) references: Vec<Reference>,
    /// The input tags that go with the last other tag of their image.
    pub(super) followers: Vec<Tag>,
    /// The tags that were chosen, but are not old enough.
    pub(super) kept: Vec<Reference>,
}

/// Finds out what to delete, and deletes nothing.
pub(super) async fn choose(
    args: &RmArgs,
    registries: &Registries<'_>,
    printer: Printer,
) -> Result<Vec<Chosen>, Failure> {
    let mut all: Vec<Chosen> = Vec::new();
    for image in &args.images {
        let remote = registries.remote(image)?;
        let references = references(image, &remote, args).await?;
        let place = remote.place().to_owned();
        let at = if let Some(at) = all.iter().position(|chosen| chosen.remote.place() == place) {
            at
        } else {
            let (client, repository) = (registries.client(image.registry())?, image.repository().clone());
            let (references, followers, kept) = (Vec::new(), Vec::new(), Vec::new());
            let host = image.registry().clone();
            all.push(Chosen { host, client, remote, repository, references, followers, kept });
            all.len() - 1
        };
        all[at].add(references, args.older_than).await?;
    }
    for chosen in &mut all {
        // A registry that does not list tags must not keep a user from deleting one.
        match followers(&chosen.remote, &chosen.tags()).await {
            Ok(followers) => chosen.followers = followers,
            Err(error) => printer.note(format_args!(
                "could not find out whether input tags of {} are left over: {error}",
                chosen.remote.place()
            )),
        }
    }
    Ok(all)
}

impl Chosen {
    async fn add(&mut self, references: Vec<Reference>, limit: Option<Duration>) -> Result<(), Failure> {
        for reference in references {
            if self.references.contains(&reference) || self.kept.contains(&reference) {
                continue;
            }
            match limit {
                Some(limit) if !is_older(&self.remote, &reference, limit).await? => self.kept.push(reference),
                _ => self.references.push(reference),
            }
        }
        Ok(())
    }

    /// The tags among what to delete.
    pub(super) fn tags(&self) -> Vec<Tag> {
        let tag = |reference: &Reference| match reference {
            Reference::Tag(tag) => Some(tag.clone()),
            Reference::Digest(_) => None,
        };
        self.references.iter().filter_map(tag).collect()
    }

    /// The full name of a tag or manifest of the repository.
    pub(super) fn named(&self, reference: &Reference) -> String {
        let separator = if matches!(reference, Reference::Digest(_)) { '@' } else { ':' };
        format!("{}{separator}{reference}", self.remote.place())
    }

    pub(super) async fn delete(&self, reference: &Reference) -> Result<(), Error> {
        match reference {
            Reference::Tag(tag) => self.client.delete_tag(&self.repository, tag).await,
            Reference::Digest(digest) => self.client.delete_manifest(&self.repository, digest).await,
        }
    }
}

/// What to delete of an image: its digest, its tag, or the tags that match.
async fn references(image: &ImageName, remote: &Remote, args: &RmArgs) -> Result<Vec<Reference>, Failure> {
    match (image.digest(), image.tag(), &args.tag[..]) {
        (_, Some(_), [_, ..]) | (Some(_), _, [_, ..]) => Err(Failure::Usage(format!(
            "--tag names the tags to delete: write {}/{} without a tag or digest",
            image.registry(),
            image.repository()
        ))),
        (Some(digest), None, []) => Ok(vec![Reference::Digest(*digest)]),
        (Some(_), Some(_), []) => Err(Failure::Usage(format!(
            "`{}` has a tag and a digest: write the tag to delete it alone, or the digest to delete the manifest with all \
             its tags",
            image.as_str()
        ))),
        (None, Some(tag), []) => Ok(vec![Reference::Tag(tag.clone())]),
        (None, None, []) => Err(Failure::Usage(format!(
            "`{}` names no tag: write {0}:TAG, or choose tags with --tag PATTERN; * matches any text",
            image.as_str()
        ))),
        (None, None, patterns) => {
            let tags = remote.tags().await?;
            let is_wanted = |tag: &Tag| {
                let mut patterns = patterns.iter();
                patterns.any(
                    |pattern| {
                        if args.all { pattern.matches(tag.as_str()) } else { pattern.selects(tag) }
                    },
                )
            };
            Ok(tags.into_iter().filter(is_wanted).map(Reference::Tag).collect())
        }
    }
}

/// Whether the image says that it was built longer ago.
async fn is_older(remote: &Remote, reference: &Reference, limit: Duration) -> Result<bool, Failure> {
    let created = created_at(remote, reference).await?;
    let age = created.and_then(|created| SystemTime::now().duration_since(created).ok());
    Ok(age.is_some_and(|age| age > limit))
}
