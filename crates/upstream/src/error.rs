//! Why the cache cannot answer a request.

use std::sync::Arc;
use std::time::Duration;

use hythe_oci::{Authority, RepositoryName};

use crate::remedy::worded;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request to the cache failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The registry's own error.
    #[error(transparent)]
    Registry(Arc<hythe_registry::Error>),
    /// The request to the upstream failed.
    #[error("upstream {upstream}: {}", worded(.error))]
    Upstream {
        /// The upstream.
        upstream: Authority,
        /// Why it failed.
        error: hythe_client::Error,
    },
    /// The upstream failed repeatedly, and gets no requests for a while.
    #[error("upstream {upstream} fails{}: {last}; after {failures} failures in a row hythe asks it again in {} s",
        asked.as_ref().map(|asked| format!(" for {asked}")).unwrap_or_default(), again.as_secs().max(1))]
    Resting {
        /// The upstream.
        upstream: Authority,
        /// What it fails for, if only this is not requested.
        asked: Option<String>,
        /// How many times it failed in a row.
        failures: u32,
        /// The last failure.
        last: String,
        /// How long until it is asked again.
        again: Duration,
    },
    /// The upstream sent wrong or invalid content. It was not stored.
    #[error("upstream {upstream} sent wrong content for {asked}: {reason}; it was not stored")]
    Wrong {
        /// The upstream.
        upstream: Authority,
        /// The requested thing.
        asked: String,
        /// What is wrong with the content.
        reason: String,
    },
    /// The copy's name would have more characters than a repository's name may have.
    #[error(
        "the repository `{name}` of upstream {upstream} cannot be kept in this registry: its name here, with the upstream's \
         name before it, would be longer than 255 characters"
    )]
    NameTooLong {
        /// The upstream.
        upstream: Authority,
        /// The repository's name at the upstream.
        name: RepositoryName,
    },
    /// The upstream's settings cannot be used.
    #[error(
        "upstream {upstream} cannot be asked: {error}; correct its settings in [upstream.\"{upstream}\"]"
    )]
    Unusable {
        /// The upstream.
        upstream: Authority,
        /// What is wrong with the settings.
        error: hythe_client::ConfigError,
    },
    /// The content was fetched with credentials, or would be, and this client must not get such content.
    #[error(
        "this registry reads upstream {upstream} with credentials, and serves such content only to clients on loopback; this request came over the network. To serve it to every client, set `share = \"all\"` in [upstream.\"{upstream}\"]"
    )]
    NotShared {
        /// The upstream's name.
        upstream: String,
    },
    /// The limit of unlisted upstreams in use is reached.
    #[error(
        "upstream {upstream} is not in the configuration, and {limit} other such upstreams are in use; try again later, or add it to the configuration"
    )]
    Crowded {
        /// The upstream.
        upstream: Authority,
        /// The most unlisted upstreams in use at once.
        limit: usize,
    },
    /// The content is not stored, and the upstream must not be asked.
    #[error("{asked} of upstream {upstream} is not in the cache, and {why}")]
    Offline {
        /// The upstream.
        upstream: Authority,
        /// The requested thing.
        asked: String,
        /// Why the upstream is not asked.
        why: &'static str,
    },
}

impl Error {
    /// Whether the answer means that the thing does not exist: 404, or 401 or 403 to an anonymous request.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Upstream { error: hythe_client::Error::NotFound { .. }, .. })
    }

    /// Whether the upstream itself answered 404 or 410. Many upstreams answer 401 or 403 for what does not exist.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Upstream { error: hythe_client::Error::NotFound { certain: true, .. }, .. })
    }

    /// How little this failure says about whether the thing exists. If endpoints fail differently, the highest value is
    /// reported: an endpoint that could not answer, or refused, may have what another lacks.
    pub(crate) fn doubt(&self) -> u8 {
        if self.is_temporary() {
            3
        } else if !self.is_not_found() {
            2
        } else {
            u8::from(!self.is_gone())
        }
    }

    /// Whether another form of the request may succeed.
    pub(crate) fn is_of_the_way(&self) -> bool {
        match self {
            Self::Upstream { error, .. } => error.is_of_the_way(),
            Self::Wrong { .. } => true,
            Self::Registry(_)
            | Self::Resting { .. }
            | Self::NameTooLong { .. }
            | Self::Unusable { .. }
            | Self::NotShared { .. }
            | Self::Crowded { .. }
            | Self::Offline { .. } => false,
        }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Upstream { error, .. } => error.is_temporary(),
            Self::Resting { .. } | Self::Wrong { .. } | Self::Crowded { .. } => true,
            Self::Registry(_)
            | Self::NameTooLong { .. }
            | Self::Unusable { .. }
            | Self::NotShared { .. }
            | Self::Offline { .. } => false,
        }
    }
}

impl From<hythe_registry::Error> for Error {
    fn from(error: hythe_registry::Error) -> Self {
        Self::Registry(Arc::new(error))
    }
}
