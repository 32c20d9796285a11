//! The registry's own users, and the tokens of users and robots. What they may do is no matter of this crate.

use hythe_catalog::{Secret, User, UserSet};

use crate::{Registry, Result};

/// The most users.
const MOST_USERS: usize = 100_000;

/// The most tokens.
const MOST_SECRETS: usize = 100_000;

/// The shortest time between two recorded uses of a token, in milliseconds.
const USED_AGAIN: i64 = 5 * 60 * 1000;

impl Registry {
    /// Creates a user, or changes the user's password. `hash` is the password's hash, as PHC string.
    pub async fn set_user(&self, name: String, hash: String) -> Result<UserSet> {
        let user = User { name, hash, created: self.0.now() };
        Ok(self.0.catalog.set_user(user, MOST_USERS).await?)
    }

    /// Removes a user and the tokens of `subject`, which is the user. False if there is no such user.
    pub async fn remove_user(&self, name: &str, subject: &str) -> Result<bool> {
        Ok(self.0.catalog.remove_user(name, subject).await?)
    }

    /// A user.
    pub async fn user(&self, name: &str) -> Result<Option<User>> {
        Ok(self.0.catalog.user(name).await?)
    }

    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>> {
        Ok(self.0.catalog.users().await?)
    }

    /// Adds a token, which is valid for `valid` milliseconds from now. `None` if there are as many tokens as there may be.
    pub async fn add_secret(
        &self,
        id: String,
        subject: String,
        hash: Vec<u8>,
        note: String,
        valid: Option<i64>,
    ) -> Result<Option<Secret>> {
        let created = self.0.now();
        let expires = valid.map(|valid| created.saturating_add(valid));
        let secret = Secret { id, subject, hash, note, created, expires, last_use: None };
        let is_added = self.0.catalog.add_secret(secret.clone(), MOST_SECRETS).await?;
        Ok(is_added.then_some(secret))
    }

    /// A token that has not ended.
    pub async fn secret(&self, id: &str) -> Result<Option<Secret>> {
        let now = self.0.now();
        let found = self.0.catalog.secret(id).await?;
        Ok(found.filter(|secret| secret.expires.is_none_or(|expires| now < expires)))
    }

    /// The tokens of a subject, or of all, by id. Also those that have ended.
    pub async fn secrets(&self, subject: Option<&str>) -> Result<Vec<Secret>> {
        Ok(self.0.catalog.secrets(subject).await?)
    }

    /// Removes a token; of this subject only, if one is given. False if there is none.
    pub async fn remove_secret(&self, id: &str, subject: Option<&str>) -> Result<bool> {
        Ok(self.0.catalog.remove_secret(id, subject).await?)
    }

    /// Records that a token was used, unless it was used some minutes ago.
    pub async fn use_secret(&self, secret: &Secret) -> Result<()> {
        let now = self.0.now();
        if secret.last_use.is_some_and(|last| (0..USED_AGAIN).contains(&now.saturating_sub(last))) {
            return Ok(());
        }
        Ok(self.0.catalog.use_secret(&secret.id, now).await?)
    }
}
