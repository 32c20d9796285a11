//! Kinds of manifest beside OCI images.

use bytes::Bytes;
use http::Method;
use hythe_oci::media_type::{DOCKER_MANIFEST, OCI_EMPTY, OCI_MANIFEST, without_parameters};
use serde_json::{Value, json};

use crate::commands::test::bench::{Bench, descriptor, image_manifest};
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, expect_optional, has_code, said, same};

pub(super) const CHECKS: &[Check] = &[
    Check::new("manifests", "practice", "a manifest of Docker's type is pushed and pulled", |bench| {
        Box::pin(docker(bench))
    })
    .shows("Docker manifests"),
    Check::new(
        "manifests",
        "image-spec, artifacts",
        "an artifact with a type of its own is pushed and pulled",
        |bench| Box::pin(artifact(bench)),
    )
    .shows("artifacts"),
];

const LOG: &str = "see the registry's log";

async fn docker(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    let manifest = image_manifest(&image.config, &image.layers[..1], DOCKER_MANIFEST);
    round(bench, "docker", DOCKER_MANIFEST, &manifest).await
}

async fn artifact(bench: &Bench) -> Verdict {
    let image = bench.image().await?;
    let empty = Bytes::from_static(b"{}");
    let pushed = bench.repository().push_blob(&empty).await;
    let empty = (pushed.map_err(|stop| stop.into_skipped("the push of a blob"))?, empty);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.hythe.test",
        "config": descriptor(OCI_EMPTY, &empty),
        "layers": [descriptor("application/vnd.hythe.test.content", &image.layers[0])],
        "annotations": { "hythe-test": bench.mark },
    });
    round(bench, "artifact", OCI_MANIFEST, &manifest).await
}

/// Pushes a manifest and pulls it.
async fn round(bench: &Bench, tag: &str, media_type: &str, manifest: &Value) -> Verdict {
    let (manifest, tag) = (Bytes::from(manifest.to_string()), bench.tag(tag));
    let answer = bench.repository().put_manifest(&tag, media_type, &manifest).await?;
    if has_code(&answer, &["MANIFEST_INVALID"]) || answer.status.as_u16() == 415 {
        return Err(Stop::NotSupported(format!("PUT of the manifest: {}", said(&answer))));
    }
    expect_optional(&answer, "PUT of the manifest", &[201], LOG)?;
    let answer = bench.repository().manifest(Method::GET, &tag, &[]).await?;
    expect(&answer, "GET of the manifest", &[200], LOG)?;
    let told = without_parameters(answer.text("content-type").unwrap_or_default()).to_owned();
    same(&told, &media_type.to_owned(), "`Content-Type`", Clone::clone, LOG)?;
    if answer.body != manifest {
        return Err(Stop::failed(
            "the bytes that were pushed",
            "other bytes",
            "digests and signatures would not match",
        ));
    }
    Ok(Vec::new())
}
