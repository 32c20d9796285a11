//! Where a registry has the images of a bundle.

use hythe_oci::{Authority, ImageName, RepositoryName};
use hythe_transfer::Remote;

use crate::args::ConnectionArgs;
use crate::commands::registries::Registries;
use crate::config::Environment;
use crate::failure::Failure;

/// Whether a host means the registry itself: this machine, or a name of one label, as containers have (DESIGN, decision
/// 6).
pub(super) fn is_here(host: &Authority) -> bool {
    host.is_loopback() || !host.host().contains(['.', ':'])
}

/// The repository in which hythe keeps its copy of an upstream's image.
pub(super) fn copy_of(name: &ImageName) -> Result<RepositoryName, Failure> {
    below(&name.registry().folder(), name)
}

/// The image's repository below a path.
pub(super) fn below(path: &str, name: &ImageName) -> Result<RepositoryName, Failure> {
    let path = format!("{path}/{}", name.repository());
    path.parse().map_err(|error| {
        Failure::Usage(format!("{}: no repository can have its name: {error}", name.as_str()))
    })
}

/// The registry that gets the images.
pub(in crate::commands) struct Destination<'a> {
    pub(in crate::commands) own: Authority,
    prefix: Option<RepositoryName>,
    registries: Registries<'a>,
    /// Clients that load content of upstreams.
    loading: Registries<'a>,
}

impl<'a> Destination<'a> {
    /// The registry that the command line names. With a `prefix` every image is pushed below that path.
    pub(in crate::commands) fn new(
        named: Option<&str>,
        connection: &ConnectionArgs,
        prefix: Option<RepositoryName>,
        environment: &'a Environment,
    ) -> Result<Self, Failure> {
        let mut registries = Registries::new(environment, connection);
        let mut loading = Registries::new(environment, connection).loading();
        let own = registries.named(named)?;
        loading.named(named)?;
        Ok(Self { own, prefix, registries, loading })
    }

    /// A repository of the registry, under the name that it has there. Content of an upstream is loaded into its copy.
    pub(in crate::commands) fn at(&self, name: &RepositoryName, is_copy: bool) -> Result<Remote, Failure> {
        let registries = if is_copy { &self.loading } else { &self.registries };
        registries.repository(&self.own, name)
    }

    /// The repository that gets an image: below the prefix, the registry's own, or the copy of an upstream's.
    pub(in crate::commands) fn repository(&self, name: &ImageName) -> Result<Remote, Failure> {
        match &self.prefix {
            Some(prefix) => self.at(&below(prefix.as_str(), name)?, false),
            None if is_here(name.registry()) || *name.registry() == self.own => {
                self.at(name.repository(), false)
            }
            None => self.at(&copy_of(name)?, true),
        }
    }
}
