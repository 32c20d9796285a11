//! One login in the format of Docker's configuration.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hythe_client::Credentials;
use serde_json::{Value, json};

/// Reads an entry. `None` if the entry has no login, and only means that a helper has one.
pub(super) fn read(login: &Value) -> Result<Option<Credentials>, String> {
    let text = |name: &str| login[name].as_str().filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::IdentityToken(token.to_owned())));
    }
    // Errors must not repeat the value, which is secret.
    if let Some(auth) = text("auth") {
        let wrong = || "`auth` is not the BASE64 of `user:password`".to_owned();
        let decoded = BASE64_STANDARD.decode(auth).map_err(|_| wrong())?;
        let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
        // Old clients pad the value with NUL characters.
        let (username, password) = decoded.trim_matches('\0').split_once(':').ok_or_else(wrong)?;
        return basic(username, password).map(Some);
    }
    match (text("username"), text("password")) {
        (Some(username), Some(password)) => basic(username, password).map(Some),
        (Some(_) | None, None) | (None, Some(_)) => Ok(None),
    }
}

/// Writes an entry; `None` for anonymous access.
pub(super) fn write(credentials: &Credentials) -> Option<Value> {
    match credentials {
        Credentials::Anonymous => None,
        Credentials::Basic { username, password } => {
            Some(json!({ "auth": BASE64_STANDARD.encode(format!("{username}:{password}")) }))
        }
        Credentials::IdentityToken(token) => Some(json!({ "identitytoken": token })),
    }
}

/// Checks a user name and a password for HTTP basic authentication.
pub(super) fn basic(username: &str, password: &str) -> Result<Credentials, String> {
    if username.is_empty() || password.is_empty() {
        return Err("the user name or the password is empty".to_owned());
    }
    if username.contains(':') {
        return Err("a user name must not contain a colon".to_owned());
    }
    Ok(Credentials::Basic { username: username.to_owned(), password: password.to_owned() })
}
