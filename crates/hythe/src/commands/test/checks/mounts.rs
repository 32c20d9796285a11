//! Mounts of blobs from other repositories.

use bytes::Bytes;
use hythe_client::RawAnswer;
use hythe_oci::{Algorithm, Digest};

use super::uploads::stored;
use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, is_unsupported, said};

pub(super) const CHECKS: &[Check] = &[
    Check::new("mounts", "end-11", "a blob is mounted from another repository", |bench| {
        Box::pin(with_source(bench))
    })
    .shows("mount"),
    Check::new("mounts", "end-11", "a blob is mounted without naming its repository", |bench| {
        Box::pin(without_source(bench))
    })
    .shows("mount without a source"),
    Check::new("mounts", "end-11", "the mount of an unknown blob starts an upload session", |bench| {
        Box::pin(unknown(bench))
    }),
];

async fn with_source(bench: &Bench) -> Verdict {
    mount(bench, true).await
}

async fn without_source(bench: &Bench) -> Verdict {
    mount(bench, false).await
}

async fn ask(bench: &Bench, digest: &Digest, names_source: bool) -> Result<RawAnswer, Stop> {
    let (digest, from) = (digest.to_string(), bench.repository().name);
    let mut query = vec![("mount", digest.as_str())];
    if names_source {
        query.push(("from", from.as_str()));
    }
    let (answer, session) = bench.other().post(&query, Bytes::new(), Some(from)).await?;
    if let Some(mut session) = session {
        session.cancel().await?;
    }
    Ok(answer)
}

async fn mount(bench: &Bench, names_source: bool) -> Verdict {
    let (digest, content) = bench.blob(50_000).await?;
    let answer = ask(bench, &digest, names_source).await?;
    if answer.status.as_u16() == 202 {
        return Err(Stop::NotSupported("the registry starts an upload session instead".to_owned()));
    }
    if is_unsupported(&answer) || (!names_source && answer.status.is_client_error()) {
        return Err(Stop::NotSupported(format!("POST with `mount`: {}", said(&answer))));
    }
    expect(&answer, "POST with `mount`", &[201, 202], "the specification allows only these two")?;
    stored(bench.other(), &digest, &content).await?;
    Ok(Vec::new())
}

async fn unknown(bench: &Bench) -> Verdict {
    let digest = Digest::of(Algorithm::Sha256, &bench.content(100));
    let answer = ask(bench, &digest, true).await?;
    let advice = "clients push the blob when a mount does not work, and need the session for that";
    expect(&answer, "POST with the `mount` of an unknown blob", &[202], advice)?;
    Ok(Vec::new())
}
