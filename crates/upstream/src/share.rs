//! Who gets what was fetched with credentials.

/// Who gets what an upstream gave to credentials: not everybody who reaches this registry may have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// Who asks over a loopback address: this machine.
    #[default]
    Loopback,
    /// Whoever asks.
    All,
}

/// Over what a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A loopback address of this machine.
    Loopback,
    /// Any other address.
    Network,
}

impl Share {
    /// Whether who asks in this way gets it.
    pub fn reaches(self, via: Via) -> bool {
        match (self, via) {
            (Self::All, _) | (Self::Loopback, Via::Loopback) => true,
            (Self::Loopback, Via::Network) => false,
        }
    }
}
