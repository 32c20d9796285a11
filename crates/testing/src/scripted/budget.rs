//! The remaining pulls of manifests, as Docker Hub counts them.

use hythe_oci::header::{DOCKER_RATELIMIT_SOURCE, RATELIMIT_LIMIT, RATELIMIT_REMAINING};

use super::reply::Reply;

/// Docker Hub's window in seconds: six hours.
const WINDOW: u32 = 21_600;

#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) limit: u64,
    pub(super) remaining: u64,
}

impl Budget {
    /// Takes one pull; returns whether one was left.
    pub(super) fn spend(&mut self) -> bool {
        let left = self.remaining.checked_sub(1);
        self.remaining = left.unwrap_or(0);
        left.is_some()
    }

    pub(super) fn tell(self, reply: Reply) -> Reply {
        reply
            .header(RATELIMIT_LIMIT, format!("{};w={WINDOW}", self.limit))
            .header(RATELIMIT_REMAINING, format!("{};w={WINDOW}", self.remaining))
            .header(DOCKER_RATELIMIT_SOURCE, "127.0.0.1")
    }
}
