//! Paths and patterns as bytes, as Go's libraries read them.

pub(crate) mod character;
pub(crate) mod escape;
pub(crate) mod glob;
pub(crate) mod path;
