//! The specification, clause by clause, tested over a real socket on every configuration of the server.
//!
//! Each test names the clause that it tests: a section of the OCI distribution specification, one of its endpoints
//! (end-1 to end-14), a section of an RFC, or a behaviour of `registry:2` that clients rely on.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

/// Turns each check into one test per configuration.
macro_rules! on_every_configuration {
    ($($check:ident,)+) => {
        $(mod $check {
            use hythe_testing::Setup;

            #[test]
            fn on_a_disk() {
                super::$check(Setup::default());
            }

            #[test]
            fn on_a_disk_without_sendfile() {
                super::$check(Setup::default().without_sendfile());
            }

            #[test]
            fn in_memory() {
                super::$check(Setup::default().memory());
            }

            #[test]
            fn in_an_object_store() {
                super::$check(Setup::default().objects());
            }
        })+
    };
}

mod blobs;
mod catalog;
mod collection;
mod conditional;
mod cors;
mod deletes;
mod errors;
mod framing;
mod host;
mod leases;
mod manifests;
mod mounts;
mod namespace;
mod paths;
mod ping;
mod protection;
mod ranges;
mod referrers;
mod tags;
mod undelete;
mod uploads;
mod world;
