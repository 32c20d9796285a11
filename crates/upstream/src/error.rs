//! Why a copy of an upstream's content cannot be answered with.

use std::sync::Arc;
use std::time::Duration;

use hythe_oci::Authority;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The registry's own reason.
    #[error(transparent)]
    Registry(Arc<hythe_registry::Error>),
    /// The upstream was asked, and this came of it.
    #[error("upstream {upstream}: {error}")]
    Upstream {
        /// The upstream.
        upstream: Authority,
        /// What came of it.
        error: hythe_client::Error,
    },
    /// The upstream failed again and again, and is left alone for a while.
    #[error("upstream {upstream} fails{}: {last}; after {failures} failures in a row it is asked again in {} s",
        asked.as_ref().map(|asked| format!(" for {asked}")).unwrap_or_default(), again.as_secs().max(1))]
    Resting {
        /// The upstream.
        upstream: Authority,
        /// What it fails for, where it is asked for all else.
        asked: Option<String>,
        /// How often it failed.
        failures: u32,
        /// How, the last time.
        last: String,
        /// When it is asked again.
        again: Duration,
    },
    /// The upstream sent other bytes than it was asked for. They were not kept.
    #[error("upstream {upstream} sent something else than {asked}: {reason}; it was not kept")]
    Wrong {
        /// The upstream.
        upstream: Authority,
        /// What it was asked for.
        asked: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It was fetched with credentials, or would be, and who asks is not to have that.
    #[error(
        "what upstream {upstream} gives to this registry's login is answered on loopback only, and this request came over the network; set `share = \"all\"` in [upstream.\"{upstream}\"] if whoever reaches this registry may have it"
    )]
    NotShared {
        /// The upstream.
        upstream: Authority,
    },
    /// As many unlisted upstreams as there may be are being asked.
    #[error(
        "upstream {upstream} is not listed, and {limit} others that are not are being asked; come back later, or list it"
    )]
    Crowded {
        /// The upstream.
        upstream: Authority,
        /// How many there may be.
        limit: usize,
    },
    /// Nobody is asked, and it is not here.
    #[error("{asked} of upstream {upstream} is not in the cache, and {why}")]
    Offline {
        /// The upstream.
        upstream: Authority,
        /// What was asked for.
        asked: String,
        /// Why nobody is asked.
        why: &'static str,
    },
}

impl Error {
    /// Whether upstream says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Upstream { error: hythe_client::Error::NotFound { .. }, .. })
    }

    /// Whether upstream says so in as many words. Many say no more than that nobody may know.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Upstream { error: hythe_client::Error::NotFound { certain: true, .. }, .. })
    }

    /// Of two endpoints' answers the one to go by is that which says less: who could not answer, or may not, may have what
    /// another has not.
    pub(crate) fn doubt(&self) -> u8 {
        if self.is_temporary() {
            3
        } else if !self.is_not_found() {
            2
        } else {
            u8::from(!self.is_gone())
        }
    }

    /// Whether the same thing may be had by asking for it in another way.
    pub(crate) fn is_of_the_way(&self) -> bool {
        match self {
            Self::Upstream { error, .. } => error.is_of_the_way(),
            Self::Wrong { .. } => true,
            Self::Registry(_)
            | Self::Resting { .. }
            | Self::NotShared { .. }
            | Self::Crowded { .. }
            | Self::Offline { .. } => false,
        }
    }

    /// Whether the same may go well a little later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Upstream { error, .. } => error.is_temporary(),
            Self::Resting { .. } | Self::Wrong { .. } | Self::Crowded { .. } => true,
            Self::Registry(_) | Self::NotShared { .. } | Self::Offline { .. } => false,
        }
    }
}

impl From<hythe_registry::Error> for Error {
    fn from(error: hythe_registry::Error) -> Self {
        Self::Registry(Arc::new(error))
    }
}
