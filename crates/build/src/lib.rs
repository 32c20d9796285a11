//! The input key of an image: a hash over everything that a build of the image reads.
//!
//! [`read`] reads the Dockerfile of a [`Recipe`] and hashes the files that the needed stages copy. The caller asks a registry
//! for the digests of the [bases](Inputs::bases); with them, the inputs have a [`Key`] and a [`Record`]. Equal inputs have equal
//! keys on every machine, in every folder and with every builder. `docs/reference/input-key.md` specifies the key.
//!
//! ```text
//! Recipe ──read──► Inputs ──with_bases──► KeyedInputs ──► Key, Record
//! ```

mod base;
mod change;
mod context;
mod dockerfile;
mod error;
mod evaluate;
mod expand;
mod ignore;
mod inputs;
mod key;
mod program;
mod recipe;
mod record;
mod stat_cache;
mod text;
mod unknown;

pub use base::{Base, Use};
pub use change::{Change, FileChange};
pub use dockerfile::{Instruction, instructions};
pub use error::Error;
pub use inputs::{Inputs, KeyedInputs, read};
pub use key::Key;
pub use recipe::{ContextSource, DockerfileSource, ImageFacts, Recipe};
pub use record::Record;
pub use stat_cache::StatCache;
pub use unknown::Unknown;
