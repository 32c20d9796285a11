//! Small files of a store.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a file that has no more than `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut content));
    if read.map_err(about(path))? as u64 > limit {
        let reason = format!("{} has more than {limit} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(content)
}

/// An error with the file's name.
pub(super) fn about(path: &Path) -> impl FnOnce(io::Error) -> io::Error + use<> {
    let path = path.to_owned();
    move |error| {
        // The system's reason, without its number.
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default();
        io::Error::new(error.kind(), format!("cannot read {}: {reason}", path.display()))
    }
}
