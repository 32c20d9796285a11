//! Requests at the same time.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;
use hythe_oci::{Algorithm, Digest};

use super::uploads::stored;
use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::repository::Repository;
use crate::commands::test::verdict::{Figure, Stop, Verdict, expect};

pub(super) const CHECKS: &[Check] = &[
    Check::new("concurrency", "practice", "eight clients push one blob at the same time", |bench| {
        Box::pin(pushes(bench))
    }),
    Check::new("concurrency", "practice", "eight clients push different blobs at the same time", |bench| {
        Box::pin(different(bench))
    }),
    Check::new("concurrency", "practice", "eight clients pull one blob at the same time", |bench| {
        Box::pin(pulls(bench))
    }),
];

const CLIENTS: usize = 8;

const ADVICE: &str = "see the registry's log; builds of one image push the same blobs at the same time";

async fn push(repository: Repository<'_>, content: Bytes) -> Result<(), Stop> {
    let digest = Digest::of(Algorithm::Sha256, &content);
    let mut session = repository.start().await?;
    let answer = session.put(&digest, content).await?;
    expect(&answer, "one of eight PUTs", &[201], ADVICE)
}

/// Runs them at the same time, and measures the whole.
async fn together(work: impl IntoIterator<Item = impl Future<Output = Result<(), Stop>>>) -> Verdict {
    let began = Instant::now();
    for result in join_all(work).await {
        result?;
    }
    Ok(vec![Figure::new("all", began.elapsed().as_secs_f64() * 1000.0, "ms")])
}

async fn pushes(bench: &Bench) -> Verdict {
    let content = bench.content(1 << 20);
    let figures = together((0..CLIENTS).map(|_| push(bench.repository(), content.clone()))).await?;
    stored(bench.repository(), &Digest::of(Algorithm::Sha256, &content), &content).await?;
    Ok(figures)
}

async fn different(bench: &Bench) -> Verdict {
    together((0..CLIENTS).map(|_| push(bench.repository(), bench.content(200_000)))).await
}

async fn pulls(bench: &Bench) -> Verdict {
    let (digest, content) = bench.blob(1 << 20).await?;
    together((0..CLIENTS).map(|_| stored(bench.repository(), &digest, &content))).await
}
