//! The one way to each upstream: its connections, tokens and health are shared by all who ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hythe_client::Room;
use hythe_oci::Authority;

use crate::source::{Counters, Source};
use crate::{Error, Result, Status, Upstream};

/// How many unlisted upstreams are held at once: clients could name thousands.
pub(crate) const UNLISTED: usize = 64;

/// Room for short lists of all upstreams, and as much for their short manifests, in bytes. Beside them there is one long list
/// and one long manifest at a time.
const SHORT_ANSWERS: usize = 4 << 20;

/// Every upstream that was asked, as it is asked.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    held: Mutex<Held>,
    rooms: Rooms,
}

/// Memory that all upstreams share for what is read whole.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(crate) lists: Room,
    pub(crate) manifests: Room,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { lists: Room::new(SHORT_ANSWERS), manifests: Room::new(SHORT_ANSWERS) }
    }
}

#[derive(Debug, Default)]
struct Held {
    listed: HashMap<Authority, Arc<Source>>,
    /// Those that clients named, and when each was last wanted.
    unlisted: HashMap<Authority, (Arc<Source>, Instant)>,
    /// What all of the unlisted ones were asked, together: a count for each would grow with every name.
    others: Arc<Counters>,
    /// Whether any was.
    asked_others: bool,
}

impl Sources {
    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing in here panics halfway through a change.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to this upstream. Other settings make another one.
    pub(crate) fn get(&self, upstream: &Arc<Upstream>) -> Result<Arc<Source>> {
        let mut held = self.lock();
        if upstream.unlisted {
            held.unlisted(upstream, &self.rooms)
        } else {
            held.listed(upstream, &self.rooms)
        }
    }

    /// How each fares, in the order of their names; the unlisted ones as one.
    pub(crate) fn status(&self) -> Vec<Status> {
        let held = self.lock();
        let mut all: Vec<_> = held.listed.values().map(|source| source.status()).collect();
        if held.asked_others
            && let Ok(name) = Upstream::OTHERS.parse()
        {
            all.push(held.others.status(name));
        }
        all.sort_by(|a, b| a.upstream.cmp(&b.upstream));
        all
    }
}

impl Held {
    fn listed(&mut self, upstream: &Arc<Upstream>, rooms: &Rooms) -> Result<Arc<Source>> {
        if let Some(source) = self.listed.get(&upstream.name)
            && source.upstream == *upstream
        {
            return Ok(Arc::clone(source));
        }
        let source = Arc::new(made(upstream, Arc::default(), rooms)?);
        self.listed.insert(upstream.name.clone(), Arc::clone(&source));
        Ok(source)
    }

    fn unlisted(&mut self, upstream: &Arc<Upstream>, rooms: &Rooms) -> Result<Arc<Source>> {
        let now = Instant::now();
        if let Some((source, wanted)) = self.unlisted.get_mut(&upstream.name)
            && source.upstream == *upstream
        {
            *wanted = now;
            return Ok(Arc::clone(source));
        }
        if self.unlisted.len() >= UNLISTED && !self.unlisted.contains_key(&upstream.name) {
            // Who asks one, or downloads from it, holds it too.
            let idle = self.unlisted.iter().filter(|(_, (source, _))| Arc::strong_count(source) == 1);
            let longest = idle.min_by_key(|(_, (_, wanted))| *wanted).map(|(name, _)| name.clone());
            let Some(longest) = longest else {
                return Err(Error::Crowded { upstream: upstream.name.clone(), limit: UNLISTED });
            };
            self.unlisted.remove(&longest);
        }
        let source = Arc::new(made(upstream, Arc::clone(&self.others), rooms)?);
        self.asked_others = true;
        self.unlisted.insert(upstream.name.clone(), (Arc::clone(&source), now));
        Ok(source)
    }
}

fn made(upstream: &Arc<Upstream>, counters: Arc<Counters>, rooms: &Rooms) -> Result<Source> {
    Source::new(Arc::clone(upstream), counters, rooms).map_err(|error| Error::Wrong {
        upstream: upstream.name.clone(),
        asked: "what it was asked for".to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(number: usize) -> Arc<Upstream> {
        let name = format!("r{number}.example").parse().unwrap();
        Arc::new(Upstream { unlisted: true, ..Upstream::at_home(name) })
    }

    #[test]
    fn of_unlisted_upstreams_a_bounded_number_is_held_and_the_one_that_was_idle_longest_goes() {
        let sources = Sources::default();
        let busy = sources.get(&upstream(0)).unwrap();
        for number in 1..10 * UNLISTED {
            sources.get(&upstream(number)).unwrap();
        }
        let held = sources.lock();
        assert_eq!(held.unlisted.len(), UNLISTED);
        let holds = |number: usize| held.unlisted.contains_key(&upstream(number).name);
        assert!(holds(0), "it is in use");
        assert!(!holds(1) && holds(10 * UNLISTED - 1));
        drop(held);
        assert!(Arc::ptr_eq(&busy, &sources.get(&upstream(0)).unwrap()));
    }

    #[test]
    fn where_all_are_in_use_one_more_is_refused_until_one_ends() {
        let sources = Sources::default();
        let mut busy: Vec<_> = (0..UNLISTED).map(|number| sources.get(&upstream(number)).unwrap()).collect();
        assert!(matches!(sources.get(&upstream(UNLISTED)), Err(Error::Crowded { .. })));
        // Those that the configuration lists are not counted.
        let listed = Arc::new(Upstream::at_home("listed.example".parse().unwrap()));
        sources.get(&listed).unwrap();
        busy.pop();
        sources.get(&upstream(UNLISTED)).unwrap();
    }

    #[test]
    fn unlisted_upstreams_are_counted_as_one_and_nothing_is_lost_when_one_goes() {
        let sources = Sources::default();
        assert_eq!(sources.status(), []);
        for number in 0..3 * UNLISTED {
            let source = sources.get(&upstream(number)).unwrap();
            source.counters.hits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let status = sources.status();
        assert_eq!(status.len(), 1);
        assert_eq!(
            (status[0].upstream.to_string(), status[0].hits),
            ("other".to_owned(), 3 * UNLISTED as u64)
        );
    }
}
