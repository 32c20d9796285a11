//! Deleting tags, manifests and blobs.

use http::Method;
use hythe_client::RawAnswer;
use hythe_oci::media_type::OCI_MANIFEST;

use crate::commands::test::bench::{Bench, Image};
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, is_unsupported, said};

pub(super) const CHECKS: &[Check] = &[
    Check::new("deletes", "end-9", "a tag is deleted alone; other tags of the manifest stay", |bench| {
        Box::pin(tag(bench))
    })
    .shows("delete a tag"),
    Check::new("deletes", "end-9", "a manifest is deleted with its tags", |bench| Box::pin(manifest(bench)))
        .shows("delete a manifest"),
    Check::new("deletes", "end-10", "a blob is deleted", |bench| Box::pin(blob(bench)))
        .shows("delete a blob"),
    Check::new("deletes", "end-9, end-10", "the deletion of unknown content is answered with 404", |bench| {
        Box::pin(unknown(bench))
    }),
];

const AFTER: &str = "a registry behind a cache or with several replicas may answer from an older state";

/// An image of its own, which a check deletes.
async fn image(bench: &Bench, word: &str) -> Result<Image, Stop> {
    let pushed = bench.push_image(&bench.tag(word), &[1000]).await;
    pushed.map_err(|stop| stop.into_skipped("the push of an image"))
}

/// Requires that a deletion was carried out.
fn deleted(answer: &RawAnswer, what: &str) -> Result<(), Stop> {
    if is_unsupported(answer) || answer.status.as_u16() == 403 {
        return Err(Stop::NotSupported(format!("DELETE of {what}: {}", said(answer))));
    }
    expect(answer, &format!("DELETE of {what}"), &[202, 200, 204], "see the registry's log")
}

async fn tag(bench: &Bench) -> Verdict {
    let (image, repository) = (image(bench, "first").await?, bench.repository());
    let second = bench.tag("second");
    let pushed = repository.push_manifest(&second, OCI_MANIFEST, &image.manifest).await;
    pushed.map_err(|stop| stop.into_skipped("the push of a tag"))?;
    let answer = repository.delete_manifest(&image.tag).await?;
    // registry:2 reads the tag as a digest.
    if answer.status.as_u16() == 400 {
        return Err(Stop::NotSupported(format!("DELETE of a tag: {}", said(&answer))));
    }
    deleted(&answer, "a tag")?;
    let answer = repository.manifest(Method::GET, &image.tag, &[]).await?;
    expect(&answer, "GET of the deleted tag", &[404], AFTER)?;
    let answer = repository.manifest(Method::GET, &second, &[]).await?;
    let advice =
        "the registry deletes the manifest with the tag, so every other tag of the image is lost too";
    expect(&answer, "GET of another tag of the manifest", &[200], advice)?;
    Ok(Vec::new())
}

async fn manifest(bench: &Bench) -> Verdict {
    let (image, repository) = (image(bench, "deleted").await?, bench.repository());
    let digest = image.digest.to_string();
    deleted(&repository.delete_manifest(&digest).await?, "a manifest")?;
    for reference in [digest, image.tag] {
        let answer = repository.manifest(Method::GET, &reference, &[]).await?;
        expect(&answer, &format!("GET of `{reference}` after the deletion"), &[404], AFTER)?;
    }
    Ok(Vec::new())
}

async fn blob(bench: &Bench) -> Verdict {
    let ((digest, _), repository) = (bench.blob(1000).await?, bench.repository());
    deleted(&repository.delete_blob(&digest).await?, "a blob")?;
    let answer = repository.blob(Method::GET, &digest, &[]).await?;
    expect(&answer, "GET of the deleted blob", &[404], AFTER)?;
    Ok(Vec::new())
}

async fn unknown(bench: &Bench) -> Verdict {
    let (image, repository) = (image(bench, "twice").await?, bench.repository());
    let digest = image.digest.to_string();
    deleted(&repository.delete_manifest(&digest).await?, "a manifest")?;
    let answer = repository.delete_manifest(&digest).await?;
    expect(&answer, "DELETE of a manifest that is deleted", &[404], "see the registry's log")?;
    Ok(Vec::new())
}
