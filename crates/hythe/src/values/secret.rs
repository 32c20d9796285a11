//! A secret, and a file that contains a secret.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use super::ValueError;

/// The text that output shows in the place of a secret.
pub const HIDDEN: &str = "(secret)";

/// The maximum size of a secret file, in bytes: far more than a password or a token needs, but a bound in case the path
/// names a wrong file.
const LARGEST: u64 = 64 << 10;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text. Refuses an empty text, and [`HIDDEN`], which comes from printed output and is not a secret.
    pub fn new(text: impl Into<String>) -> Result<Self, ValueError> {
        let text = text.into();
        if text.is_empty() {
            return Err(ValueError::new("it is empty"));
        }
        if text == HIDDEN {
            return Err(ValueError::new(
                "this is a placeholder for a hidden secret: write the secret itself",
            ));
        }
        Ok(Self(text))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A file that contains only a secret, with the content that it had when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// The file's path, as in the configuration.
    pub path: PathBuf,
    /// The file's content, without the newline that editors add at the end.
    pub secret: Secret,
}

impl SecretFile {
    /// Reads the file.
    pub fn read(path: PathBuf) -> Result<Self, ValueError> {
        let mut text = String::new();
        let file = std::fs::File::open(&path);
        let read = file.and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
        read.map_err(|error| ValueError::new(format!("cannot read the file: {error}")))?;
        if text.len() as u64 > LARGEST {
            return Err(ValueError::new("the file is too large for a secret"));
        }
        let text = text.trim_end_matches(['\n', '\r']);
        let secret = Secret::new(text)
            .map_err(|error| ValueError::new(format!("the file contains no secret: {error}")))?;
        Ok(Self { path, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed_and_its_placeholder_is_not_accepted_as_a_secret() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Ok((secret))");
        assert!(Secret::new(HIDDEN).is_err() && Secret::new("").is_err());
    }

    #[test]
    fn a_file_s_last_newline_is_not_part_of_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (text, wanted) in
            [("hunter2", "hunter2"), ("hunter2\n", "hunter2"), (" two words\r\n", " two words")]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(SecretFile::read(path.clone()).unwrap().secret.reveal(), wanted);
        }
        for text in ["".as_bytes(), b"\n", b"\xff\xfe", &vec![b'x'; 1 << 17]] {
            std::fs::write(&path, text).unwrap();
            assert!(SecretFile::read(path.clone()).is_err(), "{} bytes", text.len());
        }
    }
}
