//! Work that a running server repeats.

use std::time::Duration;

/// Runs `job` after `first`, and then again and again, each time `interval` after the end of the run before. Asks for the
/// interval before each wait, because a reload of the configuration may change it. Ends when it is dropped.
pub async fn repeat(first: Duration, interval: impl Fn() -> Duration, mut job: impl AsyncFnMut()) {
    let mut wait = first.min(interval());
    loop {
        tokio::time::sleep(wait).await;
        job().await;
        wait = interval();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::{Instant, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_first_run_comes_early_and_a_new_interval_counts_from_the_next_wait() {
        let (interval, began, mut runs) = (Cell::new(100 * SECOND), Instant::now(), Vec::new());
        let job = async || {
            runs.push(began.elapsed().as_secs());
            interval.set(10 * SECOND);
        };
        let repeated = repeat(30 * SECOND, || interval.get(), job);
        assert!(timeout(55 * SECOND, repeated).await.is_err(), "it never ends by itself");
        assert_eq!(runs, [30, 40, 50]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_that_is_shorter_than_the_first_wait_counts_at_once() {
        let mut runs = 0;
        let repeated = repeat(30 * SECOND, || SECOND, async || runs += 1);
        assert!(timeout(3 * SECOND + SECOND / 2, repeated).await.is_err());
        assert_eq!(runs, 3);
    }
}
