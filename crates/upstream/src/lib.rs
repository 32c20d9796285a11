//! Pull-through: finds the upstream that a name means, fetches from it, and keeps what arrives.
//!
//! A [`Cache`] works beside the registry. [`Allowed`] finds the upstream that a request means. A [`Copy`] is one
//! repository of an upstream as this registry holds it: it serves what is stored, fetches what is missing once for all
//! who ask, and answers from what is stored when the upstream cannot answer.

mod admission;
mod allowed;
mod blobs;
mod cache;
mod copy_name;
mod download;
mod error;
mod flights;
mod health;
mod listings;
mod manifests;
mod prefetch;
mod share;
mod source;
mod sources;
mod watched;

pub use allowed::{Allowed, ConfigError, Resolved, TTL, Upstream};
pub use cache::{Cache, Copy, Found, Freshness, Options};
pub use copy_name::{CopyName, TooLong};
pub use error::{Error, Result};
pub use hythe_client::{Credentials, Error as Failure};
pub use share::{Share, Via};
pub use source::Status;
