//! Manifests that refer to another.

use bytes::Bytes;
use hythe_client::RawAnswer;
use hythe_oci::media_type::{OCI_EMPTY, OCI_MANIFEST};
use hythe_oci::{Algorithm, Digest, header};
use serde_json::{Value, json};

use crate::commands::test::bench::{Bench, descriptor};
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, is_unsupported, said, same};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "referrers",
        "end-7",
        "a manifest with a subject is accepted, and named in OCI-Subject",
        |bench| Box::pin(subject(bench)),
    )
    .shows("referrers API"),
    Check::new("referrers", "end-12a", "the referrers of a manifest are listed", |bench| {
        Box::pin(list(bench))
    })
    .shows("referrers API"),
    Check::new("referrers", "end-12b", "referrers are filtered by their type", |bench| {
        Box::pin(filter(bench))
    })
    .shows("filter of referrers"),
    Check::new("referrers", "end-12a", "an unknown manifest has an empty list of referrers", |bench| {
        Box::pin(unknown(bench))
    })
    .shows("referrers API"),
];

const NOTE: &str = "application/vnd.hythe.test.note";
const OTHER: &str = "application/vnd.hythe.test.other";

/// Pushes a manifest of this type that refers to the shared image.
async fn attach(bench: &Bench, artifact_type: &str) -> Result<(Digest, RawAnswer), Stop> {
    let image = bench.image().await?;
    let empty = Bytes::from_static(b"{}");
    let pushed = bench.repository().push_blob(&empty).await;
    let empty = (pushed.map_err(|stop| stop.into_skipped("the push of a blob"))?, empty);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
        "config": descriptor(OCI_EMPTY, &empty), "layers": [descriptor(OCI_EMPTY, &empty)],
        "subject": descriptor(OCI_MANIFEST, &(image.digest, image.manifest.clone())),
        "annotations": { "hythe-test": bench.mark },
    });
    let manifest = Bytes::from(manifest.to_string());
    let digest = Digest::of(Algorithm::Sha256, &manifest);
    let answer = bench.repository().put_manifest(&digest.to_string(), OCI_MANIFEST, &manifest).await?;
    expect(&answer, "PUT of a manifest with a subject", &[201], "clients attach signatures so")?;
    Ok((digest, answer))
}

async fn subject(bench: &Bench) -> Verdict {
    let (_, answer) = attach(bench, NOTE).await?;
    let Some(told) = answer.text(header::OCI_SUBJECT) else {
        let why = "the answer has no `OCI-Subject`: clients keep the list in a tag instead";
        return Err(Stop::NotSupported(why.to_owned()));
    };
    let subject = bench.image().await?.digest.to_string();
    same(&told.to_owned(), &subject, "`OCI-Subject`", Clone::clone, "see the registry's log")?;
    Ok(Vec::new())
}

/// The digests of an answer of the referrers API.
async fn referrers(
    bench: &Bench,
    of: &Digest,
    artifact_type: Option<&str>,
) -> Result<(RawAnswer, Vec<String>), Stop> {
    let mut place = bench.repository().place(&format!("referrers/{of}"));
    if let Some(artifact_type) = artifact_type {
        place = place.with(header::FILTER_ARTIFACT_TYPE, artifact_type);
    }
    let answer = bench.repository().get(place).await?;
    if is_unsupported(&answer) || answer.status.as_u16() == 404 {
        return Err(Stop::NotSupported(format!("GET of the referrers: {}", said(&answer))));
    }
    expect(&answer, "GET of the referrers", &[200], "see the registry's log")?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(entries) = body["manifests"].as_array() else {
        return Err(Stop::failed("an index with `manifests`", "another body", "see the registry's log"));
    };
    let digests = entries.iter().filter_map(|entry| entry["digest"].as_str().map(str::to_owned)).collect();
    Ok((answer, digests))
}

async fn list(bench: &Bench) -> Verdict {
    let (note, _) = attach(bench, NOTE).await?;
    let (_, listed) = referrers(bench, &bench.image().await?.digest, None).await?;
    if listed.contains(&note.to_string()) {
        return Ok(Vec::new());
    }
    Err(Stop::failed(
        format!("`{note}` in the list"),
        listed.join(", "),
        "clients would not find a signature",
    ))
}

async fn filter(bench: &Bench) -> Verdict {
    let ((note, _), (other, _)) = (attach(bench, NOTE).await?, attach(bench, OTHER).await?);
    let (answer, listed) = referrers(bench, &bench.image().await?.digest, Some(NOTE)).await?;
    if answer.text(header::OCI_FILTERS_APPLIED).is_none() {
        return Err(Stop::NotSupported("the answer has no `OCI-Filters-Applied`: clients filter".to_owned()));
    }
    if listed.contains(&note.to_string()) && !listed.contains(&other.to_string()) {
        return Ok(Vec::new());
    }
    Err(Stop::failed(format!("only entries of type {NOTE}"), listed.join(", "), "see the registry's log"))
}

async fn unknown(bench: &Bench) -> Verdict {
    bench.image().await?;
    let unknown = Digest::of(Algorithm::Sha256, &bench.content(10));
    let (_, listed) = referrers(bench, &unknown, None).await?;
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    Err(Stop::failed("an empty list", listed.join(", "), "see the registry's log"))
}
