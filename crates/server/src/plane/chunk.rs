//! What a response body is made of, as hyper sees it.

use std::sync::{Arc, LazyLock};

use bytes::{Buf, Bytes};

use super::link::Exchange;

/// The most bytes of a file that one write hands to the kernel: more would let one connection hold a thread.
pub(super) const STEP: usize = 2 << 20;

/// The memory that stands for file bytes. It is zeroed and never touched, so it costs no page; it is only ever
/// compared by address. The connection must never let it be sent, and refuses to.
static PLACEHOLDER: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; STEP].into_boxed_slice());

/// Whether `slice` stands for file bytes.
pub(super) fn is_placeholder(slice: &[u8]) -> bool {
    std::ptr::eq(slice.as_ptr(), PLACEHOLDER.as_ptr())
}

/// A piece of a body. The exchange is finished when its last piece is gone.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Bytes in memory.
    Bytes {
        /// Those that are left.
        bytes: Bytes,
        /// Counts what is sent, and ends with it.
        exchange: Option<Arc<Exchange>>,
    },
    /// Bytes of the file at the front of the connection's queue.
    File {
        /// How many are left.
        left: u64,
        /// Counts what is sent, and ends with it.
        exchange: Arc<Exchange>,
    },
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes { bytes, .. } => bytes.len(),
            Self::File { left, .. } => usize::try_from(*left).unwrap_or(usize::MAX),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes { bytes, .. } => bytes,
            Self::File { left, .. } => &PLACEHOLDER[..STEP.min(usize::try_from(*left).unwrap_or(STEP))],
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Bytes { bytes, exchange } => {
                bytes.advance(count);
                if let Some(exchange) = exchange {
                    exchange.add_sent(count as u64);
                }
            }
            Self::File { left, exchange } => {
                *left -= count as u64;
                exchange.add_sent(count as u64);
            }
        }
    }
}
