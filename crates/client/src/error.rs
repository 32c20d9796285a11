//! Why an upstream did not answer with what was asked for.

use std::time::Duration;

/// Why there is no answer. Each names the endpoint's host and what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The upstream has no such thing, or does not say so to anybody: many answer 401 or 403 for what does not exist.
    #[error("{host} has no {asked}{}", after_colon(.said.as_deref()))]
    NotFound {
        /// The endpoint's host.
        host: String,
        /// What was asked for.
        asked: String,
        /// What it says of it.
        said: Option<String>,
        /// Whether the upstream itself answers 404 or 410. Storage that it redirects to may err, and 401 or 403 may only hide that
        /// the thing is there.
        certain: bool,
    },
    /// The upstream, or its token server, wants other credentials.
    #[error("{host} refused {asked} with status {status}: {reason}")]
    Denied {
        /// The endpoint's host.
        host: String,
        /// What was asked for.
        asked: String,
        /// 401 or 403, or another with which a token server refused.
        status: u16,
        /// Why, as far as it is known.
        reason: String,
    },
    /// The upstream was asked too often.
    #[error(
        "{host} answers no more requests for now, and refused {asked}; {}{}",
        when(*.retry_after),
        after_colon(.said.as_deref())
    )]
    RateLimited {
        /// The endpoint's host.
        host: String,
        /// What was asked for.
        asked: String,
        /// After how long it may be asked again, where it says so.
        retry_after: Option<Duration>,
        /// What it says of it.
        said: Option<String>,
    },
    /// The upstream cannot be reached, or is not well: worth trying again, or elsewhere.
    #[error("{host} could not be asked for {asked}: {reason}")]
    Unavailable {
        /// The endpoint's host.
        host: String,
        /// What was asked for.
        asked: String,
        /// 5xx, where there was an answer at all.
        status: Option<u16>,
        /// Whether there was a connection to it.
        reached: bool,
        /// After how long it may be asked again, where it says so.
        retry_after: Option<Duration>,
        /// What failed.
        reason: String,
    },
    /// The upstream pointed to where it must not lead.
    #[error("{host} points to where it may not be followed for {asked}: {reason}")]
    Refused {
        /// The endpoint's host.
        host: String,
        /// What was asked for.
        asked: String,
        /// Where to, and which setting would allow it.
        reason: String,
    },
    /// The upstream's answer makes no sense.
    #[error("{host} gave an answer for {asked} that cannot be used: {reason}")]
    Protocol {
        /// The endpoint's host.
        host: String,
        /// What was asked for.
        asked: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn after_colon(said: Option<&str>) -> String {
    said.map(|said| format!(": {said}")).unwrap_or_default()
}

fn when(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(after) => format!("it may be asked again in {} s", after.as_secs()),
        None => "it does not say when it may be asked again".to_owned(),
    }
}

impl Error {
    /// Whether the same may go well later, or elsewhere.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } => true,
            Self::NotFound { .. } | Self::Denied { .. } | Self::Refused { .. } | Self::Protocol { .. } => {
                false
            }
        }
    }

    /// Whether the same thing may be had by asking for it in another way: by GET and not by HEAD, whole and not in part.
    /// Registries, and storage whose addresses are signed for one method, answer the one and refuse the other.
    pub fn is_of_the_way(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Denied { .. } | Self::Protocol { .. } => true,
            Self::Unavailable { status, .. } => *status == Some(500),
            Self::RateLimited { .. } | Self::Refused { .. } => false,
        }
    }

    /// Whether the upstream could not even be connected to, whatever is asked of it.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unavailable { reached: false, .. })
    }

    /// Who failed, and how, whatever it was asked for.
    pub fn cause(&self) -> String {
        match self {
            Self::Unavailable { host, reason, .. } => format!("{host}: {reason}"),
            Self::RateLimited { host, retry_after, said, .. } => format!(
                "{host} answers no more requests for now; {}{}",
                when(*retry_after),
                after_colon(said.as_deref())
            ),
            Self::NotFound { .. } | Self::Denied { .. } | Self::Refused { .. } | Self::Protocol { .. } => {
                self.to_string()
            }
        }
    }

    /// After how long the upstream may be asked again, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::NotFound { .. } | Self::Denied { .. } | Self::Refused { .. } | Self::Protocol { .. } => {
                None
            }
        }
    }
}

/// What was asked of whom: what every error begins with.
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
        Error::Denied { host: self.host.clone(), asked: self.asked.clone(), status, reason: reason.into() }
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
        }
    }

    /// There is no connection.
    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Unavailable {
            host: self.host.clone(),
            asked: self.asked.clone(),
            status: None,
            reached: false,
            retry_after: None,
            reason: reason.into(),
        }
    }

    pub(crate) fn refused(&self, reason: impl Into<String>) -> Error {
        Error::Refused { host: self.host.clone(), asked: self.asked.clone(), reason: reason.into() }
    }

    pub(crate) fn protocol(&self, reason: impl Into<String>) -> Error {
        Error::Protocol { host: self.host.clone(), asked: self.asked.clone(), reason: reason.into() }
    }
}
