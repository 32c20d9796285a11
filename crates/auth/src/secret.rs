//! Tokens of users and robots: `hythe_ID_SECRET`, in hexadecimal digits.
//!
//! The prefix lets scanners find a token that leaked into a file. The secret part has 256 random bits, so a plain hash of it
//! suffices: nobody can guess it.

use std::fmt;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The beginning of each token.
const PREFIX: &str = "hythe_";

/// The length of an id, in bytes.
const ID: usize = 8;

/// The length of a secret part, in bytes.
const SECRET: usize = 32;

/// A new token.
pub struct NewSecret {
    /// The public part.
    pub id: String,
    /// The SHA-256 of the secret part.
    pub hash: Vec<u8>,
    /// The whole token. It is shown to its owner once.
    pub token: String,
}

// Without the secret.
impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSecret").field("id", &self.id).finish_non_exhaustive()
    }
}

impl NewSecret {
    /// Makes a token.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0; ID], [0; SECRET]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        let (id, secret) = (hex(&id), hex(&secret));
        let token = format!("{PREFIX}{id}_{secret}");
        Ok(Self { id, hash: hash(&secret), token })
    }
}

/// The id of a token and the hash of its secret part; `None` if the text is not a token.
pub(crate) fn parse(text: &str) -> Option<(&str, Vec<u8>)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |part: &str, bytes: usize| {
        part.len() == 2 * bytes && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (is_hex(id, ID) && is_hex(secret, SECRET)).then(|| (id, hash(secret)))
}

/// Whether two hashes are equal. Takes the same time wherever they differ.
pub(crate) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made() {
        let made = NewSecret::generate().unwrap();
        let (id, hash) = parse(&made.token).unwrap();
        assert_eq!((id, &hash), (made.id.as_str(), &made.hash));
        assert!(is_equal(&hash, &made.hash));
        assert_ne!(NewSecret::generate().unwrap().token, made.token);
        assert!(!format!("{made:?}").contains(&made.token));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let token = NewSecret::generate().unwrap().token;
        for text in ["", "hythe_", "hythe_ab_cd", &token[1..], &format!("{token}0"), &token.to_uppercase()] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(!is_equal(&[1, 2], &[1, 3]) && !is_equal(&[1], &[1, 2]));
    }
}
