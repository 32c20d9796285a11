//! The names of a copy: of its upstream, of the repository there, and of the copy in this registry.

use std::sync::Arc;

use hythe_oci::{Authority, RepositoryName};

use crate::{Error, Upstream};

/// The names of a copy of an upstream's repository, whether the copy exists or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyName {
    upstream: Arc<Upstream>,
    there: RepositoryName,
    here: RepositoryName,
}

/// A repository of an upstream whose name in this registry would be too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The upstream.
    pub upstream: Authority,
    /// The repository's name there.
    pub there: RepositoryName,
}

impl CopyName {
    /// The names of the copy of the upstream's repository `there`.
    pub fn new(upstream: Arc<Upstream>, there: RepositoryName) -> Result<Self, TooLong> {
        match format!("{}/{there}", upstream.folder()).parse() {
            Ok(here) => Ok(Self { upstream, there, here }),
            Err(_) => Err(TooLong { upstream: upstream.name.clone(), there }),
        }
    }

    /// The upstream.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// The repository's name at the upstream.
    pub fn there(&self) -> &RepositoryName {
        &self.there
    }

    /// The copy's name in this registry.
    pub fn here(&self) -> &RepositoryName {
        &self.here
    }

    pub(crate) fn into_parts(self) -> (Arc<Upstream>, RepositoryName, RepositoryName) {
        (self.upstream, self.there, self.here)
    }
}

impl From<TooLong> for Error {
    fn from(TooLong { upstream, there }: TooLong) -> Self {
        Self::NameTooLong { upstream, name: there }
    }
}
