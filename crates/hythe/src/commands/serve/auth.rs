//! Makes the server's authentication of the settings.

use std::sync::Arc;

use hythe_auth::{
    Authenticator, HtpasswdError, KeyError, Options, Policy, SigningKey, TokenServer, hash_password,
};
use hythe_registry::Registry;
use hythe_server::{Auth, Challenge, RegistryAccounts};

use crate::commands::accounts::make_password;
use crate::console::Printer;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::values::AuthChallenge;

/// The name of this registry in its tokens.
const SERVICE: &str = "hythe";

/// The first user.
const ADMIN: &str = "admin";

/// The authentication of a running server: what stays when the settings are read again.
pub(super) struct Authentication {
    tokens: Arc<TokenServer>,
    registry: Registry,
    /// The authenticator with the settings that it was made of. Another one would forget which passwords are verified.
    last: Option<(Options, Arc<Authenticator>)>,
}

impl Authentication {
    /// Makes a key for tokens.
    pub(super) fn new(registry: Registry) -> Result<Self, KeyError> {
        let key = SigningKey::generate()?;
        Ok(Self { tokens: Arc::new(TokenServer::new(SERVICE, vec![key])), registry, last: None })
    }

    /// Creates the user `admin` if the settings ask for users and there is none yet. Prints the password.
    pub(super) async fn first_user(&self, settings: &Settings, printer: Printer) -> Result<(), Failure> {
        let auth = &settings.auth;
        let failed = |error: hythe_registry::Error| Failure::internal("creating the first user")(error);
        if !auth.users || auth.htpasswd.is_some() || !self.registry.users().await.map_err(failed)?.is_empty()
        {
            return Ok(());
        }
        let password = make_password()?;
        let hash = hash_password(&password).map_err(Failure::internal("creating the first user"))?;
        self.registry.set_user(ADMIN.to_owned(), hash).await.map_err(failed)?;
        printer.note(format_args!(
            "created the user {ADMIN} with the password {password}; it is shown only now. Log in with `docker login`, then create \
             users with `hythe user add NAME`"
        ));
        Ok(())
    }

    /// The authentication that the settings ask for; `None` if they ask for none.
    pub(super) fn of(&mut self, settings: &Settings) -> Result<Option<Auth>, HtpasswdError> {
        if !settings.auth.is_on() {
            return Ok(None);
        }
        let options = Options { htpasswd: settings.auth.htpasswd.clone(), users: settings.auth.users };
        let known = self.last.as_ref().filter(|(of, _)| *of == options).map(|(_, made)| Arc::clone(made));
        let authenticator = if let Some(authenticator) = known {
            authenticator
        } else {
            let accounts = Arc::new(RegistryAccounts(self.registry.clone()));
            let made = Arc::new(Authenticator::new(&options, Arc::clone(&self.tokens), accounts)?);
            self.last = Some((options, Arc::clone(&made)));
            made
        };
        let policy = settings.auth.policy();
        let challenge = challenge(settings.auth.challenge, &policy);
        Ok(Some(Auth { authenticator, policy: Arc::new(policy), challenge }))
    }
}

fn challenge(wanted: AuthChallenge, policy: &Policy) -> Challenge {
    match wanted {
        // Docker pulls without a login only from a registry that asks for tokens.
        AuthChallenge::Auto if policy.has_anonymous() => Challenge::Token,
        // Basic needs no URL of this registry: behind a proxy the registry may not know its own.
        AuthChallenge::Auto | AuthChallenge::Basic => Challenge::Basic,
        AuthChallenge::Token => Challenge::Token,
    }
}
