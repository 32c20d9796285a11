//! `/api/gc`: a round of the collector, because somebody asks for one.

use http::{Method, Response};
use hythe_oci::ErrorCode;
use hythe_registry::{CollectedNow, Collection};
use serde_json::{Value, json};

use super::{JSON, content};
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

/// Collects at once. What was used within the grace period stays, and is told.
pub(crate) async fn collect(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    if *call.method != Method::POST {
        return Err(Rejection::method(call.method, "POST"));
    }
    let collection = Collection { untagged: switch(call, "untagged")?, dry_run: switch(call, "dry-run")? };
    let result = call.app.registry.collect_now(collection).await;
    let round = result.map_err(|error| Rejection::registry(&error, None))?;
    if !collection.dry_run {
        call.app.metrics.collected(round.collected);
        tracing::info!(
            manifests = round.collected.manifests,
            blobs = round.collected.blobs,
            bytes = round.collected.bytes,
            uploads = round.collected.uploads,
            waiting = round.waiting.blobs,
            "collected as it was asked to"
        );
    }
    Ok(content(JSON, describe(&round, collection.dry_run).to_string()))
}

fn switch(call: &Call<'_>, name: &str) -> Result<bool, Rejection> {
    match call.query.first(name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let message = format!("parameter `{name}` is true or false");
            Err(Rejection::parameter(ErrorCode::Unsupported, message))
        }
    }
}

fn describe(round: &CollectedNow, dry_run: bool) -> Value {
    let CollectedNow { collected, waiting, waiting_manifests, due } = round;
    json!({
        "dry_run": dry_run,
        "manifests": collected.manifests, "uploads": collected.uploads,
        "blobs": collected.blobs, "bytes": collected.bytes,
        "waiting": {
            "manifests": waiting_manifests, "blobs": waiting.blobs, "bytes": waiting.bytes,
            "until": due.map(|due| humantime::format_rfc3339_seconds(due).to_string()),
        },
    })
}
