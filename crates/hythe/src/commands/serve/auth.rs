//! Makes the server's authentication of the settings.

use std::sync::Arc;

use hythe_auth::{Authenticator, HtpasswdError, KeyError, Options, Policy, SigningKey, TokenServer};
use hythe_server::{Auth, Challenge};

use crate::settings::Settings;
use crate::values::AuthChallenge;

/// The name of this registry in its tokens.
const SERVICE: &str = "hythe";

/// The authentication of a running server: what stays when the settings are read again.
pub(super) struct Authentication {
    tokens: Arc<TokenServer>,
    /// The authenticator with the settings that it was made of. Another one would forget which passwords are verified.
    last: Option<(Options, Arc<Authenticator>)>,
}

impl Authentication {
    /// Makes a key for tokens.
    pub(super) fn new() -> Result<Self, KeyError> {
        let key = SigningKey::generate()?;
        Ok(Self { tokens: Arc::new(TokenServer::new(SERVICE, vec![key])), last: None })
    }

    /// The authentication that the settings ask for; `None` if they ask for none.
    pub(super) fn of(&mut self, settings: &Settings) -> Result<Option<Auth>, HtpasswdError> {
        if !settings.auth.is_on() {
            return Ok(None);
        }
        let options = Options { htpasswd: settings.auth.htpasswd.clone() };
        let known = self.last.as_ref().filter(|(of, _)| *of == options).map(|(_, made)| Arc::clone(made));
        let authenticator = match known {
            Some(authenticator) => authenticator,
            None => {
                let made = Arc::new(Authenticator::new(&options, Arc::clone(&self.tokens))?);
                self.last = Some((options, Arc::clone(&made)));
                made
            }
        };
        let policy = settings.auth.policy();
        let challenge = challenge(settings.auth.challenge, &policy);
        Ok(Some(Auth { authenticator, policy: Arc::new(policy), challenge }))
    }
}

fn challenge(wanted: AuthChallenge, policy: &Policy) -> Challenge {
    match wanted {
        AuthChallenge::Basic => Challenge::Basic,
        AuthChallenge::Token => Challenge::Token,
        // Docker pulls without a login only from a registry that asks for tokens. Otherwise Basic, which needs no URL of
        // this registry: behind a proxy the registry may not know its own.
        AuthChallenge::Auto if policy.has_anonymous() => Challenge::Token,
        AuthChallenge::Auto => Challenge::Basic,
    }
}
