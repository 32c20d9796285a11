//! What lets in, remembered: tokens by repository, or that a name and password are asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::HeaderValue;
use hythe_oci::RepositoryName;
use url::{Origin, Url};

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

    /// That credentials are configured and were not sent to the token server, where that is so.
    pub(crate) fn withheld(&self) -> Option<&str> {
        match self {
            Self::Bearer(token) => token.withheld.as_deref(),
            Self::Basic => None,
        }
    }
}

/// What is known of how to be let in.
pub(crate) struct Tokens {
    endpoint: Url,
    credentials: Credentials,
    basic: Option<HeaderValue>,
    basic_wanted: AtomicBool,
    slots: Mutex<HashMap<Place, Arc<Slot>>>,
}

/// Where a token lets in: at the endpoint or at another registry, to one repository or to none.
type Place = (Option<Origin>, Option<RepositoryName>);

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
        if let Some(slot) = self.known_slot(&(None, ask.repository.cloned()))
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
        let refused = match failed {
            Some(Authorization::Bearer(token)) => Some(token),
            Some(Authorization::Basic) | None => None,
        };
        let bearer = challenges.iter().find(|challenge| challenge.scheme() == "bearer");
        // Some refuse a token that has ended without a word of where to get another one.
        if bearer.is_some() || refused.is_some() && challenges.is_empty() {
            let (guard, subject) = (dialler.guard(), &ask.subject);
            let realm = bearer
                .map(|bearer| Realm::of_endpoint(bearer, &self.endpoint, guard, ask.repository, subject));
            let slot = self.slot((None, ask.repository.cloned()));
            let token = self.token(dialler, ask, &slot, realm.transpose()?, refused).await?;
            return Ok(token.map(Authorization::Bearer));
        }
        let basic = challenges.iter().any(|challenge| challenge.scheme() == "basic") && self.basic.is_some();
        if !basic || matches!(failed, Some(Authorization::Basic)) {
            return Ok(None);
        }
        self.basic_wanted.store(true, Ordering::Relaxed);
        Ok(Some(Authorization::Basic))
    }

    /// The token that another registry, at `url`, took before.
    pub(crate) async fn known_at(&self, url: &Url, ask: &Ask<'_>) -> Option<Arc<Token>> {
        let slot = self.known_slot(&(Some(url.origin()), ask.repository.cloned()))?;
        let token = slot.state.lock().await.token.clone();
        token.filter(|token| token.is_fresh())
    }

    /// Asks for what answers a challenge of another registry, at `from`, which is sent no credentials; `refused` was sent
    /// and did not let in. Whether there is something to send.
    pub(crate) async fn answer_at(
        &self,
        dialler: &Dialler,
        ask: &Ask<'_>,
        from: &Url,
        challenges: &[Challenge],
        refused: Option<&Arc<Token>>,
    ) -> Result<bool, Error> {
        let bearer = challenges.iter().find(|challenge| challenge.scheme() == "bearer");
        if bearer.is_none() && (refused.is_none() || !challenges.is_empty()) {
            return Ok(false);
        }
        let realm = bearer.map(|bearer| Realm::elsewhere(bearer, from, ask.repository, &ask.subject));
        let slot = self.slot((Some(from.origin()), ask.repository.cloned()));
        Ok(self.token(dialler, ask, &slot, realm.transpose()?, refused).await?.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Arc<Slot>>> {
        // Held for one operation on the map.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_slot(&self, place: &Place) -> Option<Arc<Slot>> {
        self.lock().get(place).cloned()
    }

    fn slot(&self, place: Place) -> Arc<Slot> {
        let mut slots = self.lock();
        if slots.len() >= KEPT && !slots.contains_key(&place) {
            // Whoever still needs one meets a challenge again.
            slots.clear();
        }
        slots.entry(place).or_default().clone()
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
