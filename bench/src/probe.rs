//! The latency of small requests: alone, interleaved with others, or while a server does other work.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::random::Random;

/// Time between two probes.
const PAUSE: Duration = Duration::from_millis(5);

/// A repeated request.
pub(crate) struct Probe<'a> {
    /// The name of its line in the table.
    pub(crate) name: &'static str,
    /// The port of the server.
    pub(crate) port: u16,
    /// Gives the path for the next GET.
    pub(crate) target: Box<dyn FnMut(&mut Random) -> String + 'a>,
}

/// Latencies, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl From<Vec<Duration>> for Latencies {
    fn from(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self(latencies)
    }
}

impl Latencies {
    /// The latency that `share` of the requests do not exceed, in milliseconds.
    pub(crate) fn milliseconds(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * share).round() as usize).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }

    /// GETs `target` `count` times over one connection.
    pub(crate) fn of(port: u16, target: &str, fields: &str, count: usize) -> Result<Self> {
        let mut client = Client::connect(port)?;
        let latencies = (0..count).map(|_| timed(&mut client, target, fields));
        let mut latencies = latencies.collect::<Result<Vec<_>>>()?;
        latencies.sort_unstable();
        Ok(Self(latencies))
    }

    /// Sends each probe's GET `count` times, one request at a time, with the probes in a new order in each pass. So
    /// other work of the machine affects all probes alike, and no probe always follows the same other probe.
    pub(crate) fn interleaved(mut probes: Vec<Probe<'_>>, count: usize) -> Result<Vec<(&'static str, Self)>> {
        let mut clients = BTreeMap::new();
        for probe in &probes {
            if let Entry::Vacant(vacant) = clients.entry(probe.port) {
                vacant.insert(Client::connect(probe.port)?);
            }
        }
        let mut random = Random::new(0);
        let mut order: Vec<_> = (0..probes.len()).collect();
        let mut latencies = vec![Vec::with_capacity(count); probes.len()];
        for _ in 0..count {
            random.shuffle(&mut order);
            for &place in &order {
                let probe = &mut probes[place];
                let target = (probe.target)(&mut random);
                let client = clients.get_mut(&probe.port);
                // The loop above connected to the port of each probe.
                latencies[place].extend(client.map(|client| timed(client, &target, "")).transpose()?);
            }
        }
        let sorted = latencies.into_iter().zip(probes).map(|(mut latencies, probe)| {
            latencies.sort_unstable();
            (probe.name, Self(latencies))
        });
        Ok(sorted.collect())
    }

    /// GETs `target` every few milliseconds while `work` runs. Returns the latencies and the result of `work`.
    pub(crate) fn during<T: Send>(
        port: u16,
        target: &str,
        fields: &str,
        work: impl FnOnce() -> Result<T> + Send,
    ) -> Result<(Self, T)> {
        let mut client = Client::connect(port)?;
        thread::scope(|scope| {
            let work = scope.spawn(work);
            let mut latencies = Vec::new();
            while !work.is_finished() {
                latencies.push(timed(&mut client, target, fields)?);
                thread::sleep(PAUSE);
            }
            latencies.sort_unstable();
            let done =
                work.join().map_err(|_| Error::Setup("a thread of the bench panicked".to_owned()))??;
            Ok((Self(latencies), done))
        })
    }
}

fn timed(client: &mut Client, target: &str, fields: &str) -> Result<Duration> {
    let began = Instant::now();
    client.get(target, fields)?;
    Ok(began.elapsed())
}
