//! Listeners: the sockets that accept connections, and the upstream that each stands for.

use std::sync::Arc;

use hythe_oci::Authority;
use tokio::net::TcpListener;

use crate::tls::Tls;

/// A socket to accept connections on.
#[derive(Debug)]
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// The upstream that the listener stands for, if any: some clients, such as dockerd with its `registry-mirrors`,
    /// cannot name an upstream in their requests.
    pub mirror: Option<Mirror>,
    /// The TLS that its clients speak; `None` for plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

/// An upstream that a listener stands for. A request that names another upstream itself is answered for that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The upstream's name.
    pub upstream: Authority,
    /// Whether pushes are accepted, and pushed content is looked for first. A configuration of `registry:2` in proxy
    /// mode sets this.
    pub local_first: bool,
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self { socket, mirror: None, tls: None }
    }
}
