//! `hythe cache warm`: fetches images before somebody needs them, by pulling them as any client would.

mod compose;
mod found;
mod image;
mod platform;
mod progress;
mod pull;
mod yaml;

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use hythe_oci::{Authority, AuthorityError};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::admin::Admin;
use super::human::{count_of, size};
use super::target::Target;
use crate::args::WarmArgs;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::{Output, Printer};
use image::Image;
use platform::Platforms;
use progress::Progress;
use pull::{Pulled, Warmer};

pub use platform::Platform;

/// What was named, or where it was, and why nothing came of it.
type Failed = (String, String);

/// Warms images, or says which are not there.
pub(super) async fn warm(
    args: WarmArgs,
    target: &Target,
    admin: &Admin,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let check = args.check;
    let (images, mut failures) = collect(&args, target, environment, printer)?;
    let unknown = unknown_upstreams(&images, admin).await?;
    let progress = Arc::new(Progress::start(images.len()));
    let platforms = Platforms::new(args.all_platforms, args.platform);
    let warmer = Arc::new(Warmer::new(target, platforms, args.jobs.into(), check, Arc::clone(&progress))?);
    let mut pulls = JoinSet::new();
    for image in images {
        if let Some(upstream) = image.upstream.as_ref().filter(|upstream| unknown.contains(upstream)) {
            let why = format!("the registry may not ask {upstream}: add it to its upstreams (upstream.add)");
            failures.push((image.to_string(), why));
            continue;
        }
        let warmer = Arc::clone(&warmer);
        pulls.spawn(async move {
            let pulled = warmer.pull(&image).await;
            (image, pulled)
        });
    }
    let mut results = Vec::new();
    while let Some(ended) = pulls.join_next().await {
        let (image, pulled) =
            ended.map_err(|error| Failure::Other(format!("the work on an image ended: {error}")))?;
        progress.ended();
        if printer.output() == Output::Text
            && let Ok(pulled) = &pulled
        {
            progress.aside(|| printer.data(line(&image, pulled, check), || Value::Null));
        }
        match pulled {
            Ok(pulled) => results.push(json(&image, &pulled, check)),
            Err(why) => failures.push((image.to_string(), why)),
        }
    }
    progress.stop();
    failures.sort();
    results
        .extend(failures.iter().map(|(name, why)| json!({ "image": name, "state": "failed", "error": why })));
    if printer.output() == Output::Json {
        printer.data("", || json!({ "images": results }));
    }
    conclude(&failures, results.len(), check, printer)
}

/// What is to be warmed, each once, and what was named and cannot be understood.
fn collect(
    args: &WarmArgs,
    target: &Target,
    environment: &Environment,
    printer: Printer,
) -> Result<(Vec<Image>, Vec<Failed>), Failure> {
    let (mut images, mut failures, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut add = |text: &str, at: &str| match Image::parse(text, target.host()) {
        Ok(image) if seen.insert(image.clone()) => images.push(image),
        Ok(_) => {}
        Err(why) => failures.push((at.to_owned(), why)),
    };
    let mut unread = Vec::new();
    for name in &args.images {
        add(name, name);
    }
    for file in &args.file {
        // A file that cannot be read is a mistake of the command line.
        let text = found::read(file).map_err(Failure::Usage)?;
        let beside = Path::new(file).with_file_name(compose::ENV_FILE);
        let environment = match std::fs::read_to_string(beside) {
            Ok(variables) => compose::with_env_file(environment, &variables),
            // Few have one.
            Err(_) => environment.clone(),
        };
        let found =
            found::find(&text, &environment).map_err(|why| Failure::Usage(format!("{file}: {why}")))?;
        if found.is_empty() {
            printer.note(format_args!("warning: {file} names no image"));
        }
        for found in found {
            let at = format!("{file}:{}", found.line);
            match found.text {
                Ok(text) => add(&text, &at),
                Err(why) => unread.push((at, why)),
            }
        }
    }
    failures.extend(unread);
    if args.images.is_empty() && args.file.is_empty() {
        return Err(Failure::Usage(
            "name images to warm, or files that name some with -f: `hythe cache warm redis:7 -f compose.yaml`"
                .to_owned(),
        ));
    }
    Ok((images, failures))
}

/// The registries that the images come from and that may not be asked. Asks at least once: a registry that is not there
/// is one error, and not one for each image.
async fn unknown_upstreams(images: &[Image], admin: &Admin) -> Result<BTreeSet<Authority>, Failure> {
    let mut unknown: BTreeSet<Authority> = images.iter().filter_map(|image| image.upstream.clone()).collect();
    if unknown.is_empty() {
        admin.upstreams().await?;
    }
    for upstream in unknown.clone() {
        if admin.is_upstream(&upstream.to_string()).await? {
            unknown.remove(&upstream);
        }
    }
    Ok(unknown)
}

fn line(image: &Image, pulled: &Pulled, check: bool) -> String {
    match (check, pulled.fetched) {
        (true, _) => format!("{image}: all there, {}", count_of(pulled.blobs, "blob")),
        (false, 0) => format!("{image}: was there, {}", count_of(pulled.blobs, "blob")),
        (false, fetched) => {
            format!(
                "{image}: fetched {} of {} ({})",
                fetched,
                count_of(pulled.blobs, "blob"),
                size(pulled.bytes)
            )
        }
    }
}

fn json(image: &Image, pulled: &Pulled, check: bool) -> Value {
    let state = if check || pulled.fetched == 0 { "present" } else { "fetched" };
    json!({
        "image": image.to_string(), "state": state,
        "blobs": pulled.blobs, "fetched_blobs": pulled.fetched, "fetched_bytes": pulled.bytes,
    })
}

fn conclude(failures: &[Failed], images: usize, check: bool, printer: Printer) -> Result<(), Failure> {
    if failures.is_empty() {
        let next = if check {
            "to see what is kept: `hythe cache ls`"
        } else {
            "to see what it saves: `hythe cache stat`"
        };
        printer.note(next);
        return Ok(());
    }
    let what =
        if check { "are not there whole; without --check they are fetched" } else { "could not be warmed" };
    let mut text = format!("{} of {images} images {what}:", failures.len());
    for (name, why) in failures {
        text.push_str("\n  ");
        // What is no name of an image is quoted in the reason. Writing to a string cannot fail.
        if why.contains(name.as_str()) {
            text.push_str(why);
        } else {
            let _ = write!(text, "{name}: {why}");
        }
    }
    Err(Failure::Other(text))
}

/// The images that a text names, as `-f` finds them; for tests that any text is taken or refused.
pub fn find_images(text: &str, environment: &Environment) -> Result<Vec<Result<String, String>>, String> {
    Ok(found::find(text, environment)?.into_iter().map(|found| found.text).collect())
}

/// The whole name of an image, as Docker completes it; for the same tests.
pub fn parse_image(text: &str) -> Result<String, String> {
    let own = "localhost:5001".parse().map_err(|error: AuthorityError| error.to_string())?;
    Image::parse(text, &own).map(|image| image.to_string())
}
