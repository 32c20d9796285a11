//! The journal: tells [`Journal`] of every change that a record expresses.
//!
//! Triggers enter what changed in the table `journal`, in the transaction of the change. After the commit the writer
//! reads the present state of what changed, and appends it as records. A row stays in the table until its record is
//! durable: a power loss that takes the end of the journal leaves these rows, and the next start appends them again.
//! The triggers belong to the writer's connection, so no migration can lose them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use super::{records, sql};
use crate::{Journal, Journaled, Record, write_line};

/// How many rows are read at once.
const PAGE: usize = 512;

/// How many bytes of lines gather before they are appended.
const GATHERED: usize = 256 << 10;

/// How long the writer appends behind one group. What is left waits for the next group; only a start, or the end of a
/// full disk, finds so much.
const BUDGET: Duration = Duration::from_millis(200);

// Kinds of rows. They are stored only until the row is appended and synced.
const REPOSITORY: i64 = 0;
const MANIFEST: i64 = 1;
const LINK: i64 = 2;
const TAG: i64 = 3;
const IMPORT: i64 = 4;

/// The triggers on the writer's connection. The repository 0 hides manifests that come or go.
const TRIGGERS: &str = "
    CREATE TEMP TRIGGER repository_new AFTER INSERT ON main.repository BEGIN
        INSERT INTO journal (kind, repository, name) VALUES (0, NEW.name, '');
    END;
    CREATE TEMP TRIGGER repository_changed AFTER UPDATE OF origin, private ON main.repository BEGIN
        INSERT INTO journal (kind, repository, name) VALUES (0, NEW.name, '');
    END;
    CREATE TEMP TRIGGER manifest_new AFTER INSERT ON main.manifest WHEN NEW.repository <> 0 BEGIN
        INSERT INTO journal (kind, repository, name)
            SELECT 1, name, NEW.digest FROM repository WHERE id = NEW.repository;
    END;
    CREATE TEMP TRIGGER manifest_changed
        AFTER UPDATE OF repository, digest, media_type, pushed, bytes ON main.manifest BEGIN
        INSERT INTO journal (kind, repository, name)
            SELECT 1, name, OLD.digest FROM repository
            WHERE id = OLD.repository AND id <> 0
                AND (OLD.repository, OLD.digest) <> (NEW.repository, NEW.digest);
        INSERT INTO journal (kind, repository, name)
            SELECT 1, name, NEW.digest FROM repository WHERE id = NEW.repository AND id <> 0;
    END;
    CREATE TEMP TRIGGER manifest_gone AFTER DELETE ON main.manifest WHEN OLD.repository <> 0 BEGIN
        INSERT INTO journal (kind, repository, name)
            SELECT 1, name, OLD.digest FROM repository WHERE id = OLD.repository;
    END;
    CREATE TEMP TRIGGER link_new AFTER INSERT ON main.link BEGIN
        INSERT INTO journal (kind, repository, name)
            SELECT 2, name, NEW.digest FROM repository WHERE id = NEW.repository;
    END;
    CREATE TEMP TRIGGER link_gone AFTER DELETE ON main.link BEGIN
        INSERT INTO journal (kind, repository, name)
            SELECT 2, name, OLD.digest FROM repository WHERE id = OLD.repository;
    END;
    CREATE TEMP TRIGGER tag_new AFTER INSERT ON main.tag BEGIN
        INSERT INTO journal (kind, repository, name)
            SELECT 3, name, NEW.name FROM repository WHERE id = NEW.repository;
    END;
    CREATE TEMP TRIGGER tag_changed AFTER UPDATE OF manifest, updated ON main.tag BEGIN
        INSERT INTO journal (kind, repository, name)
            SELECT 3, name, NEW.name FROM repository WHERE id = NEW.repository;
    END;
    CREATE TEMP TRIGGER tag_gone AFTER DELETE ON main.tag BEGIN
        INSERT INTO journal (kind, repository, name)
            SELECT 3, name, OLD.name FROM repository WHERE id = OLD.repository;
    END;
    CREATE TEMP TRIGGER import_new AFTER INSERT ON main.import BEGIN
        INSERT INTO journal (kind, repository, name) VALUES (4, '', NEW.source);
    END;
    CREATE TEMP TRIGGER import_changed AFTER UPDATE ON main.import BEGIN
        INSERT INTO journal (kind, repository, name) VALUES (4, '', NEW.source);
    END;";

/// The writer's side of the journal.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    journal: Arc<dyn Journal>,
    pub(crate) journaled: watch::Sender<Journaled>,
}

impl Outbox {
    /// Makes the connection's changes known to `journal`.
    pub(crate) fn begin(connection: &Connection, journal: Arc<dyn Journal>) -> rusqlite::Result<Self> {
        connection.execute_batch(TRIGGERS)?;
        Ok(Self { journal, journaled: watch::Sender::default() })
    }

    /// Appends the changes that are not in the journal yet.
    pub(crate) fn drain(&self, connection: &Connection) {
        let last = self.journaled.borrow().last;
        let mut next = last;
        let failure = self.append(connection, &mut next).err().map(|error| error.to_string());
        self.journaled.send_if_modified(|journaled| {
            // A rewind that came meanwhile counts.
            let changed = journaled.last == last && (next != last || failure != journaled.failure);
            if changed {
                *journaled = Journaled { last: next, failure };
            }
            changed
        });
    }

    /// Appends changes, and sets `last` to the last one that was appended.
    fn append(&self, connection: &Connection, last: &mut i64) -> io::Result<()> {
        const ROWS: &str =
            "SELECT seq, kind, repository, name FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        type Row = (i64, i64, String, String);
        let (began, mut lines, mut read) = (Instant::now(), Vec::new(), *last);
        loop {
            let rows: Vec<Row> = sql::all(connection, ROWS, (read, sql::limit(PAGE)), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .map_err(io::Error::other)?;
            let mut is_last = rows.len() < PAGE;
            for (number, kind, repository, name) in rows {
                let record = present(connection, kind, &repository, &name).map_err(io::Error::other)?;
                if let Some(record) = record {
                    write_line(&record, &mut lines)?;
                }
                read = number;
                if lines.len() >= GATHERED {
                    self.journal.append(&lines)?;
                    lines = Vec::new();
                    *last = read;
                    // A page of large manifests must not hold up other writes.
                    if began.elapsed() > BUDGET {
                        is_last = true;
                        break;
                    }
                }
            }
            if is_last || began.elapsed() > BUDGET {
                break;
            }
        }
        if !lines.is_empty() {
            self.journal.append(&lines)?;
        }
        *last = read;
        Ok(())
    }
}

/// The record of the present state of what a row says has changed. `None` if nothing is to be said.
fn present(
    connection: &Connection,
    kind: i64,
    repository: &str,
    name: &str,
) -> rusqlite::Result<Option<Record>> {
    // This program did not write a name that does not parse.
    let (of, digest) = (repository.parse(), name.parse());
    Ok(match kind {
        REPOSITORY => sql::first(connection, records::REPOSITORY, [repository], records::repository)?,
        IMPORT => sql::first(connection, records::IMPORT, [name], records::import)?,
        MANIFEST => sql::first(connection, records::MANIFEST, (repository, name), records::manifest)?
            .or_else(|| Some(Record::ManifestDeleted { repository: of.ok()?, digest: digest.ok()? })),
        LINK => sql::first(connection, records::LINK, (repository, name), records::link)?
            .or_else(|| Some(Record::LinkDeleted { repository: of.ok()?, digest: digest.ok()? })),
        TAG => sql::first(connection, records::TAG, (repository, name), records::tag)?
            .or_else(|| Some(Record::TagDeleted { repository: of.ok()?, name: name.parse().ok()? })),
        _ => None,
    })
}
