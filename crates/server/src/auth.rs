//! Who may use the registry, and how it asks for credentials.

use std::sync::Arc;

use hythe_auth::{Authenticator, Policy};

/// The path of the token server.
pub(crate) const TOKEN: &str = "/token";

/// Who may use the registry, and how they prove who they are.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Knows who presents credentials.
    pub authenticator: Arc<Authenticator>,
    /// The rules.
    pub policy: Arc<Policy>,
    /// How the registry asks for credentials.
    pub challenge: Challenge,
}

/// How the registry asks for credentials. It accepts all kinds that it knows, whatever it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// For a name and a password with each request.
    Basic,
    /// For a token of this registry's own token server. Clients then find out by themselves what they may do without
    /// credentials.
    Token,
    /// For a token of the server at this URL.
    TokenOf {
        /// The URL.
        realm: String,
        /// The name of this registry there.
        service: String,
    },
}
