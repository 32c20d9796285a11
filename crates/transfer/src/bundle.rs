//! Bundles: images of several repositories in one file, under their full names, to carry them to another machine.
//!
//! A bundle is an OCI layout in a tar archive, which other programs read too. A [`Gathering`] collects what it will have,
//! [`write_bundle`] writes it, and [`Bundle`] reads it.

mod gather;
mod open;
mod record;
mod volume;
mod write;
mod written;

pub use gather::{Choice, Gathering};
pub use open::{Bundle, read_record};
pub use record::{BundledBlob, BundledImage, Record};
pub use write::{Form, write_bundle};
pub use written::WrittenBundle;

/// The file of a bundle with its record.
const RECORD: &str = "hythe-bundle.json";
