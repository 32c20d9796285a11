//! The clients' common interface: each pulls an upstream's image in its own way, and pushes it elsewhere.

use std::process::Command;

use hythe_e2e::command::{Output, attempt};
use hythe_e2e::number::fresh_seed;
use hythe_e2e::sample::Sample;
use hythe_oci::Digest;

/// A client that is configured to reach upstreams through hythe.
pub(crate) trait Puller: Sync {
    /// Its name in messages and in repository names.
    fn name(&self) -> &'static str;

    /// Pulls `image` (`docker.io/library/x:v1`). Returns the digest of its manifest, all of whose blobs the client
    /// verified.
    fn pull(&self, image: &str) -> Result<Digest, Output>;

    /// Pushes the pulled `image` as `to` (`127.0.0.1:5001/app:v1`).
    fn push(&self, image: &str, to: &str);

    /// Pulls `image`, and asserts that it is `sample`.
    fn expect(&self, image: &str, sample: &Sample) {
        match self.pull(image) {
            Ok(digest) => assert_eq!(digest, sample.digest, "{} pulled another {image}", self.name()),
            Err(output) => panic!("{} did not pull {image}: {output:?}", self.name()),
        }
    }
}

/// An image that differs in every run.
pub(crate) fn sample(sizes: &[u64]) -> Sample {
    Sample::new(fresh_seed(), sizes)
}

/// Runs `command`; returns its output if it succeeded.
pub(crate) fn outcome(command: &mut Command) -> Result<String, Output> {
    let output = attempt(command);
    if output.code == Some(0) { Ok(output.stdout) } else { Err(output) }
}
