//! Passes the bytes of a layer on, and the last of them only if all have the layer's digest.

use std::io::{self, Write};

use hythe_oci::{Digest, HashState};

/// Bytes that are held back.
const HELD: usize = 64 << 10;

/// A writer that verifies. It writes nothing before an offset, although it hashes those bytes too.
pub(super) struct Checked<'a> {
    out: &'a mut dyn Write,
    expected: Digest,
    hash: HashState,
    skip: u64,
    held: Vec<u8>,
}

impl<'a> Checked<'a> {
    pub(super) fn new(out: &'a mut dyn Write, expected: Digest, skip: u64) -> Self {
        let hash = HashState::new(expected.algorithm());
        Self { out, expected, hash, skip, held: Vec::with_capacity(2 * HELD) }
    }

    /// Ends the layer: writes what was held back, if the digest is right.
    pub(super) fn finish(self) -> io::Result<()> {
        let found = self.hash.finish();
        if found != self.expected {
            let reason = format!("the layer `{}` was rebuilt with the digest `{found}`", self.expected);
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.out.write_all(&self.held)
    }
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        let new = &bytes[skipped as usize..];
        if self.held.len() + new.len() > 2 * HELD {
            // All but the newest bytes go on. At least one byte is always held, because `new` is not empty here.
            let keep = HELD.min(new.len());
            self.out.write_all(&self.held)?;
            self.out.write_all(&new[..new.len() - keep])?;
            self.held.clear();
            self.held.extend_from_slice(&new[new.len() - keep..]);
        } else {
            self.held.extend_from_slice(new);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hythe_oci::Algorithm;

    use super::*;

    fn through(content: &[u8], expected: Digest, skip: u64, piece: usize) -> (Vec<u8>, io::Result<()>) {
        let mut out = Vec::new();
        let mut checked = Checked::new(&mut out, expected, skip);
        content.chunks(piece).for_each(|piece| checked.write_all(piece).unwrap());
        let ended = checked.finish();
        (out, ended)
    }

    #[test]
    fn all_bytes_pass_if_the_digest_is_right() {
        let content: Vec<u8> = (0..1_000_000_u32).map(|number| (number >> 3) as u8).collect();
        let digest = Digest::of(Algorithm::Sha256, &content);
        for (skip, piece) in [(0, 512), (0, 1 << 20), (1, 100_000), (700_001, 999), (1_000_000, 4096)] {
            let (out, ended) = through(&content, digest, skip, piece);
            assert!(ended.is_ok() && out == content[skip as usize..], "{skip} {piece}");
        }
    }

    #[test]
    fn the_last_bytes_do_not_pass_if_the_digest_is_wrong() {
        let other = Digest::of(Algorithm::Sha256, b"other");
        for (content, piece) in [(vec![7; 10], 3), (vec![7; 1_000_000], 1000), (vec![7; 1_000_000], 1 << 20)]
        {
            let (out, ended) = through(&content, other, 0, piece);
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert!(out.len() < content.len());
        }
    }
}
