//! Tracks an endpoint's failures, and decides what is not requested for a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hythe_client::Error as Failure;
use hythe_oci::RepositoryName;

use crate::jitter::jittered;
use crate::remedy::cause;
use crate::thing::{Kind, Thing};

/// Failures in a row after which an endpoint, or one thing requested from it, gets no requests for a while: more than
/// the attempts of one patient request, so that a few unlucky requests do not count as an outage.
const FAILURES: u32 = 8;

/// How long the first rest lasts; each further failure doubles it.
const REST: Duration = Duration::from_secs(1);

/// The longest rest.
pub(crate) const LONGEST_REST: Duration = Duration::from_mins(1);

/// The rest after a rate limit, if the upstream does not say how long to wait.
const LIMITED_REST: Duration = Duration::from_mins(1);

/// The longest rest after a rate limit, whatever the upstream says.
const LONGEST_LIMITED_REST: Duration = Duration::from_hours(1);

/// How many failed things are remembered. Clients choose the names, so their number has no bound.
const THINGS: usize = 256;

/// The failures of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Health {
    row: Row,
    /// Why the last request to it failed, if it did.
    last: Option<String>,
    rest: Option<Rest>,
    /// Set while manifests must not be requested because of a rate limit.
    limited: Option<Rest>,
    /// The things whose last request failed.
    things: HashMap<Thing, Failing>,
}

/// Failures in a row.
#[derive(Debug, Default)]
struct Row {
    failures: u32,
    /// The repository of the first one.
    repository: Option<RepositoryName>,
    /// Whether they concern the endpoint, and not only one repository.
    is_its_own: bool,
}

/// The failures of one thing.
#[derive(Debug, Default)]
struct Failing {
    failures: u32,
    rest: Option<Rest>,
}

#[derive(Clone, Debug)]
struct Rest {
    until: Instant,
    why: String,
}

/// A rest that applies now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resting {
    /// Whether it applies to the whole endpoint.
    pub(crate) is_all: bool,
    pub(crate) failures: u32,
    /// The last failure.
    pub(crate) why: String,
    pub(crate) again: Duration,
}

/// What begins to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    None,
    OneThing,
    Endpoint,
}

impl Rest {
    fn of(error: &Failure, over: u32) -> Self {
        let rest = error.retry_after().unwrap_or(REST * 2_u32.saturating_pow(over.min(10))).min(LONGEST_REST);
        Self { until: Instant::now() + jittered(rest), why: cause(error) }
    }

    fn left(&self) -> Option<Duration> {
        self.until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

impl Health {
    /// The rest that forbids a request for `thing` now, if any; without `thing`, the rest that forbids every request.
    pub(crate) fn resting(&self, kind: Kind, thing: Option<&Thing>) -> Option<Resting> {
        let limited = self.limited.as_ref().filter(|_| kind == Kind::Manifest);
        let all = limited.into_iter().chain(&self.rest).map(|rest| (rest, self.row.failures, true));
        let failing = thing.and_then(|thing| self.things.get(thing));
        let one = failing.and_then(|failing| Some((failing.rest.as_ref()?, failing.failures, false)));
        let mut rests = all.chain(one);
        rests.find_map(|(rest, failures, is_all)| {
            Some(Resting { is_all, failures, why: rest.why.clone(), again: rest.left()? })
        })
    }

    /// Why the last request to it failed, if it did.
    pub(crate) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Records an answer; returns whether the endpoint had been resting.
    pub(crate) fn answered(&mut self, thing: &Thing) -> bool {
        self.things.remove(thing);
        (self.row, self.last) = (Row::default(), None);
        self.rest.take().is_some()
    }

    /// Records a failure. A failure of one thing, or of one repository, says nothing about the others.
    pub(crate) fn failed(&mut self, kind: Kind, thing: &Thing, error: &Failure) -> News {
        self.last = Some(cause(error));
        if let Failure::RateLimited { retry_after, .. } = error
            && kind == Kind::Manifest
        {
            let rest = retry_after.unwrap_or(LIMITED_REST).min(LONGEST_LIMITED_REST);
            self.limited = Some(Rest { until: Instant::now() + rest, why: cause(error) });
            return News::Endpoint;
        }
        // A request that began before the rest tells nothing new.
        if self.rest.as_ref().is_some_and(|rest| rest.left().is_some()) {
            return News::None;
        }
        let is_news = self.one_failed(thing, error);
        let of_one_path = matches!(error, Failure::Unavailable { status: Some(500), .. });
        if !of_one_path {
            self.row.add(thing, error);
        }
        match self.row.failures.checked_sub(FAILURES).filter(|_| !of_one_path && self.row.is_its_own) {
            Some(over) => {
                let is_first = self.rest.is_none();
                self.rest = Some(Rest::of(error, over));
                if is_first { News::Endpoint } else { News::None }
            }
            None if is_news => News::OneThing,
            None => News::None,
        }
    }

    /// Records a failure of one thing; returns whether it begins to rest.
    fn one_failed(&mut self, thing: &Thing, error: &Failure) -> bool {
        if self.things.len() >= THINGS && !self.things.contains_key(thing) {
            self.things.retain(|_, failing| failing.rest.as_ref().is_some_and(|rest| rest.left().is_some()));
            if self.things.len() >= THINGS {
                self.things.clear();
            }
        }
        let failing = self.things.entry(thing.clone()).or_default();
        if failing.rest.as_ref().is_some_and(|rest| rest.left().is_some()) {
            return false;
        }
        failing.failures = failing.failures.saturating_add(1);
        let Some(over) = failing.failures.checked_sub(FAILURES) else { return false };
        let is_first = failing.rest.is_none();
        failing.rest = Some(Rest::of(error, over));
        is_first
    }
}

impl Row {
    fn add(&mut self, thing: &Thing, error: &Failure) {
        self.failures = self.failures.saturating_add(1);
        let others = self.repository.as_ref().is_some_and(|repository| *repository != thing.repository);
        self.is_its_own |= others || error.is_unreachable() || matches!(error, Failure::RateLimited { .. });
        self.repository.get_or_insert_with(|| thing.repository.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(repository: &str, what: &str) -> Thing {
        Thing { repository: repository.parse().unwrap(), what: what.to_owned() }
    }

    fn unavailable(status: Option<u16>, reached: bool) -> Failure {
        let (host, asked, reason) = ("up.example".to_owned(), "it".to_owned(), "no".to_owned());
        Failure::Unavailable { host, asked, status, reached, retry_after: None, reason, remedy: None }
    }

    fn fail(health: &mut Health, thing: &Thing, error: &Failure, times: u32) -> Vec<News> {
        (0..times)
            .map(|_| health.failed(Kind::Other, thing, error))
            .filter(|news| *news != News::None)
            .collect()
    }

    fn rests(health: &Health, thing: &Thing) -> bool {
        health.resting(Kind::Other, Some(thing)).is_some()
    }

    #[test]
    fn failures_of_one_thing_rest_that_thing_alone() {
        for error in [unavailable(None, true), unavailable(Some(503), true), unavailable(Some(500), true)] {
            let (mut health, broken, sound) = (Health::default(), thing("a", "v1"), thing("a", "v2"));
            assert_eq!(fail(&mut health, &broken, &error, FAILURES - 1), []);
            assert!(!rests(&health, &broken));
            assert_eq!(fail(&mut health, &broken, &error, 1), [News::OneThing]);
            assert!(rests(&health, &broken) && !rests(&health, &sound), "{error:?}");
            assert_eq!(health.resting(Kind::Manifest, None), None);
            // An answer for another thing does not end the rest.
            health.answered(&sound);
            assert!(rests(&health, &broken));
        }
    }

    #[test]
    fn failures_within_one_repository_rest_no_other_repository() {
        let mut health = Health::default();
        for number in 0..10 * THINGS {
            fail(&mut health, &thing("a", &number.to_string()), &unavailable(None, true), 1);
        }
        assert!(!rests(&health, &thing("b", "v1")));
        assert!(health.things.len() <= THINGS);
    }

    #[test]
    fn the_endpoint_rests_if_several_repositories_fail_or_no_connection_is_made() {
        let mut health = Health::default();
        let error = unavailable(Some(503), true);
        fail(&mut health, &thing("a", "v1"), &error, FAILURES - 1);
        assert_eq!(fail(&mut health, &thing("b", "v1"), &error, 1), [News::Endpoint]);
        assert!(rests(&health, &thing("c", "v1")));

        let mut health = Health::default();
        assert_eq!(
            fail(&mut health, &thing("a", "v1"), &unavailable(None, false), FAILURES),
            [News::Endpoint]
        );
        assert!(rests(&health, &thing("c", "v1")));
        assert!(health.answered(&thing("c", "v1")) && !rests(&health, &thing("c", "v1")));
    }

    #[test]
    fn a_rate_limit_rests_manifest_requests_and_nothing_else() {
        let mut health = Health::default();
        let (host, asked) = ("up.example".to_owned(), "it".to_owned());
        let limit = Failure::RateLimited { host, asked, retry_after: None, said: None };
        assert_eq!(health.failed(Kind::Manifest, &thing("a", "v1"), &limit), News::Endpoint);
        assert!(health.resting(Kind::Manifest, Some(&thing("b", "v1"))).is_some_and(|rest| rest.is_all));
        assert!(!rests(&health, &thing("a", "v1")));
    }
}
