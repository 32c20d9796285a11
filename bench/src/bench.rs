//! A run: its contenders, their order, and the results.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::acceptance::Unit;
use crate::cli::Cli;
use crate::contender::{Contender, Kind};
use crate::error::Result;
use crate::image::Image;
use crate::measure::{Measures, figures};
use crate::random_file::RandomFile;
use crate::server::Server;
use crate::transfer::Transfer;
use crate::workspace::{Workspace, wipe};

/// Repository of the blob that clients pull.
pub(crate) const BLOB: &str = "bench/blob";

/// Repository of a small image.
pub(crate) const SMALL: &str = "bench/small";

/// Layers of each image.
pub(crate) const LAYERS: usize = 10;

/// First port of the servers. The ports are below the range that the kernel gives to clients, and no other program uses
/// this network namespace.
const FIRST_PORT: u16 = 5100;
/// Ports before the numbers start again.
const PORTS: u16 = 20_000;

/// A run in progress.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The settings of the command line.
    pub(crate) settings: Cli,
    /// The random bytes.
    pub(crate) source: RandomFile,
    /// The contenders.
    pub(crate) contenders: Vec<Contender>,
    /// The samples so far.
    pub(crate) measures: Measures,
    pub(crate) workspace: Workspace,
    /// Failures so far. A contender that fails is left out of the rest of that scenario only.
    failures: Vec<String>,
    peaks: BTreeMap<Kind, u64>,
    /// The path of the blob for each contender, after the blob was stored there.
    pub(crate) pulls: Option<BTreeMap<Kind, String>>,
    starts: u16,
    salt: u64,
}

impl Bench {
    /// Prepares a run.
    pub(crate) fn new(settings: Cli, contenders: Vec<Contender>) -> Result<Self> {
        let (size, layer) = (settings.size, settings.layer);
        // Space for the source, a copy for each contender that serves it, the largest amount pushed at a time, twice
        // (some contenders copy uploads into place), and the images that nginx serves.
        let pushed = (2 * size).max(8 * LAYERS as u64 * layer);
        let workspace = Workspace::open(settings.dir.clone(), 5 * size + 3 * pushed + (1 << 30))?;
        eprintln!("preparing {} MiB of random bytes in {}", size >> 20, workspace.path().display());
        let source = RandomFile::create(&workspace.path().join("source"), size)?;
        Ok(Self {
            settings,
            source,
            contenders,
            measures: Measures::default(),
            workspace,
            failures: Vec::new(),
            peaks: BTreeMap::new(),
            pulls: None,
            starts: 0,
            salt: 0,
        })
    }

    /// Whether the settings select the scenario `name`.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.settings.only.is_empty()
            || self.settings.only.iter().any(|start| name.starts_with(start.as_str()))
    }

    /// In each round, calls `once` for each contender that `takes_part`. The first contender changes from round to
    /// round.
    pub(crate) fn rounds(
        &mut self,
        name: &str,
        takes_part: fn(Kind) -> bool,
        mut once: impl FnMut(&mut Self, &Contender, usize) -> Result<()>,
    ) {
        let taking: Vec<_> = self.contenders.iter().filter(|one| takes_part(one.kind)).cloned().collect();
        let mut failed = BTreeSet::new();
        let rounds = usize::from(self.settings.rounds);
        for round in 0..rounds {
            for place in 0..taking.len() {
                let contender = &taking[(place + round) % taking.len()];
                if failed.contains(&contender.kind) {
                    continue;
                }
                eprint!("{name}, round {} of {rounds}, {}:", round + 1, contender.kind);
                let done = once(self, contender, round);
                eprintln!();
                if let Err(error) = done {
                    failed.insert(contender.kind);
                    self.fail(format!("{name}, {}: {error}", contender.kind));
                }
            }
        }
    }

    /// The folder of a contender for the scenario `name`.
    pub(crate) fn dir(&self, name: &str, kind: Kind) -> PathBuf {
        self.workspace.path().join(name).join(kind.name())
    }

    /// The same folder, emptied.
    pub(crate) fn fresh_dir(&self, name: &str, kind: Kind) -> Result<PathBuf> {
        let dir = self.dir(name, kind);
        wipe(&dir)?;
        Ok(dir)
    }

    /// Starts `contender` with the data in `dir`, on a port of its own, after all dirty pages are written back.
    pub(crate) fn start(&mut self, contender: &Contender, dir: &Path) -> Result<Server> {
        self.start_with(contender, dir, None)
    }

    /// Like [`start`](Self::start), as a cache of the upstream on port `origin`. hythe knows the upstream as
    /// `up.example`.
    pub(crate) fn start_through(&mut self, contender: &Contender, dir: &Path, origin: u16) -> Result<Server> {
        self.start_with(contender, dir, Some(origin))
    }

    fn start_with(&mut self, contender: &Contender, dir: &Path, origin: Option<u16>) -> Result<Server> {
        self.workspace.settle()?;
        let port = FIRST_PORT + self.starts % PORTS;
        self.starts += 1;
        Server::start(contender, port, dir, origin)
    }

    /// Records the peak memory of `server`, and ends it.
    pub(crate) fn stop(&mut self, server: Server) {
        let peak = self.peaks.entry(server.kind).or_default();
        *peak = server.tree().peak().max(*peak);
        drop(server);
    }

    /// A salt that no blob has yet.
    pub(crate) fn salt(&mut self) -> u64 {
        self.salt += 1;
        self.salt
    }

    /// Records a sample.
    pub(crate) fn record(&mut self, name: &str, unit: Unit, kind: Kind, value: f64) {
        eprint!(" {} {}", figures(value), unit.name());
        self.measures.add(name, unit, kind, value);
    }

    /// Records a transfer's throughput and CPU.
    pub(crate) fn record_transfer(&mut self, name: &str, kind: Kind, transfer: Transfer) {
        self.record(name, Unit::Throughput, kind, transfer.throughput());
        self.record(name, Unit::CpuPerGib, kind, transfer.cpu());
    }

    /// Records a failure.
    pub(crate) fn fail(&mut self, what: String) {
        eprintln!("FAILED: {what}");
        self.failures.push(what);
    }

    /// A ten-layer image with tiny layers, for scenarios that measure its manifest.
    pub(crate) fn small_image(&self) -> Result<Image> {
        let layer = |number: usize| self.source.blob(number as u64 * 4096, 1024);
        let layers = (0..LAYERS).map(layer).collect::<Result<Vec<_>>>()?;
        Image::of(&self.source, &layers, 0)
    }

    /// Ends the run and returns the failures.
    pub(crate) fn finish(&mut self) -> &[String] {
        for (kind, peak) in std::mem::take(&mut self.peaks) {
            self.measures.add("rss-peak", Unit::Mebibytes, kind, mebibytes(peak));
        }
        &self.failures
    }
}

/// Bytes in the table's unit of memory.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
