//! The registry's own users, and the tokens of users and robots.

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The hash of the password, as PHC string.
    pub hash: String,
    /// When the user was created.
    pub created: i64,
}

/// A token of a user or a robot. The catalog does not have the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The public part of the token.
    pub id: String,
    /// Whose token it is, such as `robot:ci`.
    pub subject: String,
    /// The SHA-256 of the secret part.
    pub hash: Vec<u8>,
    /// The purpose, in its owner's words.
    pub note: String,
    /// When the token was created.
    pub created: i64,
    /// When the token ends; `None` if it does not.
    pub expires: Option<i64>,
    /// When the token was last used, to within some minutes.
    pub last_use: Option<i64>,
}

/// The outcome of setting a user's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserSet {
    /// The user is new.
    Created,
    /// The user has another password now.
    Changed,
    /// There are as many users as there may be.
    Full,
}
