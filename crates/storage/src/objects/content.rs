//! A blob's object.

use std::sync::Arc;

use bytes::Bytes;

use super::bucket::{Bucket, failed};
use crate::{Content, Result};

/// An object that is never written again. Each read is a request; after the blob's removal it fails.
#[derive(Debug)]
pub(super) struct ObjectContent {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) key: String,
    pub(super) size: u64,
}

#[async_trait::async_trait]
impl Content for ObjectContent {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let range = offset..offset.saturating_add(length as u64);
        if range.is_empty() && offset <= self.size {
            return Ok(Bytes::new());
        }
        let read = self.bucket.get(&self.key, range).await;
        read.map_err(failed("cannot read the object", &self.key))
    }

    fn outlives_removal(&self) -> bool {
        false
    }
}
