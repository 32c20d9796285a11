//! Measures SHA-256 of memory on one core: of one content, and of two at once, as for concurrent uploads.

use std::hint::black_box;
use std::time::Instant;

use hythe_oci::{Algorithm, HashState};

use crate::acceptance::Unit;
use crate::bench::Bench;
use crate::contender::Kind;
use crate::error::Result;

/// Bytes of each update: a batch of an upload.
const BATCH: usize = 512 << 10;

/// Number of updates.
const TIMES: usize = 512;

/// Runs the scenario.
#[expect(clippy::unnecessary_wraps, reason = "all scenarios have one signature")]
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    bench.rounds("hash", Kind::is_hythe, |bench, contender, _| {
        let bytes = vec![0x5a; BATCH];
        let (mut one, mut other) = (HashState::new(Algorithm::Sha256), HashState::new(Algorithm::Sha256));
        let rate = |began: Instant, bytes: usize| bytes as f64 / 1e9 / began.elapsed().as_secs_f64();
        let began = Instant::now();
        (0..TIMES).for_each(|_| one.update(black_box(&bytes)));
        bench.record("hash-one", Unit::Throughput, contender.kind, rate(began, TIMES * BATCH));
        let began = Instant::now();
        (0..TIMES).for_each(|_| HashState::update_both((&mut one, black_box(&bytes)), (&mut other, &bytes)));
        bench.record("hash-two", Unit::Throughput, contender.kind, rate(began, TIMES * BATCH * 2));
        black_box((one.finish(), other.finish()));
        Ok(())
    });
    Ok(())
}
