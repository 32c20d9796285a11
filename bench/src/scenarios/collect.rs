//! Garbage collection of a registry with a million small blobs, half of them garbage, while eight clients push and pull.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hythe_e2e::client::{Body, Client};
use hythe_e2e::population::{Population, before_the_grace_period};
use hythe_e2e::traffic::Traffic;
use serde_json::Value;

use crate::acceptance::Unit;
use crate::bench::{Bench, mebibytes};
use crate::contender::{Contender, Kind};
use crate::error::{Context as _, Error, Result};
use crate::probe::Latencies;
use crate::workspace::wipe;

/// How long the clients work before the collection. It ends before the server's first scheduled collection, 30 s after its
/// start.
const QUIET: Duration = Duration::from_secs(20);

/// How long the collection, or the journal of a new data folder, may take.
const PATIENCE: Duration = Duration::from_hours(1);

/// Runs the scenario. It runs once, however many rounds there are.
#[expect(clippy::unnecessary_wraps, reason = "all scenarios have one signature")]
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    bench.rounds("collect", Kind::is_hythe, |bench, hythe, round| match round {
        0 => once(bench, hythe),
        _ => Ok(()),
    });
    Ok(())
}

fn once(bench: &mut Bench, hythe: &Contender) -> Result<()> {
    let population = Population::new(bench.settings.blobs);
    let dir = bench.fresh_dir("collect", hythe.kind)?;
    let data = dir.join("data");
    let began = Instant::now();
    population.write(&data, before_the_grace_period());
    eprint!(" {} blobs in {:.0} s;", 2 * population.garbage(), began.elapsed().as_secs_f64());
    // The first start writes the journal of this content, which no later start repeats.
    let server = bench.start(hythe, &dir)?;
    wait_for_journal(&data)?;
    bench.stop(server);

    let server = bench.start(hythe, &dir)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let (quiet, ()) = Traffic::during(&population, address, 1, Duration::ZERO, || thread::sleep(QUIET));
    let before = server.tree().peak();
    let (busy, collected) = Traffic::during(&population, address, 2, Duration::ZERO, || collect(address));
    let (blobs, took) = collected?;
    let grown = server.tree().peak() - before;
    // Not in the peak of the ordinary scenarios, whose registries are small.
    drop(server);

    let mut pushed = quiet.blobs;
    pushed.extend(busy.blobs);
    let failures = [quiet.failures, busy.failures].concat();
    let differences = population.differences(&data, &pushed);
    for told in failures.iter().chain(&differences) {
        eprintln!("\n{told}");
    }
    let kind = hythe.kind;
    let times = [
        ("collect-quiet-push-p50", &quiet.pushes, 0.5),
        ("collect-quiet-push-p99", &quiet.pushes, 0.99),
        ("collect-push-p50", &busy.pushes, 0.5),
        ("collect-push-p99", &busy.pushes, 0.99),
        ("collect-quiet-pull-p99", &quiet.pulls, 0.99),
        ("collect-pull-p99", &busy.pulls, 0.99),
    ];
    for (name, times, share) in times {
        bench.record(name, Unit::Milliseconds, kind, Latencies::from(times.clone()).milliseconds(share));
    }
    let rates = [("collect-quiet-pushes", &quiet.pushes, QUIET), ("collect-pushes", &busy.pushes, took)];
    for (name, pushes, took) in rates {
        bench.record(name, Unit::Rate, kind, pushes.len() as f64 / took.as_secs_f64());
    }
    bench.record("collect-blobs", Unit::Blobs, kind, blobs as f64 / took.as_secs_f64());
    bench.record("collect-failures", Unit::Times, kind, failures.len() as f64);
    bench.record("collect-wrong", Unit::Times, kind, differences.len() as f64);
    bench.record("collect-rss", Unit::Mebibytes, kind, mebibytes(grown));
    wipe(&dir)
}

/// Runs a collection as `hythe gc` does. Returns how many blobs it removed, and its time.
fn collect(address: SocketAddr) -> Result<(u64, Duration)> {
    let began = Instant::now();
    let mut client = Client::new(address).with_patience(PATIENCE);
    let answer = client.send("POST", "/api/gc", &[], Body::Empty).context(|| "POST /api/gc".to_owned())?;
    let blobs = serde_json::from_slice::<Value>(&answer.body).ok().and_then(|round| round["blobs"].as_u64());
    let blobs = blobs.filter(|_| answer.status == 200).ok_or_else(|| Error::Answer {
        request: "POST /api/gc".to_owned(),
        expected: "200 and the number of removed blobs".to_owned(),
        got: format!("{} {}", answer.status, answer.text()),
    })?;
    Ok((blobs, began.elapsed()))
}

/// Waits until the journal has a base, which is renamed when it is whole.
fn wait_for_journal(data: &Path) -> Result<()> {
    let (began, journal) = (Instant::now(), data.join("journal"));
    while began.elapsed() < PATIENCE {
        let files = fs::read_dir(&journal).into_iter().flatten().flatten();
        if files.map(|file| file.path()).any(|path| path.extension().is_some_and(|end| end == "base")) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(Error::Setup(format!("{} has no base after {PATIENCE:?}", journal.display())))
}
