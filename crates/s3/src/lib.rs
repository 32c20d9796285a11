//! A bucket of an S3 server as a place of backups.
//!
//! The crate `object_store` signs requests, repeats them, and knows the sources of credentials; [`hythe_client`] sends them, so that
//! hythe has one HTTP client and one TLS stack.

mod bucket;
mod connector;
mod failure;
mod growing;
mod listing;
mod reading;
mod threads;

pub use bucket::{Bucket, BucketOptions, Keys};
