//! Pull-through, tested through the public router: the response that a client gets, and the requests that the upstream
//! gets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "a call reads best without `&` before literals and digests"
)]

mod admin;
mod any;
mod blobs;
mod budget;
mod faults;
mod listings;
mod loads;
mod manifests;
mod names;
mod pages;
mod prefetch;
mod pushes;
mod ranges;
mod share;
mod strangers;
mod world;
