//! A registry after the import of another registry's content.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

mod import;
mod retention;
mod world;
