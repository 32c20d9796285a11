//! `hythe cache`: lists, fills and frees the cache of a running registry.

mod admin;
mod clear;
mod ls;
mod stat;
mod target;
mod warm;

use super::runtime::run;
use crate::args::{CacheArgs, CacheCommand};
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;
pub(super) use admin::Admin;
pub(super) use target::Target;
pub(super) use warm::names_in;

pub use warm::{Listing, list_images, parse_image};

/// Runs a command on the registry's cache.
pub(super) fn cache(args: CacheArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    run(async {
        let admin = Admin::new(&target)?;
        match args.command {
            CacheCommand::Ls { pattern } => ls::ls(&admin, pattern.as_deref(), printer).await,
            CacheCommand::Stat => stat::stat(&admin, printer).await,
            CacheCommand::Clear { pattern, yes } => {
                clear::clear(&admin, pattern.as_deref(), yes, printer).await
            }
            CacheCommand::Warm(args) => warm::warm(args, &target, &admin, environment, printer).await,
        }
    })
}
