//! What would let a request succeed.

/// An option of the client that would let a request succeed. The program that made the client knows by which setting its
/// user changes the option, so its messages name the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The host in [`crate::ClientOptions::private_hosts`].
    PrivateHost(String),
    /// The authority that signed the registry's certificate, in [`crate::ClientOptions::ca`].
    Authority,
}
