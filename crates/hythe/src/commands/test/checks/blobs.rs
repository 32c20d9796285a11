//! Reading blobs.

use http::Method;
use http::header::IF_NONE_MATCH;
use hythe_oci::{Algorithm, Digest, header};

use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, same};

pub(super) const CHECKS: &[Check] = &[
    Check::new("blobs", "end-2", "HEAD of a blob tells its length", |bench| Box::pin(head(bench))),
    Check::new("blobs", "end-2", "HEAD of an unknown blob is answered with 404", |bench| {
        Box::pin(unknown(bench))
    }),
    Check::new("blobs", "practice", "a blob that the client has is answered with 304", |bench| {
        Box::pin(not_modified(bench))
    })
    .shows("conditional requests for blobs"),
];

async fn head(bench: &Bench) -> Verdict {
    let (digest, content) = bench.blob(12_345).await?;
    let answer = bench.repository().blob(Method::HEAD, &digest, &[]).await?;
    expect(&answer, "HEAD of a blob", &[200], "clients skip a push when this answer is 200")?;
    let show = |length: &Option<String>| length.clone().unwrap_or_else(|| "missing".to_owned());
    let length = answer.text("content-length").map(str::to_owned);
    same(
        &length,
        &Some(content.len().to_string()),
        "`Content-Length`",
        show,
        "clients show and check the size",
    )?;
    if let Some(told) = answer.text(header::DOCKER_CONTENT_DIGEST) {
        same(&told.to_owned(), &digest.to_string(), "`Docker-Content-Digest`", Clone::clone, "")?;
    }
    Ok(Vec::new())
}

async fn unknown(bench: &Bench) -> Verdict {
    bench.blob(10).await?;
    let digest = Digest::of(Algorithm::Sha256, &bench.content(100));
    let answer = bench.repository().blob(Method::HEAD, &digest, &[]).await?;
    expect(&answer, "HEAD of an unknown blob", &[404], "clients push a blob when this answer is 404")?;
    Ok(Vec::new())
}

async fn not_modified(bench: &Bench) -> Verdict {
    let (digest, _) = bench.blob(10_000).await?;
    let answer = bench.repository().blob(Method::GET, &digest, &[]).await?;
    expect(&answer, "GET of a blob", &[200], "see the registry's log")?;
    let Some(tag) = answer.text("etag") else {
        return Err(Stop::NotSupported("the answer has no `ETag`".to_owned()));
    };
    let answer = bench.repository().blob(Method::GET, &digest, &[(IF_NONE_MATCH, tag)]).await?;
    if answer.status.as_u16() == 200 {
        return Err(Stop::NotSupported("the registry sends the blob again".to_owned()));
    }
    expect(&answer, "GET with the `ETag` in `If-None-Match`", &[304], "see the registry's log")?;
    Ok(Vec::new())
}
