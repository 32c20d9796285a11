//! Pulls a manifest by tag over 64 connections.

use std::time::Duration;

use crate::acceptance::Unit;
use crate::bench::{Bench, SMALL};
use crate::contender::Kind;
use crate::error::Result;
use crate::image::{ACCEPT, TAG, manifest_path};
use crate::load;
use crate::seed::Seed;

const CONNECTIONS: usize = 64;

/// How long the requests to a contender run in each round.
const LENGTH: Duration = Duration::from_secs(3);

/// Runs the scenario.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let image = bench.small_image()?;
    bench.rounds("manifest", Kind::gives_pulls, |bench, contender, round| {
        let dir = bench.dir("manifest", contender.kind);
        if round == 0 {
            let mut seed = Seed::open(bench, contender, &dir)?;
            seed.image(SMALL, &image)?;
            seed.close(bench, contender, &dir, |client| image.verify(client, SMALL))?;
        }
        let server = bench.start(contender, &dir)?;
        let target = manifest_path(SMALL, TAG);
        let outcome = load::run(server.tree(), server.port, &[target], ACCEPT, CONNECTIONS, LENGTH)?;
        bench.stop(server);
        bench.record("manifest", Unit::Rate, contender.kind, outcome.rate);
        bench.record("manifest", Unit::CpuPerAnswer, contender.kind, outcome.cpu);
        Ok(())
    });
    Ok(())
}
