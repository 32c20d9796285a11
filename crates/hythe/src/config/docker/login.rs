//! One login, as Docker's configuration has it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hythe_client::Credentials;
use serde_json::{Value, json};

/// Who asks; nobody where the entry only says that a helper knows.
pub(super) fn read(login: &Value) -> Result<Option<Credentials>, String> {
    let text = |name: &str| login[name].as_str().filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::IdentityToken(token.to_owned())));
    }
    // No error repeats what it is about.
    if let Some(auth) = text("auth") {
        let wrong = || "`auth` is not the BASE64 of `user:password`".to_owned();
        let decoded = BASE64_STANDARD.decode(auth).map_err(|_| wrong())?;
        let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
        // Old clients filled it up.
        let (username, password) = decoded.trim_matches('\0').split_once(':').ok_or_else(wrong)?;
        return basic(username, password).map(Some);
    }
    match (text("username"), text("password")) {
        (Some(username), Some(password)) => basic(username, password).map(Some),
        (Some(_) | None, None) | (None, Some(_)) => Ok(None),
    }
}

/// The entry of who asks; none for nobody.
pub(super) fn write(credentials: &Credentials) -> Option<Value> {
    match credentials {
        Credentials::Anonymous => None,
        Credentials::Basic { username, password } => {
            Some(json!({ "auth": BASE64_STANDARD.encode(format!("{username}:{password}")) }))
        }
        Credentials::IdentityToken(token) => Some(json!({ "identitytoken": token })),
    }
}

/// A user and a password that can be sent.
pub(super) fn basic(username: &str, password: &str) -> Result<Credentials, String> {
    if username.is_empty() || password.is_empty() {
        return Err("user or password is empty".to_owned());
    }
    if username.contains(':') {
        return Err("a user's name has no colon".to_owned());
    }
    Ok(Credentials::Basic { username: username.to_owned(), password: password.to_owned() })
}
