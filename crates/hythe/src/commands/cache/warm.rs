//! `hythe cache warm`: fetches images before somebody needs them, by pulling them as any client would.

mod collect;
mod files;
mod image;
mod platform;
mod progress;
mod pull;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;

use hythe_oci::{Authority, AuthorityError};
use serde_json::Value;
use tokio::task::JoinSet;

use super::admin::Admin;
use super::human::{count_of, size};
use super::target::Target;
use crate::args::WarmArgs;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::{Output, Printer};
use collect::{Collected, collect};
use files::{Place, Reader};
use image::Image;
use platform::Platforms;
use progress::Progress;
use pull::{Lack, Warmer};
use report::Report;

pub use platform::Platform;

/// Warms images, or says which are not there.
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
            let why = format!("the registry may not ask {upstream}: add it to its upstreams (upstream.add)");
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
        let (image, place, pulled) =
            ended.map_err(|error| Failure::Other(format!("the work on an image ended: {error}")))?;
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

/// The registries that the images come from and that may not be asked. Asks at least once: a registry that is not there
/// is one error, and not one for each image.
async fn unknown_upstreams(
    images: &[(Image, Option<Place>)],
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

/// What a text holds, as `-f` finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The images as they are written, each with its line.
    pub images: Vec<(String, usize)>,
    /// What was passed over, with the reason.
    pub passed: Vec<(String, String)>,
    /// What could not be read, with the reason.
    pub unread: Vec<String>,
}

/// What a text holds that is the content of a file of this name; for tests.
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

/// The whole name of an image, as Docker completes it; for the same tests.
pub fn parse_image(text: &str) -> Result<String, String> {
    let own = "localhost:5001".parse().map_err(|error: AuthorityError| error.to_string())?;
    Image::parse(text, &own).map(|image| image.to_string())
}
