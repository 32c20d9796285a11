//! Pushing and reading manifests.

use bytes::Bytes;
use http::Method;
use http::header::IF_NONE_MATCH;
use hythe_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use hythe_oci::{Algorithm, Digest, header, media_type};
use serde_json::json;

use crate::commands::test::bench::{Bench, descriptor, image_manifest};
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, same};

pub(super) const CHECKS: &[Check] = &[
    Check::new("manifests", "end-3", "a manifest is pulled by its tag and by its digest", |bench| {
        Box::pin(pull(bench))
    }),
    Check::new("manifests", "end-3", "HEAD of a manifest has the headers of GET", |bench| {
        Box::pin(head(bench))
    }),
    Check::new("manifests", "end-7", "a manifest is pushed by its digest, without a tag", |bench| {
        Box::pin(by_digest(bench))
    }),
    Check::new("manifests", "end-7", "a manifest with the digest of another is refused", |bench| {
        Box::pin(wrong_digest(bench))
    }),
    Check::new("manifests", "practice", "a manifest that is not JSON is refused", |bench| {
        Box::pin(no_json(bench))
    }),
    Check::new("manifests", "end-7", "an index is pushed and pulled", |bench| Box::pin(index(bench)))
        .shows("indexes"),
    Check::new("manifests", "end-7", "a manifest whose layers are missing is accepted", |bench| {
        Box::pin(sparse(bench))
    })
    .shows("manifests without their layers"),
    Check::new("manifests", "practice", "a manifest that the client has is answered with 304", |bench| {
        Box::pin(not_modified(bench))
    })
    .shows("conditional requests for manifests"),
];

const LOG: &str = "see the registry's log";

async fn pull(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    for reference in [image.tag.clone(), image.digest.to_string()] {
        let answer = bench.repository().manifest(Method::GET, &reference, &[]).await?;
        expect(&answer, &format!("GET of manifest `{reference}`"), &[200], LOG)?;
        if answer.body != image.manifest {
            return Err(Stop::failed(
                "the bytes that were pushed",
                "other bytes",
                "digests and signatures would not match",
            ));
        }
        let told = media_type::without_parameters(answer.text("content-type").unwrap_or_default());
        let advice = "clients decide by `Content-Type` how to read a manifest";
        same(&told.to_owned(), &OCI_MANIFEST.to_owned(), "`Content-Type`", Clone::clone, advice)?;
        if let Some(told) = answer.text(header::DOCKER_CONTENT_DIGEST) {
            same(&told.to_owned(), &image.digest.to_string(), "`Docker-Content-Digest`", Clone::clone, LOG)?;
        }
    }
    Ok(Vec::new())
}

async fn head(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    let get = bench.repository().manifest(Method::GET, &image.tag, &[]).await?;
    let head = bench.repository().manifest(Method::HEAD, &image.tag, &[]).await?;
    expect(&head, "HEAD of a manifest", &[200], "clients ask with HEAD whether a tag has moved")?;
    for name in ["content-type", "content-length", header::DOCKER_CONTENT_DIGEST] {
        let of = |answer: &hythe_client::RawAnswer| answer.text(name).unwrap_or("missing").to_owned();
        let what = format!("`{name}` of HEAD");
        same(&of(&head), &of(&get), &what, Clone::clone, "clients ask with HEAD whether a tag has moved")?;
    }
    Ok(Vec::new())
}

/// The manifest of an image that is not pushed yet.
async fn unpushed(bench: &Bench) -> Result<Bytes, Stop> {
    let layer = bench.blob(1000).await?;
    let config = bench.config();
    let pushed = bench.repository().push_blob(&config).await;
    let config = (pushed.map_err(|stop| stop.into_skipped("the push of a blob"))?, config);
    Ok(image_manifest(&config, &[layer], OCI_MANIFEST).to_string().into())
}

async fn by_digest(bench: &Bench) -> Verdict {
    let manifest = unpushed(bench).await?;
    let digest = Digest::of(Algorithm::Sha256, &manifest).to_string();
    bench.repository().push_manifest(&digest, OCI_MANIFEST, &manifest).await?;
    let answer = bench.repository().manifest(Method::HEAD, &digest, &[]).await?;
    expect(&answer, "HEAD of a manifest without a tag", &[200], LOG)?;
    Ok(Vec::new())
}

async fn wrong_digest(bench: &Bench) -> Verdict {
    let manifest = unpushed(bench).await?;
    let other = Digest::of(Algorithm::Sha256, &bench.content(10)).to_string();
    let answer = bench.repository().put_manifest(&other, OCI_MANIFEST, &manifest).await?;
    expect(
        &answer,
        "PUT with the digest of another manifest",
        &[400],
        "the registry must compare the digest",
    )?;
    Ok(Vec::new())
}

async fn no_json(bench: &Bench) -> Verdict {
    let tag = bench.tag("not-json");
    let answer =
        bench.repository().put_manifest(&tag, OCI_MANIFEST, &Bytes::from_static(b"not JSON")).await?;
    let advice = "a client that pulls such a manifest fails without a clear reason";
    expect(&answer, "PUT of a manifest that is not JSON", &[400], advice)?;
    Ok(Vec::new())
}

async fn index(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    let mut entry = descriptor(OCI_MANIFEST, &(image.digest, image.manifest.clone()));
    entry["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
    let (index, tag) = (Bytes::from(index.to_string()), bench.tag("index"));
    bench.repository().push_manifest(&tag, OCI_INDEX, &index).await?;
    let answer = bench.repository().manifest(Method::GET, &tag, &[]).await?;
    expect(&answer, "GET of an index", &[200], LOG)?;
    let advice = "an image for several platforms cannot be pulled otherwise";
    if answer.body != index {
        return Err(Stop::failed("the index that was pushed", "another manifest", advice));
    }
    Ok(Vec::new())
}

async fn sparse(bench: &Bench) -> Verdict {
    let config = bench.config();
    let pushed = bench.repository().push_blob(&config).await;
    let config = (pushed.map_err(|stop| stop.into_skipped("the push of a blob"))?, config);
    let missing = bench.content(100);
    let layer = (Digest::of(Algorithm::Sha256, &missing), missing);
    let manifest = Bytes::from(image_manifest(&config, &[layer], OCI_MANIFEST).to_string());
    let answer = bench.repository().put_manifest(&bench.tag("sparse"), OCI_MANIFEST, &manifest).await?;
    if matches!(answer.status.as_u16(), 400 | 404) {
        return Err(Stop::NotSupported("the registry requires the layers first".to_owned()));
    }
    expect(&answer, "PUT of a manifest whose layers are missing", &[201, 400, 404], LOG)?;
    Ok(Vec::new())
}

async fn not_modified(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    let tag = format!("\"{}\"", image.digest);
    let answer = bench.repository().manifest(Method::GET, &image.tag, &[(IF_NONE_MATCH, &tag)]).await?;
    if answer.status.as_u16() == 200 {
        return Err(Stop::NotSupported("the registry sends the manifest again".to_owned()));
    }
    expect(&answer, "GET with the digest in `If-None-Match`", &[304], LOG)?;
    Ok(Vec::new())
}
