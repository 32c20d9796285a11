//! Builds a new catalog from records and from the files that the storage has.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hythe_oci::{Digest, RepositoryName, Tag};
use rusqlite::Connection;

use super::{error, manifest_rows, repositories, schema, sql};
use crate::{BlobFile, Error, Incomplete, ManifestPush, OpenError, Rebuilt, Record, Result};

/// How many changes one transaction has.
const BATCH: usize = 4096;

/// How many incomplete images the result names.
const NAMED: usize = 1000;

/// What the build knows beside the catalog's own tables: the files, the links whose files are still to be found, and the
/// tags whose manifests are.
const TABLES: &str = "
    CREATE TABLE found_file (digest TEXT NOT NULL PRIMARY KEY, generation TEXT NOT NULL, size INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    CREATE TABLE found_link (repository INTEGER NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
        PRIMARY KEY (repository, digest)) STRICT, WITHOUT ROWID;
    CREATE INDEX found_link_digest ON found_link (digest);
    CREATE TABLE found_tag (repository INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
        updated INTEGER NOT NULL, PRIMARY KEY (repository, name)) STRICT, WITHOUT ROWID;
    CREATE INDEX found_tag_digest ON found_tag (repository, digest);";

/// A catalog in the making, in a file that no server has open. What a kill leaves of it is replaced by the next build.
/// Blocking.
#[derive(Debug)]
pub struct Rebuild {
    connection: Connection,
    path: PathBuf,
    now: i64,
    /// How many changes the open transaction has.
    changes: usize,
}

impl Rebuild {
    /// Begins a catalog at `path`, in the place of a file there. Its content counts as used at `now`.
    pub fn create(path: &Path, now: i64) -> Result<Self, OpenError> {
        let failed = |error: &rusqlite::Error| error::not_opened(path.to_owned(), error);
        remove(path)
            .map_err(|error| OpenError::Other { path: path.to_owned(), reason: error.to_string() })?;
        let connection = Connection::open(path).map_err(|error| failed(&error))?;
        schema::prepare_new(&connection).map_err(|error| failed(&error))?;
        // A file that a kill or a power loss leaves unfinished is never used.
        let settings =
            "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768; BEGIN;";
        connection.execute_batch(settings).map_err(|error| failed(&error))?;
        connection.execute_batch(TABLES).map_err(|error| failed(&error))?;
        Ok(Self { connection, path: path.to_owned(), now, changes: 0 })
    }

    /// Adds a file that the storage has. The caller gives one file for each digest.
    pub fn add_file(&mut self, file: &BlobFile) -> Result<()> {
        const ADD: &str = "INSERT INTO found_file (digest, generation, size) VALUES (?1, ?2, ?3)
            ON CONFLICT (digest) DO UPDATE SET generation = excluded.generation, size = excluded.size";
        let params = (file.digest.to_string(), file.generation.to_string(), sql::signed(file.size));
        self.change(|connection, _| sql::run(connection, ADD, params).map(drop))
    }

    /// Stores a manifest, whose time of push is `push.now`, in the place of an earlier one with the same digest. Sets no
    /// tags.
    pub fn store(&mut self, push: &ManifestPush) -> Result<()> {
        self.change(|connection, now| store(connection, push, now))
    }

    /// Applies a record. The record of a manifest does nothing here: the caller [stores](Self::store) what follows from
    /// its bytes.
    pub fn apply(&mut self, record: &Record) -> Result<()> {
        self.change(|connection, _| apply(connection, record))
    }

    /// Ends the build; the catalog is on the disk then. With `heal`, some records are known to be lost: a pushed manifest
    /// also gets those of its blobs that have a file, unless only private repositories have them.
    pub fn finish(self, heal: bool) -> Result<Rebuilt> {
        let Self { connection, path, now, .. } = self;
        let finished = finish(&connection, now, heal).map_err(|error| error::failed(&error))?;
        let closed = connection.close().map_err(|(_, error)| error::failed(&error));
        closed?;
        File::open(&path).and_then(|file| file.sync_all()).map_err(|error| {
            Error::Unavailable(format!("{} could not be synced: {error}", path.display()))
        })?;
        Ok(finished)
    }

    fn change(&mut self, change: impl FnOnce(&Connection, i64) -> rusqlite::Result<()>) -> Result<()> {
        change(&self.connection, self.now).map_err(|error| error::failed(&error))?;
        self.changes += 1;
        if self.changes >= BATCH {
            self.changes = 0;
            self.connection.execute_batch("COMMIT; BEGIN;").map_err(|error| error::failed(&error))?;
        }
        Ok(())
    }
}

/// Removes the file of an earlier build, and what SQLite left beside it.
fn remove(path: &Path) -> io::Result<()> {
    for end in ["", "-journal", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn store(connection: &Connection, push: &ManifestPush, now: i64) -> rusqlite::Result<()> {
    const WAITING: &str = "SELECT name, updated FROM found_tag WHERE repository = ?1 AND digest = ?2";
    const USED: &str = "UPDATE manifest_use SET last_use = ?2 WHERE manifest = ?1";
    let repository = repositories::find_or_create(connection, &push.repository, &push.origin, push.private)?;
    let manifest = manifest_rows::store(connection, repository, push)?;
    sql::run(connection, USED, (manifest, now))?;
    for (digest, _) in push.named() {
        manifest_rows::refer(connection, repository, &digest, manifest)?;
    }
    let params = (repository, push.digest.to_string());
    let waiting: Vec<(Tag, i64)> =
        sql::all(connection, WAITING, params, |row| Ok((sql::parsed(row, 0)?, row.get(1)?)))?;
    for (name, updated) in waiting {
        manifest_rows::tag(connection, repository, name.as_str(), manifest, (updated, updated))?;
        forget_waiting(connection, repository, &name)?;
    }
    Ok(())
}

fn apply(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    const PROVENANCE: &str = "INSERT INTO repository (name, origin, private) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, private = excluded.private";
    const LINK: &str = "INSERT INTO found_link (repository, digest, size) VALUES (?1, ?2, ?3)
        ON CONFLICT (repository, digest) DO UPDATE SET size = excluded.size";
    const UNLINK: &str = "DELETE FROM found_link WHERE repository = ?1 AND digest = ?2";
    const UNTAG: &str = "DELETE FROM tag WHERE repository = ?1 AND name = ?2";
    const IMPORT: &str = "INSERT INTO import (source, finished) VALUES (?1, ?2)
        ON CONFLICT (source) DO UPDATE SET finished = excluded.finished";
    let of = |repository: &RepositoryName| repositories::find(connection, repository);
    match record {
        Record::Repository { name, origin, private } => {
            sql::run(connection, PROVENANCE, (name.as_str(), origin.as_str(), private))?;
        }
        Record::Manifest { .. } => {}
        Record::ManifestDeleted { repository, digest } => {
            if let Some(repository) = of(repository)?
                && let Some(manifest) = manifest_rows::find(connection, repository, digest)?
            {
                manifest_rows::delete(connection, repository, manifest)?;
            }
        }
        Record::Link { repository, digest, size } => {
            if let Some(repository) = of(repository)? {
                sql::run(connection, LINK, (repository, digest.to_string(), sql::signed(*size)))?;
            }
        }
        Record::LinkDeleted { repository, digest } => {
            if let Some(repository) = of(repository)? {
                sql::run(connection, UNLINK, (repository, digest.to_string()))?;
            }
        }
        Record::Tag { repository, name, digest, updated } => {
            let Some(repository) = of(repository)? else { return Ok(()) };
            match manifest_rows::find(connection, repository, digest)? {
                Some(manifest) => {
                    forget_waiting(connection, repository, name)?;
                    manifest_rows::tag(
                        connection,
                        repository,
                        name.as_str(),
                        manifest,
                        (*updated, *updated),
                    )?;
                }
                // The manifest's record may come later. Until then the tag names the manifest that it named before.
                None => wait(connection, repository, name, digest, *updated)?,
            }
        }
        Record::TagDeleted { repository, name } => {
            if let Some(repository) = of(repository)? {
                forget_waiting(connection, repository, name)?;
                sql::run(connection, UNTAG, (repository, name.as_str()))?;
            }
        }
        Record::Import { source, finished } => {
            sql::run(connection, IMPORT, (source, finished))?;
        }
    }
    Ok(())
}

fn wait(
    connection: &Connection,
    repository: i64,
    name: &Tag,
    digest: &Digest,
    updated: i64,
) -> rusqlite::Result<()> {
    const WAIT: &str = "INSERT INTO found_tag (repository, name, digest, updated) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest, updated = excluded.updated";
    sql::run(connection, WAIT, (repository, name.as_str(), digest.to_string(), updated)).map(drop)
}

fn forget_waiting(connection: &Connection, repository: i64, name: &Tag) -> rusqlite::Result<()> {
    const FORGET: &str = "DELETE FROM found_tag WHERE repository = ?1 AND name = ?2";
    sql::run(connection, FORGET, (repository, name.as_str())).map(drop)
}

fn finish(connection: &Connection, now: i64, heal: bool) -> rusqlite::Result<Rebuilt> {
    const HEAL: &str = "INSERT INTO found_link (repository, digest, size)
        SELECT DISTINCT f.repository, f.digest, s.size FROM reference f
            JOIN repository r ON r.id = f.repository AND r.origin = 'local'
            JOIN found_file s ON s.digest = f.digest
        WHERE NOT EXISTS (SELECT 1 FROM found_link l JOIN repository p ON p.id = l.repository AND p.private <> 0
                WHERE l.digest = f.digest)
            OR EXISTS (SELECT 1 FROM found_link l JOIN repository p ON p.id = l.repository AND p.private = 0
                WHERE l.digest = f.digest)
        ON CONFLICT (repository, digest) DO NOTHING";
    const BLOBS: &str = "INSERT INTO blob (digest, size, generation, created)
        SELECT s.digest, s.size, s.generation, ?1 FROM found_file s
        WHERE EXISTS (SELECT 1 FROM found_link l WHERE l.digest = s.digest AND l.size = s.size)";
    const LINKS: &str = "INSERT INTO link (repository, digest, last_use)
        SELECT l.repository, l.digest, ?1 FROM found_link l
        JOIN blob b ON b.digest = l.digest AND b.size = l.size";
    const COUNTS: &str = "SELECT
        (SELECT count(*) FROM repository WHERE manifests > 0 AND origin = 'local'),
        (SELECT count(*) FROM repository WHERE manifests > 0 AND origin <> 'local'),
        (SELECT coalesce(sum(manifests), 0) FROM repository),
        (SELECT count(*) FROM tag),
        (SELECT count(*) FROM blob),
        (SELECT coalesce(sum(size), 0) FROM blob),
        (SELECT count(*) FROM found_tag),
        (SELECT count(*) FROM found_link) - (SELECT count(*) FROM link),
        (SELECT count(*) FROM found_file) - (SELECT count(*) FROM blob),
        (SELECT coalesce(sum(size), 0) FROM found_file) - (SELECT coalesce(sum(size), 0) FROM blob)";
    const FORGET: &str = "DELETE FROM repository WHERE id <> 0 AND manifests = 0
        AND NOT EXISTS (SELECT 1 FROM link WHERE repository = repository.id)";
    if heal {
        sql::run(connection, HEAL, [])?;
    }
    sql::run(connection, BLOBS, [now])?;
    sql::run(connection, LINKS, [now])?;
    let mut rebuilt = sql::first(connection, COUNTS, [], |row| {
        Ok(Rebuilt {
            repositories: sql::unsigned(row, 0)?,
            copies: sql::unsigned(row, 1)?,
            manifests: sql::unsigned(row, 2)?,
            tags: sql::unsigned(row, 3)?,
            blobs: sql::unsigned(row, 4)?,
            bytes: sql::unsigned(row, 5)?,
            dangling: sql::unsigned(row, 6)?,
            lost: sql::unsigned(row, 7)?,
            incomplete: Vec::new(),
            unlinked: sql::unsigned(row, 8)?,
            unlinked_bytes: sql::unsigned(row, 9)?,
        })
    })?
    .unwrap_or_default();
    if rebuilt.lost > 0 {
        rebuilt.incomplete = incomplete(connection)?;
    }
    // The links of a repository are gone with their files, so its row may have nothing left.
    sql::run(connection, FORGET, [])?;
    connection
        .execute_batch("DROP TABLE found_file; DROP TABLE found_link; DROP TABLE found_tag; COMMIT;")?;
    Ok(rebuilt)
}

/// The pushed manifests whose repositories had a blob of them that has no file now.
fn incomplete(connection: &Connection) -> rusqlite::Result<Vec<Incomplete>> {
    const LOST: &str = "SELECT r.name, m.digest, t.name, l.digest
        FROM found_link l JOIN repository r ON r.id = l.repository AND r.origin = 'local'
            JOIN reference f ON f.repository = l.repository AND f.digest = l.digest
            JOIN manifest m ON m.id = f.manifest LEFT JOIN tag t ON t.manifest = m.id
        WHERE NOT EXISTS (SELECT 1 FROM link k WHERE k.repository = l.repository AND k.digest = l.digest)
        ORDER BY r.name, m.digest, t.name";
    let mut statement = connection.prepare(LOST)?;
    let mut rows = statement.query([])?;
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    while let Some(row) = rows.next()? {
        let lost = Incomplete {
            repository: sql::parsed(row, 0)?,
            manifest: sql::parsed(row, 1)?,
            tag: row.get(2)?,
            blob: sql::parsed(row, 3)?,
        };
        if seen.insert((lost.repository.clone(), lost.manifest, lost.tag.clone())) {
            found.push(lost);
        }
        if found.len() == NAMED {
            break;
        }
    }
    Ok(found)
}
