//! The properties of hythe's image on which a Pod depends.

/// The id of the user and group as which hythe runs in a container.
pub const USER: u64 = 1000;

/// The data folder in the image, the same as in the image of `registry:2`.
pub const DATA_FOLDER: &str = "/var/lib/registry";
