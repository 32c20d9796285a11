//! A registry after what another one kept was taken over.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

mod import;
mod world;
