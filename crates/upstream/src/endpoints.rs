//! Sends requests to one upstream: to its endpoints in order, again while that can help, and not at all while it rests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hythe_client::{Budget, Client, Error as Failure};
use hythe_oci::Authority;
use parking_lot::Mutex;

use crate::health::{Health, LONGEST_REST, News};
use crate::jitter::jittered;
use crate::remedy::worded;
use crate::rooms::Rooms;
use crate::thing::{Kind, Thing};
use crate::{Error, Result, Upstream};

/// How long after its start a request may still be retried: a client must learn within three seconds that an upstream
/// is down.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The pause before the second round over the endpoints; it doubles before each further round.
const PAUSE: Duration = Duration::from_millis(25);

/// An upstream and its endpoints.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) upstream: Arc<Upstream>,
    list: Vec<Endpoint>,
    pub(crate) counters: Arc<Counters>,
}

#[derive(Debug)]
struct Endpoint {
    client: Client,
    health: Mutex<Health>,
}

/// Counts of an upstream's requests and their outcomes since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) milliseconds: AtomicU64,
    pub(crate) fetched: AtomicU64,
    pub(crate) saved: AtomicU64,
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) revalidated: AtomicU64,
    pub(crate) stale: AtomicU64,
}

/// The status of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub upstream: Authority,
    /// Requests to it, to all of its endpoints.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// The sum of all requests' times until their answers.
    pub waited: Duration,
    /// Bytes of blobs and manifests that arrived from it.
    pub fetched: u64,
    /// Bytes of blobs that were served without asking it.
    pub saved: u64,
    /// Answers from stored content.
    pub hits: u64,
    /// Answers with fetched content.
    pub misses: u64,
    /// Tags that it confirmed.
    pub revalidated: u64,
    /// Stored answers that it could not confirm.
    pub stale: u64,
    /// Why it is not asked, if all of its endpoints rest.
    pub resting: Option<String>,
    /// The last failure, if the last request to each of its endpoints failed.
    pub failing: Option<String>,
    /// Its rate limit, according to its last answer.
    pub budget: Option<Budget>,
}

impl Endpoints {
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        counters: Arc<Counters>,
        rooms: &Rooms,
    ) -> Result<Self, hythe_client::ConfigError> {
        let endpoints = upstream.endpoints.iter().map(|endpoint| {
            let options = hythe_client::ClientOptions {
                credentials: upstream.credentials.clone(),
                ca: upstream.ca.clone(),
                private_hosts: upstream.private_hosts.clone(),
                public_only: upstream.unlisted,
                lists: rooms.lists.clone(),
                manifests: rooms.manifests.clone(),
                ..hythe_client::ClientOptions::new(endpoint)
            };
            Ok(Endpoint { client: Client::new(options)?, health: Mutex::default() })
        });
        Ok(Self { list: endpoints.collect::<Result<_, _>>()?, upstream, counters })
    }

    /// The number of endpoints.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Asks the endpoints in order, starting with number `first`, until one answers. Repeats the round while the
    /// failures are such that a short wait may help.
    pub(crate) async fn ask<T, F>(
        &self,
        kind: Kind,
        thing: &Thing,
        first: usize,
        mut request: impl FnMut(Client) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (began, mut pause) = (Instant::now(), PAUSE);
        loop {
            let (mut told, mut worth): (Option<Error>, bool) = (None, false);
            for number in 0..self.list.len() {
                let endpoint = &self.list[(first + number) % self.list.len()];
                let error = match endpoint.resting(kind, Some(thing), &self.upstream.name) {
                    Some(resting) => resting,
                    None => match self.once(endpoint, kind, thing, request(endpoint.client.clone())).await {
                        Ok(answer) => return Ok(answer),
                        Err(error) => Error::Upstream { upstream: self.upstream.name.clone(), error },
                    },
                };
                worth |= is_worth_trying(&error);
                if told.as_ref().is_none_or(|told| told.doubt() < error.doubt()) {
                    told = Some(error);
                }
            }
            let Some(error) = told else {
                return Err(Error::Resting {
                    upstream: self.upstream.name.clone(),
                    asked: None,
                    failures: 0,
                    last: "it has no endpoint".to_owned(),
                    again: LONGEST_REST,
                });
            };
            pause = pause.max(asked_for(&error));
            let patient = began.elapsed() + pause < PATIENCE;
            if !patient || !worth {
                return Err(error);
            }
            tokio::time::sleep(jittered(pause)).await;
            pause *= 2;
        }
    }

    /// Sends one request, and records its outcome in the endpoint's health.
    async fn once<T>(
        &self,
        endpoint: &Endpoint,
        kind: Kind,
        thing: &Thing,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let answer = request.await;
        let took = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        self.counters.milliseconds.fetch_add(took, Ordering::Relaxed);
        let mut health = endpoint.health.lock();
        match &answer {
            Err(error) if error.is_temporary() => {
                self.counters.errors.fetch_add(1, Ordering::Relaxed);
                let (upstream, at) = (&self.upstream.name, endpoint.client.endpoint());
                let said = worded(error);
                match health.failed(kind, thing, error) {
                    News::Endpoint => tracing::warn!(%upstream, endpoint = at, error = %said,
                        "an upstream fails and is not asked for a while; stored content is served"),
                    News::OneThing => tracing::warn!(%upstream, endpoint = at, error = %said,
                        "an upstream keeps failing for one thing, and is not asked for it for a while"),
                    News::None => {
                        tracing::debug!(%upstream, endpoint = at, error = %said, "a request to an upstream's endpoint failed");
                    }
                }
            }
            Ok(_) | Err(_) => {
                if health.answered(thing) {
                    tracing::info!(upstream = %self.upstream.name, endpoint = endpoint.client.endpoint(), "the upstream answers again");
                }
            }
        }
        drop(health);
        answer
    }

    /// The endpoints' smallest remaining rate limit.
    pub(crate) fn budget(&self) -> Option<Budget> {
        self.list.iter().filter_map(|endpoint| endpoint.client.budget()).min_by_key(|budget| budget.remaining)
    }

    pub(crate) fn status(&self) -> Status {
        let resting =
            self.list.iter().map(|endpoint| endpoint.resting(Kind::Manifest, None, &self.upstream.name));
        let resting = resting.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().next());
        let failing = self.list.iter().map(|endpoint| endpoint.health.lock().last().map(str::to_owned));
        Status {
            resting: resting.map(|error| error.to_string()),
            failing: failing.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().next()),
            budget: self.budget(),
            ..self.counters.status(self.upstream.name.clone())
        }
    }
}

impl Counters {
    /// The counts as the status of the upstream with this name.
    pub(crate) fn status(&self, upstream: Authority) -> Status {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            upstream,
            requests: count(&self.requests),
            errors: count(&self.errors),
            waited: Duration::from_millis(count(&self.milliseconds)),
            fetched: count(&self.fetched),
            saved: count(&self.saved),
            hits: count(&self.hits),
            misses: count(&self.misses),
            revalidated: count(&self.revalidated),
            stale: count(&self.stale),
            resting: None,
            failing: None,
            budget: None,
        }
    }
}

impl Endpoint {
    /// Why the endpoint must not be asked now for `thing`, if so; without `thing`, for anything.
    fn resting(&self, kind: Kind, thing: Option<&Thing>, upstream: &Authority) -> Option<Error> {
        let resting = self.health.lock().resting(kind, thing)?;
        let one = thing.filter(|_| !resting.is_all);
        Some(Error::Resting {
            upstream: upstream.clone(),
            asked: one.map(|thing| format!("{} of `{}`", thing.what, thing.repository)),
            failures: resting.failures,
            last: resting.why,
            again: resting.again,
        })
    }
}

/// How long the upstream asks to wait before the next request.
fn asked_for(error: &Error) -> Duration {
    match error {
        Error::Upstream { error: Failure::Unavailable { retry_after: Some(after), .. }, .. } => *after,
        _ => Duration::ZERO,
    }
}

/// Whether the same request may succeed after a short pause.
fn is_worth_trying(error: &Error) -> bool {
    match error {
        Error::Upstream { error: Failure::Unavailable { retry_after, .. }, .. } => {
            retry_after.is_none_or(|after| after < PATIENCE)
        }
        Error::Wrong { .. } => true,
        Error::Upstream { .. }
        | Error::Resting { .. }
        | Error::Registry(_)
        | Error::NameTooLong { .. }
        | Error::Unusable { .. }
        | Error::NotShared { .. }
        | Error::Crowded { .. }
        | Error::Offline { .. } => false,
    }
}
