//! Response times and throughput.

use std::time::{Duration, Instant};

use http::Method;
use hythe_client::{Place, RawAnswer, RawRequest};
use hythe_oci::path;

use super::uploads::stored;
use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Figure, Stop, Verdict, expect};

pub(super) const CHECKS: &[Check] = &[
    Check::new("times", "measured", "the answer at /v2/", |bench| Box::pin(ping(bench))),
    Check::new("times", "measured", "a manifest by its tag", |bench| Box::pin(manifest(bench))),
    Check::new("times", "measured", "HEAD of a manifest", |bench| Box::pin(head(bench))),
    Check::new("times", "measured", "a blob of 1 KiB", |bench| Box::pin(small(bench))),
    Check::new("times", "measured", "a blob of 1 MiB", |bench| Box::pin(large(bench))),
    Check::new("times", "measured", "throughput of a push and a pull of 16 MiB", |bench| {
        Box::pin(throughput(bench))
    }),
];

/// Requests of one measurement, and the time after which it ends with fewer.
const REQUESTS: usize = 50;
const BUDGET: Duration = Duration::from_secs(10);

/// The value that this many percent of the sorted values do not exceed.
fn percentile<T: Copy>(sorted: &[T], percent: usize) -> T {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Sends the request again and again, one at a time.
async fn measure(ask: impl AsyncFn() -> Result<RawAnswer, Stop>) -> Verdict {
    let (began, mut times) = (Instant::now(), Vec::with_capacity(REQUESTS));
    while times.len() < REQUESTS && (times.is_empty() || began.elapsed() < BUDGET) {
        let sent = Instant::now();
        expect(&ask().await?, "each request", &[200], "see the registry's log")?;
        times.push(sent.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let figure = |name: &str, percent| Figure::new(name, percentile(&times, percent), "ms");
    let count = Figure::new("requests", f64::from(times.len() as u32), "");
    Ok(vec![figure("p50", 50), figure("p90", 90), figure("p99", 99), count])
}

async fn ping(bench: &Bench) -> Verdict {
    measure(async || bench.wire.send(RawRequest::new(Method::GET, Place::path(path::base()))).await).await
}

async fn manifest(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    measure(async || bench.repository().manifest(Method::GET, &image.tag, &[]).await).await
}

async fn head(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    measure(async || bench.repository().manifest(Method::HEAD, &image.tag, &[]).await).await
}

async fn small(bench: &Bench) -> Verdict {
    let (digest, _) = bench.blob(1 << 10).await?;
    measure(async || bench.repository().blob(Method::GET, &digest, &[]).await).await
}

async fn large(bench: &Bench) -> Verdict {
    let (digest, _) = bench.blob(1 << 20).await?;
    measure(async || bench.repository().blob(Method::GET, &digest, &[]).await).await
}

async fn throughput(bench: &Bench) -> Verdict {
    const MIB: u32 = 16;
    let content = bench.content((MIB as usize) << 20);
    let rate = |began: Instant| f64::from(MIB) / began.elapsed().as_secs_f64();
    let began = Instant::now();
    let digest = bench.repository().push_blob(&content).await?;
    let pushed = rate(began);
    let began = Instant::now();
    stored(bench.repository(), &digest, &content).await?;
    Ok(vec![Figure::new("push", pushed, "MiB/s"), Figure::new("pull", rate(began), "MiB/s")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times: Vec<u32> = (1..=50).collect();
        assert_eq!([50, 90, 99].map(|percent| percentile(&times, percent)), [25, 45, 50]);
        assert_eq!(percentile(&[7], 50), 7);
    }
}
