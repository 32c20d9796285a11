//! The user's logins, as engines take them.

use hythe_client::Credentials;
use hythe_engine::Login;
use hythe_oci::Authority;

use crate::config::{Environment, login};
use crate::failure::Failure;

/// The login that `docker login` stored for a registry.
pub(in crate::commands) fn engine_login(
    environment: &Environment,
    registry: &Authority,
) -> Result<Option<Login>, Failure> {
    let credentials = login(environment, registry).map_err(Failure::Login)?;
    Ok(match credentials {
        None | Some(Credentials::Anonymous) => None,
        Some(Credentials::Basic { username, password }) => Some(Login::Basic { username, password }),
        Some(Credentials::IdentityToken(token)) => Some(Login::Token(token)),
    })
}
