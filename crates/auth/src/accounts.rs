//! What an authenticator asks about the registry's own users and tokens.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::identity::Subject;

/// The store of users and tokens could not be read. Its text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not read the users and tokens: {0}")]
pub struct AccountsError(pub String);

/// A token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// Whose token it is.
    pub subject: Subject,
    /// The SHA-256 of the secret part.
    pub hash: Vec<u8>,
}

/// The registry's own users and tokens.
#[async_trait]
pub trait Accounts: fmt::Debug + Send + Sync {
    /// The hash of a user's password, as PHC string; `None` if there is no such user.
    async fn password(&self, name: &str) -> Result<Option<Arc<str>>, AccountsError>;

    /// The token with this id; `None` if there is none, or if it has ended. The caller verifies its hash.
    async fn secret(&self, id: &str) -> Result<Option<StoredSecret>, AccountsError>;

    /// Records that the token with this id was used. May do nothing if it was used a moment ago.
    async fn secret_used(&self, id: &str);
}
