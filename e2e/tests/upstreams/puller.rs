//! What every client can: pull an image of an upstream in its own way, and push it elsewhere.

use std::process::Command;

use hythe_e2e::command::{Output, attempt};
use hythe_e2e::number::fresh_seed;
use hythe_e2e::sample::Sample;
use hythe_oci::Digest;

/// A client that was told how to reach upstreams through hythe.
pub(crate) trait Puller: Sync {
    /// What it is called in messages and in names of repositories.
    fn name(&self) -> &'static str;

    /// Pulls `image` (`docker.io/library/x:v1`); the digest of the manifest that it got, all of whose blobs it checked.
    fn pull(&self, image: &str) -> Result<Digest, Output>;

    /// Pushes `image`, which was pulled, as `to` (`127.0.0.1:5001/app:v1`).
    fn push(&self, image: &str, to: &str);

    /// Pulls `image`, which must be `sample`.
    fn expect(&self, image: &str, sample: &Sample) {
        match self.pull(image) {
            Ok(digest) => assert_eq!(digest, sample.digest, "{} pulled another {image}", self.name()),
            Err(output) => panic!("{} did not pull {image}: {output:?}", self.name()),
        }
    }
}

/// An image that no other run had.
pub(crate) fn sample(sizes: &[u64]) -> Sample {
    Sample::new(fresh_seed(), sizes)
}

/// What `command` printed, if it went well.
pub(crate) fn outcome(command: &mut Command) -> Result<String, Output> {
    let output = attempt(command);
    if output.code == Some(0) { Ok(output.stdout) } else { Err(output) }
}
