//! Measures the time from the start of a process to its first answer, with an empty folder and with a used one.

use crate::acceptance::Unit;
use crate::bench::Bench;
use crate::contender::Kind;
use crate::error::Result;

/// Starts with a used folder in each round.
const AGAIN: usize = 3;

/// Runs the scenario.
#[expect(clippy::unnecessary_wraps, reason = "all scenarios have one signature")]
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    bench.rounds("start", Kind::gives_pulls, |bench, contender, _| {
        let dir = bench.fresh_dir("start", contender.kind)?;
        for name in ["start-new"].into_iter().chain(["start-again"; AGAIN]) {
            let server = bench.start(contender, &dir)?;
            let milliseconds = server.ready_after.as_secs_f64() * 1e3;
            bench.stop(server);
            bench.record(name, Unit::Milliseconds, contender.kind, milliseconds);
        }
        Ok(())
    });
    Ok(())
}
