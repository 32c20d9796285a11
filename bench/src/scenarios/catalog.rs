//! Reads a page of a catalog of a thousand repositories.

use crate::acceptance::Unit;
use crate::bench::Bench;
use crate::client::Client;
use crate::contender::Kind;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::probe::Latencies;
use crate::seed::Seed;

const REPOSITORIES: usize = 1000;
const PAGE: usize = 100;

/// Requests per page and round.
const TIMES: usize = 50;

fn repository(number: usize) -> String {
    format!("catalog/{:02}/repository-{number:04}", number % 20)
}

/// Runs the scenario.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let image = Image::of(&bench.source, &[], 0)?;
    bench.rounds("catalog", Kind::is_registry, |bench, contender, round| {
        let dir = bench.dir("catalog", contender.kind);
        let mut names: Vec<_> = (0..REPOSITORIES).map(repository).collect();
        names.sort_unstable();
        let pages = [("catalog-first", 0), ("catalog-middle", REPOSITORIES / 2)];
        let target = |skipped: usize| match skipped {
            0 => format!("/v2/_catalog?n={PAGE}"),
            _ => format!("/v2/_catalog?n={PAGE}&last={}", names[skipped - 1]),
        };
        if round == 0 {
            let mut seed = Seed::open(bench, contender, &dir)?;
            names.iter().try_for_each(|name| seed.image(name, &image))?;
            seed.close(bench, contender, &dir, |client| {
                pages.iter().try_for_each(|(_, at)| {
                    verify(client, &target(*at), "repositories", &names[*at..*at + PAGE])
                })
            })?;
        }
        let server = bench.start(contender, &dir)?;
        for (name, skipped) in pages {
            let latencies = Latencies::of(server.port, &target(skipped), "", TIMES)?;
            bench.record(name, Unit::Milliseconds, contender.kind, latencies.milliseconds(0.5));
        }
        bench.stop(server);
        Ok(())
    });
    Ok(())
}

/// Fails if the `field` of the page does not have these names.
pub(super) fn verify(client: &mut Client, target: &str, field: &str, names: &[String]) -> Result<()> {
    let body = client.read(target, "")?;
    let page: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    if page[field] == serde_json::json!(names) {
        return Ok(());
    }
    let mut got = String::from_utf8_lossy(&body).into_owned();
    got.truncate(got.floor_char_boundary(300));
    let expected = format!("the {} names from {}", names.len(), names[0]);
    Err(Error::Answer { request: format!("GET {target}"), expected, got })
}
