//! `hosts.toml`: whom containerd asks for one registry's images, and in which order.
//!
//! The same files serve dockerd from 28 on, `BuildKit` within it, and nerdctl, below `/etc/docker/certs.d`.

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

/// How long a mirror may take to answer a connection before the next host is asked: on a machine or its own network
/// it answers at once or never, and the default is 30 seconds for each request.
const DIAL_TIMEOUT: &str = "3s";

/// What one `hosts.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsFile {
    /// Who is asked first, in this order.
    pub hosts: Vec<Host>,
    /// Who is asked when none of the hosts has it. An empty address is the registry itself.
    pub server: Host,
}

/// One that is asked, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The address as the file has it; without a scheme it is HTTPS.
    pub url: String,
    /// What it is asked for; nothing named is everything.
    pub capabilities: Vec<Capability>,
    /// Files of certificate authorities; relative ones are the directory's.
    pub ca: Vec<String>,
    /// Files of client certificates, with their keys where those are apart.
    pub client: Vec<(String, Option<String>)>,
    /// Whether certificates are checked. Set at all, it makes containerd try HTTPS first even at an `http://` address.
    pub skip_verify: Option<bool>,
    /// Whether the address's path is the API's root as it stands, without a `/v2` behind it.
    pub override_path: bool,
    /// How long a connection may take.
    pub dial_timeout: Option<String>,
}

/// What a host may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Manifests and blobs by digest.
    Pull,
    /// What a tag names.
    Resolve,
    /// Uploads.
    Push,
    /// Referrers; from containerd 2.2 on.
    Referrers,
}

/// An address at which the registry answers: scheme and host, nothing behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a registry's address: it is written `http://NAME:PORT` or `https://NAME:PORT`")]
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
    /// The host and port, as they are written.
    pub fn host(&self) -> &str {
        self.0.split_once("://").map_or(&self.0, |(_, host)| host)
    }

    /// Whether it is spoken to without TLS.
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
    /// The word in the file.
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
    /// The address `url`, asked for everything.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

impl HostsFile {
    /// For one of the registry's own names, on the host (`localhost:5001`) or on the nodes' network (`NAME:5000`): it is
    /// asked at `endpoint` for everything, and nobody else ever is.
    pub fn own(endpoint: &Endpoint) -> Self {
        // As the `server` alone: were it a host too, each failed request would be made twice.
        Self { hosts: Vec::new(), server: Host::at(&endpoint.0) }
    }

    /// For an upstream: the registry at `endpoint` is asked first, and the upstream itself where the registry is away or
    /// may not fetch from it.
    pub fn mirror(upstream: &Authority, endpoint: &Endpoint) -> Self {
        let mirror = Host {
            // Never push: an image pushed to an upstream belongs there. Nor referrers, which would cost the whole file
            // on a containerd before 2.2; those are asked of the upstream.
            capabilities: vec![Capability::Pull, Capability::Resolve],
            dial_timeout: Some(DIAL_TIMEOUT.to_owned()),
            ..Host::at(&endpoint.0)
        };
        Self { hosts: vec![mirror], server: Host::at(home(upstream)) }
    }

    /// Those that are asked for something, in their order: the hosts that may be, then the server.
    pub fn asked_for(&self, capability: Capability) -> impl Iterator<Item = &Host> {
        let may = move |host: &&Host| host.capabilities.is_empty() || host.capabilities.contains(&capability);
        self.hosts.iter().chain([&self.server]).filter(may)
    }
}

/// Where a registry's API is. Docker Hub's is not at its name.
fn home(registry: &Authority) -> String {
    match registry.to_string().as_str() {
        "docker.io" | "index.docker.io" => "https://registry-1.docker.io".to_owned(),
        name => format!("https://{name}"),
    }
}

#[cfg(test)]
mod tests;
