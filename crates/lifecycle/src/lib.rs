//! Work on a registry's content beside pushes and pulls: garbage collection, and the import of another registry's
//! content.

mod collector;
mod error;
mod import;
mod progress;
mod schedule;
mod tree;

pub use collector::{Collected, CollectedNow, Collection, Collector};
pub use error::{Error, Result};
pub use import::{Import, ImportTarget, Imported};
pub use schedule::repeat;
pub use tree::Tree;
