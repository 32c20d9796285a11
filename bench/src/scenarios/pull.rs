//! 1, 4 and 64 clients pull the blob.

use crate::bench::Bench;
use crate::client::Client;
use crate::contender::Kind;
use crate::error::Result;
use crate::transfer::Transfer;

/// Name, number of clients, and pulls of each client. Few clients pull several times, because a single pull would end
/// too soon to measure.
const CASES: [(&str, usize, u64); 3] = [("pull-1", 1, 4), ("pull-4", 4, 2), ("pull-64", 64, 1)];

/// Runs the selected cases.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let pulls = bench.pulls()?;
    for (name, clients, times) in CASES {
        if !bench.wants(name) {
            continue;
        }
        bench.rounds(name, Kind::gives_pulls, |bench, contender, _| {
            let Some(target) = pulls.get(&contender.kind) else { return Ok(()) };
            let dir = bench.dir("pull", contender.kind);
            let server = bench.start(contender, &dir)?;
            // Every contender's caches are cold for the first pull, so it is not measured.
            Client::connect(server.port)?.get(target, "")?;
            let transfer = Transfer::run(&server, clients, |_, client| {
                let mut moved = 0;
                for _ in 0..times {
                    moved += client.get(target, "")?;
                }
                Ok(moved)
            })?;
            bench.stop(server);
            bench.record_transfer(name, contender.kind, transfer);
            Ok(())
        });
    }
    Ok(())
}
