//! SHA-256 of two messages at once, on one core.
//!
//! The steps of one message form a chain: each step waits for the one before it, so a processor's SHA instructions are
//! idle most of the time. The steps of a second message fit into the gaps: both messages are hashed in little more than
//! the time of one (`bench/run --only hash`). On processors without these instructions, each message is hashed alone.

#[cfg(target_arch = "x86_64")]
mod x86;

use sha2::block_api::compress256;

/// The size of a block of a message, in bytes (FIPS 180-4, section 5.2.1).
const BLOCK: usize = 64;

/// The initial hash value (FIPS 180-4, section 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A running SHA-256 hash, whose state can be saved at any byte.
#[derive(Clone, Debug)]
pub struct Sha256 {
    state: [u32; 8],
    /// The block that is not yet full; its bytes are at the start.
    tail: [u8; BLOCK],
    /// How many bytes were hashed.
    length: u64,
}

impl Default for Sha256 {
    fn default() -> Self {
        Self { state: INITIAL, tail: [0; BLOCK], length: 0 }
    }
}

impl Sha256 {
    /// The length of a saved state, in bytes.
    pub const SAVED: usize = 8 + 32 + BLOCK;

    /// How many bytes were hashed.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn tail_length(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let blocks = self.take_ends(bytes);
        compress256(&mut self.state, blocks);
    }

    /// Hashes the next bytes of two messages.
    pub fn update_both((first, bytes): (&mut Self, &[u8]), (second, others): (&mut Self, &[u8])) {
        let (blocks, others) = (first.take_ends(bytes), second.take_ends(others));
        compress_both([&mut first.state, &mut second.state], [blocks, others]);
    }

    /// Takes the bytes before and behind the whole blocks of `bytes`; returns the whole blocks, which are still to be
    /// compressed.
    fn take_ends<'a>(&mut self, bytes: &'a [u8]) -> &'a [[u8; BLOCK]] {
        let begun = self.tail_length();
        self.length += bytes.len() as u64;
        let missing = if begun == 0 { 0 } else { BLOCK - begun };
        let Some((head, rest)) = bytes.split_at_checked(missing) else {
            self.tail[begun..begun + bytes.len()].copy_from_slice(bytes);
            return &[];
        };
        if begun > 0 {
            self.tail[begun..].copy_from_slice(head);
            compress256(&mut self.state, &[self.tail]);
        }
        let (blocks, rest) = rest.as_chunks();
        self.tail[..rest.len()].copy_from_slice(rest);
        blocks
    }

    /// The hash of all bytes (FIPS 180-4, section 5.1.1).
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.length * 8;
        let end = self.tail_length();
        self.tail[end] = 0x80;
        self.tail[end + 1..].fill(0);
        let length_at = BLOCK - 8;
        if end >= length_at {
            compress256(&mut self.state, &[self.tail]);
            self.tail.fill(0);
        }
        self.tail[length_at..].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut self.state, &[self.tail]);
        let mut hash = [0; 32];
        for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        hash
    }

    /// The state as bytes: the length and the eight words, the lowest byte first, and the block that is not yet full.
    pub fn save(&self) -> [u8; Self::SAVED] {
        let mut saved = [0; Self::SAVED];
        let (length, rest) = saved.split_at_mut(8);
        length.copy_from_slice(&self.length.to_le_bytes());
        let (words, tail) = rest.split_at_mut(32);
        for (bytes, word) in words.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        let end = self.tail_length();
        tail[..end].copy_from_slice(&self.tail[..end]);
        saved
    }

    /// Reads a state that [`save`](Self::save) wrote; `None` if the bytes have another length.
    pub fn load(saved: &[u8]) -> Option<Self> {
        let (length, rest) = saved.split_first_chunk()?;
        let (words, tail) = rest.split_first_chunk::<32>()?;
        let mut state = [0; 8];
        for (word, bytes) in state.iter_mut().zip(words.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Some(Self { state, tail: tail.try_into().ok()?, length: u64::from_le_bytes(*length) })
    }
}

/// Whether this processor hashes two messages at once in less time than one after the other.
pub fn takes_two() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::is_able();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Compresses the blocks of two messages into their states: as many blocks as both have at once, and the rest of the
/// longer message alone.
fn compress_both([first, second]: [&mut [u32; 8]; 2], [blocks, others]: [&[[u8; BLOCK]]; 2]) {
    let both = blocks.len().min(others.len());
    let ((blocks, rest), (others, others_rest)) = (blocks.split_at(both), others.split_at(both));
    #[cfg(target_arch = "x86_64")]
    let done = x86::compress_both([first, second], [blocks, others]);
    #[cfg(not(target_arch = "x86_64"))]
    let done = false;
    if !done {
        compress256(first, blocks);
        compress256(second, others);
    }
    compress256(first, rest);
    compress256(second, others_rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::Digest as _;

    use super::*;

    fn expected(bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }

    fn message(length: usize, seed: u64) -> Vec<u8> {
        (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9).wrapping_add(seed) >> 5) as u8).collect()
    }

    #[test]
    fn every_length_of_the_last_block_is_padded_as_the_standard_says() {
        for length in 0..200 {
            let bytes = message(length, 7);
            let mut hash = Sha256::default();
            hash.update(&bytes);
            assert_eq!(hash.finish(), expected(&bytes), "{length} bytes");
        }
    }

    #[test]
    fn a_state_of_another_length_is_none() {
        assert!(Sha256::load(&[0; Sha256::SAVED - 1]).is_none());
        assert!(Sha256::load(&[0; Sha256::SAVED + 1]).is_none());
        assert!(Sha256::load(&[]).is_none());
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn both_are_hashed_at_once_where_the_processor_can() {
        let able = takes_two();
        let (mut first, mut second) = (INITIAL, INITIAL);
        let blocks = [[[1; BLOCK]; 3], [[2; BLOCK]; 3]];
        assert_eq!(x86::compress_both([&mut first, &mut second], [&blocks[0], &blocks[1]]), able);
        if able {
            for (state, blocks) in [(first, blocks[0]), (second, blocks[1])] {
                let mut one = INITIAL;
                compress256(&mut one, &blocks);
                assert_eq!(state, one);
            }
        }
    }

    proptest! {
        /// Two messages in pieces of any length, hashed together or each alone, saved and loaded in between.
        #[test]
        fn two_messages_in_any_pieces_have_the_hashes_of_the_whole(
            pieces in prop::collection::vec((0_usize..300, 0_usize..300, any::<bool>(), any::<bool>()), 0..20),
        ) {
            let (mut hashes, mut wholes) = ([Sha256::default(), Sha256::default()], [Vec::new(), Vec::new()]);
            for (at, (length, other, together, is_saved)) in pieces.into_iter().enumerate() {
                let pieces = [message(length, at as u64), message(other, !(at as u64))];
                let [first, second] = &mut hashes;
                if together {
                    Sha256::update_both((first, &pieces[0]), (second, &pieces[1]));
                } else {
                    first.update(&pieces[0]);
                    second.update(&pieces[1]);
                }
                for (whole, piece) in wholes.iter_mut().zip(&pieces) {
                    whole.extend_from_slice(piece);
                }
                if is_saved {
                    hashes = hashes.map(|hash| Sha256::load(&hash.save()).expect("it was saved"));
                }
            }
            for (hash, whole) in hashes.into_iter().zip(&wholes) {
                prop_assert_eq!(hash.length(), whole.len() as u64);
                prop_assert_eq!(hash.finish(), expected(whole));
            }
        }
    }
}
