//! Remembers how to authenticate: a token for each scope, or that the endpoint wants a name and password.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::HeaderValue;
use parking_lot::Mutex;
use url::{Origin, Url};

use crate::ask::Ask;
use crate::challenge::Challenge;
use crate::error::{Error, Subject};
use crate::realm::Realm;
use crate::scope::Scope;
use crate::token::{Token, Withheld};
use crate::transport::Transport;
use crate::{ConfigError, Credentials};

/// The most scopes whose tokens are kept. Clients of hythe choose the names of repositories, so their number
/// has no bound.
const KEPT: usize = 1000;

/// How a request authenticates.
#[derive(Clone)]
pub(crate) enum Authorization {
    /// Name and password.
    Basic,
    /// A token.
    Bearer(Arc<Token>),
}

impl Authorization {
    /// Whether it is a token that the server gives to anonymous clients.
    pub(crate) fn is_anonymous_token(&self) -> bool {
        matches!(self, Self::Bearer(token) if token.anonymous)
    }

    /// The token server that did not get the configured credentials, if they were withheld.
    pub(crate) fn withheld(&self) -> Option<&Withheld> {
        match self {
            Self::Bearer(token) => token.withheld.as_ref(),
            Self::Basic => None,
        }
    }
}

/// What a registry requires of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Nothing, so far. Single repositories may still require a token.
    Nothing,
    /// A user name and a password with each request.
    Password,
    /// A token of its token server.
    Token {
        /// Whether the client got the token without credentials.
        anonymous: bool,
    },
}

/// What is known about how to authenticate at the endpoint.
pub(crate) struct Tokens {
    endpoint: Url,
    credentials: Credentials,
    basic: Option<HeaderValue>,
    basic_wanted: AtomicBool,
    slots: Mutex<HashMap<Purpose, Arc<Slot>>>,
}

/// What a token is for: the endpoint (`None`) or another registry, and the scopes of the request, none for the registry
/// as a whole.
type Purpose = (Option<Origin>, Vec<Scope>);

/// The token of one place. The task that holds the lock requests the token; the others wait, and share its result.
#[derive(Default)]
struct Slot {
    /// How often a token was requested.
    attempts: AtomicU64,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The token server that the last challenge named.
    realm: Option<Realm>,
    token: Option<Arc<Token>>,
    /// Why the last attempt failed.
    failed: Option<Error>,
}

impl Tokens {
    pub(crate) fn new(endpoint: &Url, credentials: Credentials) -> Result<Self, ConfigError> {
        let refuse = |reason| ConfigError::Credentials { endpoint: endpoint.as_str().to_owned(), reason };
        let basic = match &credentials {
            Credentials::Basic { username, .. } if username.contains(':') => {
                return Err(refuse("a user name must not contain a colon (RFC 7617)"));
            }
            Credentials::Basic { username, password } => {
                let text = BASE64_STANDARD.encode(format!("{username}:{password}"));
                let header = HeaderValue::try_from(format!("Basic {text}"));
                let mut header = header.map_err(|_| refuse("no header can hold their characters"))?;
                header.set_sensitive(true);
                Some(header)
            }
            Credentials::IdentityToken(token) if token.is_empty() => {
                return Err(refuse("the identity token is empty"));
            }
            Credentials::IdentityToken(_) | Credentials::Anonymous => None,
        };
        Ok(Self {
            endpoint: endpoint.clone(),
            credentials,
            basic,
            basic_wanted: AtomicBool::new(false),
            slots: Mutex::default(),
        })
    }

    pub(crate) fn header(&self, authorization: &Authorization) -> HeaderValue {
        match authorization {
            Authorization::Bearer(token) => token.header.clone(),
            // `Authorization::Basic` exists only if `basic` does.
            Authorization::Basic => self.basic.clone().unwrap_or(HeaderValue::from_static("")),
        }
    }

    /// How to authenticate, as an earlier challenge taught. Renews an expired token first.
    pub(crate) async fn known(
        &self,
        transport: &Transport,
        ask: &Ask,
    ) -> Result<Option<Authorization>, Error> {
        if let Some(slot) = self.known_slot(&(None, ask.scopes.clone()))
            && let Some(token) = self.token(transport, ask, &slot, None, None).await?
        {
            return Ok(Some(Authorization::Bearer(token)));
        }
        Ok(self.basic_wanted.load(Ordering::Relaxed).then_some(Authorization::Basic))
    }

    /// How to answer a challenge of the endpoint. `failed` was sent and not accepted. Returns `None` if nothing else is
    /// left to try.
    pub(crate) async fn answer(
        &self,
        transport: &Transport,
        ask: &Ask,
        challenges: &[Challenge],
        failed: Option<&Authorization>,
    ) -> Result<Option<Authorization>, Error> {
        let refused = match failed {
            Some(Authorization::Bearer(token)) => Some(token),
            Some(Authorization::Basic) | None => None,
        };
        let bearer = challenges.iter().find(|challenge| challenge.scheme() == "bearer");
        // Some registries refuse an expired token without naming the token server again.
        if bearer.is_some() || refused.is_some() && challenges.is_empty() {
            let (guard, subject) = (transport.guard(), &ask.subject);
            let realm =
                bearer.map(|bearer| Realm::of_endpoint(bearer, &self.endpoint, guard, &ask.scopes, subject));
            let slot = self.slot((None, ask.scopes.clone()));
            let token = self.token(transport, ask, &slot, realm.transpose()?, refused).await?;
            return Ok(token.map(Authorization::Bearer));
        }
        let basic = challenges.iter().any(|challenge| challenge.scheme() == "basic") && self.basic.is_some();
        if !basic || matches!(failed, Some(Authorization::Basic)) {
            return Ok(None);
        }
        self.basic_wanted.store(true, Ordering::Relaxed);
        Ok(Some(Authorization::Basic))
    }

    /// Whether the endpoint's challenge asks for more than its last token was requested for: a registry may learn only
    /// from the request itself what a token must allow, and says so with `insufficient_scope` (RFC 6750, 3.1).
    pub(crate) async fn asks_more(&self, transport: &Transport, ask: &Ask, challenges: &[Challenge]) -> bool {
        let bearer = challenges.iter().find(|challenge| challenge.scheme() == "bearer");
        let (guard, subject) = (transport.guard(), &ask.subject);
        let realm = bearer
            .and_then(|bearer| Realm::of_endpoint(bearer, &self.endpoint, guard, &ask.scopes, subject).ok());
        let (Some(realm), Some(slot)) = (realm, self.known_slot(&(None, ask.scopes.clone()))) else {
            return false;
        };
        let state = slot.state.lock().await;
        state.realm.as_ref().is_some_and(|last| realm.asks_more_than(last))
    }

    /// What the registry as a whole required of the last request that got an answer.
    pub(crate) async fn required(&self) -> Required {
        if let Some(slot) = self.known_slot(&(None, Vec::new()))
            && let Some(token) = &slot.state.lock().await.token
        {
            return Required::Token { anonymous: token.anonymous };
        }
        if self.basic_wanted.load(Ordering::Relaxed) { Required::Password } else { Required::Nothing }
    }

    /// The token that another registry, at `url`, accepted before.
    pub(crate) async fn known_at(&self, url: &Url, ask: &Ask) -> Option<Arc<Token>> {
        let slot = self.known_slot(&(Some(url.origin()), ask.scopes.clone()))?;
        let token = slot.state.lock().await.token.clone();
        token.filter(|token| token.is_fresh())
    }

    /// Requests a token to answer a challenge of another registry, at `from`, which gets no credentials. `refused` was
    /// sent and not accepted. Returns whether there is a token to send.
    pub(crate) async fn answer_at(
        &self,
        transport: &Transport,
        ask: &Ask,
        from: &Url,
        challenges: &[Challenge],
        refused: Option<&Arc<Token>>,
    ) -> Result<bool, Error> {
        let bearer = challenges.iter().find(|challenge| challenge.scheme() == "bearer");
        if bearer.is_none() && (refused.is_none() || !challenges.is_empty()) {
            return Ok(false);
        }
        let realm = bearer.map(|bearer| Realm::elsewhere(bearer, from, &ask.scopes, &ask.subject));
        let slot = self.slot((Some(from.origin()), ask.scopes.clone()));
        Ok(self.token(transport, ask, &slot, realm.transpose()?, refused).await?.is_some())
    }

    fn known_slot(&self, place: &Purpose) -> Option<Arc<Slot>> {
        self.slots.lock().get(place).cloned()
    }

    fn slot(&self, place: Purpose) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        if slots.len() >= KEPT && !slots.contains_key(&place) {
            // A scope that still needs its token gets a challenge again.
            slots.clear();
        }
        slots.entry(place).or_default().clone()
    }

    /// The kept token, if it is fresh and not the refused one; else a new one from `realm`, or from the server of the
    /// last one. `None` if neither is known.
    async fn token(
        &self,
        transport: &Transport,
        ask: &Ask,
        slot: &Slot,
        realm: Option<Realm>,
        refused: Option<&Arc<Token>>,
    ) -> Result<Option<Arc<Token>>, Error> {
        let before = slot.attempts.load(Ordering::Acquire);
        let mut state = slot.state.lock().await;
        if let Some(token) = &state.token
            && token.is_fresh()
            && !refused.is_some_and(|refused| Arc::ptr_eq(refused, token))
        {
            return Ok(Some(token.clone()));
        }
        if slot.attempts.load(Ordering::Acquire) != before
            && let Some(failed) = &state.failed
        {
            return Err(failed.clone());
        }
        let Some(realm) = realm.or_else(|| state.realm.clone()) else { return Ok(None) };
        state.token = None;
        let subject = Subject {
            host: ask.subject.host.clone(),
            asked: match ask.repository() {
                Some(repository) => format!("a token for `{repository}`"),
                None => "a token".to_owned(),
            },
        };
        let asked = Token::request(transport, &realm, &self.credentials, self.basic.as_ref(), &subject).await;
        slot.attempts.fetch_add(1, Ordering::AcqRel);
        match asked {
            Ok(token) => {
                let token = Arc::new(token);
                *state = State { realm: Some(realm), token: Some(token.clone()), failed: None };
                Ok(Some(token))
            }
            Err(error) => {
                // Forgets the token server: the next challenge names it again.
                *state = State { realm: None, token: None, failed: Some(error.clone()) };
                Err(error)
            }
        }
    }
}
