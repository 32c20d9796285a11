//! The database's file: opens it, checks its version, and upgrades it to the current version.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{self, is_full};
use super::sql;
use crate::{Expect, OpenError};

/// The name in errors about a catalog in memory, which has no file.
pub(crate) const MEMORY: &str = ":memory:";

/// The migrations. The first makes version 1 of the schema from an empty file, each other one the version after. A
/// published migration is never edited.
const MIGRATIONS: [&str; 14] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_upstream.sql"),
    include_str!("migrations/0003_private.sql"),
    include_str!("migrations/0004_import.sql"),
    include_str!("migrations/0005_turns.sql"),
    include_str!("migrations/0006_times.sql"),
    include_str!("migrations/0007_owner.sql"),
    include_str!("migrations/0008_undo.sql"),
    include_str!("migrations/0009_retention.sql"),
    include_str!("migrations/0010_running.sql"),
    include_str!("migrations/0011_lease.sql"),
    include_str!("migrations/0012_journal.sql"),
    include_str!("migrations/0013_accounts.sql"),
    include_str!("migrations/0014_withdrawal.sql"),
];

/// The latest version of the schema. A file has its version in `PRAGMA user_version`.
const KNOWN: u32 = MIGRATIONS.len() as u32;

/// The value of `PRAGMA application_id`, "hyth": it tells a catalog from any other SQLite file.
const APPLICATION: i32 = 0x6879_7468;

/// How long another process (a backup, a person with `sqlite3`) may hold a lock before a statement fails.
const BUSY: Duration = Duration::from_secs(5);

/// `foreign_keys` makes the schema's cascades and its rule that a link needs a blob hold whatever the code does.
/// `temp_store`: a container that consists of one binary has no folder for temporary files.
const SETTINGS: &str = "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;";

/// The writer's connection, on a file of the current version.
pub(crate) fn open_file(path: &Path, expect: Expect) -> Result<Connection, OpenError> {
    let failed = |error: &rusqlite::Error| error::not_opened(path.to_owned(), error);
    // This check comes before the open, because SQLite creates a missing file when it opens it.
    if expect == Expect::Catalog && !path.metadata().is_ok_and(|found| found.len() > 0) {
        return Err(OpenError::Missing { path: path.to_owned() });
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
    connection.busy_timeout(BUSY).map_err(|error| failed(&error))?;
    // This check comes before any write, so that a file which is not a catalog of this version stays as it is.
    let version = check(&connection, path)?;
    if expect == Expect::Catalog && version == 0 {
        return Err(OpenError::Missing { path: path.to_owned() });
    }
    configure(&connection).map_err(|error| failed(&error))?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| failed(&error))?;
    if mode != "wal" {
        let reason = format!("its file system cannot hold a write-ahead log (journal mode stays `{mode}`)");
        return Err(OpenError::Other { path: path.to_owned(), reason });
    }
    // The log of an earlier process may be in the page cache only: a sync of it may have failed, which the kernel
    // reports only once. So the log is folded into the file, which is synced. On a full disk that happens later.
    match sql::first(&connection, "PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        Err(error) if !is_full(&error) => return Err(failed(&error)),
        _ => {}
    }
    migrate(&connection, version).map_err(|error| failed(&error))?;
    Ok(connection)
}

/// The one connection of a catalog in memory.
pub(crate) fn open_memory() -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| error::not_opened(MEMORY.into(), &error);
    let connection = Connection::open_in_memory().map_err(failed)?;
    configure(&connection).map_err(failed)?;
    migrate(&connection, 0).map_err(failed)?;
    Ok(connection)
}

/// Checks every page of the catalog at `path`, and changes nothing in it. No process may have it open. Reads the whole file.
pub(crate) fn examine(path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| error::not_opened(path.to_owned(), &error);
    let missing = || OpenError::Missing { path: path.to_owned() };
    if !path.metadata().is_ok_and(|found| found.len() > 0) {
        return Err(missing());
    }
    let connection = open_reader(path).map_err(failed)?;
    if check(&connection, path)? == 0 {
        return Err(missing());
    }
    let damaged = |reason: String| OpenError::Damaged { path: path.to_owned(), reason };
    let found: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if found != "ok" {
        return Err(damaged(found.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let dangling =
        sql::first(&connection, "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", [], |row| {
            row.get::<_, String>(0)
        });
    match dangling.map_err(failed)? {
        Some(table) => Err(damaged(format!("a row of the table `{table}` names a row that does not exist"))),
        None => Ok(()),
    }
}

/// Makes a new, empty file a catalog of the current version.
pub(crate) fn prepare_new(connection: &Connection) -> rusqlite::Result<()> {
    configure(connection)?;
    migrate(connection, 0)
}

/// A read-only connection to a file that a writer holds open.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    keep_plans(&connection)?;
    connection.set_prepared_statement_cache_capacity(32);
    // This cache is enough for hundreds of frequently pulled tags, and the system's page cache backs it. Mapping the
    // file into memory instead would save a third of a cold read, but would count the whole file in the process's
    // resident size.
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;")?;
    Ok(connection)
}

/// Switches on the planner's stability guarantee. Without it SQLite compiles a statement again whenever a bound value
/// might allow a better plan. Here that costs several times the read itself, and never finds a better plan.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    keep_plans(connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(SETTINGS)?;
    // The limit of the log's size: a burst of large manifests must not leave a large log on the disk for ever.
    connection.execute_batch("PRAGMA cache_size = -2048; PRAGMA journal_size_limit = 67108864;")
}

/// The file's version; zero if the file is empty.
fn check(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let failed = |error: rusqlite::Error| error::not_opened(path.to_owned(), &error);
    let pragma = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0)).map_err(failed)
    };
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let version = pragma("user_version")?;
    if tables == 0 && version == 0 {
        return Ok(0);
    }
    if pragma("application_id")? != APPLICATION {
        let reason = "it is the database of another program".to_owned();
        return Err(OpenError::Other { path: path.to_owned(), reason });
    }
    match u32::try_from(version) {
        Ok(found) if found > KNOWN => Err(OpenError::Newer { path: path.to_owned(), found, known: KNOWN }),
        Ok(found) => Ok(found),
        Err(_) => {
            Err(OpenError::Damaged { path: path.to_owned(), reason: format!("schema version {version}") })
        }
    }
}

/// Runs the migrations after version `from`. Each is one transaction that also sets its version, so that a kill leaves
/// the file at one of the versions, never between two.
fn migrate(connection: &Connection, from: u32) -> rusqlite::Result<()> {
    for (version, script) in (1_u32..).zip(MIGRATIONS).skip(from as usize) {
        let step = format!(
            "BEGIN IMMEDIATE; {script} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {version}; COMMIT;"
        );
        if let Err(error) = connection.execute_batch(&step) {
            // The rollback fails if the failure has already ended the transaction.
            let _ = sql::run(connection, "ROLLBACK", []);
            return Err(error);
        }
    }
    Ok(())
}
