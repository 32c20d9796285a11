//! Copies images between real registries, layouts and archives.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

mod copies;
mod faults;
mod places;
