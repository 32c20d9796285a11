//! The images that a bundle gets: named ones, those that files name, those of clusters, and those in the cache.

use std::collections::BTreeMap;

use hythe_api::CopyEntry;
use hythe_oci::ImageName;
use serde_json::Value;

use super::wanted::Wanted;
use crate::args::BundleCreateArgs;
use crate::commands::cache::{Admin, names_in};
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

/// The images to bundle, each once, by their names.
pub(super) async fn chosen(
    args: &BundleCreateArgs,
    admin: &Admin,
    environment: &Environment,
    printer: Printer,
) -> Result<Vec<Wanted>, Failure> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    let mut want = |image: Wanted| {
        let name = image.name.normalised();
        wanted.entry(name.as_str().to_owned()).or_insert(Wanted { name, ..image });
    };
    for name in &args.images {
        want(Wanted::named(name.clone()));
    }
    for text in names_in(&args.file, environment, printer)? {
        let name =
            text.parse().map_err(|error: hythe_oci::ImageNameError| Failure::Usage(error.to_string()))?;
        want(Wanted::named(name));
    }
    #[cfg(feature = "cluster")]
    for image in super::clusters::images(args, environment, printer).await? {
        want(image);
    }
    if args.all_cached {
        for name in cached(admin).await? {
            want(Wanted { cached: true, ..Wanted::named(name) });
        }
    }
    if wanted.is_empty() {
        let problem = if args.all_cached {
            "the cache is empty: there is nothing to bundle"
        } else {
            "there is no image to bundle: name images, files with -f, a cluster with --from-cluster, or --all-cached, as in \
             `hythe bundle create images.tar redis:7`"
        };
        return Err(Failure::Usage(problem.to_owned()));
    }
    Ok(wanted.into_values().collect())
}

/// The images in the registry's cache: each tag of each copy, under the upstream's name.
async fn cached(admin: &Admin) -> Result<Vec<ImageName>, Failure> {
    let copies: Vec<CopyEntry> = admin.understand(&Value::Array(admin.copies(None).await?))?;
    let mut names = Vec::new();
    for copy in copies {
        // A copy's name begins with its upstream's, with `__` in the place of the colon before a port.
        let path = copy.name.as_str().split_once('/').map_or("", |(_, path)| path);
        for tag in &copy.tags {
            let name = format!("{}/{path}:{tag}", copy.upstream);
            names.extend(name.parse::<ImageName>());
        }
    }
    Ok(names)
}
