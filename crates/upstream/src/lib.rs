//! Pull-through: which upstream a name means, and what may be asked of it.
//!
//! This is the beginning of the cache: names and challenges, which need no I/O. Nothing here dials anybody.

mod allowed;
mod authority;
mod challenge;

pub use allowed::{Allowed, ConfigError, Resolved, Upstream};
pub use authority::{Authority, AuthorityError};
pub use challenge::{Challenge, challenges};
