//! A client of registries: what is read from an upstream, and how it is asked.

mod address;
mod answer;
mod ask;
mod blob;
mod body;
mod budget;
mod challenge;
mod client;
mod connection;
mod connector;
mod dialler;
mod error;
mod guard;
mod link;
mod manifest;
mod options;
mod page;
mod pool;
mod realm;
mod referrers;
mod resolver;
mod response;
mod roots;
mod tags;
mod token;
mod tokens;

pub use blob::BlobAnswer;
pub use body::BlobBody;
pub use budget::Budget;
pub use challenge::{Challenge, challenges};
pub use client::Client;
pub use error::Error;
pub use manifest::{ManifestAnswer, ManifestHead};
pub use options::{ConfigError, Credentials, Options};
pub use page::PageAnswer;
pub use tags::TagPage;
