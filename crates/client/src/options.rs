//! Options of a client: how it sends requests to one endpoint of a registry.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hythe_oci::Authority;

use crate::room::Room;

/// Memory for the short answers that a client reads whole, if it shares none with other clients, in bytes.
const SHORT_ANSWERS: usize = 4 << 20;

/// Options of a client: how it sends requests to one endpoint of a registry.
///
/// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` apply, to loopback and private endpoints too: list an
/// endpoint in `NO_PROXY` to reach it directly. A proxy resolves names itself, so hythe cannot check which addresses
/// they lead to; addresses written as such in a URL are checked before the proxy is asked.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own, and none depends on another")]
pub struct ClientOptions {
    /// Scheme, host, port, and optionally a path before `/v2`: `https://registry-1.docker.io`. A path that contains
    /// `/v2` puts the rest before every repository's name: `https://harbor.example/v2/dockerhub`.
    pub endpoint: String,
    /// The credentials to send.
    pub credentials: Credentials,
    /// PEM files of certificate authorities to trust beside the system's.
    pub ca: Vec<PathBuf>,
    /// Hosts beside the endpoint's own that may have private addresses and may receive credentials as token servers:
    /// storage behind redirects, token servers. A host without a port stands for every port.
    pub private_hosts: Vec<Authority>,
    /// Whether the endpoint itself must have a public address too: set when a client, and no operator, named it.
    pub public_only: bool,
    /// How long a connection may take: name lookup, TCP and TLS together.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take, including connection, token and redirects.
    pub head_timeout: Duration,
    /// How long a body may go without a byte.
    pub progress_timeout: Duration,
    /// Asks a cache only for what it has stored (`only-if-cached`, RFC 9111, 5.2.1.7); it answers 504 for anything
    /// else.
    pub only_if_cached: bool,
    /// Loads content of an upstream into a hythe's copy (`Hythe-Load`): reads show what is stored, and pushed content
    /// stays the upstream's.
    pub loads: bool,
    /// Uses no proxy, whatever the environment says.
    pub direct: bool,
    /// Memory for lists of tags and referrers.
    pub lists: Room,
    /// Memory for manifests.
    pub manifests: Room,
}

/// Credentials for a registry. Their `Debug` form shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// No credentials.
    #[default]
    Anonymous,
    /// A user name and a password.
    Basic {
        /// The user's name.
        username: String,
        /// The password, or an access token in its place.
        password: String,
    },
    /// An identity token (a refresh token of OAuth 2), as `docker login` stores it for some registries.
    IdentityToken(String),
}

impl ClientOptions {
    /// Options for the endpoint, without credentials and with the default timeouts.
    ///
    /// Two seconds for a connection: a host that is up answers within a few tenths, even from another continent, and a
    /// client whose registry is down should learn that within three. Thirty seconds for the rest: Docker Hub takes ten
    /// for a cold manifest, and clients have given up after a minute.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            credentials: Credentials::Anonymous,
            ca: Vec::new(),
            private_hosts: Vec::new(),
            public_only: false,
            connect_timeout: Duration::from_secs(2),
            head_timeout: Duration::from_secs(30),
            progress_timeout: Duration::from_secs(30),
            only_if_cached: false,
            loads: false,
            direct: false,
            lists: Room::new(SHORT_ANSWERS),
            manifests: Room::new(SHORT_ANSWERS),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic { username, .. } => {
                f.debug_struct("Basic").field("username", username).finish_non_exhaustive()
            }
            Self::IdentityToken(_) => f.debug_tuple("IdentityToken").finish_non_exhaustive(),
        }
    }
}

/// Options that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint is not a valid address.
    #[error("endpoint `{endpoint}` is not valid: {reason}")]
    Endpoint {
        /// The given text.
        endpoint: String,
        /// The cause.
        reason: String,
    },
    /// Credentials that cannot be sent.
    #[error("the credentials for `{endpoint}` cannot be used: {reason}")]
    Credentials {
        /// The endpoint that the credentials are for.
        endpoint: String,
        /// The cause.
        reason: &'static str,
    },
    /// A file of certificate authorities is unusable.
    #[error("certificate authorities cannot be read from {path}: {reason}")]
    Ca {
        /// The file.
        path: String,
        /// The cause.
        reason: String,
    },
}
