//! Measures the file system: copies the blob to a file and syncs it.
//!
//! A registry that syncs before it acknowledges cannot be much faster than this.

use std::fs::{self, File};
use std::time::Instant;

use crate::acceptance::Unit;
use crate::bench::Bench;
use crate::contender::Kind;
use crate::error::{Context as _, Result};
use crate::workspace::wipe;

/// Runs the scenario.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let size = bench.settings.size;
    let blob = bench.source.blob(0, size)?.salted(0);
    bench.rounds("disk", Kind::is_hythe, |bench, contender, _| {
        let dir = bench.fresh_dir("disk", contender.kind)?;
        let path = dir.join("blob");
        let what = || format!("writing {}", path.display());
        fs::create_dir_all(&dir).context(what)?;
        bench.workspace.settle()?;
        let began = Instant::now();
        blob.write(&path)?;
        File::open(&path).and_then(|file| file.sync_data()).context(what)?;
        let rate = size as f64 / 1e9 / began.elapsed().as_secs_f64();
        bench.record("disk", Unit::Throughput, contender.kind, rate);
        wipe(&dir)
    });
    Ok(())
}
