//! Work on a registry's content beside pushes and pulls: garbage collection, retention, eviction, verification, and the import of
//! another registry's content.

mod collector;
mod error;
mod evict;
mod import;
mod progress;
pub mod retention;
mod schedule;
mod tree;
mod verify;

pub use collector::{Collected, CollectedNow, Collection, Collector};
pub use error::{Error, Result};
pub use evict::{Evicted, Evictor};
pub use import::{Import, ImportTarget, Imported};
pub use schedule::repeat;
pub use tree::Tree;
pub use verify::{Cursor, CursorError, Pace, Slice, Verifier};
