//! `hythe retain`: shows which images of a registry the retention rules keep and delete.

use hythe_api::{RetainedImage, RetentionSummary};
use serde_json::{Value, json};

use super::cache::{Admin, Target};
use super::runtime::run;
use crate::args::RetainArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of, table};
use crate::failure::Failure;
use crate::values::Output;

/// Asks a running registry what its rules decide.
pub(super) fn retain(args: &RetainArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    run(show(&target, args, printer))
}

async fn show(target: &Target, args: &RetainArgs, printer: Printer) -> Result<(), Failure> {
    let admin = Admin::new(target)?;
    let repository = args.repository.as_ref().map(hythe_oci::Pattern::as_str);
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
    Ok(())
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
        return "no rule selects any repository: everything stays. Rules are tables [retain.\"PATTERN\"] of the \
             registry's configuration"
            .to_owned();
    }
    format!(
        "the rules would delete {} of {} ({}) in {}",
        count_of(*deleted, "image"),
        images,
        count_of(*manifests, "manifest"),
        count_of(*repositories, "repository"),
    )
}
