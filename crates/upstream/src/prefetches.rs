//! Which fetched manifests wait for a client, and how many images are fetched ahead.

use std::sync::Arc;

use hythe_oci::{Digest, RepositoryName};
use quick_cache::sync::Cache as Memory;
use tokio::sync::Semaphore;

/// How many fetched manifests are remembered until a client gets them: clients ask by HEAD first.
const WAITING: usize = 1024;

/// How many images are fetched ahead at once. The blobs of further ones are fetched when clients request them.
const IMAGES: usize = 16;

/// The fetched manifests that no client has got yet.
#[derive(Debug)]
pub(crate) struct Prefetches {
    pub(crate) came: Memory<(RepositoryName, Digest), ()>,
    pub(crate) images: Arc<Semaphore>,
}

impl Default for Prefetches {
    fn default() -> Self {
        Self { came: Memory::new(WAITING), images: Arc::new(Semaphore::new(IMAGES)) }
    }
}
