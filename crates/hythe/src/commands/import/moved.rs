//! What an import into a running registry moved, for people and programs.

use hythe_transfer::Copied;
use serde_json::json;

use crate::console::{Printer, Progress, count_of, size};
use crate::failure::Failure;

/// Failures that an error names at most.
const NAMED: usize = 20;

/// What an import moved so far.
#[derive(Default)]
pub(super) struct Moved {
    repositories: u64,
    tags: u64,
    manifests: u64,
    blobs: u64,
    bytes: u64,
    /// What could not be imported, each with the reason.
    failed: Vec<(String, Failure)>,
}

impl Moved {
    /// Counts a repository.
    pub(super) fn repository(&mut self) {
        self.repositories += 1;
    }

    /// Counts an image with its tags, which is there now.
    pub(super) fn add(&mut self, copied: &Copied, tags: usize) {
        self.tags += tags as u64;
        self.manifests += copied.manifests;
        self.blobs += copied.blobs;
        self.bytes += copied.bytes;
    }

    pub(super) fn failed(&mut self, what: String, why: impl Into<Failure>) {
        self.failed.push((what, why.into()));
    }

    /// Prints what was moved. Returns an error if anything could not be.
    pub(super) fn conclude(self, to: &str, progress: &Progress, printer: Printer) -> Result<(), Failure> {
        progress.stop();
        let Self { repositories, tags, manifests, blobs, bytes, failed } = self;
        let sentence = format!(
            "imported {} with {} to {to}; moved {} and {} ({})",
            count_of(repositories, "repository"),
            count_of(tags, "tag"),
            count_of(manifests, "manifest"),
            count_of(blobs, "blob"),
            size(bytes)
        );
        printer.data(sentence, || {
            let failed: Vec<_> =
                failed.iter().map(|(what, why)| json!({ "name": what, "error": why.to_string() })).collect();
            json!({
                "repositories": repositories, "tags": tags, "manifests": manifests, "blobs": blobs, "bytes": bytes,
                "registry": to, "failed": failed,
            })
        });
        if failed.is_empty() {
            printer.note(format_args!("to see what is there: `hythe ls {to}`"));
            return Ok(());
        }
        let count = count_of(failed.len() as u64, "item");
        let mut list: Vec<String> =
            failed.iter().take(NAMED).map(|(what, why)| format!("  {what}: {why}")).collect();
        if failed.len() > NAMED {
            list.push(format!("  and {} more; --output json lists all", failed.len() - NAMED));
        }
        Err(Failure::Images(format!(
            "{count} could not be imported; run the command again to try only these:\n{}",
            list.join("\n")
        )))
    }
}
