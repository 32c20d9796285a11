//! Tests of the client against upstreams that each test scripts.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

mod blobs;
mod challenges;
mod contents;
mod lists;
mod manifests;
mod proxies;
mod pushes;
mod raw;
mod reach;
mod redirects;
mod tls;
mod tokens;
mod world;
