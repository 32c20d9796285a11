//! Tests of the configuration and the command line, from outside, as users see them.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests too; the lint exempts only functions marked as tests"
)]

mod access;
mod backup;
mod binary;
mod build;
mod bundles;
mod cache;
mod data_folder;
mod descriptors;
mod docker;
mod drop_in;
#[cfg(feature = "cluster")]
mod examples;
mod images;
mod imports;
mod kind_config;
mod no_panic;
mod pages;
mod precedence;
mod problems;
#[cfg(feature = "cluster")]
mod promote;
mod recover;
mod registry2;
mod retain;
mod serving;
mod sizes;
mod suggestions;
mod suite;
mod undelete;
mod upstreams;
mod verify;
#[cfg(feature = "cluster")]
mod words;
#[cfg(feature = "cluster")]
mod workloads;
mod world;
