//! The pages of users and tokens.

use serde::{Deserialize, Serialize};

/// The registry's own users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// The users, by name.
    pub users: Vec<User>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// When the user was created, in RFC 3339's format.
    pub created: Option<String>,
}

/// The password that a user gets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// The password.
    pub password: String,
}

// Without the password.
impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").finish_non_exhaustive()
    }
}

/// The outcome of setting a user's password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSet {
    /// Whether the user is new.
    pub created: bool,
}

/// The tokens of users and robots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// The tokens, by id.
    pub tokens: Vec<Token>,
}

/// A token, without its secret part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The token's id, its part after `hythe_`.
    pub id: String,
    /// Whose token it is, such as `robot:ci`.
    pub subject: String,
    /// The purpose, in its owner's words.
    pub note: String,
    /// When the token was created, in RFC 3339's format.
    pub created: Option<String>,
    /// When the token ends, in RFC 3339's format; null if it does not.
    pub expires: Option<String>,
    /// When the token was last used, to within five minutes, in RFC 3339's format.
    pub last_use: Option<String>,
}

/// A new token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// The whole token. The registry does not have it any more.
    pub secret: String,
    /// What the registry knows of the token.
    #[serde(flatten)]
    pub token: Token,
}

// Without the secret.
impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("token", &self.token).finish_non_exhaustive()
    }
}
