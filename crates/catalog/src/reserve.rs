//! Room on a full disk for the writes that free room.

use std::fmt;

/// Room on the disk that is reserved for writes which free room.
pub trait Reserve: fmt::Debug + Send + Sync {
    /// Whether the reserve has its room, and no write uses it. Reads memory only.
    fn is_whole(&self) -> bool;

    /// Gives the room up until it is [returned](Self::returned). False if the reserve has no room to give. Blocking.
    fn give_up(&self) -> bool;

    /// Takes the room back if it was given up. False if the disk does not have the room yet. Blocking.
    fn take_back(&self) -> bool;

    /// The write for which the room was given up has ended. Tries at once to take the room back. Blocking.
    fn returned(&self);
}
