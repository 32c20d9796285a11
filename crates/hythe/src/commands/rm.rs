//! `hythe rm`: deletes tags and manifests at a registry.

mod chosen;
mod followers;
mod freed;
mod undo;

use hythe_client::Error;
use hythe_oci::{ImageName, ImageNameParts, Reference};
use serde_json::{Value, json};

use super::cache::Target;
use super::registries::Registries;
use super::runtime::run;
use crate::args::RmArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of, size};
use crate::failure::Failure;
use crate::values::Output;
use chosen::{Chosen, choose};
use freed::{Freed, freed};
use undo::{Undo, undo};

/// Deletes images.
pub(super) fn rm(args: &RmArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(remove(args, environment, printer))
}

/// What was deleted, or with `--dry-run` would be; what stays, and what could not be deleted. All are full names.
#[derive(Default)]
struct Outcome {
    deleted: Vec<String>,
    kept: Vec<String>,
    failed: Vec<(String, String)>,
}

async fn remove(args: &RmArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    if let Some(image) = args.images.iter().find(|image| names_no_registry(image)) {
        return Err(unclear(image, environment)?);
    }
    let registries = Registries::new(environment, &args.connection);
    let chosen = choose(args, &registries, printer).await?;
    // Before anything is deleted: afterwards nobody can ask what it used.
    let freed = freed(&chosen, args.dry_run).await;
    let (mut outcome, mut undos) = (Outcome::default(), Vec::new());
    for chosen in &chosen {
        outcome.kept.extend(chosen.kept.iter().map(|reference| chosen.named(reference)));
        let mut deleted = Vec::new();
        for reference in &chosen.references {
            if outcome.delete(chosen, reference, "", args, printer).await {
                deleted.push(reference.clone());
            }
        }
        for tag in &chosen.followers {
            let (reason, reference) = (" (no other tag names its image)", Reference::Tag(tag.clone()));
            if outcome.delete(chosen, &reference, reason, args, printer).await {
                deleted.push(reference);
            }
        }
        if !args.dry_run {
            undos.extend(undo(chosen, &deleted).await);
        }
    }
    let Outcome { deleted, kept, failed } = outcome;
    if printer.output() == Output::Json {
        let failed: Vec<Value> =
            failed.iter().map(|(name, error)| json!({ "name": name, "error": error })).collect();
        printer.data(
            "",
            || {
                let freed = freed.as_deref().unwrap_or_default().iter().map(Freed::json).collect::<Vec<_>>();
                let undo = undos.iter().map(Undo::json).collect::<Vec<_>>();
                json!({ "dryRun": args.dry_run, "deleted": deleted, "kept": kept, "failed": failed, "freed": freed, "undo": undo })
            },
        );
    }
    if deleted.is_empty() && failed.is_empty() {
        printer.note("nothing matches: no tag was deleted");
    } else if !deleted.is_empty() {
        tell_what_is_freed(freed, !failed.is_empty(), args, printer);
        if !args.dry_run {
            tell_how_to_free(args, printer);
            for undo in &undos {
                printer.note(undo.sentence());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = failed.iter().map(|(name, error)| format!("  {name}: {error}")).collect();
    let count = count_of(failed.len() as u64, "image");
    Err(Failure::Images(format!("{count} could not be deleted:\n{}", list.join("\n"))))
}

fn names_no_registry(image: &ImageName) -> bool {
    ImageNameParts::of(image.as_str()).registry.is_none()
}

/// The error for a name without a registry: Docker reads it as an image of Docker Hub, users of a registry on this machine mean
/// that one, and a deletion must not guess.
fn unclear(image: &ImageName, environment: &Environment) -> Result<Failure, Failure> {
    let name = image.as_str();
    let host = Target::chosen(None, environment)?.host().clone();
    let (repository, path) = (image.repository().as_str(), ImageNameParts::of(name).path);
    let rest = name.strip_prefix(path).unwrap_or_default();
    Ok(Failure::Usage(format!(
        "`{name}` names no registry: write {host}/{name} for the registry on this machine, or \
         {}/{repository}{rest} for Docker Hub",
        image.registry()
    )))
}

impl Outcome {
    /// Deletes a tag or manifest, and prints its name. `reason` follows the name. Returns whether it is deleted.
    async fn delete(
        &mut self,
        chosen: &Chosen,
        reference: &Reference,
        reason: &str,
        args: &RmArgs,
        printer: Printer,
    ) -> bool {
        let name = chosen.named(reference);
        let outcome = if args.dry_run { Ok(()) } else { chosen.delete(reference).await };
        match outcome {
            Ok(()) => {
                if printer.output() == Output::Text {
                    let verb = if args.dry_run { "would delete" } else { "deleted" };
                    printer.data(format_args!("{verb} {name}{reason}"), || Value::Null);
                }
                self.deleted.push(name);
                true
            }
            Err(error) => {
                self.failed.push((name, advice(&error, reference)));
                false
            }
        }
    }
}

/// The error, and what to do about it.
fn advice(error: &Error, reference: &Reference) -> String {
    match (error, reference) {
        (Error::Denied { status: 405, .. }, _) => format!(
            "{error}. The registry may have deletes turned off, or may not delete a tag alone: name the manifest by its digest \
             to delete it with all its tags"
        ),
        // registry:2 takes every reference for a digest.
        (Error::Protocol { .. }, Reference::Tag(_)) => format!(
            "{error}. The registry may not delete a tag alone: name the manifest by its digest to delete it with all its tags"
        ),
        (error, _) => error.to_string(),
    }
}

/// Says what the deletion frees. An error here is no error of the deletion.
fn tell_what_is_freed(freed: Result<Vec<Freed>, Failure>, is_partial: bool, args: &RmArgs, printer: Printer) {
    let verb = if args.dry_run { "would free" } else { "frees" };
    let most = if is_partial { " at most" } else { "" };
    let freed = match freed {
        Ok(freed) => freed,
        Err(error) => {
            printer.note(format_args!("could not find out how much space this {verb}: {error}"));
            return;
        }
    };
    for Freed { host, bytes } in freed {
        match bytes {
            Some(bytes) => printer.note(format_args!(
                "this {verb}{most} {} at {host}, less what other repositories there share",
                size(bytes)
            )),
            None => printer.note(format_args!(
                "how much space this {verb} at {host} was not computed, because a repository has very many tags; to see what \
                 they use: `hythe du {host}`"
            )),
        }
    }
}

/// Says how the space of what was deleted is freed. A tag that is deleted leaves its manifest behind.
fn tell_how_to_free(args: &RmArgs, printer: Printer) {
    let Some(image) = args.images.first() else { return };
    let registry = image.registry();
    printer.note(format_args!(
        "an image without a tag stays until `hythe gc --registry {registry} --delete-untagged` deletes it; its space is free a grace \
         period later. To free it now: `hythe gc --registry {registry} --delete-untagged --grace 0s`, after which nothing that was \
         deleted there can be restored"
    ));
}
