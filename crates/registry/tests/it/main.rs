//! The registry through its public API, over memory, a folder and an object store.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod adoption;
mod collector;
mod deletes;
mod failed_sync;
mod fetch;
mod journal;
mod lost_bytes;
mod model;
mod objects;
mod pulls;
mod rebuild;
mod restart;
mod two_processes;
mod uploads;
mod verify;
mod world;
