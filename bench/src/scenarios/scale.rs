//! Compares a registry with very many repositories and tags to a registry with just enough for one page, to see which
//! costs grow with the content. It measures hythe only: other registries would take hours to fill.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::catalog;
use crate::acceptance::Unit;
use crate::bench::{Bench, mebibytes};
use crate::client::Client;
use crate::contender::{Contender, Kind};
use crate::error::{Context as _, Result};
use crate::image::ACCEPT;
use crate::load;
use crate::population::{Population, tag};
use crate::probe::{Latencies, Probe};
use crate::random::Random;
use crate::server::Server;

/// Entries of each requested page.
const PAGE: usize = 100;

/// Requests per page and round: the slowest twenty are above the p99.
const TIMES: usize = 2000;

/// Starts of each registry over all rounds. With only ten, other work of the machine would move the median by more than
/// the target allows.
const STARTS: usize = 50;

/// Pause before the measurement: long enough for the work that a server does after its first answer.
const PAUSE: Duration = Duration::from_millis(1500);

const CONNECTIONS: usize = 64;

/// How long the requests for manifests run for each registry in each round.
const LENGTH: Duration = Duration::from_secs(3);

/// Number of different requests for manifests: more than hythe keeps in memory.
const REQUESTS: usize = 200_000;

/// Runs the scenario.
#[expect(clippy::unnecessary_wraps, reason = "all scenarios have one signature")]
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let (repositories, tags) = (bench.settings.repositories, bench.settings.tags);
    let big = Population::new(repositories, tags, repositories);
    let small = Population::new(PAGE, tags, PAGE);
    bench.rounds("scale", is_hythe, |bench, hythe, round| once(bench, hythe, round, &big, &small));
    Ok(())
}

/// Gives the path of a probe's next request.
type Target<'a> = Box<dyn FnMut(&mut Random) -> String + 'a>;

fn is_hythe(kind: Kind) -> bool {
    kind == Kind::Hythe
}

fn once(
    bench: &mut Bench,
    hythe: &Contender,
    round: usize,
    big: &Population,
    small: &Population,
) -> Result<()> {
    let dirs = ["scale-big", "scale-small", "scale-none"].map(|name| bench.dir(name, hythe.kind));
    if round == 0 {
        fill(bench, hythe, &dirs[0], big)?;
        fill(bench, hythe, &dirs[1], small)?;
        let kept = size(&dirs[0].join("data"))?;
        bench.record("scale-disk", Unit::Mebibytes, hythe.kind, mebibytes(kept));
    }
    let starts = STARTS.div_ceil(usize::from(bench.settings.rounds));
    for number in 0..starts {
        let mut pair = [("scale-start", &dirs[0]), ("scale-small-start", &dirs[1])];
        // Alternate the order, because other work of the bench runs just before the first start.
        pair.rotate_left((round * starts + number) % 2);
        for (name, dir) in pair {
            let server = bench.start(hythe, dir)?;
            let milliseconds = server.ready_after.as_secs_f64() * 1e3;
            bench.stop(server);
            bench.record(name, Unit::Milliseconds, hythe.kind, milliseconds);
        }
    }
    let servers =
        [bench.start(hythe, &dirs[0])?, bench.start(hythe, &dirs[1])?, bench.start(hythe, &dirs[2])?];
    thread::sleep(PAUSE);
    for (name, server) in [("scale-rss", &servers[0]), ("scale-small-rss", &servers[1])] {
        let resident = server.tree().resident();
        bench.record(name, Unit::Mebibytes, hythe.kind, mebibytes(resident));
    }
    pages(bench, &servers, big, small)?;
    for (name, server, population) in
        [("scale-manifest", &servers[0], big), ("scale-small-manifest", &servers[1], small)]
    {
        let mut random = Random::new(round as u64);
        let targets: Vec<_> = (0..REQUESTS).map(|_| population.any_manifest(&mut random)).collect();
        let outcome = load::run(server.tree(), server.port, &targets, ACCEPT, CONNECTIONS, LENGTH)?;
        bench.record(name, Unit::Rate, hythe.kind, outcome.rate);
    }
    for server in servers {
        bench.stop(server);
    }
    Ok(())
}

/// Records the latencies of pages of the three registries, one request at a time. The small registry gets as many
/// requests as the large one: the kernel moves a busier process to a core of its own, and then each of its answers
/// takes tens of microseconds longer.
fn pages(bench: &mut Bench, servers: &[Server; 3], big: &Population, small: &Population) -> Result<()> {
    let [big_port, small_port, none_port] = servers.each_ref().map(|server| server.port);
    let fixed = |target: String| -> Target<'_> { Box::new(move |_| target.clone()) };
    let (listed, many) = (big.len() - PAGE, big.many() - PAGE);
    let catalog: [(_, Target<'_>); 4] = [
        ("scale-catalog-first-p99", fixed(big.catalog_page(PAGE, 0))),
        ("scale-catalog-middle-p99", fixed(big.catalog_page(PAGE, listed / 2))),
        ("scale-catalog-last-p99", fixed(big.catalog_page(PAGE, listed))),
        ("scale-catalog-any-p99", Box::new(|random| big.catalog_page(PAGE, random.below(listed + 1)))),
    ];
    let many_tags: [(_, Target<'_>); 3] = [
        ("scale-many-tags-first-p99", fixed(Population::many_page(PAGE, 0))),
        ("scale-many-tags-middle-p99", fixed(Population::many_page(PAGE, many / 2))),
        ("scale-many-tags-any-p99", Box::new(|random| Population::many_page(PAGE, random.below(many + 1)))),
    ];
    let mut probes = vec![
        Probe { name: "scale-none-catalog-p99", port: none_port, target: fixed(small.catalog_page(PAGE, 0)) },
        Probe {
            name: "scale-tags-p99",
            port: big_port,
            target: Box::new(|random| tags_page(big.any_repository(random))),
        },
        Probe {
            name: "scale-small-tags-p99",
            port: small_port,
            target: Box::new(|random| tags_page(small.any_repository(random))),
        },
    ];
    for (name, target) in catalog {
        probes.push(Probe { name, port: big_port, target });
        let target = fixed(small.catalog_page(PAGE, 0));
        probes.push(Probe { name: "scale-small-catalog-p99", port: small_port, target });
    }
    for (name, target) in many_tags {
        probes.push(Probe { name, port: big_port, target });
        let target = fixed(Population::many_page(PAGE, 0));
        probes.push(Probe { name: "scale-small-many-tags-p99", port: small_port, target });
    }
    for (name, latencies) in Latencies::interleaved(probes, TIMES)? {
        bench.record(name, Unit::Milliseconds, Kind::Hythe, latencies.milliseconds(0.99));
    }
    Ok(())
}

fn tags_page(repository: &str) -> String {
    format!("/v2/{repository}/tags/list?n={PAGE}")
}

/// Pushes `population` into a registry with its data in `dir`, checks the content, and ends the registry.
fn fill(bench: &mut Bench, hythe: &Contender, dir: &Path, population: &Population) -> Result<()> {
    let server = bench.start(hythe, dir)?;
    let began = Instant::now();
    population.push(&bench.source, server.port)?;
    eprint!(" {} repositories in {:.0} s;", population.len(), began.elapsed().as_secs_f64());
    let mut client = Client::connect(server.port)?;
    let (listed, many) = (population.len() - PAGE, population.many() - PAGE);
    for skipped in [0, listed / 2, listed] {
        let names = population.listed(skipped, PAGE);
        catalog::verify(&mut client, &population.catalog_page(PAGE, skipped), "repositories", &names)?;
    }
    for skipped in [0, many / 2, many] {
        let tags: Vec<_> = (skipped..skipped + PAGE).map(tag).collect();
        catalog::verify(&mut client, &Population::many_page(PAGE, skipped), "tags", &tags)?;
    }
    client.get(&population.any_manifest(&mut Random::new(0)), ACCEPT)?;
    drop(client);
    bench.stop(server);
    Ok(())
}

/// Bytes of all files in `dir` and its subfolders.
fn size(dir: &Path) -> Result<u64> {
    let what = || format!("reading {}", dir.display());
    let mut bytes = 0;
    for entry in fs::read_dir(dir).context(what)? {
        let entry = entry.context(what)?;
        let about = entry.metadata().context(what)?;
        bytes += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}
