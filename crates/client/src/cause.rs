//! Finds the cause of an error among the errors that wrap it.

use std::error::Error as StdError;
use std::io;

/// An error, then its causes from the outermost to the innermost.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error's `source` skips the error that it wraps; `get_ref` returns that one.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// The outermost error of this type.
pub(crate) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Whether the operating system's own timeout ended the wait.
pub(crate) fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// The text of the innermost cause. The errors around it add nothing, and contain the URL with its query, which in
/// redirects is a credential.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let error = causes(error).last().unwrap_or(error);
    if error.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_closed() || error.is_canceled()) {
        return "it closed the connection, or does not speak HTTP".to_owned();
    }
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "the connection was reset".to_owned(),
        _ => error.to_string(),
    }
}
