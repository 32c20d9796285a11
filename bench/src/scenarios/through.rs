//! Clients pull a cold blob of an upstream through a cache: one client, or fifty at once, over a slow link or a fast
//! one.

use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;

use crate::acceptance::Unit;
use crate::bench::{Bench, mebibytes};
use crate::client::Client;
use crate::contender::{Contender, Kind};
use crate::error::{Error, Result};
use crate::image::blob_path;
use crate::origin::{Origin, REPOSITORY};
use crate::server::Server;
use crate::transfer::Transfer;

/// Number of clients that pull at once.
const CROWD: usize = 50;

/// The link's speed, in bytes a second.
const SPEED: u64 = 100_000_000;

/// The speed of a link within a data centre, in bytes a second.
const QUICK: u64 = 1_000_000_000;

/// The result of one run.
struct Run {
    transfer: Transfer,
    /// Time until the last client has its first byte.
    first: Duration,
    gets: u64,
    peak: u64,
}

/// Runs the selected cases.
#[expect(clippy::unnecessary_wraps, reason = "all scenarios have one signature")]
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    if bench.wants("through-50") {
        bench.rounds("through-50", Kind::is_registry, |bench, contender, _| {
            let direct = direct(bench, Some(SPEED))?;
            let run = through(bench, contender, CROWD, Some(SPEED))?;
            record_beside(bench, "through-50", contender.kind, &direct, &run);
            bench.record("through-50-fetches", Unit::Times, contender.kind, run.gets as f64);
            bench.record("through-50-rss", Unit::Mebibytes, contender.kind, mebibytes(run.peak));
            Ok(())
        });
    }
    if bench.wants("through-1") {
        bench.rounds("through-1", Kind::is_registry, |bench, contender, _| {
            let direct = direct(bench, Some(SPEED))?;
            let run = through(bench, contender, 1, Some(SPEED))?;
            record_beside(bench, "through-1", contender.kind, &direct, &run);
            Ok(())
        });
    }
    if bench.wants("through-quick") {
        bench.rounds("through-quick", Kind::is_registry, |bench, contender, _| {
            let run = through(bench, contender, 1, Some(QUICK))?;
            bench.record_transfer("through-quick", contender.kind, run.transfer);
            Ok(())
        });
    }
    if bench.wants("through-fast") {
        bench.rounds("through-fast", Kind::is_registry, |bench, contender, _| {
            let rate = hash_rate(bench)?;
            bench.record("hash", Unit::Throughput, contender.kind, rate);
            let run = through(bench, contender, 1, None)?;
            bench.record_transfer("through-fast", contender.kind, run.transfer);
            Ok(())
        });
    }
    Ok(())
}

/// Records the duration and the time of the first byte, compared with a direct pull.
fn record_beside(bench: &mut Bench, name: &str, kind: Kind, direct: &Run, run: &Run) {
    let ratio = run.transfer.seconds() / direct.transfer.seconds();
    bench.record(&format!("{name}-time"), Unit::Ratio, kind, ratio);
    let late = run.first.as_secs_f64() - direct.first.as_secs_f64();
    bench.record(&format!("{name}-late"), Unit::Milliseconds, kind, late * 1e3);
}

/// One client pulls the blob from the upstream itself.
fn direct(bench: &mut Bench, speed: Option<u64>) -> Result<Run> {
    let salt = bench.salt();
    let payload = bench.source.blob(0, bench.settings.size)?.salted(salt);
    let target = blob_path(REPOSITORY, &payload.digest);
    let origin = Origin::start(payload, speed)?;
    let first = Mutex::new(Duration::ZERO);
    let transfer = Transfer::of(None, origin.port, 1, |_, client| get(client, &target, &first))?;
    Ok(Run { transfer, first: taken(first), gets: origin.gets(), peak: 0 })
}

/// `clients` clients pull the blob through a cold cache at once.
fn through(bench: &mut Bench, contender: &Contender, clients: usize, speed: Option<u64>) -> Result<Run> {
    let salt = bench.salt();
    let payload = bench.source.blob(0, bench.settings.size)?.salted(salt);
    let name = match contender.kind {
        Kind::Hythe => format!("up.example/{REPOSITORY}"),
        _ => REPOSITORY.to_owned(),
    };
    let target = blob_path(&name, &payload.digest);
    let origin = Origin::start(payload, speed)?;
    let dir = bench.fresh_dir("through", contender.kind)?;
    let server = bench.start_through(contender, &dir, origin.port)?;
    let first = Mutex::new(Duration::ZERO);
    let transfer =
        Transfer::of(Some(&server), server.port, clients, |_, client| get(client, &target, &first))?;
    let peak = server.tree().peak();
    ends_well(&server, &target, &dir)?;
    // Drop the server without recording its peak memory: this scenario has a line and a limit of its own.
    drop(server);
    Ok(Run { transfer, first: taken(first), gets: origin.gets(), peak })
}

/// Checks with a second pull that the cache has the upstream's bytes: the contenders verify them on their own.
fn ends_well(server: &Server, target: &str, dir: &Path) -> Result<()> {
    let digest = target.rsplit('/').next().unwrap_or_default();
    let digest = digest
        .parse()
        .map_err(|_| Error::Setup(format!("the path of the blob for {} has no digest", dir.display())))?;
    Client::connect(server.port)?.verify(target, &digest)
}

fn get(client: &mut Client, target: &str, first: &Mutex<Duration>) -> Result<u64> {
    let (after, bytes) = client.get_timed(target)?;
    let mut first = first.lock();
    *first = (*first).max(after);
    Ok(bytes)
}

fn taken(first: Mutex<Duration>) -> Duration {
    first.into_inner()
}

/// GB/s of SHA-256 on one core, over a file that is mostly in the page cache.
fn hash_rate(bench: &Bench) -> Result<f64> {
    let began = std::time::Instant::now();
    bench.source.blob(0, bench.settings.size)?;
    Ok(bench.settings.size as f64 / 1e9 / began.elapsed().as_secs_f64())
}
