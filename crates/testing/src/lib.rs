//! For tests only: a registry to talk to, an upstream to pull from, a client to talk with, images to push.
//!
//! Everything here panics where a test must fail, and says why. Nothing is asynchronous, so that tests are plain
//! `#[test]` functions.

#![allow(clippy::missing_panics_doc, reason = "to panic is how a fixture fails its test")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "a call reads best without `&` before literals and digests"
)]

mod answer;
mod client;
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
