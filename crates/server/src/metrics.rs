//! Measurements for Prometheus, in its text format at `/metrics`.

mod upstreams;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hythe_registry::{Collected, Registry};
use hythe_upstream::Cache;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry as Set, Unit};

use crate::plane::SENDFILE_BYTES;
use crate::record::Record;
use upstreams::Upstreams;

/// Answers take from microseconds (a tag) to minutes (a layer).
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

/// Methods are few; anything else is one label, so that nobody can make labels without end.
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

/// All measurements of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    set: Set,
    requests: Family<Labels, Counter>,
    seconds: Family<Handler, Histogram>,
    sent: Family<Handler, Counter>,
    received: Counter,
    pub(crate) connections: Gauge<i64, AtomicI64>,
    collected: Collector,
    stored: Stored,
    uploads_active: Gauge<u64, AtomicU64>,
    sendfile: Gauge<u64, AtomicU64>,
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
struct Stored {
    repositories: Gauge<u64, AtomicU64>,
    manifests: Gauge<u64, AtomicU64>,
    tags: Gauge<u64, AtomicU64>,
    blobs: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    uploads: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Those of a server, and of what `cache` asks.
    pub(crate) fn new(cache: Cache) -> Self {
        let mut metrics = Self {
            set: Set::with_prefix("hythe"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            sent: Family::default(),
            received: Counter::default(),
            connections: Gauge::default(),
            collected: Collector::default(),
            stored: Stored::default(),
            uploads_active: Gauge::default(),
            sendfile: Gauge::default(),
            longest_write: Gauge::default(),
            resident: Gauge::default(),
        };
        metrics.register();
        metrics.set.register_collector(Box::new(Upstreams(cache)));
        metrics
    }

    fn register(&mut self) {
        let set = &mut self.set;
        set.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        set.register("http_requests", "Requests by handler, method and status", self.requests.clone());
        let seconds = self.seconds.clone();
        set.register_with_unit("http_request_duration", "From head to last byte", Unit::Seconds, seconds);
        set.register_with_unit("http_response", "Body bytes sent", Unit::Bytes, self.sent.clone());
        set.register_with_unit("http_request", "Body bytes received", Unit::Bytes, self.received.clone());
        set.register("http_connections", "Open connections", self.connections.clone());
        set.register_with_unit("http_sendfile", "Bytes sent by sendfile", Unit::Bytes, self.sendfile.clone());
        set.register("uploads_active", "Upload bodies being received", self.uploads_active.clone());
        set.register("repositories", "Repositories that hold something", self.stored.repositories.clone());
        set.register("manifests", "Manifests", self.stored.manifests.clone());
        set.register("tags", "Tags", self.stored.tags.clone());
        set.register("blobs", "Blobs, each counted once", self.stored.blobs.clone());
        set.register_with_unit("blobs", "Their sizes, added up", Unit::Bytes, self.stored.bytes.clone());
        set.register("upload_sessions", "Upload sessions, waiting ones too", self.stored.uploads.clone());
        set.register("collect_rounds", "Rounds of the collector", self.collected.rounds.clone());
        set.register("collect_blobs", "Blobs that it removed", self.collected.blobs.clone());
        set.register_with_unit("collect", "Bytes that it freed", Unit::Bytes, self.collected.bytes.clone());
        set.register("collect_uploads", "Upload sessions that expired", self.collected.uploads.clone());
        let longest = self.longest_write.clone();
        set.register_with_unit(
            "catalog_longest_write",
            "One write's time on the writer",
            Unit::Seconds,
            longest,
        );
        set.register_with_unit("process_resident_memory", "RSS", Unit::Bytes, self.resident.clone());
    }

    /// A request is over.
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

    pub(crate) fn received(&self, bytes: u64) {
        self.received.inc_by(bytes);
    }

    /// A round of the collector is over.
    pub(crate) fn collected(&self, round: Collected) {
        self.collected.rounds.inc();
        self.collected.blobs.inc_by(round.blobs);
        self.collected.bytes.inc_by(round.bytes);
        self.collected.uploads.inc_by(round.uploads);
    }

    /// The page for the scraper. Reads the catalog's totals: not for a hot path.
    pub(crate) fn page(&self, registry: &Registry) -> hythe_registry::Result<String> {
        let totals = registry.totals()?;
        self.stored.repositories.set(totals.repositories);
        self.stored.manifests.set(totals.manifests);
        self.stored.tags.set(totals.tags);
        self.stored.blobs.set(totals.blobs);
        self.stored.bytes.set(totals.bytes);
        self.stored.uploads.set(totals.uploads);
        self.uploads_active.set(registry.active_uploads() as u64);
        self.sendfile.set(SENDFILE_BYTES.load(Ordering::Relaxed));
        self.longest_write.set(registry.longest_write().as_secs_f64());
        self.resident.set(resident_bytes().unwrap_or_default());
        let mut page = String::new();
        encode(&mut page, &self.set).map_err(|_| {
            hythe_registry::Error::Internal("the metrics could not be written as text".to_owned())
        })?;
        Ok(page)
    }
}

/// This process's resident set, where `/proc` tells it.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
