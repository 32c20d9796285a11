//! The kinds of upload.

use bytes::Bytes;
use http::Method;
use hythe_client::RawBody;
use hythe_oci::{Algorithm, Digest};

use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::repository::Repository;
use crate::commands::test::verdict::{Stop, Verdict, expect, expect_optional, has_code, said};

pub(super) const CHECKS: &[Check] = &[
    Check::new("uploads", "end-4a, end-6", "a blob is pushed by POST and PUT", |bench| {
        Box::pin(post_and_put(bench))
    }),
    Check::new("uploads", "end-4b", "a blob is pushed by a single POST", |bench| {
        Box::pin(single_post(bench))
    })
    .shows("upload by a single POST"),
    Check::new("uploads", "end-5", "a blob is pushed in chunks", |bench| Box::pin(chunks(bench)))
        .shows("chunked upload"),
    Check::new("uploads", "practice", "a blob is pushed as a stream, as Docker does", |bench| {
        Box::pin(stream(bench))
    })
    .shows("streamed upload"),
    Check::new("uploads", "practice", "an empty blob is pushed", |bench| Box::pin(empty(bench))),
    Check::new("uploads", "end-6", "a blob is pushed again", |bench| Box::pin(again(bench))),
    Check::new("uploads", "end-6", "a blob with a wrong digest is refused", |bench| {
        Box::pin(wrong_digest(bench))
    }),
    Check::new("uploads", "end-6", "a blob with a SHA-512 digest is pushed and pulled", |bench| {
        Box::pin(sha512(bench))
    })
    .shows("SHA-512 digests"),
];

const LOG: &str = "see the registry's log";

/// Requires that the repository has the blob.
pub(super) async fn stored(repository: Repository<'_>, digest: &Digest, content: &Bytes) -> Result<(), Stop> {
    let answer = repository.blob(Method::GET, digest, &[]).await?;
    expect(&answer, "GET of the pushed blob", &[200], LOG)?;
    if answer.body == *content {
        return Ok(());
    }
    let got = format!("{} other bytes", answer.body.len());
    Err(Stop::failed(format!("the {} bytes that were pushed", content.len()), got, LOG))
}

async fn post_and_put(bench: &Bench) -> Verdict {
    let content = bench.content(100_000);
    let digest = bench.repository().push_blob(&content).await?;
    stored(bench.repository(), &digest, &content).await?;
    Ok(Vec::new())
}

async fn single_post(bench: &Bench) -> Verdict {
    let content = bench.content(100_000);
    let digest = Digest::of(Algorithm::Sha256, &content);
    let query = [("digest", digest.to_string())];
    let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (answer, _) = bench.repository().post(&query, content.clone(), None).await?;
    if answer.status.as_u16() == 202 {
        return Err(Stop::NotSupported("the registry starts an upload session instead".to_owned()));
    }
    expect_optional(&answer, "POST with a blob", &[201], LOG)?;
    stored(bench.repository(), &digest, &content).await?;
    Ok(Vec::new())
}

async fn chunks(bench: &Bench) -> Verdict {
    // Registries may ask for chunks of at least a certain size; all accept 5 MiB.
    let (first, last) = (bench.content(5 << 20), bench.content(1000));
    let content = Bytes::from([&first[..], &last].concat());
    let digest = Digest::of(Algorithm::Sha256, &content);
    let mut session = bench.repository().start().await?;
    let (middle, end) = (first.len(), content.len());
    for (chunk, range) in [(first, (0, middle - 1)), (last, (middle, end - 1))] {
        let answer = session.patch(RawBody::Whole(chunk), Some(range)).await?;
        expect_optional(&answer, "PATCH with a chunk", &[202], LOG)?;
        let (has, expected) = (answer.text("range"), format!("0-{}", range.1));
        if has != Some(&expected) {
            let advice = "clients continue at the byte after `Range`";
            let got = has.map_or_else(|| "no `Range`".to_owned(), |has| format!("`Range: {has}`"));
            return Err(Stop::failed(format!("`Range: {expected}` after the chunk"), got, advice));
        }
    }
    let answer = session.put(&digest, Bytes::new()).await?;
    expect(&answer, "PUT after the chunks", &[201], LOG)?;
    stored(bench.repository(), &digest, &content).await?;
    Ok(Vec::new())
}

async fn stream(bench: &Bench) -> Verdict {
    let content = bench.content(300_000);
    let digest = Digest::of(Algorithm::Sha256, &content);
    let mut session = bench.repository().start().await?;
    let answer = session.patch(RawBody::Chunked(content.clone()), None).await?;
    if answer.status.as_u16() == 411 {
        return Err(Stop::NotSupported(format!("PATCH without a length: {}", said(&answer))));
    }
    expect_optional(&answer, "PATCH with a stream", &[202], LOG)?;
    let answer = session.put(&digest, Bytes::new()).await?;
    expect(&answer, "PUT after the stream", &[201], LOG)?;
    stored(bench.repository(), &digest, &content).await?;
    Ok(Vec::new())
}

async fn empty(bench: &Bench) -> Verdict {
    let digest = bench.repository().push_blob(&Bytes::new()).await?;
    stored(bench.repository(), &digest, &Bytes::new()).await?;
    Ok(Vec::new())
}

async fn again(bench: &Bench) -> Verdict {
    let (digest, content) = bench.blob(10_000).await?;
    bench.repository().push_blob(&content).await?;
    stored(bench.repository(), &digest, &content).await?;
    Ok(Vec::new())
}

async fn wrong_digest(bench: &Bench) -> Verdict {
    let digest = Digest::of(Algorithm::Sha256, &bench.content(10));
    let mut session = bench.repository().start().await?;
    let answer = session.put(&digest, bench.content(1000)).await?;
    let advice = "the registry must compare the content with its digest: otherwise a broken upload is served to everybody";
    expect(&answer, "PUT with the digest of other content", &[400], advice)?;
    let answer = bench.repository().blob(Method::HEAD, &digest, &[]).await?;
    expect(&answer, "HEAD of the refused blob", &[404], advice)?;
    Ok(Vec::new())
}

async fn sha512(bench: &Bench) -> Verdict {
    let content = bench.content(10_000);
    let digest = Digest::of(Algorithm::Sha512, &content);
    let query = [("digest-algorithm", "sha512")];
    let (answer, session) = bench.repository().post(&query, Bytes::new(), None).await?;
    let Some(mut session) = session else {
        return Err(Stop::NotSupported(format!("POST for an upload with SHA-512: {}", said(&answer))));
    };
    let answer = session.put(&digest, content.clone()).await?;
    if has_code(&answer, &["DIGEST_INVALID", "UNSUPPORTED"]) {
        return Err(Stop::NotSupported(format!("PUT with a SHA-512 digest: {}", said(&answer))));
    }
    expect_optional(&answer, "PUT with a SHA-512 digest", &[201], LOG)?;
    let answer = bench.repository().blob(Method::GET, &digest, &[]).await?;
    if answer.status.as_u16() == 404 {
        return Err(Stop::NotSupported(
            "the registry takes the blob, and does not serve it by that digest".to_owned(),
        ));
    }
    stored(bench.repository(), &digest, &content).await?;
    Ok(Vec::new())
}
