//! Turns credentials into an identity.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::accounts::{Accounts, AccountsError};
use crate::credentials::Credentials;
use crate::guesses::Guesses;
use crate::htpasswd::{Htpasswd, HtpasswdError};
use crate::identity::{Identity, Kind, Proof, Subject};
use crate::passwords::{Crowded, Passwords, hash_password};
use crate::secret;
use crate::token::{Forged, TokenServer};

/// A hash of bcrypt with cost 12 that is no user's.
const NOBODY: &str = "$2b$12$3WxGqmK8uB3kqZQ1B6oY6uQ2Jt0V1n8kMZBXJt1yBG0o3Xw0qgC3e";

/// Why credentials are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name or the password is wrong. It does not tell which.
    #[error("the user name or the password is wrong")]
    Wrong,
    /// The token of a user or a robot is wrong, revoked or has ended. It does not tell which.
    #[error("the token is wrong, was revoked, or has ended")]
    WrongSecret,
    /// The signed token is not valid.
    #[error(transparent)]
    Token(#[from] Forged),
    /// The users and tokens could not be read.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
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
    /// Whether the registry's own users may log in.
    pub users: bool,
}

/// Knows who presents credentials.
#[derive(Debug)]
pub struct Authenticator {
    htpasswd: Option<Htpasswd>,
    passwords: Passwords,
    guesses: Guesses,
    tokens: Arc<TokenServer>,
    accounts: Option<Arc<dyn Accounts>>,
    nobody: Arc<str>,
}

impl Authenticator {
    /// An authenticator for these sources. `tokens` verifies signed tokens; `accounts` has the registry's own users and
    /// tokens.
    pub fn new(
        options: &Options,
        tokens: Arc<TokenServer>,
        accounts: Arc<dyn Accounts>,
    ) -> Result<Self, HtpasswdError> {
        let htpasswd = options.htpasswd.as_deref().map(Htpasswd::open).transpose()?;
        let passwords = Passwords::new().map_err(|error| HtpasswdError::Unreadable {
            path: PathBuf::from("the system's random numbers"),
            error: std::io::Error::other(error.to_string()),
        })?;
        let accounts = options.users.then_some(accounts);
        // Of the kind that the registry's own users have.
        let own = accounts.as_ref().and_then(|_| hash_password("nobody").ok());
        let nobody = own.map_or_else(|| NOBODY.into(), Arc::from);
        Ok(Self { htpasswd, passwords, guesses: Guesses::default(), tokens, accounts, nobody })
    }

    /// The server of tokens.
    pub fn tokens(&self) -> &Arc<TokenServer> {
        &self.tokens
    }

    /// The identity of the client that presents these credentials from this address.
    pub async fn identify(&self, credentials: &Credentials, from: IpAddr) -> Result<Identity, Refused> {
        match credentials {
            Credentials::Bearer(token) => match secret::parse(token) {
                Some((id, hash)) => self.log_in_by_secret("", id, &hash, from).await,
                None => Ok(self.tokens.verify(token)?),
            },
            // Podman and Buildah without a login answer a challenge like this.
            Credentials::Basic { name, password } if name.is_empty() && password.is_empty() => {
                Ok(Identity::anonymous())
            }
            Credentials::Basic { name, password } => match secret::parse(password) {
                Some((id, hash)) => self.log_in_by_secret(name, id, &hash, from).await,
                None => self.log_in(name, password, from).await,
            },
        }
    }

    async fn log_in(&self, name: &str, password: &str, from: IpAddr) -> Result<Identity, Refused> {
        if let Some(wait) = self.guesses.wait(from, name) {
            return Err(Refused::Guessing(wait));
        }
        let in_file = self.htpasswd.as_ref().and_then(|file| file.hash(name));
        let (found, proof) = match (in_file, &self.accounts) {
            (None, Some(accounts)) => (accounts.password(name).await?, Proof::Password),
            (found, _) => (found, Proof::Htpasswd),
        };
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
        Ok(Identity::known(Arc::new(subject), proof))
    }

    /// Logs in by a token. The name beside it counts only for the wait after wrong tokens.
    async fn log_in_by_secret(
        &self,
        name: &str,
        id: &str,
        hash: &[u8],
        from: IpAddr,
    ) -> Result<Identity, Refused> {
        if let Some(wait) = self.guesses.wait(from, name) {
            return Err(Refused::Guessing(wait));
        }
        let found = match &self.accounts {
            Some(accounts) => accounts.secret(id).await?,
            None => None,
        };
        let Some(found) = found.filter(|found| secret::is_equal(&found.hash, hash)) else {
            self.guesses.failed(from, name);
            return Err(Refused::WrongSecret);
        };
        self.guesses.succeeded(from, name);
        if let Some(accounts) = &self.accounts {
            accounts.secret_used(id).await;
        }
        Ok(Identity::known(Arc::new(found.subject), Proof::Secret))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Write as _;

    use async_trait::async_trait;

    use super::*;
    use crate::accounts::StoredSecret;
    use crate::secret::NewSecret;
    use crate::token::SigningKey;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn basic(name: &str, password: &str) -> Credentials {
        Credentials::Basic { name: name.to_owned(), password: password.to_owned() }
    }

    /// One user and one token.
    #[derive(Debug, Default)]
    struct Store {
        user: Option<(String, Arc<str>)>,
        secret: Option<(String, StoredSecret)>,
    }

    #[async_trait]
    impl Accounts for Store {
        async fn password(&self, name: &str) -> Result<Option<Arc<str>>, AccountsError> {
            Ok(self.user.as_ref().filter(|(user, _)| user == name).map(|(_, hash)| Arc::clone(hash)))
        }

        async fn secret(&self, id: &str) -> Result<Option<StoredSecret>, AccountsError> {
            Ok(self.secret.as_ref().filter(|(known, _)| known == id).map(|(_, secret)| secret.clone()))
        }

        async fn secret_used(&self, _: &str) {}
    }

    #[tokio::test]
    async fn a_user_of_the_registry_and_a_robot_log_in_only_if_the_registry_has_users() {
        let (made, other) = (NewSecret::generate().unwrap(), NewSecret::generate().unwrap());
        let robot = StoredSecret { subject: "robot:ci".parse().unwrap(), hash: made.hash.clone() };
        let store = || {
            let user = ("dora".to_owned(), hash_password("secret").unwrap().into());
            Arc::new(Store { user: Some(user), secret: Some((made.id.clone(), robot.clone())) })
        };
        let forged = format!("hythe_{}_{}", made.id, other.token.rsplit_once('_').unwrap().1);
        for users in [true, false] {
            let tokens = Arc::new(TokenServer::new("here", vec![SigningKey::generate().unwrap()]));
            let options = Options { users, ..Options::default() };
            let authenticator = Authenticator::new(&options, tokens, store()).unwrap();
            for (credentials, expected) in [
                (basic("dora", "secret"), "user:dora by password"),
                (basic("dora", "wrong"), "-"),
                (basic("anything", &made.token), "robot:ci by secret"),
                (Credentials::Bearer(made.token.clone()), "robot:ci by secret"),
                (basic("ci", &forged), "-"),
                (basic("ci", &other.token), "-"),
                (Credentials::Bearer(other.token.clone()), "-"),
            ] {
                let identity = authenticator.identify(&credentials, HERE).await;
                let found = identity.map_or("-".to_owned(), |identity| {
                    format!("{identity} by {}", identity.proof().unwrap().as_str())
                });
                assert_eq!(found, if users { expected } else { "-" }, "{credentials:?}");
            }
        }
    }

    fn authenticator(users: &[(&str, &str)]) -> (tempfile::NamedTempFile, Authenticator) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut text = String::new();
        for (name, password) in users {
            writeln!(text, "{name}:{}", bcrypt::hash(password, 4).unwrap()).unwrap();
        }
        file.write_all(text.as_bytes()).unwrap();
        let tokens = Arc::new(TokenServer::new("here", vec![SigningKey::generate().unwrap()]));
        let options = Options { htpasswd: Some(file.path().to_owned()), users: false };
        let authenticator = Authenticator::new(&options, tokens, Arc::<Store>::default()).unwrap();
        (file, authenticator)
    }

    #[tokio::test]
    async fn a_user_is_known_by_the_right_password() {
        let (_file, authenticator) = authenticator(&[("alice", "secret"), ("bob", "other")]);
        let identity = authenticator.identify(&basic("alice", "secret"), HERE).await.unwrap();
        assert_eq!((identity.to_string().as_str(), identity.proof()), ("user:alice", Some(Proof::Htpasswd)));
        for (name, password) in [("alice", "other"), ("carol", "secret"), ("carol", ""), ("", "secret")] {
            let refused = authenticator.identify(&basic(name, password), HERE).await;
            assert_eq!(refused, Err(Refused::Wrong), "{name}");
        }
    }

    #[tokio::test]
    async fn empty_credentials_are_none() {
        let (_file, authenticator) = authenticator(&[("alice", "secret")]);
        assert_eq!(authenticator.identify(&basic("", ""), HERE).await, Ok(Identity::anonymous()));
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
