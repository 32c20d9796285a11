//! A bundle that was written, for the report.

use std::path::PathBuf;

use hythe_oci::Digest;

use super::record::Record;

/// A bundle that was written.
#[derive(Clone, Debug)]
pub struct WrittenBundle {
    /// Its files: one, or the chunks.
    pub files: Vec<PathBuf>,
    /// The list of the chunks, if there are chunks.
    pub list: Option<PathBuf>,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub digest: Digest,
    /// What it has.
    pub record: Record,
}
