//! A thousand connections pull the blob slowly: measures memory, and the latency of a manifest meanwhile.

use crate::acceptance::Unit;
use crate::bench::{Bench, SMALL, mebibytes};
use crate::contender::Kind;
use crate::crowd;
use crate::error::Result;
use crate::image::{ACCEPT, TAG, manifest_path};
use crate::probe::Latencies;

/// Runs the scenario.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let pulls = bench.pulls()?;
    bench.rounds("slow-pulls", Kind::gives_pulls, |bench, contender, _| {
        let Some(target) = pulls.get(&contender.kind) else { return Ok(()) };
        let dir = bench.dir("pull", contender.kind);
        let server = bench.start(contender, &dir)?;
        let (tree, port) = (server.tree(), server.port);
        let probed = manifest_path(SMALL, TAG);
        let (latencies, most) = Latencies::during(port, &probed, ACCEPT, || crowd::pull(tree, port, target))?;
        // Drop the server without recording its peak memory: this scenario has a line and a limit of its own.
        drop(server);
        bench.record("slow-pulls-rss", Unit::Mebibytes, contender.kind, mebibytes(most));
        bench.record("slow-pulls-p50", Unit::Milliseconds, contender.kind, latencies.milliseconds(0.5));
        bench.record("slow-pulls-p99", Unit::Milliseconds, contender.kind, latencies.milliseconds(0.99));
        Ok(())
    });
    Ok(())
}
