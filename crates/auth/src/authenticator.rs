//! Turns credentials into an identity.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::guesses::Guesses;
use crate::htpasswd::{Htpasswd, HtpasswdError};
use crate::identity::{Identity, Kind, Proof, Subject};
use crate::passwords::{Crowded, Passwords};
use crate::token::{Forged, TokenServer};

/// A hash of bcrypt with cost 12 that is no user's.
const NOBODY: &str = "$2b$12$3WxGqmK8uB3kqZQ1B6oY6uQ2Jt0V1n8kMZBXJt1yBG0o3Xw0qgC3e";

/// Why credentials are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name or the password is wrong. It does not tell which.
    #[error("the user name or the password is wrong")]
    Wrong,
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] Forged),
    /// The client guessed too often.
    #[error("too many wrong passwords for this user from this address; try again in {} s", .0.as_secs().max(1))]
    Guessing(Duration),
    /// Too many passwords wait to be verified.
    #[error("too many logins are being verified; try again in a few seconds")]
    Crowded,
}

/// The sources of identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The password file of Apache's `htpasswd -B`.
    pub htpasswd: Option<PathBuf>,
}

/// Knows who presents credentials.
#[derive(Debug)]
pub struct Authenticator {
    htpasswd: Option<Htpasswd>,
    passwords: Passwords,
    guesses: Guesses,
    tokens: Arc<TokenServer>,
    nobody: Arc<str>,
}

impl Authenticator {
    /// An authenticator for these sources. `tokens` verifies bearer tokens.
    pub fn new(options: &Options, tokens: Arc<TokenServer>) -> Result<Self, HtpasswdError> {
        let htpasswd = options.htpasswd.as_deref().map(Htpasswd::open).transpose()?;
        let passwords = Passwords::new().map_err(|error| HtpasswdError::Unreadable {
            path: PathBuf::from("the system's random numbers"),
            error: std::io::Error::other(error.to_string()),
        })?;
        Ok(Self { htpasswd, passwords, guesses: Guesses::default(), tokens, nobody: NOBODY.into() })
    }

    /// The server of tokens.
    pub fn tokens(&self) -> &Arc<TokenServer> {
        &self.tokens
    }

    /// The identity of the client that presents these credentials from this address.
    pub async fn identify(&self, credentials: &Credentials, from: IpAddr) -> Result<Identity, Refused> {
        match credentials {
            Credentials::Bearer(token) => Ok(self.tokens.verify(token)?),
            Credentials::Basic { name, password } => self.log_in(name, password, from).await,
        }
    }

    async fn log_in(&self, name: &str, password: &str, from: IpAddr) -> Result<Identity, Refused> {
        if let Some(wait) = self.guesses.wait(from, name) {
            return Err(Refused::Guessing(wait));
        }
        let found = self.htpasswd.as_ref().and_then(|file| file.hash(name));
        let subject = found.as_ref().and_then(|_| Subject::new(Kind::User, name).ok());
        // Verifying the password of an unknown user takes as long as that of a known one, so that a client cannot learn
        // which users exist.
        let sample = || self.htpasswd.as_ref().and_then(Htpasswd::sample);
        let stored = found.or_else(sample).unwrap_or_else(|| Arc::clone(&self.nobody));
        let is_right = self.passwords.verify(&stored, password).await.map_err(|Crowded| Refused::Crowded)?;
        let Some(subject) = subject.filter(|_| is_right) else {
            self.guesses.failed(from, name);
            return Err(Refused::Wrong);
        };
        self.guesses.succeeded(from, name);
        Ok(Identity::known(Arc::new(subject), Proof::Htpasswd))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Write as _;

    use super::*;
    use crate::token::SigningKey;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn basic(name: &str, password: &str) -> Credentials {
        Credentials::Basic { name: name.to_owned(), password: password.to_owned() }
    }

    fn authenticator(users: &[(&str, &str)]) -> (tempfile::NamedTempFile, Authenticator) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut text = String::new();
        for (name, password) in users {
            writeln!(text, "{name}:{}", bcrypt::hash(password, 4).unwrap()).unwrap();
        }
        file.write_all(text.as_bytes()).unwrap();
        let tokens = Arc::new(TokenServer::new("here", vec![SigningKey::generate().unwrap()]));
        let options = Options { htpasswd: Some(file.path().to_owned()) };
        let authenticator = Authenticator::new(&options, tokens).unwrap();
        (file, authenticator)
    }

    #[tokio::test]
    async fn a_user_is_known_by_the_right_password() {
        let (_file, authenticator) = authenticator(&[("alice", "secret"), ("bob", "other")]);
        let identity = authenticator.identify(&basic("alice", "secret"), HERE).await.unwrap();
        assert_eq!((identity.to_string().as_str(), identity.proof()), ("user:alice", Some(Proof::Htpasswd)));
        for (name, password) in [("alice", "other"), ("carol", "secret"), ("carol", ""), ("", "")] {
            let refused = authenticator.identify(&basic(name, password), HERE).await;
            assert_eq!(refused, Err(Refused::Wrong), "{name}");
        }
    }

    /// The password of the sample whose hash stands for an unknown user's must not let that user in.
    #[tokio::test]
    async fn no_password_logs_in_an_unknown_user() {
        let (_file, authenticator) = authenticator(&[("alice", "secret")]);
        assert_eq!(authenticator.identify(&basic("carol", "secret"), HERE).await, Err(Refused::Wrong));
    }

    #[test]
    fn nobody_s_hash_costs_as_much_as_a_user_s() {
        assert_eq!(NOBODY.parse::<bcrypt::HashParts>().unwrap().get_cost(), 12);
        assert!(!bcrypt::verify("", NOBODY).unwrap());
    }

    #[tokio::test]
    async fn a_client_that_guesses_must_wait() {
        let (_file, authenticator) = authenticator(&[("alice", "secret"), ("bob", "other")]);
        for _ in 0..10 {
            assert_eq!(authenticator.identify(&basic("alice", "wrong"), HERE).await, Err(Refused::Wrong));
        }
        let refused = authenticator.identify(&basic("alice", "secret"), HERE).await;
        assert!(matches!(refused, Err(Refused::Guessing(_))), "{refused:?}");
        assert!(authenticator.identify(&basic("bob", "other"), HERE).await.is_ok());
    }

    #[tokio::test]
    async fn a_token_of_the_registry_is_a_login() {
        let (_file, authenticator) = authenticator(&[]);
        let alice = Identity::known(Arc::new("user:alice".parse().unwrap()), Proof::Htpasswd);
        let token = authenticator.tokens().issue(&alice, Vec::new()).unwrap().token;
        let identity = authenticator.identify(&Credentials::Bearer(token), HERE).await.unwrap();
        assert_eq!((identity.to_string().as_str(), identity.proof()), ("user:alice", Some(Proof::Token)));
        let refused = authenticator.identify(&Credentials::Bearer("x".to_owned()), HERE).await;
        assert!(matches!(refused, Err(Refused::Token(_))));
    }
}
