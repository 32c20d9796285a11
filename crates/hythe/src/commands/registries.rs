//! Clients of the registries that names of images name, with the user's logins.

use std::collections::HashMap;
use std::path::PathBuf;

use hythe_client::{Client, ClientOptions};
use hythe_oci::{Authority, ImageName, RepositoryName};
use hythe_transfer::Remote;
use parking_lot::Mutex;

use super::cache::Target;
use crate::args::ConnectionArgs;
use crate::config::{Environment, login};
use crate::failure::Failure;

/// Docker Hub: its name in names of images, and the address of its registry.
const HUB: (&str, &str) = ("docker.io", "https://registry-1.docker.io");

/// Clients of registries: one for each, which keeps its connections and tokens.
pub(super) struct Registries<'a> {
    environment: &'a Environment,
    plain_http: Vec<Authority>,
    ca: Vec<PathBuf>,
    private_hosts: Vec<Authority>,
    clients: Mutex<HashMap<Authority, Client>>,
    only_if_cached: bool,
    loads: bool,
}

impl<'a> Registries<'a> {
    pub(super) fn new(environment: &'a Environment, connection: &ConnectionArgs) -> Self {
        let ConnectionArgs { plain_http, ca, private_host: private_hosts } = connection.clone();
        let (clients, only_if_cached, loads) = Default::default();
        Self { environment, plain_http, ca, private_hosts, clients, only_if_cached, loads }
    }

    /// Clients that let a cache answer only from what it has: it does not ask its upstreams.
    pub(super) fn only_if_cached(self) -> Self {
        Self { only_if_cached: true, ..self }
    }

    /// Clients that load content of upstreams into a hythe's copies.
    pub(super) fn loading(self) -> Self {
        Self { loads: true, ..self }
    }

    /// The registry that a command line names by `HOST[:PORT]` or a URL, else the one on this machine.
    pub(super) fn named(&mut self, named: Option<&str>) -> Result<Authority, Failure> {
        if let Some(named) = named.filter(|named| !named.contains("://")) {
            let host = named.trim_end_matches('/').parse();
            return host.map_err(|error| Failure::Usage(format!("{error}; write HOST or HOST:PORT")));
        }
        let chosen = Target::chosen(named, self.environment)?;
        self.plain_http.extend(chosen.plain_host());
        Ok(chosen.host().clone())
    }

    /// Whether a registry is reached by plain HTTP. Registries on this machine are, as in Docker.
    pub(super) fn is_plain(&self, host: &Authority) -> bool {
        host.is_loopback() || self.plain_http.contains(host)
    }

    /// The registry's URL.
    fn endpoint(&self, host: &Authority) -> String {
        if host.to_string() == HUB.0 {
            return HUB.1.to_owned();
        }
        format!("{}://{host}", if self.is_plain(host) { "http" } else { "https" })
    }

    /// A client of the registry, with the login that `docker login` stored for it, if there is one.
    pub(super) fn client(&self, host: &Authority) -> Result<Client, Failure> {
        if let Some(client) = self.clients.lock().get(host) {
            return Ok(client.clone());
        }
        let credentials = login(self.environment, host).map_err(Failure::Login)?;
        let options = ClientOptions {
            credentials: credentials.unwrap_or_default(),
            ca: self.ca.clone(),
            private_hosts: self.private_hosts.clone(),
            direct: host.is_loopback(),
            only_if_cached: self.only_if_cached,
            loads: self.loads,
            ..ClientOptions::new(self.endpoint(host))
        };
        let client = Client::new(options).map_err(|error| Failure::Usage(error.to_string()))?;
        self.clients.lock().insert(host.clone(), client.clone());
        Ok(client)
    }

    /// The repository of an image.
    pub(super) fn remote(&self, image: &ImageName) -> Result<Remote, Failure> {
        self.repository(image.registry(), image.repository())
    }

    /// A repository of a registry.
    pub(super) fn repository(
        &self,
        host: &Authority,
        repository: &RepositoryName,
    ) -> Result<Remote, Failure> {
        let place = format!("{host}/{repository}");
        Ok(Remote::new(self.client(host)?, repository.clone(), place))
    }
}
