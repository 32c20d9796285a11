//! One client pushes the blob. Eight clients each push their own blob of a quarter of its size.

use crate::bench::{BLOB, Bench};
use crate::client::Client;
use crate::contender::Kind;
use crate::error::Result;
use crate::image::{self, blob_path};
use crate::random_file::Payload;
use crate::transfer::Transfer;
use crate::workspace::wipe;

/// Name, number of clients, and the divisor of the blob's size for each client: eight whole blobs would measure the
/// disk.
const CASES: [(&str, usize, u64); 2] = [("push-1", 1, 1), ("push-8", 8, 4)];

/// Runs the selected cases.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    for (name, clients, divisor) in CASES {
        if !bench.wants(name) {
            continue;
        }
        eprintln!("hashing the blobs of {name}");
        let size = bench.settings.size;
        let blob = |client: usize| bench.source.blob(client as u64 * (size / clients as u64), size / divisor);
        let blobs = (0..clients).map(blob).collect::<Result<Vec<_>>>()?;
        bench.rounds(name, Kind::takes_pushes, |bench, contender, round| {
            let salt = bench.salt();
            let payloads: Vec<Payload> = blobs.iter().map(|blob| blob.salted(salt)).collect();
            let dir = bench.fresh_dir(name, contender.kind)?;
            let server = bench.start(contender, &dir)?;
            let transfer = Transfer::run(&server, clients, |number, client| {
                image::push(client, BLOB, &payloads[number])
            })?;
            if round == 0 && contender.kind.is_registry() {
                let mut client = Client::connect(server.port)?;
                for payload in &payloads {
                    client.verify(&blob_path(BLOB, &payload.digest), &payload.digest)?;
                }
            }
            bench.stop(server);
            bench.record_transfer(name, contender.kind, transfer);
            wipe(&dir)
        });
    }
    Ok(())
}
