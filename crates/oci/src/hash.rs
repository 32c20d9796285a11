//! A running hash whose state can be saved and resumed at any offset.

use hythe_sha256::Sha256;
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha512};

use crate::{Algorithm, Digest};

/// A running SHA-256 or SHA-512.
#[derive(Clone, Debug)]
pub struct HashState {
    inner: Inner,
    /// How many bytes were hashed. SHA-512's crate does not tell its own count.
    length: u64,
}

#[derive(Clone, Debug)]
enum Inner {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// A saved state that cannot be used. The caller must hash the bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the saved hash state is damaged or from another version")]
pub struct HashStateError;

/// The first byte of a saved state. The length follows (8 bytes, the lowest first), and then the state as the
/// algorithm's crate writes it. Another layout would start with another byte.
const FORMAT: u8 = 13;

impl HashState {
    /// The state before the first byte.
    pub fn new(algorithm: Algorithm) -> Self {
        let inner = match algorithm {
            Algorithm::Sha256 => Inner::Sha256(Sha256::default()),
            Algorithm::Sha512 => Inner::Sha512(Sha512::new()),
        };
        Self { inner, length: 0 }
    }

    /// The algorithm of the hash.
    pub fn algorithm(&self) -> Algorithm {
        match self.inner {
            Inner::Sha256(_) => Algorithm::Sha256,
            Inner::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// How many bytes were hashed.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        match &mut self.inner {
            Inner::Sha256(hash) => hash.update(bytes),
            Inner::Sha512(hash) => hash.update(bytes),
        }
    }

    /// Whether [`update_both`](Self::update_both) of two SHA-256 hashes takes less time than hashing one after the
    /// other.
    pub fn takes_two() -> bool {
        hythe_sha256::takes_two()
    }

    /// Hashes the next bytes of two contents. Two SHA-256 hashes of similar lengths take little more time than one, if
    /// the processor [can do that](Self::takes_two).
    pub fn update_both((first, bytes): (&mut Self, &[u8]), (second, others): (&mut Self, &[u8])) {
        if let (Inner::Sha256(one), Inner::Sha256(other)) = (&mut first.inner, &mut second.inner) {
            first.length += bytes.len() as u64;
            second.length += others.len() as u64;
            Sha256::update_both((one, bytes), (other, others));
        } else {
            first.update(bytes);
            second.update(others);
        }
    }

    /// The digest of all hashed bytes.
    ///
    /// # Panics
    /// Never: a finished hash has its algorithm's length.
    pub fn finish(self) -> Digest {
        let digest = match self.inner {
            Inner::Sha256(hash) => Digest::from_hash(Algorithm::Sha256, &hash.finish()),
            Inner::Sha512(hash) => Digest::from_hash(Algorithm::Sha512, &hash.finalize()),
        };
        digest.expect("a finished hash has its algorithm's length")
    }

    /// The state as bytes, for storage.
    pub fn save(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.length.to_le_bytes());
        match &self.inner {
            Inner::Sha256(hash) => out.extend_from_slice(&hash.save()),
            Inner::Sha512(hash) => out.extend_from_slice(&hash.serialize()),
        }
        out
    }

    /// Reads a state that [`save`](Self::save) wrote.
    pub fn load(algorithm: Algorithm, saved: &[u8]) -> Result<Self, HashStateError> {
        let Some((&FORMAT, saved)) = saved.split_first() else { return Err(HashStateError) };
        let Some((length, state)) = saved.split_first_chunk() else { return Err(HashStateError) };
        let length = u64::from_le_bytes(*length);
        let inner = match algorithm {
            Algorithm::Sha256 => {
                let hash = Sha256::load(state).filter(|hash| hash.length() == length);
                Inner::Sha256(hash.ok_or(HashStateError)?)
            }
            Algorithm::Sha512 => {
                let state = state.try_into().map_err(|_| HashStateError)?;
                Inner::Sha512(Sha512::deserialize(state).map_err(|_| HashStateError)?)
            }
        };
        Ok(Self { inner, length })
    }
}

impl Digest {
    /// The digest of `content`.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut state = HashState::new(algorithm);
        state.update(content);
        state.finish()
    }
}
