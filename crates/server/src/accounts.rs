//! The registry's users and tokens, as authentication asks about them.

use std::sync::Arc;

use async_trait::async_trait;
use hythe_auth::{Accounts, AccountsError, StoredSecret};
use hythe_registry::{Error, Registry};

/// The users and tokens in a registry's catalog.
#[derive(Clone)]
pub struct RegistryAccounts(pub Registry);

impl std::fmt::Debug for RegistryAccounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegistryAccounts")
    }
}

fn unread(error: &Error) -> AccountsError {
    AccountsError(error.to_string())
}

#[async_trait]
impl Accounts for RegistryAccounts {
    async fn password(&self, name: &str) -> Result<Option<Arc<str>>, AccountsError> {
        let user = self.0.user(name).await.map_err(|error| unread(&error))?;
        Ok(user.map(|user| user.hash.into()))
    }

    async fn secret(&self, id: &str) -> Result<Option<StoredSecret>, AccountsError> {
        let found = self.0.secret(id).await.map_err(|error| unread(&error))?;
        // This program wrote a subject that parses.
        Ok(found.and_then(|secret| {
            Some(StoredSecret { subject: secret.subject.parse().ok()?, hash: secret.hash })
        }))
    }

    async fn secret_used(&self, id: &str) {
        let recorded = async {
            match self.0.secret(id).await? {
                Some(secret) => self.0.use_secret(&secret).await,
                None => Ok(()),
            }
        };
        if let Err(error) = recorded.await {
            tracing::warn!(%error, "could not record the use of a token");
        }
    }
}
