//! The id of an upload session. A blob that an upload stored keeps the upload's id as its *generation*, which tells its file
//! from earlier and later files with the same digest.

use std::fmt;
use std::str::FromStr;

/// 128 random bits, written as 32 lower-case hex digits. No client can guess an id, so a client that knows the id owns
/// the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(u128);

/// Why a text is not an upload id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an upload id of this registry")]
pub struct UploadIdError {
    text: String,
}

impl UploadId {
    /// A new id, from the operating system's random generator.
    ///
    /// # Panics
    /// If the operating system gives no random bytes. Clients could then guess ids, so no server should run.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(u128::from_ne_bytes(bytes))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadId({self})")
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        let valid =
            text.len() == 32 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        if !valid {
            return Err(UploadIdError { text: text.to_owned() });
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| UploadIdError { text: text.to_owned() })
    }
}
