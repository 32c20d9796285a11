//! What hythe and its helper container say to each other: questions as lines of JSON, and answers in frames, several
//! answers at the same time.
//!
//! ```text
//! frame := kind (1 byte) number of the question (4 bytes) length (4 bytes) bytes
//! ```

use std::io;

use serde::{Deserialize, Serialize};

use crate::store::Ask;

/// The bytes before the content of a frame.
pub(crate) const HEAD: usize = 9;
/// The most bytes of a frame's content.
pub(crate) const LARGEST: usize = 256 << 10;

/// A question with its number.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Question {
    pub(crate) number: u32,
    pub(crate) ask: Ask,
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes of the answer.
    Bytes,
    /// The answer ended.
    End,
    /// The store could not be read: the content is why.
    Failed,
    /// The store has wrong content: the content is what.
    Damaged,
}

const KINDS: [Kind; 4] = [Kind::Bytes, Kind::End, Kind::Failed, Kind::Damaged];

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) number: u32,
    pub(crate) length: usize,
}

impl Head {
    pub(crate) fn write(self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[0] = KINDS.iter().position(|kind| *kind == self.kind).unwrap_or_default() as u8;
        head[1..5].copy_from_slice(&self.number.to_be_bytes());
        head[5..].copy_from_slice(&(self.length as u32).to_be_bytes());
        head
    }

    pub(crate) fn read(head: [u8; HEAD]) -> io::Result<Self> {
        let [kind, n0, n1, n2, n3, l0, l1, l2, l3] = head;
        let kind = KINDS.get(usize::from(kind)).copied();
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        match kind.filter(|_| length <= LARGEST) {
            Some(kind) => Ok(Self { kind, number: u32::from_be_bytes([n0, n1, n2, n3]), length }),
            None => Err(io::Error::other("the helper container sent something else than an answer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        for kind in KINDS {
            let head = Head { kind, number: 70_000, length: LARGEST };
            assert_eq!(Head::read(head.write()).unwrap(), head);
        }
        for wrong in [[4, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0xff, 0, 0, 0]] {
            assert!(Head::read(wrong).is_err());
        }
    }
}
