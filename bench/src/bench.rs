//! A run: who takes part, in what order, and what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::acceptance::Unit;
use crate::contender::{Contender, Kind};
use crate::error::Result;
use crate::image::{Image, blob_path};
use crate::measure::{Measures, figures};
use crate::seed::Seed;
use crate::server::Server;
use crate::settings::Settings;
use crate::source::Source;
use crate::transfer::Transfer;
use crate::workspace::{Workspace, wipe};

/// Repository of the blob that is pulled.
pub(crate) const BLOB: &str = "bench/blob";

/// Repository of a small image.
pub(crate) const SMALL: &str = "bench/small";

/// Layers of each image.
pub(crate) const LAYERS: usize = 10;

/// Ports below the range that the kernel gives to clients; the network namespace has no one else.
const FIRST_PORT: u16 = 5100;
const PORTS: u16 = 20_000;

/// A run in progress.
#[derive(Debug)]
pub(crate) struct Bench {
    /// What was asked for.
    pub(crate) settings: Settings,
    /// The random bytes.
    pub(crate) source: Source,
    /// Who takes part.
    pub(crate) contenders: Vec<Contender>,
    /// What was measured.
    pub(crate) measures: Measures,
    pub(crate) workspace: Workspace,
    /// What went wrong; a contender's failure ends its part in that scenario alone.
    failures: Vec<String>,
    peaks: BTreeMap<Kind, u64>,
    /// Where the blob is, per contender, once it is there.
    pulls: Option<BTreeMap<Kind, String>>,
    starts: u16,
    salt: u64,
}

impl Bench {
    /// Prepares a run.
    pub(crate) fn new(settings: Settings, contenders: Vec<Contender>) -> Result<Self> {
        let (size, layer) = (settings.size, settings.layer);
        // The source, a copy for each who serves it, and the larger of what is pushed at a time, twice (uploads that
        // are copied into place), beside the images that nginx serves.
        let pushed = (2 * size).max(8 * LAYERS as u64 * layer);
        let workspace = Workspace::open(settings.dir.clone(), 5 * size + 3 * pushed + (1 << 30))?;
        eprintln!("preparing {} MiB of random bytes in {}", size >> 20, workspace.path().display());
        let source = Source::create(&workspace.path().join("source"), size)?;
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

    /// Whether the scenario `name` is to run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.settings.only.is_empty()
            || self.settings.only.iter().any(|start| name.starts_with(start.as_str()))
    }

    /// Lets each contender that `takes_part` do `once`, and again in each round; who comes first changes.
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

    /// A folder of `contender` for the scenario `name`.
    pub(crate) fn dir(&self, name: &str, kind: Kind) -> PathBuf {
        self.workspace.path().join(name).join(kind.name())
    }

    /// The same, empty.
    pub(crate) fn fresh_dir(&self, name: &str, kind: Kind) -> Result<PathBuf> {
        let dir = self.dir(name, kind);
        wipe(&dir)?;
        Ok(dir)
    }

    /// Starts `contender` over `dir`, on a port of its own and with nothing left to write back.
    pub(crate) fn start(&mut self, contender: &Contender, dir: &Path) -> Result<Server> {
        self.start_with(contender, dir, None)
    }

    /// The same, as a cache of the upstream on port `origin`, which hythe knows as `up.example`.
    pub(crate) fn start_through(&mut self, contender: &Contender, dir: &Path, origin: u16) -> Result<Server> {
        self.start_with(contender, dir, Some(origin))
    }

    fn start_with(&mut self, contender: &Contender, dir: &Path, origin: Option<u16>) -> Result<Server> {
        self.workspace.settle()?;
        let port = FIRST_PORT + self.starts % PORTS;
        self.starts += 1;
        Server::start(contender, port, dir, origin)
    }

    /// Notes the most memory that `server` had, and ends it.
    pub(crate) fn stop(&mut self, server: Server) {
        let peak = self.peaks.entry(server.kind).or_default();
        *peak = server.tree().peak().max(*peak);
        drop(server);
    }

    /// A number that no blob was salted with yet.
    pub(crate) fn salt(&mut self) -> u64 {
        self.salt += 1;
        self.salt
    }

    /// Notes a sample.
    pub(crate) fn record(&mut self, name: &str, unit: Unit, kind: Kind, value: f64) {
        eprint!(" {} {}", figures(value), unit.name());
        self.measures.add(name, unit, kind, value);
    }

    /// Notes a transfer's throughput and CPU.
    pub(crate) fn record_transfer(&mut self, name: &str, kind: Kind, transfer: Transfer) {
        self.record(name, Unit::Throughput, kind, transfer.throughput());
        self.record(name, Unit::CpuPerGib, kind, transfer.cpu());
    }

    /// Notes a failure.
    pub(crate) fn fail(&mut self, what: String) {
        eprintln!("FAILED: {what}");
        self.failures.push(what);
    }

    /// A ten-layer image whose manifest matters and whose layers do not.
    pub(crate) fn small_image(&self) -> Result<Image> {
        let layer = |number: usize| self.source.blob(number as u64 * 4096, 1024);
        let layers = (0..LAYERS).map(layer).collect::<Result<Vec<_>>>()?;
        Image::of(&self.source, &layers, 0)
    }

    /// Puts the blob into each contender that serves blobs (once), checks it there, and says where it is. A contender
    /// that fails has none.
    pub(crate) fn pulls(&mut self) -> Result<BTreeMap<Kind, String>> {
        if let Some(pulls) = &self.pulls {
            return Ok(pulls.clone());
        }
        let blob = self.source.blob(0, self.settings.size)?.salted(0);
        let image = self.small_image()?;
        let mut pulls = BTreeMap::new();
        for contender in self.contenders.clone().into_iter().filter(|one| one.kind.gives_pulls()) {
            eprintln!("putting the blob into {}", contender.kind);
            let dir = self.dir("pull", contender.kind);
            let mut put = || {
                let mut seed = Seed::open(self, &contender, &dir)?;
                seed.blob(BLOB, &blob)?;
                seed.image(SMALL, &image)?;
                seed.close(self, &contender, &dir, |client| {
                    client.verify(&blob_path(BLOB, &blob.digest), &blob.digest)?;
                    image.verify(client, SMALL)
                })
            };
            match put() {
                Ok(()) => drop(pulls.insert(contender.kind, blob_path(BLOB, &blob.digest))),
                Err(error) => self.fail(format!("putting the blob into {}: {error}", contender.kind)),
            }
        }
        self.pulls = Some(pulls.clone());
        Ok(pulls)
    }

    /// Ends the run; what went wrong.
    pub(crate) fn finish(&mut self) -> &[String] {
        for (kind, peak) in std::mem::take(&mut self.peaks) {
            self.measures.add("rss-peak", Unit::Mebibytes, kind, mebibytes(peak));
        }
        &self.failures
    }
}

/// Bytes as the table counts memory.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
