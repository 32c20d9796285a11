//! Verification: compares everything that the registry stores with its digests, on request and slowly in the background.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hythe_oci::Digest;
use hythe_registry::{Damage, Registry, Result, Verified};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// The least pause between two slices of the background verification, so that it never occupies a thread.
const PAUSE: Duration = Duration::from_millis(100);

/// The wait after a slice that failed.
const AGAIN: Duration = Duration::from_mins(1);

/// Where a verification continues: blobs come first, then manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// At the blob behind this one; `None` for the first.
    Blobs(Option<Digest>),
    /// At the manifest behind the row with this number.
    Manifests(i64),
}

impl Default for Cursor {
    fn default() -> Self {
        Self::Blobs(None)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blobs(None) => f.write_str("blobs"),
            Self::Blobs(Some(digest)) => write!(f, "blobs-{digest}"),
            Self::Manifests(row) => write!(f, "manifests-{row}"),
        }
    }
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the position of a verification: take the `next` of the answer before")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if let Some(digest) = text.strip_prefix("blobs-") {
            return digest.parse().map(|digest| Self::Blobs(Some(digest))).map_err(|_| CursorError);
        }
        match (text, text.strip_prefix("manifests-")) {
            ("blobs", _) => Ok(Self::Blobs(None)),
            (_, Some(row)) => row.parse().map(Self::Manifests).map_err(|_| CursorError),
            _ => Err(CursorError),
        }
    }
}

/// What one slice of a verification found.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// How many blobs it verified.
    pub blobs: u64,
    /// How many manifests it verified.
    pub manifests: u64,
    /// The size of these together, in bytes.
    pub bytes: u64,
    /// What was wrong.
    pub damages: Vec<Damage>,
    /// Where the next slice begins; `None` if everything is verified.
    pub next: Option<Cursor>,
}

/// Verifies a registry's content. Its clones verify one at a time, because each reads as fast as the disk.
#[derive(Clone)]
pub struct Verifier {
    registry: Registry,
    /// Locked while a slice is verified.
    verifying: Arc<Mutex<()>>,
}

impl Verifier {
    /// The verifier of a registry. A process has one for each registry.
    pub fn new(registry: Registry) -> Self {
        Self { registry, verifying: Arc::default() }
    }

    /// Verifies from `cursor` on: about `budget` bytes.
    pub async fn slice(&self, cursor: Cursor, budget: u64) -> Result<Slice> {
        let _alone = self.verifying.lock().await;
        Ok(match cursor {
            Cursor::Blobs(after) => {
                let Verified { count, bytes, damages, next } =
                    self.registry.verify_blobs(after, budget).await?;
                let next = next.map_or(Cursor::Manifests(0), |last| Cursor::Blobs(Some(last)));
                Slice { blobs: count, manifests: 0, bytes, damages, next: Some(next) }
            }
            Cursor::Manifests(after) => {
                let Verified { count, bytes, damages, next } = self.registry.verify_manifests(after).await?;
                Slice { blobs: 0, manifests: count, bytes, damages, next: next.map(Cursor::Manifests) }
            }
        })
    }

    /// Verifies everything again and again, at `rate` bytes per second on average, and begins anew `interval` after the
    /// last beginning, or later. Asks for both before each slice, because a reload of the configuration may change them;
    /// a rate of 0 pauses. Tells `found` what each slice found. Ends when it is dropped.
    pub async fn scrub(&self, pace: impl Fn() -> Pace, mut found: impl FnMut(&Slice)) {
        let (mut began, mut cursor) = (Instant::now(), Cursor::default());
        loop {
            let Pace { rate, interval } = pace();
            if rate == 0 {
                sleep(AGAIN).await;
                continue;
            }
            let start = Instant::now();
            match self.slice(cursor, rate).await {
                Ok(slice) => {
                    found(&slice);
                    let due = Duration::from_millis(slice.bytes.saturating_mul(1000) / rate);
                    sleep(due.saturating_sub(start.elapsed()).max(PAUSE)).await;
                    cursor = slice.next.unwrap_or_default();
                    if slice.next.is_none() {
                        sleep(interval.saturating_sub(began.elapsed())).await;
                        began = Instant::now();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the verification of stored content stopped; it goes on in a minute");
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

/// How fast and how often the background verification runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes that it reads per second; 0 if it does not run.
    pub rate: u64,
    /// The time between the beginnings of two rounds.
    pub interval: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let digest =
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".parse().unwrap();
        for cursor in [Cursor::default(), Cursor::Blobs(Some(digest)), Cursor::Manifests(7)] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "blobs-", "blobs-x", "manifests-x", "tags"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
