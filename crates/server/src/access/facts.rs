//! The facts that a decision needs beside the request.

use hythe_oci::RepositoryName;
use hythe_registry::{Error, Provenance, Registry};
use hythe_upstream::{Allowed, Via};

use super::Access;
use super::target::Target;

/// What the registry knows about the repositories of one access. The provenance of a repository is `None` if the
/// repository does not exist, or if the decision does not depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    /// The upstreams of this registry.
    pub(super) allowed: &'a Allowed,
    /// Whether tags, manifests and blobs may be deleted.
    pub(super) deletes: bool,
    /// The provenance of the repository of this registry that the request names.
    pub(super) here: Option<Provenance>,
    /// The provenance of the copy that the request names.
    pub(super) copy: Option<Provenance>,
    /// The provenance of the repository to mount from.
    pub(super) source: Option<Provenance>,
}

/// The registry could not read the provenance of a repository.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) name: RepositoryName,
    pub(crate) error: Error,
}

/// The repositories whose provenance a decision depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs<'a> {
    pub(super) here: Option<&'a RepositoryName>,
    pub(super) copy: Option<&'a RepositoryName>,
    pub(super) source: Option<&'a RepositoryName>,
}

impl<'a> Needs<'a> {
    /// The needs of an access. A pull of pushed content on loopback needs nothing: it is the most frequent request.
    pub(super) fn of(access: &'a Access<'_>) -> Self {
        let via = access.client.via();
        let by_network = via == Via::Network;
        let mut needs = Self::default();
        if access.refused_at_the_door().is_some() {
            return needs;
        }
        match &access.target {
            Target::None | Target::Page(_) | Target::NotServed { .. } | Target::TooLong(_) => {}
            Target::Here(name) => needs.here = by_network.then_some(*name),
            Target::Copy { copy, .. } => {
                let is_needed = copy.upstream().pushable || !copy.upstream().share.reaches(via);
                needs.copy = is_needed.then_some(copy.here());
            }
            Target::HereOrCopy { name, copy } => {
                let reads = access.action.reads_content();
                needs.here = (reads || by_network).then_some(*name);
                needs.copy = (reads && !copy.upstream().share.reaches(via)).then_some(copy.here());
            }
        }
        needs.source = access.mount.and_then(|mount| mount.from.as_ref()).filter(|_| by_network);
        needs
    }
}

impl<'a> Facts<'a> {
    /// Reads the facts that the decision about `access` needs, each once.
    pub(crate) async fn read(
        access: &Access<'_>,
        registry: &Registry,
        allowed: &'a Allowed,
    ) -> Result<Self, Unread> {
        let needs = Needs::of(access);
        let provenance = async |name: Option<&RepositoryName>| match name {
            Some(name) => {
                let found = registry.repository(name).provenance().await;
                found.map_err(|error| Unread { name: name.clone(), error })
            }
            None => Ok(None),
        };
        Ok(Self {
            allowed,
            deletes: registry.options().delete,
            here: provenance(needs.here).await?,
            copy: provenance(needs.copy).await?,
            source: provenance(needs.source).await?,
        })
    }
}
