//! `hosts.toml`: the hosts from which containerd pulls one registry's images, in order.
//!
//! dockerd 28 and later, its `BuildKit`, and nerdctl read the same files below `/etc/docker/certs.d`.

mod directory;
mod judge;
mod legacy;
mod parse;
mod render;

use std::fmt;
use std::str::FromStr;

use hythe_oci::Authority;

pub use directory::{DEFAULT, Directory, Found, Root, directory_for, directory_names, lookup};
pub use judge::{Judgement, judge};
pub(crate) use legacy::default_endpoint;
pub use legacy::{Legacy, Moved};
pub use parse::Fault;
pub(crate) use render::quoted;
pub use render::{Author, written_by};

/// Time limit for connecting to a mirror before containerd asks the next host. On the same machine or network the
/// mirror answers at once or never; containerd's default would cost 30 seconds for each request.
const DIAL_TIMEOUT: &str = "3s";

/// The content of one `hosts.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsFile {
    /// The hosts that are asked first, in this order.
    pub hosts: Vec<Host>,
    /// The host that is asked last, when none of the others answers. An empty address means the registry itself.
    pub server: Host,
}

/// A host that containerd asks, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The address as it stands in the file. Without a scheme, HTTPS is used.
    pub url: String,
    /// What the host is asked for. An empty list means everything.
    pub capabilities: Vec<Capability>,
    /// Files with certificates of authorities. Relative paths start at the file's directory.
    pub ca: Vec<String>,
    /// Files with client certificates, each with the file of its key if the key is in another file.
    pub client: Vec<(String, Option<String>)>,
    /// Whether certificates are left unchecked. If set, even to false, containerd tries HTTPS first even at an
    /// `http://` address.
    pub skip_verify: Option<bool>,
    /// Whether the address's path is the API's root as it stands, so that containerd does not append `/v2`.
    pub override_path: bool,
    /// Time limit for connecting, as a duration of Go.
    pub dial_timeout: Option<String>,
}

/// The kinds of requests that a host may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Manifests and blobs by digest.
    Pull,
    /// Resolving a tag to a digest.
    Resolve,
    /// Uploads.
    Push,
    /// Referrers; known from containerd 2.2 on.
    Referrers,
}

/// The registry's address: a scheme and a host, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a registry's address: write it as `http://NAME:PORT` or `https://NAME:PORT`")]
pub struct EndpointError {
    text: String,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        match host.map(Authority::from_str) {
            Some(Ok(_)) => Ok(Self(text.to_owned())),
            _ => Err(EndpointError { text: text.to_owned() }),
        }
    }
}

impl Endpoint {
    /// The host and port as written.
    pub fn host(&self) -> &str {
        self.0.split_once("://").map_or(&self.0, |(_, host)| host)
    }

    /// Whether the address uses plain HTTP, without TLS.
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Capability {
    /// The capability's word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Resolve => "resolve",
            Self::Push => "push",
            Self::Referrers => "referrers",
        }
    }
}

impl Host {
    /// A host at the address `url` that is asked for everything.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

impl HostsFile {
    /// The file for one of the registry's own names, on the host (`localhost:5001`) or on the nodes' network
    /// (`NAME:5000`): every request goes to `endpoint`, and to no other host.
    pub fn own(endpoint: &Endpoint) -> Self {
        // Only as the `server`: if it were a host too, containerd would repeat each failed request.
        Self { hosts: Vec::new(), server: Host::at(&endpoint.0) }
    }

    /// The file for an upstream: the registry at `endpoint` is asked first. The upstream itself is asked when the
    /// registry does not answer or may not fetch from it.
    pub fn mirror(upstream: &Authority, endpoint: &Endpoint) -> Self {
        let mirror = Host {
            // Not push: an image that is pushed to an upstream belongs there. Not referrers: a containerd before 2.2
            // rejects the whole file for that word; it asks the upstream for them.
            capabilities: vec![Capability::Pull, Capability::Resolve],
            dial_timeout: Some(DIAL_TIMEOUT.to_owned()),
            ..Host::at(&endpoint.0)
        };
        Self { hosts: vec![mirror], server: Host::at(home(upstream)) }
    }

    /// The hosts that are asked for a capability, in order: the hosts that have it, then the server.
    pub fn asked_for(&self, capability: Capability) -> impl Iterator<Item = &Host> {
        let may = move |host: &&Host| host.capabilities.is_empty() || host.capabilities.contains(&capability);
        self.hosts.iter().chain([&self.server]).filter(may)
    }
}

/// The address of a registry's API. Docker Hub's API has another host name than its images.
fn home(registry: &Authority) -> String {
    match registry.to_string().as_str() {
        "docker.io" | "index.docker.io" => "https://registry-1.docker.io".to_owned(),
        name => format!("https://{name}"),
    }
}

#[cfg(test)]
mod tests;
