//! How one endpoint of an upstream is asked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hythe_oci::Authority;

use crate::room::Room;

/// Room for the short answers that a client reads whole, of which it shares none with another client, in bytes.
const SHORT_ANSWERS: usize = 4 << 20;

/// How one endpoint of an upstream is asked.
///
/// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured, for loopback and private endpoints too: one
/// that is to be reached directly stands in `NO_PROXY`. A proxy resolves names itself, so it is up to the proxy then to
/// which addresses they lead; addresses written as such are refused before it is asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// Scheme, host and port, perhaps a path before `/v2`: `https://registry-1.docker.io`. A path with `/v2` in it begins
    /// every repository's name: `https://harbor.example/v2/dockerhub`.
    pub endpoint: String,
    /// Who asks.
    pub credentials: Credentials,
    /// PEM files of certificate authorities beyond the system's.
    pub ca: Vec<PathBuf>,
    /// Hosts that may have private addresses, and that may issue tokens, though the endpoint does not name them:
    /// storage behind redirects, token servers. One without a port is meant with any.
    pub private_hosts: Vec<Authority>,
    /// Whether the endpoint itself must have a public address too: where its name is a client's word and no operator's.
    pub public_only: bool,
    /// For a connection: name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// For the head of an answer, with all that comes before it: connection, token, redirects.
    pub head_timeout: Duration,
    /// Without a byte of a body.
    pub progress_timeout: Duration,
    /// Asks a cache for what it has, and has it ask nobody (RFC 9111, 5.2.1.7); what it lacks is 504.
    pub only_if_cached: bool,
    /// Asks no proxy, whatever the environment says.
    pub direct: bool,
    /// Where lists of tags and referrers are read to.
    pub lists: Room,
    /// Where manifests are read to.
    pub manifests: Room,
}

/// Who asks. Its `Debug` form has no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody.
    #[default]
    Anonymous,
    /// By name.
    Basic {
        /// The user's name.
        username: String,
        /// The password, or an access token in its place.
        password: String,
    },
    /// By an identity token (a refresh token of OAuth 2), as `docker login` keeps them for some registries.
    IdentityToken(String),
}

impl Options {
    /// The endpoint, asked by nobody in particular, with the usual time outs.
    ///
    /// Two seconds for a connection: a host that is up answers within a few tenths, even from another continent, and
    /// a client whose upstream is down is to hear of it within three. Thirty for the rest: Docker Hub takes ten for
    /// a cold manifest, and clients have given up after a minute.
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

/// Options that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint is no address.
    #[error("upstream endpoint `{endpoint}` cannot be used: {reason}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// Credentials that cannot be sent.
    #[error("the credentials for `{endpoint}` cannot be used: {reason}")]
    Credentials {
        /// For which endpoint.
        endpoint: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file that should hold certificates.
    #[error("certificate authorities cannot be read from {path}: {reason}")]
    Ca {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
}
