//! `hythe cache warm`: fetches images before they are needed, by pulling them through the registry as any client would.

mod collect;
mod files;
mod image;
mod platform;
mod pull;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;

use hythe_oci::{Authority, AuthorityError};
use serde_json::Value;
use tokio::task::JoinSet;

use super::admin::Admin;
use super::target::Target;
use crate::args::WarmArgs;
use crate::config::Environment;
use crate::console::{Printer, Progress};
use crate::failure::Failure;
use crate::values::Output;
use collect::{Collected, collect};
use files::{FileLine, Reader};
use image::Image;
use platform::Platforms;
use pull::{Lack, Warmer};
use report::{Report, first_line};

/// Warms images, or with `--check` reports which are missing.
pub(super) async fn warm(
    args: WarmArgs,
    target: &Target,
    admin: &Admin,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let Collected { images, invalid, passed, unread, empty } = collect(&args, target.host(), environment)?;
    let mut report = Report::new(args.check, printer);
    for file in empty {
        printer.note(format_args!("warning: {file} names no image"));
    }
    report.passed(passed);
    for (name, place, why) in invalid {
        report.failed(Some(name), place, Lack::from(why));
    }
    for part in unread {
        report.failed(part.text, Some(part.place), Lack::from(part.reason));
    }
    let unknown = unknown_upstreams(&images, admin).await?;
    let progress = Arc::new(Progress::start(images.len()));
    let platforms = Platforms::new(args.all_platforms, args.platform);
    let warmer =
        Arc::new(Warmer::new(target, platforms, args.jobs.into(), args.check, Arc::clone(&progress))?);
    let mut pulls = JoinSet::new();
    for (image, place) in images {
        if let Some(upstream) = image.upstream.as_ref().filter(|upstream| unknown.contains(upstream)) {
            let why =
                format!("{upstream} is not an allowed upstream of the registry: add it with upstream.add");
            report.failed(Some(image.to_string()), place, Lack::from(why));
            continue;
        }
        let warmer = Arc::clone(&warmer);
        pulls.spawn(async move {
            let pulled = warmer.pull(&image).await;
            (image, place, pulled)
        });
    }
    while let Some(ended) = pulls.join_next().await {
        let (image, place, pulled) = ended.map_err(Failure::internal("warming an image"))?;
        progress.ended();
        match pulled {
            Ok(pulled) => {
                if printer.output() == Output::Text {
                    progress.aside(|| printer.data(report.line(&image, &pulled), || Value::Null));
                }
                report.pulled(&image, place.as_ref(), &pulled);
            }
            Err(lack) => report.failed(Some(image.to_string()), place, lack),
        }
    }
    progress.stop();
    report.conclude()
}

/// The images' registries that are not allowed upstreams. Makes at least one request, so that a registry that does not
/// answer is one error and not an error for each image.
async fn unknown_upstreams(
    images: &[(Image, Option<FileLine>)],
    admin: &Admin,
) -> Result<BTreeSet<Authority>, Failure> {
    let upstreams = images.iter().filter_map(|(image, _)| image.upstream.clone());
    let mut unknown: BTreeSet<Authority> = upstreams.collect();
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

/// The names of the images in files, for other commands that take `-f`. Fails if a part of a file cannot be read.
pub(in crate::commands) fn names_in(
    files: &[String],
    environment: &Environment,
    printer: Printer,
) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for file in files {
        let mut reader = Reader::new(environment);
        reader.file(file).map_err(Failure::Usage)?;
        let reading = reader.finish();
        if let Some(part) = reading.unread.first() {
            return Err(Failure::Images(format!("{}: {}", part.place, part.reason)));
        }
        for passed in &reading.passed {
            printer.note(format_args!(
                "{}: skipped `{}`: {}",
                passed.place,
                first_line(&passed.text),
                passed.reason
            ));
        }
        names.extend(reading.found.into_iter().map(|found| found.text));
    }
    Ok(names)
}

/// The images that `-f` finds in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The images as the text writes them, each with its line.
    pub images: Vec<(String, usize)>,
    /// Skipped values, each with the reason.
    pub passed: Vec<(String, String)>,
    /// The reasons why parts could not be read.
    pub unread: Vec<String>,
}

/// The images in a text that is the content of a file with this name; for tests.
pub fn list_images(file: &str, text: &str, environment: &Environment) -> Result<Listing, String> {
    let mut reader = Reader::new(environment);
    reader.text(file, text)?;
    let reading = reader.finish();
    Ok(Listing {
        images: reading.found.into_iter().map(|found| (found.text, found.place.line)).collect(),
        passed: reading.passed.into_iter().map(|passed| (passed.text, passed.reason)).collect(),
        unread: reading.unread.into_iter().map(|unread| unread.reason).collect(),
    })
}

/// The full name of an image, as Docker completes it; for the same tests.
pub fn parse_image(text: &str) -> Result<String, String> {
    let own = "localhost:5001".parse().map_err(|error: AuthorityError| error.to_string())?;
    Image::parse(text, &own).map(|image| image.to_string())
}
