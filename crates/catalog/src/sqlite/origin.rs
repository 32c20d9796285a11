//! The check of a repository's origin, which each write that adds to the repository makes first.

use hythe_oci::RepositoryName;
use rusqlite::Connection;

use super::repositories;
use crate::{Error, Origin};

/// Refuses a write into a repository whose content has another origin: the registry must never answer a request for an
/// upstream's content with content that was pushed here, and a push must never change a copy. The caller calls this
/// before it writes anything.
pub(crate) fn check(
    connection: &Connection,
    name: &RepositoryName,
    origin: &Origin,
) -> rusqlite::Result<Result<(), Error>> {
    Ok(match repositories::origin(connection, name)? {
        Some(found) if found != *origin => {
            Err(Error::OtherOrigin { repository: name.clone(), origin: found })
        }
        _ => Ok(()),
    })
}
