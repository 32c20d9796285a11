//! Who makes a request, and what they may do.
//!
//! [`Authenticator`] turns [`Credentials`] into an [`Identity`]. [`Policy`] decides by rules whether an identity may do an
//! [`Action`] in a repository. [`TokenServer`] signs and verifies the short-lived tokens of Docker's token protocol. This
//! crate knows neither HTTP nor storage.

mod accounts;
mod action;
mod authenticator;
mod credentials;
mod guesses;
mod htpasswd;
mod identity;
mod passwords;
mod policy;
mod scope;
mod secret;
mod token;

pub use accounts::{Accounts, AccountsError, StoredSecret};
pub use action::{Action, Actions};
pub use authenticator::{Authenticator, Options, Refused};
pub use credentials::{Credentials, CredentialsError};
pub use htpasswd::{Htpasswd, HtpasswdError};
pub use identity::{Identity, Kind, Proof, Subject, SubjectError};
pub use passwords::{HashError, hash_password};
pub use policy::{Policy, Rule, SubjectPattern, Verdict};
pub use scope::{Access, Scope};
pub use secret::NewSecret;
pub use token::{Forged, Issued, KeyError, SigningKey, TokenServer};
