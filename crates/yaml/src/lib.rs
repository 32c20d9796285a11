//! Reads YAML into a tree in which each part knows its place in the text. Pure: no I/O.
//!
//! The reader bounds what a text can cost: the depth of the tree, also through aliases, and the number of its values. A
//! text comes from a user's file or from another program, so none of it is trusted.

mod node;
mod position;
mod reader;

pub use node::{Content, Entry, Node, Scalar};
pub use position::{Position, YamlError};
pub use reader::{Keys, Reader, Rewrite};
