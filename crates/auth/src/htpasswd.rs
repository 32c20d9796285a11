//! The password file of Apache's `htpasswd -B`: a line per user, `NAME:HASH`, with hashes of bcrypt.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// The largest file, in bytes: some hundred thousand users.
const LARGEST: u64 = 32 << 20;

/// The shortest time between two looks at the file.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The hashes of a password file, by name.
type Users = HashMap<String, Arc<str>>;

/// Why a password file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HtpasswdError {
    /// The file cannot be read.
    #[error("cannot read the password file {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The file is larger than any real one.
    #[error("the password file {0} is larger than 32 MiB")]
    TooLarge(PathBuf),
    /// A line has no user or no hash of bcrypt.
    #[error("{path}:{line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A password file. It is read again when it changes; a changed file with an error is not used, and the users that were
/// read before stay.
#[derive(Debug)]
pub struct Htpasswd {
    path: PathBuf,
    read: Mutex<Read>,
}

/// What was read last.
#[derive(Debug)]
struct Read {
    users: Arc<Users>,
    stamp: Stamp,
    looked: Instant,
}

/// The parts of a file's metadata that change with the file.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(metadata: &Metadata) -> Stamp {
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Htpasswd {
    /// Reads the file.
    pub fn open(path: &Path) -> Result<Self, HtpasswdError> {
        let (users, stamp) = read(path)?;
        let read = Read { users: Arc::new(users), stamp, looked: Instant::now() };
        Ok(Self { path: path.to_owned(), read: Mutex::new(read) })
    }

    /// The hash of the user's password.
    pub(crate) fn hash(&self, name: &str) -> Option<Arc<str>> {
        self.users().get(name).cloned()
    }

    /// The hash of any user: its cost is the file's.
    pub(crate) fn sample(&self) -> Option<Arc<str>> {
        self.users().values().next().cloned()
    }

    fn users(&self) -> Arc<Users> {
        let mut last = self.read.lock();
        if last.looked.elapsed() >= LOOK_AGAIN {
            last.looked = Instant::now();
            // A file that is gone for a moment, because a program replaces it, changes nothing.
            let now = std::fs::metadata(&self.path).ok().as_ref().and_then(stamp);
            if now.is_some() && now != last.stamp {
                last.stamp = now;
                match read(&self.path) {
                    Ok((users, _)) => {
                        tracing::info!(users = users.len(), file = %self.path.display(), "read the changed password file");
                        last.users = Arc::new(users);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the changed password file is not used; the users read before stay");
                    }
                }
            }
        }
        Arc::clone(&last.users)
    }
}

fn read(path: &Path) -> Result<(Users, Stamp), HtpasswdError> {
    let unreadable = |error| HtpasswdError::Unreadable { path: path.to_owned(), error };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > LARGEST {
        return Err(HtpasswdError::TooLarge(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let users = parse(&text).map_err(|(line, problem)| HtpasswdError::Line {
        path: path.to_owned(),
        line,
        problem,
    })?;
    Ok((users, stamp(&metadata)))
}

fn parse(text: &str) -> Result<Users, (usize, &'static str)> {
    let mut users = Users::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse = |problem| Err((number + 1, problem));
        let Some((name, hash)) = line.split_once(':') else {
            return refuse("the line has no colon: write NAME:HASH, as `htpasswd -nB NAME` prints it");
        };
        if name.is_empty() {
            return refuse("the line has no name before the colon");
        }
        if hash.parse::<bcrypt::HashParts>().is_err() {
            return refuse("the hash is not one of bcrypt: make the line with `htpasswd -nB NAME`");
        }
        // As in Apache and registry:2, the first line of a name counts.
        users.entry(name.to_owned()).or_insert_with(|| hash.into());
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e";

    #[test]
    fn lines_are_names_and_hashes_of_bcrypt() {
        let users = parse(&format!("# users\n\nalice:{HASH}\r\nbob:{HASH}\nalice:$2y$05$short\n"));
        assert_eq!(users, Err((5, "the hash is not one of bcrypt: make the line with `htpasswd -nB NAME`")));
        let users = parse(&format!("# users\n\nalice:{HASH}\r\nbob:{HASH}\n")).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(&*users["alice"], HASH);
        for (text, line) in [("alice", 1), (":x", 1), ("\nalice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", 2)] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text}");
        }
    }
}
