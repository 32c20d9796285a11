//! Collects the images that the command line names, directly and in files, each once.

use std::collections::HashSet;

use hythe_oci::Authority;

use super::files::{FileLine, Passed, Reader, Unread};
use super::image::Image;
use crate::args::WarmArgs;
use crate::config::Environment;
use crate::failure::Failure;

/// The images to warm, and everything that cannot be warmed.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Each image, with the first place that names it.
    pub(super) images: Vec<(Image, Option<FileLine>)>,
    /// Texts that are not names of images, each with its place in a file and the reason.
    pub(super) invalid: Vec<(String, Option<FileLine>, String)>,
    /// Values in files that only look like images.
    pub(super) passed: Vec<Passed>,
    /// Parts of files that could not be read.
    pub(super) unread: Vec<Unread>,
    /// Files without images, where that is no error.
    pub(super) empty: Vec<String>,
}

/// Collects the images; `own` is the registry's own host.
pub(super) fn collect(
    args: &WarmArgs,
    own: &Authority,
    environment: &Environment,
) -> Result<Collected, Failure> {
    if args.images.is_empty() && args.file.is_empty() {
        return Err(Failure::Usage(
            "name images to warm, or with -f files that name images: `hythe cache warm redis:7 -f compose.yaml`"
                .to_owned(),
        ));
    }
    let mut collected = Collected::default();
    let mut seen = HashSet::new();
    let mut add =
        |collected: &mut Collected, text: &str, place: Option<FileLine>| match Image::parse(text, own) {
            Ok(image) => {
                if seen.insert(image.clone()) {
                    collected.images.push((image, place));
                }
            }
            Err(why) => collected.invalid.push((text.to_owned(), place, why)),
        };
    for name in &args.images {
        add(&mut collected, name, None);
    }
    for file in &args.file {
        let mut reader = Reader::new(environment);
        // A file that cannot be read is a mistake in the command line.
        reader.file(file).map_err(Failure::Usage)?;
        let reading = reader.finish();
        if reading.found.is_empty() && reading.unread.is_empty() {
            collected.empty.push(file.clone());
        }
        for found in reading.found {
            add(&mut collected, &found.text, Some(found.place));
        }
        collected.passed.extend(reading.passed);
        collected.unread.extend(reading.unread);
    }
    Ok(collected)
}
