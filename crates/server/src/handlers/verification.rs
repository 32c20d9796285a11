//! `/api/verify`: verifies stored content on request, slice by slice.

use http::{Method, Response};
use hythe_api::{Damage, DamagedImage, Total, VerifiedSlice, parameter};
use hythe_lifecycle::{Cursor, Slice};
use hythe_oci::ErrorCode;
use hythe_registry::{Flaw, Kind};

use super::json;
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

/// The size of a slice, in bytes: about a second of reading and hashing.
const SLICE: u64 = 512 << 20;

/// Verifies one slice.
pub(crate) async fn verify(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    if *call.method != Method::POST {
        return Err(Rejection::method(call.method, "POST"));
    }
    let after = call.query.first(parameter::AFTER);
    let cursor = match &after {
        None => Cursor::default(),
        Some(text) => text.parse().map_err(|error| {
            Rejection::parameter(ErrorCode::Unsupported, format!("parameter `after` is {error}"))
        })?,
    };
    let failed = |error| Rejection::registry(&error, None);
    let total = match after {
        None => Some(call.app.registry.totals().await.map_err(failed)?),
        Some(_) => None,
    };
    let slice = call.app.verifier.slice(cursor, SLICE).await.map_err(failed)?;
    call.app.metrics.verified(&slice);
    let total = total.map(|total| Total { blobs: total.blobs, bytes: total.bytes });
    Ok(json(&VerifiedSlice { total, ..verified_slice(slice) }))
}

/// The result of a slice, in the form of `/api/verify`.
pub fn verified_slice(slice: Slice) -> VerifiedSlice {
    let Slice { blobs, manifests, bytes, damages, next } = slice;
    let damages = damages.into_iter().map(damage_of).collect();
    VerifiedSlice { blobs, manifests, bytes, damages, next: next.map(|next| next.to_string()), total: None }
}

fn damage_of(damage: hythe_registry::Damage) -> Damage {
    let (flaw, message) = described(&damage.flaw);
    let images = damage.images.into_iter().map(|image| DamagedImage {
        repository: image.repository,
        digest: image.manifest,
        tag: image.tag,
    });
    let kind = match damage.kind {
        Kind::Blob => "blob",
        Kind::Manifest => "manifest",
    };
    Damage {
        kind: kind.to_owned(),
        digest: damage.digest,
        flaw: flaw.to_owned(),
        message,
        images: images.collect(),
    }
}

/// The flaw's name, and the flaw in words.
fn described(flaw: &Flaw) -> (&'static str, String) {
    match flaw {
        Flaw::Missing => ("missing", "its file is missing".to_owned()),
        Flaw::Size { found } => ("size", format!("its file has {found} bytes")),
        Flaw::Digest { found } => ("digest", format!("its bytes have the digest {found}")),
        Flaw::Unreadable { reason } => ("unreadable", reason.clone()),
        Flaw::Lacks { blobs } => {
            let first = blobs.first().map(ToString::to_string).unwrap_or_default();
            (
                "lacks",
                format!("its repository does not have {} of its blobs; the first is {first}", blobs.len()),
            )
        }
        Flaw::InService { flaw, reason } => {
            let (flaw, message) = described(flaw);
            (
                flaw,
                format!(
                    "{message}; it is still served, because it could not be moved into quarantine: {reason}"
                ),
            )
        }
    }
}
