//! Which clients get content that was fetched with credentials.

/// Which clients get content that was fetched with credentials: not every client that reaches this registry may be
/// entitled to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// Clients that connect over a loopback address: those on this machine.
    #[default]
    Loopback,
    /// All clients.
    All,
}

/// The kind of address over which a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A loopback address of this machine.
    Loopback,
    /// Any other address.
    Network,
}

impl Share {
    /// Whether a client that connects over `via` gets it.
    pub fn reaches(self, via: Via) -> bool {
        match (self, via) {
            (Self::All, _) | (Self::Loopback, Via::Loopback) => true,
            (Self::Loopback, Via::Network) => false,
        }
    }
}
