//! The client's end of a connection: the facts of its address and listener that decide how far it is trusted.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::listener::Mirror;
use crate::tls::ClientCertificate;

/// The client of one connection, and the listener that it came by.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The client's address.
    pub(crate) address: SocketAddr,
    /// Whether the client connected to a loopback address, whatever address the listener is bound to.
    pub(crate) near: bool,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    pub(crate) door: Door,
    /// The client's verified certificate, if the connection has TLS and the client sent one.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    /// Whether the client speaks plain HTTP to a listener with TLS. Such requests are refused.
    pub(crate) lacks_tls: bool,
}

/// The trust and the meaning that a listener gives its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door {
    /// Whether the listener is bound to loopback, where `Host` is checked.
    pub(crate) loopback: bool,
    /// The upstream that the listener stands for, if any.
    pub(crate) mirror: Option<Mirror>,
}

impl Peer {
    /// The client at the other end of `stream`, which came by `door`.
    pub(crate) fn new(address: SocketAddr, stream: &TcpStream, door: Door) -> Self {
        // If the socket's address is unknown, the connection counts as the network's.
        let near = stream.local_addr().is_ok_and(|local| local.ip().to_canonical().is_loopback());
        Self { address, near, tls: false, door, certificate: None, lacks_tls: false }
    }
}
