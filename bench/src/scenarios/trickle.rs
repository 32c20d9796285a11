//! A thousand slow uploads: measures memory, and the latency of a manifest meanwhile.

use crate::acceptance::Unit;
use crate::bench::{BLOB, Bench, SMALL, mebibytes};
use crate::contender::Kind;
use crate::crowd;
use crate::error::Result;
use crate::image::{ACCEPT, TAG, manifest_path, uploads_path};
use crate::probe::Latencies;
use crate::seed::Seed;
use crate::workspace::wipe;

/// Runs the scenario.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let image = bench.small_image()?;
    bench.rounds("trickle", Kind::is_registry, |bench, contender, _| {
        let dir = bench.fresh_dir("trickle", contender.kind)?;
        let mut seed = Seed::open(bench, contender, &dir)?;
        seed.image(SMALL, &image)?;
        seed.close(bench, contender, &dir, |client| image.verify(client, SMALL))?;
        let server = bench.start(contender, &dir)?;
        let (tree, port) = (server.tree(), server.port);
        let (probed, uploads) = (manifest_path(SMALL, TAG), uploads_path(BLOB));
        let (latencies, most) =
            Latencies::during(port, &probed, ACCEPT, || crowd::push(tree, port, &uploads))?;
        // Drop the server without recording its peak memory: this scenario has a line and a limit of its own.
        drop(server);
        bench.record("trickle-rss", Unit::Mebibytes, contender.kind, mebibytes(most));
        bench.record("trickle-p50", Unit::Milliseconds, contender.kind, latencies.milliseconds(0.5));
        bench.record("trickle-p99", Unit::Milliseconds, contender.kind, latencies.milliseconds(0.99));
        wipe(&dir)
    });
    Ok(())
}
