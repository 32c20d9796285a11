//! Pull-through: finds the upstream that a name means, fetches from it, and keeps what arrives.
//!
//! A [`Cache`] works beside the registry. [`Allowed`] finds the upstream that a request means. A [`RepositoryCopy`] is one
//! repository of an upstream as this registry holds it: it serves what is stored, fetches what is missing once for all
//! who ask, and answers from what is stored when the upstream cannot answer.

mod admission;
mod allowed;
mod asked_upstreams;
mod blobs;
mod cache;
mod copy;
mod copy_name;
mod download;
mod endpoints;
mod error;
mod flights;
mod found;
mod health;
mod jitter;
mod listings;
mod manifests;
mod prefetch;
mod prefetches;
mod remedy;
mod rooms;
mod share;
mod thing;
mod watched;

pub use allowed::{Allowed, ConfigError, Resolved, TTL, Upstream};
pub use cache::{Cache, CacheOptions};
pub use copy::RepositoryCopy;
pub use copy_name::{CopyName, TooLong};
pub use endpoints::Status;
pub use error::{Error, Result};
pub use found::{Found, Freshness};
pub use hythe_client::{Credentials, Error as Failure};
pub use share::{Share, Via};
