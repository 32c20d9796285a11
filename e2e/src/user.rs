//! The one user of registries with access control and of token servers.

/// The user's name.
pub const USER: &str = "ada";

/// The user's password. It has a colon and a space, which hythe must send unchanged.
pub const PASSWORD: &str = "sea: and sky";

/// The bcrypt hash of [`PASSWORD`].
pub const HASH: &str = "$2y$05$abcdefghijklmnopqrstuufHT/omAcBcYu9F6b61lrVo0I7s2ltX6";
