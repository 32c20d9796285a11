//! What the registry tells caches, and of its own.

use http::Method;

use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect};

pub(super) const CHECKS: &[Check] = &[
    Check::new("cache", "practice", "blobs may be kept by caches", |bench| Box::pin(cache_control(bench)))
        .shows("Cache-Control of blobs"),
    Check::new("cache", "practice", "answers tell whether they came from a cache", |bench| {
        Box::pin(x_cache(bench))
    })
    .shows("X-Cache"),
];

async fn cache_control(bench: &Bench) -> Verdict {
    let (digest, _) = bench.blob(1000).await?;
    let answer = bench.repository().blob(Method::GET, &digest, &[]).await?;
    expect(&answer, "GET of a blob", &[200], "see the registry's log")?;
    match answer.text("cache-control") {
        Some(text) if text.contains("max-age") && !text.contains("max-age=0") => Ok(Vec::new()),
        Some(text) => Err(Stop::NotSupported(format!("`Cache-Control: {text}`"))),
        None => Err(Stop::NotSupported("no `Cache-Control`".to_owned())),
    }
}

async fn x_cache(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    bench.repository().manifest(Method::GET, &image.tag, &[]).await?;
    if bench.wire.has_cache_header() {
        return Ok(Vec::new());
    }
    Err(Stop::NotSupported("no answer had `X-Cache`".to_owned()))
}
