//! `hythe cache`, against a registry with an upstream.

mod clear;
mod files;
mod ls;
mod names;
mod warm;
pub(crate) mod world;
