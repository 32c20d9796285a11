//! Why a request to a registry failed.

use std::io;
use std::time::Duration;

use crate::remedy::Remedy;

/// Why a request failed. Each error names the endpoint's host and the requested thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The registry does not have the thing, or does not reveal it: many registries answer 401 or 403 for what does not
    /// exist.
    #[error("{host} has no {asked}{}", after_colon(.said.as_deref()))]
    NotFound {
        /// The endpoint's host.
        host: String,
        /// The requested thing.
        asked: String,
        /// The registry's own message.
        said: Option<String>,
        /// Whether the registry itself answered 404 or 410. Storage that it redirects to may be wrong, and a 401 or 403
        /// may hide something that exists.
        certain: bool,
    },
    /// The registry, or its token server, requires other credentials.
    #[error("{host} refused {asked} with status {status}: {reason}")]
    Denied {
        /// The endpoint's host.
        host: String,
        /// The requested thing.
        asked: String,
        /// 401, 403, or 405 for a change that the registry does not support; or the status with which a token server
        /// refused.
        status: u16,
        /// Why the request was refused, as far as is known.
        reason: String,
        /// What would let it succeed, if the client's options decide that.
        remedy: Option<Remedy>,
    },
    /// The registry's rate limit is reached.
    #[error(
        "{host} answers no more requests for now (rate limit) and refused {asked}; {}{}",
        when(*.retry_after),
        after_colon(.said.as_deref())
    )]
    RateLimited {
        /// The endpoint's host.
        host: String,
        /// The requested thing.
        asked: String,
        /// How long the registry asks to wait, if it says so.
        retry_after: Option<Duration>,
        /// The registry's own message.
        said: Option<String>,
    },
    /// The registry cannot be reached, or has a problem of its own. The request may succeed later, or at another
    /// endpoint.
    #[error("the request to {host} for {asked} failed: {reason}")]
    Unavailable {
        /// The endpoint's host.
        host: String,
        /// The requested thing.
        asked: String,
        /// The status, 408 or 5xx, if there was an answer.
        status: Option<u16>,
        /// Whether a connection was made.
        reached: bool,
        /// How long the registry asks to wait, if it says so.
        retry_after: Option<Duration>,
        /// What failed.
        reason: String,
        /// What would let it succeed, if the client's options decide that.
        remedy: Option<Remedy>,
    },
    /// The request would have gone to a host that hythe must not connect to.
    #[error("hythe refused a connection that the request to {host} for {asked} needs: {reason}")]
    Refused {
        /// The endpoint's host.
        host: String,
        /// The requested thing.
        asked: String,
        /// The refused host, and why it is refused.
        reason: String,
        /// What would allow it, if the client's options decide that.
        remedy: Option<Remedy>,
    },
    /// The registry's answer is not valid.
    #[error("{host} sent an invalid answer to the request for {asked}: {reason}")]
    Protocol {
        /// The endpoint's host.
        host: String,
        /// The requested thing.
        asked: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

fn after_colon(said: Option<&str>) -> String {
    said.map(|said| format!(": {said}")).unwrap_or_default()
}

fn when(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(after) => format!("try again in {} s", after.as_secs()),
        None => "it does not say when to try again".to_owned(),
    }
}

impl Error {
    /// Whether the same request may succeed later, or at another endpoint.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } => true,
            Self::NotFound { .. } | Self::Denied { .. } | Self::Refused { .. } | Self::Protocol { .. } => {
                false
            }
        }
    }

    /// Whether another form of the request may succeed: GET instead of HEAD, the whole instead of a part. Some
    /// registries, and storage whose addresses are signed for one method, answer one form and refuse the other.
    pub fn is_of_the_way(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Denied { .. } | Self::Protocol { .. } => true,
            Self::Unavailable { status, .. } => *status == Some(500),
            Self::RateLimited { .. } | Self::Refused { .. } => false,
        }
    }

    /// Whether no connection to the registry could be made, whatever was requested.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unavailable { reached: false, .. })
    }

    /// The host and how it failed, without the requested thing.
    pub fn cause(&self) -> String {
        match self {
            Self::Unavailable { host, reason, .. } => format!("{host}: {reason}"),
            Self::RateLimited { host, retry_after, said, .. } => format!(
                "{host} answers no more requests for now (rate limit); {}{}",
                when(*retry_after),
                after_colon(said.as_deref())
            ),
            Self::NotFound { .. } | Self::Denied { .. } | Self::Refused { .. } | Self::Protocol { .. } => {
                self.to_string()
            }
        }
    }

    /// Which option of the client would let the request succeed, if one would.
    pub fn remedy(&self) -> Option<&Remedy> {
        match self {
            Self::Denied { remedy, .. } | Self::Unavailable { remedy, .. } | Self::Refused { remedy, .. } => {
                remedy.as_ref()
            }
            Self::NotFound { .. } | Self::RateLimited { .. } | Self::Protocol { .. } => None,
        }
    }

    /// The error, with what would let the request succeed.
    pub(crate) fn with(mut self, better: Option<Remedy>) -> Self {
        match &mut self {
            Self::Denied { remedy, .. } | Self::Unavailable { remedy, .. } | Self::Refused { remedy, .. } => {
                *remedy = better;
            }
            Self::NotFound { .. } | Self::RateLimited { .. } | Self::Protocol { .. } => {}
        }
        self
    }

    /// How long the registry asks to wait before the next request, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::NotFound { .. } | Self::Denied { .. } | Self::Refused { .. } | Self::Protocol { .. } => {
                None
            }
        }
    }
}

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry refused the push, cannot be reached, or sent an invalid answer.
    #[error(transparent)]
    Registry(#[from] Error),
    /// The content to push could not be read.
    #[error("could not read the content to push: {0}")]
    Content(#[source] io::Error),
}

/// The host and the requested thing, which every error names.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) host: String,
    pub(crate) asked: String,
}

impl Subject {
    pub(crate) fn not_found(&self, certain: bool, said: Option<String>) -> Error {
        Error::NotFound { host: self.host.clone(), asked: self.asked.clone(), said, certain }
    }

    pub(crate) fn denied(&self, status: u16, reason: impl Into<String>) -> Error {
        Error::Denied {
            host: self.host.clone(),
            asked: self.asked.clone(),
            status,
            reason: reason.into(),
            remedy: None,
        }
    }

    pub(crate) fn rate_limited(&self, retry_after: Option<Duration>, said: Option<String>) -> Error {
        Error::RateLimited { host: self.host.clone(), asked: self.asked.clone(), retry_after, said }
    }

    pub(crate) fn unavailable(&self, reason: impl Into<String>) -> Error {
        self.unavailable_for(None, None, reason)
    }

    pub(crate) fn unavailable_for(
        &self,
        status: Option<u16>,
        retry_after: Option<Duration>,
        reason: impl Into<String>,
    ) -> Error {
        Error::Unavailable {
            host: self.host.clone(),
            asked: self.asked.clone(),
            status,
            reached: true,
            retry_after,
            reason: reason.into(),
            remedy: None,
        }
    }

    /// The error for a connection that could not be made.
    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Unavailable {
            host: self.host.clone(),
            asked: self.asked.clone(),
            status: None,
            reached: false,
            retry_after: None,
            reason: reason.into(),
            remedy: None,
        }
    }

    pub(crate) fn refused(&self, reason: impl Into<String>) -> Error {
        Error::Refused {
            host: self.host.clone(),
            asked: self.asked.clone(),
            reason: reason.into(),
            remedy: None,
        }
    }

    pub(crate) fn protocol(&self, reason: impl Into<String>) -> Error {
        Error::Protocol { host: self.host.clone(), asked: self.asked.clone(), reason: reason.into() }
    }
}
