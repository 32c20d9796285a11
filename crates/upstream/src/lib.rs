//! Pull-through: which upstream a name means, what is asked of it, and what is kept.
//!
//! A [`Cache`] stands beside the registry. [`Allowed`] says whom a request means; a [`Copy`] is one repository of an
//! upstream as it is here: what is there is served, what is not is fetched once however many ask, and what upstream
//! cannot answer now is answered from what is kept.

mod allowed;
mod blobs;
mod cache;
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
pub use error::{Error, Result};
pub use hythe_client::{Credentials, Error as Failure};
pub use share::{Share, Via};
pub use source::Status;
