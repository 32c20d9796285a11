//! Measures the memory of an idle server after its first answer.

use std::thread;
use std::time::Duration;

use crate::acceptance::Unit;
use crate::bench::{Bench, mebibytes};
use crate::contender::Kind;
use crate::error::Result;

/// Pause before the measurement: long enough for the work that a server does after its first answer.
const PAUSE: Duration = Duration::from_millis(1500);

/// Runs the scenario.
#[expect(clippy::unnecessary_wraps, reason = "all scenarios have one signature")]
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    bench.rounds("idle", Kind::gives_pulls, |bench, contender, _| {
        let dir = bench.dir("idle", contender.kind);
        let server = bench.start(contender, &dir)?;
        thread::sleep(PAUSE);
        let resident = server.tree().resident();
        bench.stop(server);
        bench.record("rss-idle", Unit::Mebibytes, contender.kind, mebibytes(resident));
        Ok(())
    });
    Ok(())
}
