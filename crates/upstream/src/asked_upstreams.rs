//! Holds one [`Endpoints`] for each upstream: all requests share its connections, tokens and health.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use hythe_oci::Authority;
use parking_lot::Mutex;

use crate::endpoints::{Counters, Endpoints};
use crate::rooms::Rooms;
use crate::{Error, Result, Status, Upstream};

/// The most unlisted upstreams that are held at once: clients could name thousands.
pub(crate) const UNLISTED: usize = 64;

/// The endpoints of every upstream that was asked.
#[derive(Debug, Default)]
pub(crate) struct AskedUpstreams {
    held: Mutex<Held>,
    rooms: Rooms,
}

#[derive(Debug, Default)]
struct Held {
    listed: HashMap<Authority, Arc<Endpoints>>,
    /// Unlisted upstreams, which clients named, and when each was last used.
    unlisted: HashMap<Authority, (Arc<Endpoints>, Instant)>,
    /// The counts of all unlisted upstreams together: separate counts would grow with every name.
    others: Arc<Counters>,
    /// Whether any unlisted upstream was asked.
    asked_others: bool,
}

impl AskedUpstreams {
    /// The endpoints of this upstream. Changed settings make a new endpoints.
    pub(crate) fn get(&self, upstream: &Arc<Upstream>) -> Result<Arc<Endpoints>> {
        let mut held = self.held.lock();
        if upstream.unlisted {
            held.unlisted(upstream, &self.rooms)
        } else {
            held.listed(upstream, &self.rooms)
        }
    }

    /// The status of each upstream, in the order of their names; unlisted ones appear together.
    pub(crate) fn status(&self) -> Vec<Status> {
        let held = self.held.lock();
        let mut all: Vec<_> = held.listed.values().map(|endpoints| endpoints.status()).collect();
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
    fn listed(&mut self, upstream: &Arc<Upstream>, rooms: &Rooms) -> Result<Arc<Endpoints>> {
        if let Some(endpoints) = self.listed.get(&upstream.name)
            && endpoints.upstream == *upstream
        {
            return Ok(Arc::clone(endpoints));
        }
        let endpoints = Arc::new(made(upstream, Arc::default(), rooms)?);
        self.listed.insert(upstream.name.clone(), Arc::clone(&endpoints));
        Ok(endpoints)
    }

    fn unlisted(&mut self, upstream: &Arc<Upstream>, rooms: &Rooms) -> Result<Arc<Endpoints>> {
        let now = Instant::now();
        if let Some((endpoints, wanted)) = self.unlisted.get_mut(&upstream.name)
            && endpoints.upstream == *upstream
        {
            *wanted = now;
            return Ok(Arc::clone(endpoints));
        }
        if self.unlisted.len() >= UNLISTED && !self.unlisted.contains_key(&upstream.name) {
            // A request or a download in progress holds its endpoints too.
            let idle = self.unlisted.iter().filter(|(_, (endpoints, _))| Arc::strong_count(endpoints) == 1);
            let longest = idle.min_by_key(|(_, (_, wanted))| *wanted).map(|(name, _)| name.clone());
            let Some(longest) = longest else {
                return Err(Error::Crowded { upstream: upstream.name.clone(), limit: UNLISTED });
            };
            self.unlisted.remove(&longest);
        }
        let endpoints = Arc::new(made(upstream, Arc::clone(&self.others), rooms)?);
        self.asked_others = true;
        self.unlisted.insert(upstream.name.clone(), (Arc::clone(&endpoints), now));
        Ok(endpoints)
    }
}

fn made(upstream: &Arc<Upstream>, counters: Arc<Counters>, rooms: &Rooms) -> Result<Endpoints> {
    Endpoints::new(Arc::clone(upstream), counters, rooms)
        .map_err(|error| Error::Unusable { upstream: upstream.name.clone(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(number: usize) -> Arc<Upstream> {
        let name = format!("r{number}.example").parse().unwrap();
        Arc::new(Upstream { unlisted: true, ..Upstream::at_home(name) })
    }

    #[test]
    fn a_bounded_number_of_unlisted_upstreams_is_held_and_the_longest_idle_one_is_dropped() {
        let upstreams = AskedUpstreams::default();
        let busy = upstreams.get(&upstream(0)).unwrap();
        for number in 1..10 * UNLISTED {
            upstreams.get(&upstream(number)).unwrap();
        }
        let held = upstreams.held.lock();
        assert_eq!(held.unlisted.len(), UNLISTED);
        let holds = |number: usize| held.unlisted.contains_key(&upstream(number).name);
        assert!(holds(0), "it is in use");
        assert!(!holds(1) && holds(10 * UNLISTED - 1));
        drop(held);
        assert!(Arc::ptr_eq(&busy, &upstreams.get(&upstream(0)).unwrap()));
    }

    #[test]
    fn one_more_unlisted_upstream_is_refused_while_all_are_in_use() {
        let upstreams = AskedUpstreams::default();
        let mut busy: Vec<_> =
            (0..UNLISTED).map(|number| upstreams.get(&upstream(number)).unwrap()).collect();
        assert!(matches!(upstreams.get(&upstream(UNLISTED)), Err(Error::Crowded { .. })));
        // Upstreams in the configuration do not count toward the limit.
        let listed = Arc::new(Upstream::at_home("listed.example".parse().unwrap()));
        upstreams.get(&listed).unwrap();
        busy.pop();
        upstreams.get(&upstream(UNLISTED)).unwrap();
    }

    #[test]
    fn an_upstream_with_unusable_settings_is_named_with_the_fault() {
        let name = "r.example".parse().unwrap();
        let upstream = Upstream { endpoints: vec!["ftp://r.example".to_owned()], ..Upstream::at_home(name) };
        let error = AskedUpstreams::default().get(&Arc::new(upstream)).unwrap_err().to_string();
        let words = "upstream r.example cannot be asked: endpoint `ftp://r.example` is not valid";
        assert!(error.starts_with(words) && !error.contains("sent"), "{error}");
    }

    #[test]
    fn unlisted_upstreams_are_counted_together_and_dropping_one_loses_no_counts() {
        let upstreams = AskedUpstreams::default();
        assert_eq!(upstreams.status(), []);
        for number in 0..3 * UNLISTED {
            let endpoints = upstreams.get(&upstream(number)).unwrap();
            endpoints.counters.hits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let status = upstreams.status();
        assert_eq!(status.len(), 1);
        assert_eq!(
            (status[0].upstream.to_string(), status[0].hits),
            ("other".to_owned(), 3 * UNLISTED as u64)
        );
    }
}
