//! Tells the registry which images attached clusters run, so that it keeps them.

use std::convert::Infallible;
use std::time::Duration;

use hythe_api::{Running, path};
use hythe_cluster::registry::RegistrySettings;
use hythe_cluster::topology::clusters;
use hythe_cluster::{attach, running};
use hythe_engine::Engine;

use crate::commands::cache::Target;

/// How often the nodes are asked.
const EVERY: Duration = Duration::from_mins(5);

/// The wait before the first time: the registry and the nodes may just be starting.
const FIRST: Duration = Duration::from_secs(20);

/// The largest answer, in bytes.
const LIMIT: usize = 64 << 10;

/// Asks the nodes of all attached clusters now and again and again, and tells the registry.
pub(super) async fn keep_telling(engine: &Engine, registry: &RegistrySettings) -> Infallible {
    let mut wait = FIRST;
    loop {
        tokio::time::sleep(wait).await;
        tell(engine, registry).await;
        wait = EVERY;
    }
}

/// Asks the nodes of all attached clusters once, and tells the registry. A cluster that cannot be asked keeps its last
/// answer at the registry, so a failure needs no report: the next time may succeed.
pub(super) async fn tell(engine: &Engine, registry: &RegistrySettings) {
    let Ok(clusters) = clusters(engine).await else { return };
    let Ok(client) =
        format!("localhost:{}", registry.port).parse::<Target>().and_then(|target| target.client(false))
    else {
        return;
    };
    for cluster in clusters.iter().filter(|cluster| cluster.is_running()) {
        if attach::is_detached(engine, cluster).await.unwrap_or(true) {
            continue;
        }
        if let Ok(Some(digests)) = running::digests(engine, cluster).await
            && let Ok(body) = serde_json::to_vec(&Running { digests })
        {
            let page = format!("{}{}", path::RUNNING, cluster.context());
            let _ = client.put_page(&page, body.into(), LIMIT).await;
        }
    }
}
