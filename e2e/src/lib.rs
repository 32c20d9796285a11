//! The parts of the end-to-end tests: a running hythe, real engines, real clusters, real images, and a plain HTTP
//! client.
//!
//! A failed step ends its test with a panic that shows the command, its output and the server's log. A missing tool
//! also ends the test, so that no suite passes without running.

#![allow(clippy::missing_panics_doc, reason = "a panic is how a test's step fails")]
#![allow(clippy::missing_errors_doc, reason = "the errors are those of the socket")]

pub mod api_server;
pub mod authority;
pub mod binary;
pub mod cache;
pub mod client;
pub mod cluster;
pub mod command;
pub mod content;
pub mod control_group;
pub mod control_plane;
pub mod disk;
pub mod distribution;
pub mod engine;
pub mod home;
pub mod image;
pub mod issuer;
pub mod ledger;
pub mod link;
pub mod names;
pub mod network;
pub mod node;
pub mod node_image;
pub mod node_spec;
pub mod number;
pub mod old_registry;
pub mod pod;
pub mod pod_network;
pub mod population;
pub mod process;
pub mod pusher;
pub mod repository;
pub mod rootfs;
pub mod s3;
pub mod sample;
pub mod server;
pub mod store;
pub mod traffic;
pub mod tree;
pub mod upstream;
pub mod user;
