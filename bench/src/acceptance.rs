//! The lines of the table in their order, and hythe's targets.

use crate::contender::Kind;

/// The unit of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// 10⁹ bytes a second.
    Throughput,
    /// The server's CPU seconds per GiB moved.
    CpuPerGib,
    /// Answers a second.
    Rate,
    /// The server's CPU microseconds per answer.
    CpuPerAnswer,
    /// Milliseconds.
    Milliseconds,
    /// Resident memory.
    Mebibytes,
    /// Removed blobs a second.
    Blobs,
    /// A number of occurrences.
    Times,
    /// A multiple of another measurement.
    Ratio,
}

impl Unit {
    /// The unit's name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "GB/s",
            Self::CpuPerGib => "CPU s/GiB",
            Self::Rate => "req/s",
            Self::CpuPerAnswer => "CPU us/req",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::Blobs => "blobs/s",
            Self::Times => "times",
            Self::Ratio => "x direct",
        }
    }
}

/// A condition on hythe's median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// At least this multiple of the contender's median.
    AtLeast(f64, Kind),
    /// At most this multiple of the contender's median.
    AtMost(f64, Kind),
    /// At most this multiple of the contender's median, plus this constant.
    AtMostPlus(f64, Kind, f64),
    /// At least this multiple of the median of the faster of the two loops.
    AtLeastLoop(f64),
    /// At most this multiple of hythe's median on the named line, plus this constant.
    AtMostOwn(f64, &'static str, f64),
    /// At least this multiple of hythe's median on the named line.
    AtLeastOwn(f64, &'static str),
    /// At most this value.
    Limit(f64),
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The scenario and the measured quantity.
    pub(crate) name: &'static str,
    /// The unit of its values.
    pub(crate) unit: Unit,
    /// hythe's targets.
    pub(crate) targets: &'static [Target],
}

const fn line(name: &'static str, unit: Unit, targets: &'static [Target]) -> Line {
    Line { name, unit, targets }
}

use Kind::{Distribution, Nginx, Registry2};
use Target::{AtLeast, AtLeastLoop, AtLeastOwn, AtMost, AtMostOwn, AtMostPlus, Limit};
use Unit::{Blobs, CpuPerAnswer, CpuPerGib, Mebibytes, Milliseconds, Rate, Ratio, Throughput, Times};

/// All lines of the table, in its order.
pub(crate) const LINES: &[Line] = &[
    line("hash-one", Throughput, &[]),
    line("hash-two", Throughput, &[]),
    line("disk", Throughput, &[]),
    line("pull-1", Throughput, &[AtLeast(0.95, Nginx)]),
    line("pull-1", CpuPerGib, &[AtMost(1.2, Nginx)]),
    line("pull-4", Throughput, &[AtLeast(0.95, Nginx)]),
    line("pull-4", CpuPerGib, &[AtMost(1.2, Nginx)]),
    line("pull-64", Throughput, &[AtLeast(0.95, Nginx)]),
    line("pull-64", CpuPerGib, &[AtMost(1.2, Nginx)]),
    line("push-1", Throughput, &[AtLeast(4.0, Registry2), AtLeast(1.6, Distribution), AtLeastLoop(0.85)]),
    line("push-1", CpuPerGib, &[AtMost(0.85, Distribution)]),
    line("push-8", Throughput, &[]),
    line("push-8", CpuPerGib, &[]),
    line("image-push", Throughput, &[AtLeast(2.5, Distribution), AtLeastLoop(0.85)]),
    line("image-push", CpuPerGib, &[]),
    line("image-pull", Throughput, &[]),
    line("image-pull", CpuPerGib, &[]),
    line("manifest", Rate, &[AtLeast(0.85, Nginx), AtLeast(12.0, Distribution)]),
    line("manifest", CpuPerAnswer, &[]),
    line("heavy-write", Milliseconds, &[Limit(100.0)]),
    line("heavy-wait", Milliseconds, &[]),
    line("catalog-first", Milliseconds, &[]),
    line("catalog-middle", Milliseconds, &[]),
    line("scale-catalog-first-p99", Milliseconds, &[AtMostOwn(2.0, "scale-small-catalog-p99", 0.0)]),
    line("scale-catalog-middle-p99", Milliseconds, &[AtMostOwn(2.0, "scale-small-catalog-p99", 0.0)]),
    line("scale-catalog-last-p99", Milliseconds, &[AtMostOwn(2.0, "scale-small-catalog-p99", 0.0)]),
    line("scale-catalog-any-p99", Milliseconds, &[AtMostOwn(2.0, "scale-small-catalog-p99", 0.0)]),
    line("scale-small-catalog-p99", Milliseconds, &[]),
    line("scale-none-catalog-p99", Milliseconds, &[]),
    line("scale-tags-p99", Milliseconds, &[AtMostOwn(2.0, "scale-small-tags-p99", 0.0)]),
    line("scale-small-tags-p99", Milliseconds, &[]),
    line("scale-many-tags-first-p99", Milliseconds, &[AtMostOwn(2.0, "scale-small-many-tags-p99", 0.0)]),
    line("scale-many-tags-middle-p99", Milliseconds, &[AtMostOwn(2.0, "scale-small-many-tags-p99", 0.0)]),
    line("scale-many-tags-any-p99", Milliseconds, &[AtMostOwn(2.0, "scale-small-many-tags-p99", 0.0)]),
    line("scale-small-many-tags-p99", Milliseconds, &[]),
    line("scale-start", Milliseconds, &[AtMostOwn(1.1, "scale-small-start", 1.0)]),
    line("scale-small-start", Milliseconds, &[]),
    line("scale-manifest", Rate, &[]),
    line("scale-small-manifest", Rate, &[]),
    line("scale-rss", Mebibytes, &[]),
    line("scale-small-rss", Mebibytes, &[]),
    line("scale-disk", Mebibytes, &[]),
    line("collect-quiet-push-p50", Milliseconds, &[]),
    line("collect-push-p50", Milliseconds, &[]),
    line("collect-quiet-push-p99", Milliseconds, &[]),
    line("collect-push-p99", Milliseconds, &[AtMostOwn(1.5, "collect-quiet-push-p99", 0.0)]),
    line("collect-quiet-pull-p99", Milliseconds, &[]),
    line("collect-pull-p99", Milliseconds, &[]),
    line("collect-quiet-pushes", Rate, &[]),
    line("collect-pushes", Rate, &[]),
    line("collect-blobs", Blobs, &[]),
    line("collect-failures", Times, &[Limit(0.0)]),
    line("collect-wrong", Times, &[Limit(0.0)]),
    line("collect-rss", Mebibytes, &[Limit(32.0)]),
    line("start-new", Milliseconds, &[AtMostPlus(1.2, Nginx, 5.0)]),
    line("start-again", Milliseconds, &[AtMostPlus(1.2, Nginx, 5.0)]),
    line("rss-idle", Mebibytes, &[Limit(14.0)]),
    line("rss-peak", Mebibytes, &[Limit(32.0)]),
    line("slow-pulls-rss", Mebibytes, &[Limit(64.0)]),
    line("slow-pulls-p50", Milliseconds, &[]),
    line("slow-pulls-p99", Milliseconds, &[]),
    line("trickle-rss", Mebibytes, &[Limit(128.0)]),
    line("trickle-p50", Milliseconds, &[]),
    line("trickle-p99", Milliseconds, &[]),
    line("through-50-time", Ratio, &[Limit(1.1)]),
    line("through-50-late", Milliseconds, &[Limit(10.0)]),
    line("through-50-fetches", Times, &[Limit(1.0)]),
    line("through-50-rss", Mebibytes, &[Limit(64.0)]),
    line("through-1-time", Ratio, &[Limit(1.05)]),
    line("through-1-late", Milliseconds, &[Limit(10.0)]),
    line("hash", Throughput, &[]),
    line("through-quick", Throughput, &[]),
    line("through-quick", CpuPerGib, &[]),
    line("through-fast", Throughput, &[AtLeastOwn(0.65, "hash")]),
    line("through-fast", CpuPerGib, &[]),
];
