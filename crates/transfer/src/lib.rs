//! Moves images between registries, OCI layouts and archives. One plan ([`copy`]) serves each command that moves
//! images.
//!
//! A [`Source`] gives manifests and blobs, a [`Target`] takes them; a digest never changes on the way. What breaks is
//! resumed: a read by range, a push by its upload session.

mod archive;
mod bundle;
mod config;
mod copy;
mod error;
mod index_file;
mod known;
mod layout;
mod manifest;
mod referrers;
mod registry;
mod resuming;
mod segments;
mod store;
mod tar_file;
mod usage;

pub use archive::{ArchiveSource, ArchiveTarget};
pub use bundle::{
    Bundle, BundledBlob, BundledImage, Choice, Form, Gathering, Record, WrittenBundle, read_record,
    write_bundle,
};
pub use config::{expect_platform, is_for, platform_of, read_config};
pub use copy::{Copied, Plan, Watch, copy};
pub use error::{Error, Result};
pub use layout::Layout;
pub use manifest::{Child, Manifest};
pub use registry::Remote;
pub use store::{Brought, Bytestream, Moved, Source, Target};
pub use usage::{Content, Shares, content_of};
