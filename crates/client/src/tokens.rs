//! What lets in, remembered: tokens by repository, or that a name and password are asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::HeaderValue;
use hythe_oci::RepositoryName;
use url::Url;

use crate::ask::Ask;
use crate::challenge::Challenge;
use crate::dialler::Dialler;
use crate::error::{Error, Subject};
use crate::realm::Realm;
use crate::token::Token;
use crate::{ConfigError, Credentials};

/// Repositories whose tokens are kept. Names come from whoever asks this registry, so there is no end to them.
const KEPT: usize = 1000;

/// What is sent to be let in.
#[derive(Clone)]
pub(crate) enum Authorization {
    /// Name and password.
    Basic,
    /// A token.
    Bearer(Arc<Token>),
}

impl Authorization {
    /// Whether it is a token that everybody is given.
    pub(crate) fn is_anonymous_token(&self) -> bool {
        matches!(self, Self::Bearer(token) if token.anonymous)
    }
}

/// What is known of how to be let in.
pub(crate) struct Tokens {
    endpoint: Url,
    credentials: Credentials,
    basic: Option<HeaderValue>,
    basic_wanted: AtomicBool,
    slots: Mutex<HashMap<Option<RepositoryName>, Arc<Slot>>>,
}

/// The token of one repository. Whoever holds the lock asks for it; the others wait and share what came of it.
#[derive(Default)]
struct Slot {
    /// How often one was asked for.
    attempts: AtomicU64,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where the last challenge said that tokens are.
    realm: Option<Realm>,
    token: Option<Arc<Token>>,
    /// How the last attempt failed.
    failed: Option<Error>,
}

impl Tokens {
    pub(crate) fn new(endpoint: &Url, credentials: Credentials) -> Result<Self, ConfigError> {
        let refuse = |reason| ConfigError::Credentials { endpoint: endpoint.as_str().to_owned(), reason };
        let basic = match &credentials {
            Credentials::Basic { username, .. } if username.contains(':') => {
                return Err(refuse("a user name has no colon (RFC 7617)"));
            }
            Credentials::Basic { username, password } => {
                let text = BASE64_STANDARD.encode(format!("{username}:{password}"));
                let header = HeaderValue::try_from(format!("Basic {text}"));
                let mut header = header.map_err(|_| refuse("no header can hold them"))?;
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
            // Only made where there is one.
            Authorization::Basic => self.basic.clone().unwrap_or(HeaderValue::from_static("")),
        }
    }

    /// What an earlier challenge taught. A token that has ended is renewed first.
    pub(crate) async fn known(
        &self,
        dialler: &Dialler,
        ask: &Ask<'_>,
    ) -> Result<Option<Authorization>, Error> {
        let slot =
            self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(&ask.repository.cloned()).cloned();
        if let Some(slot) = slot
            && let Some(token) = self.token(dialler, ask, &slot, None, None).await?
        {
            return Ok(Some(Authorization::Bearer(token)));
        }
        Ok(self.basic_wanted.load(Ordering::Relaxed).then_some(Authorization::Basic))
    }

    /// What answers a challenge of the endpoint; `failed` was sent and did not let in. `None` where there is nothing
    /// more to try.
    pub(crate) async fn answer(
        &self,
        dialler: &Dialler,
        ask: &Ask<'_>,
        challenges: &[Challenge],
        failed: Option<&Authorization>,
    ) -> Result<Option<Authorization>, Error> {
        if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme() == "bearer") {
            let realm = Realm::read(bearer, &self.endpoint, dialler.guard(), ask.repository, &ask.subject)?;
            let refused = match failed {
                Some(Authorization::Bearer(token)) => Some(token),
                Some(Authorization::Basic) | None => None,
            };
            let slot = self.slot(ask.repository);
            let token = self.token(dialler, ask, &slot, Some(realm), refused).await?;
            return Ok(token.map(Authorization::Bearer));
        }
        let basic = challenges.iter().any(|challenge| challenge.scheme() == "basic") && self.basic.is_some();
        if !basic || matches!(failed, Some(Authorization::Basic)) {
            return Ok(None);
        }
        self.basic_wanted.store(true, Ordering::Relaxed);
        Ok(Some(Authorization::Basic))
    }

    fn slot(&self, repository: Option<&RepositoryName>) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let repository = repository.cloned();
        if slots.len() >= KEPT && !slots.contains_key(&repository) {
            // Whoever still needs one meets a challenge again.
            slots.clear();
        }
        slots.entry(repository).or_default().clone()
    }

    /// The token that is kept, if it is good and not the one that was refused; else a new one from `realm`, or from
    /// where the last came from. `None` where neither is known.
    async fn token(
        &self,
        dialler: &Dialler,
        ask: &Ask<'_>,
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
            asked: match ask.repository {
                Some(repository) => format!("a token for `{repository}`"),
                None => "a token".to_owned(),
            },
        };
        let asked = Token::request(dialler, &realm, &self.credentials, self.basic.as_ref(), &subject).await;
        slot.attempts.fetch_add(1, Ordering::AcqRel);
        match asked {
            Ok(token) => {
                let token = Arc::new(token);
                *state = State { realm: Some(realm), token: Some(token.clone()), failed: None };
                Ok(Some(token))
            }
            Err(error) => {
                // The next challenge says where tokens are now.
                *state = State { realm: None, token: None, failed: Some(error.clone()) };
                Err(error)
            }
        }
    }
}
