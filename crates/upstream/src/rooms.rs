//! Memory that all upstreams share for answers that are read whole.

use hythe_client::Room;

/// Memory for the short lists of all upstreams, and as much again for their short manifests, in bytes. One long list
/// and one long manifest at a time have their own memory.
const SHORT_ANSWERS: usize = 4 << 20;

/// Memory that all upstreams share for answers that are read whole.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(crate) lists: Room,
    pub(crate) manifests: Room,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { lists: Room::new(SHORT_ANSWERS), manifests: Room::new(SHORT_ANSWERS) }
    }
}
