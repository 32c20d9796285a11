//! The table of results, as text and as JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::contender::{Contender, Kind};
use crate::error::{Context as _, Error, Result};
use crate::measure::{Row, figures};

/// The results of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Seconds since 1970.
    time: u64,
    /// The machine of the run.
    machine: Machine,
    /// Number of measurements of each contender.
    rounds: usize,
    /// Size of the blob, in bytes.
    size: u64,
    /// The contenders and their versions.
    contenders: Vec<Version>,
    /// The measured lines of the table.
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    /// Whether this virtual machine reports its free memory to its host, and has to fetch it again from the host.
    reports_free_memory: bool,
}

/// The file with the order of the smallest block of free memory that the kernel reports to the host, if it reports any.
const REPORTED_ORDER: &str = "/sys/module/page_reporting/parameters/page_reporting_order";

/// The order of the largest blocks of memory (`MAX_PAGE_ORDER` on most machines).
const LARGEST_ORDER: u32 = 10;

#[derive(Debug, Serialize)]
struct Version {
    name: Kind,
    version: String,
}

impl Report {
    /// A report of `rows`.
    pub(crate) fn new(contenders: &[Contender], rounds: usize, size: u64, rows: Vec<Row>) -> Self {
        let versions =
            contenders.iter().map(|one| Version { name: one.kind, version: one.version.clone() }).collect();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self { time, machine: Machine::here(), rounds, size, contenders: versions, rows }
    }

    /// Writes the report as JSON.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Setup(format!("writing the report as JSON: {error}")))?;
        fs::write(path, text + "\n").context(|| format!("writing {}", path.display()))
    }

    /// The table: a line for each measurement, and one more for each further target.
    pub(crate) fn table(&self) -> String {
        let mut columns = vec!["measurement".to_owned(), "unit".to_owned()];
        columns.extend(self.contenders.iter().map(|one| one.name.to_string()));
        columns.extend(["hythe is", "target", ""].map(str::to_owned));
        let mut lines = vec![columns];
        for row in &self.rows {
            let mut cells = vec![row.name.to_owned(), row.unit.to_owned()];
            let median =
                |one: &Version| row.medians.get(&one.name).map_or("-".to_owned(), |value| figures(*value));
            cells.extend(self.contenders.iter().map(median));
            let blank = vec![String::new(); cells.len()];
            if row.verdicts.is_empty() {
                cells.push(overview(row));
                lines.push(cells);
                continue;
            }
            for verdict in &row.verdicts {
                let mark = verdict.ok.map_or("not run", |ok| if ok { "ok" } else { "MISS" });
                cells.extend([verdict.got.clone(), verdict.target.clone(), mark.to_owned()]);
                lines.push(std::mem::replace(&mut cells, blank.clone()));
            }
        }
        let mut out = format!(
            "{} cores, {}, Linux {}; blob of {} MiB; medians of {} rounds\n",
            self.machine.cores,
            self.machine.processor,
            self.machine.kernel,
            self.size >> 20,
            self.rounds
        );
        for one in &self.contenders {
            let _ = writeln!(out, "  {}: {}", one.name, one.version);
        }
        if self.machine.reports_free_memory {
            let _ = writeln!(
                out,
                "  this machine reports its free memory to its host, so results vary: see `Noise` in bench/README.md"
            );
        }
        out.push('\n');
        out + &align(&lines, 2 + self.contenders.len())
    }
}

/// hythe's ratio to each other contender, for a line without targets.
fn overview(row: &Row) -> String {
    let ratios = row.ratios.iter().map(|(kind, ratio)| format!("{} x {kind}", figures(*ratio)));
    ratios.collect::<Vec<_>>().join(", ")
}

/// Aligns names left and numbers (columns 2 to `numbers`) right. The last cell of a line does not widen its column.
fn align(lines: &[Vec<String>], numbers: usize) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter(|line| column + 1 < line.len()).filter_map(|line| line.get(column));
        cells.map(String::len).max().unwrap_or(0)
    };
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = width(column);
            let _ = if (2..numbers).contains(&column) {
                write!(text, "{cell:>width$}  ")
            } else {
                write!(text, "{cell:<width$}  ")
            };
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

impl Machine {
    fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.map_or("unknown processor", |(_, name)| name).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            // If this is not a number, or is larger than the largest order, the kernel reports no memory.
            reports_free_memory: read(REPORTED_ORDER)
                .trim()
                .parse()
                .is_ok_and(|order: u32| order <= LARGEST_ORDER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acceptance::Unit;
    use crate::measure::Measures;

    #[test]
    fn the_table_has_a_line_for_each_target() {
        let mut measures = Measures::default();
        for (kind, value) in [(Kind::Hythe, 1.0), (Kind::Registry2, 0.2), (Kind::Distribution, 0.8)] {
            measures.add("push-1", Unit::Throughput, kind, value);
        }
        let contender = |kind| Contender { kind, program: "x".into(), version: "1".to_owned() };
        let contenders = [Kind::Hythe, Kind::Registry2, Kind::Distribution].map(contender);
        let table = Report::new(&contenders, 5, 1 << 30, measures.rows()).table();
        assert!(table.contains("5.00 x registry2     >= 4 x registry2       ok\n"), "{table}");
        assert!(table.contains("1.25 x distribution  >= 1.6 x distribution  MISS\n"), "{table}");
        assert!(table.contains(">= 0.85 x better loop  not run\n"), "{table}");
    }
}
