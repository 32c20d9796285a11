//! Metrics of upstreams: requests to them, and what the cache saved.

use std::fmt;

use hythe_upstream::{Cache, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Reads the cache's counts when the metrics page is written.
#[derive(Debug)]
pub(super) struct Upstreams(pub(super) Cache);

/// Reads one number of an upstream's status.
type Value = fn(&Status) -> u64;

/// The counters of each upstream: name, help, unit and value.
const COUNTS: [(&str, &str, Option<Unit>, Value); 4] = [
    ("upstream_requests", "Requests to the upstream", None, |status| status.requests),
    ("upstream_errors", "Failed requests to the upstream", None, |status| status.errors),
    ("upstream_fetched", "Bytes fetched from the upstream", Some(Unit::Bytes), |status| status.fetched),
    ("upstream_saved", "Blob bytes served without the upstream", Some(Unit::Bytes), |status| status.saved),
];

/// Counts of responses by how the cache produced them: the word in `X-Cache`.
const ANSWERS: [(&str, Value); 4] = [
    ("hit", |status| status.hits),
    ("miss", |status| status.misses),
    ("revalidated", |status| status.revalidated),
    ("stale", |status| status.stale),
];

impl Collector for Upstreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.status();
        let named: Vec<_> = all.iter().map(|status| (status.upstream.to_string(), status)).collect();
        for (name, help, unit, value) in COUNTS {
            let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
            for (upstream, status) in &named {
                let labels = [("upstream", upstream.as_str())];
                ConstCounter::new(value(status)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let (help, unit) = ("Total time that the upstream took to respond", Unit::Seconds);
        let mut metric =
            encoder.encode_descriptor("upstream_wait", help, Some(&unit), MetricType::Counter)?;
        for (upstream, status) in &named {
            let labels = [("upstream", upstream.as_str())];
            ConstCounter::new(status.waited.as_secs_f64()).encode(metric.encode_family(&labels)?)?;
        }
        let help = "Responses by how the cache produced them";
        let mut metric = encoder.encode_descriptor("upstream_answers", help, None, MetricType::Counter)?;
        for (upstream, status) in &named {
            for (word, value) in ANSWERS {
                let labels = [("upstream", upstream.as_str()), ("cache", word)];
                ConstCounter::new(value(status)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "1 while the upstream is not asked because it keeps failing";
        let mut metric = encoder.encode_descriptor("upstream_resting", help, None, MetricType::Gauge)?;
        for (upstream, status) in &named {
            let labels = [("upstream", upstream.as_str())];
            ConstGauge::new(i64::from(status.resting.is_some())).encode(metric.encode_family(&labels)?)?;
        }
        let help = "Pulls left in the upstream's rate limit, as it last reported";
        let mut metric = encoder.encode_descriptor("upstream_budget", help, None, MetricType::Gauge)?;
        for (upstream, status) in &named {
            if let Some(budget) = &status.budget {
                let labels = [("upstream", upstream.as_str())];
                let left = i64::try_from(budget.remaining).unwrap_or(i64::MAX);
                ConstGauge::new(left).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
