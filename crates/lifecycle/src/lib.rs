//! Work on a registry's content beside pushes and pulls: so far, the import of another registry's content.

mod error;
mod import;
mod progress;
mod tree;

pub use error::{Error, Result};
pub use import::{Import, Imported, Place};
pub use tree::Tree;
