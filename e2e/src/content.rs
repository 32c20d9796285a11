//! Test content that needs no memory: any range of its bytes is computed from a seed.

use std::io::{self, Write};

use hythe_oci::{Algorithm, Digest, HashState};

use crate::number::mix;

/// `length` incompressible bytes that `seed` determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    seed: u64,
    length: u64,
}

/// Bytes in one piece of work: large enough for few system calls, small enough for 8 threads on a small machine.
const PIECE: usize = 256 << 10;

impl Content {
    /// The content of `seed`.
    pub fn new(seed: u64, length: u64) -> Self {
        // Mixed, because neighbouring seeds would otherwise share all but one of their words.
        Self { seed: mix(seed), length }
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Fills `out` with the bytes from `offset` on.
    fn fill(&self, offset: u64, out: &mut [u8]) {
        let mut word = offset / 8;
        let mut skip = (offset % 8) as usize;
        let mut rest = out;
        while !rest.is_empty() {
            let bytes = mix(self.seed.wrapping_add(word)).to_le_bytes();
            let take = rest.len().min(8 - skip);
            rest[..take].copy_from_slice(&bytes[skip..skip + take]);
            rest = &mut rest[take..];
            skip = 0;
            word += 1;
        }
    }

    /// Writes the bytes of `from..to` to `out`, piece by piece.
    pub fn write(&self, from: u64, to: u64, out: &mut impl Write) -> io::Result<()> {
        assert!(from <= to && to <= self.length, "{from}..{to} is not within {} bytes", self.length);
        let mut piece = vec![0; PIECE.min((to - from) as usize)];
        let mut at = from;
        while at < to {
            let take = piece.len().min((to - at) as usize);
            self.fill(at, &mut piece[..take]);
            out.write_all(&piece[..take])?;
            at += take as u64;
        }
        Ok(())
    }

    /// The bytes of `from..to`.
    pub fn slice(&self, from: u64, to: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity((to - from) as usize);
        self.write(from, to, &mut out).expect("memory takes every write");
        out
    }

    /// The SHA-256 digest.
    pub fn digest(&self) -> Digest {
        let mut hash = Hashing::new();
        self.write(0, self.length, &mut hash).expect("a hash takes every write");
        hash.finish()
    }
}

/// A sink that keeps only the SHA-256 of the bytes written to it.
pub struct Hashing(HashState);

impl Default for Hashing {
    fn default() -> Self {
        Self::new()
    }
}

impl Hashing {
    /// A hash of no bytes yet.
    pub fn new() -> Self {
        Self(HashState::new(Algorithm::Sha256))
    }

    /// The digest of all bytes written.
    pub fn finish(self) -> Digest {
        self.0.finish()
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
