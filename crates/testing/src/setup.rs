//! Settings of a [`TestRegistry`].

use std::net::Ipv4Addr;
use std::time::Duration;

use hythe_registry::RegistryOptions;
use hythe_server::{Mirror, ServerOptions, TlsOptions};
use hythe_upstream::{Allowed, CacheOptions, Upstream};

/// Where a test's registry keeps its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In a temporary folder, which is deleted with the registry.
    #[default]
    Fs,
    /// In memory.
    Memory,
    /// In an object store, which is in memory.
    Objects,
}

/// The settings that a test's registry starts with.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) storage: Storage,
    pub(crate) server: ServerOptions,
    pub(crate) registry: RegistryOptions,
    pub(crate) allowed: Allowed,
    pub(crate) cache: CacheOptions,
    pub(crate) mirror: Option<Mirror>,
    pub(crate) listen: Ipv4Addr,
    pub(crate) tls: Option<TlsOptions>,
}

impl Default for Setup {
    fn default() -> Self {
        let server = ServerOptions {
            log_requests: false,
            // A test that leaves a request open must not wait for it.
            drain_timeout: Duration::from_secs(1),
            ..ServerOptions::default()
        };
        Self {
            storage: Storage::default(),
            server,
            registry: RegistryOptions::default(),
            allowed: Allowed::none(),
            cache: CacheOptions::default(),
            mirror: None,
            listen: Ipv4Addr::LOCALHOST,
            tls: None,
        }
    }
}

impl Setup {
    /// Keeps content in this storage.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Speaks TLS.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Keeps content in memory.
    #[must_use]
    pub fn memory(self) -> Self {
        self.storage(Storage::Memory)
    }

    /// Keeps content in an object store.
    #[must_use]
    pub fn objects(self) -> Self {
        self.storage(Storage::Objects)
    }

    /// Sends files by reading them, without `sendfile`.
    #[must_use]
    pub fn without_sendfile(self) -> Self {
        self.server(|options| options.sendfile = false)
    }

    /// Refuses to delete.
    #[must_use]
    pub fn without_delete(self) -> Self {
        self.registry(|options| options.delete = false)
    }

    /// Changes settings of the HTTP edge.
    #[must_use]
    pub fn server(mut self, change: impl FnOnce(&mut ServerOptions)) -> Self {
        change(&mut self.server);
        self
    }

    /// Changes settings of the registry.
    #[must_use]
    pub fn registry(mut self, change: impl FnOnce(&mut RegistryOptions)) -> Self {
        change(&mut self.registry);
        self
    }

    /// Allows the upstream `name`, at these endpoints.
    #[must_use]
    pub fn upstream(self, name: &str, endpoints: &[String]) -> Self {
        self.upstream_with(name, endpoints, |_| {})
    }

    /// As [`Setup::upstream`], with other settings of that upstream.
    #[must_use]
    pub fn upstream_with(
        mut self,
        name: &str,
        endpoints: &[String],
        change: impl FnOnce(&mut Upstream),
    ) -> Self {
        let name = name.parse().expect("a test names an upstream by its host");
        let mut upstream = Upstream::new(name, endpoints.to_vec());
        change(&mut upstream);
        self.allowed.add(upstream, &[]).expect("a test names each upstream once");
        self
    }

    /// Stops paths from naming upstreams, except `except`.
    #[must_use]
    pub fn only_by_namespace(mut self, except: Option<&str>) -> Self {
        let except = except.map(|name| name.parse().expect("a test names an upstream by its host"));
        self.allowed.only_by_namespace(except);
        self
    }

    /// Makes its listener a mirror of an upstream; with `local_first`, pushed content comes first.
    #[must_use]
    pub fn mirror(mut self, upstream: &str, local_first: bool) -> Self {
        let upstream = upstream.parse().expect("a test names an upstream by its host");
        self.mirror = Some(Mirror { upstream, local_first });
        self
    }

    /// Listens on every address of the machine, so that a client can connect over the network.
    #[must_use]
    pub fn everywhere(mut self) -> Self {
        self.listen = Ipv4Addr::UNSPECIFIED;
        self
    }

    /// Allows any public registry that a client names.
    #[must_use]
    pub fn any_upstream(mut self) -> Self {
        self.allowed.allow_any(hythe_upstream::TTL);
        self
    }

    /// Changes settings of the cache.
    #[must_use]
    pub fn cache(mut self, change: impl FnOnce(&mut CacheOptions)) -> Self {
        change(&mut self.cache);
        self
    }
}
