//! `/api/disk`: the disk budget, its use, and the images that eviction would remove next.

use std::time::{Duration, UNIX_EPOCH};

use http::{Method, Response};
use hythe_api::{Disk, EvictedNext, RunningIn};

use super::json;
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;
use crate::time::timestamp;

/// The most images that the page names.
const NEXT: usize = 10;

/// Shows the budget. Counts the stored bytes, so the page is not for a hot path.
pub(crate) async fn disk_get(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return Err(Rejection::method(call.method, "GET, HEAD"));
    }
    let failed = |error| Rejection::registry(&error, None);
    let registry = &call.app.registry;
    let space = registry.count_space().await.map_err(failed)?;
    let (visible, mut next) = (call.scope.visible(), Vec::new());
    for image in registry.least_used(None).await.map_err(failed)? {
        // A client that may not pull a copy does not learn of it either.
        let provenance = registry.repository(&image.repository).provenance().await.map_err(failed)?;
        if provenance.is_some_and(|provenance| visible.shows(&provenance)) && next.len() < NEXT {
            next.push(EvictedNext {
                bytes: registry.cached_size(&image).await.map_err(failed)?,
                last_use: time(image.last_use),
                repository: image.repository,
                tag: image.tag,
                digest: image.digest,
            });
        }
    }
    let running = registry.running().await.map_err(failed)?;
    let running = running.into_iter().map(|running| RunningIn {
        digests: running.digests.len() as u64,
        source: running.source,
        told: time(running.at),
    });
    Ok(json(&Disk {
        stored_bytes: space.stored,
        budget_bytes: space.budget,
        size_bytes: space.size,
        free_bytes: space.free,
        floor_bytes: space.floor,
        refuses_pushes: registry.refuses_pushes(),
        running: running.collect(),
        next,
    }))
}

/// A time of the catalog in RFC 3339's format.
fn time(millis: i64) -> Option<String> {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis.max(0).cast_unsigned())).and_then(timestamp)
}
