//! A source that crawls is given up where there is another one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;

/// How long it is watched before it is judged.
const WINDOW: Duration = Duration::from_secs(10);

/// The least that it must bring, in bytes a second.
const FLOOR: u64 = 16 << 10;

/// A body that ends with an error when it comes too slowly. One from which nothing comes at all has a time out of its own.
pub(crate) struct Paced<S> {
    body: S,
    window: Duration,
    since: Instant,
    came: u64,
}

impl<S> Paced<S> {
    pub(crate) fn new(body: S) -> Self {
        Self::over(body, WINDOW)
    }

    fn over(body: S, window: Duration) -> Self {
        Self { body, window, since: Instant::now(), came: 0 }
    }
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for Paced<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        if let Some(Ok(bytes)) = &next {
            self.came += bytes.len() as u64;
            let elapsed = self.since.elapsed();
            if elapsed >= self.window {
                let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
                let pace = self.came.saturating_mul(1000) / millis;
                if pace < FLOOR {
                    let message = format!("it brought {pace} bytes a second, and another may bring more");
                    return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, message))));
                }
                (self.since, self.came) = (Instant::now(), 0);
            }
        }
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    fn drip(bytes: usize) -> impl Stream<Item = io::Result<Bytes>> + Unpin {
        Box::pin(stream::unfold((), move |()| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok(Bytes::from(vec![0; bytes])), ()))
        }))
    }

    #[tokio::test]
    async fn a_body_that_crawls_ends_and_one_that_keeps_the_pace_goes_on() {
        let window = Duration::from_millis(50);
        let ended = Paced::over(drip(1), window).take(100).any(|piece| async move { piece.is_err() }).await;
        assert!(ended);
        let ended =
            Paced::over(drip(5000), window).take(100).any(|piece| async move { piece.is_err() }).await;
        assert!(!ended);
    }
}
