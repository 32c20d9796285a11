//! `hythe retain`: deletes the images that a registry's retention rules let go, or shows what the rules decide.

use hythe_api::{RetainedImage, RetentionRun, RetentionSummary};
use hythe_oci::Pattern;
use serde_json::{Value, json};

use super::cache::{Admin, Target};
use super::runtime::run;
use crate::args::RetainArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of, table};
use crate::failure::Failure;
use crate::values::Output;

/// Asks a running registry to delete by its rules, or what they decide.
pub(super) fn retain(args: &RetainArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    if args.dry_run { run(show(&target, args, printer)) } else { run(delete(&target, args, printer)) }
}

async fn delete(target: &Target, args: &RetainArgs, printer: Printer) -> Result<(), Failure> {
    let repository = args.repository.as_ref().map(Pattern::as_str);
    let ran = Admin::new(target)?.retain(repository, args.yes.as_deref()).await?;
    if printer.output() == Output::Json {
        printer.data("", || json!({ "dry_run": false, "run": ran }));
    }
    let RetentionRun { stopped, tags, manifests, changed, summary } = &ran;
    if *stopped {
        return Err(Failure::Unconfirmed(stop_of(summary, args)));
    }
    if summary.repositories == 0 {
        printer.note(no_rule());
        return Ok(());
    }
    printer.note(format_args!("deleted {} and {}", count_of(*tags, "tag"), count_of(*manifests, "manifest")));
    if *changed > 0 {
        let images = count_of(*changed, "image");
        printer.note(format_args!(
            "{images} changed in the meantime and stayed; the next run decides about them again"
        ));
    }
    if *manifests > 0 {
        printer.note("they can be restored for the grace period (collect.grace); garbage collection then frees their space");
    }
    Ok(())
}

/// Why a run stopped, and how to confirm it.
fn stop_of(summary: &RetentionSummary, args: &RetainArgs) -> String {
    let only =
        args.repository.as_ref().map(|pattern| format!(" --repository '{pattern}'")).unwrap_or_default();
    let RetentionSummary { images, deleted, plan, .. } = summary;
    let why = match &args.yes {
        Some(_) => "the plan is another one than the confirmed plan".to_owned(),
        None => "that is more than retain.max-images or retain.max-percent allow".to_owned(),
    };
    format!(
        "deleted nothing: the rules would delete {} of {images}, and {why}. See what goes with `hythe retain --dry-run{only}`, \
         then confirm this plan: `hythe retain{only} --yes {plan}`",
        count_of(*deleted, "image")
    )
}

fn no_rule() -> &'static str {
    "no rule selects any image: everything stays. Rules are tables [retain.\"PATTERN\"] of the registry's configuration"
}

async fn show(target: &Target, args: &RetainArgs, printer: Printer) -> Result<(), Failure> {
    let admin = Admin::new(target)?;
    let repository = args.repository.as_ref().map(Pattern::as_str);
    let (mut images, mut summary, mut after) = (Vec::new(), RetentionSummary::default(), None::<String>);
    loop {
        let part = admin.retention_plan(repository, after.as_deref()).await?;
        images.extend(part.images);
        summary = part.summary.unwrap_or(summary);
        // A position that does not move on would make an endless loop.
        match part.next.filter(|next| after.as_ref() != Some(next)) {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if printer.output() == Output::Json {
        printer.data("", || json_of(&images, &summary));
    } else if !images.is_empty() {
        printer.data(text_of(&images), || Value::Null);
    }
    for left_out in &summary.left_out {
        printer
            .note(format_args!("repository {left_out} has too many images for the rules: all of it stays"));
    }
    printer.note(sentence(&summary));
    if summary.needs_confirmation {
        printer.note(stop_of_plan(&summary, args));
    }
    Ok(())
}

/// How to run a plan that needs a confirmation.
fn stop_of_plan(summary: &RetentionSummary, args: &RetainArgs) -> String {
    let only =
        args.repository.as_ref().map(|pattern| format!(" --repository '{pattern}'")).unwrap_or_default();
    format!(
        "that is more than retain.max-images or retain.max-percent allow; to delete it all the same: `hythe retain{only} --yes {}`",
        summary.plan
    )
}

fn text_of(images: &[RetainedImage]) -> String {
    let row = |image: &RetainedImage| {
        let verdict = if image.stays { "keep" } else { "delete" };
        let rule = image.rule.clone().unwrap_or_else(|| "-".to_owned());
        [verdict.to_owned(), image.name(), rule, image.reason.clone()]
    };
    table(["VERDICT", "IMAGE", "RULE", "REASON"], &images.iter().map(row).collect::<Vec<_>>())
}

fn json_of(images: &[RetainedImage], summary: &RetentionSummary) -> Value {
    let image = |image: &RetainedImage| {
        let RetainedImage { repository, tag, digest, stays, rule, reason } = image;
        json!({
            "name": image.name(), "repository": repository, "tag": tag, "digest": digest, "stays": stays, "rule": rule,
            "reason": reason,
        })
    };
    json!({ "dry_run": true, "summary": summary, "images": images.iter().map(image).collect::<Vec<_>>() })
}

fn sentence(summary: &RetentionSummary) -> String {
    let RetentionSummary { repositories, images, deleted, manifests, .. } = summary;
    if *repositories == 0 {
        return no_rule().to_owned();
    }
    format!(
        "the rules would delete {} of {} ({}) in {}",
        count_of(*deleted, "image"),
        images,
        count_of(*manifests, "manifest"),
        count_of(*repositories, "repository"),
    )
}
