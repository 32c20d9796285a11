//! `/api/gc`: runs a round of garbage collection on request.

use std::time::{Duration, SystemTime};

use http::{Method, Response};
use hythe_api::{Held, Restorable, Round, Waiting, parameter};
use hythe_lifecycle::{CollectedNow, Collection};
use hythe_oci::ErrorCode;
use hythe_registry::DeletedTotal;

use super::{json, leases, switch};
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;
use crate::time::timestamp;

/// Runs garbage collection now. Content that was used within the grace period stays, and the response counts it;
/// `grace` replaces the period for this round.
pub(crate) async fn collect(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    if *call.method != Method::POST {
        return Err(Rejection::method(call.method, "POST"));
    }
    let (untagged, dry_run) = (switch(call, parameter::UNTAGGED)?, switch(call, parameter::DRY_RUN)?);
    let collection = Collection { untagged, dry_run, grace: grace(call)? };
    let result = call.app.collector.collect_now(collection).await;
    let round = result.map_err(|error| Rejection::registry(&error, None))?;
    if !collection.dry_run {
        call.app.metrics.collected(round.collected);
        tracing::info!(
            manifests = round.collected.manifests,
            purged = round.collected.purged,
            blobs = round.collected.blobs,
            bytes = round.collected.bytes,
            uploads = round.collected.uploads,
            waiting = round.waiting.blobs,
            held = round.held_blobs.blobs,
            "garbage collection ran on request"
        );
    }
    let until = round.deleted.last.and_then(|last| call.app.registry.restorable_until(last));
    Ok(json(&round_of(&round, collection.dry_run, until)))
}

/// The grace period of the request; `None` means the configured one.
fn grace(call: &Call<'_>) -> Result<Option<Duration>, Rejection> {
    let Some(text) = call.query.first(parameter::GRACE) else { return Ok(None) };
    let grace = humantime::parse_duration(&text).map_err(|_| {
        let message = "parameter `grace` must be a duration such as `0s`, `10m` or `1h`";
        Rejection::parameter(ErrorCode::Unsupported, message)
    });
    grace.map(Some)
}

/// The result of a round of garbage collection, in the form of `/api/gc`. Some of the deleted content can be restored until
/// `until`.
pub fn round_of(result: &CollectedNow, dry_run: bool, until: Option<SystemTime>) -> Round {
    let CollectedNow { collected, held, held_blobs, waiting, waiting_manifests, due, deleted } = result;
    let held = held.as_ref().filter(|_| held_blobs.blobs > 0);
    Round {
        dry_run,
        manifests: collected.manifests,
        purged: collected.purged,
        uploads: collected.uploads,
        blobs: collected.blobs,
        bytes: collected.bytes,
        held: held.map(|lease| Held {
            purpose: lease.purpose.clone(),
            holder: lease.holder.clone(),
            until: leases::written(lease.until),
            blobs: held_blobs.blobs,
            bytes: held_blobs.bytes,
        }),
        waiting: Waiting {
            manifests: *waiting_manifests,
            blobs: waiting.blobs,
            bytes: waiting.bytes,
            until: due.and_then(timestamp),
        },
        restorable: restorable(deleted, until),
    }
}

/// Deleted content of which some can be restored until `until`.
pub(super) fn restorable(deleted: &DeletedTotal, until: Option<SystemTime>) -> Restorable {
    let DeletedTotal { manifests, blobs, bytes, .. } = *deleted;
    Restorable { manifests, blobs, bytes, until: until.and_then(timestamp) }
}
