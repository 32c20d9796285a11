//! Why a request is refused.

use hythe_auth::Action as Right;
use hythe_oci::{Authority, RepositoryName};
use hythe_upstream::TooLong;

/// Why a request is refused. `reject.rs` has the status and the message of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The registry serves only this machine, and the request names a host that is none of its names.
    ForeignHost { host: String },
    /// A web page of a foreign origin tries to write.
    ForeignPage { origin: Option<String> },
    /// The request is for a registry that this one does not answer for.
    NotServed { registry: String },
    /// The name of the copy in this registry would be too long.
    TooLong(TooLong),
    /// The content is fetched with credentials, and this client must not get such content.
    NotShared { upstream: String },
    /// Nothing has been pushed yet to the repository of a pushable upstream.
    NotPushedYet { copy: RepositoryName },
    /// The upstream's repositories accept no pushes.
    NotPushable { name: RepositoryName, upstream: Authority },
    /// The client loads content under a name that is no upstream's.
    NoUpstream { name: RepositoryName },
    /// This client may not load content of the upstream.
    NotLoadable { upstream: Authority },
    /// The copy has content that was fetched with credentials, so it cannot become the registry's own repository.
    FetchedWithCredentials { name: RepositoryName, upstream: Authority, copy: RepositoryName },
    /// The registry does not know the client, or its token covers too little.
    Unauthenticated(Wanted),
    /// No rule lets this client do this.
    NotPermitted { who: String, right: Right, repository: Option<RepositoryName> },
    /// Deleting content is switched off. The registry itself refuses other deletes, such as those of a garbage collection:
    /// they depend on parameters of the request.
    DeletesOff,
}

/// The credentials that a refused client lacks, for the challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The scope of a token.
    pub(crate) scope: Option<String>,
    /// Whether the client has a token, but one that covers too little.
    pub(crate) narrow: bool,
}

impl Refusal {
    /// Whether the request is refused for its client alone, whatever it asks for.
    pub(crate) fn is_at_the_door(&self) -> bool {
        matches!(self, Self::ForeignHost { .. } | Self::ForeignPage { .. })
    }
}
