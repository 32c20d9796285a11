//! Reads an object, and lists objects, on threads that block.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use crate::failure::failed;
use crate::threads::Threads;

type Pieces = BoxStream<'static, object_store::Result<Bytes>>;

/// The bytes of an object.
pub(crate) struct Reading {
    pub(crate) threads: Threads,
    pub(crate) bucket: String,
    /// Taken while a piece is waited for; `None` at the end.
    pub(crate) pieces: Option<Pieces>,
    pub(crate) piece: Bytes,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(mut pieces) = self.pieces.take() else { return Ok(0) };
            let (next, pieces) = self.threads.wait(async move { (pieces.next().await, pieces) })?;
            if let Some(piece) = next {
                self.piece = piece.map_err(failed(&self.bucket))?;
                self.pieces = Some(pieces);
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
