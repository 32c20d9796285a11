//! `hythe inspect`: shows what an image consists of.

mod created;
mod image;

use std::fmt::Write as _;

use serde_json::Value;

use super::registries::Registries;
use super::runtime::run;
use crate::args::InspectArgs;
use crate::config::Environment;
use crate::console::{Printer, size, table};
use crate::failure::Failure;
use image::Image;

pub(super) use created::created_at;

/// Shows images.
pub(super) fn inspect(
    args: &InspectArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(show(args, environment, printer))
}

async fn show(args: &InspectArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let registries = Registries::new(environment, &args.connection);
    let mut images = Vec::new();
    for name in &args.images {
        let remote = registries.remote(name)?;
        images.push(Image::read(name, &remote, args.platform.as_ref()).await?);
    }
    let text: Vec<String> = images.iter().map(text).collect();
    printer.data(text.join("\n\n"), || images.iter().map(Image::json).collect::<Vec<Value>>().into());
    Ok(())
}

fn text(image: &Image) -> String {
    let mut text = format!("{}\n  digest   {}\n  type     {}", image.name, image.digest, image.media_type);
    if let Some(artifact_type) = &image.artifact_type {
        let _ = write!(text, "\n  artifact {artifact_type}");
    }
    let _ = write!(text, "\n  size     {}", size(image.bytes));
    if let Some(created) = &image.created {
        let _ = write!(text, "\n  created  {created}");
    }
    for (key, value) in &image.annotations {
        let _ = write!(text, "\n  {key}: {value}");
    }
    if !image.platforms.is_empty() {
        let rows: Vec<[String; 5]> = image
            .platforms
            .iter()
            .map(|platform| {
                let (bytes, layers, created) = match &platform.content {
                    Some(there) => (
                        size(there.bytes),
                        there.layers.to_string(),
                        there.created.clone().unwrap_or_default(),
                    ),
                    None => ("absent".to_owned(), String::new(), String::new()),
                };
                [platform.name.clone(), bytes, layers, created, platform.digest.to_string()]
            })
            .collect();
        let _ = write!(text, "\n\n{}", table(["PLATFORM", "SIZE", "LAYERS", "CREATED", "DIGEST"], &rows));
    }
    if !image.layers.is_empty() {
        let rows: Vec<[String; 3]> = image
            .layers
            .iter()
            .map(|layer| [size(layer.bytes), layer.digest.to_string(), layer.command.clone()])
            .collect();
        let _ = write!(text, "\n\n{}", table(["SIZE", "LAYER", "COMMAND"], &rows));
    }
    if !image.referrers.is_empty() {
        let rows: Vec<[String; 3]> = image
            .referrers
            .iter()
            .map(|referrer| {
                let kind = referrer.artifact_type.clone().unwrap_or_default();
                [kind, size(referrer.bytes), referrer.digest.to_string()]
            })
            .collect();
        let _ = write!(text, "\n\n{}", table(["REFERRER", "SIZE", "DIGEST"], &rows));
    }
    text
}
