//! For tests only: a registry, a scripted upstream, a client, and images to push.
//!
//! The fixtures panic with the reason when a test must fail. Nothing is asynchronous, so that tests are plain `#[test]`
//! functions.

#![allow(clippy::missing_panics_doc, reason = "a fixture fails its test by panicking")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "calls are easier to read without `&` before literals and digests"
)]

mod answer;
mod certificates;
mod client;
mod clock;
mod connection;
mod content;
mod eventually;
mod image;
mod index;
mod log_lines;
mod manifest;
mod old_tree;
mod registry;
mod scripted;
mod setup;

pub use answer::Answer;
pub use certificates::{Authority, Certified, ClientTls};
pub use client::{Client, Request};
pub use connection::Connection;
pub use content::bytes;
pub use eventually::eventually;
pub use image::ImageBuilder;
pub use index::IndexBuilder;
pub use log_lines::LogLines;
pub use manifest::Manifest;
pub use old_tree::OldTree;
pub use registry::TestRegistry;
pub use scripted::{Fault, Rule, ScriptedUpstream, Seen, TokenRules};
pub use setup::{Setup, Storage};
