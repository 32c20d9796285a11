//! The metrics page at `/metrics`, in the OpenMetrics text format.

mod backups;
mod upstreams;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hythe_lifecycle::retention::Run;
use hythe_lifecycle::{Collected, Evicted, Slice};
use hythe_registry::Registry;
use hythe_upstream::Cache;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry as Set, Unit};

use crate::plane::PlaneCounters;
use crate::record::Record;
pub(crate) use backups::Backups;
use upstreams::Upstreams;

/// The buckets of request durations, in seconds: a response takes from microseconds (a tag) to minutes (a layer).
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Labels {
    handler: &'static str,
    method: &'static str,
    code: u16,
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        let code = self.code.to_string();
        [("handler", self.handler), ("method", self.method), ("code", code.as_str())]
            .as_slice()
            .encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Handler(&'static str);

impl EncodeLabelSet for Handler {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("handler", self.0)].as_slice().encode(encoder)
    }
}

/// The label of a method. All unknown methods share one label, so that a client cannot create labels without limit.
fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// All metrics of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    set: Set,
    plane: Arc<PlaneCounters>,
    requests: Family<Labels, Counter>,
    seconds: Family<Handler, Histogram>,
    sent: Family<Handler, Counter>,
    received: Counter,
    pub(crate) connections: Gauge<i64, AtomicI64>,
    handshakes_failed: Counter,
    certificate_expires: Gauge<u64, AtomicU64>,
    collected: Collector,
    evicted: Evictions,
    disk: DiskUse,
    verified: Verifier,
    retention: Retention,
    pub(crate) backups: Backups,
    stored: Stored,
    uploads_active: Gauge<u64, AtomicU64>,
    sendfile: Gauge<u64, AtomicU64>,
    leases: Gauge<u64, AtomicU64>,
    longest_write: Gauge<f64, AtomicU64>,
    resident: Gauge<u64, AtomicU64>,
}

#[derive(Debug, Default)]
struct Collector {
    rounds: Counter,
    blobs: Counter,
    bytes: Counter,
    uploads: Counter,
}

#[derive(Debug, Default)]
struct Evictions {
    images: Counter,
    bytes: Counter,
}

#[derive(Debug, Default)]
struct DiskUse {
    stored: Gauge<u64, AtomicU64>,
    budget: Gauge<u64, AtomicU64>,
    free: Gauge<u64, AtomicU64>,
    floor: Gauge<u64, AtomicU64>,
    refuses: Gauge<u64, AtomicU64>,
}

#[derive(Debug, Default)]
struct Verifier {
    blobs: Counter,
    bytes: Counter,
    damages: Counter,
}

#[derive(Debug, Default)]
struct Retention {
    runs: Counter,
    tags: Counter,
    manifests: Counter,
    stopped: Gauge<u64, AtomicU64>,
    last_run: Gauge<u64, AtomicU64>,
}

#[derive(Debug, Default)]
struct Stored {
    repositories: Gauge<u64, AtomicU64>,
    manifests: Gauge<u64, AtomicU64>,
    tags: Gauge<u64, AtomicU64>,
    blobs: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    uploads: Gauge<u64, AtomicU64>,
    deleted_manifests: Gauge<u64, AtomicU64>,
    deleted_bytes: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// The metrics of a server, of what its connections move, and of the upstreams of `cache`.
    pub(crate) fn new(plane: Arc<PlaneCounters>, cache: Cache) -> Self {
        let mut metrics = Self {
            set: Set::with_prefix("hythe"),
            plane,
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            sent: Family::default(),
            received: Counter::default(),
            connections: Gauge::default(),
            handshakes_failed: Counter::default(),
            certificate_expires: Gauge::default(),
            collected: Collector::default(),
            evicted: Evictions::default(),
            disk: DiskUse::default(),
            verified: Verifier::default(),
            retention: Retention::default(),
            backups: Backups::default(),
            stored: Stored::default(),
            uploads_active: Gauge::default(),
            sendfile: Gauge::default(),
            leases: Gauge::default(),
            longest_write: Gauge::default(),
            resident: Gauge::default(),
        };
        metrics.register();
        metrics.set.register_collector(Box::new(Upstreams(cache)));
        metrics
    }

    fn register(&mut self) {
        let set = &mut self.set;
        set.register("build", "The version of hythe", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        set.register(
            "http_requests",
            "Completed requests by handler, method and status",
            self.requests.clone(),
        );
        let seconds = self.seconds.clone();
        set.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its response's last byte",
            Unit::Seconds,
            seconds,
        );
        set.register_with_unit("http_response", "Response body bytes sent", Unit::Bytes, self.sent.clone());
        let received = self.received.clone();
        set.register_with_unit("http_request", "Request body bytes received", Unit::Bytes, received);
        set.register("http_connections", "Open client connections", self.connections.clone());
        let failed = self.handshakes_failed.clone();
        set.register("tls_handshakes_failed", "TLS handshakes that failed or took too long", failed);
        let expires = self.certificate_expires.clone();
        set.register_with_unit(
            "tls_certificate_expiry_timestamp",
            "When the certificate expires, since the Unix epoch; 0 without TLS",
            Unit::Seconds,
            expires,
        );
        let sendfile = self.sendfile.clone();
        set.register_with_unit(
            "http_sendfile",
            "Bytes sent by sendfile since the start",
            Unit::Bytes,
            sendfile,
        );
        set.register("uploads_active", "Upload bodies being received now", self.uploads_active.clone());
        let repositories = self.stored.repositories.clone();
        set.register("repositories", "Repositories that have a manifest", repositories);
        let manifests = self.stored.manifests.clone();
        set.register("manifests", "Manifests, counted in each repository that has them", manifests);
        set.register("tags", "Tags", self.stored.tags.clone());
        set.register("blobs", "Blobs, each counted once", self.stored.blobs.clone());
        set.register_with_unit("blobs", "Total size of the blobs", Unit::Bytes, self.stored.bytes.clone());
        set.register(
            "deleted_manifests",
            "Deleted manifests that can be restored",
            self.stored.deleted_manifests.clone(),
        );
        set.register_with_unit(
            "deleted_blobs",
            "Total size of the blobs that only deleted manifests reference",
            Unit::Bytes,
            self.stored.deleted_bytes.clone(),
        );
        set.register("upload_sessions", "Open upload sessions, idle or not", self.stored.uploads.clone());
        set.register("collect_rounds", "Rounds of garbage collection", self.collected.rounds.clone());
        let blobs = self.collected.blobs.clone();
        set.register("collect_blobs", "Blobs removed by garbage collection", blobs);
        let bytes = self.collected.bytes.clone();
        set.register_with_unit("collect", "Bytes freed by garbage collection", Unit::Bytes, bytes);
        let uploads = self.collected.uploads.clone();
        set.register("collect_uploads", "Expired upload sessions removed by garbage collection", uploads);
        let (images, bytes) = (self.evicted.images.clone(), self.evicted.bytes.clone());
        set.register("evict_images", "Cached images removed to keep to the disk budget", images);
        set.register_with_unit("evict", "Bytes freed by removing cached images", Unit::Bytes, bytes);
        let disk = &self.disk;
        for (name, help, gauge) in [
            (
                "disk_stored",
                "Bytes that the registry stores, by its estimate, which is never too low",
                &disk.stored,
            ),
            ("disk_budget", "Bytes that the registry may store; 0 without a budget", &disk.budget),
            ("disk_free", "Free bytes of the file system with the data folder", &disk.free),
            ("disk_floor", "Bytes of that file system that should stay free", &disk.floor),
        ] {
            set.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
        let refuses = disk.refuses.clone();
        set.register("disk_refuses_pushes", "1 while pushes are refused for want of room", refuses);
        set.register("verify_blobs", "Blobs whose bytes were verified", self.verified.blobs.clone());
        let bytes = self.verified.bytes.clone();
        set.register_with_unit("verify", "Bytes that were verified", Unit::Bytes, bytes);
        let damages = self.verified.damages.clone();
        set.register("verify_damages", "Damaged blobs and manifests that verification found", damages);
        set.register("retain_runs", "Runs of retention", self.retention.runs.clone());
        set.register("retain_tags", "Tags deleted by retention", self.retention.tags.clone());
        let manifests = self.retention.manifests.clone();
        set.register("retain_manifests", "Manifests deleted by retention", manifests);
        let stopped = self.retention.stopped.clone();
        set.register("retain_stopped", "1 if the last run of retention stopped for a confirmation", stopped);
        let last_run = self.retention.last_run.clone();
        set.register_with_unit(
            "retain_last_run_timestamp",
            "When retention last ran, since the Unix epoch; 0 before the first run",
            Unit::Seconds,
            last_run,
        );
        self.backups.register(set);
        set.register("leases", "Leases that keep local blobs from being removed", self.leases.clone());
        let longest = self.longest_write.clone();
        set.register_with_unit(
            "catalog_longest_write",
            "Longest time that one write has occupied the catalog's only writer since the start",
            Unit::Seconds,
            longest,
        );
        let resident = self.resident.clone();
        set.register_with_unit("process_resident_memory", "Resident memory", Unit::Bytes, resident);
    }

    /// Counts a TLS handshake that failed.
    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// Shows when the certificate that is in use expires.
    pub(crate) fn certificate_expires(&self, at: SystemTime) {
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.certificate_expires.set(at.as_secs());
    }

    /// Counts a request that has ended.
    pub(crate) fn finished(&self, record: &Record, sent: u64, took: Duration) {
        let handler = record.handler();
        let labels = Labels { handler, method: method_label(&record.method), code: record.status() };
        self.requests.get_or_create(&labels).inc();
        let handler = Handler(handler);
        self.seconds.get_or_create(&handler).observe(took.as_secs_f64());
        if sent > 0 {
            self.sent.get_or_create(&handler).inc_by(sent);
        }
    }

    /// Counts a round of garbage collection.
    pub(crate) fn collected(&self, round: Collected) {
        self.collected.rounds.inc();
        self.collected.blobs.inc_by(round.blobs);
        self.collected.bytes.inc_by(round.bytes);
        self.collected.uploads.inc_by(round.uploads);
    }

    /// Counts a round of eviction.
    pub(crate) fn evicted(&self, round: &Evicted) {
        self.evicted.images.inc_by(round.images);
        self.evicted.bytes.inc_by(round.bytes);
    }

    /// Counts a slice of a verification.
    pub(crate) fn verified(&self, slice: &Slice) {
        self.verified.blobs.inc_by(slice.blobs);
        self.verified.bytes.inc_by(slice.bytes);
        self.verified.damages.inc_by(slice.damages.len() as u64);
    }

    /// Counts a run of retention.
    pub(crate) fn retained(&self, run: &Run, now: SystemTime) {
        self.retention.runs.inc();
        self.retention.tags.inc_by(run.tags);
        self.retention.manifests.inc_by(run.manifests);
        self.retention.stopped.set(u64::from(run.stopped));
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.retention.last_run.set(now.as_secs());
    }

    /// The page at `/metrics`. Counts the catalog's rows, so it is not for a hot path.
    pub(crate) async fn page(&self, registry: &Registry) -> hythe_registry::Result<String> {
        let totals = registry.totals().await?;
        self.stored.repositories.set(totals.repositories);
        self.stored.manifests.set(totals.manifests);
        self.stored.tags.set(totals.tags);
        self.stored.blobs.set(totals.blobs);
        self.stored.bytes.set(totals.bytes);
        self.stored.uploads.set(totals.uploads);
        let deleted = registry.deleted_total().await?;
        self.stored.deleted_manifests.set(deleted.manifests);
        self.stored.deleted_bytes.set(deleted.bytes);
        let space = registry.space();
        self.disk.stored.set(space.stored);
        self.disk.budget.set(space.budget.unwrap_or_default());
        self.disk.free.set(space.free.unwrap_or_default());
        self.disk.floor.set(space.floor.unwrap_or_default());
        self.disk.refuses.set(u64::from(registry.refuses_pushes()));
        self.leases.set(registry.leases().await?.len() as u64);
        self.uploads_active.set(registry.active_uploads() as u64);
        self.received.inner().store(self.plane.received(), Ordering::Relaxed);
        self.sendfile.set(self.plane.sent_by_sendfile());
        self.longest_write.set(registry.longest_write().as_secs_f64());
        self.resident.set(resident_bytes().unwrap_or_default());
        let mut page = String::new();
        encode(&mut page, &self.set)
            .map_err(|_| hythe_registry::Error::Internal("could not write the metrics as text".to_owned()))?;
        Ok(page)
    }
}

/// This process's resident memory in bytes; `None` without `/proc`.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
