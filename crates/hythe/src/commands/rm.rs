//! `hythe rm`: deletes tags and manifests at a registry.

use std::time::{Duration, SystemTime};

use hythe_client::{Client, Error};
use hythe_oci::{ImageName, Reference, RepositoryName, Tag};
use hythe_transfer::{Remote, Source as _};
use serde_json::{Value, json};

use super::inspect::created_at;
use super::registries::Registries;
use super::runtime::run;
use crate::args::RmArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::Failure;
use crate::values::Output;

/// Deletes images.
pub(super) fn rm(args: &RmArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(remove(args, environment, printer))
}

async fn remove(args: &RmArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let registries = Registries::new(environment, &args.connection);
    let (mut deleted, mut kept, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for image in &args.images {
        let (client, remote) = (registries.client(image.registry())?, registries.remote(image)?);
        for reference in references(image, &remote, args).await? {
            let name = named(image, &reference);
            if let Some(limit) = args.older_than
                && !is_older(&remote, &reference, limit).await?
            {
                kept.push(name);
                continue;
            }
            let outcome =
                if args.dry_run { Ok(()) } else { delete(&client, image.repository(), &reference).await };
            match outcome {
                Ok(()) => {
                    if printer.output() == Output::Text {
                        let verb = if args.dry_run { "would delete" } else { "deleted" };
                        printer.data(format_args!("{verb} {name}"), || Value::Null);
                    }
                    deleted.push(name);
                }
                Err(error) => failed.push((name, advice(&error))),
            }
        }
    }
    if printer.output() == Output::Json {
        let failed: Vec<Value> =
            failed.iter().map(|(name, error)| json!({ "name": name, "error": error })).collect();
        printer.data(
            "",
            || json!({ "dryRun": args.dry_run, "deleted": deleted, "kept": kept, "failed": failed }),
        );
    }
    if deleted.is_empty() && failed.is_empty() {
        printer.note("nothing matches: no tag was deleted");
    } else if !deleted.is_empty() && !args.dry_run {
        tell_how_to_free(args, printer);
    }
    if failed.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = failed.iter().map(|(name, error)| format!("  {name}: {error}")).collect();
    let count = count_of(failed.len() as u64, "image");
    Err(Failure::Images(format!("{count} could not be deleted:\n{}", list.join("\n"))))
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
            let is_wanted = |tag: &Tag| patterns.iter().any(|pattern| pattern.matches(tag.as_str()));
            Ok(tags.into_iter().filter(is_wanted).map(Reference::Tag).collect())
        }
    }
}

fn named(image: &ImageName, reference: &Reference) -> String {
    let separator = if matches!(reference, Reference::Digest(_)) { '@' } else { ':' };
    format!("{}/{}{separator}{reference}", image.registry(), image.repository())
}

/// Whether the image says that it was built longer ago.
async fn is_older(remote: &Remote, reference: &Reference, limit: Duration) -> Result<bool, Failure> {
    let created = created_at(remote, reference).await?;
    let age = created.and_then(|created| SystemTime::now().duration_since(created).ok());
    Ok(age.is_some_and(|age| age > limit))
}

async fn delete(client: &Client, repository: &RepositoryName, reference: &Reference) -> Result<(), Error> {
    match reference {
        Reference::Tag(tag) => client.delete_tag(repository, tag).await,
        Reference::Digest(digest) => client.delete_manifest(repository, digest).await,
    }
}

/// The error, and what to do about it.
fn advice(error: &Error) -> String {
    match error {
        Error::Denied { status: 405, .. } => format!(
            "{error}. The registry may have deletes turned off, or may not delete a tag alone: name the manifest by its digest \
             to delete it with all its tags"
        ),
        error => error.to_string(),
    }
}

/// Says how the space of what was deleted is freed. A tag that is deleted leaves its manifest behind.
fn tell_how_to_free(args: &RmArgs, printer: Printer) {
    let Some(image) = args.images.first() else { return };
    let registry = image.registry();
    printer.note(format_args!(
        "the registry's garbage collection frees the space. To free it now at a hythe that nobody pushes to: \
         `hythe gc --registry {registry} --delete-untagged --grace 0s`"
    ));
}
