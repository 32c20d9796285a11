//! Where a catalog reports its changes, so that it can be built anew when its file is lost.

use std::fmt;
use std::io;

/// Takes the lines of records, beside the blobs. The catalog's writer calls it after each commit, before it answers.
pub trait Journal: fmt::Debug + Send + Sync {
    /// Appends whole lines, so that they survive the end of the process. Blocking. After an error none of them counts,
    /// and the catalog appends them again later.
    fn append(&self, lines: &[u8]) -> io::Result<()>;
}

/// How far the journal has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journaled {
    /// The number of the last change that was appended.
    pub last: i64,
    /// Why the changes behind it could not be appended, if so.
    pub failure: Option<String>,
}
