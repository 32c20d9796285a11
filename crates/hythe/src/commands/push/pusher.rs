//! What each push of a run uses, and what a push gives.

use std::sync::Arc;

use hythe_engine::Engine;
use hythe_oci::{Digest, ImageName};
use hythe_transfer::{Copied, Plan, Watch};
use tokio::sync::OnceCell;

use super::told::Told;
use crate::args::PushArgs;
use crate::commands::engine::connect;
use crate::commands::registries::Registries;
use crate::config::Environment;
use crate::console::{Printer, Progress};
use crate::failure::Failure;

/// An image that was pushed.
pub(in crate::commands) struct Pushed {
    /// The name under which the registry has it.
    pub(in crate::commands) reference: ImageName,
    /// The digest of its manifest.
    pub(in crate::commands) digest: Digest,
    /// The way that its layers took, as a word and with the reason.
    pub(super) way: (&'static str, String),
    /// What was moved, if hythe moved it.
    pub(super) copied: Option<Copied>,
    /// Blobs that the registry had.
    pub(super) existing: u64,
}

/// What each push of a run uses.
pub(in crate::commands) struct Pusher<'a> {
    pub(super) args: &'a PushArgs,
    pub(super) environment: &'a Environment,
    pub(super) registries: Registries<'a>,
    /// The engine, to which hythe connects once.
    pub(super) engine: OnceCell<Engine>,
    pub(super) plan: Plan,
    pub(super) progress: Arc<Progress>,
    pub(super) watch: Arc<dyn Watch>,
    pub(super) printer: Printer,
}

impl<'a> Pusher<'a> {
    /// A run that pushes so many images. Call it on an event loop, because it shows progress.
    pub(super) fn new(
        args: &'a PushArgs,
        environment: &'a Environment,
        registries: Registries<'a>,
        images: usize,
        printer: Printer,
    ) -> Self {
        let progress = Arc::new(Progress::start(images));
        Self {
            args,
            environment,
            registries,
            engine: OnceCell::new(),
            plan: Plan { check_blobs: true, jobs: args.jobs.into(), ..Plan::default() },
            watch: Arc::new(Told { progress: Arc::clone(&progress), printer }),
            progress,
            printer,
        }
    }

    pub(super) async fn engine(&self) -> Result<&Engine, Failure> {
        self.engine.get_or_try_init(|| connect(&self.args.engine)).await
    }

    /// Prints a message beside the progress.
    pub(super) fn note(&self, text: &str) {
        self.progress.aside(|| self.printer.note(text));
    }
}
