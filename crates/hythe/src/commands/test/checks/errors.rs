//! Errors: their status, and the code in their body.

use http::Method;
use hythe_client::{Place, RawAnswer, RawRequest};
use hythe_oci::{Algorithm, Digest, ErrorBody};

use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, said};

pub(super) const CHECKS: &[Check] = &[
    Check::new("errors", "error codes", "an unknown manifest is MANIFEST_UNKNOWN", |bench| {
        Box::pin(manifest(bench))
    }),
    Check::new("errors", "error codes", "an unknown blob is BLOB_UNKNOWN", |bench| Box::pin(blob(bench))),
    Check::new("errors", "error codes", "the tags of an unknown repository are NAME_UNKNOWN", |bench| {
        Box::pin(repository(bench))
    }),
    Check::new("errors", "error codes", "an unknown upload session is BLOB_UPLOAD_UNKNOWN", |bench| {
        Box::pin(session(bench))
    }),
    Check::new("errors", "error codes", "a malformed digest is refused", |bench| Box::pin(digest(bench))),
    Check::new("errors", "error codes", "a malformed repository name is refused", |bench| {
        Box::pin(name(bench))
    }),
];

/// Requires a status, and an error body with one of these codes.
fn refused(answer: &RawAnswer, what: &str, statuses: &[u16], codes: &[&str]) -> Verdict {
    expect(answer, what, statuses, "clients decide by the status what to do next")?;
    let body = serde_json::from_slice::<ErrorBody>(&answer.body).unwrap_or_default();
    let Some(error) = body.errors.first() else {
        let advice = "clients show the text of the error body to their users";
        return Err(Stop::failed("a JSON body with `errors`", "another body", advice));
    };
    if codes.contains(&error.code.as_str()) {
        return Ok(Vec::new());
    }
    let expected = format!("the code {}", codes.join(" or "));
    Err(Stop::failed(expected, said(answer), "clients decide by the code what to do next"))
}

async fn manifest(bench: &Bench) -> Verdict {
    bench.image().await?;
    let answer = bench.repository().manifest(Method::GET, &bench.tag("unknown"), &[]).await?;
    refused(&answer, "GET of an unknown tag", &[404], &["MANIFEST_UNKNOWN", "NAME_UNKNOWN"])
}

async fn blob(bench: &Bench) -> Verdict {
    bench.blob(10).await?;
    let unknown = Digest::of(Algorithm::Sha256, &bench.content(10));
    let answer = bench.repository().blob(Method::GET, &unknown, &[]).await?;
    refused(&answer, "GET of an unknown blob", &[404], &["BLOB_UNKNOWN"])
}

async fn repository(bench: &Bench) -> Verdict {
    let path = format!("/v2/{}-{}/tags/list", bench.repository().name, &bench.mark[..8]);
    let answer = bench.wire.send(RawRequest::new(Method::GET, Place::path(path))).await?;
    if matches!(answer.status.as_u16(), 401 | 403) {
        return Err(Stop::NotSupported(format!(
            "the registry does not reveal what is missing: {}",
            said(&answer)
        )));
    }
    refused(&answer, "GET of the tags of an unknown repository", &[404], &["NAME_UNKNOWN"])
}

async fn session(bench: &Bench) -> Verdict {
    let place = bench.repository().place("blobs/uploads/00000000-0000-4000-8000-000000000000");
    let answer = bench.repository().get(place).await?;
    refused(
        &answer,
        "GET of an unknown upload session",
        &[404],
        &["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"],
    )
}

async fn digest(bench: &Bench) -> Verdict {
    let answer = bench.repository().get(bench.repository().place("blobs/sha256:1234")).await?;
    let codes = ["DIGEST_INVALID", "BLOB_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED"];
    // Some registries have no route for such a path, and answer without a body.
    if answer.status.as_u16() == 404 {
        return Ok(Vec::new());
    }
    refused(&answer, "GET of a blob with a malformed digest", &[400, 404], &codes)
}

async fn name(bench: &Bench) -> Verdict {
    let request = RawRequest::new(Method::GET, Place::path("/v2/Not_A_Name/manifests/latest"));
    let answer = bench.wire.send(request).await?;
    if matches!(answer.status.as_u16(), 401 | 403 | 404) {
        return Ok(Vec::new());
    }
    refused(&answer, "GET of a malformed name", &[400, 404], &["NAME_INVALID", "NAME_UNKNOWN", "UNSUPPORTED"])
}
