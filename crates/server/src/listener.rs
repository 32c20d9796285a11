//! Where requests come in, and what that says about them.

use hythe_oci::Authority;
use tokio::net::TcpListener;

/// A socket to accept on, and whose content is asked for there.
#[derive(Debug)]
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// Where it stands for an upstream: some clients, as dockerd with its `registry-mirrors`, cannot say whom they mean.
    pub mirror: Option<Mirror>,
}

/// An upstream that a listener stands for. A request there that says itself whom it means is answered for that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Its name.
    pub upstream: Authority,
    /// Whether what was pushed here is looked for first, and pushes are taken: what a `registry:2` in proxy mode
    /// becomes.
    pub local_first: bool,
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self { socket, mirror: None }
    }
}
