//! A content digest: `sha256:<64 hex>` or `sha512:<128 hex>` (image-spec, descriptor.md, Digests).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A digest algorithm that this registry can verify. Digests of other algorithms are refused as unsupported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Algorithm {
    /// SHA-256, which every client supports.
    #[default]
    Sha256,
    /// SHA-512, registered by image-spec.
    Sha512,
}

#[expect(clippy::len_without_is_empty, reason = "no hash is empty")]
impl Algorithm {
    /// Both algorithms, for tables and tests.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the hash in bytes.
    pub const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(s: &str) -> Result<Self, DigestError> {
        match s {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(DigestError::Unsupported { algorithm: s.to_owned() }),
        }
    }
}

/// Why a text is not a digest that this registry accepts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The text does not have the form `algorithm:encoded`.
    #[error(
        "digest `{text}` is not of the form `algorithm:hex`, for example `sha256:` and 64 lower-case hex digits"
    )]
    Malformed {
        /// The given text.
        text: String,
    },
    /// The text has the right form, but the registry does not support the algorithm.
    #[error("digest algorithm `{algorithm}` is not supported; use sha256 or sha512")]
    Unsupported {
        /// The text before the colon.
        algorithm: String,
    },
    /// The encoded part has a wrong length or a character that is not lower-case hex.
    #[error("digest `{text}` needs exactly {expected} lower-case hex digits after the colon")]
    Encoding {
        /// The given text.
        text: String,
        /// How many hex digits the algorithm's hash has.
        expected: usize,
    },
}

/// A well-formed digest. It is made only by [`FromStr`] (and by serde through it) or from a finished hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// The hash, left-aligned; bytes past the algorithm's length are zero.
    bytes: [u8; 64],
}

impl Digest {
    /// A digest from a finished hash; `None` if the hash has another length than the algorithm's.
    pub fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Option<Self> {
        let mut bytes = [0; 64];
        (hash.len() == algorithm.len()).then(|| {
            bytes[..hash.len()].copy_from_slice(hash);
            Self { algorithm, bytes }
        })
    }

    /// The algorithm before the colon.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw hash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.len()]
    }

    /// The encoded part: lower-case hex.
    pub fn hex(&self) -> String {
        self.with_text(|text| text[self.algorithm.as_str().len() + 1..].to_owned())
    }

    /// Formats the whole digest on the stack, without an allocation: each request formats digests several times.
    fn with_text<T>(&self, then: impl FnOnce(&str) -> T) -> T {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b':'; 6 + 1 + 128];
        let name = self.algorithm.as_str().as_bytes();
        text[..name.len()].copy_from_slice(name);
        let start = name.len() + 1;
        for (pair, byte) in text[start..].chunks_exact_mut(2).zip(self.as_bytes()) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        // The algorithm's name, a colon and hex digits are ASCII.
        then(str::from_utf8(&text[..start + self.algorithm.len() * 2]).unwrap_or_default())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

fn nibble(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

/// `algorithm-component *("+._-" algorithm-component)` of the image-spec's grammar.
fn is_algorithm(text: &str) -> bool {
    !text.is_empty()
        && text.split(['+', '.', '_', '-']).all(|part| {
            !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

fn is_encoded(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'=' | b'_' | b'-'))
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed { text: text.to_owned() };
        let (algorithm, encoded) = text.split_once(':').ok_or_else(malformed)?;
        if !is_algorithm(algorithm) || !is_encoded(encoded) {
            return Err(malformed());
        }
        let algorithm: Algorithm = algorithm.parse()?;
        let encoding = || DigestError::Encoding { text: text.to_owned(), expected: algorithm.len() * 2 };
        if encoded.len() != algorithm.len() * 2 {
            return Err(encoding());
        }
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(encoded.as_bytes().chunks_exact(2)) {
            let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else { return Err(encoding()) };
            *byte = high << 4 | low;
        }
        Ok(Self { algorithm, bytes })
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
