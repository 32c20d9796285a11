//! Bytes from a thread that may block to a task that may not.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

/// Bytes of one piece.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be read.
const PIECES: usize = 4;

/// The end that a thread writes to.
pub(crate) struct Writer {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    filling: BytesMut,
}

/// The end that a task reads.
pub(crate) struct Reader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

/// The two ends for pieces as they come.
pub(crate) fn pieces() -> (mpsc::Sender<io::Result<Bytes>>, Reader) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (sender, Reader { pieces, current: Bytes::new() })
}

/// What `work` writes, on a thread of its own. The reader gets the error of `work` after the bytes before it. `work` gets
/// an error once the reader is dropped.
pub(crate) fn from_thread(work: impl FnOnce(&mut Writer) -> io::Result<()> + Send + 'static) -> Reader {
    let (pieces, reader) = pieces();
    tokio::task::spawn_blocking(move || {
        let mut writer = Writer { pieces, filling: BytesMut::new() };
        let ended = work(&mut writer).and_then(|()| writer.flush());
        if let Err(error) = ended {
            // The reader is gone: it wants no error either.
            let _ = writer.pieces.blocking_send(Err(error));
        }
    });
    reader
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filling.capacity() == 0 {
            self.filling.reserve(PIECE);
        }
        let taken = bytes.len().min(PIECE - self.filling.len());
        self.filling.extend_from_slice(&bytes[..taken]);
        if self.filling.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.filling).freeze();
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.current.is_empty() {
            match ready!(this.pieces.poll_recv(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(piece)) => this.current = piece,
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        let taken = this.current.len().min(buffer.remaining());
        buffer.put_slice(&this.current[..taken]);
        this.current.advance(taken);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn bytes_arrive_in_order_and_the_error_comes_last() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
        let sent = content.clone();
        let mut reader = from_thread(move |out| {
            sent.chunks(777).try_for_each(|piece| out.write_all(piece))?;
            out.flush()?;
            Err(io::Error::other("the disk broke"))
        });
        let mut came = Vec::new();
        let error = reader.read_to_end(&mut came).await.unwrap_err();
        assert_eq!((came == content, error.to_string().as_str()), (true, "the disk broke"));
    }
}
