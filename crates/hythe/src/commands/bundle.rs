//! `hythe bundle`: carries images to another machine in one file.

mod chosen;
#[cfg(feature = "cluster")]
mod clusters;
mod create;
mod load;
mod place;
mod wanted;

pub(super) use place::Destination;

use super::interrupt::unless_interrupted;
use super::runtime::run;
use crate::args::{BundleArgs, BundleCommand};
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

/// Writes or loads a bundle.
pub(super) fn bundle(args: BundleArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    match args.command {
        BundleCommand::Create(args) => {
            run(unless_interrupted("bundling", create::create(*args, environment, printer)))
        }
        BundleCommand::Load(args) => {
            run(unless_interrupted("loading", load::load(&args, environment, printer)))
        }
    }
}
