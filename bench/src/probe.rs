//! The latency of small requests while a server is busy with something else.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::error::{Error, Result};

/// Between two probes.
const PAUSE: Duration = Duration::from_millis(5);

/// Latencies, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<Duration>);

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

    /// GETs `target` every few milliseconds while `work` runs; what that returned, too.
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
