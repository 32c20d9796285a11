//! The client, asking upstreams that behave as each test scripts them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

mod blobs;
mod challenges;
mod lists;
mod manifests;
mod proxies;
mod reach;
mod redirects;
mod tls;
mod tokens;
mod world;
