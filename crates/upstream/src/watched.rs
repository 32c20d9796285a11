//! Reads a blob's bytes from an upstream, and cuts off a source that is too slow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};

/// How long a source's pace is measured before it is judged.
const WINDOW: Duration = Duration::from_secs(10);

/// The slowest pace that a paced source may have, in bytes a second.
const FLOOR: u64 = 16 << 10;

/// A body that ends when `stopped` completes, and with an error when it arrives too slowly. A body from which nothing
/// arrives has a timeout of its own.
pub(crate) struct Watched<R, F> {
    body: R,
    stopped: Pin<Box<F>>,
    pace: Option<Pace>,
}

/// Measures how fast bytes arrive.
struct Pace {
    window: Duration,
    /// `None` before the first byte: until then the client may be skipping bytes that were not asked for.
    since: Option<Instant>,
    came: u64,
}

impl Pace {
    fn over(window: Duration) -> Self {
        Self { window, since: None, came: 0 }
    }

    /// Counts bytes that arrived; an error if they arrived too slowly.
    fn add(&mut self, length: usize) -> io::Result<()> {
        let Some(since) = self.since else {
            self.since = Some(Instant::now());
            return Ok(());
        };
        self.came += length as u64;
        let elapsed = since.elapsed();
        if elapsed < self.window {
            return Ok(());
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let pace = self.came.saturating_mul(1000) / millis;
        if pace < FLOOR {
            let message = format!("it sent only {pace} bytes a second");
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        *self = Self { since: Some(Instant::now()), ..Self::over(self.window) };
        Ok(())
    }
}

impl<R, F: Future<Output = ()>> Watched<R, F> {
    /// `paced` says whether a slow body is cut off.
    pub(crate) fn new(body: R, stopped: F, paced: bool) -> Self {
        let pace = paced.then(|| Pace::over(WINDOW));
        Self { body, stopped: Box::pin(stopped), pace }
    }
}

impl<R: AsyncRead + Unpin, F: Future<Output = ()>> AsyncRead for Watched<R, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.body).poll_read(cx, buffer))?;
        let length = buffer.filled().len() - before;
        let judged = self.pace.as_mut().filter(|_| length > 0).map_or(Ok(()), |pace| pace.add(length));
        if judged.is_err() {
            // `AsyncRead` must read nothing when it returns an error.
            buffer.set_filled(before);
        }
        Poll::Ready(judged)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Reads a body of a hundred pieces, 5 ms apart.
    async fn drip(bytes: usize, window: Duration) -> io::Result<usize> {
        let (mut writer, body) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                // An error means that the reader has stopped reading.
                let _ = writer.write_all(&vec![0; bytes]).await;
            }
        });
        let mut watched = Watched { body, stopped: Box::pin(pending()), pace: Some(Pace::over(window)) };
        watched.read_to_end(&mut Vec::new()).await
    }

    #[tokio::test]
    async fn a_slow_body_ends_with_an_error_and_a_fast_one_goes_on() {
        let window = Duration::from_millis(50);
        assert_eq!(drip(1, window).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(drip(5000, window).await.unwrap(), 500_000);
    }

    #[tokio::test]
    async fn the_time_before_the_first_byte_does_not_count() {
        let window = Duration::from_millis(50);
        let (mut writer, body) = tokio::io::duplex(100);
        let mut watched = Watched { body, stopped: Box::pin(pending()), pace: Some(Pace::over(window)) };
        tokio::spawn(async move {
            tokio::time::sleep(2 * window).await;
            writer.write_all(b"some").await.unwrap();
            tokio::time::sleep(2 * window).await;
            // An error means that the reader has stopped reading.
            let _ = writer.write_all(b"more").await;
        });
        let mut memory = [0; 100];
        assert_eq!(watched.read(&mut memory).await.unwrap(), 4);
        assert_eq!(watched.read(&mut memory).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_body_ends_when_it_is_stopped() {
        let (mut writer, body) = tokio::io::duplex(100);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        let mut watched = Watched::new(body, stopped, false);
        writer.write_all(b"some").await.unwrap();
        let mut memory = [0; 100];
        assert_eq!(watched.read(&mut memory).await.unwrap(), 4);
        stop.send(()).unwrap();
        assert_eq!(watched.read(&mut memory).await.unwrap(), 0);
    }
}
