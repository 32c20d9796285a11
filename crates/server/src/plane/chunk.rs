//! The pieces of a response's body, as hyper sees them.

use std::sync::{Arc, LazyLock};

use bytes::{Buf, Bytes};

use super::link::Exchange;

/// The most bytes of a file that one write hands to the kernel; with more, one connection could hold a thread.
pub(super) const STEP: usize = 2 << 20;

/// The memory that stands for file bytes. It is only compared by address: it is zeroed and never touched, so it takes
/// no page. The connection never sends it.
static PLACEHOLDER: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; STEP].into_boxed_slice());

/// Whether `slice` stands for file bytes.
pub(super) fn is_placeholder(slice: &[u8]) -> bool {
    std::ptr::eq(slice.as_ptr(), PLACEHOLDER.as_ptr())
}

/// A piece of a body. The exchange ends when its last piece is dropped.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Bytes in memory.
    Bytes {
        /// The bytes that are left to send.
        bytes: Bytes,
        /// The exchange that counts the sent bytes.
        exchange: Option<Arc<Exchange>>,
    },
    /// Bytes of the file at the front of the connection's queue.
    File {
        /// The number of bytes that are left to send.
        left: u64,
        /// The exchange that counts the sent bytes.
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
