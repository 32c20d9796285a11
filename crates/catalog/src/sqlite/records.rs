//! Reads what the catalog knows as records.

use bytes::Bytes;
use rusqlite::{Connection, Row};
use tokio::task::spawn_blocking;

use super::{Catalog, sql};
use crate::{Error, Record, Result};

/// Selects the columns of a record, up to the condition.
macro_rules! select {
    (repository) => {
        "SELECT r.name, r.origin, r.private FROM repository r WHERE r.id <> 0 AND "
    };
    (manifest) => {
        "SELECT r.name, r.origin, r.private, m.digest, m.media_type, m.pushed, m.bytes
            FROM repository r JOIN manifest m ON m.repository = r.id WHERE r.id <> 0 AND "
    };
    (link) => {
        "SELECT r.name, l.digest, b.size FROM repository r JOIN link l ON l.repository = r.id
            JOIN blob b ON b.digest = l.digest WHERE r.id <> 0 AND "
    };
    (tag) => {
        "SELECT r.name, t.name, m.digest, t.updated FROM repository r JOIN tag t ON t.repository = r.id
            JOIN manifest m ON m.id = t.manifest WHERE r.id <> 0 AND "
    };
    (import) => {
        "SELECT source, finished FROM import WHERE "
    };
}

/// One repository, by its name.
pub(crate) const REPOSITORY: &str = concat!(select!(repository), "r.name = ?1");
/// One manifest, by the name of its repository and its digest.
pub(crate) const MANIFEST: &str = concat!(select!(manifest), "r.name = ?1 AND m.digest = ?2");
/// One link, by the name of its repository and its digest.
pub(crate) const LINK: &str = concat!(select!(link), "r.name = ?1 AND l.digest = ?2");
/// One tag, by the name of its repository and its own.
pub(crate) const TAG: &str = concat!(select!(tag), "r.name = ?1 AND t.name = ?2");
/// One import, by its source.
pub(crate) const IMPORT: &str = concat!(select!(import), "source = ?1");

impl Catalog {
    /// Gives `sink` every record of one instant: repositories first, then imports, manifests, links, and tags last. Reads
    /// while other requests go on, and holds one record at a time in memory. The inner error is the first that `sink`
    /// returned.
    pub async fn export<E, S>(&self, mut sink: S) -> Result<Result<(), E>>
    where
        E: Send + 'static,
        S: FnMut(Record) -> Result<(), E> + Send + 'static,
    {
        let readers = std::sync::Arc::clone(&self.inner.readers);
        let export = spawn_blocking(move || readers.read_apart(|connection| each(connection, &mut sink)));
        match export.await {
            Ok(read) => read,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down.
            Err(_) => Err(Error::closed()),
        }
    }
}

fn each<E>(
    connection: &Connection,
    sink: &mut impl FnMut(Record) -> Result<(), E>,
) -> rusqlite::Result<Result<(), E>> {
    type Read = fn(&Row<'_>) -> rusqlite::Result<Record>;
    let kinds: [(&str, Read); 5] = [
        (concat!(select!(repository), "true ORDER BY r.id"), repository),
        (concat!(select!(import), "true ORDER BY source"), import),
        (concat!(select!(manifest), "true ORDER BY m.id"), manifest),
        (concat!(select!(link), "true ORDER BY r.id, l.digest"), link),
        (concat!(select!(tag), "true ORDER BY r.id, t.name"), tag),
    ];
    for (sql, read) in kinds {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Err(error) = sink(read(row)?) {
                return Ok(Err(error));
            }
        }
    }
    Ok(Ok(()))
}

pub(crate) fn repository(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Repository { name: sql::parsed(row, 0)?, origin: sql::parsed(row, 1)?, private: row.get(2)? })
}

pub(crate) fn manifest(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Manifest {
        repository: sql::parsed(row, 0)?,
        origin: sql::parsed(row, 1)?,
        private: row.get(2)?,
        digest: sql::parsed(row, 3)?,
        media_type: row.get(4)?,
        pushed: row.get(5)?,
        bytes: Bytes::copy_from_slice(row.get_ref(6)?.as_blob()?),
    })
}

pub(crate) fn link(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Link {
        repository: sql::parsed(row, 0)?,
        digest: sql::parsed(row, 1)?,
        size: sql::unsigned(row, 2)?,
    })
}

pub(crate) fn tag(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Tag {
        repository: sql::parsed(row, 0)?,
        name: sql::parsed(row, 1)?,
        digest: sql::parsed(row, 2)?,
        updated: row.get(3)?,
    })
}

pub(crate) fn import(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Import { source: row.get(0)?, finished: row.get(1)? })
}
